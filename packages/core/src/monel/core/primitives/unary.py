"""Signs, roots, rounding and the parts of complex numbers, element by element."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import bool_, complex64, float32
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..graph.primitive import call
from .arguments import integer
from .convert import cast
from .elementwise import Unary, add, divide, minimum, multiply, subtract, widen
from .kinds import broadcast_like, scalar_like, unary
from .operands import as_floating, to_array

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "abs",
    "ceil",
    "conj",
    "conjugate",
    "floor",
    "imag",
    "negative",
    "real",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sqrt",
    "square",
]


class Step(Unary):
    """Constant between jumps: its derivative is zero wherever it exists."""

    takes = "real"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None


class Neg(Unary, name="neg", export_name="Negative"):
    """-x; integers wrap, bool has no negative."""

    numpy_name = "negative"
    public = "negative"
    required = True

    def check_dtype(self, operand: Any) -> None:
        if operand.dtype is bool_:
            raise DTypeError(f"negative: not supported for {operand}; use mx.logical_not")

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return negative(ct)


class Abs(Unary, name="abs"):
    """The absolute value; of a complex number its modulus, as float32."""

    numpy_name = "abs"
    required = True

    def abstract(self, x: Any) -> Any:
        return real_part_of(x)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.abs(x)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        direction = sign(primals[0])
        if primals[0].dtype is not complex64:
            return (multiply(tangents[0], direction),)
        return (real(multiply(conj(direction), tangents[0])),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return (multiply(cotangents[0], sign(primals[0])),)


class Sign(Unary, name="sign"):
    """-1, 0 or 1; nan for nan; of a complex number z / abs(z)."""

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        if x.dtype.kind != "c":
            return np.asarray(np.sign(widen(x))).astype(x.dtype)
        with np.errstate(all="ignore"):
            return np.where(x == 0, 0, x / np.abs(x)).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (self._turn(tangents[0], outputs[0], primals[0]),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return (self._turn(cotangents[0], outputs[0], primals[0]),)

    def _turn(self, t: Any, out: Any, x: Any) -> Any:
        """Project ``t`` on the tangent of the unit circle; this real-linear map is symmetric."""
        if x.dtype is not complex64:
            return None
        radial = multiply(out, real(multiply(conj(out), t)))
        turned = divide(subtract(t, radial), abs(x))
        return call("where", call("equal", x, scalar_like(0, x)), scalar_like(0, x), turned)

    def decompose(self, x: Any) -> Any:
        zero, one = scalar_like(0, x), scalar_like(1, x)
        if x.dtype is complex64:
            return call("where", call("equal", x, zero), zero, divide(x, abs(x)))
        if x.dtype is bool_:
            return call("copy", x)
        if not (x.dtype.signed or x.dtype.floating):
            return minimum(x, one)
        # What is neither above nor below zero is zero or nan, and stays.
        negated = call("where", call("less", x, zero), scalar_like(-1, x), x)
        return call("where", call("less", zero, x), one, negated)


class Floor(Step, name="floor"):
    """The greatest integer not above x; integers stay."""

    required = True
    numpy_name = "floor"


class Ceil(Step, name="ceil"):
    """The least integer not below x; integers stay."""

    numpy_name = "ceil"

    def decompose(self, x: Any) -> Any:
        return negative(floor(negative(x))) if x.dtype.floating else call("copy", x)


class Round(Step, name="round"):
    """The nearest integer, of two the even one; complex numbers by parts."""

    numpy_name = "rint"
    takes = "number"

    def reference(self, x: np.ndarray) -> np.ndarray:
        return super().reference(x) if x.dtype.kind in "fVc" else x.copy()

    def decompose(self, x: Any) -> Any:
        if x.dtype is complex64:
            re, im = parts_of(x)
            return complex_of(round(re), round(im))
        if not x.dtype.floating:
            return call("copy", x)
        below = floor(x)
        part = subtract(x, below)
        half, one = scalar_like(0.5, x), scalar_like(1, x)
        odd = subtract(below, multiply(floor(multiply(below, 0.5)), 2.0))
        even = add(below, odd)
        up = call("where", call("less", half, part), add(below, one), even)
        near = call("where", call("less", part, half), below, up)
        # Infinities have no fractional part to speak of.
        return call("where", call("equal", below, x), x, near)


class Sqrt(Unary, name="sqrt"):
    """The square root."""

    numpy_name = "sqrt"
    required = True
    takes = "inexact"
    domain = (0.2, 3.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(multiply(ct, 0.5), out)


class Rsqrt(Unary, name="rsqrt"):
    """1 / sqrt(x)."""

    takes = "inexact"
    domain = (0.2, 3.0)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        with np.errstate(all="ignore"):
            return np.asarray(1 / np.sqrt(widen(x))).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return divide(multiply(multiply(ct, -0.5), out), operands[0])

    def decompose(self, x: Any) -> Any:
        return divide(scalar_like(1, x), sqrt(x))


class Square(Unary, name="square"):
    """x * x."""

    numpy_name = "square"

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(multiply(ct, scalar_like(2, ct)), operands[0])

    def decompose(self, x: Any) -> Any:
        return multiply(x, x)


class Reciprocal(Unary, name="reciprocal"):
    """1 / x."""

    takes = "inexact"
    domain = (0.5, 2.0)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        with np.errstate(all="ignore"):
            return np.asarray(1 / widen(x)).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return negative(multiply(ct, square(out)))

    def decompose(self, x: Any) -> Any:
        return divide(scalar_like(1, x), x)


def real_part_of(x: Any) -> Any:
    """Return the aval of an operation from complex to real numbers that keeps other dtypes."""
    return AbstractArray(x.shape, float32 if x.dtype is complex64 else x.dtype)


def complex_of(re: Any, im: Any) -> Any:
    """Put real and imaginary parts together, bit by bit: infinities make no nan."""
    end = (re.ndim,)
    pair = [call("expand_dims", part, axes=end) for part in (re, im)]
    joined = call("concatenate", *pair, axis=re.ndim)
    return call("squeeze", call("bitcast", joined, dtype=complex64), axes=end)


def parts_of(x: Any) -> tuple[Any, Any]:
    """Return the real and imaginary parts of a complex array, bit by bit."""
    pair = call("bitcast", call("expand_dims", x, axes=(x.ndim,)), dtype=float32)
    return tuple(call("select", pair, axis=x.ndim, index=i) for i in (0, 1))


class Real(Unary, name="real"):
    """The real part, as float32; a real operand itself."""

    def abstract(self, x: Any) -> Any:
        return real_part_of(x)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.real.copy()

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (real(tangents[0]),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return (call("cast", cotangents[0], dtype=primals[0].dtype),)

    def decompose(self, x: Any) -> Any:
        return call("cast", x, dtype=float32) if x.dtype is complex64 else call("copy", x)


class Imag(Unary, name="imag"):
    """The imaginary part, as float32; zero where the operand is real."""

    def abstract(self, x: Any) -> Any:
        return real_part_of(x)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        return x.imag.copy() if x.dtype.kind == "c" else np.zeros_like(x)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (imag(tangents[0]) if primals[0].dtype is complex64 else None,)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        if primals[0].dtype is not complex64:
            return (None,)
        return (multiply(call("cast", cotangents[0], dtype=complex64), 1j),)

    def decompose(self, x: Any) -> Any:
        if x.dtype is not complex64:
            return broadcast_like(scalar_like(0, x), x)
        return parts_of(x)[1]


class Conj(Unary, name="conj", export_name="Conjugate"):
    """The complex conjugate; a real operand itself."""

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.conj() if x.dtype.kind == "c" else x.copy()

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (conj(tangents[0]),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return (conj(cotangents[0]),)

    def decompose(self, x: Any) -> Any:
        if x.dtype is not complex64:
            return call("copy", x)
        re, im = parts_of(x)
        return complex_of(re, negative(im))


_NEG = Neg()
_ABS = Abs()
_SIGN = Sign()
_FLOOR = Floor()
_CEIL = Ceil()
_ROUND = Round()
_SQRT = Sqrt()
_RSQRT = Rsqrt()
_SQUARE = Square()
_RECIPROCAL = Reciprocal()
_REAL = Real()
_IMAG = Imag()
_CONJ = Conj()


def negative(a: Any, /, *, stream: Any = None) -> array:
    """Return the negative of each element; unsigned integers wrap.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is bool (use ``logical_not``), a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.negative(mx.array([1, -2]))
      array([-1, 2], dtype=int32)
    """
    return unary(_NEG, "negative", a, stream)


def abs(a: Any, /, *, stream: Any = None) -> array:
    """Return the absolute value of each element; of a complex number its modulus.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape of ``a`` and its dtype; float32 for complex64.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.abs(mx.array([-1.5, 2.0]))
      array([1.5, 2], dtype=float32)
    """
    return unary(_ABS, "abs", a, stream)


def sign(a: Any, /, *, stream: Any = None) -> array:
    """Return -1, 0 or 1 by the sign of each element; ``z / abs(z)`` of a complex one; nan for nan.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.sign(mx.array([-2.5, 0.0, 3.0]))
      array([-1, 0, 1], dtype=float32)
    """
    return unary(_SIGN, "sign", a, stream)


def floor(a: Any, /, *, stream: Any = None) -> array:
    """Return the greatest integer not above each element, in the same dtype.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is complex, a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.floor(mx.array([-1.5, 1.5]))
      array([-2, 1], dtype=float32)
    """
    return unary(_FLOOR, "floor", a, stream)


def ceil(a: Any, /, *, stream: Any = None) -> array:
    """Return the least integer not below each element, in the same dtype.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is complex, a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.ceil(mx.array([-1.5, 1.5]))
      array([-1, 2], dtype=float32)
    """
    return unary(_CEIL, "ceil", a, stream)


def round(a: Any, /, decimals: int = 0, stream: Any = None) -> array:
    """Round to a number of decimals; halves go to the even neighbour.

    Args:
      a: Array of any shape and dtype; complex numbers are rounded by parts.
      decimals: How many digits stay behind the point; negative: before it.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
      TypeError: ``decimals`` is no integer.
    Example:
      >>> import monel.core as mx
      >>> mx.round(mx.array([1.25, 2.5, -7.0]), 1)
      array([1.2, 2.5, -7], dtype=float32)
    """
    x, digits = to_array("round", a), integer("round", "decimals", decimals)
    if builtins.abs(digits) > 300:
        raise ShapeError(f"round: decimals must be from -300 to 300, got {digits}")
    if digits == 0 or (digits > 0 and not x.dtype.inexact):
        return _ROUND.bind(x, stream=stream)
    scale = 10.0 ** builtins.abs(digits)
    y = as_floating(x, stream)
    y = multiply(y, scale, stream) if digits > 0 else divide(y, scale, stream)
    y = _ROUND.bind(y, stream=stream)
    y = divide(y, scale, stream) if digits > 0 else multiply(y, scale, stream)
    return cast(y, x.dtype, stream)


def sqrt(a: Any, /, *, stream: Any = None) -> array:
    """Return the square root of each element; nan for negative real ones.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.sqrt(mx.array([4.0, 9.0]))
      array([2, 3], dtype=float32)
    """
    return unary(_SQRT, "sqrt", a, stream, floating=True)


def rsqrt(a: Any, /, *, stream: Any = None) -> array:
    """Return one over the square root of each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.rsqrt(mx.array([4.0, 0.25]))
      array([0.5, 2], dtype=float32)
    """
    return unary(_RSQRT, "rsqrt", a, stream, floating=True)


def square(a: Any, /, *, stream: Any = None) -> array:
    """Return the square of each element.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.square(mx.array([1.5, -2.0]))
      array([2.25, 4], dtype=float32)
    """
    return unary(_SQUARE, "square", a, stream)


def reciprocal(a: Any, /, *, stream: Any = None) -> array:
    """Return one over each element.

    Args:
      a: Array of any shape; integers and bool count as float32.
    Returns:
      Array of the shape of ``a``: floating or complex as ``a`` is, float32 for integers and
      bool.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.reciprocal(mx.array([2.0, -4.0]))
      array([0.5, -0.25], dtype=float32)
    """
    return unary(_RECIPROCAL, "reciprocal", a, stream, floating=True)


def real(a: Any, /, *, stream: Any = None) -> array:
    """Return the real part of each element.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape of ``a`` and its dtype; float32 for complex64.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.real(mx.array([1 + 2j, 3 - 1j]))
      array([1, 3], dtype=float32)
    """
    return unary(_REAL, "real", a, stream)


def imag(a: Any, /, *, stream: Any = None) -> array:
    """Return the imaginary part of each element; zero for real ones.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape of ``a`` and its dtype; float32 for complex64.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.imag(mx.array([1 + 2j, 3 - 1j]))
      array([2, -1], dtype=float32)
    """
    return unary(_IMAG, "imag", a, stream)


def conj(a: Any, *, stream: Any = None) -> array:
    """Return the complex conjugate of each element.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.conj(mx.array([1 + 2j]))
      array([1-2j], dtype=complex64)
    """
    return unary(_CONJ, "conj", a, stream)


conjugate = conj
