"""Functions of the sign and the bits of floating numbers: copysign, hypot, nextafter, signbit."""

from __future__ import annotations

from typing import Any

from ..base import dtypes
from ..graph.handle import array
from ..graph.operators import broadcast_shapes
from ..primitives.compare import equal, isinf, isnan, less, logical_or, not_equal
from ..primitives.convert import view
from ..primitives.elementwise import add, divide, maximum, minimum, multiply, subtract
from ..primitives.operands import as_floating, check_real, meeting, to_array
from ..primitives.unary import abs, negative, sqrt
from .searching import constant, where

__all__ = ["copysign", "hypot", "nextafter", "signbit"]

# The signed integers as wide as a floating dtype.
_BITS = {2: dtypes.int16, 4: dtypes.int32, 8: dtypes.int64}


def _real_pair(function: str, x1: Any, x2: Any, stream: Any) -> list[Any]:
    pair = meeting(function, x1, x2, stream=stream)
    check_real(function, *pair)
    broadcast_shapes(function, pair[0].shape, pair[1].shape)
    return [as_floating(x, stream) for x in pair]


def signbit(x: Any, /, *, stream: Any = None) -> array:
    """Return whether the sign bit is set: for negative numbers, -0.0 and nan with a sign.

    Args:
      x: Real array or scalar.
    Returns:
      bool array of the shape of ``x``.
    Raises:
      ValueError: ``x`` is complex, or no array.
    Example:
      >>> import monel.core as mx
      >>> mx.signbit(mx.array([-1.0, -0.0, 0.0]))
      array([True, True, False], dtype=bool)

    Source: Python array API standard, ``signbit``; IEEE 754.
    """
    a = to_array("signbit", x)
    check_real("signbit", a)
    if not a.dtype.floating:
        return less(a, 0, stream) if a.dtype.signed else not_equal(a, a, stream)
    return less(view(a, _BITS[a.dtype.size], stream), 0, stream)


def copysign(x1: Any, x2: Any, /, *, stream: Any = None) -> array:
    """Return the magnitude of ``x1`` with the sign of ``x2``.

    Args:
      x1: Real array or scalar.
      x2: Real array or scalar; shapes broadcast, dtypes are promoted, integers give float32.
    Returns:
      Floating array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is complex or no array.
    Example:
      >>> import monel.core as mx
      >>> mx.copysign(mx.array([1.0, -2.0]), -0.0)
      array([-1, -2], dtype=float32)

    Source: Python array API standard, ``copysign``; IEEE 754.
    """
    a, b = _real_pair("copysign", x1, x2, stream)
    flip = not_equal(signbit(a, stream=stream), signbit(b, stream=stream), stream)
    return where(flip, negative(a, stream=stream), a, stream=stream)


def hypot(x1: Any, x2: Any, /, *, stream: Any = None) -> array:
    """Return ``sqrt(x1**2 + x2**2)``, which overflows only where the result does.

    Args:
      x1: Real array or scalar.
      x2: Real array or scalar; shapes broadcast, dtypes are promoted, integers give float32.
    Returns:
      Floating array of the common shape; inf where an operand is infinite, even beside nan.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is complex or no array.
    Example:
      >>> import monel.core as mx
      >>> mx.hypot(mx.array([3.0, 1e30]), mx.array([4.0, 1e30]))
      array([5, 1.41421e+30], dtype=float32)

    Source: Python array API standard, ``hypot``.
    """
    a, b = (abs(x, stream=stream) for x in _real_pair("hypot", x1, x2, stream))
    large, small = maximum(a, b, stream=stream), minimum(a, b, stream=stream)
    endless = logical_or(isinf(a, stream=stream), isinf(b, stream=stream), stream=stream)
    plain = logical_or(equal(large, 0, stream), endless, stream=stream)
    scale = where(plain, 1, large, stream=stream)
    ratio = where(plain, 0, divide(small, scale, stream), stream=stream)
    length = multiply(scale, sqrt(add(multiply(ratio, ratio, stream), 1, stream)), stream)
    bare = where(endless, float("inf"), large, stream=stream)
    return where(plain, bare, length, stream=stream)


def nextafter(x1: Any, x2: Any, /, *, stream: Any = None) -> array:
    """Return the next number after ``x1`` towards ``x2`` that the dtype can represent.

    It has no derivative.

    Args:
      x1: Real array or scalar.
      x2: Real array or scalar; shapes broadcast, dtypes are promoted, integers give float32.
    Returns:
      Floating array of the common shape; ``x2`` where the operands are equal.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is complex or no array.
    Example:
      >>> import monel.core as mx
      >>> (mx.nextafter(mx.array(1.0), 2.0) - 1.0).item() == mx.finfo(mx.float32).eps
      True

    Source: Python array API standard, ``nextafter``; IEEE 754.
    """
    a, b = _real_pair("nextafter", x1, x2, stream)
    kind = _BITS[a.dtype.size]
    place = _ordered(view(a, kind, stream), stream)
    up = less(a, b, stream)
    step = where(
        up, constant("nextafter", 1, place), constant("nextafter", -1, place), stream=stream
    )
    moved = view(_ordered(add(place, step, stream), stream), a.dtype, stream)
    moved = where(equal(a, b, stream), b, moved, stream=stream)
    broken = logical_or(isnan(a, stream=stream), isnan(b, stream=stream), stream=stream)
    return where(broken, float("nan"), moved, stream=stream)


def _ordered(bits: Any, stream: Any) -> Any:
    """Map sign and magnitude to an integer that grows with the number, and back again."""
    least = constant("nextafter", dtypes.iinfo(bits.dtype).min, bits)
    return where(less(bits, 0, stream), subtract(least, bits, stream), bits, stream=stream)
