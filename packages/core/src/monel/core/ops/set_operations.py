"""Arrays as sets: membership, and what two have in common, apart, or together."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import bool_, promote_all
from ..graph.handle import array
from ..primitives.arguments import call_on, flag, operand
from ..primitives.convert import cast
from ..primitives.operands import meeting
from ..primitives.sort import SearchSorted
from .creation import zeros_like
from .gathering import take_axis
from .searching import constant, filled, index_dtype, places
from .sets import distinct

__all__ = ["intersect1d", "isin", "setdiff1d", "setxor1d", "union1d"]


def isin(
    elements: Any, test_elements: Any, /, *, invert: bool = False, stream: Any = None
) -> array:
    """Return for each of ``elements`` whether it is among ``test_elements``.

    Args:
      elements: Array or scalar of any shape.
      test_elements: Array or scalar of any shape; the dtypes are promoted. nan is among nothing.
      invert: Return whether it is not.
    Returns:
      bool array of the shape of ``elements``.
    Raises:
      ValueError: An operand is a list or no array at all.
      TypeError: ``invert`` is no bool.
    Example:
      >>> import monel.core as mx
      >>> mx.isin(mx.array([1, 2, 3]), mx.array([3, 1]))
      array([True, False, True], dtype=bool)

    Source: Python array API standard, ``isin``.
    """
    x, tests = meeting("isin", elements, test_elements, stream=stream)
    found = _member(x, _sorted(tests, stream), stream)
    return call_on(stream, "logical_not", found) if flag("isin", "invert", invert) else found


def _flat(x: Any, stream: Any) -> Any:
    return call_on(stream, "reshape", x, shape=(x.size,))


def _sorted(x: Any, stream: Any) -> Any:
    return call_on(stream, "sort", _flat(x, stream), axis=0)


def _member(x: Any, ordered: Any, stream: Any) -> Any:
    """Return whether the elements of ``x`` are in a sorted vector of its dtype."""
    if not ordered.size:
        return call_on(stream, "full", shape=x.shape, dtype=bool_, value=False)
    return call_on(stream, "equal", _taken("isin", ordered, _first(ordered, x, stream), stream), x)


def _first(ordered: Any, x: Any, stream: Any) -> Any:
    """Return where in a sorted vector the elements of ``x`` come first, or would."""
    fixed = [call_on(stream, "stop_gradient", each) for each in (ordered, x)]
    found = SearchSorted(right=False).bind(*fixed, stream=stream)
    return cast(found, index_dtype(ordered.size), stream)


def _firsts(ordered: Any, stream: Any) -> Any:
    """Return whether each element of a sorted vector differs from the one before it."""
    n = ordered.size
    head = call_on(stream, "full", shape=(min(n, 1),), dtype=bool_, value=True)
    if n < 2:
        return head
    before, after = (
        call_on(stream, "slice", ordered, start=(i,), stop=(n - 1 + i,), step=(1,)) for i in (0, 1)
    )
    return call_on(stream, "concatenate", head, call_on(stream, "not_equal", after, before), axis=0)


def _pair(function: str, ar1: Any, ar2: Any, stream: Any) -> list[Any]:
    given = [operand(function, x) for x in (ar1, ar2)]
    dtype = promote_all([x.dtype for x in given])
    return [_flat(cast(x, dtype, stream), stream) for x in given]


def _kept(function: str, x: Any, keep: Any, size: Any, fill: Any, stream: Any) -> tuple[Any, Any]:
    """Return the elements of a vector that are kept, and where they are."""
    found = places(function, keep, size, stream)
    values = _taken(function, x, found, stream)
    return (
        values if size is None else filled(function, found, x.size, values, fill, stream)
    ), found


def _taken(function: str, x: Any, places: Any, stream: Any) -> Any:
    """Return the elements of a vector at ``places``, the last one for those behind it."""
    if not x.size:
        return zeros_like(places, x.dtype, stream=stream)
    inside = call_on(stream, "minimum", places, constant(function, x.size - 1, places))
    return take_axis(x, inside, 0, stream)


def union1d(
    ar1: Any, ar2: Any, /, *, size: int | None = None, fill_value: Any = None, stream: Any = None
) -> array:
    """Return the distinct elements of two arrays together, in order.

    Args:
      ar1: Array of any shape and dtype.
      ar2: Array of any shape; the dtypes are promoted.
      size: The length of the result, as in ``unique``; must be given within compile and vmap.
      fill_value: What stands behind the last value; by default the first one.
    Raises:
      ValueError: ``size`` is negative, or an operand is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.union1d(mx.array([3, 1]), mx.array([1, 2]))
      array([1, 2, 3], dtype=int32)
    """
    both = call_on(stream, "concatenate", *_pair("union1d", ar1, ar2, stream), axis=0)
    return distinct("union1d", both, size, fill_value, stream)


def setdiff1d(
    ar1: Any, ar2: Any, /, *, size: int | None = None, fill_value: Any = 0, stream: Any = None
) -> array:
    """Return the distinct elements of ``ar1`` that are not in ``ar2``, in order.

    Args:
      ar1: Array of any shape and dtype.
      ar2: Array of any shape; the dtypes are promoted.
      size: The length of the result, as in ``nonzero``; must be given within compile and vmap.
      fill_value: What stands behind the last value.
    Raises:
      ValueError: ``size`` is negative, or an operand is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.setdiff1d(mx.array([3, 1, 3]), mx.array([1, 2]))
      array([3], dtype=int32)
    """
    name = "setdiff1d"
    x, other = _pair(name, ar1, ar2, stream)
    x = _sorted(x, stream)
    apart = call_on(stream, "logical_not", _member(x, _sorted(other, stream), stream))
    keep = call_on(stream, "logical_and", apart, _firsts(x, stream))
    return _kept(name, x, keep, size, fill_value, stream)[0]


def setxor1d(
    ar1: Any, ar2: Any, /, *, size: int | None = None, fill_value: Any = 0, stream: Any = None
) -> array:
    """Return the distinct elements that are in one of two arrays only, in order.

    Args:
      ar1: Array of any shape and dtype.
      ar2: Array of any shape; the dtypes are promoted.
      size: The length of the result, as in ``nonzero``; must be given within compile and vmap.
      fill_value: What stands behind the last value.
    Raises:
      ValueError: ``size`` is negative, or an operand is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.setxor1d(mx.array([3, 1, 3]), mx.array([1, 2]))
      array([2, 3], dtype=int32)
    """
    name = "setxor1d"
    pair = _pair(name, ar1, ar2, stream)
    both = _sorted(call_on(stream, "concatenate", *pair, axis=0), stream)
    one, other = (_member(both, _sorted(x, stream), stream) for x in pair)
    alone = call_on(stream, "not_equal", one, other)
    # nan is among nothing, not even among itself: each is alone.
    alone = call_on(stream, "logical_or", alone, call_on(stream, "not_equal", both, both))
    keep = call_on(stream, "logical_and", alone, _firsts(both, stream))
    return _kept(name, both, keep, size, fill_value, stream)[0]


def intersect1d(
    ar1: Any,
    ar2: Any,
    /,
    *,
    return_indices: bool = False,
    size: int | None = None,
    fill_value: Any = 0,
    stream: Any = None,
) -> Any:
    """Return the distinct elements that are in both of two arrays, in order.

    Args:
      ar1: Array of any shape and dtype.
      ar2: Array of any shape; the dtypes are promoted.
      return_indices: Also return where each first occurs in the two flattened arrays (int32);
        0 for values that are filled.
      size: The length of the result, as in ``nonzero``; must be given within compile and vmap.
      fill_value: What stands behind the last value.
    Returns:
      The values, or a tuple of them and two arrays of indices.
    Raises:
      ValueError: ``size`` is negative, or an operand is no array.
      TypeError: ``return_indices`` is no bool.
    Example:
      >>> import monel.core as mx
      >>> mx.intersect1d(mx.array([3, 1, 3]), mx.array([3, 2]), return_indices=True)
      (array([3], dtype=int32), array([0], dtype=int32), array([0], dtype=int32))
    """
    name = "intersect1d"
    indices = flag(name, "return_indices", return_indices)
    pair = _pair(name, ar1, ar2, stream)
    fixed = [call_on(stream, "stop_gradient", x) for x in pair]
    orders = [call_on(stream, "argsort", x, axis=0) for x in fixed]
    x, other = (take_axis(x, order, 0, stream) for x, order in zip(pair, orders))
    keep = call_on(stream, "logical_and", _member(x, other, stream), _firsts(x, stream))
    values, place = _kept(name, x, keep, size, fill_value, stream)
    if not indices:
        return values
    each = (place, _first(other, values, stream))
    inside = call_on(stream, "less", place, constant(name, x.size, place))
    zero = zeros_like(place, stream=stream)
    found = [_taken(name, order, at, stream) for order, at in zip(orders, each)]
    found = [call_on(stream, "where", inside, cast(f, zero.dtype, stream), zero) for f in found]
    return values, *found
