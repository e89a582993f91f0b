"""Attention against the formula in float64."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

EPSILON = {"float32": 2e-6, "float16": 2e-3, "bfloat16": 2e-2}
LOWEST = -float(np.finfo(np.float32).max)


def formula(q, k, v, mask, scale, causal):
    q, k, v = (a.astype(np.float64) for a in (q, k, v))
    repeats = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, repeats, 1), np.repeat(v, repeats, 1)
    scores = q @ np.swapaxes(k, -1, -2) * scale
    rows, keys = scores.shape[-2:]
    if mask is not None and mask.dtype == bool:
        scores = np.where(mask, scores, LOWEST)
    elif mask is not None:
        scores = scores + mask.astype(np.float64)
    if causal:
        visible = np.arange(keys) <= np.arange(rows)[:, None] + keys - rows
        scores = np.where(visible, scores, LOWEST)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def operands(rng, shape, dtype):
    batch, heads, groups, rows, keys, depth, width = shape
    q = rng.standard_normal((batch, heads, rows, depth)).astype(dtype)
    k = rng.standard_normal((batch, groups, keys, depth)).astype(dtype)
    v = rng.standard_normal((batch, groups, keys, width)).astype(dtype)
    return q, k, v


def assert_attention(run, q, k, v, mask=None, scale=0.3, causal=False):
    given = (q, k, v) if mask is None else (q, k, v, mask)
    out = run("sdpa", *given, scale=scale, causal=causal)
    want = formula(q, k, v, mask, scale, causal)
    assert out.shape == want.shape
    assert out.dtype == q.dtype
    assert np.allclose(out.astype(np.float64), want, rtol=0, atol=EPSILON[q.dtype.name] * 4)


# batch, heads, groups, queries, keys, depth, width
SHAPES = [
    (1, 1, 1, 1, 1, 1, 1),
    (2, 4, 4, 20, 20, 16, 16),
    (2, 4, 2, 33, 50, 24, 40),
    (1, 8, 2, 1, 300, 64, 64),
    (2, 6, 2, 2, 700, 20, 33),
    (1, 2, 1, 150, 600, 64, 64),
    (1, 3, 3, 97, 257, 70, 100),
    (1, 2, 2, 40, 10, 8, 8),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention(run, rng, dtype, causal, shape):
    assert_attention(run, *operands(rng, shape, dtype), causal=causal)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["bool", "float32", "rows", "keys", "scalar"])
def test_attention_with_a_mask(run, rng, shape, kind):
    batch, heads, _, rows, keys, _, _ = shape
    masks = {
        "bool": rng.random((batch, heads, rows, keys)) < 0.7,
        "float32": rng.standard_normal((1, heads, rows, keys)).astype(np.float32),
        "rows": rng.standard_normal((batch, 1, rows, 1)).astype(np.float16),
        "keys": rng.random((keys,)) < 0.5,
        "scalar": np.float32(0.5),
    }
    assert_attention(run, *operands(rng, shape, "float32"), mask=np.asarray(masks[kind]))


def test_attention_with_additive_minus_infinity(run, rng):
    q, k, v = operands(rng, (1, 2, 2, 30, 600, 16, 16), "float32")
    mask = np.where(np.arange(600) < 500, -np.inf, 0).astype(np.float32)
    assert_attention(run, q, k, v, mask=mask)


def test_rows_that_see_nothing_weigh_all_keys_alike(run, rng):
    q, k, v = operands(rng, (1, 1, 1, 20, 30, 8, 8), "float32")
    out = run("sdpa", q, k, v, np.zeros((20, 30), bool), scale=1.0, causal=False)
    assert np.allclose(out, v.mean(-2, keepdims=True), atol=1e-6)


def test_rows_of_minus_infinity_are_nan_as_in_a_plain_softmax(run, rng):
    q, k, v = operands(rng, (1, 1, 1, 12, 30, 8, 8), "float32")
    mask = np.zeros((12, 30), np.float32)
    mask[3] = -np.inf
    out = run("sdpa", q, k, v, mask, scale=1.0, causal=False)[0, 0]
    assert np.isnan(out[3]).all()
    assert not np.isnan(np.delete(out, 3, 0)).any()


def test_nan_in_a_key_reaches_every_query(run, rng):
    q, k, v = operands(rng, (1, 1, 1, 12, 30, 8, 8), "float32")
    k[0, 0, 4, 2] = np.nan
    assert np.isnan(run("sdpa", q, k, v, scale=1.0, causal=False)).all()


@pytest.mark.parametrize("rows", [2, 40])
def test_attention_of_strided_operands(run, rng, rows):
    q, k, v = operands(rng, (2, 4, 2, rows, 50, 16, 16), "float32")

    def turned(a):
        return np.ascontiguousarray(a.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)

    assert_attention(run, turned(q), turned(k), turned(v))
    assert_attention(run, q[..., ::-1], k[..., ::2, ::-1], v[..., ::2, ::2])
    assert_attention(run, q, np.swapaxes(np.swapaxes(k, -1, -2).copy(), -1, -2), v)


def test_large_scores_do_not_overflow(run, rng):
    q, k, v = operands(rng, (1, 2, 2, 40, 300, 16, 16), "float32")
    assert np.isfinite(run("sdpa", q * 100, k * 100, v, scale=1.0, causal=False)).all()


def test_attention_over_no_keys_is_left_to_the_caller(run, rng):
    assert (
        run("sdpa", *operands(rng, (1, 1, 1, 2, 0, 4, 4), "float32"), scale=1.0, causal=False)
        is NotImplemented
    )


def test_causal_and_mask_together_leave_out_what_either_leaves_out(run, rng):
    q, k, v = operands(rng, (2, 2, 1, 130, 300, 16, 16), "float32")
    seen = rng.random((130, 300)) < 0.5
    seen[7] = False
    assert_attention(run, q, k, v, mask=seen, causal=True)
    assert_attention(run, q, k, v, mask=rng.standard_normal((130, 300)), causal=True)
