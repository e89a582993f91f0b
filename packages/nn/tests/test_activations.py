"""Activations as functions and as layers, against float64 formulas."""

import math

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn

X = np.array([-6.0, -3.0, -1.5, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 3.0, 6.0, 20.0])
ERF = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(x, 0)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507 * np.where(x > 0, x, 1.67326 * np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * (1 + ERF(x / np.sqrt(2))) / 2,
    "gelu_approx": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "gelu_fast_approx": lambda x: x * sigmoid(1.702 * x),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "log_sigmoid": lambda x: -softplus(-x),
    "softmax": softmax,
    "softmin": lambda x: softmax(-x),
    "log_softmax": lambda x: np.log(softmax(x)),
}

LAYERS = {
    "ReLU": "relu",
    "ReLU2": "relu2",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "CELU": "celu",
    "SELU": "selu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Softshrink": "softshrink",
    "HardShrink": "hard_shrink",
    "HardTanh": "hard_tanh",
    "Hardswish": "hardswish",
    "LogSigmoid": "log_sigmoid",
    "Softmax": "softmax",
    "Softmin": "softmin",
    "LogSoftmax": "log_softmax",
}


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_function_has_its_formula(name, close):
    close(getattr(nn, name)(mx.array(X, dtype=mx.float32)), FORMULAS[name](X), rtol=2e-5)


@pytest.mark.parametrize("layer, name", sorted(LAYERS.items()))
def test_layer_is_the_function(layer, name, close):
    close(getattr(nn, layer)()(mx.array(X, dtype=mx.float32)), FORMULAS[name](X), rtol=2e-5)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_function_keeps_half_types(name, dtype):
    assert getattr(nn, name)(mx.array([-1.0, 0.5], dtype=dtype)).dtype == dtype


SMOOTH = ["elu", "celu", "gelu", "gelu_approx", "gelu_fast_approx", "log_sigmoid", "mish"]
SMOOTH += ["selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "relu2"]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_is_the_difference_quotient(name, close):
    x = X[X != 0]
    step = 1e-6
    want = (FORMULAS[name](x + step) - FORMULAS[name](x - step)) / (2 * step)
    got = mx.grad(lambda a: getattr(nn, name)(a).sum())(mx.array(x, dtype=mx.float32))
    close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["elu", "selu", "celu", "softplus", "log_sigmoid", "sigmoid"])
def test_gradient_is_finite_far_out(name):
    x = mx.array([-1000.0, -100.0, 100.0, 1000.0])
    grad = mx.grad(lambda a: getattr(nn, name)(a).sum())(x)
    assert mx.all(mx.isfinite(grad)).item()


def test_relu_of_integers_is_of_integers():
    assert nn.relu(mx.array([-1, 2])).tolist() == [0, 2]
    assert nn.relu(mx.array([-1, 2])).dtype == mx.int32


@pytest.mark.parametrize(
    "layer, want",
    [
        (nn.LeakyReLU(0.5), [-1.0, 4.0]),
        (nn.ELU(2.0), [2 * math.expm1(-2), 4.0]),
        (nn.CELU(2.0), [2 * math.expm1(-1), 4.0]),
        (nn.HardShrink(3.0), [0.0, 4.0]),
        (nn.Softshrink(1.0), [-1.0, 3.0]),
        (nn.PReLU(1, 0.5), [-1.0, 4.0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_of_layers_are_used(layer, want, close):
    close(layer(mx.array([-2.0, 4.0])), want)


@pytest.mark.parametrize("threshold, want", [(0.0, [0, 1, 1]), (1.0, [0, 0, 1])])
def test_step_is_one_from_the_threshold_on(threshold, want):
    y = nn.Step(threshold)(mx.array([-1.0, 0.0, 1.0]))
    assert y.tolist() == want and y.dtype == mx.int32


def test_prelu_has_a_slope_for_each_channel():
    layer = nn.PReLU(3)
    layer.weight = mx.array([0.0, 0.5, 2.0])
    assert layer(mx.array([[-2.0, -2.0, -2.0]])).tolist() == [[0, -1, -4]]


def test_prelu_learns_its_slopes():
    layer = nn.PReLU(2)
    _, grads = nn.value_and_grad(layer, lambda x: layer(x).sum())(mx.array([[-3.0, 5.0]]))
    assert grads["weight"].tolist() == [-3, 0]


def test_glu_gates_one_half_with_the_other(draw, close):
    x, x64 = draw(3, 4)
    close(nn.glu(x), x64[:, :2] * sigmoid(x64[:, 2:]))
    close(nn.GLU(axis=0)(x[:2]), x64[:1] * sigmoid(x64[1:2]))


def test_glu_refuses_odd_axes():
    with pytest.raises(ValueError):
        nn.glu(mx.ones(3))


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_axis_is_used(name, draw, close):
    x, x64 = draw(3, 2)
    want = np.stack([FORMULAS[name](column) for column in x64.T], axis=1)
    close(getattr(nn, name)(x, axis=0), want)


@pytest.mark.parametrize(
    "approx, name",
    [("none", "gelu"), ("precise", "gelu_approx"), ("tanh", "gelu_approx")]
    + [("fast", "gelu_fast_approx")],
)
def test_gelu_layer_chooses_by_name(approx, name, close):
    close(nn.GELU(approx)(mx.array(X, dtype=mx.float32)), FORMULAS[name](X))


def test_gelu_layer_refuses_other_names():
    with pytest.raises(ValueError, match="'none', 'precise', 'tanh', 'fast'"):
        nn.GELU("best")
