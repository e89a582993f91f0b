"""Recurrent layers, against loops in float64."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weight(layer, name):
    return np.array(layer[name], np.float64) if name in layer else 0.0


def rnn(layer, x, h):
    states = []
    for t in range(x.shape[-2]):
        h = np.tanh(
            x[..., t, :] @ weight(layer, "Wxh").T
            + h @ weight(layer, "Whh").T
            + weight(layer, "bias")
        )
        states.append(h)
    return np.stack(states, -2)


def gru(layer, x, h):
    size = layer.hidden_size
    states = []
    for t in range(x.shape[-2]):
        a = x[..., t, :] @ weight(layer, "Wx").T + weight(layer, "b")
        b = h @ weight(layer, "Wh").T
        r = sigmoid(a[..., :size] + b[..., :size])
        z = sigmoid(a[..., size : 2 * size] + b[..., size : 2 * size])
        n = np.tanh(a[..., 2 * size :] + r * (b[..., 2 * size :] + weight(layer, "bhn")))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states, -2)


def lstm(layer, x, h, c):
    hs, cs = [], []
    for t in range(x.shape[-2]):
        gates = x[..., t, :] @ weight(layer, "Wx").T + h @ weight(layer, "Wh").T
        i, f, g, o = np.split(gates + weight(layer, "bias"), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.stack(hs, -2), np.stack(cs, -2)


SHAPES = [(5, 3), (2, 5, 3)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind, formula", [(nn.RNN, rnn), (nn.GRU, gru)])
def test_states_follow_the_formula_from_zero(kind, formula, shape, bias, draw, close):
    layer = kind(3, 4, bias=bias)
    x, x64 = draw(*shape)
    close(layer(x), formula(layer, x64, np.zeros((*shape[:-2], 4))))


@pytest.mark.parametrize("kind, formula", [(nn.RNN, rnn), (nn.GRU, gru)])
def test_states_follow_the_formula_from_a_given_one(kind, formula, draw, close):
    layer = kind(3, 4)
    (x, x64), (h, h64) = draw(2, 5, 3), draw(2, 4)
    close(layer(x, hidden=h), formula(layer, x64, h64))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_follows_the_formula_from_zero(shape, bias, draw, close):
    layer = nn.LSTM(3, 4, bias=bias)
    x, x64 = draw(*shape)
    zero = np.zeros((*shape[:-2], 4))
    for got, want in zip(layer(x), lstm(layer, x64, zero, zero), strict=True):
        close(got, want)


def test_lstm_follows_the_formula_from_given_states(draw, close):
    layer = nn.LSTM(3, 4)
    (x, x64), (h, h64), (c, c64) = draw(2, 5, 3), draw(2, 4), draw(2, 4)
    for got, want in zip(layer(x, h, c), lstm(layer, x64, h64, c64), strict=True):
        close(got, want)


def test_a_sequence_can_be_cut_in_two(draw, close):
    layer = nn.GRU(3, 4)
    x, _ = draw(2, 6, 3)
    first = layer(x[:, :2])
    second = layer(x[:, 2:], hidden=first[:, -1])
    close(mx.concatenate([first, second], axis=1), np.array(layer(x)))


def test_rnn_takes_another_nonlinearity(draw):
    x, _ = draw(5, 3)
    assert mx.min(nn.RNN(3, 4, nonlinearity=nn.relu)(x)).item() >= 0


def test_rnn_refuses_a_nonlinearity_that_cannot_be_called():
    with pytest.raises(ValueError, match="must be callable"):
        nn.RNN(3, 4, nonlinearity="tanh")


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_every_parameter_learns(kind, draw):
    layer = kind(3, 4)
    x, _ = draw(2, 5, 3)

    def loss(a):
        y = layer(a)
        return (y[0] if isinstance(y, tuple) else y).square().sum()

    _, grads = nn.value_and_grad(layer, loss)(x)
    assert all(mx.any(grad != 0).item() for grad in grads.values())
    assert set(grads) == set(layer.parameters())
