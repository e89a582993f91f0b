"""mx.fft: discrete Fourier transforms of any length, over one axis or several.

Everything is computed in complex64 and float32. ``norm`` says where the factor 1/n stands:
``"backward"``, with the inverse; ``"forward"``, with the other; ``"ortho"``, its root with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base.dtypes import complex64, float32
from .base.errors import AxisError, ShapeError
from .graph.handle import array
from .graph.primitive import call
from .ops.frames import istft, stft
from .ops.frequencies import fftfreq, fftshift, ifftshift, rfftfreq
from .primitives.arguments import (
    call_on,
    canonical_axis,
    describe,
    integer,
    integer_or_integers,
    integers,
    on_stream,
    operand,
)
from .primitives.convert import cast
from .primitives.fourier import Fft, Irfft, Rfft, fitted, scaling_of

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "istft",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
    "stft",
]


def _places(function: str, s: Any, axes: Any, x: Any) -> tuple[int, ...]:
    """Return the axes to transform: by default the last ones that ``s`` gives lengths for."""
    if axes is None:
        count = x.ndim if s is None else len(s)
        if count > x.ndim:
            raise ShapeError(f"{function}: {count} lengths are too many for {describe(x)}")
        return tuple(range(x.ndim - count, x.ndim))
    given = integer_or_integers(function, "axes", axes)
    places = tuple([canonical_axis(function, a, x) for a in given])
    if len(set(places)) < len(places):
        raise AxisError(f"{function}: Duplicated axis received {given} of {describe(x)}")
    return places


def _lengths(function: str, s: Any, places: tuple[int, ...], x: Any, back: bool) -> list[int]:
    """Return the length of each transform; those that end in real numbers are even by default."""
    if s is None:
        found = [x.shape[place] for place in places]
        if back and found:
            found[-1] = 2 * (found[-1] - 1)
    else:
        found = list(s)
    if len(found) != len(places):
        raise ShapeError(
            f"{function}: Shape and axes have different sizes: {tuple(found)} and {places}"
        )
    for n in found:
        if n < 1:
            raise ShapeError(
                f"{function}: Invalid FFT output size requested ({n}), for {describe(x)}"
            )
    return found


def _transformed(
    function: str, a: Any, s: Any, axes: Any, norm: Any, stream: Any, inverse: bool, real: str = ""
) -> Any:
    """Transform over ``axes``; ``real`` says whether the last one "starts" or "ends" real."""
    x = operand(function, a)
    sizes = None if s is None else integers(function, "s", s)
    places = _places(function, sizes, axes, x)
    lengths = _lengths(function, sizes, places, x, real == "ends")
    scaling = scaling_of(function, norm, inverse)
    if real and not places:
        raise ShapeError(f"{function}: at least one axis is needed, got {describe(x)}")
    with on_stream(stream):
        if real == "starts":
            line = fitted(cast(x, float32), places[-1], lengths[-1])
            x = Rfft(axis=places[-1], scaling=scaling).bind(line)
        x = cast(x, complex64)
        for place, n in list(zip(places, lengths, strict=True))[: -1 if real else None]:
            line = fitted(x, place, n)
            x = Fft(axis=place, scaling=scaling, inverse=inverse).bind(line)
        if real == "ends":
            line = fitted(x, places[-1], lengths[-1] // 2 + 1)
            odd = lengths[-1] % 2 == 1
            x = Irfft(axis=places[-1], scaling=scaling, odd=odd).bind(line)
        return x


def _one(
    function: str, a: Any, n: Any, axis: Any, norm: Any, stream: Any, inverse: bool, real: str = ""
) -> Any:
    s = None if n is None else (integer(function, "n", n),)
    return _transformed(
        function, a, s, (integer(function, "axis", axis),), norm, stream, inverse, real
    )


def fft(
    a: Any, n: int | None = None, axis: int = -1, norm: str = "backward", stream: Any = None
) -> array:
    """Return the discrete Fourier transform over one axis.

    Args:
      a: Array of any dtype.
      n: The length of the transform: ``a`` is cut or filled with zeros; its own by default.
      axis: The axis that is transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with length ``n`` along ``axis``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: A length below 1, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.fft(mx.array([1.0, 0.0, 0.0]))
      array([1+0j, 1+0j, 1+0j], dtype=complex64)
    """
    return _one("fft", a, n, axis, norm, stream, False)


def ifft(
    a: Any, n: int | None = None, axis: int = -1, norm: str = "backward", stream: Any = None
) -> array:
    """Return the inverse of ``fft``.

    Args:
      a: Array of any dtype.
      n: The length of the transform: ``a`` is cut or filled with zeros; its own by default.
      axis: The axis that is transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with length ``n`` along ``axis``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: A length below 1, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.ifft(mx.array([3.0, 0.0, 0.0]))
      array([1+0j, 1+0j, 1+0j], dtype=complex64)
    """
    return _one("ifft", a, n, axis, norm, stream, True)


def rfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str = "backward", stream: Any = None
) -> array:
    """Return the first half of the transform of real numbers; the other half mirrors it.

    Args:
      a: Array of any dtype; of complex numbers the real parts are taken.
      n: The length of the transform: ``a`` is cut or filled with zeros; its own by default.
      axis: The axis that is transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with length ``n // 2 + 1`` along ``axis``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: A length below 1, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.rfft(mx.array([1.0, 0.0, 0.0]))
      array([1+0j, 1+0j], dtype=complex64)
    """
    return _one("rfft", a, n, axis, norm, stream, False, "starts")


def irfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str = "backward", stream: Any = None
) -> array:
    """Return the real numbers of whose transform ``a`` is the first half: the inverse of ``rfft``.

    Args:
      a: Array of any dtype.
      n: The length of the result; ``2 * (a.shape[axis] - 1)`` by default. ``a`` is cut or filled
        with zeros to ``n // 2 + 1``.
      axis: The axis that is transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      float32 array with length ``n`` along ``axis``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: A length below 1, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.irfft(mx.array([1.0, 1.0]), n=3)
      array([1, 0, 0], dtype=float32)
    """
    return _one("irfft", a, n, axis, norm, stream, True, "ends")


def hfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str = "backward", stream: Any = None
) -> array:
    """Return the real transform of numbers that mirror themselves, of which ``a`` is one half.

    Args:
      a: Array of any dtype.
      n: The length of the result; ``2 * (a.shape[axis] - 1)`` by default. ``a`` is cut or filled
        with zeros to ``n // 2 + 1``.
      axis: The axis that is transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      float32 array with length ``n`` along ``axis``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: A length below 1, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.hfft(mx.array([1.0, 1.0]), n=3)
      array([3, 0, 0], dtype=float32)
    """
    return _one(
        "hfft",
        call("conj", cast(operand("hfft", a), complex64)),
        n,
        axis,
        norm,
        stream,
        False,
        "ends",
    )


def ihfft(
    a: Any, n: int | None = None, axis: int = -1, norm: str = "backward", stream: Any = None
) -> array:
    """Return one half of the inverse transform of real numbers: the inverse of ``hfft``.

    Args:
      a: Array of any dtype; of complex numbers the real parts are taken.
      n: The length of the transform: ``a`` is cut or filled with zeros; its own by default.
      axis: The axis that is transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with length ``n // 2 + 1`` along ``axis``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: A length below 1, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.ihfft(mx.array([3.0, 0.0, 0.0]))
      array([1+-0j, 1+-0j], dtype=complex64)
    """
    return call_on(stream, "conj", _one("ihfft", a, n, axis, norm, stream, True, "starts"))


def fftn(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the discrete Fourier transform over several axes.

    Args:
      a: Array of any dtype.
      s: The lengths of the transforms: ``a`` is cut or filled with zeros; its own by default.
      axes: The axes that are transformed; None: the last ones that ``s`` gives lengths for,
        or all.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with lengths ``s`` along ``axes``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.fftn(mx.ones((2, 2)))
      array([[4+0j, 0+0j],
             [0+0j, 0+0j]], dtype=complex64)
    """
    return _transformed("fftn", a, s, axes, norm, stream, False)


