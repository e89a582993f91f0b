"""Layers with packed weights, and the conversion of models to them."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def unpacked(layer):
    return mx.dequantize(
        layer.weight,
        scales=layer.scales,
        biases=layer.get("biases"),
        group_size=layer.group_size,
        bits=layer.bits,
        mode=layer.mode,
        dtype=mx.float32,
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"group_size": 32, "bits": 8}, {"mode": "mxfp4"}, {"mode": "nvfp4"}]
)
def test_a_quantized_linear_multiplies_with_its_weight(options, bias, draw, close):
    layer = nn.QuantizedLinear.from_linear(nn.Linear(64, 8, bias=bias), **options)
    x, x64 = draw(3, 64)
    want = x64 @ np.array(unpacked(layer), np.float64).T
    close(layer(x), want + (np.array(layer.bias) if bias else 0), atol=1e-4)


def test_eight_bits_are_near_the_original(draw):
    layer = nn.Linear(64, 8)
    x, _ = draw(3, 64)
    packed = layer.to_quantized(bits=8)
    np.testing.assert_allclose(np.array(packed(x)), np.array(layer(x)), atol=0.02)


@pytest.mark.parametrize(
    "mode, group_size, bits",
    [("affine", 64, 4), ("mxfp4", 32, 4), ("nvfp4", 16, 4), ("mxfp8", 32, 8)],
)
def test_modes_have_their_defaults(mode, group_size, bits):
    layer = nn.QuantizedLinear(64, 8, mode=mode)
    assert (layer.group_size, layer.bits) == (group_size, bits)
    assert layer.weight.dtype == mx.uint32 and layer.weight.shape == (8, 64 * bits // 32)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="Valid modes are: affine, mxfp4, nvfp4, mxfp8"):
        nn.QuantizedLinear(64, 8, mode="best")


def test_sizes_that_the_groups_do_not_divide_are_refused():
    with pytest.raises(ValueError):
        nn.QuantizedLinear(65, 8)


def test_quantized_layers_are_frozen():
    assert nn.QuantizedLinear(64, 8).trainable_parameters() == {}
    assert nn.QuantizedEmbedding(8, 64).trainable_parameters() == {}


def test_the_bias_can_be_trained():
    layer = nn.QuantizedLinear(64, 2).unfreeze(keys="bias")
    _, grads = nn.value_and_grad(layer, lambda x: layer(x).sum())(mx.ones((3, 64)))
    assert list(grads) == ["bias"] and grads["bias"].tolist() == [3, 3]


def test_a_quantized_embedding_takes_rows(close):
    layer = nn.Embedding(8, 64).to_quantized(bits=8)
    close(layer(mx.array([[3], [1]])), np.array(unpacked(layer))[[[3], [1]]])


def test_a_quantized_embedding_is_a_linear_too(draw, close):
    layer = nn.QuantizedEmbedding(8, 64)
    x, x64 = draw(2, 64)
    close(layer.as_linear(x), x64 @ np.array(unpacked(layer), np.float64).T, atol=1e-4)


def test_repr_shows_the_sizes_before_packing():
    assert repr(nn.QuantizedLinear(64, 8)) == (
        "QuantizedLinear(input_dims=64, output_dims=8, bias=True, group_size=64, bits=4, "
        "mode=affine)"
    )
    assert repr(nn.QuantizedEmbedding(8, 64)) == (
        "QuantizedEmbedding(8, 64, group_size=64, bits=4, mode=affine)"
    )


def model():
    return nn.Sequential(nn.Embedding(8, 64), nn.Linear(64, 64), nn.ReLU())


def test_quantize_replaces_the_layers_that_can_be():
    m = model()
    assert nn.quantize(m, bits=8) is None
    kinds = [type(layer) for layer in m.layers]
    assert kinds == [nn.QuantizedEmbedding, nn.QuantizedLinear, nn.ReLU]
    assert m.layers[1].bits == 8


def test_quantize_asks_its_predicate():
    m = model()
    nn.quantize(m, class_predicate=lambda path, layer: path == "layers.1")
    assert [type(layer) for layer in m.layers] == [nn.Embedding, nn.QuantizedLinear, nn.ReLU]


def test_the_predicate_can_give_the_settings():
    m = model()
    nn.quantize(m, class_predicate=lambda path, layer: {"bits": 2} if path == "layers.1" else False)
    assert m.layers[1].bits == 2


@pytest.mark.parametrize(
    "predicate, message",
    [(lambda *a: True, "Unable to quantize"), (lambda *a: 3, "bool or a dict")],
)
def test_quantize_refuses_wrong_choices_and_changes_nothing(predicate, message):
    m = model()
    with pytest.raises(ValueError, match=message):
        nn.quantize(m, class_predicate=predicate)
    assert isinstance(m.layers[1], nn.Linear)


def test_quantized_inputs_need_a_mode_that_has_them():
    with pytest.raises(ValueError, match="'nvfp4' or 'mxfp8'"):
        nn.Linear(64, 8).to_quantized(quantize_input=True)


def test_embeddings_have_no_inputs_to_quantize():
    with pytest.raises(ValueError, match="no input"):
        nn.Embedding(8, 64).to_quantized(quantize_input=True)


@pytest.mark.parametrize("mode", ["nvfp4", "mxfp8"])
def test_qqlinear_packs_its_weight_outside_training(mode):
    layer = nn.Linear(64, 8).to_quantized(mode=mode, quantize_input=True)
    assert isinstance(layer, nn.QQLinear) and layer.weight.dtype == mx.float32
    layer.eval()
    assert layer.weight.dtype == mx.uint32 and "scales" in layer
    assert repr(layer).startswith("QQLinear(input_dims=64, output_dims=8")
    layer.train()
    assert layer.weight.dtype == mx.float32 and "scales" not in layer
    assert layer.weight.shape == (8, 64)


def test_qqlinear_keeps_the_bias():
    linear = nn.Linear(64, 8)
    assert nn.QQLinear.from_linear(linear).bias is linear.bias
