"""Diagonals and triangles of matrices, and strided windows."""

from __future__ import annotations

import math
from typing import Any

from ..base import dtypes
from ..base.avals import check_shape
from ..base.dtypes import Dtype, float32
from ..base.errors import AxisError, OutOfBoundsError, ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..primitives import reduce
from ..primitives.arguments import (
    call_on,
    canonical_axis,
    describe,
    dtype_or,
    integer,
    integers,
    operand,
)
from ..primitives.convert import cast
from ..primitives.create import Iota
from ..primitives.flatten import flatten_axes, part
from ..primitives.shape import Broadcast, Pad, Reshape, Slice, Squeeze, Transpose
from ..primitives.triangles import grid, kept

__all__ = ["as_strided", "diag", "diagonal", "trace", "tri", "tril", "triu"]


def diag(a: Any, /, k: int = 0, *, stream: Any = None) -> array:
    """Return a diagonal of a matrix, or the matrix with a given diagonal.

    Args:
      a: A matrix, or the vector of a diagonal.
      k: The diagonal: positive above the main one, negative below.
    Returns:
      Vector of the diagonal, or square matrix with zeros elsewhere.
    Raises:
      ShapeError: ``a`` has neither one nor two axes.
    Example:
      >>> import monel.core as mx
      >>> mx.diag(mx.array([1, 2]))
      array([[1, 0],
             [0, 2]], dtype=int32)
    """
    x = operand("diag", a)
    offset = integer("diag", "k", k)
    if x.ndim == 2:
        return _diagonal(x, offset, stream)
    if x.ndim != 1:
        raise ShapeError(
            f"diag: array must be 1-D or 2-D, got array with {x.ndim} dimensions, {describe(x)}"
        )
    # Between two neighbours on a diagonal of an m x m matrix lie m entries of row-major order.
    n, m = x.size, x.size + abs(offset)
    if not n:
        return call_on(stream, "full", shape=(m, m), dtype=x.dtype, value=_zero(x.dtype))
    first = offset if offset > 0 else -offset * m
    last = m * m - first - ((n - 1) * (m + 1) + 1)
    line = Pad((first,), (last,), (m,)).bind(x, _scalar(0, x), stream=stream)
    return Reshape(shape=(m, m)).bind(line, stream=stream)


def _zero(dtype: Dtype) -> Any:
    return complex(0) if dtype is dtypes.complex64 else (0.0 if dtype.floating else 0)


def _scalar(number: int, x: Any) -> Any:
    return cast(wrap(graph.slots.scalar("diag", number, x.dtype)), x.dtype)


def _diagonal(x: Any, offset: int, stream: Any) -> Any:
    """Return a diagonal of the last two axes: every (m + 1)-th entry of their rows in a line."""
    rows, columns = x.shape[-2:]
    first, up = max(offset, 0), max(-offset, 0)
    n = max(0, min(rows - up, columns - first))
    lead = x.ndim - 2
    whole = (1,) * lead
    if not n:
        start, stop = (0,) * (lead + 2), (*x.shape[:-2], 0, 1 if columns else 0)
        empty = Slice(start, stop, (*whole, 1, 1)).bind(x, stream=stream)
        return flatten_axes(empty, lead, lead + 1, stream)
    square = Slice(
        (*[0] * lead, up, first), (*x.shape[:-2], up + n, first + n), (*whole, 1, 1)
    ).bind(x, stream=stream)
    line = flatten_axes(square, lead, lead + 1, stream)
    stop = (*x.shape[:-2], n * n)
    return Slice((0,) * (lead + 1), stop, (*whole, n + 1)).bind(line, stream=stream)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: Any = None) -> array:
    """Return a diagonal of two axes, which disappear; the diagonal is the last axis.

    Args:
      a: Array with at least two axes.
      offset: The diagonal: positive above the main one, negative below.
      axis1, axis2: The axes of the rows and the columns.
    Returns:
      Array with one axis less.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      AxisError: An axis is out of bounds, or both are the same.
    Example:
      >>> import monel.core as mx
      >>> mx.diagonal(mx.array([[1, 2], [3, 4]]), 1)
      array([2], dtype=int32)
    """
    return _of_axes("diagonal", a, offset, axis1, axis2, stream)


def _of_axes(function: str, a: Any, offset: Any, axis1: Any, axis2: Any, stream: Any) -> Any:
    x = operand(function, a)
    if x.ndim < 2:
        raise ShapeError(
            f"{function}: Array must have at least two dimensions, but got {x.ndim} dimensions, "
            f"{describe(x)}"
        )
    i, j = canonical_axis(function, axis1, x), canonical_axis(function, axis2, x)
    if i == j:
        raise AxisError(f"{function}: axis1 and axis2 cannot be the same axis, got {axis1}")
    order = (*[axis for axis in range(x.ndim) if axis not in (i, j)], i, j)
    if order != tuple(range(x.ndim)):
        x = Transpose(axes=order).bind(x, stream=stream)
    return _diagonal(x, integer(function, "offset", offset), stream)


def trace(
    a: Any,
    /,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Dtype | None = None,
    *,
    stream: Any = None,
) -> array:
    """Return the sum along a diagonal of two axes.

    Args:
      a: Array with at least two axes.
      offset: The diagonal: positive above the main one, negative below.
      axis1, axis2: The axes of the rows and the columns.
      dtype: The dtype of the result; by default as for ``sum``.
    Returns:
      Array with two axes less.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      AxisError: An axis is out of bounds, or both are the same.
    Example:
      >>> import monel.core as mx
      >>> mx.trace(mx.array([[1, 2], [3, 4]]))
      array(5, dtype=int32)
    """
    line = reduce.widened(_of_axes("trace", a, offset, axis1, axis2, stream), stream)
    line = cast(line, dtype_or("trace", dtype, line.dtype), stream)
    return reduce.Sum(axes=(line.ndim - 1,)).bind(line, stream=stream)


