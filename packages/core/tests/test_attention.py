"""Attention and rotary encoding: values against NumPy, masks, shared heads, gradients, errors."""

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(5)
Q = RNG.standard_normal((2, 4, 3, 8))
K = RNG.standard_normal((2, 2, 5, 8))
V = RNG.standard_normal((2, 2, 5, 6))
ATTEND = mx.fast.scaled_dot_product_attention


def single(x):
    return mx.array(np.asarray(x, "float32"))


def numpy_attention(q, k, v, scale, added=0.0):
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
    scores = scale * q @ np.swapaxes(k, -1, -2) + added
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def test_attention_shares_heads_in_order():
    got = ATTEND(single(Q), single(K), single(V), scale=0.3)
    np.testing.assert_allclose(np.array(got), numpy_attention(Q, K, V, 0.3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5), (1, 1, 3, 5), (2, 1, 1, 5), (2, 4, 3, 5)])
def test_masks_are_added_or_select(shape):
    added = RNG.standard_normal(shape)
    got = ATTEND(single(Q), single(K), single(V), scale=0.3, mask=single(added))
    want = numpy_attention(Q, K, V, 0.3, added)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)
    seen = RNG.integers(0, 2, shape).astype(bool)
    seen[..., 0] = True
    got = ATTEND(single(Q), single(K), single(V), scale=0.3, mask=mx.array(seen))
    want = numpy_attention(Q, K, V, 0.3, np.where(seen, 0, -1e30))
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)


def test_the_last_query_of_causal_attention_sees_all_keys():
    got = np.array(ATTEND(single(Q), single(K), single(V), scale=0.3, mask="causal"))
    seen = np.arange(5) <= np.arange(3)[:, None] + 2
    want = numpy_attention(Q, K, V, 0.3, np.where(seen, 0, -1e30))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_query_that_sees_nothing_averages_all_values():
    got = ATTEND(single(Q), single(K), single(V), scale=0.3, mask=mx.zeros((3, 5), mx.bool_))
    want = np.broadcast_to(np.repeat(V, 2, 1).mean(2, keepdims=True), got.shape)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)


def test_sinks_take_part_in_the_softmax_without_a_value():
    sinks = RNG.standard_normal(4)
    got = ATTEND(single(Q), single(K), single(V), scale=0.3, sinks=single(sinks))
    scores = 0.3 * Q @ np.swapaxes(np.repeat(K, 2, 1), -1, -2)
    e = np.exp(scores)
    total = e.sum(-1, keepdims=True) + np.exp(sinks)[:, None, None]
    want = e / total @ np.repeat(V, 2, 1)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)


def test_attention_of_half_types_stays_half():
    arrays = [mx.array(x.astype("float16")) for x in (Q, K, V)]
    got = ATTEND(*arrays, scale=0.3)
    assert got.dtype is mx.float16
    np.testing.assert_allclose(np.array(got), numpy_attention(Q, K, V, 0.3), atol=5e-3)


def test_gradients_of_attention_agree_with_those_of_its_formula():
    k, v = np.repeat(K, 2, 1), np.repeat(V, 2, 1)
    ct = single(RNG.standard_normal((2, 4, 3, 6)))

    def formula(q, k, v):
        scores = 0.3 * q @ mx.swapaxes(k, -1, -2)
        return mx.sum(mx.softmax(scores, axis=-1) @ v * ct)

    def ours(q, k, v):
        return mx.sum(ATTEND(q, k, v, scale=0.3) * ct)

    arrays = [single(x) for x in (Q, k, v)]
    got = mx.grad(ours, argnums=(0, 1, 2))(*arrays)
    want = mx.grad(formula, argnums=(0, 1, 2))(*arrays)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mask": "diagonal"}, "invalid mask option"),
        ({"mask": mx.ones((3, 4))}, "broadcast"),
        ({"mask": mx.ones((1, 1, 1, 3, 5))}, "rank 4"),
        ({"q": mx.ones((4, 3, 8))}, "rank 4"),
        ({"k": mx.ones((2, 2, 5, 4))}, "matching last dimension"),
        ({"v": mx.ones((2, 1, 5, 6))}, "matching n_kv_heads"),
        ({"q": mx.ones((2, 3, 3, 8))}, "multiple of n_kv_heads"),
        ({"sinks": mx.ones(3)}, "sinks"),
    ],
)
def test_bad_operands_of_attention_are_refused(change, match):
    arguments = {"q": single(Q), "k": single(K), "v": single(V), "scale": 1.0} | change
    q, k, v = (arguments.pop(n) for n in "qkv")
    with pytest.raises(ValueError, match=f"scaled_dot_product_attention.*{match}"):
        ATTEND(q, k, v, **arguments)


