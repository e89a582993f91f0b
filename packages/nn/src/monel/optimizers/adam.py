"""Adam and its kin: moments of the gradients, decaying exponentially."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import monel.core as mx

from .base import Optimizer, Scheduled

__all__ = ["Adam", "AdamW", "Adamax"]


class Adam(Optimizer):
    """w -= lr * m / (sqrt(v) + eps), with averages m of g and v of g**2.

    The averages are ``m = b1 * m + (1 - b1) * g`` and ``v = b2 * v + (1 - b2) * g**2``. They are
    not corrected for their start at zero unless ``bias_correction`` says so.

    Args:
      learning_rate: A number, or a function of the step.
      betas: The decays b1 and b2, both in ``[0, 1)``.
      eps: Added to the root.
      bias_correction: Divide m by ``1 - b1**step`` and v by ``1 - b2**step``.
    Raises:
      ValueError: A decay is not in ``[0, 1)``, or ``eps`` is negative.
    Example:
      >>> adam = optim.Adam(0.5, betas=(0.5, 0.75), eps=0.0)
      >>> adam.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.5], dtype=float32)}

    Source: Kingma and Ba, arXiv:1412.6980.
    """

    def __init__(
        self,
        learning_rate: Scheduled,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: bool = False,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        for i, beta in enumerate(betas, start=1):
            if not 0 <= beta < 1:
                raise ValueError(
                    f"{type(self).__name__} beta{i} should be in [0, 1), {beta} was provided "
                    "instead"
                )
        if eps < 0:
            raise ValueError(
                f"{type(self).__name__} epsilon should be >=0, {eps} was provided instead"
            )
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with averages of zero."""
        state["m"] = mx.zeros_like(parameter)
        state["v"] = mx.zeros_like(parameter)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and the averages ``m`` and ``v``."""
        rate = self.learning_rate.astype(gradient.dtype)
        b1, b2 = self.betas
        m: mx.array = b1 * state["m"] + (1 - b1) * gradient
        v: mx.array = b2 * state["v"] + (1 - b2) * mx.square(gradient)
        state["m"], state["v"] = m, v
        if not self.bias_correction:
            return parameter - rate * m / (mx.sqrt(v) + self.eps)
        mean_factor = (rate / (1 - b1**self.step)).astype(gradient.dtype)
        root_factor = mx.rsqrt(1 - b2**self.step).astype(gradient.dtype)
        return parameter - mean_factor * m / (mx.sqrt(v) * root_factor + self.eps)


class AdamW(Adam):
    """`Adam` on parameters that first shrink: w *= 1 - lr * weight_decay.

    Args:
      learning_rate: A number, or a function of the step.
      betas: The decays b1 and b2, both in ``[0, 1)``.
      eps: Added to the root.
      weight_decay: The rate of the shrinking, times the learning rate.
      bias_correction: Divide m by ``1 - b1**step`` and v by ``1 - b2**step``.
    Raises:
      ValueError: A decay is not in ``[0, 1)``, or ``eps`` is negative.
    Example:
      >>> adam = optim.AdamW(0.5, betas=(0.5, 0.75), eps=0.0, weight_decay=0.5)
      >>> adam.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.25], dtype=float32)}

    Source: Loshchilov and Hutter, arXiv:1711.05101.
    """

    def __init__(
        self,
        learning_rate: Scheduled,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Shrink one parameter, then move it as Adam does."""
        rate = self.learning_rate.astype(gradient.dtype)
        return super().apply_single(gradient, parameter * (1 - rate * self.weight_decay), state)


class Adamax(Adam):
    """w -= lr * m / (v + eps), where v is a decaying maximum: v = max(b2 * v, abs(g)).

    Args:
      learning_rate: A number, or a function of the step.
      betas: The decays b1 and b2, both in ``[0, 1)``.
      eps: Added to the maximum.
    Raises:
      ValueError: A decay is not in ``[0, 1)``, or ``eps`` is negative.
    Example:
      >>> optim.Adamax(0.1).apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.99], dtype=float32)}

    Source: Kingma and Ba, arXiv:1412.6980.
    """

    def __init__(
        self,
        learning_rate: Scheduled,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate, betas, eps)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter, the average ``m`` and the maximum ``v``."""
        rate = self.learning_rate.astype(gradient.dtype)
        b1, b2 = self.betas
        m: mx.array = b1 * state["m"] + (1 - b1) * gradient
        v = mx.maximum(b2 * state["v"], mx.abs(gradient))
        state["m"], state["v"] = m, v
        return parameter - rate * m / (v + self.eps)
