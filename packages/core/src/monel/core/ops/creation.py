"""Arrays from shapes and numbers: zeros, ones, full, arange, linspace, eye, windows."""

from __future__ import annotations

import math
from typing import Any

from ..base import dtypes
from ..base.avals import check_shape
from ..base.dtypes import Dtype, float32
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..primitives.arguments import (
    dtype_or,
    either,
    on_device,
    operand,
    shape_of,
    speaking_as,
    stays_open,
)
from ..primitives.convert import cast
from ..primitives.create import Full, scalar_constant
from ..primitives.kinds import broadcast_like
from ..primitives.operands import to_array
from ..primitives.shape import Broadcast

__all__ = [
    "empty",
    "empty_like",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def zeros(
    shape: Any, dtype: Dtype | None = float32, *, device: Any = None, stream: Any = None
) -> array:
    """Return an array of zeros.

    Args:
      shape: An int or a sequence of ints.
      dtype: The dtype of the result; float32 by default and for None.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.zeros((2, 2), mx.int32)
      array([[0, 0],
             [0, 0]], dtype=int32)
    """
    stream = on_device("zeros", device, stream)
    kind = dtype_or("zeros", dtype, float32)
    return _filled("zeros", shape_of("zeros", shape), kind, 0, stream)


def empty(
    shape: Any, dtype: Dtype | None = float32, *, device: Any = None, stream: Any = None
) -> array:
    """Return an array whose values do not matter: zeros; see ``zeros``.

    Args:
      shape: An int or a sequence of ints.
      dtype: The dtype of the result; float32 by default and for None.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.empty((2, 3)).shape
      (2, 3)
    """
    stream = on_device("empty", device, stream)
    kind = dtype_or("empty", dtype, float32)
    return _filled("empty", shape_of("empty", shape), kind, 0, stream)


def ones(
    shape: Any, dtype: Dtype | None = float32, *, device: Any = None, stream: Any = None
) -> array:
    """Return an array of ones.

    Args:
      shape: An int or a sequence of ints.
      dtype: The dtype of the result; float32 by default and for None.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.ones(3)
      array([1, 1, 1], dtype=float32)
    """
    stream = on_device("ones", device, stream)
    kind = dtype_or("ones", dtype, float32)
    return _filled("ones", shape_of("ones", shape), kind, 1, stream)


def full(
    shape: Any,
    vals: Any = None,
    dtype: Dtype | None = None,
    *,
    fill_value: Any = None,
    device: Any = None,
    stream: Any = None,
) -> array:
    """Return an array filled with ``vals``.

    Args:
      shape: An int or a sequence of ints.
      vals: A scalar, or an array that broadcasts to ``shape``.
      fill_value: The array API standard's name of ``vals``.
      dtype: The dtype of the result; that of ``vals`` by default.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative, or ``vals`` does not broadcast to ``shape``.
      DTypeError: An int does not fit ``dtype``.
    Example:
      >>> import monel.core as mx
      >>> mx.full((2, 2), 7)
      array([[7, 7],
             [7, 7]], dtype=int32)
    """
    stream = on_device("full", device, stream)
    given = either("full", "vals", vals, "fill_value", fill_value)
    return _full("full", shape_of("full", shape), given, dtype, stream)


def _full(function: str, shape: tuple[int, ...], vals: Any, dtype: Any, stream: Any) -> Any:
    if isinstance(vals, bool | int | float | complex) and not hasattr(vals, "__array__"):
        kind = dtype_or(function, dtype, dtypes.scalar_dtype(vals))
        return _filled(function, shape, kind, vals, stream)
    x = to_array(function, vals)
    x = cast(x, dtype_or(function, dtype, x.dtype), stream)
    if x.shape == shape:
        return x
    with speaking_as(function):
        return Broadcast(shape=shape).bind(x, stream=stream)


def _filled(function: str, shape: tuple[int, ...], dtype: Dtype, number: Any, stream: Any) -> Any:
    """Return ``number`` everywhere, converted here so that no backend has to."""
    check_shape(function, shape, dtype.size)
    if dtype.integral:
        if isinstance(number, int):
            scalar_constant(function, int(number), dtype)  # refuses what does not fit
        elif not _fits(number, dtype):
            # C's rules for what is out of range are those of cast.
            x = cast(wrap(scalar_constant(function, number, float32)), dtype, stream)
            return Broadcast(shape=shape).bind(x, stream=stream)
    made = Full(shape=shape, dtype=dtype, value=in_kind(number, dtype))
    return made.bind(stream=stream)


def _fits(number: Any, dtype: Dtype) -> bool:
    limits = dtypes.iinfo(dtype)
    real = complex(number).real
    return math.isfinite(real) and limits.min <= real <= limits.max


def in_kind(number: Any, dtype: Dtype) -> Any:
    """Return ``number`` as the Python type that goes with ``dtype``."""
    if dtype is dtypes.bool_:
        return bool(number)
    if dtype is dtypes.complex64:
        return complex(number)
    if isinstance(number, complex):
        number = number.real
    return int(number) if dtype.integral else float(number)


def _like(function: str, a: Any, number: Any, dtype: Any, stream: Any) -> Any:
    x = operand(function, a)
    kind = dtype_or(function, dtype, x.dtype)
    if stays_open(x):
        return broadcast_like(wrap(graph.slots.scalar(function, number, kind)), x)
    return _filled(function, x.shape, kind, number, stream)


def zeros_like(
    a: Any, /, dtype: Dtype | None = None, *, device: Any = None, stream: Any = None
) -> array:
    """Return zeros of the shape of ``a``.

    Args:
      a: Array that lends its shape.
      dtype: The dtype of the result; that of ``a`` by default.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.zeros_like(mx.array([1, 2]))
      array([0, 0], dtype=int32)
    """
    stream = on_device("zeros_like", device, stream)
    return _like("zeros_like", a, 0, dtype, stream)


def empty_like(
    a: Any, /, dtype: Dtype | None = None, *, device: Any = None, stream: Any = None
) -> array:
    """Return an array of the shape of ``a`` whose values do not matter: zeros.

    Args:
      a: Array that lends its shape.
      dtype: The dtype of the result; that of ``a`` by default.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.empty_like(mx.array([1, 2])).dtype
      monel.core.int32
    """
    stream = on_device("empty_like", device, stream)
    return _like("empty_like", a, 0, dtype, stream)


def ones_like(
    a: Any, /, dtype: Dtype | None = None, *, device: Any = None, stream: Any = None
) -> array:
    """Return ones of the shape of ``a``.

    Args:
      a: Array that lends its shape.
      dtype: The dtype of the result; that of ``a`` by default.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.ones_like(mx.array([1, 2]))
      array([1, 1], dtype=int32)
    """
    stream = on_device("ones_like", device, stream)
    return _like("ones_like", a, 1, dtype, stream)


def full_like(
    a: Any,
    vals: Any = None,
    dtype: Dtype | None = None,
    *,
    fill_value: Any = None,
    device: Any = None,
    stream: Any = None,
) -> array:
    """Return an array of the shape of ``a`` filled with ``vals``.

    Args:
      a: Array that lends its shape.
      vals: A scalar, or an array that broadcasts to the shape of ``a``.
      fill_value: The array API standard's name of ``vals``.
      dtype: The dtype of the result; that of ``a`` by default.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of the shape of ``a``.
    Raises:
      ShapeError: ``vals`` does not broadcast to the shape of ``a``.
      DTypeError: An int does not fit the dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.full_like(mx.array([1, 2]), 5)
      array([5, 5], dtype=int32)
    """
    stream = on_device("full_like", device, stream)
    given = either("full_like", "vals", vals, "fill_value", fill_value)
    x = operand("full_like", a)
    kind = dtype_or("full_like", dtype, x.dtype)
    if stays_open(x):
        return broadcast_like(cast(to_array("full_like", given), kind, stream), x)
    return _full("full_like", x.shape, given, kind, stream)
