"""Elementwise functions: values against NumPy in float64, dtypes, special values, errors."""

import math

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(7)
ANY = RNG.uniform(-3, 3, (4, 5))
POSITIVE = RNG.uniform(0.1, 4, (4, 5))
INSIDE = RNG.uniform(-0.95, 0.95, (4, 5))
UNARY = {
    "abs": (np.abs, ANY),
    "negative": (np.negative, ANY),
    "sign": (np.sign, ANY),
    "floor": (np.floor, ANY),
    "ceil": (np.ceil, ANY),
    "round": (np.rint, ANY),
    "square": (np.square, ANY),
    "sqrt": (np.sqrt, POSITIVE),
    "rsqrt": (lambda x: 1 / np.sqrt(x), POSITIVE),
    "reciprocal": (np.reciprocal, POSITIVE),
    "exp": (np.exp, ANY),
    "expm1": (np.expm1, ANY),
    "log": (np.log, POSITIVE),
    "log2": (np.log2, POSITIVE),
    "log10": (np.log10, POSITIVE),
    "log1p": (np.log1p, INSIDE),
    "sin": (np.sin, ANY),
    "cos": (np.cos, ANY),
    "tan": (np.tan, INSIDE),
    "arcsin": (np.arcsin, INSIDE),
    "arccos": (np.arccos, INSIDE),
    "arctan": (np.arctan, ANY),
    "sinh": (np.sinh, ANY),
    "cosh": (np.cosh, ANY),
    "tanh": (np.tanh, ANY),
    "arcsinh": (np.arcsinh, ANY),
    "arccosh": (np.arccosh, POSITIVE + 1),
    "arctanh": (np.arctanh, INSIDE),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), ANY),
    "erf": (np.vectorize(math.erf), ANY),
    "degrees": (np.degrees, ANY),
    "radians": (np.radians, ANY),
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "floor_divide": lambda a, b: np.floor(a / b),
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "arctan2": np.arctan2,
    "logaddexp": np.logaddexp,
}


