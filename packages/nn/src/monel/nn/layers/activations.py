"""Activations as layers, each the function of its name in :mod:`monel.nn.layers.functions`."""

from __future__ import annotations

from collections.abc import Callable

import monel.core as mx

from ..module import Module
from . import functions

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "HardShrink",
    "HardTanh",
    "Hardswish",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU2",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Step",
    "Tanh",
]


class Sigmoid(Module):
    """The function :func:`monel.nn.sigmoid` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.sigmoid(x)


class Tanh(Module):
    """The function :func:`monel.nn.tanh` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.tanh(x)


class ReLU(Module):
    """The function :func:`monel.nn.relu` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.relu(x)


class ReLU2(Module):
    """The function :func:`monel.nn.relu2` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.relu2(x)


class ReLU6(Module):
    """The function :func:`monel.nn.relu6` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.relu6(x)


class SELU(Module):
    """The function :func:`monel.nn.selu` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.selu(x)


class SiLU(Module):
    """The function :func:`monel.nn.silu` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.silu(x)


class Mish(Module):
    """The function :func:`monel.nn.mish` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.mish(x)


class Softplus(Module):
    """The function :func:`monel.nn.softplus` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.softplus(x)


class Softsign(Module):
    """The function :func:`monel.nn.softsign` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.softsign(x)


class HardTanh(Module):
    """The function :func:`monel.nn.hard_tanh` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.hard_tanh(x)


class Hardswish(Module):
    """The function :func:`monel.nn.hardswish` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.hardswish(x)


class LogSigmoid(Module):
    """The function :func:`monel.nn.log_sigmoid` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.log_sigmoid(x)


class LogSoftmax(Module):
    """The function :func:`monel.nn.log_softmax` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.log_softmax(x)


class Softmax(Module):
    """The function :func:`monel.nn.softmax` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.softmax(x)


class Softmin(Module):
    """The function :func:`monel.nn.softmin` as a layer."""

    def __call__(self, x: mx.array) -> mx.array:
        return functions.softmin(x)


class LeakyReLU(Module):
    """The function :func:`monel.nn.leaky_relu` as a layer.

    Args:
      negative_slope: Factor of negative inputs.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self._negative_slope = negative_slope

    def __call__(self, x: mx.array) -> mx.array:
        return functions.leaky_relu(x, self._negative_slope)


class ELU(Module):
    """The function :func:`monel.nn.elu` as a layer.

    Args:
      alpha: Minus the limit for very negative inputs.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def __call__(self, x: mx.array) -> mx.array:
        return functions.elu(x, self._alpha)


class CELU(Module):
    """The function :func:`monel.nn.celu` as a layer.

    Args:
      alpha: Minus the limit for very negative inputs.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def __call__(self, x: mx.array) -> mx.array:
        return functions.celu(x, self._alpha)


class GLU(Module):
    """The function :func:`monel.nn.glu` as a layer.

    Args:
      axis: The axis that is split in two.
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def __call__(self, x: mx.array) -> mx.array:
        return functions.glu(x, self.axis)


class HardShrink(Module):
    """The function :func:`monel.nn.hard_shrink` as a layer.

    Args:
      lambd: Inputs up to this size become zero.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def __call__(self, x: mx.array) -> mx.array:
        return functions.hard_shrink(x, self.lambd)


class Softshrink(Module):
    """The function :func:`monel.nn.softshrink` as a layer.

    Args:
      lambd: How far inputs move towards zero.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def __call__(self, x: mx.array) -> mx.array:
        return functions.softshrink(x, self.lambd)


class Step(Module):
    """The function :func:`monel.nn.step` as a layer.

    Args:
      threshold: The least input that gives 1.
    """

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def __call__(self, x: mx.array) -> mx.array:
        return functions.step(x, self.threshold)


class PReLU(Module):
    """The function :func:`monel.nn.prelu` as a layer, with learnt slopes in ``weight``.

    Args:
      num_parameters: Number of slopes: 1, or the size of the last axis of the input.
      init: Their first value.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.weight = mx.full([num_parameters], init)

    def __call__(self, x: mx.array) -> mx.array:
        return functions.prelu(x, self.weight)


_GELUS: dict[str, Callable[[mx.array], mx.array]] = {
    "none": functions.gelu,
    "precise": functions.gelu_approx,
    "tanh": functions.gelu_approx,
    "fast": functions.gelu_fast_approx,
}


class GELU(Module):
    """The function :func:`monel.nn.gelu`, or one of its approximations, as a layer.

    Args:
      approx: ``"none"``; ``"precise"`` or ``"tanh"`` (:func:`monel.nn.gelu_approx`); or
        ``"fast"`` (:func:`monel.nn.gelu_fast_approx`).
    Raises:
      ValueError: ``approx`` is none of these.
    """

    def __init__(self, approx: str = "none") -> None:
        super().__init__()
        if approx not in _GELUS:
            raise ValueError(
                f"The approximation should be in {list(_GELUS)} but {approx!r} was given"
            )
        self._approx = approx

    def __call__(self, x: mx.array) -> mx.array:
        return _GELUS[self._approx](x)
