"""Every kernel on the samples of its primitive, watched, in three orders of threads."""

import numpy as np
import pytest
from launching import Device, assert_agree, reference

from monel.backends.metal import families
from monel.backends.metal.emulator import fakemetal, strict
from monel.backends.metal.emulator.lint import lint
from monel.backends.metal.emulator.translate import parse
from monel.core.plugin import REGISTRY, AbstractArray, dtype_named


def native(primitive):
    """The samples that have a kernel, as pairs of primitive and operands."""
    out = []
    for p, operands, *_ in primitive.samples(np.random.default_rng(0)):
        arrays = [np.asarray(o) for o in operands]
        avals = [AbstractArray(x.shape, dtype_named(x.dtype.name)) for x in arrays]
        made = p.abstract(*avals)
        dtypes = [a.dtype for a in avals] or [made.dtype]
        results = made if isinstance(made, tuple) and not hasattr(made, "dtype") else [made]
        known = all(a.dtype.name != "float64" for a in [*avals, *results])
        if known and families.find(primitive.name, tuple(dtypes)):
            out.append((p, arrays))
    return out


NAMES = [name for name, cls in sorted(REGISTRY.items()) if "::" not in name and native(cls)]


# Sources that several primitives share are checked once.
CHECKED: set[str] = set()


def test_the_required_primitives_have_kernels():
    required = {name for name, cls in REGISTRY.items() if cls.required and not cls.effect}
    on_the_host = {"host_call", "load"}
    assert {n for n in required - on_the_host if "::" not in n} - set(NAMES) == set()


@pytest.mark.parametrize("name", NAMES)
def test_kernel_agrees_with_the_reference(name, ordered_device):
    for p, operands in native(REGISTRY[name]):
        got = ordered_device.run(p, *operands)
        if got is not None:
            for g, w in zip(got, reference(p, *operands), strict=True):
                assert_agree(g, w)


@pytest.mark.parametrize("name", NAMES)
def test_kernel_source_is_strict_msl(name, device):
    for p, operands in native(REGISTRY[name]):
        device.run(p, *operands)
    for source in device.sources - CHECKED:
        CHECKED.add(source)
        assert [str(c) for c in lint(source)] == []
        assert strict.check(source, parse(source)[1]) == []


@pytest.mark.parametrize("limit", [448, 256])
def test_groups_adapt_to_the_limit_of_threads(limit, device):
    device.settings.max_threads = limit
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3000)).astype("float32")
    for name in ("sum", "max"):
        (got,) = device.run(REGISTRY[name](axes=(1,)), x)
        assert_agree(got, getattr(x, name)(axis=1))
    (order,) = device.run(REGISTRY["argsort"](axis=1), x)
    assert order.tolist() == np.argsort(x, 1, kind="stable").tolist()


LONG = [(1, 40_000), (3, 5_000), (70, 33), (5, 1)]


@pytest.mark.parametrize("shape", LONG)
@pytest.mark.parametrize("axis", [0, 1])
def test_reductions_of_long_rows_and_columns(shape, axis, device):
    x = np.random.default_rng(2).standard_normal(shape).astype("float32")
    for name in ("sum", "max", "min"):
        (got,) = device.run(REGISTRY[name](axes=(axis,)), x)
        want = getattr(x.astype(np.float64), name)(axis=axis).astype(np.float32)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-3)
    (got,) = device.run(REGISTRY["argmax"](axis=axis), x)
    assert got.tolist() == x.argmax(axis).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize("shape", [(1, 70, 65, 33), (2, 3, 5, 7), (3, 1, 40, 9), (1, 9, 40, 1)])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_all_sizes_and_layouts(dtype, shape, transposed, device):
    batch, m, k, n = shape
    rng = np.random.default_rng(3)
    kind = dtype_named(dtype).numpy
    a = rng.standard_normal((batch, m, k)).astype("float32").astype(kind)
    b = rng.standard_normal((batch, k, n)).astype("float32").astype(kind)
    x, y = device.put(a), device.put(b)
    if transposed:
        x, y = (device.put(np.swapaxes(o, 1, 2)) for o in (a, b))
        swap = REGISTRY["transpose"](axes=(0, 2, 1))
        (x,), (y,) = device.buffers(swap, x), device.buffers(swap, y)
    (made,) = device.buffers(REGISTRY["matmul"](), x, y)
    wide = np.complex128 if dtype == "complex64" else np.float64
    want = (a.astype(wide) @ b.astype(wide)).astype(np.float32 if dtype != "complex64" else kind)
    got = device.get(made)
    assert got.dtype == kind
    tolerance = {"float32": 1e-4, "complex64": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}[dtype]
    got = got if dtype == "complex64" else got.astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", [1, 2, 31, 33, 2048, 2049, 5000])
