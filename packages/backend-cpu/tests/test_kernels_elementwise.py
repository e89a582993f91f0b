"""Elementwise operations: every dtype, layout and broadcast against NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
INTEGERS = [np.dtype(n) for n in "uint8 uint16 uint32 uint64 int8 int16 int32 int64".split()]
HALVES = [np.dtype("float16"), BFLOAT16]
FLOATS = [*HALVES, np.dtype("float32"), np.dtype("float64")]
COMPLEX = np.dtype("complex64")

ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
COMPARISON = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}
INTEGRAL = {
    "floor_divide": np.floor_divide,
    "rem": np.remainder,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}


def sample(rng, dtype, shape=(7, 9)):
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "ui":
        low = -100 if dtype.kind == "i" else 0
        return rng.integers(low, 100, shape).astype(dtype)
    if dtype == COMPLEX:
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return (rng.standard_normal(shape) * 4).astype(dtype)


def expected(function, *operands):
    if operands[0].dtype in HALVES:
        return function(*[a.astype(np.float32) for a in operands]).astype(operands[0].dtype)
    return function(*operands)


def assert_same(got, want):
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    assert np.array_equal(got.astype(np.complex128), want.astype(np.complex128), equal_nan=True)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS], ids=str)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_equals_numpy_bit_for_bit(run, rng, name, dtype):
    x, y = sample(rng, dtype), sample(rng, dtype)
    with np.errstate(all="ignore"):
        assert_same(run(name, x, y), expected(ARITHMETIC[name], x, y))


@pytest.mark.parametrize("dtype", [np.dtype(bool), *INTEGERS, *FLOATS, COMPLEX], ids=str)
@pytest.mark.parametrize("name", COMPARISON)
def test_comparison_gives_bool(run, rng, name, dtype):
    x, y = sample(rng, dtype), sample(rng, dtype)
    y[::2] = x[::2]
    got = run(name, x, y)
    assert got.dtype == bool
    assert np.array_equal(got, COMPARISON[name](x, y))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("name", INTEGRAL)
def test_integer_operation_equals_numpy(run, rng, name, dtype):
    x, y = sample(rng, dtype), sample(rng, dtype)
    y[y == 0] = 3
    assert_same(run(name, x, y), INTEGRAL[name](x, y))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["div", "rem"])
def test_float_division_equals_numpy(run, rng, name, dtype):
    x, y = sample(rng, dtype), sample(rng, dtype)
    y[y == 0] = 1
    function = {"div": np.divide, "rem": np.remainder}[name]
    assert_same(run(name, x, y), expected(function, x, y))


def test_integer_division_by_zero_is_defined(run):
    x, zero = np.array([5, -5], np.int32), np.zeros(2, np.int32)
    assert run("floor_divide", x, zero).tolist() == [0, 0]
    assert run("rem", x, zero).tolist() == [5, -5]


def test_least_integer_by_minus_one_wraps(run):
    x, y = np.array([-(2**31)], np.int32), np.array([-1], np.int32)
    assert run("floor_divide", x, y).tolist() == [-(2**31)]
    assert run("rem", x, y).tolist() == [0]


def test_integer_power_by_squaring(run):
    x, y = (
        np.array([2, 3, -2, 0, 7, -1, 1], np.int32),
        np.array([10, 4, 3, 0, -1, -3, -5], np.int32),
    )
    assert run("pow", x, y).tolist() == [1024, 81, -8, 1, 0, -1, 1]


def test_shift_beyond_the_width_leaves_nothing(run):
    x, y = np.array([1, 1, -8], np.int32), np.array([33, 31, 40], np.int32)
    assert run("shift_left", x, y).tolist() == [0, -(2**31), 0]
    assert run("shift_right", x, y).tolist() == [0, 0, -1]


def test_sums_of_bool_are_or_and_products_and(run):
    x, y = np.array([True, True, False]), np.array([True, False, False])
    assert run("add", x, y).tolist() == [True, True, False]
    assert run("mul", x, y).tolist() == [True, False, False]
    assert run("bitwise_invert", x).tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extreme_of_nan_is_nan(run, name):
    x, y = np.array([np.nan, 1.0], np.float32), np.array([1.0, np.nan], np.float32)
    assert np.isnan(run(name, x, y)).all()


def test_classification_of_floats(run):
    x = np.array([0.0, np.inf, -np.inf, np.nan], np.float32)
    assert run("isnan", x).tolist() == [False, False, False, True]
    assert run("isinf", x).tolist() == [False, True, True, False]
    assert run("isfinite", x).tolist() == [True, False, False, False]


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "sign", "abs", "neg", "square"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_rounding_and_signs_equal_numpy(run, name, dtype):
    x = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 7.25], dtype)
    function = {"round": np.rint, "neg": np.negative}.get(name) or getattr(np, name)
    assert_same(run(name, x), expected(function, x))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("name", ["abs", "neg", "sign", "square", "bitwise_invert"])
def test_unary_of_integers_equals_numpy(run, rng, name, dtype):
    x = sample(rng, dtype)
    function = {"neg": np.negative, "bitwise_invert": np.invert}.get(name) or getattr(np, name)
    assert_same(run(name, x), function(x))


COMPLEX_UNARY = {
    n: getattr(np, n)
    for n in "exp log sqrt sin cos tan sinh cosh tanh arcsin arccos arctan square conj".split()
} | {"real": np.real, "imag": np.imag, "abs": np.abs, "neg": np.negative}


@pytest.mark.parametrize("name", COMPLEX_UNARY)
def test_complex_function_is_numpys(run, rng, name):
    x = sample(rng, COMPLEX)
    want = COMPLEX_UNARY[name](x.astype(np.complex128))
    got = run(name, x)
    assert got.dtype == (np.float32 if name in ("real", "imag", "abs") else COMPLEX)
    assert np.allclose(got, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_complex_arithmetic_is_numpys(run, rng, name):
    x, y = sample(rng, COMPLEX), sample(rng, COMPLEX)
    function = {
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "pow": np.power,
        "add": np.add,
    }[name]
    assert np.allclose(run(name, x, y), function(x.astype(np.complex128), y), rtol=2e-5)


SHAPES = [
    ((5,), (5,)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), (3, 1)),
    ((), (3,)),
    ((1,), (2, 2)),
    ((0, 3), (1, 3)),
    ((300, 5), (5,)),
    ((300, 5), (300, 1)),
    ((40, 700), (700,)),
    ((40, 700), (40, 1)),
    ((2, 1, 70, 1), (3, 1, 70)),
    ((1, 1, 1), (1,)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_operands_broadcast(run, rng, left, right):
    x, y = sample(rng, np.dtype("float32"), left), sample(rng, np.dtype("float32"), right)
    assert_same(run("sub", x, y), x - y)
    assert_same(run("sub", y, x), y - x)


LAYOUTS = {
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1, ::-1],
    "every third": lambda a: a[::3, ::3],
    "a column": lambda a: a[:, 3:4],
    "repeated": lambda a: np.broadcast_to(a[:1], a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [12, 260])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_strided_operands_are_read_in_place(run, rng, layout, size, dtype):
    a = sample(rng, np.dtype(dtype), (size, size))
    x = LAYOUTS[layout](a)
    y = np.ascontiguousarray(x)
    assert_same(run("add", x, y), expected(np.add, y, y))
    assert_same(run("square", x), expected(np.square, y))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "complex64"])
@pytest.mark.parametrize(
    ("condition", "x", "y"), [((9,), (9,), (9,)), ((9, 1), (7,), ()), ((), (600, 3), (3,))]
)
def test_where_selects_and_broadcasts(run, rng, dtype, condition, x, y):
    c = sample(rng, np.dtype(bool), condition)
    a, b = sample(rng, np.dtype(dtype), x), sample(rng, np.dtype(dtype), y)
    assert_same(run("where", c, a, b), np.where(c, a, b))


def test_large_work_is_split_without_a_seam(run, rng):
    x = sample(rng, np.dtype("float32"), (200_003,))
    assert_same(run("add", x, x), x + x)
    assert_same(run("mul", x, np.float32(3)), x * np.float32(3))
    assert_same(run("sub", np.float32(3), x), np.float32(3) - x)


@pytest.mark.parametrize("source", [np.dtype(bool), *INTEGERS, *FLOATS, COMPLEX], ids=str)
@pytest.mark.parametrize("target", [np.dtype(bool), *INTEGERS, *FLOATS, COMPLEX], ids=str)
def test_cast_equals_numpy_within_range(run, code, source, target):
    x = np.array([0, 1, 2, 3, 100, 7, 0, 90], np.int32).astype(source)
    want = x.real.astype(target) if target.kind != "c" and source == COMPLEX else x.astype(target)
    if source == COMPLEX and target.kind == "b":
        want = x != 0
    assert_same(run("cast", x, dtype=code(target)), want)


def test_cast_to_bool_is_not_zero(run, code):
    x = np.array([0.0, -0.0, 0.25, np.nan, -3], np.float32)
    assert run("cast", x, dtype=code(np.bool_)).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_half_converts_both_ways(run, code, dtype):
    halves = np.arange(65536, dtype=np.uint32).astype(np.uint16).view(dtype)
    wide = run("cast", halves, dtype=code(np.float32))
    assert np.array_equal(wide, halves.astype(np.float32), equal_nan=True)
    back = run("cast", wide, dtype=code(dtype))
    finite = ~np.isnan(wide)
    assert np.array_equal(back.view(np.uint16)[finite], halves.view(np.uint16)[finite])


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_float32_rounds_to_the_nearest_even_half(run, code, dtype):
    bits = np.arange(0, 2**32, 65537, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)[~np.isnan(bits.view(np.float32))]
    with np.errstate(all="ignore"):
        want = x.astype(dtype)
    assert np.array_equal(run("cast", x, dtype=code(dtype)).view(np.uint16), want.view(np.uint16))


@pytest.mark.parametrize(
    ("source", "target"), [("float32", "int32"), ("uint8", "float32"), ("complex64", "uint16")]
)
def test_bitcast_rescales_the_last_axis(run, rng, code, source, target):
    x = sample(rng, np.dtype(source), (3, 8))
    want = x.view(target)
    got = run("bitcast", x, dtype=code(target))
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()
