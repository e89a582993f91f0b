"""Trigonometric functions and their inverses, element by element."""

from __future__ import annotations

import math
from typing import Any

from ..base.dtypes import complex64
from ..graph.handle import array
from ..graph.primitive import call
from .elementwise import Binary, RealFloating, add, divide, in_float32, multiply, subtract
from .exponential import Composed, Smooth, log
from .kinds import broadcast_like, scalar_like, unary
from .operands import as_floating, check_real, meeting
from .unary import abs, negative, reciprocal, sqrt, square

__all__ = [
    "acos",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "asin",
    "atan",
    "atan2",
    "cos",
    "sin",
    "tan",
]


class Sin(Smooth, name="sin"):
    """The sine of an angle in radians."""

    numpy_name = "sin"
    required = True

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, cos(operands[0]))


class Cos(Smooth, name="cos"):
    """The cosine of an angle in radians."""

    numpy_name = "cos"
    required = True

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return negative(multiply(ct, sin(operands[0])))


class Tan(Composed, name="tan"):
    """The tangent of an angle in radians."""

    numpy_name = "tan"
    domain = (-1.2, 1.2)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return add(ct, multiply(ct, square(out)))

    def expand(self, x: Any) -> Any:
        return divide(sin(x), cos(x))


class ArcSin(Composed, name="arcsin"):
    """The angle between -pi/2 and pi/2 with a given sine; nan beyond 1."""

    numpy_name = "arcsin"
    domain = (-0.9, 0.9)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, _cosine_from_sine(operands[0]))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return multiply(log(add(multiply(x, 1j), _cosine_from_sine(x))), -1j)
        return arctan2(x, _cosine_from_sine(x))


class ArcCos(Composed, name="arccos"):
    """The angle between 0 and pi with a given cosine; nan beyond 1."""

    numpy_name = "arccos"
    domain = (-0.9, 0.9)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return negative(divide(ct, _cosine_from_sine(operands[0])))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return subtract(math.pi / 2, arcsin(x))
        return arctan2(_cosine_from_sine(x), x)


def _cosine_from_sine(x: Any) -> Any:
    """Return sqrt(1 - x**2) without cancellation near 1."""
    if x.dtype is complex64:
        return multiply(sqrt(subtract(1.0, x)), sqrt(add(x, 1.0)))
    return sqrt(multiply(subtract(1.0, x), add(x, 1.0)))


class ArcTan(Composed, name="arctan"):
    """The angle between -pi/2 and pi/2 with a given tangent."""

    numpy_name = "arctan"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, add(square(operands[0]), 1.0))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            ix = multiply(x, 1j)
            return multiply(subtract(log(subtract(1.0, ix)), log(add(ix, 1.0))), 0.5j)
        size = abs(x)
        steep = call("less", scalar_like(1.0, x), size)
        small = _arctan_of_small(call("where", steep, reciprocal(size), size))
        angle = call("where", steep, subtract(math.pi / 2, small), small)
        return call("where", call("less", x, scalar_like(0.0, x)), negative(angle), angle)


def _arctan_of_small(t: Any) -> Any:
    """Return arctan of 0 <= t <= 1: halve the angle three times, then Taylor's series.

    tan(a / 2) = tan(a) / (1 + sqrt(1 + tan(a)**2)); after three halvings t is below 0.0985, where
    eight terms reach float64.
    """
    for _ in range(3):
        t = divide(t, add(sqrt(add(square(t), 1.0)), 1.0))
    t2 = square(t)
    total = broadcast_like(scalar_like(-1 / 15, t), t)
    for n in range(6, -1, -1):
        total = add(multiply(total, t2), (-1) ** n / (2 * n + 1))
    return multiply(multiply(total, t), 8.0)


