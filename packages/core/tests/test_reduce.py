"""Reductions and statistics: values, dtypes, axes, ties, empty arrays."""

import numpy as np
import pytest

import monel.core as mx

X = np.random.default_rng(0).standard_normal((2, 3, 4))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std", "median"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), [1]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_reduction_agrees_with_numpy(name, axis, keepdims):
    got = getattr(mx, name)(mx.array(X.astype("float32")), axis=axis, keepdims=keepdims)
    where = tuple(axis) if isinstance(axis, list) else axis
    want = getattr(np, name)(X, axis=where, keepdims=keepdims)
    assert got.shape == want.shape
    np.testing.assert_allclose(np.array(got), want, rtol=2e-5)


@pytest.mark.parametrize(
    ("dtype", "want"),
    [
        (mx.bool_, mx.int32),
        (mx.int8, mx.int32),
        (mx.int16, mx.int32),
        (mx.uint8, mx.uint32),
        (mx.uint16, mx.uint32),
        (mx.int64, mx.int64),
        (mx.float16, mx.float16),
        (mx.bfloat16, mx.bfloat16),
        (mx.complex64, mx.complex64),
    ],
    ids=str,
)
def test_sum_and_prod_widen_small_integers(dtype, want):
    x = mx.ones((2, 3), dtype)
    assert mx.sum(x).dtype is want
    assert mx.prod(x).dtype is want


def test_a_sum_of_small_integers_does_not_wrap():
    assert mx.sum(mx.array([200, 200], dtype=mx.uint8)).item() == 400


@pytest.mark.parametrize("name", ["sum", "mean", "max", "all", "argmax", "median"])
@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_out_of_bounds_is_an_index_error_and_a_value_error(name, axis):
    for kind in (IndexError, ValueError):
        with pytest.raises(kind, match=f"{name}: axis {axis} is out of bounds"):
            getattr(mx, name)(mx.ones((2, 3)), axis=axis)


def test_an_axis_named_twice_is_refused():
    with pytest.raises(ValueError, match="duplicate axes"):
        mx.sum(mx.ones((2, 3)), axis=(0, -2))


@pytest.mark.parametrize("axis", [1.0, "x"])
def test_an_axis_is_an_int(axis):
    with pytest.raises(TypeError, match="sum: axis must be an int"):
        mx.sum(mx.ones((2, 3)), axis=axis)


@pytest.mark.parametrize("operand", [3, 2.5, [1, 2], "x", None])
def test_a_reduction_takes_arrays_only(operand):
    with pytest.raises(TypeError, match="sum: expected an array"):
        mx.sum(operand)


def test_no_axes_leave_the_array_as_it_is():
    assert mx.sum(mx.array([1, 2]), axis=()).tolist() == [1, 2]
    assert mx.all(mx.array([1, 0]), axis=[]).tolist() == [True, False]


def test_empty_reductions_give_the_identity():
    empty = mx.zeros((0, 2))
    assert mx.sum(empty, axis=0).tolist() == [0, 0]
    assert mx.prod(empty, axis=0).tolist() == [1, 1]
    assert mx.all(empty).item() is True
    assert mx.any(empty).item() is False
    assert np.isnan(mx.mean(empty).item())


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "median"])
def test_nothing_has_no_extreme(name):
    with pytest.raises(ValueError, match=name):
        getattr(mx, name)(mx.zeros((0,)))


def test_an_empty_axis_that_stays_is_no_error():
    assert mx.max(mx.zeros((0, 3)), axis=1).shape == (0,)


@pytest.mark.parametrize("name", ["max", "min", "median"])
def test_nan_wins(name):
    assert np.isnan(getattr(mx, name)(mx.array([1.0, float("nan"), 3.0])).item())


def test_argmax_and_argmin_take_the_first_of_ties_and_the_first_nan():
    x = mx.array([[1, 5, 5], [0, 0, 7]])
    assert mx.argmax(x, axis=1).tolist() == [1, 2]
    assert mx.argmin(x, axis=1).tolist() == [0, 0]
    nan = float("nan")
    assert mx.argmax(mx.array([1.0, nan, 3.0, nan])).item() == 1
    assert mx.argmin(mx.array([1.0, nan, 3.0, nan])).item() == 1


def test_argmax_without_an_axis_counts_in_the_flattened_array():
    x = mx.array([[1, 2], [9, 4]])
    assert mx.argmax(x).item() == 2
    assert mx.argmax(x, keepdims=True).shape == (1, 1)
    assert mx.argmax(x).dtype is mx.uint32