@pytest.mark.parametrize("name", UNARY)
def test_a_unary_function_agrees_with_numpy(name):
    want, x = UNARY[name]
    got = getattr(mx, name)(mx.array(x.astype("float32")))
    assert got.dtype is mx.float32
    np.testing.assert_allclose(np.array(got), want(x), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", UNARY)
def test_a_unary_function_keeps_half_types(name):
    want, x = UNARY[name]
    x = x.astype("float16")
    got = getattr(mx, name)(mx.array(x))
    assert got.dtype is mx.float16
    np.testing.assert_allclose(np.array(got), want(x.astype("float64")), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_function_broadcasts_and_agrees_with_numpy(name):
    x, y = ANY, POSITIVE[:1]
    got = getattr(mx, name)(mx.array(x.astype("float32")), mx.array(y.astype("float32")))
    np.testing.assert_allclose(np.array(got), BINARY[name](x, y), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["exp", "sqrt", "sin", "log", "reciprocal", "sigmoid"])
def test_integers_count_as_float32(name):
    assert getattr(mx, name)(mx.array([1, 2])).dtype is mx.float32


@pytest.mark.parametrize("name", ["abs", "sign", "floor", "ceil", "round", "square"])
def test_integers_stay_integers_where_they_can(name):
    y = getattr(mx, name)(mx.array([3, 2]))
    assert y.dtype is mx.int32


@pytest.mark.parametrize(
    ("f", "want", "dtype"),
    [
        (lambda a: a + 2.5, [3.5, 4.5], mx.float32),
        (lambda a: a / 2, [0.5, 1.0], mx.float32),
        (lambda a: a // 2, [0, 1], mx.int32),
        (lambda a: a % 2, [1, 0], mx.int32),
        (lambda a: a**2, [1, 4], mx.int32),
        (lambda a: 2**a, [2, 4], mx.int32),
        (lambda a: 3 - a, [2, 1], mx.int32),
        (lambda a: 1 / a, [1.0, 0.5], mx.float32),
        (lambda a: 7 // a, [7, 3], mx.int32),
        (lambda a: a + 1j, [1 + 1j, 2 + 1j], mx.complex64),
        (lambda a: a + True, [2, 3], mx.int32),
        (lambda a: -a, [-1, -2], mx.int32),
        (lambda a: +a, [1, 2], mx.int32),
        (lambda a: abs(-a), [1, 2], mx.int32),
        (lambda a: ~a, [-2, -3], mx.int32),
        (lambda a: a << 1, [2, 4], mx.int32),
        (lambda a: a >> 1, [0, 1], mx.int32),
        (lambda a: a & 1, [1, 0], mx.int32),
        (lambda a: a | 4, [5, 6], mx.int32),
        (lambda a: a ^ 3, [2, 1], mx.int32),
    ],
)
def test_operators_of_an_int32_array(f, want, dtype):
    y = f(mx.array([1, 2]))
    assert (y.tolist(), y.dtype) == (want, dtype)


@pytest.mark.parametrize(
    ("a", "b", "quotient", "rest"), [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1)]
)
def test_integer_division_rounds_down_and_the_remainder_has_the_sign_of_the_divisor(
    a, b, quotient, rest
):
    x = mx.array(a)
    assert ((x // b).item(), (x % b).item()) == (quotient, rest)
    assert [y.item() for y in mx.divmod(x, b)] == [quotient, rest]


def test_integers_divided_by_zero_give_zero_and_leave_themselves():
    x = mx.array([7, -7])
    assert (x // 0).tolist() == [0, 0]
    assert (x % 0).tolist() == [7, -7]


def test_negative_powers_of_integers_truncate():
    got = mx.array([1, -1, -1, 3, 0]) ** mx.array([-1, -1, -2, -2, -3])
    assert got.tolist() == [1, -1, 1, 0, 0]


def test_bool_arithmetic_is_or_xor_and():
    a, b = mx.array([True, True, False]), mx.array([True, False, False])
    assert (a + b).tolist() == [True, True, False]
    assert (a - b).tolist() == [False, True, False]
    assert (a * b).tolist() == [True, False, False]


def test_half_to_even_rounding():
    assert mx.round(mx.array([0.5, 1.5, 2.5, -0.5])).tolist() == [0.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("x", "decimals", "want"), [([1.26, 2.34], 1, [1.3, 2.3]), ([125, 235], -1, [120, 240])]
)
def test_rounding_to_decimals(x, decimals, want):
    np.testing.assert_allclose(np.array(mx.round(mx.array(x), decimals)), want, rtol=1e-6)


def test_maximum_and_minimum_propagate_nan():
    x, nan = mx.array([1.0, math.nan]), math.nan
    np.testing.assert_array_equal(np.array(mx.maximum(x, 0.5)), [1, nan])
    np.testing.assert_array_equal(np.array(mx.minimum(0.5, x)), [0.5, nan])


def test_logaddexp_of_infinities():
    inf = math.inf
    x, y = mx.array([inf, -inf, inf, 1000.0]), mx.array([inf, -inf, 0.0, 1000.0])
    assert mx.logaddexp(x, y).tolist() == pytest.approx([inf, -inf, inf, 1000.6931], rel=1e-6)


def test_erfinv_inverts_erf_and_is_infinite_at_the_ends():
    x = mx.array([-0.9, -0.3, 0.0, 0.5, 0.999])
    np.testing.assert_allclose(np.array(mx.erf(mx.erfinv(x))), np.array(x), rtol=1e-5)
    assert mx.erfinv(mx.array([-1.0, 1.0])).tolist() == [-math.inf, math.inf]
    assert math.isnan(mx.erfinv(mx.array(1.5)).item())


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("exp", np.exp),
        ("log", np.log),
        ("sqrt", np.sqrt),
        ("sin", np.sin),
        ("tanh", np.tanh),
        ("arcsin", np.arcsin),
        ("abs", np.abs),
        ("conj", np.conj),
        ("real", np.real),
        ("imag", np.imag),
        ("square", np.square),
        ("reciprocal", np.reciprocal),
    ],
)
def test_complex_functions_agree_with_numpy(name, want):
    z = (INSIDE + 1j * POSITIVE).astype("complex64")
    got = np.array(getattr(mx, name)(mx.array(z)))
    np.testing.assert_allclose(got, want(z.astype("complex128")), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("f", "point", "want"),
    [
        (lambda z: mx.real(z * z), 1 + 2j, 2 - 4j),
        (mx.abs, 3 + 4j, 0.6 + 0.8j),
        (mx.imag, 3 + 4j, 1j),
        (lambda z: mx.real(mx.conj(z) * 2j), 3 + 4j, 2j),
    ],
)
def test_gradients_of_complex_primals(f, point, want):
    assert mx.grad(f)(mx.array(point)).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("f", "x", "want"),
    [
        (mx.maximum, (1.0, 1.0), (0, 1)),
        (mx.minimum, (1.0, 1.0), (0, 1)),
        (mx.power, (0.0, 2.0), (0, 0)),
        (mx.power, (0.0, 0.0), (0, 0)),
        (mx.remainder, (7.5, 2.0), (1, -3)),
        (mx.floor_divide, (7.5, 2.0), (0, 0)),
    ],
)
def test_derivatives_at_ties_and_edges(f, x, want):
    got = mx.grad(f, argnums=(0, 1))(mx.array(x[0]), mx.array(x[1]))
    assert tuple(g.item() for g in got) == want


def test_the_gradient_of_an_integer_array_has_its_dtype():
    g = mx.grad(lambda x: mx.sum(x * x))(mx.array([3, -2]))
    assert (g.tolist(), g.dtype) == ([6, -4], mx.int32)


def test_clip_takes_two_limits_or_fewer_and_promotes():
    x = mx.array([1, 5, 9])
    assert mx.clip(x, 2, 6).tolist() == [2, 5, 6]
    assert mx.clip(x, None, 6).tolist() == [1, 5, 6]
    assert mx.clip(x, 2.5, None).tolist() == [2.5, 5.0, 9.0]
    assert mx.clip(x, None, None).tolist() == [1, 5, 9]


def test_nan_to_num_replaces_nan_and_infinities():
    x = mx.array([1.0, math.nan, math.inf, -math.inf])
    assert mx.nan_to_num(x, nan=5, posinf=6, neginf=7).tolist() == [1, 5, 6, 7]
    largest = mx.finfo(mx.float32).max
    assert mx.nan_to_num(x).tolist() == [1, 0, largest, -largest]


@pytest.mark.parametrize("argument", [[1.0], (1.0,), "x", None])
def test_what_is_no_array_is_refused_by_name(argument):
    with pytest.raises(ValueError, match="exp"):
        mx.exp(argument)
    with pytest.raises(ValueError, match="add"):
        mx.array([1.0]) + argument


def test_negative_of_bool_is_refused():
    with pytest.raises(ValueError, match="logical_not"):
        -mx.array(True)


def test_shapes_that_do_not_broadcast_are_refused_by_name():
    with pytest.raises(ValueError, match=r"multiply.*\(2,\).*\(3,\)"):
        mx.array([1, 2]) * mx.array([1, 2, 3])


@pytest.mark.parametrize("name", ["remainder", "floor_divide", "arctan2"])
def test_complex_numbers_are_refused_where_order_matters(name):
    with pytest.raises(ValueError, match=name):
        getattr(mx, name)(mx.array(1j), mx.array(2.0))


def test_scalars_out_of_range_are_refused():
    with pytest.raises(ValueError, match="overflow"):
        mx.array([1]) + 3_000_000_000
    with pytest.raises(ValueError, match="overflow"):
        mx.array([1], mx.uint8) + (-1)


def test_every_function_takes_a_stream():
    s = mx.default_stream(mx.default_device())
    x = mx.array([1.0, 4.0])
    assert mx.sqrt(x, stream=s).tolist() == [1.0, 2.0]
    assert mx.add(x, 1, stream=s).tolist() == [2.0, 5.0]


def test_trunc_goes_towards_zero_and_positive_copies():
    assert mx.trunc(mx.array([1.5, -1.5, 2.0])).tolist() == [1.0, -1.0, 2.0]
    assert mx.trunc(mx.array([1, -2])).tolist() == [1, -2]
    with pytest.raises(ValueError, match="trunc"):
        mx.trunc(mx.array(1j))
    x = mx.array([True, False])
    y = mx.positive(x)
    assert (y.tolist(), y.dtype, y is x) == ([True, False], mx.bool_, False)


LOWEST = {"int32": -(2**31), "int64": -(2**63), "uint64": 2**63}


@pytest.mark.parametrize("source", [mx.float32, mx.float64])
@pytest.mark.parametrize(
    "name", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_what_an_integer_cannot_hold_becomes_the_lowest(name, source):
    numbers = [float("nan"), float("inf"), float("-inf"), 1e30, -1e30, -2.5, 100.9]
    made = mx.array(numbers * 9, source).astype(getattr(mx, name)).tolist()
    bits = 8 * getattr(mx, name).size
    below = -2 if not name.startswith("u") else 2**bits - 2
    # Narrow integers keep the low bits of the lowest int32, and uint32 of the lowest int64: 0.
    assert made == ([LOWEST.get(name, 0)] * 5 + [below, 100]) * 9


def test_uint64_holds_what_int64_does_not():
    assert mx.array([2.0**63, 2.0**64, -1.0], mx.float64).astype(mx.uint64).tolist() == [
        2**63,
        2**63,
        2**64 - 1,
    ]
