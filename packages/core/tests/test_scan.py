"""Cumulative reductions: values, directions, identities, ties, zeros."""

import numpy as np
import pytest

import monel.core as mx

X = np.random.default_rng(1).standard_normal((3, 5))
NUMPY = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "logcumsumexp": np.logaddexp.accumulate,
}


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_agrees_with_numpy(name, axis, reverse):
    got = getattr(mx, name)(mx.array(X.astype("float32")), axis, reverse=reverse)
    lines = np.flip(X, axis) if reverse else X
    want = NUMPY[name](lines, axis=axis)
    want = np.flip(want, axis) if reverse else want
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "first"),
    [("cumsum", 0.0), ("cumprod", 1.0), ("cummax", -np.inf), ("cummin", np.inf),
     ("logcumsumexp", -np.inf)],
)  # fmt: skip
def test_an_exclusive_scan_begins_with_the_identity(name, first):
    f = getattr(mx, name)
    x = mx.array([2.0, 1.0, 3.0])
    whole = f(x).tolist()
    assert f(x, inclusive=False).tolist() == [first, *whole[:-1]]
    back = f(x, reverse=True).tolist()
    assert f(x, reverse=True, inclusive=False).tolist() == [*back[1:], first]


def test_extremes_of_integers_begin_with_the_limits():
    x = mx.array([1, 2])
    assert mx.cummax(x, inclusive=False).tolist() == [-(2**31), 1]
    assert mx.cummin(x, inclusive=False).tolist() == [2**31 - 1, 1]


def test_without_an_axis_the_array_is_flattened():
    assert mx.cumsum(mx.array([[1, 2], [3, 4]])).tolist() == [1, 3, 6, 10]
    assert mx.cumsum(mx.array(3.0)).tolist() == [3]


def test_cumsum_keeps_small_integers_and_counts_bool():
    assert mx.cumsum(mx.array([100, 100], dtype=mx.int8)).tolist() == [100, -56]
    assert mx.cumsum(mx.array([True, True])).dtype is mx.int32
    assert mx.cumsum(mx.array([100, 100], dtype=mx.int8), dtype=mx.int32).tolist() == [100, 200]


def test_nan_stays_in_a_running_maximum():
    got = mx.cummax(mx.array([1.0, float("nan"), 3.0])).tolist()
    assert got[0] == 1
    assert np.isnan(got[1:]).all()


def test_logcumsumexp_does_not_overflow():
    assert mx.logcumsumexp(mx.array([1000.0, 1000.0])).tolist() == pytest.approx(
        [1000.0, 1000.693147]
    )


@pytest.mark.parametrize("name", NUMPY)
def test_an_axis_out_of_bounds_is_refused(name):
    with pytest.raises(IndexError, match=f"{name}: axis 1 is out of bounds"):
        getattr(mx, name)(mx.ones(3), axis=1)


@pytest.mark.parametrize("name", NUMPY)
def test_an_empty_axis_gives_an_empty_scan(name):
    assert getattr(mx, name)(mx.zeros((2, 0)), axis=1).shape == (2, 0)


WEIGHTS = [1.0, 10.0, 100.0, 1000.0]


@pytest.mark.parametrize(
    ("name", "x", "reverse", "want"),
    [
        ("cummax", [1.0, 3.0, 3.0, 2.0], False, [1, 10, 1100, 0]),
        ("cummax", [1.0, 3.0, 3.0, 2.0], True, [0, 11, 100, 1000]),
        ("cummin", [3.0, 1.0, 1.0, 2.0], False, [1, 10, 1100, 0]),
    ],
)
def test_the_latest_of_ties_has_the_gradient(name, x, reverse, want):
    f = lambda v: mx.sum(getattr(mx, name)(v, reverse=reverse) * mx.array(WEIGHTS))  # noqa: E731
    assert mx.grad(f)(mx.array(x)).tolist() == want


def test_the_gradient_of_cumprod_is_exact_at_zeros():
    f = lambda v: mx.sum(mx.cumprod(v) * mx.array(WEIGHTS))  # noqa: E731
    assert mx.grad(f)(mx.array([1.0, 0.0, 3.0, 2.0])).tolist() == [1, 6310, 0, 0]


def test_logcumsumexp_of_minus_infinity_has_a_finite_gradient():
    f = lambda v: mx.logcumsumexp(v)[2]  # noqa: E731
    grad = mx.grad(f)(mx.array([-np.inf, 0.0, 0.0])).tolist()
    assert grad == pytest.approx([0, 0.5, 0.5])


@pytest.mark.parametrize("dtype", [mx.float32, mx.complex64])
@pytest.mark.parametrize("scan", [mx.cummin, mx.cummax, mx.cumsum, mx.cumprod, mx.logcumsumexp])
def test_an_exclusive_scan_of_nothing_is_empty(scan, dtype):
    x = scan(mx.zeros((0,), dtype), axis=0, inclusive=False)
    assert x.tolist() == []
