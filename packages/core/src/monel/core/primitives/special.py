"""The error function and its inverse, element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..graph.handle import array
from ..graph.primitive import call
from .elementwise import RealFloating, add, divide, multiply, subtract, widen
from .exponential import Composed, exp, log
from .kinds import broadcast_like, scalar_like, unary
from .unary import abs, negative, sqrt, square

if TYPE_CHECKING:
    import numpy as np

__all__ = ["erf", "erfinv"]

_SLOPE = 2 / math.sqrt(math.pi)


class Erf(RealFloating, Composed, name="erf"):
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""

    def reference(self, x: np.ndarray) -> np.ndarray:
        return _each(math.erf, x).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, multiply(exp(negative(square(operands[0]))), _SLOPE))

    def expand(self, x: Any) -> Any:
        # Abramowitz and Stegun 7.1.6, whose terms are all positive:
        # 2 / sqrt(pi) * exp(-x**2) * sum of 2**n * x**(2n+1) / (1 * 3 * ... * (2n+1)).
        wide = x.dtype.size == 8
        limit, terms = (6.0, 110) if wide else (4.0, 60)
        bounded = call("minimum", call("maximum", x, scalar_like(-limit, x)), scalar_like(limit, x))
        double = multiply(square(bounded), 2.0)
        total = broadcast_like(scalar_like(1.0, x), x)
        for n in range(terms, 0, -1):
            total = add(multiply(total, multiply(double, 1 / (2 * n + 1))), 1.0)
        grown = multiply(multiply(bounded, total), multiply(exp(negative(square(bounded))), _SLOPE))
        one = scalar_like(1.0, x)
        return call("minimum", call("maximum", grown, negative(one)), one)


class ErfInv(RealFloating, Composed, name="erfinv"):
    """The y with erf(y) = x; infinite at -1 and 1, nan beyond."""

    domain = (-0.9, 0.9)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return _each(erfinv_of, x).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, multiply(exp(square(out)), 1 / _SLOPE))

    def expand(self, x: Any) -> Any:
        one = scalar_like(1.0, x)
        w = negative(log(multiply(subtract(1.0, x), add(x, 1.0))))
        central = _polynomial(_CENTRAL, subtract(w, 2.5))
        tail = _polynomial(_TAIL, subtract(sqrt(w), 3.0))
        y = multiply(x, call("where", call("less", w, scalar_like(5.0, x)), central, tail))
        if x.dtype.size == 8:
            for _ in range(2):
                error = subtract(call("erf", y), x)
                y = subtract(y, multiply(error, multiply(exp(square(y)), 1 / _SLOPE)))
        return call("where", call("equal", abs(x), one), divide(x, subtract(1.0, abs(x))), y)


# Giles, "Approximating the erfinv function", GPU Computing Gems Jade, 2011: single precision.
_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 2.1858087e-04,
    -1.25372503e-03, -4.17768164e-03, 2.46640727e-01, 1.50140941,
)  # fmt: skip
_TAIL = (
    -2.00214257e-04, 1.00950558e-04, 1.34934322e-03, -3.67342844e-03, 5.73950773e-03,
    -7.6224613e-03, 9.43887047e-03, 1.00167406, 2.83297682,
)  # fmt: skip


def _polynomial(coefficients: Any, w: Any) -> Any:
    total = broadcast_like(scalar_like(coefficients[0], w), w)
    for c in coefficients[1:]:
        total = add(multiply(total, w), c)
    return total


def _each(function: Any, x: Any) -> Any:
    """Apply a function of one float to each element of a NumPy array, in float64."""
    import numpy as np

    wide = np.asarray(widen(x), dtype=np.float64)
    made = np.array([function(float(v)) for v in wide.ravel()], dtype=np.float64)
    return made.reshape(x.shape)


def erfinv_of(x: float) -> float:
    """Return the inverse of the error function at one float64: Giles' start, Newton's steps."""
    if not -1 < x < 1:
        return math.copysign(math.inf, x) if x in (-1, 1) else math.nan
    w = -math.log((1 - x) * (1 + x))
    coefficients, w = (_CENTRAL, w - 2.5) if w < 5 else (_TAIL, math.sqrt(w) - 3)
    y = 0.0
    for c in coefficients:
        y = y * w + c
    y *= x
    for _ in range(3):
        # Near the ends the complement keeps the digits that erf loses.
        off = math.erf(y) - x if -0.5 < x < 0.5 else _from_end(y, x)
        y -= off * math.exp(y * y) / _SLOPE
    return y


def _from_end(y: float, x: float) -> float:
    return (1 - x) - math.erfc(y) if x > 0 else math.erfc(-y) - (1 + x)


_ERF = Erf()
_ERF_INV = ErfInv()


def erf(a: Any, /, *, stream: Any = None) -> array:
    """Return the error function ``2 / sqrt(pi) * integral of exp(-t**2) from 0 to a``.

    Args:
      a: Array of any shape, not complex; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating as ``a`` is, float32 for integers and bool.
    Raises:
      ValueError: ``a`` is complex, a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.erf(mx.array([0.5, 1.0]))
      array([0.5205, 0.842701], dtype=float32)

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.6.
    """
    return unary(_ERF, "erf", a, stream, floating=True)


def erfinv(a: Any, /, *, stream: Any = None) -> array:
    """Return the inverse of ``erf``: infinite at -1 and 1, nan beyond.

    Args:
      a: Array of any shape, not complex; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating as ``a`` is, float32 for integers and bool.
    Raises:
      ValueError: ``a`` is complex, a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.erfinv(mx.array([0.0, 0.5]))
      array([0, 0.476936], dtype=float32)

    Source: Giles, "Approximating the erfinv function", GPU Computing Gems Jade, 2011.
    """
    return unary(_ERF_INV, "erfinv", a, stream, floating=True)
