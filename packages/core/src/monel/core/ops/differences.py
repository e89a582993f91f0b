"""Differences of neighbours along an axis."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import bool_
from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, canonical_axis, integer, operand, speaking_as
from ..primitives.flatten import part
from .joining import concatenate

__all__ = ["diff"]


def diff(
    a: Any,
    /,
    n: int = 1,
    axis: int = -1,
    *,
    prepend: Any = None,
    append: Any = None,
    stream: Any = None,
) -> array:
    """Return each element along an axis minus the one before it, ``n`` times over.

    Args:
      a: Array of any dtype with at least one axis.
      n: How many times.
      axis: The axis, which gets shorter by ``n``.
      prepend: Array that is put before ``a`` along the axis, of its shape elsewhere.
      append: Array that is put behind ``a`` along the axis.
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
    ends = [None if e is None else operand("diff", e) for e in (prepend, append)]
    joined = [e for e in (ends[0], x, ends[1]) if e is not None]
    if len(joined) > 1:
        with speaking_as("diff"):
            x = concatenate(joined, place, stream=stream)
    for _ in range(min(times, x.shape[place])):
        length = x.shape[place]
        later, earlier = part(x, place, 1, length, stream), part(x, place, 0, length - 1, stream)
        x = call_on(stream, "not_equal" if x.dtype is bool_ else "sub", later, earlier)
    return wrap(x.value)
