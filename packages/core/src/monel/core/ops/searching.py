"""Where elements are that are not zero: nonzero, argwhere, and where with one argument.

How many there are depends on values. Without ``size=`` they are counted first, which evaluates;
with it the result has that length, so that it can be traced.
"""

from __future__ import annotations

from typing import Any, overload

from ..base.avals import check_shape
from ..base.dtypes import Dtype, int32, int64
from ..base.errors import ShapeError, TraceError
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, describe, integer, operand
from ..primitives.compare import Where
from ..primitives.convert import cast
from ..primitives.create import scalar_constant
from ..primitives.operands import as_bool, meeting, to_array
from ..primitives.sort import SearchSorted

__all__ = ["argwhere", "nonzero", "where"]

_WHERE = Where()


def counted(function: str, count: array, size: Any) -> int:
    """Return the length of a result: ``size`` where it is given, else ``count``, evaluated."""
    if size is not None:
        length = integer(function, "size", size)
        if length < 0:
            raise ShapeError(f"{function}: Received negative size {length}")
        check_shape(function, (length,))
        return length
    try:
        return int(count)
    except TraceError:
        raise TraceError(
            f"{function}: the length of the result depends on values, which compile and vmap do "
            "not have; say it with size="
        ) from None


def index_dtype(count: int) -> Dtype:
    """Return the dtype of positions among ``count``."""
    return int32 if count < 2**31 else int64


def places(function: str, flags: Any, size: Any, stream: Any) -> Any:
    """Return the positions of the true elements of a vector, and its length behind the last.

    Positions have no derivative, whatever the flags were made of.
    """
    n = flags.shape[0]
    dtype = index_dtype(n)
    if not n:
        length = counted(function, array(0), size)
        return call_on(stream, "full", shape=(length,), dtype=dtype, value=0)
    seen = cast(call_on(stream, "stop_gradient", flags), dtype, stream)
    seen = call_on(stream, "cumsum", seen, axis=0, reverse=False, inclusive=True)
    length = counted(function, call_on(stream, "select", seen, axis=0, index=n - 1), size)
    wanted = call_on(stream, "iota", shape=(length,), dtype=dtype, axis=0)
    # The first place that has seen more than k true elements holds the k-th.
    return cast(SearchSorted(right=True).bind(seen, wanted, stream=stream), dtype, stream)


def constant(function: str, number: int, like: Any) -> Any:
    """Return an int as a 0-d array of the dtype of ``like``."""
    return wrap(scalar_constant(function, number, like.dtype))


def filled(function: str, found: Any, count: int, values: Any, fill: Any, stream: Any) -> Any:
    """Return ``values`` where ``found``, a position below ``count``, else the scalar ``fill``."""
    rest = to_array(function, fill)
    if rest.size != 1 or rest.ndim:
        raise ShapeError(f"{function}: fill_value must be a scalar, got {describe(rest)}")
    there = call_on(stream, "less", found, constant(function, count, found))
    return _WHERE.bind(there, values, cast(rest, values.dtype, stream), stream=stream)


def _nonzero(function: str, a: Any, size: Any, fill_value: Any, stream: Any) -> tuple[array, ...]:
    x = operand(function, a)
    if not x.ndim:
        raise ShapeError(f"{function}: expected an array with axes, got {describe(x)}")
    flat = call_on(stream, "reshape", as_bool(x, stream), shape=(x.size,))
    found = places(function, flat, size, stream)
    fills = _fills(function, fill_value, x.ndim)
    made = []
    rest = found
    for n, fill in zip(reversed(x.shape), reversed(fills)):
        divisor = constant(function, max(n, 1), found)
        place = call_on(stream, "rem", rest, divisor)
        rest = call_on(stream, "floor_divide", rest, divisor)
        made.append(place if size is None else filled(function, found, x.size, place, fill, stream))
    return tuple(reversed(made))


def _fills(function: str, fill_value: Any, ndim: int) -> tuple[Any, ...]:
    given = fill_value if isinstance(fill_value, tuple | list) else (fill_value,) * ndim
    if len(given) != ndim:
        raise ShapeError(
            f"{function}: fill_value must be one number or {ndim}, one for each axis, got "
            f"{len(given)}"
        )
    return tuple([f if isinstance(f, array) else integer(function, "fill_value", f) for f in given])


