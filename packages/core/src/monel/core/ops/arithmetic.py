"""Elementwise functions composed of primitives: clip, degrees, isclose, nan_to_num and so on."""

from __future__ import annotations

import math
from typing import Any

from ..base.dtypes import bool_, complex64, finfo
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, either, flag, number, operand, speaking_as
from ..primitives.compare import equal, isfinite, isnan, less, less_equal, logical_and, logical_or
from ..primitives.create import constant, pack
from ..primitives.elementwise import add, maximum, minimum, multiply, subtract
from ..primitives.operands import as_floating, check_real, meeting, to_array
from ..primitives.unary import abs, ceil, floor, imag, real
from .searching import where

__all__ = [
    "allclose",
    "array_equal",
    "clip",
    "degrees",
    "isclose",
    "nan_to_num",
    "positive",
    "radians",
    "trunc",
]


def clip(
    a: Any,
    /,
    a_min: Any = None,
    a_max: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    stream: Any = None,
) -> array:
    """Return ``a`` with what is below ``a_min`` raised to it and what is above ``a_max`` lowered.

    Args:
      a: Array of any shape.
      a_min: Scalar, array or None: no lower limit.
      a_max: Scalar, array or None: no upper limit.
      min: The array API standard's name of ``a_min``.
      max: The array API standard's name of ``a_max``.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast.
      TypeError: A limit is given under both of its names.
    Example:
      >>> import monel.core as mx
      >>> mx.clip(mx.array([1, 5, 9]), 2, 6)
      array([2, 5, 6], dtype=int32)
    """
    x = operand("clip", a)
    low = a_min if min is None else either("clip", "a_min", a_min, "min", min)
    high = a_max if max is None else either("clip", "a_max", a_max, "max", max)
    with speaking_as("clip"):
        if low is not None:
            x = maximum(x, low, stream=stream)
        return wrap(x.value) if high is None else minimum(x, high, stream=stream)


def degrees(a: Any, /, *, stream: Any = None) -> array:
    """Return angles in degrees, given in radians.

    Args:
      a: Array or scalar; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``, floating or complex.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.degrees(mx.array([0.0, 1.0]))
      array([0, 57.2958], dtype=float32)
    """
    return multiply(as_floating(to_array("degrees", a), stream), 180 / math.pi, stream)


def radians(a: Any, /, *, stream: Any = None) -> array:
    """Return angles in radians, given in degrees.

    Args:
      a: Array or scalar; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``, floating or complex.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.radians(mx.array([0, 180]))
      array([0, 3.14159], dtype=float32)
    """
    return multiply(as_floating(to_array("radians", a), stream), math.pi / 180, stream)


def isclose(
    a: Any,
    b: Any,
    /,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    *,
    equal_nan: bool = False,
    stream: Any = None,
) -> array:
    """Return whether ``abs(a - b) <= atol + rtol * abs(b)``, element by element.

    Infinities are close to themselves, and nan to nothing but, with ``equal_nan``, to nan.

    Args:
      a, b: Arrays that broadcast.
      rtol: Relative tolerance.
      atol: Absolute tolerance.
      equal_nan: Whether two nan are close.
    Returns:
      Bool array of the common shape.
    Raises:
      TypeError: An operand is no array.
      ValueError: The shapes do not broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.isclose(mx.array([1.0, 2.0]), mx.array([1.0, 2.1]))
      array([True, False], dtype=bool)
    """
    return _close("isclose", a, b, rtol, atol, equal_nan, stream)


def _close(
    function: str, a: Any, b: Any, rtol: float, atol: float, equal_nan: bool, stream: Any
) -> Any:
    x, y = meeting(function, operand(function, a), operand(function, b), stream=stream)
    x, y = as_floating(x, stream), as_floating(y, stream)
    with speaking_as(function):
        distance = abs(subtract(x, y, stream), stream=stream)
    rtol, atol = number(function, "rtol", rtol), number(function, "atol", atol)
    room = add(multiply(abs(y, stream=stream), rtol, stream), atol, stream)
    # An infinite operand makes both sides infinite.
    near = logical_and(
        less_equal(distance, room, stream), isfinite(distance, stream), stream=stream
    )
    near = logical_or(near, equal(x, y, stream), stream=stream)
    if flag(function, "equal_nan", equal_nan):
        both = logical_and(isnan(x, stream), isnan(y, stream), stream=stream)
        near = logical_or(near, both, stream=stream)
    return near


