"""unique: the distinct elements of an array, all of them or as many as the caller says."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base.dtypes import bool_, int32, uint32
from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, describe, flag, operand
from ..primitives.convert import cast
from ..primitives.create import scalar_constant
from ..primitives.indexing import Scatter
from ..primitives.operands import to_array
from ..primitives.shape import Broadcast, Reshape, Select, Slice
from .gathering import take_axis
from .searching import counted

__all__ = ["unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"]


def unique(
    a: Any,
    /,
    size: int | None = None,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    fill_value: Any = None,
    *,
    stream: Any = None,
) -> Any:
    """Return the distinct elements of ``a``, flattened and sorted.

    With ``size`` the length does not depend on the values, so that ``a`` is not computed for it.
    Where there are more distinct elements the smallest are kept; ``inverse`` then names the last
    entry for the others. Each nan is distinct.

    Args:
      a: Array of any dtype.
      size: The length of the result; by default as many as there are, for which ``a`` is evaluated.
        Within compile and vmap it must be given.
      return_index: Also return where in the flattened ``a`` each first occurs (uint32).
      return_inverse: Also return the entry that each element of ``a`` equals (uint32, its shape).
      return_counts: Also return how often each occurs (int32), 0 for entries that are filled.
      fill_value: What stands behind the last distinct element; by default the first one.
    Returns:
      The values, or a tuple of values, index, inverse and counts as asked for.
    Raises:
      ValueError: ``size`` is negative, or ``a`` is empty and there is no ``fill_value``, or
        the dtype of ``a`` cannot hold it.
      TraceError: ``a`` is traced by compile or vmap, and there is no ``size``.
    Example:
      >>> import monel.core as mx
      >>> mx.unique(mx.array([2, 1, 2, 3, 1]))
      array([1, 2, 3], dtype=int32)
      >>> mx.unique(mx.array([2, 1, 2]), 3, return_counts=True, fill_value=0)
      (array([1, 2, 0], dtype=int32), array([1, 2, 0], dtype=int32))
    """
    x = operand("unique", a)
    wanted = (
        flag("unique", "return_index", return_index),
        flag("unique", "return_inverse", return_inverse),
        flag("unique", "return_counts", return_counts),
    )
    return _unique("unique", x, size, wanted, fill_value, stream)


def _unique(
    function: str, x: Any, size: Any, wanted: tuple[bool, bool, bool], fill: Any, stream: Any
) -> Any:
    if not x.size:
        return _of_nothing(function, x, counted(function, array(0), size), fill, wanted)
    return_index, return_inverse, return_counts = wanted
    flat = Reshape(shape=(x.size,)).bind(x, stream=stream)
    order = call_on(stream, "argsort", call_on(stream, "stop_gradient", flat), axis=0)
    ordered = take_axis(flat, order, 0, stream)
    rank = _ranks(call_on(stream, "stop_gradient", ordered), stream)
    number = call_on(stream, "add", Select(0, x.size - 1).bind(rank), _filled((), 1, stream))
    count = counted(function, number, size)
    starts = _starts(rank, count, stream)
    first = _part(starts, 0, count, stream)
    found = call_on(stream, "less", first, _filled((count,), x.size, stream))
    at = call_on(stream, "where", found, first, _filled((count,), 0, stream))
    if fill is None:
        rest = Select(0, 0).bind(ordered, stream=stream)
    else:
        rest = _filler(function, fill, x.dtype, stream)
    values = call_on(stream, "where", found, take_axis(ordered, at, 0, stream), rest)
    made = [values]
    if return_index:
        made.append(take_axis(order, at, 0, stream))
    if return_inverse:
        last = _filled(rank.shape, max(count - 1, 0), stream)
        entry = call_on(stream, "minimum", rank, last)
        entry = Reshape(shape=(x.size, 1)).bind(cast(entry, uint32, stream), stream=stream)
        blank = cast(_filled((x.size,), 0, stream), uint32, stream)
        inverse = Scatter((0,), "set").bind(blank, entry, order, stream=stream)
        made.append(Reshape(shape=x.shape).bind(inverse, stream=stream))
    if return_counts:
        made.append(call_on(stream, "sub", _part(starts, 1, count + 1, stream), first))
    return made[0] if len(made) == 1 else tuple(made)


class UniqueAll(NamedTuple):
    """What ``unique_all`` returns."""

    values: array
    indices: array
    inverse_indices: array
    counts: array


class UniqueCounts(NamedTuple):
    """What ``unique_counts`` returns."""

    values: array
    counts: array


class UniqueInverse(NamedTuple):
    """What ``unique_inverse`` returns."""

    values: array
    inverse_indices: array


def unique_all(
    x: Any, /, *, size: int | None = None, fill_value: Any = None, stream: Any = None
) -> UniqueAll:
    """Return the distinct elements of ``x`` in order, and all that ``unique`` knows of them.

    Args:
      x: Array of any shape and dtype.
      size: The length of values, indices and counts, as in ``unique``.
      fill_value: What stands behind the last value, as in ``unique``.
    Returns:
      Named tuple of ``values``, and int32 ``indices`` of their first occurrence in the flattened
      ``x``, ``inverse_indices`` of the shape of ``x``, and ``counts``.
    Raises:
      ValueError: As ``unique``.
    Example:
      >>> import monel.core as mx
      >>> mx.unique_all(mx.array([5, 3, 5])).inverse_indices
      array([1, 0, 1], dtype=int32)

    Source: Python array API standard, ``unique_all``.
    """
    a = operand("unique_all", x)
    made = _unique("unique_all", a, size, (True, True, True), fill_value, stream)
    values, index, inverse, counts = made
    return UniqueAll(values, cast(index, int32, stream), cast(inverse, int32, stream), counts)


def unique_counts(
    x: Any, /, *, size: int | None = None, fill_value: Any = None, stream: Any = None
) -> UniqueCounts:
    """Return the distinct elements of ``x`` in order, and how often each occurs.

    Args:
      x: Array of any shape and dtype.
      size: The length of the result, as in ``unique``.
      fill_value: What stands behind the last value, as in ``unique``.
    Returns:
      Named tuple of ``values`` and int32 ``counts``.
    Raises:
      ValueError: As ``unique``.
    Example:
      >>> import monel.core as mx
      >>> mx.unique_counts(mx.array([5, 3, 5])).counts
      array([1, 2], dtype=int32)

    Source: Python array API standard, ``unique_counts``.
    """
    a = operand("unique_counts", x)
    made = _unique("unique_counts", a, size, (False, False, True), fill_value, stream)
    return UniqueCounts(*made)


def unique_inverse(
    x: Any, /, *, size: int | None = None, fill_value: Any = None, stream: Any = None
) -> UniqueInverse:
    """Return the distinct elements of ``x`` in order, and which of them each element is.

    Args:
      x: Array of any shape and dtype.
      size: The length of ``values``, as in ``unique``.
      fill_value: What stands behind the last value, as in ``unique``.
    Returns:
      Named tuple of ``values`` and int32 ``inverse_indices`` of the shape of ``x``.
    Raises:
      ValueError: As ``unique``.
    Example:
      >>> import monel.core as mx
      >>> mx.unique_inverse(mx.array([5, 3, 5])).inverse_indices
      array([1, 0, 1], dtype=int32)

    Source: Python array API standard, ``unique_inverse``.
    """
    a = operand("unique_inverse", x)
    made = _unique("unique_inverse", a, size, (False, True, False), fill_value, stream)
    return UniqueInverse(made[0], cast(made[1], int32, stream))


def unique_values(
    x: Any, /, *, size: int | None = None, fill_value: Any = None, stream: Any = None
) -> array:
    """Return the distinct elements of ``x`` in order.

    Args:
      x: Array of any shape and dtype.
      size: The length of the result, as in ``unique``.
      fill_value: What stands behind the last value, as in ``unique``.
    Returns:
      Array of one axis and the dtype of ``x``.
    Raises:
      ValueError: As ``unique``.
    Example:
      >>> import monel.core as mx
      >>> mx.unique_values(mx.array([5, 3, 5]))
      array([3, 5], dtype=int32)

    Source: Python array API standard, ``unique_values``.
    """
    return distinct("unique_values", operand("unique_values", x), size, fill_value, stream)


def distinct(function: str, x: Any, size: Any, fill: Any, stream: Any) -> Any:
    """Return the distinct elements of ``x`` in order; errors name ``function``."""
    return _unique(function, x, size, (False, False, False), fill, stream)


def _filler(function: str, fill_value: Any, dtype: Any, stream: Any = None) -> Any:
    if type(fill_value) is int and dtype.integral:
        return wrap(scalar_constant(function, fill_value, dtype))
    value = to_array(function, fill_value)
    if value.size != 1:
        raise ShapeError(f"{function}: fill_value must have one element, got {describe(value)}")
    one = call_on(stream, "squeeze", value, axes=tuple(range(value.ndim))) if value.ndim else value
    return cast(one, dtype, stream)


def _of_nothing(
    function: str, x: Any, size: int, fill_value: Any, wanted: tuple[bool, bool, bool]
) -> Any:
    if size and fill_value is None:
        raise ShapeError(
            f"{function}: A fill value is required for an empty input with a non-zero size, "
            f"got {describe(x)}"
        )
    value = _filler(function, 0 if fill_value is None else fill_value, x.dtype)
    index, inverse, counts = wanted
    zero = array([0] * size, int32)
    made = [Broadcast(shape=(size,)).bind(value)]
    made += [cast(zero, uint32)] * index + [cast(x, uint32)] * inverse + [zero] * counts
    return made[0] if len(made) == 1 else tuple(made)


def _filled(shape: tuple[int, ...], value: int, stream: Any) -> Any:
    return call_on(stream, "full", shape=shape, dtype=int32, value=value)


def _part(x: Any, start: int, stop: int, stream: Any) -> Any:
    return Slice((start,), (stop,), (1,)).bind(x, stream=stream)


def _ranks(ordered: Any, stream: Any) -> Any:
    """Return, for each element in order, how many distinct ones come before it."""
    n = ordered.size
    before = _part(ordered, 0, n - 1, stream)
    differs = call_on(stream, "not_equal", _part(ordered, 1, n, stream), before)
    head = call_on(stream, "full", shape=(1,), dtype=bool_, value=False)
    steps = call_on(stream, "concatenate", head, differs, axis=0)
    return call_on(
        stream, "cumsum", cast(steps, int32, stream), axis=0, reverse=False, inclusive=True
    )


def _starts(rank: Any, size: int, stream: Any) -> Any:
    """Return where in order each distinct element begins; past the last one, the length."""
    n = rank.size
    places = call_on(stream, "iota", shape=(n,), dtype=int32, axis=0)
    places = Reshape(shape=(n, 1)).bind(places, stream=stream)
    slot = call_on(stream, "minimum", rank, _filled((n,), size, stream))
    return Scatter((0,), "min").bind(_filled((size + 1,), n, stream), places, slot, stream=stream)
