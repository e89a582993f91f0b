"""Products of vectors, matrices and tensors, composed of matmul and multiply."""

from __future__ import annotations

import math
from typing import Any

from ..base.errors import AxisError, ShapeError
from ..graph.handle import array
from ..primitives import elementwise, reduce
from ..primitives.arguments import (
    call_on,
    canonical_axis,
    describe,
    integer,
    integers,
    operand,
)
from ..primitives.dot import product
from ..primitives.flatten import flatten_axes
from ..primitives.shape import ExpandDims, Reshape, Transpose

__all__ = ["inner", "kron", "outer", "tensordot", "vecdot"]


def inner(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return the sum of products over the last axes; for scalars, the product.

    Args:
      a: Array of shape ``(..., k)``.
      b: Array of shape ``(..., k)``.
    Returns:
      Array of shape ``a.shape[:-1] + b.shape[:-1]``.
    Raises:
      ShapeError: The last axes differ.
      DTypeError: The promoted dtype is neither floating nor complex.
    Example:
      >>> import monel.core as mx
      >>> mx.inner(mx.array([1.0, 2.0]), mx.array([3.0, 4.0]))
      array(11, dtype=float32)
    """
    x, y = operand("inner", a), operand("inner", b)
    if not x.shape or not y.shape:
        return elementwise.multiply(x, y, stream)
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(
            f"inner: a and b must have the same last dimension, got {describe(x)} and {describe(y)}"
        )
    return _contracted("inner", x, y, (x.ndim - 1,), (y.ndim - 1,), stream)


def outer(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return the products of every element of ``a`` with every element of ``b``.

    Args:
      a, b: Arrays of any shape, which are flattened.
    Returns:
      Array of shape ``(a.size, b.size)`` in the promoted dtype.
    Raises:
      ValueError: An operand is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.outer(mx.array([1, 2]), mx.array([3, 4]))
      array([[3, 4],
             [6, 8]], dtype=int32)
    """
    x, y = operand("outer", a), operand("outer", b)
    x, y = (v if v.ndim == 1 else flatten_axes(v, 0, v.ndim - 1, stream) for v in (x, y))
    column = ExpandDims(axes=(1,)).bind(x, stream=stream)
    return elementwise.multiply(column, y, stream)


def tensordot(a: Any, b: Any, /, axes: Any = 2, *, stream: Any = None) -> array:
    """Return the sum of products over pairs of axes.

    Args:
      a, b: Arrays.
      axes: How many: the last axes of ``a`` with the first of ``b``; or two sequences of axes.
    Returns:
      Array of the axes of ``a``, then of ``b``, that are left.
    Raises:
      ShapeError: The axes differ in number or length.
      AxisError: An axis is out of bounds or named twice.
      DTypeError: The promoted dtype is neither floating nor complex.
    Example:
      >>> import monel.core as mx
      >>> mx.tensordot(mx.ones((2, 3, 4)), mx.ones((4, 5)), 1).shape
      (2, 3, 5)
    """
    x, y = operand("tensordot", a), operand("tensordot", b)
    left, right = _paired(axes, x, y)
    if [x.shape[i] for i in left] != [y.shape[i] for i in right]:
        raise ShapeError(
            f"tensordot: a and b must have the same shape on the contracted axes, got "
            f"{describe(x)} on {left} and {describe(y)} on {right}"
        )
    return _contracted("tensordot", x, y, left, right, stream)


def _paired(axes: Any, x: Any, y: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if not isinstance(axes, tuple | list):
        count = integer("tensordot", "axes", axes)
        if count < 0:
            raise ShapeError(f"tensordot: axes must be greater or equal to 0, got {count}")
        if count > min(x.ndim, y.ndim):
            raise ShapeError(
                f"tensordot: axes ({count}) must not exceed the number of dimensions of a and b, "
                f"{describe(x)} and {describe(y)}"
            )
        return tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    if len(axes) != 2:
        raise ShapeError("tensordot: axes must be a list of two lists")
    given = [integers("tensordot", "axes", part) for part in axes]
    if len(given[0]) != len(given[1]):
        raise ShapeError(f"tensordot: axes must have the same size, got {given[0]} and {given[1]}")
    pair = []
    for v, part in ((x, given[0]), (y, given[1])):
        places = tuple([canonical_axis("tensordot", i, v) for i in part])
        if len(set(places)) < len(places):
            raise AxisError(f"tensordot: duplicate axes in {part} of {describe(v)}")
        pair.append(places)
    return pair[0], pair[1]


def _contracted(
    function: str, x: Any, y: Any, left: tuple[int, ...], right: tuple[int, ...], stream: Any
) -> Any:
    """Return one matrix product over the axes ``left`` of ``x`` and ``right`` of ``y``."""
    kept_x = [i for i in range(x.ndim) if i not in left]
    kept_y = [i for i in range(y.ndim) if i not in right]
    shape_x = tuple([x.shape[i] for i in kept_x])
    shape_y = tuple([y.shape[i] for i in kept_y])
    k = math.prod([x.shape[i] for i in left])
    rows = arranged(x, (*kept_x, *left), (math.prod(shape_x), k), stream)
    columns = arranged(y, (*right, *kept_y), (k, math.prod(shape_y)), stream)
    out = product(function, rows, columns, stream)
    return arranged(out, (0, 1), shape_x + shape_y, stream)


def arranged(x: Any, order: tuple[int, ...], shape: tuple[int, ...], stream: Any) -> Any:
    """Return ``x`` transposed, then reshaped; what changes nothing is not recorded."""
    if order != tuple(range(x.ndim)):
        x = Transpose(axes=order).bind(x, stream=stream)
    return x if x.shape == shape else Reshape(shape=shape).bind(x, stream=stream)


def kron(a: Any, b: Any, *, stream: Any = None) -> array:
    """Return the Kronecker product: blocks of ``b`` scaled by each element of ``a``.

    Args:
      a, b: Arrays; the one of fewer axes gets axes of length 1 in front.
    Returns:
      Array whose axes have the products of the lengths, in the promoted dtype.
    Raises:
      ValueError: An operand is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.kron(mx.array([1, 10]), mx.array([1, 2, 3]))
      array([1, 2, 3, 10, 20, 30], dtype=int32)
    """
    x, y = operand("kron", a), operand("kron", b)
    rank = max(x.ndim, y.ndim)
    shapes = [(1,) * (rank - v.ndim) + v.shape for v in (x, y)]
    outer_shape = tuple([d for n in shapes[0] for d in (n, 1)])
    inner_shape = tuple([d for n in shapes[1] for d in (1, n)])
    x = Reshape(shape=outer_shape).bind(x, stream=stream)
    y = Reshape(shape=inner_shape).bind(y, stream=stream)
    blocks = elementwise.multiply(x, y, stream)
    shape = tuple([n * m for n, m in zip(*shapes, strict=True)])
    return Reshape(shape=shape).bind(blocks, stream=stream)


def vecdot(a: Any, b: Any, /, *, axis: int = -1, stream: Any = None) -> array:
    """Return the dot product along an axis; of complex vectors, with ``a`` conjugated.

    Args:
      a, b: Arrays of one length along ``axis``; their other axes broadcast.
      axis: The axis of the vectors.
    Returns:
      Array without ``axis``, in the promoted dtype; bool and small integers widen as in ``sum``.
    Raises:
      ShapeError: An operand is a scalar, or the lengths differ.
      AxisError: ``axis`` is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.vecdot(mx.array([[1, 2], [3, 4]]), mx.array([[1, 1], [1, 1]]))
      array([3, 7], dtype=int32)
    """
    x, y = operand("vecdot", a), operand("vecdot", b)
    if not x.shape or not y.shape:
        raise ShapeError(f"vecdot: inputs must be at least 1D, got {describe(x)} and {describe(y)}")
    i, j = canonical_axis("vecdot", axis, x), canonical_axis("vecdot", axis, y)
    if x.shape[i] != y.shape[j]:
        raise ShapeError(
            f"vecdot: a and b must have the same size along axis, got {describe(x)} and "
            f"{describe(y)} along {axis}"
        )
    if x.ndim - i != y.ndim - j:
        raise ShapeError(
            f"vecdot: axis {axis} must be the same from the end of {describe(x)} and {describe(y)}"
        )
    if x.dtype.name == "complex64":
        x = call_on(stream, "conj", x)
    products = elementwise.multiply(x, y, stream)
    place = products.ndim - (x.ndim - i)
    return reduce.sum(products, axis=place, stream=stream)
