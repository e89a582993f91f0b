"""Exponentials, logarithms and hyperbolic functions, element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.dtypes import complex64
from ..graph.handle import array
from ..graph.operators import binary
from ..graph.primitive import call
from .elementwise import (
    Binary,
    RealFloating,
    Unary,
    add,
    divide,
    in_float32,
    multiply,
    subtract,
    widen,
)
from .kinds import scalar_like, unary
from .unary import abs, negative, reciprocal, sqrt, square

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "acosh",
    "arccosh",
    "arcsinh",
    "arctanh",
    "asinh",
    "atanh",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "sigmoid",
    "sinh",
    "tanh",
]


_LN2 = math.log(2)


class Smooth(Unary):
    """Analytic on its domain, for floating and complex numbers."""

    takes = "inexact"


class Composed(Smooth):
    """Gives ``expand``: the formula by which backends without a kernel compute it.

    Half types are computed in float32 and rounded once.
    """

    def decompose(self, *operands: Any) -> Any:
        return in_float32(self, operands) if operands[0].dtype.size == 2 else self.expand(*operands)

    expand: ClassVar[Any] = None


def _beyond_one(x: Any) -> Any:
    size = abs(x)
    return call("less", scalar_like(1.0, size), size)


class Exp(Smooth, name="exp"):
    """The exponential."""

    numpy_name = "exp"
    required = True

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, out)


class Expm1(Composed, name="expm1"):
    """exp(x) - 1, exact to the dtype near 0."""

    numpy_name = "expm1"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, add(out, 1.0))

    def expand(self, x: Any) -> Any:
        # Kahan: with u = exp(x) rounded, (u - 1) * x / log(u) repeats the error of u in log(u).
        u = exp(x)
        less = subtract(u, 1.0)
        mended = divide(multiply(less, x), log(u))
        kept = call("where", _beyond_one(x), less, mended)
        return call("where", call("equal", less, scalar_like(0.0, x)), x, kept)


class Log(Smooth, name="log"):
    """The natural logarithm."""

    numpy_name = "log"
    required = True
    domain = (0.2, 3.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, operands[0])


class Log1p(Composed, name="log1p"):
    """log(1 + x), exact to the dtype near 0."""

    numpy_name = "log1p"
    domain = (-0.5, 2.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, add(operands[0], 1.0))

    def expand(self, x: Any) -> Any:
        # Kahan: log(u) * x / (u - 1) with u = 1 + x rounded; far from 0 there is nothing to mend.
        u = add(x, 1.0)
        less = subtract(u, 1.0)
        mended = divide(multiply(log(u), x), less)
        kept = call("where", _beyond_one(x), log(u), mended)
        return call("where", call("equal", less, scalar_like(0.0, x)), x, kept)


class Log2(Composed, name="log2", export_name="Log [2]"):
    """The logarithm to base 2."""

    numpy_name = "log2"
    domain = (0.2, 3.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, multiply(operands[0], _LN2))

    def expand(self, x: Any) -> Any:
        return multiply(log(x), 1 / _LN2)


class Log10(Composed, name="log10", export_name="Log [10]"):
    """The logarithm to base 10."""

    numpy_name = "log10"
    domain = (0.2, 3.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, multiply(operands[0], math.log(10)))

    def expand(self, x: Any) -> Any:
        return multiply(log(x), 1 / math.log(10))


class Sigmoid(RealFloating, Composed, name="sigmoid"):
    """1 / (1 + exp(-x)), for real numbers."""

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        wide = widen(x)
        e = np.exp(-np.abs(wide))
        return np.asarray(np.where(wide < 0, e / (1 + e), 1 / (1 + e))).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, multiply(out, sigmoid(negative(operands[0]))))

    def expand(self, x: Any) -> Any:
        return reciprocal(add(exp(negative(x)), 1.0))


class LogAddExp(Binary, name="logaddexp"):
    """log(exp(x) + exp(y)) without overflow."""

    takes = "inexact"

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        a, b = widen(x), widen(y)
        with np.errstate(all="ignore"):
            if a.dtype.kind == "c":
                high = np.maximum(a, b)
                found = high + np.log1p(np.exp(np.minimum(a, b) - high))
            else:
                found = np.logaddexp(a, b)
            return np.asarray(found).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        # The share of operand i in the sum. Where all are infinite the difference is no number,
        # and the share of the operand that equals the result is taken as 1.
        x = operands[i]
        away = call("where", call("equal", x, out), scalar_like(0.0, x), subtract(x, out))
        return multiply(ct, exp(away))

    def decompose(self, x: Any, y: Any) -> Any:
        if x.dtype.size == 2:
            return in_float32(self, (x, y))
        high, low = call("maximum", x, y), call("minimum", x, y)
        away = call("where", call("equal", low, high), scalar_like(0.0, x), subtract(low, high))
        return add(high, log1p(exp(away)))


class Sinh(Composed, name="sinh"):
    """The hyperbolic sine."""

    numpy_name = "sinh"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, cosh(operands[0]))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return multiply(subtract(exp(x), exp(negative(x))), 0.5)
        e = expm1(x)
        near = multiply(add(e, divide(e, add(e, 1.0))), 0.5)
        half, other = exp(multiply(x, 0.5)), exp(multiply(x, -0.5))
        far = subtract(multiply(multiply(half, 0.5), half), multiply(multiply(other, 0.5), other))
        return call("where", call("less", abs(x), scalar_like(1.0, x)), near, far)


class Cosh(Composed, name="cosh"):
    """The hyperbolic cosine."""

    numpy_name = "cosh"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, sinh(operands[0]))

    def expand(self, x: Any) -> Any:
        # Powers of x / 2 overflow only where the result does.
        half, other = exp(multiply(x, 0.5)), exp(multiply(x, -0.5))
        return add(multiply(multiply(half, 0.5), half), multiply(multiply(other, 0.5), other))


class Tanh(Composed, name="tanh"):
    """The hyperbolic tangent."""

    numpy_name = "tanh"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return subtract(ct, multiply(ct, square(out)))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return divide(sinh(x), cosh(x))
        # Beyond 20 the result is 1 in every dtype, and exp would overflow.
        bounded = call("minimum", abs(x), scalar_like(20.0, x))
        e = expm1(multiply(bounded, 2.0))
        size = divide(e, add(e, 2.0))
        return call("where", call("less", x, scalar_like(0.0, x)), negative(size), size)


class ArcSinh(Composed, name="arcsinh"):
    """The inverse of the hyperbolic sine."""

    numpy_name = "arcsinh"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(ct, sqrt(add(square(operands[0]), 1.0)))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return log(add(x, sqrt(add(square(x), 1.0))))
        size = abs(x)
        x2 = square(size)
        near = log1p(add(size, divide(x2, add(sqrt(add(x2, 1.0)), 1.0))))
        far = add(log(size), _LN2)
        found = call("where", call("less", size, scalar_like(_HUGE, x)), near, far)
        return call("where", call("less", x, scalar_like(0.0, x)), negative(found), found)


# From here on x + sqrt(x**2 + 1) is 2 * x in every dtype that is computed in, and x**2 is finite.
_HUGE = 1e9


class ArcCosh(Composed, name="arccosh"):
    """The inverse of the hyperbolic cosine, from 1 upwards; nan below."""

    numpy_name = "arccosh"
    domain = (1.2, 3.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        x = operands[0]
        return divide(ct, multiply(sqrt(subtract(x, 1.0)), sqrt(add(x, 1.0))))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return log(add(x, multiply(sqrt(add(x, 1.0)), sqrt(subtract(x, 1.0)))))
        t = subtract(x, 1.0)
        near = log1p(add(t, multiply(sqrt(t), sqrt(add(t, 2.0)))))
        far = add(log(x), _LN2)
        return call("where", call("less", scalar_like(_HUGE, x), x), far, near)


class ArcTanh(Composed, name="arctanh"):
    """The inverse of the hyperbolic tangent; nan beyond 1."""

    numpy_name = "arctanh"
    domain = (-0.9, 0.9)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        x = operands[0]
        return divide(ct, multiply(subtract(1.0, x), add(x, 1.0)))

    def expand(self, x: Any) -> Any:
        if x.dtype is complex64:
            return multiply(subtract(log(add(x, 1.0)), log(subtract(1.0, x))), 0.5)
        size = abs(x)
        found = multiply(log1p(divide(multiply(size, 2.0), subtract(1.0, size))), 0.5)
        return call("where", call("less", x, scalar_like(0.0, x)), negative(found), found)


_EXP = Exp()
_EXPM1 = Expm1()
_LOG = Log()
_LOG2 = Log2()
_LOG10 = Log10()
_LOG1P = Log1p()
_SIGMOID = Sigmoid()
_LOG_ADD_EXP = LogAddExp()
_SINH = Sinh()
_COSH = Cosh()
_TANH = Tanh()
_ARC_SINH = ArcSinh()
_ARC_COSH = ArcCosh()
_ARC_TANH = ArcTanh()


def exp(a: Any, /, *, stream: Any = None) -> array:
    """Return e to the power of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.exp(mx.array([0.0, 1.0]))
      array([1, 2.71828], dtype=float32)
    """
    return unary(_EXP, "exp", a, stream, floating=True)


def expm1(a: Any, /, *, stream: Any = None) -> array:
    """Return ``exp(a) - 1``, exact to the dtype near 0.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.expm1(mx.array([0.0, 1e-8]))
      array([0, 1e-08], dtype=float32)
    """
    return unary(_EXPM1, "expm1", a, stream, floating=True)


def log(a: Any, /, *, stream: Any = None) -> array:
    """Return the natural logarithm of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.log(mx.array([1.0, 10.0]))
      array([0, 2.30259], dtype=float32)
    """
    return unary(_LOG, "log", a, stream, floating=True)


def log2(a: Any, /, *, stream: Any = None) -> array:
    """Return the logarithm to base 2 of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.log2(mx.array([1.0, 8.0]))
      array([0, 3], dtype=float32)
    """
    return unary(_LOG2, "log2", a, stream, floating=True)


def log10(a: Any, /, *, stream: Any = None) -> array:
    """Return the logarithm to base 10 of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.log10(mx.array([1.0, 1000.0]))
      array([0, 3], dtype=float32)
    """
    return unary(_LOG10, "log10", a, stream, floating=True)


def log1p(a: Any, /, *, stream: Any = None) -> array:
    """Return ``log(1 + a)``, exact to the dtype near 0.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.log1p(mx.array([0.0, 1e-8]))
      array([0, 1e-08], dtype=float32)
    """
    return unary(_LOG1P, "log1p", a, stream, floating=True)


def sigmoid(a: Any, /, *, stream: Any = None) -> array:
    """Return the logistic function ``1 / (1 + exp(-a))`` of each element.

    Args:
      a: Array of any shape, not complex; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating as ``a`` is, float32 for integers and bool.
    Raises:
      ValueError: ``a`` is complex, a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.sigmoid(mx.array([0.0, 2.0]))
      array([0.5, 0.880797], dtype=float32)
    """
    return unary(_SIGMOID, "sigmoid", a, stream, floating=True)


def logaddexp(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return ``log(exp(a) + exp(b))`` without overflow.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape, floating or complex; float32 for integers.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.logaddexp(mx.array([0.0, 100.0]), mx.array([0.0, 100.0]))
      array([0.693147, 100.693], dtype=float32)
    """
    return binary(_LOG_ADD_EXP, "logaddexp", "float", a, b, stream)


