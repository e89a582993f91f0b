"""Comparison, logic, bits and choice: values, nan, dtypes, what is comparable at all."""

import math
import operator

import numpy as np
import pytest

import monel.core as mx

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("compare", "want"),
    [
        (operator.lt, [True, False, False]),
        (operator.le, [True, True, False]),
        (operator.gt, [False, False, True]),
        (operator.ge, [False, True, True]),
        (operator.eq, [False, True, False]),
        (operator.ne, [True, False, True]),
    ],
)
def test_comparison_operators_give_bool_both_ways(compare, want):
    x = mx.array([1, 2, 3])
    got = compare(x, 2)
    assert (got.tolist(), got.dtype) == (want, mx.bool_)
    assert compare(x, mx.array([2.0, 2.0, 2.0])).tolist() == want


def test_a_scalar_on_the_left_is_compared_the_other_way_round():
    assert (2 < mx.array([1, 2, 3])).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("equal", False),
        ("not_equal", True),
        ("less", False),
        ("less_equal", False),
        ("greater", False),
        ("greater_equal", False),
    ],
)
def test_nan_is_unequal_and_unordered(name, want):
    assert getattr(mx, name)(mx.array(NAN), mx.array(NAN)).item() is want


@pytest.mark.parametrize("other", [[1], (1,), "x", None, object()])
def test_equality_with_what_is_no_array_is_plain(other):
    a = mx.array([1])
    assert (a == other) is False
    assert (a != other) is True


@pytest.mark.parametrize("other", [[1], "x", None])
def test_order_with_what_is_no_array_is_refused(other):
    with pytest.raises(ValueError, match="less"):
        mx.array([1]) < other  # noqa: B015


def test_arrays_stay_hashable():
    a = mx.array([1])
    assert {a: 1}[a] == 1


def test_complex_numbers_order_by_real_part_then_imaginary():
    x, y = mx.array([1 + 1j, 1 + 2j]), mx.array([1 + 2j, 0 + 9j])
    assert mx.less(x, y).tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("isnan", [False, True, False, False]),
        ("isinf", [False, False, True, True]),
        ("isfinite", [True, False, False, False]),
        ("isposinf", [False, False, True, False]),
        ("isneginf", [False, False, False, True]),
    ],
)
def test_predicates(name, want):
    f = getattr(mx, name)
    assert f(mx.array([1.0, NAN, INF, -INF])).tolist() == want
    finite = name == "isfinite"
    assert f(mx.array([1, 2])).tolist() == [finite, finite]


def test_predicates_of_complex_numbers_look_at_both_parts():
    z = mx.array(np.array([1 + 1j, complex(1, NAN), complex(INF, 1)], "complex64"))
    assert mx.isnan(z).tolist() == [False, True, False]
    assert mx.isinf(z).tolist() == [False, False, True]
    assert mx.isfinite(z).tolist() == [True, False, False]


def test_logic_takes_any_dtype_as_whether_it_is_zero():
    a, b = mx.array([0, 2, 0, 3]), mx.array([0.0, 0.0, 0.5, 1.5])
    assert mx.logical_and(a, b).tolist() == [False, False, False, True]
    assert mx.logical_or(a, b).tolist() == [False, True, True, True]
    assert mx.logical_xor(a, b).tolist() == [False, True, True, False]
    assert mx.logical_not(a).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("bitwise_and", np.bitwise_and),
        ("bitwise_or", np.bitwise_or),
        ("bitwise_xor", np.bitwise_xor),
        ("left_shift", np.left_shift),
        ("right_shift", np.right_shift),
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64", "uint32"])
def test_bits_agree_with_numpy(name, want, dtype):
    x = np.array([0, 1, 6, 100], dtype)
    y = np.array([3, 1, 2, 4], dtype)
    got = np.array(getattr(mx, name)(mx.array(x), mx.array(y)))
    np.testing.assert_array_equal(got, want(x, y))


def test_shifts_of_bool_are_shifts_of_uint8():
    y = mx.left_shift(mx.array([True]), mx.array([True]))
    assert (y.tolist(), y.dtype) == ([2], mx.uint8)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift"])
def test_bits_of_floats_are_refused(name):
    with pytest.raises(ValueError, match=name):
        getattr(mx, name)(mx.array([1.5]), 1)
    with pytest.raises(ValueError, match="bitwise_invert"):
        ~mx.array([1.5])


def test_where_broadcasts_and_promotes():
    y = mx.where(mx.array([[True], [False]]), mx.array([1, 2]), 0.5)
    assert (y.tolist(), y.dtype) == ([[1.0, 2.0], [0.5, 0.5]], mx.float32)
    assert mx.where(True, 1, 2.5).dtype is mx.float32
    assert mx.where(mx.array([2, 0]), 1, 2).tolist() == [1, 2]


def test_where_gives_each_branch_its_own_gradient():
    f = lambda x, y: mx.sum(mx.where(x > 0, x * y, mx.exp(y)))  # noqa: E731
    x, y = mx.array([2.0, -1.0]), mx.array([3.0, 0.0])
    gx, gy = mx.grad(f, argnums=(0, 1))(x, y)
    assert (gx.tolist(), gy.tolist()) == ([3.0, 0.0], [2.0, 1.0])


def test_isclose_knows_infinities_and_nan():
    a = mx.array([1.0, INF, -INF, NAN, 1.0])
    b = mx.array([1.0 + 1e-7, INF, INF, NAN, 1.1])
    assert mx.isclose(a, b).tolist() == [True, True, False, False, False]
    assert mx.isclose(a, b, equal_nan=True).tolist() == [True, True, False, True, False]
    assert mx.allclose(a[:2], b[:2]).item() is True


def test_array_equal_compares_shapes_and_values_but_not_dtypes():
    assert mx.array_equal(mx.array([1, 2]), mx.array([1.0, 2.0])).item() is True
    assert mx.array_equal(mx.array([1, 2]), mx.array([1])).item() is False
    x = mx.array([NAN])
    assert mx.array_equal(x, x).item() is False
    assert mx.array_equal(x, x, equal_nan=True).item() is True


@pytest.mark.parametrize("name", ["isclose", "allclose"])
def test_closeness_is_asked_of_arrays_only(name):
    with pytest.raises(TypeError, match=name):
        getattr(mx, name)(1.0, 2.0)


def test_a_complex_number_is_true_unless_both_parts_are_zero():
    x = mx.array([1j, 2, 0])
    assert x.astype(mx.bool_).tolist() == [True, True, False]
    assert mx.logical_not(x).tolist() == [False, False, True]


@pytest.mark.parametrize("number", [-1, 300, 2**40, 2**70, 0.5, 1j, float("nan"), 0, 0.0, True])
@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_a_number_in_a_logical_function_counts_as_its_truth(name, number):
    flags = mx.array([0, 3], dtype=mx.uint8)
    truth = getattr(np, name)(np.array([False, True]), bool(number))
    assert getattr(mx, name)(flags, number).tolist() == truth.tolist()
    assert getattr(mx, name)(number, flags).tolist() == truth.tolist()
