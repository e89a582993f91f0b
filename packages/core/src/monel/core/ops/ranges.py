"""Arrays of counted numbers: arange, linspace, and matrices with ones on a diagonal."""

from __future__ import annotations

import math
import operator
from typing import Any

from ..base import dtypes
from ..base.avals import check_shape
from ..base.dtypes import Dtype, float32
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import (
    call_on,
    dtype_or,
    flag,
    integer,
    number,
    on_device,
    speaking_as,
)
from ..primitives.convert import cast
from ..primitives.create import Iota, scalar_constant
from ..primitives.triangles import grid
from .creation import in_kind

__all__ = ["arange", "eye", "identity", "linspace"]


def arange(
    start: Any = None,
    stop: Any = None,
    step: Any = None,
    dtype: Dtype | None = None,
    *,
    device: Any = None,
    stream: Any = None,
) -> array:
    """Return the numbers from ``start`` to before ``stop`` in increments of ``step``.

    ``arange(stop)`` and ``arange(stop, step=...)`` start at 0.

    Args:
      start: First number; 0 by default.
      stop: End of the half-open interval.
      step: Increment, not 0; 1 by default. What is added is ``dtype(start + step) -
        dtype(start)``, as in NumPy.
      dtype: By default float32 if any argument is a float, else int32, or int64 where an argument
        needs it.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of shape ``(ceil((stop - start) / step),)``.
    Raises:
      ShapeError: ``step`` is 0, or the length can't be computed.
      DTypeError: The numbers or the dtype are bool.
    Example:
      >>> import monel.core as mx
      >>> mx.arange(1, 8, 3)
      array([1, 4, 7], dtype=int32)
    """
    stream = on_device("arange", device, stream)
    if isinstance(step, Dtype) and dtype is None:
        start, stop, step, dtype = None, start, stop, step
    if stop is None:
        start, stop = None, start
    if stop is None:
        raise TypeError("arange: expected stop")
    first = _number("start", 0 if start is None else start)
    last = _number("stop", stop)
    by = _number("step", 1 if step is None else step)
    kind = dtype_or("arange", dtype, _range_dtype(first, last, by))
    if kind is dtypes.bool_:
        raise DTypeError("arange: bool not supported for arange")
    length = _range_length(first, last, by, kind)
    origin = in_kind(first, kind)
    delta = in_kind(first + by, kind) - origin
    made = Iota(shape=(length,), dtype=kind, axis=0).bind(stream=stream)
    if delta != 1:
        made = call_on(stream, "mul", made, _wrapped(delta, kind))
    if origin != 0:
        made = call_on(stream, "add", made, _wrapped(origin, kind))
    return made


def _wrapped(number: Any, dtype: Dtype) -> Any:
    """Return the scalar array ``number``; integers wrap around the range of ``dtype``."""
    if dtype.integral:
        bits = 8 * dtype.size
        number &= (1 << bits) - 1
        if dtype.signed and number >> (bits - 1):
            number -= 1 << bits
    return wrap(scalar_constant("arange", number, dtype))


def _number(name: str, number: Any) -> Any:
    if isinstance(number, bool):
        raise DTypeError("arange: bool not supported for arange")
    if isinstance(number, int | float):
        return number
    if not isinstance(number, array | str | bytes):
        for convert in (operator.index, float):
            try:
                return convert(number)
            except TypeError:
                continue
    raise TypeError(f"arange: {name} must be an int or a float, got {type(number).__name__}")


def _range_dtype(*numbers: int | float) -> Dtype:
    if any(isinstance(n, float) for n in numbers):
        return float32
    return dtypes.int32 if all(-(2**31) <= n < 2**31 for n in numbers) else dtypes.int64


