"""The ONNX models that monel writes, checked by onnx and run by onnxruntime."""

import io

import exported_models
import exported_primitives as primitives
import numpy as np
import pytest
from exported_primitives import assert_agree

import monel.core as mx
from monel.utils import tree_flatten

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
reference = pytest.importorskip("onnx.reference")


def written(fun, *args):
    file = io.BytesIO()
    mx.to_onnx(file, fun, *args)
    model = onnx.load_from_string(file.getvalue())
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model, inputs):
    """Return the outputs by onnxruntime; by onnx itself for dtypes that have no kernel there."""
    given = {f"x{i}": np.asarray(x) for i, x in enumerate(inputs)}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        made = reference.ReferenceEvaluator(model).run(None, given)
    else:
        made = session.run(None, given)
    return [np.asarray(m) for m in made]


def has_form(program):
    """Neither bfloat16, which NumPy can't pass to onnxruntime, nor complex numbers."""
    return not {a.dtype.name for a in program.avals} & {"bfloat16", "complex64"}


@pytest.mark.parametrize("name", primitives.ELSEWHERE)
def test_a_primitive_is_the_same_in_onnxruntime(name):
    for sample in primitives.SAMPLED[name]:
        program, inputs = primitives.program_of(sample)
        if not has_form(program):
            continue
        arrays = [mx.array(x, dtype=a.dtype) for x, a in zip(inputs, program.in_avals, strict=True)]
        theirs = run(written(program, *arrays), inputs)
        for a, b in zip(primitives.run(program, inputs), theirs, strict=True):
            assert_agree(a, b, 3e-5 * sample.tolerance)


@pytest.mark.parametrize(
    ("fun", "args"), [pytest.param(f, args, id=name) for name, f, args in exported_models.cases()]
)
def test_a_model_is_the_same_in_onnxruntime(fun, args):
    leaves = [leaf for _, leaf in tree_flatten(list(args))]
    theirs = run(written(fun, *args), leaves)
    ours = mx.make_program(fun)(*args)(*leaves)
    for a, b in zip(ours, theirs, strict=True):
        assert_agree(np.array(a), b, 1e-4)


def test_inputs_and_outputs_are_named_in_order():
    model = written(lambda d, y: (y, d["a"], y + d["a"]), {"a": mx.ones(2)}, mx.zeros(2))
    assert [i.name for i in model.graph.input] == ["x0", "x1"]
    assert [o.name for o in model.graph.output] == ["y0", "y1", "y2"]
    theirs = run(model, [np.array([1, 2], "f"), np.array([3, 4], "f")])
    assert [t.tolist() for t in theirs] == [[3, 4], [1, 2], [4, 6]]


@pytest.mark.parametrize("fun", [mx.argsort, mx.sort])
def test_sorting_puts_nan_last_and_is_stable(fun):
    x = np.array([2, np.nan, np.inf, 1, np.nan, np.inf, 1], "float32")
    (theirs,) = run(written(fun, mx.array(x)), [x])
    np.testing.assert_array_equal(np.array(fun(mx.array(x))), theirs)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_division_rounds_down_on_every_sign(dtype):
    values = [-7, -3, -1, 1, 3, 7]
    x, y = (np.array(v, dtype) for v in zip(*[(a, b) for a in values for b in values]))
    for fun in (mx.remainder, mx.floor_divide):
        (theirs,) = run(written(fun, mx.array(x), mx.array(y)), [x, y])
        assert_agree(np.array(fun(mx.array(x), mx.array(y))), theirs, 0)


@pytest.mark.parametrize("fun", [mx.left_shift, mx.right_shift])
def test_shifts_of_negative_numbers(fun):
    x, n = np.array([-5, -1, 5, 2**30], "int32"), np.array([1, 3, 2, 1], "int32")
    (theirs,) = run(written(fun, mx.array(x), mx.array(n)), [x, n])
    assert theirs.tolist() == fun(mx.array(x), mx.array(n)).tolist()


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match="complex numbers have no form in ONNX"):
        written(mx.real, mx.array([1j]))


def test_a_loop_is_refused_by_name():
    with pytest.raises(ValueError, match="scan has no form in ONNX"):
        written(lambda x: mx.fori_loop(0, 3, lambda i, x: x + i, x), mx.ones(2))


@pytest.mark.parametrize("old", ["uint8", "int16", "float16", "uint32", "float32", "int64"])
@pytest.mark.parametrize("new", ["uint8", "int16", "float16", "uint32", "float32", "int64"])
def test_bits_are_seen_as_any_other_dtype(old, new):
    x = mx.random.randint(0, 100, (3, 32)).astype(mx.uint8).view(getattr(mx, old))
    (theirs,) = run(written(lambda x: x.view(getattr(mx, new)), x), [np.array(x)])
    assert theirs.tobytes() == bytes(x)


def test_a_model_asks_for_no_newer_operators_than_it_has():
    versions = [
        written(f, mx.ones(2)).opset_import[0].version for f in (mx.exp, lambda x: x.view(mx.int32))
    ]
    assert versions == [20, 26]


def test_a_path_is_written_whole(tmp_path):
    path = tmp_path / "f.onnx"
    mx.to_onnx(path, mx.exp, mx.ones(2))
    assert onnx.load(str(path)).producer_name == "monel"
    assert [p.name for p in tmp_path.iterdir()] == ["f.onnx"]