def test_sorting_is_stable_and_puts_nan_last(n, device):
    rng = np.random.default_rng(n)
    x = rng.integers(0, 50, (2, n)).astype("float32")
    x[0, :: max(n // 3, 1)] = np.nan
    (got,) = device.run(REGISTRY["argsort"](axis=1), x)
    assert got.tolist() == np.argsort(x, 1, kind="stable").tolist()


@pytest.mark.parametrize("mode", ["set", "add", "mul", "max", "min"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "complex64"])
def test_scattered_duplicates_combine_in_the_order_of_the_indices(mode, dtype, ordered_device):
    rng = np.random.default_rng(4)
    x = rng.integers(1, 4, (5, 3)).astype(dtype)
    updates = rng.integers(1, 4, (40, 1, 3)).astype(dtype)
    index = rng.integers(-5, 5, 40).astype("int32")
    p = REGISTRY["scatter"](axes=(0,), mode=mode)
    (got,) = ordered_device.run(p, x, updates, index)
    assert_agree(got, reference(p, x, updates, index)[0])


UNARY = ("exp", "log", "sqrt", "sin", "tanh", "sigmoid", "log1p", "expm1", "abs", "sign", "round")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_special_values(name, dtype, device):
    values = [0.0, -0.0, 1.0, -1.0, 0.5, 3.5, 2.5, 1e-4, 60.0, np.inf, -np.inf, np.nan]
    x = np.array(values, np.float32).astype(dtype_named(dtype).numpy)
    p = REGISTRY[name]()
    (got,) = device.run(p, x)
    (want,) = reference(p, x)
    assert_agree(got, want)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64"])
@pytest.mark.parametrize("name", ["add", "mul", "sub", "rem", "floor_divide", "pow", "shift_left"])
def test_integer_arithmetic_wraps_and_never_fails(name, dtype, device):
    info = np.iinfo(dtype)
    values = [0, 1, 2, 7, info.max, info.min, info.max - 1, info.max // 2]
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(values, values))
    if name in ("pow", "shift_left"):
        y = (np.abs(y.astype(object)) % 9).astype(dtype)
    p = REGISTRY[name]()
    (got,) = device.run(p, x, y)
    (want,) = reference(p, x, y)
    assert_agree(got, want)


CASTS = ["bool", "int8", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "complex64"]


@pytest.mark.parametrize("source", CASTS)
def test_casts_to_every_dtype(source, device):
    x = np.array([0, 1, 1, 0, 1]).astype(dtype_named(source).numpy)
    x = x if source == "bool" else (x * 3).astype(x.dtype)
    for target in CASTS:
        p = REGISTRY["cast"](dtype=dtype_named(target))
        (got,) = device.run(p, x)
        part = x if target == "complex64" else np.real(x)
        assert_agree(got, part.astype(p.dtype.numpy))


def test_strided_operands_of_any_layout(ordered_device):
    x = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    buffer = ordered_device.put(x)
    (turned,) = ordered_device.buffers(REGISTRY["transpose"](axes=(2, 0, 1)), buffer)
    cut = REGISTRY["slice"](start=(5, 0, 4), stop=(-1, 4, -1), step=(-2, 1, -1))
    (view,) = ordered_device.buffers(cut, turned)
    (made,) = ordered_device.buffers(REGISTRY["add"](), view, view)
    want = x.transpose(2, 0, 1)[5::-2, :, 4::-1]
    assert_agree(ordered_device.get(made), want + want)
    assert_agree(ordered_device.get(view), want)
    (flat,) = ordered_device.buffers(REGISTRY["reshape"](shape=(60,)), view)
    assert_agree(ordered_device.get(flat), want.reshape(60))


def test_a_view_shares_its_storage_and_a_reshape_of_runs_copies_nothing(device):
    x = device.put(np.zeros((4, 6), np.float32))
    (cut,) = device.buffers(REGISTRY["slice"](start=(0, 0), stop=(4, 3), step=(1, 1)), x)
    (split,) = device.buffers(REGISTRY["reshape"](shape=(2, 2, 3)), cut)
    assert split.storage is x.storage
    assert split.strides == (12, 6, 1)


def test_the_plain_device_gives_the_same_bits():
    x = np.random.default_rng(5).standard_normal((37, 65)).astype("float32")
    results = []
    for wish in ("plain", "checked"):
        with fakemetal.installed(wish) as settings:
            device = Device(settings)
            (made,) = device.run(REGISTRY["matmul"](), x, x.T.copy())
            results.append(made.tobytes())
    assert results[0] == results[1]
