"""The StableHLO text that monel writes, compiled and run by JAX's XLA."""

import io

import exported_models
import exported_primitives as primitives
import numpy as np
import pytest
from exported_primitives import assert_agree

import monel.core as mx
from monel.core.plugin import to_stablehlo
from monel.utils import tree_flatten

jax = pytest.importorskip("jax")
xla_client = pytest.importorskip("jax._src.lib").xla_client


@pytest.fixture(scope="module", autouse=True)
def wide_numbers():
    """float64 and int64 are cut to 32 bits by default."""
    with jax.enable_x64(True):
        yield


def run(text, inputs):
    """Compile the text with XLA and return its outputs as NumPy arrays."""
    device = jax.devices("cpu")[0]
    devices = xla_client.DeviceList((device,))
    options = xla_client.CompileOptions()
    executable = device.client.compile_and_load(text.encode(), devices, options)
    made = executable.execute_sharded([jax.device_put(x, device) for x in inputs])
    return [np.asarray(shards[0]) for shards in made.disassemble_into_single_device_arrays()]


@pytest.mark.parametrize("name", primitives.ELSEWHERE)
def test_a_primitive_is_the_same_in_xla(name):
    for sample in primitives.SAMPLED[name]:
        program, inputs = primitives.program_of(sample)
        theirs = run(to_stablehlo(program), inputs)
        for a, b in zip(primitives.run(program, inputs), theirs, strict=True):
            assert_agree(a, b, 3e-5 * sample.tolerance)


@pytest.mark.parametrize(
    ("fun", "args"), [pytest.param(f, args, id=name) for name, f, args in exported_models.cases()]
)
def test_a_model_is_the_same_in_xla(fun, args):
    program = mx.make_program(fun)(*args)
    leaves = [leaf for _, leaf in tree_flatten(list(args))]
    theirs = run(to_stablehlo(program), [np.array(leaf) for leaf in leaves])
    for a, b in zip(program(*leaves), theirs, strict=True):
        assert_agree(np.array(a), b, 1e-4)


def test_random_numbers_have_the_same_bits():
    program = mx.make_program(lambda key: mx.random.uniform(shape=(3, 5), key=key))(
        mx.random.key(0)
    )
    key = mx.random.key(11)
    (theirs,) = run(to_stablehlo(program), [np.array(key)])
    assert np.array_equal(theirs, np.array(program(key)[0]))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
@pytest.mark.parametrize("fun", [mx.remainder, mx.floor_divide])
def test_division_rounds_down_on_every_sign(fun, dtype):
    values = [-7, -3, -1, 1, 3, 7] if dtype != "uint8" else [1, 3, 7, 255]
    x, y = (np.array(v, dtype) for v in zip(*[(a, b) for a in values for b in values]))
    program = mx.make_program(fun)(mx.array(x), mx.array(y))
    (theirs,) = run(to_stablehlo(program), [x, y])
    assert_agree(np.array(program(mx.array(x), mx.array(y))[0]), theirs, 0)


@pytest.mark.parametrize("fun", [mx.argmax, mx.argmin, mx.argsort, mx.max, mx.min])
def test_extremes_and_orders_take_nan_as_monel_does(fun):
    x = np.array([[3, np.nan, 1, np.nan], [-0.0, 0.0, -0.0, 5], [np.inf, -np.inf, 2, 2]], "float32")
    program = mx.make_program(lambda x: fun(x, axis=1))(mx.array(x))
    (theirs,) = run(to_stablehlo(program), [x])
    np.testing.assert_array_equal(np.array(program(mx.array(x))[0]), theirs)


def test_constants_of_every_dtype_arrive():
    held = [
        mx.array([0, 1, 2, 200]).astype(getattr(mx, name))
        for name in ("bool_", "uint8", "int8", "int64", "float16", "bfloat16", "complex64")
    ]
    theirs = run(to_stablehlo(mx.make_program(lambda: held)()), [])
    for a, b in zip(held, theirs, strict=True):
        assert_agree(np.array(a), b, 0)


def test_the_text_in_a_file_is_the_program():
    file = io.StringIO()
    mx.export_stablehlo(file, lambda x, *, y: (x + y, x), mx.ones(3), y=mx.ones(3))
    theirs = run(file.getvalue(), [np.arange(3, dtype="f"), np.ones(3, "f")])
    assert [t.tolist() for t in theirs] == [[1, 2, 3], [0, 1, 2]]
