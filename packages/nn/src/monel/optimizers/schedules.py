"""Schedules: functions from the step to a learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import monel.core as mx

__all__ = [
    "cosine_decay",
    "exponential_decay",
    "join_schedules",
    "linear_schedule",
    "step_decay",
]

Schedule = Callable[[Any], Any]


def exponential_decay(init: float, decay_rate: float) -> Schedule:
    """Return the schedule ``init * decay_rate**step``.

    Args:
      init: The first value.
      decay_rate: Factor of each step.
    Example:
      >>> optim.exponential_decay(0.1, 0.5)(mx.array(2))
      array(0.025, dtype=float32)
    """
    return lambda step: init * decay_rate**step


def step_decay(init: float, decay_rate: float, step_size: int) -> Schedule:
    """Return the schedule ``init * decay_rate**(step // step_size)``.

    Args:
      init: The first value.
      decay_rate: Factor of each ``step_size`` steps.
      step_size: Steps between two changes.
    Example:
      >>> optim.step_decay(0.1, 0.5, 10)(mx.array(25))
      array(0.025, dtype=float32)
    """
    return lambda step: init * decay_rate ** (step // step_size)


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Schedule:
    """Return the schedule that goes from ``init`` to ``end`` as half a cosine, and stays there.

    Args:
      init: The first value.
      decay_steps: Steps until the end.
      end: The last value.
    Example:
      >>> optim.cosine_decay(0.1, 100)(mx.array(50))
      array(0.05, dtype=float32)
    """

    def schedule(step: Any) -> mx.array:
        done = mx.minimum(step, decay_steps)
        share = 0.5 * (1.0 + mx.cos((math.pi / decay_steps) * done))
        return end + share * (init - end)

    return schedule


def linear_schedule(init: float, end: float, steps: int) -> Schedule:
    """Return the schedule that goes from ``init`` to ``end`` on a line, and stays there.

    Args:
      init: The first value.
      end: The last value.
      steps: Steps between the two.
    Raises:
      ValueError: ``steps`` is less than 1.
    Example:
      >>> optim.linear_schedule(0, 0.1, 100)(mx.array(50))
      array(0.05, dtype=float32)
    """
    if steps < 1:
        raise ValueError(f"steps must be greater than 0, but got {steps}.")

    def schedule(step: Any) -> mx.array:
        return mx.minimum(step, steps) * ((end - init) / steps) + init

    return schedule


def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """Return the schedule that goes through several, one after the other.

    Args:
      schedules: The schedules; each begins to count at its boundary.
      boundaries: The steps at which the second and all later ones begin.
    Raises:
      ValueError: There is no schedule, or not one boundary fewer than schedules.
    Example:
      >>> warm = optim.linear_schedule(0, 0.1, steps=10)
      >>> both = optim.join_schedules([warm, optim.cosine_decay(0.1, 200)], [10])
      >>> both(mx.array(5)), both(mx.array(110))
      (array(0.05, dtype=float32), array(0.05, dtype=float32))
    """
    if len(schedules) == 0:
        raise ValueError("Must provide at least 1 schedule to join.")
    if len(schedules) != len(boundaries) + 1:
        raise ValueError(
            f"Received {len(boundaries)} boundaries but expected {len(schedules) - 1}."
        )

    def schedule(step: Any) -> Any:
        value = schedules[0](step)
        for boundary, later in zip(boundaries, schedules[1:], strict=True):
            # The step is unsigned: before the boundary the difference would wrap around.
            since = mx.maximum(step, boundary) - boundary
            value = mx.where(step < boundary, value, later(since))
        return value

    return schedule