def sinh(a: Any, /, *, stream: Any = None) -> array:
    """Return the hyperbolic sine of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.sinh(mx.array([0.0, 1.0]))
      array([0, 1.1752], dtype=float32)
    """
    return unary(_SINH, "sinh", a, stream, floating=True)


def cosh(a: Any, /, *, stream: Any = None) -> array:
    """Return the hyperbolic cosine of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.cosh(mx.array([0.0, 1.0]))
      array([1, 1.54308], dtype=float32)
    """
    return unary(_COSH, "cosh", a, stream, floating=True)


def tanh(a: Any, /, *, stream: Any = None) -> array:
    """Return the hyperbolic tangent of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.tanh(mx.array([0.0, 1.0]))
      array([0, 0.761594], dtype=float32)
    """
    return unary(_TANH, "tanh", a, stream, floating=True)


def arcsinh(a: Any, /, *, stream: Any = None) -> array:
    """Return the inverse hyperbolic sine of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.arcsinh(mx.array([0.0, 1.0]))
      array([0, 0.881374], dtype=float32)
    """
    return unary(_ARC_SINH, "arcsinh", a, stream, floating=True)


def arccosh(a: Any, /, *, stream: Any = None) -> array:
    """Return the inverse hyperbolic cosine of each element; nan below 1.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.arccosh(mx.array([1.0, 2.0]))
      array([0, 1.31696], dtype=float32)
    """
    return unary(_ARC_COSH, "arccosh", a, stream, floating=True)


def arctanh(a: Any, /, *, stream: Any = None) -> array:
    """Return the inverse hyperbolic tangent of each element; nan beyond 1.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.arctanh(mx.array([0.0, 0.5]))
      array([0, 0.549306], dtype=float32)
    """
    return unary(_ARC_TANH, "arctanh", a, stream, floating=True)


acosh = arccosh
asinh = arcsinh
atanh = arctanh
