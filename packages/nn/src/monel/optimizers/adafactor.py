"""Adafactor: second moments kept as a row and a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import monel.core as mx

from .base import Optimizer

__all__ = ["Adafactor"]


def _rms(x: mx.array) -> mx.array:
    return mx.sqrt(mx.mean(mx.square(x)))


class Adafactor(Optimizer):
    """Adaptive steps with memory that grows with the sides of a matrix, not with its size.

    Args:
      learning_rate: A number, or a function of the step; needed if ``relative_step`` is false.
      eps: Added to the squared gradient, and the least root mean square of a parameter that
        scales its step.
      clip_threshold: The largest root mean square of a direction.
      decay_rate: The second moment decays with ``1 - step**decay_rate``.
      beta_1: Decay of the average of directions; None keeps no average.
      weight_decay: Factor of the parameters in the step, times the learning rate.
      scale_parameter: Multiply the learning rate by the root mean square of the parameter.
      relative_step: Ignore ``learning_rate``; take ``1 / sqrt(step)``, at most 0.01.
      warmup_init: With ``relative_step``, take at most ``1e-6 * step`` instead.
    Example:
      >>> optimizer = optim.Adafactor()
      >>> optimizer.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
      {'w': array([0.99], dtype=float32)}

    Source: Shazeer and Stern, arXiv:1804.04235.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array] | None = None,
        eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta_1: float | None = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ) -> None:
        super().__init__()
        if learning_rate is not None:
            self._maybe_schedule("learning_rate", learning_rate)
        elif not relative_step:
            raise ValueError("Adafactor: relative_step=False needs a learning_rate")
        self.eps = eps
        self.clip_threshold = clip_threshold
        self.decay_rate = decay_rate
        self.beta_1 = beta_1
        self.weight_decay = weight_decay
        self.scale_parameter = scale_parameter
        self.relative_step = relative_step
        self.warmup_init = warmup_init

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start with moments of zero."""
        shape, dtype = tuple(parameter.shape), parameter.dtype
        if parameter.ndim >= 2:
            state["exp_avg_sq_row"] = mx.zeros(shape[:-1], dtype=dtype)
            state["exp_avg_sq_col"] = mx.zeros(shape[:-2] + shape[-1:], dtype=dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    def _rate(self, parameter: mx.array) -> mx.array:
        """The learning rate of this step, for this parameter."""
        if self.relative_step:
            most = 1e-6 * self.step if self.warmup_init else 1e-2
            rate = mx.minimum(most, mx.rsqrt(self.step))
        else:
            rate = self.learning_rate
        rate = rate.astype(parameter.dtype)
        return mx.maximum(self.eps[1], _rms(parameter)) * rate if self.scale_parameter else rate

    def _normalized(self, gradient: mx.array, state: dict[str, Any]) -> mx.array:
        """The gradient over the root of its second moment, which moves."""
        decay = (1.0 - self.step**self.decay_rate).astype(gradient.dtype)
        square = mx.square(gradient) + self.eps[0]
        if gradient.ndim < 2:
            moment = decay * state["exp_avg_sq"] + (1 - decay) * square
            state["exp_avg_sq"] = moment
            return mx.rsqrt(moment) * gradient
        row = decay * state["exp_avg_sq_row"] + (1 - decay) * mx.mean(square, axis=-1)
        column = decay * state["exp_avg_sq_col"] + (1 - decay) * mx.mean(square, axis=-2)
        state["exp_avg_sq_row"], state["exp_avg_sq_col"] = row, column
        # The moment is taken as the product of row and column, over the mean of the row.
        row_factor = mx.rsqrt(row / mx.mean(row, axis=-1, keepdims=True))
        factors = mx.expand_dims(row_factor, -1) * mx.expand_dims(mx.rsqrt(column), -2)
        return factors * gradient

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Move one parameter and its moments."""
        rate = self._rate(parameter)
        direction = self._normalized(gradient, state)
        direction = direction / mx.maximum(1.0, _rms(direction) / self.clip_threshold)
        change = rate * direction
        if self.beta_1 is not None:
            change = self.beta_1 * state["exp_avg"] + (1 - self.beta_1) * change
            state["exp_avg"] = change
        if self.weight_decay != 0:
            parameter = parameter - self.weight_decay * rate * parameter
        return parameter - change
