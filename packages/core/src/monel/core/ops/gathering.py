"""take, put_along_axis, dynamic slices: functions that read and write where arrays say."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import int32
from ..base.errors import AxisError, DTypeError, ShapeError
from ..graph.handle import array
from ..graph.operators import broadcast_shapes
from ..primitives.along import PutAlongAxis, TakeAlongAxis
from ..primitives.arguments import call_on, canonical_axis, describe, integers, operand
from ..primitives.convert import cast
from ..primitives.indexing import Gather, Scatter
from ..primitives.shape import Broadcast, Reshape, Select, Squeeze, Transpose
from .manipulation import flatten
from .selection import as_index, check_static, fit

__all__ = ["put_along_axis", "slice", "slice_update", "take", "take_along_axis"]


def take(a: Any, /, indices: Any, axis: int | None = None, *, stream: Any = None) -> array:
    """Return the entries of ``a`` at ``indices`` along ``axis``.

    Args:
      a: Array of any dtype.
      indices: An int, or an integer array of any shape; negative ones count from the end.
      axis: The axis that the indices belong to; None: ``a`` is flattened first.
    Returns:
      Array of the shape of ``a`` with ``axis`` replaced by the axes of ``indices``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ValueError: The indices are not integral, or the axis is empty and they are not.
      IndexError: An index is out of bounds; of an array, when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.take(mx.array([10, 20, 30]), mx.array([2, 0]))
      array([30, 10], dtype=int32)
    """
    x = operand("take", a)
    if axis is None:
        x, place = flatten(x, stream=stream), 0
    else:
        place = canonical_axis("take", axis, x)
    n = x.shape[place]
    if hasattr(indices, "__index__") and not hasattr(indices, "shape"):
        index = check_static(indices.__index__(), place, n, "take")
        return Select(place, index).bind(x, stream=stream)
    picked = as_index(operand("take", indices), "take")
    if picked.size and not n:
        raise ShapeError(f"take: Cannot do a non-empty take from an empty axis of {describe(x)}")
    return take_axis(x, picked, place, stream)


def take_axis(x: Any, indices: Any, axis: int, stream: Any = None) -> Any:
    """Return the entries of ``x`` at index array ``indices`` along ``axis``."""
    sizes = x.shape[:axis] + (1,) + x.shape[axis + 1 :]
    made = Gather((axis,), sizes, "take").bind(x, indices, stream=stream)
    lead = indices.ndim
    made = Squeeze(axes=(lead + axis,)).bind(made, stream=stream)
    if not (axis and lead):
        return made
    rest = range(lead, made.ndim)
    order = (*rest[:axis], *range(lead), *rest[axis:])
    return Transpose(axes=order).bind(made, stream=stream)


def _along(function: str, a: Any, indices: Any, axis: int | None, stream: Any) -> Any:
    """Return the array, the indices, which have its rank, and the axis."""
    x = operand(function, a)
    picked = as_index(operand(function, indices), function)
    if axis is None:
        x, place = flatten(x, stream=stream), 0
    else:
        place = canonical_axis(function, axis, x)
    if picked.ndim != x.ndim:
        raise ShapeError(
            f"{function}: Indices of dimension {picked.ndim} does not match array of dimension "
            f"{x.ndim}: {describe(picked)} and {describe(x)}"
        )
    return x, picked, place


def _spread(x: Any, shape: tuple[int, ...], stream: Any) -> Any:
    return x if x.shape == shape else Broadcast(shape=shape).bind(x, stream=stream)


def _without(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    return shape[:axis] + (n,) + shape[axis + 1 :]


def take_along_axis(a: Any, /, indices: Any, axis: int | None = -1, *, stream: Any = None) -> array:
    """Return entry ``indices[..., k, ...]`` of each line of ``a`` along ``axis``.

    Args:
      a: Array of any dtype.
      indices: Integer array with as many axes as ``a``; the others than ``axis`` broadcast.
      axis: The axis that the indices belong to; None: ``a`` is flattened first.
    Returns:
      Array of the shape of ``indices``, broadcast to ``a`` along the other axes.
    Raises:
      ShapeError: The shapes do not fit.
      AxisError: ``axis`` is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.take_along_axis(mx.array([[1, 2], [3, 4]]), mx.array([[1], [0]]), axis=1)
      array([[2],
             [3]], dtype=int32)
    """
    x, picked, place = _along("take_along_axis", a, indices, axis, stream)
    lines = _without(x.shape, place, 1)
    shape = broadcast_shapes("take_along_axis", picked.shape, lines)
    x = _spread(x, _without(shape, place, x.shape[place]), stream)
    picked = _spread(picked, shape, stream)
    return TakeAlongAxis(place).bind(x, picked, stream=stream)


def put_along_axis(
    a: Any, /, indices: Any, values: Any, axis: int | None = None, *, stream: Any = None
) -> array:
    """Return ``a`` with ``values`` at ``indices[..., k, ...]`` of each line along ``axis``.

    Args:
      a: Array of any dtype.
      indices: Integer array with as many axes as ``a``; the others than ``axis`` broadcast.
      values: Array that broadcasts with the indices; converted to the dtype of ``a``.
      axis: The axis that the indices belong to; None: ``a`` is flattened for it.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ShapeError: The shapes do not fit.
      AxisError: ``axis`` is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.put_along_axis(mx.zeros((2, 2)), mx.array([[1], [0]]), mx.array(5.0), axis=1)
      array([[0, 5],
             [5, 0]], dtype=float32)
    """
    x, picked, place = _along("put_along_axis", a, indices, axis, stream)
    update = cast(operand("put_along_axis", values), x.dtype, stream)
    shape = broadcast_shapes("put_along_axis", picked.shape, update.shape)
    shape = broadcast_shapes("put_along_axis", shape, _without(x.shape, place, 1))
    if _without(shape, place, x.shape[place]) != x.shape:
        raise ShapeError(
            f"put_along_axis: indices {describe(picked)} and values {describe(update)} do not fit "
            f"{describe(x)} along axis {place}"
        )
    picked, update = _spread(picked, shape, stream), _spread(update, shape, stream)
    made = PutAlongAxis(place, "set").bind(x, picked, update, stream=stream)
    return made if axis is not None else Reshape(shape=a.shape).bind(made, stream=stream)


def _start(function: str, x: Any, start_indices: Any, axes: Any) -> tuple[Any, tuple[int, ...]]:
    """Return the starts as a vector, and the axes that they belong to."""
    start = operand(function, start_indices)
    if not start.dtype.integral:
        raise DTypeError(f"{function}: Start indices must be integers, got {describe(start)}")
    start = as_index(start)
    places = tuple([canonical_axis(function, a, x) for a in integers(function, "axes", axes)])
    if len(set(places)) < len(places):
        raise AxisError(f"{function}: Repeat axes not allowed, got {places}")
    if start.ndim > 1 or start.size != len(places):
        raise ShapeError(
            f"{function}: Number of starting indices {start.size} does not match number of axes "
            f"{len(places)}"
        )
    return (start if start.ndim else Reshape(shape=(1,)).bind(start)), places


def _windows(start: Any, axes: tuple[int, ...], sizes: tuple[int, ...], stream: Any) -> list[Any]:
    """Return open index arrays, one an axis, of the windows that begin at ``start``."""
    found = []
    for k, axis in enumerate(axes):
        n = sizes[axis]
        run = call_on(stream, "iota", shape=(n,), dtype=int32, axis=0)
        first = Select(0, k).bind(start, stream=stream)
        index = call_on(stream, "add", cast(run, start.dtype, stream), first)
        place = [n if i == k else 1 for i in range(len(axes))]
        found.append(Reshape(shape=tuple(place)).bind(index, stream=stream))
    return found


def slice(a: Any, start_indices: Any, axes: Any, slice_size: Any, *, stream: Any = None) -> array:
    """Return the part of ``a`` of shape ``slice_size`` that begins where an array says.

    Args:
      a: Array of any dtype.
      start_indices: Integer array with one start for each of ``axes``; the other axes begin at 0.
      axes: The axes that the starts belong to.
      slice_size: The length of the part along every axis of ``a``.
    Returns:
      Array of shape ``slice_size``.
    Raises:
      ShapeError: ``slice_size`` does not fit into ``a``, or starts and axes differ in number.
      IndexError: The part leaves the array; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.slice(mx.array([1, 2, 3, 4]), mx.array([2]), axes=(0,), slice_size=(2,))
      array([3, 4], dtype=int32)
    """
    x = operand("slice", a)
    start, places = _start("slice", x, start_indices, axes)
    sizes = integers("slice", "slice_size", slice_size)
    if len(sizes) != x.ndim or any(not 0 <= m <= n for m, n in zip(sizes, x.shape, strict=True)):
        raise ShapeError(f"slice: Invalid slice size {sizes} for array {describe(x)}")
    windows = _windows(start, places, sizes, stream)
    single = tuple([1 if i in places else n for i, n in enumerate(sizes)])
    made = Gather(places, single, "slice").bind(x, *windows, stream=stream)
    lead = len(places)
    made = Squeeze(axes=tuple([lead + p for p in places])).bind(made, stream=stream)
    rest = iter(range(lead, made.ndim))
    order = [places.index(i) if i in places else next(rest) for i in range(x.ndim)]
    return Transpose(axes=tuple(order)).bind(made, stream=stream)


def slice_update(
    a: Any, update: Any, start_indices: Any, axes: Any, *, stream: Any = None
) -> array:
    """Return ``a`` with ``update`` written where an array says.

    Args:
      a: Array of any dtype.
      update: Array of at most as many axes; converted to the dtype of ``a``. Axes that it lacks
        have length 1 where they are in ``axes``, else the length of ``a``.
      start_indices: Integer array with one start for each of ``axes``; the other axes begin at 0.
      axes: The axes that the starts belong to.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ShapeError: The update does not fit, or starts and axes differ in number.
      IndexError: The update leaves the array; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.slice_update(mx.zeros(4), mx.ones(2), mx.array([1]), axes=(0,))
      array([0, 1, 1, 0], dtype=float32)
    """
    x = operand("slice_update", a)
    start, places = _start("slice_update", x, start_indices, axes)
    part = cast(operand("slice_update", update), x.dtype, stream)
    missing = x.ndim - part.ndim
    sizes = [1 if i in places else n for i, n in enumerate(x.shape[: max(missing, 0)])]
    sizes += part.shape
    if len(sizes) != x.ndim or any(m > n for m, n in zip(sizes, x.shape, strict=True)):
        raise ShapeError(f"slice_update: {describe(part)} does not fit into {describe(x)}")
    part = fit(part, tuple(sizes))
    windows = _windows(start, places, part.shape, stream)
    rest = [i for i in range(x.ndim) if i not in places]
    part = Transpose(axes=(*places, *rest)).bind(part, stream=stream)
    lead = part.shape[: len(places)]
    slice_shape = tuple([1 if i in places else n for i, n in enumerate(sizes)])
    part = Reshape(shape=lead + slice_shape).bind(part, stream=stream)
    return Scatter(places, "set", "slice_update").bind(x, part, *windows, stream=stream)
