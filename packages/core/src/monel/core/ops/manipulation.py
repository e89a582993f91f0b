"""Axes and shapes: reshape, transpose, squeeze, broadcast and their kin."""

from __future__ import annotations

from typing import Any

from ..base.errors import AxisError, ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import (
    call_on,
    canonical_axes,
    canonical_axis,
    describe,
    flag,
    integer,
    integer_or_integers,
    integers,
    operand,
    stays_open,
)
from ..primitives.convert import Copy
from ..primitives.flatten import flatten_axes, infer, unflatten_axis
from ..primitives.shape import ExpandDims, Reshape, Squeeze, Transpose

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "contiguous",
    "expand_dims",
    "flatten",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
    "unflatten",
]


def reshape(a: Any, /, shape: Any, *, copy: bool | None = None, stream: Any = None) -> array:
    """Return the elements of ``a``, in row-major order, under another shape.

    Args:
      a: Array of any shape and dtype.
      shape: Sequence of ints of the same product; one may be -1: what is left.
      copy: True: in memory of its own; by default, and for False, memory may be shared.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: The sizes differ, or -1 can't be inferred.
    Example:
      >>> import monel.core as mx
      >>> mx.reshape(mx.array([1, 2, 3, 4]), (2, -1))
      array([[1, 2],
             [3, 4]], dtype=int32)
    """
    x = operand("reshape", a)
    wanted = integers("reshape", "shape", shape)
    if wanted == (-1,) and stays_open(x):
        return flatten_axes(x, 0, x.ndim - 1, stream)
    new = infer("reshape", wanted, x.size, x.value)
    if copy is not None and flag("reshape", "copy", copy):
        x = call_on(stream, "copy", x)
    return wrap(x.value) if new == x.shape else Reshape(new).bind(x, stream=stream)


def flatten(a: Any, /, start_axis: int = 0, end_axis: int = -1, *, stream: Any = None) -> array:
    """Return ``a`` with the axes from ``start_axis`` to ``end_axis``, inclusive, made one.

    Args:
      a: Array of any shape and dtype; a scalar gives shape ``(1,)``.
      start_axis, end_axis: Negative ones count from the end; beyond the ends they are clamped.
    Returns:
      The flattened array.
    Raises:
      ShapeError: ``start_axis`` comes after ``end_axis``.
    Example:
      >>> import monel.core as mx
      >>> mx.flatten(mx.array([[1, 2], [3, 4]]))
      array([1, 2, 3, 4], dtype=int32)
    """
    x = operand("flatten", a)
    start = integer("flatten", "start_axis", start_axis)
    end = integer("flatten", "end_axis", end_axis)
    ndim = x.ndim
    if not ndim:
        return flatten_axes(x, 0, 0, stream)
    start = max(0, start + ndim if start < 0 else start)
    end = min(ndim - 1, end + ndim if end < 0 else end)
    if end < start:
        raise ShapeError(
            f"flatten: start_axis must be less than or equal to end_axis, got {start_axis} and "
            f"{end_axis} for {describe(x)}"
        )
    return wrap(x.value) if start == end else flatten_axes(x, start, end, stream)


def unflatten(a: Any, /, axis: int, shape: Any, *, stream: Any = None) -> array:
    """Return ``a`` with ``axis`` divided into axes of lengths ``shape``.

    Args:
      a: Array of any dtype with at least one axis.
      axis: The axis to divide.
      shape: Sequence of ints whose product is the length of the axis; one may be -1: what is left.
    Returns:
      Array with ``len(shape) - 1`` more axes.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: ``shape`` is empty or does not fit the axis.
    Example:
      >>> import monel.core as mx
      >>> mx.unflatten(mx.array([1, 2, 3, 4]), 0, (2, -1))
      array([[1, 2],
             [3, 4]], dtype=int32)
    """
    x = operand("unflatten", a)
    parts = integers("unflatten", "shape", shape)
    if not parts:
        raise ShapeError("unflatten: Shape to unflatten to cannot be empty")
    return unflatten_axis(x, canonical_axis("unflatten", axis, x), parts, stream)


