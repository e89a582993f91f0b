"""Arrays from shapes and numbers: zeros, ones, full, arange, linspace, eye, windows."""

from __future__ import annotations

import math
import operator
from typing import Any

from ..base import dtypes
from ..base.avals import check_shape
from ..base.dtypes import Dtype, float32
from ..base.errors import DTypeError, ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..primitives.arguments import (
    call_on,
    dtype_or,
    integer,
    operand,
    shape_of,
    stays_open,
)
from ..primitives.convert import cast
from ..primitives.create import Full, Iota, scalar_constant
from ..primitives.kinds import broadcast_like
from ..primitives.operands import to_array
from ..primitives.shape import Broadcast

__all__ = [
    "arange",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def zeros(shape: Any, dtype: Dtype | None = float32, *, stream: Any = None) -> Any:
    """Return an array of zeros.

    Args:
      shape: An int or a sequence of ints.
      dtype: The dtype of the result; float32 by default and for None.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.zeros((2, 2), mx.int32)
      array([[0, 0],
             [0, 0]], dtype=int32)
    """
    kind = dtype_or("zeros", dtype, float32)
    return _filled("zeros", shape_of("zeros", shape), kind, 0, stream)


def ones(shape: Any, dtype: Dtype | None = float32, *, stream: Any = None) -> Any:
    """Return an array of ones.

    Args:
      shape: An int or a sequence of ints.
      dtype: The dtype of the result; float32 by default and for None.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.ones(3)
      array([1, 1, 1], dtype=float32)
    """
    kind = dtype_or("ones", dtype, float32)
    return _filled("ones", shape_of("ones", shape), kind, 1, stream)


def full(shape: Any, vals: Any, dtype: Dtype | None = None, *, stream: Any = None) -> Any:
    """Return an array filled with ``vals``.

    Args:
      shape: An int or a sequence of ints.
      vals: A scalar, or an array that broadcasts to ``shape``.
      dtype: The dtype of the result; that of ``vals`` by default.
    Returns:
      Array of ``shape``.
    Raises:
      ShapeError: A dimension is negative, or ``vals`` does not broadcast to ``shape``.
      DTypeError: An int does not fit ``dtype``.
    Example:
      >>> import monel.core as mx
      >>> mx.full((2, 2), 7)
      array([[7, 7],
             [7, 7]], dtype=int32)
    """
    return _full("full", shape_of("full", shape), vals, dtype, stream)


def _full(function: str, shape: tuple[int, ...], vals: Any, dtype: Any, stream: Any) -> Any:
    if isinstance(vals, bool | int | float | complex) and not hasattr(vals, "__array__"):
        kind = dtype_or(function, dtype, dtypes.scalar_dtype(vals))
        return _filled(function, shape, kind, vals, stream)
    x = to_array(function, vals)
    x = cast(x, dtype_or(function, dtype, x.dtype), stream)
    return x if x.shape == shape else Broadcast(shape=shape).bind(x, stream=stream)


def _filled(function: str, shape: tuple[int, ...], dtype: Dtype, number: Any, stream: Any) -> Any:
    """Return ``number`` everywhere, converted here so that no backend has to."""
    check_shape(function, shape, dtype.size)
    if dtype.integral:
        if isinstance(number, int):
            scalar_constant(function, int(number), dtype)  # refuses what does not fit
        elif not _fits(number, dtype):
            # C's rules for what is out of range are those of cast.
            x = cast(wrap(scalar_constant(function, number, float32)), dtype, stream)
            return Broadcast(shape=shape).bind(x, stream=stream)
    made = Full(shape=shape, dtype=dtype, value=_python(number, dtype))
    return made.bind(stream=stream)


def _fits(number: Any, dtype: Dtype) -> bool:
    limits = dtypes.iinfo(dtype)
    real = complex(number).real
    return math.isfinite(real) and limits.min <= real <= limits.max


def _python(number: Any, dtype: Dtype) -> Any:
    """Return ``number`` as the Python type that goes with ``dtype``."""
    if dtype is dtypes.bool_:
        return bool(number)
    if dtype is dtypes.complex64:
        return complex(number)
    if isinstance(number, complex):
        number = number.real
    return int(number) if dtype.integral else float(number)


def _like(function: str, a: Any, number: Any, dtype: Any, stream: Any) -> Any:
    x = operand(function, a)
    kind = dtype_or(function, dtype, x.dtype)
    if stays_open(x):
        return broadcast_like(wrap(graph.slots.scalar(function, number, kind)), x)
    return _filled(function, x.shape, kind, number, stream)


def zeros_like(a: Any, /, dtype: Dtype | None = None, *, stream: Any = None) -> Any:
    """Return zeros of the shape of ``a``.

    Args:
      a: Array that lends its shape.
      dtype: The dtype of the result; that of ``a`` by default.
    Returns:
      Array of the shape of ``a``.
    Example:
      >>> import monel.core as mx
      >>> mx.zeros_like(mx.array([1, 2]))
      array([0, 0], dtype=int32)
    """
    return _like("zeros_like", a, 0, dtype, stream)


def ones_like(a: Any, /, dtype: Dtype | None = None, *, stream: Any = None) -> Any:
    """Return ones of the shape of ``a``.

    Args:
      a: Array that lends its shape.
      dtype: The dtype of the result; that of ``a`` by default.
    Returns:
      Array of the shape of ``a``.
    Example:
      >>> import monel.core as mx
      >>> mx.ones_like(mx.array([1, 2]))
      array([1, 1], dtype=int32)
    """
    return _like("ones_like", a, 1, dtype, stream)


def full_like(a: Any, vals: Any, dtype: Dtype | None = None, *, stream: Any = None) -> Any:
    """Return an array of the shape of ``a`` filled with ``vals``.

    Args:
      a: Array that lends its shape.
      vals: A scalar, or an array that broadcasts to the shape of ``a``.
      dtype: The dtype of the result; that of ``a`` by default.
    Returns:
      Array of the shape of ``a``.
    Raises:
      ShapeError: ``vals`` does not broadcast to the shape of ``a``.
      DTypeError: An int does not fit the dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.full_like(mx.array([1, 2]), 5)
      array([5, 5], dtype=int32)
    """
    x = operand("full_like", a)
    kind = dtype_or("full_like", dtype, x.dtype)
    if stays_open(x):
        return broadcast_like(cast(to_array("full_like", vals), kind, stream), x)
    return _full("full_like", x.shape, vals, kind, stream)


def arange(
    start: Any = None,
    stop: Any = None,
    step: Any = None,
    dtype: Dtype | None = None,
    *,
    stream: Any = None,
) -> Any:
    """Return the numbers from ``start`` to before ``stop`` in increments of ``step``.

    ``arange(stop)`` and ``arange(stop, step=...)`` start at 0.

    Args:
      start: First number; 0 by default.
      stop: End of the half-open interval.
      step: Increment, not 0; 1 by default. What is added is ``dtype(start + step) -
        dtype(start)``, as in NumPy.
      dtype: By default float32 if any argument is a float, else int32, or int64 where an argument
        needs it.
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
    origin = _python(first, kind)
    delta = _python(first + by, kind) - origin
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


def _number(name: str, number: Any) -> int | float:
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
        length = -((first - last) // by)
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
) -> Any:
    """Return ``num`` evenly spaced numbers from ``start`` to ``stop``.

    Args:
      start: First number.
      stop: Last number, or the end of the half-open interval.
      num: How many numbers.
      endpoint: Whether ``stop`` is the last number.
      dtype: The dtype of the result; float32 by default and for None.
    Returns:
      Array of shape ``(num,)``.
    Raises:
      ShapeError: ``num`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.linspace(0, 1, 5)
      array([0, 0.25, 0.5, 0.75, 1], dtype=float32)
    """
    count = integer("linspace", "num", num)
    if count < 0:
        raise ShapeError(f"linspace: number of samples, {count}, must be non-negative")
    kind = dtype_or("linspace", dtype, float32)
    wide = dtypes.float64 if kind is dtypes.float64 else float32
    first, last = _filled_scalar(start, wide), _filled_scalar(stop, wide)
    parts = max(count - 1 if endpoint else count, 1)
    place = Iota(shape=(count,), dtype=wide, axis=0).bind(stream=stream)
    t = call_on(stream, "div", place, _filled_scalar(parts, wide))
    rest = call_on(stream, "sub", _filled_scalar(1, wide), t)
    made = call_on(
        stream, "add", call_on(stream, "mul", rest, first), call_on(stream, "mul", t, last)
    )
    return cast(made, kind, stream)


def _filled_scalar(number: Any, dtype: Dtype) -> Any:
    return wrap(scalar_constant("linspace", float(number), dtype))


def eye(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = float32,
    *,
    stream: Any = None,
) -> Any:
    """Return ones on a diagonal and zeros elsewhere.

    Args:
      n: The number of rows.
      m: The number of columns; ``n`` by default.
      k: The diagonal: positive above the main one, negative below.
      dtype: The dtype of the result; float32 by default and for None.
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
    rows = integer("eye", "n", n)
    columns = rows if m is None else integer("eye", "m", m)
    if rows < 0 or columns < 0:
        raise ShapeError(f"eye: N and M must be positive integers, got {rows} and {columns}")
    kind = dtype_or("eye", dtype, float32)
    return cast(grid("equal", rows, columns, integer("eye", "k", k), stream), kind, stream)


def grid(comparison: str, rows: int, columns: int, k: int, stream: Any) -> Any:
    """Return the bool matrix of ``comparison(column, row + k)``."""
    row = Iota(shape=(rows, 1), dtype=dtypes.int64, axis=0).bind(stream=stream)
    column = Iota(shape=(1, columns), dtype=dtypes.int64, axis=1).bind(stream=stream)
    if k:
        row = call_on(stream, "add", row, wrap(scalar_constant("eye", k, dtypes.int64)))
    return call_on(stream, comparison, column, row)


def identity(n: int, dtype: Dtype | None = float32, *, stream: Any = None) -> Any:
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
    return eye(n, dtype=dtype, stream=stream)
