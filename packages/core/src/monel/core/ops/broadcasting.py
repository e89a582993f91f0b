"""Shapes that broadcast against each other, by NumPy's rules."""

from __future__ import annotations

from typing import Any

from ..base.avals import check_shape
from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..graph.operators import broadcast_shapes as meet
from ..primitives.arguments import integers, operand, speaking_as, stays_open
from ..primitives.kinds import broadcast_like
from ..primitives.operands import to_array
from ..primitives.shape import Broadcast

__all__ = ["broadcast_arrays", "broadcast_shapes", "broadcast_to"]


def broadcast_to(a: Any, /, shape: Any, *, stream: Any = None) -> array:
    """Return ``a`` repeated to ``shape`` by NumPy's rules of broadcasting, without a copy.

    Args:
      a: Scalar or array whose shape broadcasts to ``shape``.
      shape: Sequence of ints.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: The shapes do not fit.
    Example:
      >>> import monel.core as mx
      >>> mx.broadcast_to(mx.array([1, 2]), (2, 2))
      array([[1, 2],
             [1, 2]], dtype=int32)
    """
    x = to_array("broadcast_to", a)
    new = integers("broadcast_to", "shape", shape)
    check_shape("broadcast_to", new, x.dtype.size)
    return wrap(x.value) if new == x.shape else Broadcast(new).bind(x, stream=stream)


def broadcast_arrays(*arrays: Any, stream: Any = None) -> list[array]:
    """Return the arrays broadcast to their common shape.

    Args:
      arrays: Arrays whose shapes broadcast.
    Returns:
      List of arrays of one shape.
    Raises:
      ShapeError: The shapes do not fit.
    Example:
      >>> import monel.core as mx
      >>> [x.shape for x in mx.broadcast_arrays(mx.zeros(3), mx.zeros((2, 1)))]
      [(2, 3), (2, 3)]
    """
    xs = [operand("broadcast_arrays", a) for a in arrays]
    if not xs:
        return []
    with speaking_as("broadcast_arrays"):
        shape = broadcast_shapes(*[x.shape for x in xs])
    whole = next((x for x in xs if x.shape == shape), None)
    if whole is not None and any(stays_open(x) for x in xs):
        return [broadcast_like(x, whole) for x in xs]
    return [broadcast_to(x, shape, stream=stream) for x in xs]


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that results from broadcasting shapes against each other.

    Args:
      shapes: Sequences of ints.
    Returns:
      The common shape, as a tuple.
    Raises:
      ShapeError: The shapes do not fit, or there is none.
    Example:
      >>> import monel.core as mx
      >>> mx.broadcast_shapes((6, 7), (5, 6, 1), (7,))
      (5, 6, 7)
    """
    if not shapes:
        raise ShapeError("broadcast_shapes: Must provide at least one shape")
    result: tuple[int, ...] = ()
    for shape in shapes:
        result = meet("broadcast_shapes", result, integers("broadcast_shapes", "shape", shape))
    return result