def transpose(a: Any, /, axes: Any = None, *, stream: Any = None) -> array:
    """Return ``a`` with its axes in another order.

    Args:
      a: Array of any shape and dtype.
      axes: For each axis of the result, the axis of ``a``; reversed by default.
    Returns:
      The transposed array.
    Raises:
      AxisError: ``axes`` is no permutation of the axes of ``a``.
    Example:
      >>> import monel.core as mx
      >>> mx.transpose(mx.array([[1, 2], [3, 4]]))
      array([[1, 3],
             [2, 4]], dtype=int32)
    """
    return _permuted("transpose", a, axes, stream)


def permute_dims(a: Any, /, axes: Any = None, *, stream: Any = None) -> array:
    """Return ``a`` with its axes in another order; see ``transpose``.

    Args:
      a: Array of any shape and dtype.
      axes: For each axis of the result, the axis of ``a``; reversed by default.
    Returns:
      The transposed array.
    Raises:
      AxisError: ``axes`` is no permutation of the axes of ``a``.
    Example:
      >>> import monel.core as mx
      >>> mx.permute_dims(mx.zeros((2, 3, 4)), (2, 0, 1)).shape
      (4, 2, 3)
    """
    return _permuted("permute_dims", a, axes, stream)


def _permuted(function: str, a: Any, axes: Any, stream: Any) -> Any:
    x = operand(function, a)
    ndim = x.ndim
    if axes is None:
        order = tuple(range(ndim - 1, -1, -1))
    else:
        given = integers(function, "axes", axes)
        if len(given) != ndim:
            raise AxisError(
                f"{function}: Received {len(given)} axes for array with {ndim} dimensions, "
                f"{describe(x)}"
            )
        order = tuple([canonical_axis(function, axis, x) for axis in given])
        if len(set(order)) < ndim:
            raise AxisError(f"{function}: Repeat axes not allowed, got {given} for {describe(x)}")
    return _transposed(x, order, stream)


def _transposed(x: Any, order: tuple[int, ...], stream: Any) -> Any:
    if order == tuple(range(len(order))):
        return wrap(x.value)
    return Transpose(order).bind(x, stream=stream)


def matrix_transpose(a: Any, /, *, stream: Any = None) -> array:
    """Return ``a`` with its last two axes exchanged.

    Args:
      a: Array of shape ``(..., m, n)``.
    Returns:
      Array of shape ``(..., n, m)``.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
    Example:
      >>> import monel.core as mx
      >>> mx.matrix_transpose(mx.zeros((2, 3, 4))).shape
      (2, 4, 3)
    """
    x = operand("matrix_transpose", a)
    if x.ndim < 2:
        raise ShapeError(
            f"matrix_transpose: Input array must have at least 2 dimensions, got {describe(x)}"
        )
    return _transposed(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2), stream)


def swapaxes(a: Any, /, axis1: int, axis2: int, *, stream: Any = None) -> array:
    """Return ``a`` with two axes exchanged.

    Args:
      a: Array of any dtype.
      axis1, axis2: The axes.
    Returns:
      The array with swapped axes.
    Raises:
      AxisError: An axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.swapaxes(mx.zeros((2, 3, 4)), 0, -1).shape
      (4, 3, 2)
    """
    x = operand("swapaxes", a)
    order = list(range(x.ndim))
    i, j = canonical_axis("swapaxes", axis1, x), canonical_axis("swapaxes", axis2, x)
    order[i], order[j] = j, i
    return _transposed(x, tuple(order), stream)


def moveaxis(a: Any, /, source: int, destination: int, *, stream: Any = None) -> array:
    """Return ``a`` with one axis moved to another place.

    Args:
      a: Array of any dtype.
      source: The axis to move.
      destination: Its place in the result.
    Returns:
      The array with the axis moved; the others keep their order.
    Raises:
      AxisError: An axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.moveaxis(mx.zeros((2, 3, 4)), 0, -1).shape
      (3, 4, 2)
    """
    x = operand("moveaxis", a)
    i, j = canonical_axis("moveaxis", source, x), canonical_axis("moveaxis", destination, x)
    order = [axis for axis in range(x.ndim) if axis != i]
    order.insert(j, i)
    return _transposed(x, tuple(order), stream)


