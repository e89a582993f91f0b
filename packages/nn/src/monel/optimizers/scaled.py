"""Steps scaled by the size of the gradients so far: RMSprop, Adagrad, AdaDelta."""

from __future__ import annotations

from typing import Any

import monel.core as mx

from .base import Optimizer, Scheduled

__all__ = ["AdaDelta", "Adagrad", "RMSprop"]


def _check(name: str, eps: float, **shares: float) -> None:
    if eps < 0:
        raise ValueError(f"{name} epsilon should be >0, {eps} was provided instead")
    for what, share in shares.items():
        if share < 0:
            raise ValueError(f"{name} {what} should be >=0, {share} was provided instead")


class RMSprop(Optimizer):
    """w -= lr * g / (sqrt(v) + eps), with v = alpha * v + (1 - alpha) * g**2.

    Args:
      learning_rate: A number, or a function of the step.
      alpha: Decay of the average.
      eps: Added to the root.
    Raises:
      ValueError: ``alpha`` or ``eps`` is negative.
    Example:
      >>> optimizer = optim.RMSprop(0.1, alpha=0.0)
      >>> optimizer.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.9], dtype=float32)}

    Source: Tieleman and Hinton, Lecture 6.5 of "Neural Networks for Machine Learning", 2012.
    """

    def __init__(self, learning_rate: Scheduled, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        _check("RMSprop", eps, alpha=alpha)
        self.alpha = alpha
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with an average of zero."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and the average ``v``."""
        rate = self.learning_rate.astype(gradient.dtype)
        v = self.alpha * state["v"] + (1 - self.alpha) * mx.square(gradient)
        state["v"] = v
        return parameter - rate * gradient / (mx.sqrt(v) + self.eps)


class Adagrad(Optimizer):
    """w -= lr * g / (sqrt(v) + eps), with the sum v of all g**2.

    Args:
      learning_rate: A number, or a function of the step.
      eps: Added to the root.
    Raises:
      ValueError: ``eps`` is negative.
    Example:
      >>> optim.Adagrad(0.1).apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.9], dtype=float32)}

    Source: Duchi, Hazan and Singer, JMLR 12, 2011.
    """

    def __init__(self, learning_rate: Scheduled, eps: float = 1e-8) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        _check("Adagrad", eps)
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with a sum of zero."""
        state["v"] = mx.zeros_like(parameter)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and the sum ``v``."""
        rate = self.learning_rate.astype(gradient.dtype)
        v = state["v"] + mx.square(gradient)
        state["v"] = v
        return parameter - rate * gradient / (mx.sqrt(v) + self.eps)


class AdaDelta(Optimizer):
    """w -= lr * d, with d = g * sqrt(u + eps) / sqrt(v + eps) and averages v of g**2, u of d**2.

    Both averages decay with ``rho``; u is moved after d is computed.

    Args:
      learning_rate: A number, or a function of the step.
      rho: Decay of the averages.
      eps: Added under the roots.
    Raises:
      ValueError: ``rho`` or ``eps`` is negative.
    Example:
      >>> optimizer = optim.AdaDelta(1.0, rho=0.0, eps=1.0)
      >>> optimizer.apply_gradients({"w": mx.array([0.0])}, {"w": mx.array([1.0])})
      {'w': array([1], dtype=float32)}

    Source: Zeiler, arXiv:1212.5701.
    """

    def __init__(self, learning_rate: Scheduled, rho: float = 0.9, eps: float = 1e-6) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        _check("AdaDelta", eps, rho=rho)
        self.rho = rho
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with averages of zero."""
        state["v"] = mx.zeros_like(parameter)
        state["u"] = mx.zeros_like(parameter)

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and the averages ``v`` and ``u``."""
        rate = self.learning_rate.astype(gradient.dtype)
        rho, eps = self.rho, self.eps
        v = rho * state["v"] + (1 - rho) * mx.square(gradient)
        d = mx.sqrt(state["u"] + eps) / mx.sqrt(v + eps) * gradient
        state["v"] = v
        state["u"] = rho * state["u"] + (1 - rho) * mx.square(d)
        return parameter - rate * d