def _range_length(first: Any, last: Any, by: Any, dtype: Dtype) -> int:
    if by == 0:
        raise ShapeError("arange: step must be nonzero")
    if all(isinstance(n, int) for n in (first, last, by)):
        length = -int((first - last) // by)
    else:
        exact = (last - first) / by
        if not math.isfinite(exact):
            raise ShapeError(f"arange: Cannot compute length from {first} to {last} by {by}")
        length = math.ceil(exact)
    length = max(0, length)
    if length * dtype.size >= 2**63:
        raise ShapeError(f"arange: Maximum size exceeded: {length} numbers from {first} to {last}")
    return length


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Dtype | None = float32,
    stream: Any = None,
    *,
    device: Any = None,
) -> array:
    """Return ``num`` evenly spaced numbers from ``start`` to ``stop``.

    Args:
      start: First number.
      stop: Last number, or the end of the half-open interval.
      num: How many numbers.
      endpoint: Whether ``stop`` is the last number.
      dtype: The dtype of the result; float32 by default and for None.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of shape ``(num,)``.
    Raises:
      ShapeError: ``num`` is negative.
      TypeError: ``endpoint`` is no bool.
    Example:
      >>> import monel.core as mx
      >>> mx.linspace(0, 1, 5)
      array([0, 0.25, 0.5, 0.75, 1], dtype=float32)
    """
    stream = on_device("linspace", device, stream)
    count = integer("linspace", "num", num)
    if count < 0:
        raise ShapeError(f"linspace: number of samples, {count}, must be non-negative")
    kind = dtype_or("linspace", dtype, float32)
    check_shape("linspace", (count,), 8)
    wide = dtypes.float64 if kind is dtypes.float64 else float32
    first, last = _filled_scalar(start, wide), _filled_scalar(stop, wide)
    parts = max(count - 1 if flag("linspace", "endpoint", endpoint) else count, 1)
    place = Iota(shape=(count,), dtype=wide, axis=0).bind(stream=stream)
    t = call_on(stream, "div", place, _filled_scalar(parts, wide))
    rest = call_on(stream, "sub", _filled_scalar(1, wide), t)
    made = call_on(
        stream, "add", call_on(stream, "mul", rest, first), call_on(stream, "mul", t, last)
    )
    return cast(made, kind, stream)


def _filled_scalar(given: Any, dtype: Dtype) -> Any:
    return wrap(scalar_constant("linspace", number("linspace", "number", given), dtype))


def eye(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = float32,
    *,
    device: Any = None,
    stream: Any = None,
) -> array:
    """Return ones on a diagonal and zeros elsewhere.

    Args:
      n: The number of rows.
      m: The number of columns; ``n`` by default.
      k: The diagonal: positive above the main one, negative below.
      dtype: The dtype of the result; float32 by default and for None.
      device: Where to make it, as the array API standard says it; instead of ``stream``.
    Returns:
      Array of shape ``(n, m)``.
    Raises:
      ShapeError: ``n`` or ``m`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.eye(2, 3, k=1)
      array([[0, 1, 0],
             [0, 0, 1]], dtype=float32)
    """
    stream = on_device("eye", device, stream)
    rows = integer("eye", "n", n)
    columns = rows if m is None else integer("eye", "m", m)
    if rows < 0 or columns < 0:
        raise ShapeError(f"eye: N and M must be positive integers, got {rows} and {columns}")
    kind = dtype_or("eye", dtype, float32)
    check_shape("eye", (rows, columns), 8)
    return cast(grid("equal", rows, columns, integer("eye", "k", k), stream), kind, stream)


def identity(n: int, dtype: Dtype | None = float32, *, stream: Any = None) -> array:
    """Return the identity matrix of ``n`` rows.

    Args:
      n: The number of rows and columns.
      dtype: The dtype of the result; float32 by default and for None.
    Returns:
      Array of shape ``(n, n)``.
    Raises:
      ShapeError: ``n`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.identity(2)
      array([[1, 0],
             [0, 1]], dtype=float32)
    """
    with speaking_as("identity"):
        return eye(n, dtype=dtype, stream=stream)
