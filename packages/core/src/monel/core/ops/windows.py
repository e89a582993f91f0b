"""Window functions of signal processing."""

from __future__ import annotations

import math
from typing import Any

from ..base.dtypes import float32
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, integer
from ..primitives.create import Full, Iota, scalar_constant

__all__ = ["bartlett", "blackman", "hamming", "hanning"]


def _points(function: str, m: Any, stream: Any) -> Any:
    """Return 0, 1 ... M - 1 as float32; where M < 2 the window itself, as the second item."""
    count = integer(function, "M", m)
    if count < 2:
        shape = (max(count, 0),)
        return None, Full(shape=shape, dtype=float32, value=1.0).bind(stream=stream)
    return Iota(shape=(count,), dtype=float32, axis=0).bind(stream=stream), None


def _scalar(number: float) -> Any:
    return wrap(scalar_constant("window", number, float32))


def _cosines(function: str, m: Any, weights: tuple[float, ...], stream: Any) -> Any:
    """Return the sum of ``weights[j] * cos(2 pi j n / (M - 1))``."""
    points, trivial = _points(function, m, stream)
    if points is None:
        return trivial
    # From the last weight on, so that the ends of a Blackman window are 0.
    total: Any = _scalar(weights[0])
    for j in range(len(weights) - 1, 0, -1):
        step = 2.0 * math.pi * j / (points.size - 1)
        angle = call_on(stream, "mul", points, _scalar(step))
        term = call_on(stream, "mul", call_on(stream, "cos", angle), _scalar(weights[j]))
        total = call_on(stream, "add", total, term)
    return total


def hamming(M: int, *, stream: Any = None) -> array:
    """Return the Hamming window, ``0.54 - 0.46 cos(2 pi n / (M - 1))``.

    Args:
      M: The number of points.
    Returns:
      float32 array of shape ``(M,)``; empty where ``M`` is less than 1.
    Raises:
      TypeError: ``M`` is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.hamming(3)
      array([0.08, 1, 0.08], dtype=float32)

    Source: Blackman and Tukey, "The Measurement of Power Spectra", 1958.
    """
    return _cosines("hamming", M, (0.54, -0.46), stream)


def hanning(M: int, *, stream: Any = None) -> array:
    """Return the Hann window, ``0.5 - 0.5 cos(2 pi n / (M - 1))``.

    Args:
      M: The number of points.
    Returns:
      float32 array of shape ``(M,)``; empty where ``M`` is less than 1.
    Raises:
      TypeError: ``M`` is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.hanning(3)
      array([0, 1, 0], dtype=float32)

    Source: Blackman and Tukey, "The Measurement of Power Spectra", 1958.
    """
    return _cosines("hanning", M, (0.5, -0.5), stream)


def blackman(M: int, *, stream: Any = None) -> array:
    """Return the Blackman window, ``0.42 - 0.5 cos(t) + 0.08 cos(2 t)``, ``t = 2 pi n / (M - 1)``.

    Args:
      M: The number of points.
    Returns:
      float32 array of shape ``(M,)``; empty where ``M`` is less than 1.
    Raises:
      TypeError: ``M`` is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.blackman(1)
      array([1], dtype=float32)

    Source: Blackman and Tukey, "The Measurement of Power Spectra", 1958.
    """
    return _cosines("blackman", M, (0.42, -0.5, 0.08), stream)


def bartlett(M: int, *, stream: Any = None) -> array:
    """Return the Bartlett (triangular) window, ``1 - |2 n / (M - 1) - 1|``.

    Args:
      M: The number of points.
    Returns:
      float32 array of shape ``(M,)``; empty where ``M`` is less than 1.
    Raises:
      TypeError: ``M`` is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.bartlett(5)
      array([0, 0.5, 1, 0.5, 0], dtype=float32)

    Source: Bartlett, "Periodogram Analysis and Continuous Spectra", 1950.
    """
    points, trivial = _points("bartlett", M, stream)
    if points is None:
        return trivial
    half = _scalar((points.size - 1) / 2.0)
    ramp = call_on(stream, "sub", call_on(stream, "div", points, half), _scalar(1.0))
    return call_on(stream, "sub", _scalar(1.0), call_on(stream, "abs", ramp))
