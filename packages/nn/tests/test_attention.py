"""MultiHeadAttention and the Transformer."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn
from monel.utils import tree_flatten


def attended(q, k, v, heads, mask=None):
    """Softmax attention in float64, of (N, L, D)."""

    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    q, k, v = split(q), split(k), split(v)
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + mask
    e = np.exp(scores - scores.max(-1, keepdims=True))
    y = (e / e.sum(-1, keepdims=True)) @ v
    return y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)


def projected(layer, x):
    y = x @ np.array(layer.weight, np.float64).T
    return y + np.array(layer.bias, np.float64) if "bias" in layer else y


def oracle(layer, q, k, v, mask=None):
    parts = [projected(layer[f"{n}_proj"], x) for n, x in zip(("query", "key", "value"), (q, k, v))]
    return projected(layer.out_proj, attended(*parts, layer.num_heads, mask))


@pytest.mark.parametrize("bias", [False, True])
def test_attention_has_its_formula(bias, draw, close):
    layer = nn.MultiHeadAttention(8, 2, bias=bias)
    (q, q64), (k, k64), (v, v64) = draw(2, 3, 8), draw(2, 5, 8), draw(2, 5, 8)
    close(layer(q, k, v), oracle(layer, q64, k64, v64))


def test_attention_with_all_sizes_given(draw, close):
    layer = nn.MultiHeadAttention(8, 2, 4, 5, 6, 10, 12)
    (q, q64), (k, k64), (v, v64) = draw(2, 3, 4), draw(2, 7, 5), draw(2, 7, 6)
    y = layer(q, k, v)
    assert y.shape == (2, 3, 12)
    close(y, oracle(layer, q64, k64, v64))


def test_the_causal_mask_hides_what_comes_later(draw, close):
    layer = nn.MultiHeadAttention(8, 2)
    x, x64 = draw(1, 4, 8)
    mask = nn.MultiHeadAttention.create_additive_causal_mask(4)
    hidden = np.triu(np.full((4, 4), -np.inf), 1)
    close(layer(x, x, x, mask), oracle(layer, x64, x64, x64, hidden))


def test_the_causal_mask_is_finite_in_its_dtype():
    mask = nn.MultiHeadAttention.create_additive_causal_mask(3, mx.float16)
    assert mask.dtype == mx.float16
    assert (mask < 0).tolist() == [[False, True, True], [False, False, True], [False] * 3]
    assert mx.all(mx.isfinite(mask)).item()


def test_the_heads_must_divide_the_size():
    with pytest.raises(ValueError, match=r"8 % 3"):
        nn.MultiHeadAttention(8, 3)


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def perceptron(layer, x):
    return projected(layer.linear2, np.maximum(projected(layer.linear1, x), 0))


def test_an_encoder_layer_normalizes_first(draw, close):
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    x, x64 = draw(2, 3, 8)
    y = layer_norm(x64)
    x64 = x64 + oracle(layer.attention, y, y, y)
    close(layer(x, None), x64 + perceptron(layer, layer_norm(x64)), atol=5e-5)


def test_an_encoder_layer_can_normalize_last(draw, close):
    layer = nn.TransformerEncoderLayer(8, 2, 16, norm_first=False)
    x, x64 = draw(2, 3, 8)
    x64 = layer_norm(x64 + oracle(layer.attention, x64, x64, x64))
    close(layer(x, None), layer_norm(x64 + perceptron(layer, x64)), atol=5e-5)


def test_a_decoder_layer_attends_to_its_memory(draw, close):
    layer = nn.TransformerDecoderLayer(8, 2, 16)
    (x, x64), (memory, m64) = draw(2, 3, 8), draw(2, 5, 8)
    y = layer_norm(x64)
    x64 = x64 + oracle(layer.self_attention, y, y, y)
    x64 = x64 + oracle(layer.cross_attention, layer_norm(x64), m64, m64)
    want = x64 + perceptron(layer, layer_norm(x64))
    close(layer(x, memory, None, None), want, atol=5e-5)


def test_a_decoder_layer_can_normalize_last(draw, close):
    layer = nn.TransformerDecoderLayer(8, 2, 16, norm_first=False)
    (x, x64), (memory, m64) = draw(2, 3, 8), draw(2, 5, 8)
    x64 = layer_norm(x64 + oracle(layer.self_attention, x64, x64, x64))
    x64 = layer_norm(x64 + oracle(layer.cross_attention, x64, m64, m64))
    want = layer_norm(x64 + perceptron(layer, x64))
    close(layer(x, memory, None, None), want, atol=5e-5)


def test_a_transformer_maps_source_and_target():
    model = nn.Transformer(8, 2, 1, 2)
    y = model(mx.ones((2, 5, 8)), mx.ones((2, 3, 8)), None, None, None)
    assert y.shape == (2, 3, 8)
    assert len(model.encoder.layers) == 1 and len(model.decoder.layers) == 2


def test_a_transformer_takes_other_parts():
    class Double(nn.Module):
        def __call__(self, x, mask):
            return 2 * x

    model = nn.Transformer(8, 2, custom_encoder=Double(), num_decoder_layers=1)
    assert isinstance(model.encoder, Double)
    assert model(mx.ones((1, 2, 8)), mx.ones((1, 3, 8)), None, None, None).shape == (1, 3, 8)


def test_checkpointed_layers_have_the_same_gradients(draw):
    x, _ = draw(1, 3, 8)
    grads = []
    for checkpoint in (False, True):
        mx.random.seed(1)
        model = nn.TransformerEncoder(2, 8, 2, 8, checkpoint=checkpoint)
        grads.append(nn.value_and_grad(model, lambda a, m=model: m(a, None).square().sum())(x)[1])
    for (name, a), (_, b) in zip(*map(tree_flatten, grads), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4, atol=1e-4, err_msg=name)