class ArcTan2(RealFloating, Binary, name="arctan2"):
    """The angle between -pi and pi of the point with coordinates y (first) and x."""

    numpy_name = "arctan2"
    domain = (0.3, 2.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        y, x = operands
        scaled = divide(ct, add(square(x), square(y)))
        return negative(multiply(scaled, y)) if i else multiply(scaled, x)

    def decompose(self, y: Any, x: Any) -> Any:
        if x.dtype.size == 2:
            return in_float32(self, (y, x))
        zero, one = scalar_like(0.0, x), scalar_like(1.0, x)
        ax, ay = abs(x), abs(y)
        high, low = call("maximum", ax, ay), call("minimum", ax, ay)
        # 0 / 0 counts as 0 and inf / inf as 1.
        ratio = call("where", call("equal", high, low), one, divide(low, high))
        ratio = call("where", call("equal", low, zero), zero, ratio)
        small = _arctan_of_small(ratio)
        angle = call("where", call("less", ax, ay), subtract(math.pi / 2, small), small)
        angle = call("where", _negative_sign(x), subtract(math.pi, angle), angle)
        angle = call("where", _negative_sign(y), negative(angle), angle)
        return call("where", call("equal", add(high, low), add(high, low)), angle, add(x, y))


def _negative_sign(x: Any) -> Any:
    """Return whether the sign of ``x`` is negative; the reciprocal shows that of zero."""
    zero = scalar_like(0.0, x)
    shown = call("where", call("equal", x, zero), reciprocal(x), x)
    return call("less", shown, zero)


_SIN = Sin()
_COS = Cos()
_TAN = Tan()
_ARC_SIN = ArcSin()
_ARC_COS = ArcCos()
_ARC_TAN = ArcTan()
_ARC_TAN2 = ArcTan2()


def sin(a: Any, /, *, stream: Any = None) -> array:
    """Return the sine of each angle in radians.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.sin(mx.array([0.0, 1.0]))
      array([0, 0.841471], dtype=float32)
    """
    return unary(_SIN, "sin", a, stream, floating=True)


def cos(a: Any, /, *, stream: Any = None) -> array:
    """Return the cosine of each angle in radians.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.cos(mx.array([0.0, 1.0]))
      array([1, 0.540302], dtype=float32)
    """
    return unary(_COS, "cos", a, stream, floating=True)


def tan(a: Any, /, *, stream: Any = None) -> array:
    """Return the tangent of each angle in radians.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.tan(mx.array([0.0, 1.0]))
      array([0, 1.55741], dtype=float32)
    """
    return unary(_TAN, "tan", a, stream, floating=True)


def arcsin(a: Any, /, *, stream: Any = None) -> array:
    """Return the angles in radians, between -pi/2 and pi/2, of which ``a`` holds the sines.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.arcsin(mx.array([0.0, 1.0]))
      array([0, 1.5708], dtype=float32)
    """
    return unary(_ARC_SIN, "arcsin", a, stream, floating=True)


def arccos(a: Any, /, *, stream: Any = None) -> array:
    """Return the angles in radians, between 0 and pi, of which ``a`` holds the cosines.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.arccos(mx.array([1.0, 0.0]))
      array([0, 1.5708], dtype=float32)
    """
    return unary(_ARC_COS, "arccos", a, stream, floating=True)


def arctan(a: Any, /, *, stream: Any = None) -> array:
    """Return the angles in radians, between -pi/2 and pi/2, of which ``a`` holds the tangents.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.arctan(mx.array([0.0, 1.0]))
      array([0, 0.785398], dtype=float32)
    """
    return unary(_ARC_TAN, "arctan", a, stream, floating=True)


def arctan2(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return the angle in radians of the point (``b``, ``a``), between -pi and pi.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape, floating; float32 for integers.
    Raises:
      ValueError: An operand is complex, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.arctan2(mx.array([1.0, -1.0]), mx.array([1.0, -1.0]))
      array([0.785398, -2.35619], dtype=float32)
    """
    y, x = meeting("arctan2", a, b, stream=stream)
    check_real("arctan2", y)
    return _ARC_TAN2.bind(as_floating(y, stream), as_floating(x, stream), stream=stream)


acos = arccos
asin = arcsin
atan = arctan
atan2 = arctan2