def _every(x: Any, stream: Any) -> Any:
    axes = tuple(range(x.ndim))
    return call_on(stream, "all", x, axes=axes) if axes else x


def allclose(
    a: Any,
    b: Any,
    /,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    *,
    equal_nan: bool = False,
    stream: Any = None,
) -> array:
    """Return whether all elements are close in the sense of ``isclose``.

    Args:
      a, b: Arrays that broadcast.
      rtol: Relative tolerance.
      atol: Absolute tolerance.
      equal_nan: Whether two nan are close.
    Returns:
      Bool scalar array.
    Raises:
      TypeError: An operand is no array.
      ValueError: The shapes do not broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.allclose(mx.array([1.0, 2.0]), mx.array([1.0, 2.1]))
      array(False, dtype=bool)
    """
    return _every(_close("allclose", a, b, rtol, atol, equal_nan, stream), stream)


def array_equal(a: Any, b: Any, equal_nan: bool = False, stream: Any = None) -> array:
    """Return whether two arrays have the same shape and equal elements; dtypes may differ.

    Args:
      a: Array or scalar.
      b: Array or scalar.
      equal_nan: Whether two nan are equal.
    Returns:
      Bool scalar array.
    Raises:
      ValueError: An operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.array_equal(mx.array([1, 2]), mx.array([1.0, 2.0]))
      array(True, dtype=bool)
    """
    x, y = to_array("array_equal", a), to_array("array_equal", b)
    if x.shape != y.shape:
        return wrap(constant(pack([False], bool_), (), bool_))
    same = equal(x, y, stream)
    if flag("array_equal", "equal_nan", equal_nan) and x.dtype.inexact and y.dtype.inexact:
        both = logical_and(isnan(x, stream), isnan(y, stream), stream=stream)
        same = logical_or(same, both, stream=stream)
    return _every(same, stream)


def nan_to_num(
    a: Any,
    nan: float = 0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    stream: Any = None,
) -> array:
    """Return ``a`` with nan and infinities replaced; complex numbers by parts.

    Args:
      a: Array or scalar.
      nan: What stands for nan.
      posinf: What stands for infinity; by default the greatest number of the dtype.
      neginf: What stands for negative infinity; by default the least number of the dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.nan_to_num(mx.array([1.0, float("nan"), float("inf")]), posinf=9)
      array([1, 0, 9], dtype=float32)
    """
    x = to_array("nan_to_num", a)
    nan = number("nan_to_num", "nan", nan)
    posinf, neginf = (
        None if given is None else number("nan_to_num", word, given)
        for word, given in (("posinf", posinf), ("neginf", neginf))
    )
    if not x.dtype.inexact:
        return wrap(x.value)
    if x.dtype is complex64:
        parts = (real(x, stream=stream), imag(x, stream=stream))
        re, im = (_finite(part, nan, posinf, neginf, stream) for part in parts)
        return add(re, multiply(im, 1j, stream), stream)
    return _finite(x, nan, posinf, neginf, stream)


def _finite(x: Any, nan: float, posinf: float | None, neginf: float | None, stream: Any) -> Any:
    limits = finfo(x.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    y = where(isnan(x, stream), nan, x, stream=stream)
    y = where(equal(x, math.inf, stream), high, y, stream=stream)
    return where(equal(x, -math.inf, stream), low, y, stream=stream)


def positive(a: Any, /, *, stream: Any = None) -> array:
    """Return ``+a``: the same elements in another array.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      TypeError: ``a`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.positive(mx.array([1, -2]))
      array([1, -2], dtype=int32)
    """
    return call_on(stream, "copy", operand("positive", a))


def trunc(a: Any, /, *, stream: Any = None) -> array:
    """Return the nearest integer towards zero of each element, in the same dtype.

    Args:
      a: Array of any shape, not complex.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      TypeError: ``a`` is no array.
      ValueError: ``a`` is complex.
    Example:
      >>> import monel.core as mx
      >>> mx.trunc(mx.array([1.5, -1.5]))
      array([1, -1], dtype=float32)
    """
    x = operand("trunc", a)
    check_real("trunc", x)
    if not x.dtype.floating:
        return call_on(stream, "copy", x)
    up, down = ceil(x, stream=stream), floor(x, stream=stream)
    return where(less(x, 0.0, stream), up, down, stream=stream)
