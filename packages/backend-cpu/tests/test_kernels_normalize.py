"""Softmax, logsumexp and the norms against float64."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TOLERANCE = {"float64": 1e-13, "float32": 3e-6, "float16": 2e-3, "bfloat16": 2e-2}
DTYPES = [np.dtype("float64"), np.dtype("float32"), np.dtype("float16"), BFLOAT16]
SHAPES = [((6, 9), 1), ((6, 9), 0), ((3, 1500), 1), ((2, 70, 5), 1), ((4, 1), 1)]


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def assert_close(got, want, dtype):
    assert got.shape == want.shape
    assert got.dtype == dtype
    tolerance = TOLERANCE[dtype.name]
    assert np.allclose(got.astype(np.float64), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_softmax_along_an_axis(run, rng, dtype, shape, axis):
    x = (rng.standard_normal(shape) * 5).astype(dtype)
    assert_close(
        run("softmax", x, axis=axis, precise=True), softmax(x.astype(np.float64), axis), dtype
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_logsumexp_along_an_axis(run, rng, dtype, shape, axis):
    x = (rng.standard_normal(shape) * 5).astype(dtype)
    want = np.logaddexp.reduce(x.astype(np.float64), axis=axis)
    assert_close(run("logsumexp", x, axis=axis), want, dtype)


def test_softmax_of_masked_and_large_elements(run):
    x = np.array([[-np.inf, 0, 0], [1000, 1000, -1000]], np.float32)
    assert run("softmax", x, axis=1, precise=False).tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0]]


def test_logsumexp_of_infinities(run):
    x = np.array([[-np.inf, -np.inf], [np.inf, 1], [np.nan, 1]], np.float32)
    got = run("logsumexp", x, axis=1)
    assert got[:2].tolist() == [-np.inf, np.inf]
    assert np.isnan(got[2])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 1000), (1,)])
def test_layer_norm_over_the_last_axis(run, rng, dtype, shape):
    x, w, b = ((rng.standard_normal(s) + 1).astype(dtype) for s in (shape, shape[-1:], shape[-1:]))
    wide = x.astype(np.float64)
    normal = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-3)
    assert_close(
        run("layer_norm", x, w, b, eps=1e-3), normal * w.astype(float) + b.astype(float), dtype
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rms_norm_over_the_last_axis(run, rng, dtype):
    x, w = rng.standard_normal((5, 300)).astype(dtype), rng.standard_normal(300).astype(dtype)
    wide = x.astype(np.float64)
    want = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5) * w.astype(float)
    assert_close(run("rms_norm", x, w, eps=1e-5), want, dtype)


def test_norm_of_a_transposed_array(run, rng):
    x, w = rng.standard_normal((40, 30)).astype(np.float32).T, np.ones(40, np.float32)
    assert np.array_equal(
        run("rms_norm", x, w, eps=0.0), run("rms_norm", np.ascontiguousarray(x), w, eps=0.0)
    )


def test_a_weight_of_another_size_is_named(run):
    with pytest.raises(ValueError, match=r"rms_norm: the weight must have shape \(4,\)"):
        run("rms_norm", np.ones((2, 4), np.float32), np.ones(3, np.float32), eps=0.0)
