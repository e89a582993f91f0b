"""Differences of neighbours along an axis."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import bool_
from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, canonical_axis, integer, operand
from ..primitives.flatten import part

__all__ = ["diff"]


def diff(a: Any, /, n: int = 1, axis: int = -1, *, stream: Any = None) -> array:
    """Return each element along an axis minus the one before it, ``n`` times over.

    Args:
      a: Array of any dtype with at least one axis.
      n: How many times.
      axis: The axis, which gets shorter by ``n``.
    Returns:
      Array of the dtype of ``a``; of bool, whether neighbours differ.
    Raises:
      AxisError: The axis is out of bounds.
      ShapeError: ``n`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.diff(mx.array([1, 4, 9]))
      array([3, 5], dtype=int32)
    """
    x = operand("diff", a)
    times = integer("diff", "n", n)
    if times < 0:
        raise ShapeError(f"diff: Order `n` must be non-negative, got {times}")
    place = canonical_axis("diff", axis, x)
    for _ in range(min(times, x.shape[place])):
        length = x.shape[place]
        later, earlier = part(x, place, 1, length, stream), part(x, place, 0, length - 1, stream)
        x = call_on(stream, "not_equal" if x.dtype is bool_ else "sub", later, earlier)
    return wrap(x.value)
