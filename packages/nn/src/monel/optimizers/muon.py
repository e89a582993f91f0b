"""Muon: momentum, made orthogonal."""

from __future__ import annotations

import math
from typing import Any

import monel.core as mx

from .base import Optimizer, Scheduled

__all__ = ["Muon"]

# Coefficients of x -> a*x + b*x**3 + c*x**5, which drives singular values towards 1 (Jordan, 2024).
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(Optimizer):
    """Move matrices along their momentum with its singular values made about equal.

    Arrays of more than two axes are taken as matrices of their first axis by all others, those of
    fewer move along the momentum itself; they, embeddings and last layers are better given to
    another optimizer (see `MultiOptimizer`).

    Args:
      learning_rate: A number, or a function of the step.
      momentum: Decay of the average of gradients.
      weight_decay: Rate of the shrinking of the parameters, times the learning rate.
      nesterov: Look ahead: mix the gradient into the average once more.
      ns_steps: Newton-Schulz steps to orthogonality.
    Example:
      >>> optimizer = optim.Muon(0.1, weight_decay=0.0)
      >>> new = optimizer.apply_gradients({"w": mx.eye(2)}, {"w": mx.zeros((2, 2))})
      >>> new["w"].shape
      (2, 2)

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(
        self,
        learning_rate: Scheduled,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.ns_steps = ns_steps

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with no momentum."""
        state["v"] = mx.zeros_like(parameter)

    def _orthogonalized(self, x: mx.array) -> mx.array:
        """A matrix with the singular vectors of ``x`` and singular values near 1."""
        tall = x.shape[-2] > x.shape[-1]
        y = x.T if tall else x
        y = y / (mx.sqrt(mx.sum(mx.square(y))) + 1e-7)
        for _ in range(self.ns_steps):
            gram = y @ y.T
            y = _A * y + (_B * gram + _C * (gram @ gram)) @ y
        return y.T if tall else y

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and its momentum ``v``."""
        rate = self.learning_rate.astype(gradient.dtype)
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        v: mx.array = self.momentum * state["v"] + (1 - self.momentum) * gradient
        state["v"] = v
        update = (1 - self.momentum) * gradient + self.momentum * v if self.nesterov else v
        if update.ndim < 2:
            return parameter - rate * update
        matrix = update.reshape(update.shape[0], -1)
        rows, columns = matrix.shape
        rate = rate * math.sqrt(max(1.0, rows / columns))
        return parameter - rate * self._orthogonalized(matrix).reshape(update.shape)
