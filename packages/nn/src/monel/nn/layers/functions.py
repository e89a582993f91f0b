"""Activations as functions of one array."""

from __future__ import annotations

import math

import monel.core as mx

__all__ = [
    "celu",
    "elu",
    "gelu",
    "gelu_approx",
    "gelu_fast_approx",
    "glu",
    "hard_shrink",
    "hard_tanh",
    "hardswish",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu2",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "step",
    "tanh",
]


def sigmoid(x: mx.array) -> mx.array:
    """Return ``1 / (1 + exp(-x))``, element by element.

    Example:
      >>> nn.sigmoid(mx.array([0.0, 1.0]))
      array([0.5, 0.731059], dtype=float32)
    """
    return mx.sigmoid(x)


def tanh(x: mx.array) -> mx.array:
    """Return the hyperbolic tangent, element by element.

    Example:
      >>> nn.tanh(mx.array([0.0, 1.0]))
      array([0, 0.761594], dtype=float32)
    """
    return mx.tanh(x)


def relu(x: mx.array) -> mx.array:
    """Return ``max(x, 0)``, element by element.

    Example:
      >>> nn.relu(mx.array([-1.0, 2.0]))
      array([0, 2], dtype=float32)
    """
    return mx.maximum(x, 0)


def relu2(x: mx.array) -> mx.array:
    """Return ``max(x, 0) ** 2``, element by element.

    Example:
      >>> nn.relu2(mx.array([-1.0, 2.0]))
      array([0, 4], dtype=float32)

    Source: So et al., "Primer: Searching for Efficient Transformers", arXiv:2109.08668.
    """
    return mx.square(mx.maximum(x, 0))


def relu6(x: mx.array) -> mx.array:
    """Return ``min(max(x, 0), 6)``, element by element.

    Example:
      >>> nn.relu6(mx.array([-1.0, 2.0, 8.0]))
      array([0, 2, 6], dtype=float32)
    """
    return mx.minimum(mx.maximum(x, 0), 6.0)


def leaky_relu(x: mx.array, negative_slope: float = 0.01) -> mx.array:
    """Return ``max(negative_slope * x, x)``, element by element.

    Example:
      >>> nn.leaky_relu(mx.array([-1.0, 2.0]), 0.5)
      array([-0.5, 2], dtype=float32)
    """
    return mx.maximum(negative_slope * x, x)


def prelu(x: mx.array, alpha: mx.array) -> mx.array:
    """Return ``max(x, 0) + alpha * min(x, 0)``, where ``alpha`` broadcasts with ``x``.

    Example:
      >>> nn.prelu(mx.array([-1.0, 2.0]), mx.array(0.25))
      array([-0.25, 2], dtype=float32)

    Source: He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
    """
    return mx.maximum(0, x) + alpha * mx.minimum(0, x)


def elu(x: mx.array, alpha: float = 1.0) -> mx.array:
    """Return ``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Example:
      >>> nn.elu(mx.array([-1.0, 2.0]))
      array([-0.632121, 2], dtype=float32)

    Source: Clevert, Unterthiner and Hochreiter, arXiv:1511.07289.
    """
    # Bounded in the branch not taken too, where an infinity would make the gradient NaN.
    negative = mx.where(x > 0, 0, x)
    return mx.where(x > 0, x, alpha * mx.expm1(negative))


def celu(x: mx.array, alpha: float = 1.0) -> mx.array:
    """Return ``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``, element by element.

    Example:
      >>> nn.celu(mx.array([-1.0, 2.0]))
      array([-0.632121, 2], dtype=float32)

    Source: Barron, arXiv:1704.07483.
    """
    return mx.maximum(x, 0.0) + alpha * mx.expm1(mx.minimum(x, 0.0) / alpha)


# The fixed point of the paper: outputs of mean 0 and variance 1 for such inputs.
_SELU_ALPHA = 1.67326
_SELU_SCALE = 1.0507


def selu(x: mx.array) -> mx.array:
    """Return ``1.0507 * elu(x, 1.67326)``, element by element.

    Example:
      >>> nn.selu(mx.array([-1.0, 2.0]))
      array([-1.11133, 2.1014], dtype=float32)

    Source: Klambauer et al., "Self-Normalizing Neural Networks", arXiv:1706.02515.
    """
    return elu(x, _SELU_ALPHA) * _SELU_SCALE


def gelu(x: mx.array) -> mx.array:
    """Return ``x * Phi(x)``, with the distribution function Phi of the normal distribution.

    Example:
      >>> nn.gelu(mx.array([-1.0, 2.0]))
      array([-0.158655, 1.9545], dtype=float32)

    Source: Hendrycks and Gimpel, arXiv:1606.08415.
    """
    return x * (1 + mx.erf(x / math.sqrt(2))) / 2


def gelu_approx(x: mx.array) -> mx.array:
    """Return ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Within 0.0005 of :func:`gelu` on [-6, 6].

    Example:
      >>> nn.gelu_approx(mx.array([-1.0, 2.0]))
      array([-0.158808, 1.9546], dtype=float32)

    Source: Hendrycks and Gimpel, arXiv:1606.08415.
    """
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + mx.tanh(inner))


