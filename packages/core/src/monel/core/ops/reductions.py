"""Statistics composed of reductions: mean, var, std, median, minmax, count_nonzero."""

from __future__ import annotations

import math
from typing import Any

from ..base import dtypes
from ..base.errors import ShapeError
from ..graph.handle import array
from ..primitives import elementwise, reduce
from ..primitives.arguments import (
    call_on,
    canonical_axes,
    describe,
    integer,
    number,
    operand,
    speaking_as,
    stays_open,
)
from ..primitives.convert import cast
from ..primitives.flatten import flatten_axes, part
from ..primitives.operands import as_floating
from ..primitives.shape import Transpose

__all__ = ["count_nonzero", "mean", "median", "minmax", "std", "var"]

_HALVES = (dtypes.float16, dtypes.bfloat16)


def mean(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return the mean over the given axes, in float32 for narrower dtypes.

    Args:
      a: Array of any shape and dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of the dtype of ``a``, float32 for integers and bool; nan where nothing was reduced.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.mean(mx.array([[1, 2], [3, 4]]), axis=0)
      array([2, 3], dtype=float32)
    """
    x = operand("mean", a)
    axes = canonical_axes("mean", axis, x, keepdims)
    x = as_floating(x, stream)
    return cast(_mean(_wide(x, stream), axes, keepdims, stream), x.dtype, stream)


def _wide(x: Any, stream: Any) -> Any:
    return cast(x, dtypes.float32, stream) if x.dtype in _HALVES else x


def _mean(x: Any, axes: tuple[int, ...], keepdims: bool, stream: Any) -> Any:
    total = reduce.reduction(reduce.Sum, x, axes, keepdims, stream)
    return _divided(total, x, axes, 0, stream)


def _divided(total: Any, x: Any, axes: tuple[int, ...], less: float, stream: Any) -> Any:
    """Divide by the number of elements of ``x`` along ``axes`` minus ``less``, or by 0."""
    count: Any
    if stays_open(x):
        count = reduce.size_of(x, axes, total.dtype)
        if less:
            count = elementwise.maximum(elementwise.subtract(count, less, stream), 0, stream=stream)
    else:
        count = float(max(math.prod([x.shape[i] for i in axes]) - less, 0))
    return elementwise.divide(total, count, stream)


def var(
    a: Any,
    /,
    axis: Any = None,
    keepdims: bool = False,
    ddof: int = 0,
    *,
    correction: float | None = None,
    stream: Any = None,
) -> array:
    """Return the variance over the given axes: the mean of ``abs(a - mean(a))**2``.

    Two passes, in float32 for narrower dtypes.

    Args:
      a: Array of any shape and dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
      ddof: The divisor is the number of elements minus ``ddof``; 0 where that is negative.
      correction: The array API standard's name of ``ddof``, which it replaces; need not be whole.
    Returns:
      Array of the dtype of ``a``, float32 for integers, bool and complex64.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.var(mx.array([1.0, 2.0, 3.0]), ddof=1)
      array(1, dtype=float32)
    """
    return _variance("var", a, axis, keepdims, _less("var", ddof, correction), stream)


def std(
    a: Any,
    /,
    axis: Any = None,
    keepdims: bool = False,
    ddof: int = 0,
    *,
    correction: float | None = None,
    stream: Any = None,
) -> array:
    """Return the standard deviation over the given axes: the root of ``var``.

    Args:
      a: Array of any shape and dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
      ddof: The divisor is the number of elements minus ``ddof``; 0 where that is negative.
      correction: The array API standard's name of ``ddof``, which it replaces; need not be whole.
    Returns:
      Array of the dtype of ``a``, float32 for integers, bool and complex64.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.std(mx.array([1.0, 3.0]))
      array(1, dtype=float32)
    """
    variance = _variance("std", a, axis, keepdims, _less("std", ddof, correction), stream)
    return call_on(stream, "sqrt", variance)


def _less(function: str, ddof: int, correction: float | None) -> float:
    """Return what the divisor is less than the number of elements."""
    if correction is None:
        return integer(function, "ddof", ddof)
    return number(function, "correction", correction)


def _variance(function: str, a: Any, axis: Any, keepdims: bool, less: float, stream: Any) -> Any:
    x = operand(function, a)
    axes = canonical_axes(function, axis, x, keepdims)
    x = as_floating(x, stream)
    wide = _wide(x, stream)
    deviation = elementwise.subtract(wide, _mean(wide, axes, True, stream), stream)
    if wide.dtype is dtypes.complex64:
        real, imag = (call_on(stream, name, deviation) for name in ("real", "imag"))
        squares = elementwise.add(
            call_on(stream, "square", real), call_on(stream, "square", imag), stream
        )
    else:
        squares = call_on(stream, "square", deviation)
    total = reduce.reduction(reduce.Sum, squares, axes, keepdims, stream)
    result = x.dtype if x.dtype.floating else dtypes.float32
    return cast(_divided(total, wide, axes, less, stream), result, stream)


def median(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return the median over the given axes: of an even number the mean of the two middle ones.

    Args:
      a: Array of any dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of the dtype of ``a``, float32 for integers and bool; nan where there is one.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: There is nothing to choose from.
    Example:
      >>> import monel.core as mx
      >>> mx.median(mx.array([3, 1, 2, 10]))
      array(2.5, dtype=float32)
    """
    x = operand("median", a)
    axes = canonical_axes("median", axis, x, keepdims)
    if not all(x.shape[i] for i in axes):
        raise ShapeError(f"median: Cannot take median along empty axis of {describe(x)}")
    x = as_floating(x, stream)
    if not axes:
        return x
    kept = [i for i in range(x.ndim) if i not in axes]
    rows = Transpose(axes=(*kept, *axes)).bind(x, stream=stream)
    rows = flatten_axes(rows, len(kept), x.ndim - 1, stream)
    last = len(kept)
    n = rows.shape[last]
    ordered = call_on(stream, "sort", rows, axis=last)
    middle = part(ordered, last, (n - 1) // 2, n // 2 + 1, stream)
    center = _mean(_wide(middle, stream), (last,), False, stream)
    # nan is sorted last.
    greatest = call_on(stream, "select", ordered, axis=last, index=n - 1)
    broken = call_on(stream, "isnan", greatest)
    out = call_on(stream, "where", broken, greatest, cast(center, x.dtype, stream))
    return call_on(stream, "expand_dims", out, axes=axes) if keepdims else out


def minmax(
    a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None
) -> tuple[array, array]:
    """Return the smallest and the greatest element over the given axes.

    Args:
      a: Array of any dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Tuple of two arrays of the dtype of ``a``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A reduced axis is empty.
    Example:
      >>> import monel.core as mx
      >>> mx.minmax(mx.array([3, 1, 2]))
      (array(1, dtype=int32), array(3, dtype=int32))
    """
    x = operand("minmax", a)
    axes = canonical_axes("minmax", axis, x, keepdims)
    with speaking_as("minmax"):
        return (
            reduce.reduction(reduce.Min, x, axes, keepdims, stream),
            reduce.reduction(reduce.Max, x, axes, keepdims, stream),
        )


def count_nonzero(
    a: Any, /, *, axis: Any = None, keepdims: bool = False, stream: Any = None
) -> array:
    """Return how many elements over the given axes are not zero.

    Args:
      a: Array of any shape and dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of int32.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.count_nonzero(mx.array([0, 1, 2]))
      array(2, dtype=int32)
    """
    x = operand("count_nonzero", a)
    axes = canonical_axes("count_nonzero", axis, x, keepdims)
    ones = cast(cast(x, dtypes.bool_, stream), dtypes.int32, stream)
    return reduce.reduction(reduce.Sum, ones, axes, keepdims, stream)