def ifftn(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the inverse of ``fftn``.

    Args:
      a: Array of any dtype.
      s: The lengths of the transforms: ``a`` is cut or filled with zeros; its own by default.
      axes: The axes that are transformed; None: the last ones that ``s`` gives lengths for,
        or all.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with lengths ``s`` along ``axes``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.ifftn(mx.ones((2, 2)))
      array([[1+0j, 0+0j],
             [0+0j, 0+0j]], dtype=complex64)
    """
    return _transformed("ifftn", a, s, axes, norm, stream, True)


def rfftn(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the transform of real numbers over several axes, half of it on the last one.

    Args:
      a: Array of any dtype; of complex numbers the real parts are taken.
      s: The lengths of the transforms: ``a`` is cut or filled with zeros; its own by default.
      axes: The axes that are transformed, the last one of real numbers; None: the last ones
        that ``s`` gives lengths for, or all.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with lengths ``s`` along ``axes``, half plus one on the last.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.rfftn(mx.ones((2, 4))).shape
      (2, 3)
    """
    return _transformed("rfftn", a, s, axes, norm, stream, False, "starts")


def irfftn(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the inverse of ``rfftn``.

    Args:
      a: Array of any dtype.
      s: The lengths of the result: ``a`` is cut or filled with zeros, on the last axis to half of
        it plus one; its own, and ``2 * (m - 1)`` on the last axis, by default.
      axes: The axes that are transformed, the last one of real numbers; None: the last ones
        that ``s`` gives lengths for, or all.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      float32 array with lengths ``s`` along ``axes``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.irfftn(mx.ones((2, 3))).shape
      (2, 4)
    """
    return _transformed("irfftn", a, s, axes, norm, stream, True, "ends")


def fft2(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the discrete Fourier transform over two axes.

    Args:
      a: Array of any dtype.
      s: The lengths of the transforms: ``a`` is cut or filled with zeros; its own by default.
      axes: The axes that are transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with lengths ``s`` along ``axes``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.fft2(mx.ones((2, 2)))
      array([[4+0j, 0+0j],
             [0+0j, 0+0j]], dtype=complex64)
    """
    return _transformed("fft2", a, s, axes, norm, stream, False)


def ifft2(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the inverse of ``fft2``.

    Args:
      a: Array of any dtype.
      s: The lengths of the transforms: ``a`` is cut or filled with zeros; its own by default.
      axes: The axes that are transformed.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with lengths ``s`` along ``axes``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.ifft2(mx.ones((2, 2)))
      array([[1+0j, 0+0j],
             [0+0j, 0+0j]], dtype=complex64)
    """
    return _transformed("ifft2", a, s, axes, norm, stream, True)


def rfft2(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the transform of real numbers over two axes, half of it on the last one.

    Args:
      a: Array of any dtype; of complex numbers the real parts are taken.
      s: The lengths of the transforms: ``a`` is cut or filled with zeros; its own by default.
      axes: The axes that are transformed, the last one of real numbers.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      complex64 array with lengths ``s`` along ``axes``, half plus one on the last.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.rfft2(mx.ones((2, 4))).shape
      (2, 3)
    """
    return _transformed("rfft2", a, s, axes, norm, stream, False, "starts")


def irfft2(
    a: Any,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: str = "backward",
    stream: Any = None,
) -> array:
    """Return the inverse of ``rfft2``.

    Args:
      a: Array of any dtype.
      s: The lengths of the result: ``a`` is cut or filled with zeros, on the last axis to half of
        it plus one; its own, and ``2 * (m - 1)`` on the last axis, by default.
      axes: The axes that are transformed, the last one of real numbers.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
    Returns:
      float32 array with lengths ``s`` along ``axes``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A length below 1, not one for each axis, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.irfft2(mx.ones((2, 3))).shape
      (2, 4)
    """
    return _transformed("irfft2", a, s, axes, norm, stream, True, "ends")