def tri(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = None,
    *,
    stream: Any = None,
) -> array:
    """Return ones on and below a diagonal and zeros above.

    Args:
      n: The number of rows.
      m: The number of columns; ``n`` by default.
      k: The diagonal: positive above the main one, negative below.
      dtype: The dtype of the result; float32 by default.
    Returns:
      Array of shape ``(n, m)``.
    Raises:
      ShapeError: ``n`` or ``m`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.tri(2)
      array([[1, 0],
             [1, 1]], dtype=float32)
    """
    rows = integer("tri", "n", n)
    columns = rows if m is None else integer("tri", "m", m)
    check_shape("tri", (rows, columns))
    below = grid("less_equal", rows, columns, integer("tri", "k", k), stream)
    return cast(below, dtype_or("tri", dtype, float32), stream)


def tril(x: Any, k: int = 0, *, stream: Any = None) -> array:
    """Return ``x`` with zeros above a diagonal of its last two axes.

    Args:
      x: Array with at least two axes.
      k: The diagonal: positive above the main one, negative below.
    Returns:
      Array of the shape and dtype of ``x``.
    Raises:
      ShapeError: ``x`` has fewer than two axes.
    Example:
      >>> import monel.core as mx
      >>> mx.tril(mx.array([[1, 2], [3, 4]]))
      array([[1, 0],
             [3, 4]], dtype=int32)
    """
    return _triangle("tril", "less_equal", x, integer("tril", "k", k), stream)


def triu(x: Any, k: int = 0, *, stream: Any = None) -> array:
    """Return ``x`` with zeros below a diagonal of its last two axes.

    Args:
      x: Array with at least two axes.
      k: The diagonal: positive above the main one, negative below.
    Returns:
      Array of the shape and dtype of ``x``.
    Raises:
      ShapeError: ``x`` has fewer than two axes.
    Example:
      >>> import monel.core as mx
      >>> mx.triu(mx.array([[1, 2], [3, 4]]))
      array([[1, 2],
             [0, 4]], dtype=int32)
    """
    return _triangle("triu", "greater_equal", x, integer("triu", "k", k), stream)


def _triangle(function: str, comparison: str, a: Any, k: int, stream: Any) -> Any:
    x = operand(function, a)
    if x.ndim < 2:
        raise ShapeError(f"{function}: array must be at least 2-D, got {describe(x)}")
    return kept(comparison, x, k, stream)


def as_strided(
    a: Any, /, shape: Any = None, strides: Any = None, offset: int = 0, *, stream: Any = None
) -> array:
    """Return the array whose element i, j ... is ``flatten(a)[offset + i * strides[0] + ...]``.

    It is a gather: nothing outside ``a`` can be read, and gradients add up where elements repeat.

    Args:
      a: Array of any shape and dtype.
      shape: Sequence of ints; the shape of ``a`` by default.
      strides: As many ints, counted in elements; row-major order by default.
      offset: The position of the first element.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: ``shape`` and ``strides`` differ in length, or a dimension is negative.
      OutOfBoundsError: An element would lie outside ``a``.
    Example:
      >>> import monel.core as mx
      >>> mx.as_strided(mx.array([1, 2, 3, 4]), (3, 2), (1, 1))
      array([[1, 2],
             [2, 3],
             [3, 4]], dtype=int32)
    """
    x = operand("as_strided", a)
    dims = x.shape if shape is None else integers("as_strided", "shape", shape)
    check_shape("as_strided", dims, x.dtype.size)
    if strides is None:
        steps = tuple([math.prod(dims[i + 1 :]) for i in range(len(dims))])
    else:
        steps = integers("as_strided", "strides", strides)
    if len(steps) != len(dims):
        raise ShapeError(f"as_strided: shape {dims} and strides {steps} must have the same length")
    first = integer("as_strided", "offset", offset)
    _check_window(x, dims, steps, first)
    flat = flatten_axes(x, 0, x.ndim - 1, stream)
    places: Any = wrap(graph.slots.scalar("as_strided", first, dtypes.int64))
    for axis, (n, step) in enumerate(zip(dims, steps, strict=True)):
        row = tuple([n if i == axis else 1 for i in range(len(dims))])
        along = Iota(shape=row, dtype=dtypes.int64, axis=axis).bind(stream=stream)
        by = wrap(graph.slots.scalar("as_strided", step, dtypes.int64))
        places = call_on(stream, "add", places, call_on(stream, "mul", along, by))
    if places.shape != dims:
        places = Broadcast(shape=dims).bind(places, stream=stream)
    if not flat.size:
        return Reshape(shape=dims).bind(part(flat, 0, 0, 0, stream), stream=stream)
    found = call_on(stream, "gather", flat, places, axes=(0,), slice_sizes=(1,))
    return Squeeze(axes=(len(dims),)).bind(found, stream=stream)


def _check_window(x: Any, dims: tuple[int, ...], steps: tuple[int, ...], first: int) -> None:
    if 0 in dims:
        return
    reach = [(n - 1) * s for n, s in zip(dims, steps, strict=True)]
    low = first + sum(r for r in reach if r < 0)
    high = first + sum(r for r in reach if r > 0)
    if low < 0 or high >= x.size:
        raise OutOfBoundsError(
            f"as_strided: shape {dims}, strides {steps} and offset {first} reach from element "
            f"{low} to {high}, outside the {x.size} elements of {describe(x)}"
        )
