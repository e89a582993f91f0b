"""Reductions, arg-reductions and scans over every axis, dtype and layout."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
INTEGERS = [np.dtype(n) for n in "uint8 uint16 uint32 uint64 int8 int16 int32 int64".split()]
HALVES = [np.dtype("float16"), BFLOAT16]
REDUCTIONS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}

SHAPES = [
    ((7,), (0,)),
    ((3000,), (0,)),
    ((), ()),
    ((4, 5), (0,)),
    ((4, 5), (1,)),
    ((4, 5), (0, 1)),
    ((4, 5), ()),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4, 5), (1, 3)),
    ((2, 3, 4, 5), (0, 1, 2)),
    ((1500, 3), (0,)),
    ((3, 2500), (1,)),
    ((5, 70, 130), (1,)),
    ((5, 70, 130), (0, 2)),
    ((2, 3000), (0,)),
]


def sample(rng, dtype, shape):
    if dtype.kind in "ui":
        return rng.integers(0, 100, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_reduction_removes_its_axes(run, rng, name, dtype, shape, axes):
    x = sample(rng, np.dtype(dtype), shape)
    got = run(name, x, axes=axes)
    with np.errstate(all="ignore"):
        wide = x if dtype == "int32" else x.astype(np.float64)
        want = (
            REDUCTIONS[name](wide, axis=axes, dtype=wide.dtype)
            if name in ("sum", "prod")
            else (REDUCTIONS[name](wide, axis=axes))
        )
    assert got.shape == np.shape(want)
    if dtype == "int32":
        assert np.array_equal(got, want)
    else:
        assert np.allclose(got, want, rtol=2e-6 * max(1, x.size**0.5 / 8), atol=2e-5)


@pytest.mark.parametrize("dtype", [*INTEGERS, *HALVES, np.dtype("float64")], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_keeps_the_dtype(run, rng, name, axis, dtype):
    x = sample(rng, dtype, (40, 33)) if name != "prod" else sample(rng, dtype, (5, 4))
    got = run(name, x, axes=(axis,))
    assert got.dtype == dtype
    if dtype.kind in "ui":
        with np.errstate(over="ignore"):
            want = (
                getattr(np, name)(x, axis=axis)
                if name in ("max", "min")
                else (getattr(np, name)(x, axis=axis, dtype=dtype))
            )
        assert np.array_equal(got, want)
    else:
        want = REDUCTIONS[name](x.astype(np.float64), axis=axis)
        tolerance = 1e-12 if dtype == np.float64 else 2.0 ** (-11 if dtype == np.float16 else -8)
        assert np.allclose(got.astype(np.float64), want, rtol=tolerance, atol=tolerance)


LAYOUTS = {
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1, ::-1],
    "every other": lambda a: a[::2, ::2],
    "repeated": lambda a: np.broadcast_to(a[:, :1], a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_reduction_of_a_view_is_that_of_its_elements(run, rng, layout, axes):
    x = LAYOUTS[layout](rng.integers(0, 1000, (60, 70)).astype(np.int64))
    assert np.array_equal(run("sum", x, axes=axes), x.sum(axis=axes))
    assert np.array_equal(run("max", x, axes=axes), x.max(axis=axes))


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize(("shape", "axes"), [((5000,), (0,)), ((90, 8), (0,)), ((8, 90), (1,))])
def test_extreme_with_a_nan_is_nan(run, name, shape, axes):
    x = np.zeros(shape, np.float32)
    x[(-1,) * len(shape)] = np.nan
    assert np.isnan(run(name, x, axes=axes)).sum() == 1


def test_empty_reductions_are_neutral(run):
    x = np.zeros((0, 3), np.float32)
    assert run("sum", x, axes=(0,)).tolist() == [0, 0, 0]
    assert run("prod", x, axes=(0,)).tolist() == [1, 1, 1]
    assert run("sum", x, axes=(1,)).tolist() == []
    assert run("all", np.zeros((0, 2), bool), axes=(0,)).tolist() == [True, True]
    assert run("any", np.zeros((0, 2), bool), axes=(0,)).tolist() == [False, False]


@pytest.mark.parametrize(("name", "parameters"), [("max", {"axes": (0,)}), ("argmin", {"axis": 0})])
def test_an_extreme_of_nothing_is_refused(run, name, parameters):
    with pytest.raises(ValueError, match="an axis of size 0"):
        run(name, np.zeros((0, 3), np.float32), **parameters)


def test_complex_sum_and_product(run, rng):
    x = (rng.standard_normal((6, 5)) + 1j * rng.standard_normal((6, 5))).astype(np.complex64)
    for axes in [(0,), (1,), (0, 1)]:
        assert np.allclose(run("sum", x, axes=axes), x.sum(axis=axes), rtol=1e-5)
        assert np.allclose(run("prod", x, axes=axes), x.prod(axis=axes), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "complex64"])
@pytest.mark.parametrize("name", ["all", "any"])
def test_truth_reductions(run, rng, name, dtype):
    x = (rng.random((30, 40)) < 0.95).astype(dtype)
    x[:, 3] = 0
    for axes in [(0,), (1,), (0, 1)]:
        got = run(name, x, axes=axes)
        assert got.dtype == bool
        assert np.array_equal(got, getattr(np, name)(x, axis=axes))


def test_a_long_sum_is_accurate(run, rng):
    x = rng.random(3_000_001).astype(np.float32)
    for shaped, axes in [(x, (0,)), (x[:3_000_000].reshape(-1, 4), (0,))]:
        want = shaped.astype(np.float64).sum(axis=axes)
        assert np.abs(run("sum", shaped, axes=axes) / want - 1).max() < 1e-6


@pytest.mark.parametrize(
    "dtype", [*INTEGERS, *HALVES, np.dtype("float32"), np.dtype("float64")], ids=str
)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_reduction_takes_the_first(run, rng, name, axis, dtype):
    x = rng.integers(0, 4, (3, 1500, 5)).astype(dtype)
    got = run(name, x, axis=axis)
    assert got.dtype == np.uint32
    assert np.array_equal(got, getattr(np, name)(x.astype(np.float64), axis=axis))


def test_a_nan_wins_an_arg_reduction(run):
    x = np.ones((1, 5000), np.float32)
    x[0, 3000] = np.nan
    x[0, 4000] = 7
    assert run("argmax", x, axis=1).tolist() == [3000]
    assert run("argmin", x, axis=1).tolist() == [3000]


SCANS = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "logcumsumexp": np.logaddexp.accumulate,
}


@pytest.mark.parametrize("shape", [(9,), (3, 400, 5), (2, 3, 700), (0, 3, 2)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", SCANS)
def test_scan_along_each_axis(run, rng, name, reverse, shape):
    x = rng.uniform(0.9, 1.1, shape).astype(np.float32)
    for axis in range(len(shape)):
        turned = np.flip(x, axis) if reverse else x
        want = SCANS[name](turned.astype(np.float64), axis=axis) if x.size else turned
        want = np.flip(want, axis) if reverse else want
        got = run(name, x, axis=axis, reverse=reverse, inclusive=True)
        assert np.allclose(got, want, rtol=3e-5)


@pytest.mark.parametrize(
    ("name", "first"), [("cumsum", 0), ("cumprod", 1), ("cummax", -(2**31)), ("cummin", 2**31 - 1)]
)
def test_exclusive_scan_begins_with_the_neutral_element(run, name, first):
    x = np.array([3, 1, 2], np.int32)
    inclusive = run(name, x, axis=0, reverse=False, inclusive=True).tolist()
    assert run(name, x, axis=0, reverse=False, inclusive=False).tolist() == [first, *inclusive[:2]]
    turned = run(name, x, axis=0, reverse=True, inclusive=True).tolist()
    assert run(name, x, axis=0, reverse=True, inclusive=False).tolist() == [*turned[1:], first]


@pytest.mark.parametrize("dtype", [*INTEGERS, *HALVES, np.dtype("complex64")], ids=str)
def test_cumsum_keeps_the_dtype_and_wraps(run, dtype):
    x = np.array([100, 100, 100], np.int32).astype(dtype)
    with np.errstate(over="ignore"):
        want = np.cumsum(x, dtype=dtype)
    got = run("cumsum", x, axis=0, reverse=False, inclusive=True)
    assert got.dtype == dtype
    assert np.array_equal(got.astype(complex), want.astype(complex))


def test_scan_of_a_nan_stays_nan(run):
    x = np.array([1, np.nan, 5], np.float32)
    assert np.isnan(run("cummax", x, axis=0, reverse=False, inclusive=True)).tolist() == [
        False,
        True,
        True,
    ]
