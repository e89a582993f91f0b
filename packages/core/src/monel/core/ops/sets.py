"""unique: the distinct elements of an array, as many as the caller says."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import bool_, int32, uint32
from ..base.errors import ShapeError
from ..graph.handle import array
from ..primitives.arguments import call_on, describe, flag, integer, operand
from ..primitives.convert import cast
from ..primitives.indexing import Scatter
from ..primitives.operands import to_array
from ..primitives.shape import Broadcast, Reshape, Select, Slice
from .gathering import take_axis

__all__ = ["unique"]


def unique(
    a: Any,
    /,
    size: int,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    fill_value: Any = None,
    *,
    stream: Any = None,
) -> Any:
    """Return the distinct elements of ``a``, flattened and sorted, in an array of length ``size``.

    The length does not depend on the values, so ``a`` is not computed for it. Where there are more
    distinct elements the smallest are kept; ``inverse`` then names the last entry for the others.

    Args:
      a: Array of any dtype.
      size: The length of the result.
      return_index: Also return where in the flattened ``a`` each first occurs (uint32).
      return_inverse: Also return the entry that each element of ``a`` equals (uint32, its shape).
      return_counts: Also return how often each occurs (int32), 0 for entries that are filled.
      fill_value: What stands behind the last distinct element; by default the first one.
    Returns:
      The values, or a tuple of values, index, inverse and counts as asked for.
    Raises:
      ValueError: ``size`` is negative, or ``a`` is empty and there is no ``fill_value``.
    Example:
      >>> import monel.core as mx
      >>> mx.unique(mx.array([2, 1, 2, 3, 1]), 3)
      array([1, 2, 3], dtype=int32)
    """
    x = operand("unique", a)
    count = integer("unique", "size", size)
    if count < 0:
        raise ShapeError(f"unique: Received negative size {count}")
    return_index = flag("unique", "return_index", return_index)
    return_inverse = flag("unique", "return_inverse", return_inverse)
    return_counts = flag("unique", "return_counts", return_counts)
    if not x.size:
        return _of_nothing(x, count, fill_value, (return_index, return_inverse, return_counts))
    flat = Reshape(shape=(x.size,)).bind(x, stream=stream)
    order = call_on(stream, "argsort", flat, axis=0)
    ordered = take_axis(flat, order, 0, stream)
    rank = _ranks(ordered, stream)
    starts = _starts(rank, count, stream)
    first = _part(starts, 0, count, stream)
    found = call_on(stream, "less", first, _filled((count,), x.size, stream))
    at = call_on(stream, "where", found, first, _filled((count,), 0, stream))
    if fill_value is None:
        rest = Select(0, 0).bind(ordered, stream=stream)
    else:
        rest = _filler(fill_value, x.dtype, stream)
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


def _filler(fill_value: Any, dtype: Any, stream: Any = None) -> Any:
    value = to_array("unique", fill_value)
    if value.size != 1:
        raise ShapeError(f"unique: fill_value must have one element, got {describe(value)}")
    one = call_on(stream, "squeeze", value, axes=tuple(range(value.ndim))) if value.ndim else value
    return cast(one, dtype, stream)


def _of_nothing(x: Any, size: int, fill_value: Any, wanted: tuple[bool, bool, bool]) -> Any:
    if size and fill_value is None:
        raise ShapeError(
            f"unique: A fill value is required for an empty input with a non-zero size, "
            f"got {describe(x)}"
        )
    value = _filler(0 if fill_value is None else fill_value, x.dtype)
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