def numpy_rope(x, dims, traditional, slopes, scale, offset):
    places = (np.arange(x.shape[-2]) + offset) * scale
    c, s = np.cos(places[:, None] * slopes), np.sin(places[:, None] * slopes)
    out, half = x.copy(), dims // 2
    a = x[..., 0:dims:2] if traditional else x[..., :half]
    b = x[..., 1:dims:2] if traditional else x[..., half:dims]
    first, second = a * c - b * s, a * s + b * c
    if traditional:
        out[..., 0:dims:2], out[..., 1:dims:2] = first, second
    else:
        out[..., :half], out[..., half:dims] = first, second
    return out


@pytest.mark.parametrize("traditional", [True, False])
@pytest.mark.parametrize(("dims", "scale", "offset"), [(8, 1.0, 0), (4, 0.5, 3)])
def test_rope_agrees_with_numpy(traditional, dims, scale, offset):
    x = RNG.standard_normal((2, 3, 5, 8))
    slopes = 100.0 ** (-np.arange(dims // 2) / (dims // 2))
    want = numpy_rope(x, dims, traditional, slopes, scale, offset)
    got = mx.fast.rope(
        single(x), dims, traditional=traditional, base=100.0, scale=scale, offset=offset
    )
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)


def test_rope_takes_periods_and_an_offset_for_each_row():
    x, freqs = RNG.standard_normal((2, 3, 5, 4)), np.array([1.5, 4.0])
    got = mx.fast.rope(
        single(x), 4, traditional=False, base=None, scale=1.0, offset=mx.array([0, 7]),
        freqs=single(freqs),
    )  # fmt: skip
    for row, offset in enumerate((0, 7)):
        want = numpy_rope(x[row], 4, False, 1 / freqs, 1.0, offset)
        np.testing.assert_allclose(np.array(got)[row], want, rtol=1e-4, atol=1e-5)


def test_rope_keeps_lengths_and_its_gradient_turns_back():
    x = single(RNG.standard_normal((1, 3, 6)))
    f = lambda x: mx.fast.rope(x, 6, traditional=True, base=10.0, scale=1.0, offset=2)  # noqa: E731
    np.testing.assert_allclose(mx.sum(f(x) ** 2).item(), mx.sum(x * x).item(), rtol=1e-5)
    g = mx.grad(lambda x: mx.sum(f(x) ** 2) / 2)(x)
    np.testing.assert_allclose(np.array(g), np.array(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dims": 3}, "even"),
        ({"dims": 0}, "positive"),
        ({"dims": 6}, "exceed"),
        ({"base": None}, "exactly one"),
        ({"freqs": mx.ones(2)}, "exactly one"),
        ({"offset": 1.5}, "integer"),
        ({"offset": mx.array([1, 2])}, "offset"),
        ({"a": mx.ones((2, 4))}, "3 dimensions"),
        ({"a": mx.ones((1, 2, 4), mx.int32)}, "floating"),
    ],
)
def test_bad_operands_of_rope_are_refused(change, match):
    arguments = {
        "a": mx.ones((1, 2, 4)), "dims": 4, "traditional": False, "base": 10.0, "scale": 1.0,
        "offset": 0,
    } | change  # fmt: skip
    a, dims = arguments.pop("a"), arguments.pop("dims")
    with pytest.raises(ValueError, match=f"rope.*{match}"):
        mx.fast.rope(a, dims, **arguments)