def gelu_fast_approx(x: mx.array) -> mx.array:
    """Return ``x * sigmoid(1.702 * x)``, within 0.021 of :func:`gelu` everywhere.

    Example:
      >>> nn.gelu_fast_approx(mx.array([-1.0, 2.0]))
      array([-0.154204, 1.93566], dtype=float32)

    Source: Hendrycks and Gimpel, arXiv:1606.08415.
    """
    return x * mx.sigmoid(1.702 * x)


def silu(x: mx.array) -> mx.array:
    """Return ``x * sigmoid(x)``, element by element; also known as swish.

    Example:
      >>> nn.silu(mx.array([-1.0, 2.0]))
      array([-0.268941, 1.76159], dtype=float32)
    """
    return x * mx.sigmoid(x)


def glu(x: mx.array, axis: int = -1) -> mx.array:
    """Split ``x`` into two halves a and b along ``axis``; return ``a * sigmoid(b)``.

    Raises:
      ValueError: The length of ``axis`` is odd.
    Example:
      >>> nn.glu(mx.array([4.0, 0.0]))
      array([2], dtype=float32)

    Source: Dauphin et al., arXiv:1612.08083.
    """
    a, b = mx.split(x, 2, axis=axis)
    return a * mx.sigmoid(b)


def mish(x: mx.array) -> mx.array:
    """Return ``x * tanh(softplus(x))``, element by element.

    Example:
      >>> nn.mish(mx.array([-1.0, 2.0]))
      array([-0.303401, 1.94396], dtype=float32)

    Source: Misra, arXiv:1908.08681.
    """
    return x * mx.tanh(softplus(x))


def softplus(x: mx.array) -> mx.array:
    """Return ``log(1 + exp(x))``, element by element, without overflow.

    Example:
      >>> nn.softplus(mx.array([0.0, 100.0]))
      array([0.693147, 100], dtype=float32)
    """
    return mx.logaddexp(x, 0)


def softsign(x: mx.array) -> mx.array:
    """Return ``x / (1 + abs(x))``, element by element.

    Example:
      >>> nn.softsign(mx.array([-1.0, 3.0]))
      array([-0.5, 0.75], dtype=float32)
    """
    return mx.divide(x, 1 + mx.abs(x))


def softshrink(x: mx.array, lambd: float = 0.5) -> mx.array:
    """Move ``x`` by ``lambd`` towards zero; zero where ``abs(x) <= lambd``.

    Example:
      >>> nn.softshrink(mx.array([-1.0, 0.25, 2.0]))
      array([-0.5, 0, 1.5], dtype=float32)
    """
    return mx.where(mx.abs(x) > lambd, x - mx.sign(x) * lambd, 0)


def hard_shrink(x: mx.array, lambd: float = 0.5) -> mx.array:
    """Return ``x``, but zero where ``abs(x) <= lambd``.

    Example:
      >>> nn.hard_shrink(mx.array([-1.0, 0.25, 2.0]))
      array([-1, 0, 2], dtype=float32)
    """
    return mx.where(mx.abs(x) > lambd, x, 0)


def hard_tanh(x: mx.array, min_val: float = -1.0, max_val: float = 1.0) -> mx.array:
    """Return ``max(min(x, max_val), min_val)``, element by element.

    Example:
      >>> nn.hard_tanh(mx.array([-3.0, 0.5]))
      array([-1, 0.5], dtype=float32)
    """
    return mx.minimum(mx.maximum(x, min_val), max_val)


def hardswish(x: mx.array) -> mx.array:
    """Return ``x * min(max(x + 3, 0), 6) / 6``, element by element.

    Example:
      >>> nn.hardswish(mx.array([-4.0, 3.0]))
      array([-0, 3], dtype=float32)

    Source: Howard et al., "Searching for MobileNetV3", arXiv:1905.02244.
    """
    return x * mx.minimum(mx.maximum(x + 3, 0), 6) / 6


def log_sigmoid(x: mx.array) -> mx.array:
    """Return ``log(sigmoid(x))``, element by element, without overflow.

    Example:
      >>> nn.log_sigmoid(mx.array([0.0, -100.0]))
      array([-0.693147, -100], dtype=float32)
    """
    return -softplus(-x)


def softmax(x: mx.array, axis: int = -1) -> mx.array:
    """Return ``exp(x) / sum(exp(x))`` along ``axis``.

    Example:
      >>> nn.softmax(mx.array([1.0, 1.0]))
      array([0.5, 0.5], dtype=float32)
    """
    return mx.softmax(x, axis=axis)


def softmin(x: mx.array, axis: int = -1) -> mx.array:
    """Return ``exp(-x) / sum(exp(-x))`` along ``axis``.

    Example:
      >>> nn.softmin(mx.array([0.0, 1000.0]))
      array([1, 0], dtype=float32)
    """
    return mx.softmax(-x, axis=axis)


def log_softmax(x: mx.array, axis: int = -1) -> mx.array:
    """Return ``x - log(sum(exp(x)))`` along ``axis``.

    Example:
      >>> nn.log_softmax(mx.array([1.0, 1.0]))
      array([-0.693147, -0.693147], dtype=float32)
    """
    return x - mx.logsumexp(x, axis=axis, keepdims=True)


def step(x: mx.array, threshold: float = 0.0) -> mx.array:
    """Return 1 where ``x >= threshold``, else 0, as int32.

    Example:
      >>> nn.step(mx.array([-1.0, 2.0]))
      array([0, 1], dtype=int32)
    """
    return mx.where(x >= threshold, 1, 0)
