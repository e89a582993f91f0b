"""Where frequencies stand in a transform: what they are, and which comes first."""

from __future__ import annotations

from typing import Any

from ..base import dtypes
from ..base.dtypes import Dtype, float32
from ..base.errors import ShapeError
from ..graph.handle import array
from ..graph.primitive import call
from ..primitives.arguments import (
    canonical_axis,
    dtype_or,
    integer,
    integer_or_integers,
    number,
    on_stream,
    operand,
)
from ..primitives.convert import cast
from ..primitives.create import Iota
from ..primitives.kinds import scalar_like
from .joining import roll

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def fftshift(a: Any, axes: Any = None, stream: Any = None) -> array:
    """Return ``a`` with frequency zero moved from the front of each axis to its middle.

    Args:
      a: Array of any dtype.
      axes: An axis or several; all by default.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      AxisError: An axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.fftshift(mx.array([0, 1, 2, -2, -1]))
      array([-2, -1, 0, 1, 2], dtype=int32)
    """
    return _shifted("fftshift", a, axes, stream, lambda n: n // 2)


def ifftshift(a: Any, axes: Any = None, stream: Any = None) -> array:
    """Return ``a`` with frequency zero moved from the middle of each axis to its front.

    Args:
      a: Array of any dtype.
      axes: An axis or several; all by default.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      AxisError: An axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.ifftshift(mx.array([-2, -1, 0, 1, 2]))
      array([0, 1, 2, -2, -1], dtype=int32)
    """
    return _shifted("ifftshift", a, axes, stream, lambda n: -(n // 2))


def _shifted(function: str, a: Any, axes: Any, stream: Any, by: Any) -> Any:
    x = operand(function, a)
    if axes is None:
        places = tuple(range(x.ndim))
    else:
        given = integer_or_integers(function, "axes", axes)
        places = tuple([canonical_axis(function, axis, x) for axis in given])
    return roll(x, [by(x.shape[place]) for place in places], list(places), stream=stream)


def fftfreq(
    n: int, d: float = 1.0, stream: Any = None, *, dtype: Dtype | None = None, device: Any = None
) -> array:
    """Return the frequencies of the entries of a transform of length ``n``.

    Args:
      n: The length.
      d: The distance between samples.
      dtype: A floating dtype; float32 by default.
      device: Where the array is made, in the words of the array API standard.
    Returns:
      Array of shape (n,): 0, 1, ... then the negative ones from the lowest on, over ``n * d``.
    Raises:
      ShapeError: ``n`` is below 1 or ``d`` is 0.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.fftfreq(4)
      array([0, 0.25, -0.5, -0.25], dtype=float32)
    """
    count, kind, spacing = _frequencies("fftfreq", n, d, dtype)
    with on_stream(device if stream is None else stream):
        place = Iota(shape=(count,), dtype=dtypes.int64, axis=0).bind()
        low = call("less", place, scalar_like((count + 1) // 2, place))
        place = call("where", low, place, call("sub", place, scalar_like(count, place)))
        place = cast(place, kind)
        return call("div", place, scalar_like(count * spacing, place))


def rfftfreq(
    n: int, d: float = 1.0, stream: Any = None, *, dtype: Dtype | None = None, device: Any = None
) -> array:
    """Return the frequencies of the entries of ``rfft`` of length ``n``.

    Args:
      n: The length of the real numbers.
      d: The distance between samples.
      dtype: A floating dtype; float32 by default.
      device: Where the array is made, in the words of the array API standard.
    Returns:
      Array of shape (n // 2 + 1,): 0, 1, ... over ``n * d``.
    Raises:
      ShapeError: ``n`` is below 1 or ``d`` is 0.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.rfftfreq(4)
      array([0, 0.25, 0.5], dtype=float32)
    """
    count, kind, spacing = _frequencies("rfftfreq", n, d, dtype)
    with on_stream(device if stream is None else stream):
        place = Iota(shape=(count // 2 + 1,), dtype=kind, axis=0).bind()
        return call("div", place, scalar_like(count * spacing, place))


def _frequencies(function: str, n: Any, d: Any, dtype: Any) -> tuple[int, Dtype, float]:
    count, spacing = integer(function, "n", n), number(function, "d", d)
    kind = dtype_or(function, dtype, float32)
    if count < 1:
        raise ShapeError(f"{function}: `n` must be greater than 0, got {count}")
    if not spacing:
        raise ShapeError(f"{function}: `d` must be non-zero")
    if not kind.floating:
        raise ShapeError(f"{function}: dtype must be floating, got {kind.name}")
    return count, kind, spacing
