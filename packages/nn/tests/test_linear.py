"""Linear, Bilinear, Identity, Embedding, Sequential."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 5, 3), (0, 3)])
def test_linear_is_a_product_and_a_bias(draw, close, shape):
    layer = nn.Linear(3, 4)
    x, x64 = draw(*shape)
    close(layer(x), x64 @ np.array(layer.weight, np.float64).T + np.array(layer.bias, np.float64))


def test_linear_without_bias_is_a_product(draw, close):
    layer = nn.Linear(3, 4, bias=False)
    x, x64 = draw(2, 3)
    close(layer(x), x64 @ np.array(layer.weight, np.float64).T)


def test_linear_starts_within_its_bound():
    layer = nn.Linear(16, 100)
    for value in (layer.weight, layer.bias):
        assert 0.2 < mx.max(mx.abs(value)).item() <= 0.25


def test_linear_keeps_half_types():
    layer = nn.Linear(2, 3)
    layer.set_dtype(mx.bfloat16)
    assert layer(mx.ones((1, 2), dtype=mx.bfloat16)).dtype == mx.bfloat16


def test_linear_gradients_have_closed_forms(draw, close):
    layer = nn.Linear(3, 2)
    x, x64 = draw(5, 3)
    _, grads = nn.value_and_grad(layer, lambda a: layer(a).sum())(x)
    close(grads["weight"], np.tile(x64.sum(0), (2, 1)))
    close(grads["bias"], [5, 5])


def test_linear_refuses_another_size():
    with pytest.raises(ValueError):
        nn.Linear(3, 4)(mx.ones((2, 5)))


def test_bilinear_is_a_sum_over_both_inputs(draw, close):
    layer = nn.Bilinear(2, 3, 4)
    (a, a64), (b, b64) = draw(5, 2), draw(5, 3)
    want = np.einsum("nj,kji,ni->nk", b64, np.array(layer.weight, np.float64), a64)
    close(layer(a, b), want + np.array(layer.bias, np.float64))


def test_bilinear_takes_one_sample(draw):
    layer = nn.Bilinear(2, 3, 4, bias=False)
    assert layer(draw(2)[0], draw(3)[0]).shape == (4,)


def test_identity_returns_its_input():
    x = mx.ones(3)
    assert nn.Identity(1, two=2)(x) is x


def test_embedding_takes_rows():
    layer = nn.Embedding(5, 2)
    layer.weight = mx.arange(10.0).reshape(5, 2)
    assert layer(mx.array([[3], [0]])).tolist() == [[[6, 7]], [[0, 1]]]


def test_embedding_as_linear_is_the_transposed_product(draw, close):
    layer = nn.Embedding(5, 2)
    x, x64 = draw(3, 2)
    close(layer.as_linear(x), x64 @ np.array(layer.weight, np.float64).T)


def test_embedding_gradient_counts_the_tokens():
    layer = nn.Embedding(3, 2)
    _, grads = nn.value_and_grad(layer, lambda i: layer(i).sum())(mx.array([2, 0, 2]))
    assert grads["weight"].tolist() == [[1, 1], [0, 0], [2, 2]]


def test_embedding_starts_with_rows_of_norm_about_one():
    norms = mx.sqrt(mx.sum(mx.square(nn.Embedding(200, 64).weight), axis=1))
    assert 0.9 < mx.mean(norms).item() < 1.1


def test_sequential_calls_in_order():
    model = nn.Sequential(lambda x: x + 1, nn.ReLU(), lambda x: x * 3)
    assert model(mx.array([-5.0, 1.0])).tolist() == [0, 6]


def test_sequential_registers_its_modules():
    model = nn.Sequential(nn.Linear(1, 1), nn.relu)
    assert list(model.parameters()["layers"][0]) == ["weight", "bias"]
    assert model.parameters()["layers"][1] == {}