def test_all_and_any_of_numbers_ask_whether_they_are_zero():
    x = mx.array([[1.0, 0.0], [float("nan"), -2.0]])
    assert mx.all(x, axis=1).tolist() == [False, True]
    assert mx.any(x, axis=0).tolist() == [True, True]


def test_the_gradient_of_max_is_shared_between_ties():
    grad = mx.grad(lambda x: mx.max(x))(mx.array([1.0, 3.0, 3.0, 2.0]))
    assert grad.tolist() == [0, 0.5, 0.5, 0]
    assert mx.jvp(mx.max, [mx.array([3.0, 3.0])], [mx.array([2.0, 4.0])])[1][0].item() == 3


@pytest.mark.parametrize(
    ("x", "want"),
    [([2.0, 3.0, 4.0], [12, 8, 6]), ([2.0, 0.0, 4.0], [0, 8, 0]), ([0.0, 0.0, 4.0], [0, 0, 0])],
)
def test_the_gradient_of_prod_is_exact_at_zeros(x, want):
    assert mx.grad(lambda v: mx.prod(v))(mx.array(x)).tolist() == want


def test_the_second_derivative_of_prod_is_exact_at_zeros():
    f = mx.grad(lambda v: mx.prod(v))
    rows = [mx.grad(lambda v, i=i: f(v)[i])(mx.array([0.0, 0.0, 4.0])).tolist() for i in range(3)]
    assert rows == [[0, 4, 0], [4, 0, 0], [0, 0, 0]]


def test_positions_and_truths_have_no_gradient():
    for f in (mx.argmax, mx.all):
        grad = mx.grad(lambda x, f=f: mx.sum(f(x) * x))(mx.array([1.0, 2.0]))
        assert grad.tolist() == [1.0, 1.0]


def test_the_mean_of_half_precision_does_not_overflow():
    assert mx.mean(mx.full((1000,), 1000.0, mx.float16)).item() == 1000


def test_var_survives_a_large_mean():
    x = mx.array([1e4, 1e4 + 1, 1e4 + 2])
    assert mx.var(x).item() == pytest.approx(2 / 3, rel=1e-6)


@pytest.mark.parametrize(("ddof", "want"), [(0, 2 / 3), (1, 1.0), (3, float("inf"))])
def test_ddof_lowers_the_divisor_of_var(ddof, want):
    assert mx.var(mx.array([1.0, 2.0, 3.0]), ddof=ddof).item() == pytest.approx(want)


def test_var_of_complex_numbers_is_real():
    got = mx.var(mx.array([1 + 1j, 2 + 0j]))
    assert got.dtype is mx.float32
    assert got.item() == 0.5


def test_integers_and_bool_have_float_statistics():
    for f in (mx.mean, mx.var, mx.std, mx.median):
        assert f(mx.array([1, 2])).dtype is mx.float32


def test_median_of_an_even_count_is_between_the_middle_two():
    assert mx.median(mx.array([3, 1, 2, 10])).item() == 2.5
    assert mx.median(mx.array([[1.0, 2.0], [3.0, 4.0]]), axis=(0, 1), keepdims=True).shape == (1, 1)


def test_minmax_and_count_nonzero():
    x = mx.array([[1, 0, 3], [0, 0, 2]])
    low, high = mx.minmax(x, axis=1)
    assert (low.tolist(), high.tolist()) == ([0, 0], [3, 2])
    assert mx.count_nonzero(x, axis=1).tolist() == [2, 1]


def test_shapes_stay_open_in_a_shapeless_trace():
    f = lambda x: (mx.mean(x, axis=1), mx.var(x), mx.argmax(x), mx.max(x, axis=(0, 1)))  # noqa: E731
    compiled = mx.compile(f, shapeless=True)
    for shape in [(2, 3), (4, 5)]:
        x = mx.reshape(mx.arange(shape[0] * shape[1], dtype=mx.float32), shape)
        for got, want in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(np.array(got), np.array(want), rtol=1e-6)


@pytest.mark.parametrize("correction", [0, 1, 0.5])
def test_correction_is_the_standards_name_of_ddof(correction):
    a = np.array([1.0, 2.0, 4.0, 8.0], np.float32)
    want = a.var(ddof=correction)
    assert mx.var(mx.array(a), correction=correction).item() == pytest.approx(want)
    assert mx.array(a).std(ddof=3, correction=correction).item() == pytest.approx(want**0.5)