def nonzero(
    a: Any, /, *, size: int | None = None, fill_value: Any = 0, stream: Any = None
) -> tuple[array, ...]:
    """Return where the elements of ``a`` are that are not zero: an array of indices for each axis.

    Args:
      a: Array of any dtype with at least one axis.
      size: How many indices to return: the first ones, in the order of the elements. Without it
        all are returned, and ``a`` is evaluated to count them; so within compile and vmap it must
        be given.
      fill_value: What stands behind the last one where ``size`` asks for more: a number, or one
        for each axis.
    Returns:
      Tuple of integer arrays of one length, int32 unless ``a`` is larger than that.
    Raises:
      ShapeError: ``a`` has no axes, or ``size`` is negative.
      TraceError: ``a`` is traced by compile or vmap, and there is no ``size``.
    Example:
      >>> import monel.core as mx
      >>> mx.nonzero(mx.array([[3, 0], [0, 4]]))
      (array([0, 1], dtype=int32), array([0, 1], dtype=int32))
      >>> mx.nonzero(mx.array([0, 5, 6]), size=3, fill_value=-1)
      (array([1, 2, -1], dtype=int32),)

    Source: Python array API standard, ``nonzero``; ``size`` is that of ``jax.numpy.nonzero``.
    """
    return _nonzero("nonzero", a, size, fill_value, stream)


def argwhere(
    a: Any, /, *, size: int | None = None, fill_value: Any = 0, stream: Any = None
) -> array:
    """Return where the elements of ``a`` are that are not zero: a row of indices for each.

    Args:
      a: Array of any dtype with at least one axis.
      size: How many rows to return; without it ``a`` is evaluated to count them.
      fill_value: What stands behind the last one: a number, or one for each axis.
    Returns:
      Integer array of shape (size, a.ndim).
    Raises:
      ShapeError: ``a`` has no axes, or ``size`` is negative.
      TraceError: ``a`` is traced by compile or vmap, and there is no ``size``.
    Example:
      >>> import monel.core as mx
      >>> mx.argwhere(mx.array([[3, 0], [5, 4]]))
      array([[0, 0],
             [1, 0],
             [1, 1]], dtype=int32)
    """
    columns = _nonzero("argwhere", a, size, fill_value, stream)
    columns = tuple([call_on(stream, "expand_dims", c, axes=(1,)) for c in columns])
    return call_on(stream, "concatenate", *columns, axis=1)


@overload
def where(condition: Any, x: Any, y: Any, /, *, stream: Any = None) -> array: ...


@overload
def where(
    condition: Any, /, *, size: int | None = None, fill_value: Any = 0, stream: Any = None
) -> tuple[array, ...]: ...


def where(
    condition: Any,
    x: Any = None,
    y: Any = None,
    /,
    *,
    size: int | None = None,
    fill_value: Any = 0,
    stream: Any = None,
) -> Any:
    """Return ``x`` where ``condition`` holds and ``y`` elsewhere; with neither, where it holds.

    Args:
      condition: Array or scalar; what is not zero holds.
      x: Array or scalar.
      y: Array or scalar; all shapes broadcast, and the dtypes of ``x`` and ``y`` are promoted.
      size: With ``condition`` alone, as in ``nonzero``.
      fill_value: With ``condition`` alone, as in ``nonzero``.
    Returns:
      Array of the common shape and the promoted dtype. With ``condition`` alone a tuple of index
      arrays, ``nonzero(condition)``.
    Raises:
      ValueError: The shapes do not broadcast, an operand is a list or no array at all, or only one
        of ``x`` and ``y`` is given.
      TypeError: ``size`` is given beside ``x`` and ``y``.
    Example:
      >>> import monel.core as mx
      >>> mx.where(mx.array([True, False]), mx.array([1, 2]), 0.5)
      array([1, 0.5], dtype=float32)
      >>> mx.where(mx.array([True, False, True]))
      (array([0, 2], dtype=int32),)
    """
    if x is None and y is None:
        return _nonzero("where", condition, size, fill_value, stream)
    if size is not None:
        raise TypeError("where: size is taken with the condition alone, not with x and y")
    c = as_bool(to_array("where", condition), stream)
    first, second = meeting("where", x, y, stream=stream)
    return _WHERE.bind(c, first, second, stream=stream)