def squeeze(a: Any, /, axis: Any = None, *, stream: Any = None) -> array:
    """Return ``a`` without axes of length 1.

    Args:
      a: Array of any shape and dtype.
      axis: The axis or axes to remove; all of length 1 by default.
    Returns:
      Array with fewer axes.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: An axis has another length than 1.
    Example:
      >>> import monel.core as mx
      >>> mx.squeeze(mx.zeros((1, 3, 1))).shape
      (3,)
    """
    x = operand("squeeze", a)
    if axis is None:
        axes = tuple([i for i, n in enumerate(x.shape) if n == 1])
    else:
        axes = canonical_axes("squeeze", axis, x)
    return Squeeze(axes).bind(x, stream=stream) if axes else wrap(x.value)


def expand_dims(a: Any, /, axis: Any, *, stream: Any = None) -> array:
    """Return ``a`` with new axes of length 1.

    Args:
      a: Array of any shape and dtype.
      axis: The place, or places, of the new axes in the result.
    Returns:
      Array with more axes.
    Raises:
      AxisError: A place is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.expand_dims(mx.array([1, 2]), 0)
      array([[1, 2]], dtype=int32)
    """
    x = operand("expand_dims", a)
    given = integer_or_integers("expand_dims", "axis", axis)
    extra = len(given)
    axes = tuple(sorted([canonical_axis("expand_dims", i, x, extra) for i in given]))
    if len(set(axes)) < extra:
        raise AxisError(f"expand_dims: Received duplicate axes, {given} for {describe(x)}")
    return ExpandDims(axes).bind(x, stream=stream) if axes else wrap(x.value)


def atleast_1d(*arys: Any, stream: Any = None) -> Any:
    """Return arrays with at least one axis.

    Args:
      arys: Arrays of any shape and dtype.
    Returns:
      The array, or a list of arrays if more than one is given.
    Raises:
      ValueError: An argument is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.atleast_1d(mx.array(1.0))
      array([1], dtype=float32)
    """
    return _at_least("atleast_1d", arys, {0: (0,)}, stream)


def atleast_2d(*arys: Any, stream: Any = None) -> Any:
    """Return arrays with at least two axes: a vector becomes a row.

    Args:
      arys: Arrays of any shape and dtype.
    Returns:
      The array, or a list of arrays if more than one is given.
    Raises:
      ValueError: An argument is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.atleast_2d(mx.array([1.0, 2.0])).shape
      (1, 2)
    """
    return _at_least("atleast_2d", arys, {0: (0, 1), 1: (0,)}, stream)


def atleast_3d(*arys: Any, stream: Any = None) -> Any:
    """Return arrays with at least three axes: a vector becomes (1, n, 1), a matrix (m, n, 1).

    Args:
      arys: Arrays of any shape and dtype.
    Returns:
      The array, or a list of arrays if more than one is given.
    Raises:
      ValueError: An argument is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.atleast_3d(mx.array([1.0, 2.0])).shape
      (1, 2, 1)
    """
    return _at_least("atleast_3d", arys, {0: (0, 1, 2), 1: (0, 2), 2: (2,)}, stream)


def _at_least(function: str, arys: Any, axes: dict[int, tuple[int, ...]], stream: Any) -> Any:
    made = []
    for a in arys:
        x = operand(function, a)
        new = axes.get(x.ndim)
        made.append(ExpandDims(new).bind(x, stream=stream) if new else wrap(x.value))
    return made[0] if len(made) == 1 else made


def contiguous(a: Any, /, allow_col_major: bool = False, *, stream: Any = None) -> array:
    """Return ``a`` in row-major storage of its own.

    Strides are no part of an array's meaning; this matters to what reads its memory.

    Args:
      a: Array of any shape and dtype.
      allow_col_major: Accepted for MLX's sake; the result is row-major either way.
    Returns:
      Array equal to ``a``.
    Raises:
      ValueError: ``a`` is no array.
      TypeError: ``allow_col_major`` is no bool.
    Example:
      >>> import monel.core as mx
      >>> mx.contiguous(mx.array([[1, 2], [3, 4]]).T)
      array([[1, 3],
             [2, 4]], dtype=int32)
    """
    flag("contiguous", "allow_col_major", allow_col_major)
    return Copy().bind(operand("contiguous", a), stream=stream)
