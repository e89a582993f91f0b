"""Stochastic gradient descent, and the descent along signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import monel.core as mx

from .base import Optimizer, Scheduled

__all__ = ["SGD", "Lion"]


class SGD(Optimizer):
    """w -= lr * v, with v = momentum * v + (1 - dampening) * (g + weight_decay * w).

    Args:
      learning_rate: A number, or a function of the step.
      momentum: Share of the last direction in the next.
      weight_decay: Factor of the parameters that is added to the gradients.
      dampening: How much less than the gradient is added to the direction.
      nesterov: Look ahead: move along ``g + momentum * v``.
    Raises:
      ValueError: ``nesterov`` without momentum or with dampening.
    Example:
      >>> optim.SGD(0.1).apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.8], dtype=float32)}
    """

    def __init__(
        self,
        learning_rate: Scheduled,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening.")
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dampening = dampening
        self.nesterov = nesterov

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with no direction."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and its direction ``v``."""
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        rate = self.learning_rate.astype(gradient.dtype)
        if self.momentum <= 0:
            return parameter - rate * gradient
        added = (1 - self.dampening) * gradient if self.dampening > 0 else gradient
        v: mx.array = self.momentum * state["v"] + added
        state["v"] = v
        direction = gradient + self.momentum * v if self.nesterov else v
        return parameter - rate * direction


class Lion(Optimizer):
    """w -= lr * (sign(b1 * m + (1 - b1) * g) + weight_decay * w), then m = b2 * m + (1 - b2) * g.

    All steps have the same size, so a learning rate 3 to 10 times smaller than that of `AdamW`,
    and a weight decay as much larger, are a good start.

    Args:
      learning_rate: A number, or a function of the step.
      betas: b1, share of the average in the direction, and b2, its decay.
      weight_decay: Factor of the parameters in the step.
    Example:
      >>> optim.Lion(0.1).apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.9], dtype=float32)}

    Source: Chen et al., arXiv:2302.06675.
    """

    def __init__(
        self,
        learning_rate: Scheduled,
        betas: Sequence[float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.weight_decay = weight_decay

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with no average."""
        state["m"] = mx.zeros_like(parameter)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and the average ``m``."""
        rate = self.learning_rate.astype(gradient.dtype)
        b1, b2 = self.betas
        m = state["m"]
        direction = b1 * m + (1 - b1) * gradient
        state["m"] = b2 * m + (1 - b2) * gradient
        if self.weight_decay > 0:
            parameter = (1 - rate * self.weight_decay) * parameter
        return parameter - rate * mx.sign(direction)
