"""Indexing: what ``a[...]``, ``a[...] = b`` and ``a.at[...]`` record."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..base import dtypes
from ..base.errors import DTypeError, ShapeError
from ..graph import handle
from ..graph import value as graph
from ..graph.handle import ArrayIterator, array, record_view, select, wrap
from ..graph.primitive import call
from ..primitives.convert import cast
from ..primitives.indexing import INDEX_DTYPES, Gather
from ..primitives.shape import Broadcast, ExpandDims, Select, Slice, Squeeze
from ..primitives.update import SliceUpdate
from .selection import ALL, Mask, Selection, bounds, check_static, entries_of, fit

__all__ = ["ArrayAt", "ArrayIterator"]


def getitem(a: Any, index: Any) -> Any:
    """Return ``a[index]``."""
    if type(index) is array and index.dtype.name in INDEX_DTYPES and a.value.shape:
        shape = a.value.shape
        rows = Gather((0,), (1, *shape[1:]), "array index").bind(a, index)
        return Squeeze(axes=(index.ndim,)).bind(rows)
    found = basic(a, index if type(index) is tuple else (index,))
    if found is None:
        found = Selection(a, entries_of(a, index)).read(a)
    return wrap(a.value) if found is a else found


class Plan(NamedTuple):
    """A slice of an array and the axes that ints remove from it."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]
    shape: tuple[int, ...]
    drop: tuple[int, ...]
    sliced: bool


def planned(shape: tuple[int, ...], items: tuple[Any, ...]) -> Plan | None:
    """Return the plan of an index of ints and slices only, else None.

    What ``Selection`` would find, too, by the shortest way: these are met most.
    """
    if len(items) > len(shape):
        return None
    start, stop, step = [0] * len(shape), list(shape), [1] * len(shape)
    result = list(shape)
    drop: list[int] = []
    sliced = False
    for axis, item in enumerate(items):
        n = shape[axis]
        if type(item) is int:
            index = check_static(item, axis, n)
            start[axis], stop[axis], result[axis] = index, index + 1, 1
            drop.append(axis)
        elif type(item) is slice:
            if item.start is None and item.stop is None and item.step is None:
                continue
            first, last, by = bounds(item, n)
            if first or last != n or by != 1:
                start[axis], stop[axis], step[axis] = first, last, by
                result[axis] = len(range(first, last, by))
                sliced = True
        else:
            return None
    return Plan(tuple(start), tuple(stop), tuple(step), tuple(result), tuple(drop), sliced)


def basic(a: Any, items: tuple[Any, ...]) -> Any:
    """Return the elements at ``items`` where these are ints and slices only, else None."""
    plan = planned(a.value.shape, items)
    if plan is None:
        return None
    if not plan.sliced and len(plan.drop) <= 2:
        for axis in reversed(plan.drop):
            a = select(a, axis, plan.start[axis])
        return a
    made = record_view(
        Slice(plan.start, plan.stop, plan.step), a.value, plan.shape, math.prod(plan.shape)
    )
    return Squeeze(axes=plan.drop).bind(made) if plan.drop else made


def basic_write(a: Any, plan: Plan, update: Any) -> Any:
    """Return ``a`` with ``update`` in place of the elements of a plan."""
    if update.value.shape:
        selected = tuple([n for axis, n in enumerate(plan.shape) if axis not in plan.drop])
        update = fit(update, selected)
        if plan.drop:
            update = ExpandDims(axes=plan.drop).bind(update)
    elif plan.shape:
        update = Broadcast(shape=plan.shape).bind(update)
    if not plan.drop and not plan.sliced:
        # Memory of its own: what was written may be shared, and NumPy may write into the array.
        return call("copy", update)
    return SliceUpdate(plan.start, plan.stop, plan.step).bind(a, update)


def update_of(a: Any, update: Any) -> Any:
    """Return what is written into ``a`` as an array of its dtype."""
    if type(update) is array:
        return cast(update, a.dtype)
    if isinstance(update, bool | int | float):
        return cast(wrap(graph.slots.scalar("array update", update, a.dtype)), a.dtype)
    if update is None:
        raise TypeError("array update: expected an array or a scalar, got None")
    if isinstance(update, list | tuple | str | bytes):
        raise DTypeError(
            f"array update: Invalid type {type(update).__name__}; expected an array or a scalar, "
            f"convert it with mx.array"
        )
    return array(update, a.dtype)


def lone_mask(entries: list[Any]) -> int | None:
    """Return where a mask stands that is the only index besides whole axes, else None."""
    found = None
    for place, entry in enumerate(entries):
        if type(entry) is Mask:
            if found is not None:
                return None
            found = place
        elif entry is None or type(entry) is not slice or entry != ALL:
            return None
    return found


def masked(a: Any, mask: Any, before: int, update: Any) -> tuple[Any, Any] | None:
    """Return the condition and the values, both broadcastable to ``a``, of a masked write.

    None where the values are as many as the mask has true elements in a way that needs to count
    them.
    """
    if mask.shape != a.shape[before : before + mask.ndim]:
        raise ShapeError(
            f"array update: The boolean mask {mask.value} should have the shape of the indexed "
            f"axes of {a.value}"
        )
    after = a.shape[before + mask.ndim :]
    condition = mask
    if after:
        trailing = range(mask.ndim, mask.ndim + len(after))
        condition = ExpandDims(axes=tuple(trailing)).bind(mask)
    place = update.ndim - len(after) - 1
    if place < 0:
        return condition, fit_trailing(update, after)
    if update.shape[place] == 1:
        # One value for every true element: its axis becomes the axes of the mask.
        update = Squeeze(axes=(place,)).bind(update)
        update = ExpandDims(axes=tuple(range(place, place + mask.ndim))).bind(update)
        return condition, fit(update, a.shape)
    if before or place:
        return None
    return condition, in_mask_order(mask, update, after)


def fit_trailing(update: Any, after: tuple[int, ...]) -> Any:
    """Check that ``update`` broadcasts to the axes ``after`` the mask, and return it."""
    return fit(update, after) if after else update


def in_mask_order(mask: Any, update: Any, after: tuple[int, ...]) -> Any:
    """Give the n-th true element of ``mask`` row n of ``update``, without evaluating it."""
    rows = fit(update, (update.shape[0], *after))
    if not update.shape[0]:
        return Broadcast(shape=mask.shape + after).bind(fit_trailing(zero_of(update), after))
    flat = cast(call("reshape", mask, shape=(mask.size,)), dtypes.int32)
    count = call("cumsum", flat, axis=0, reverse=False, inclusive=True)
    # Elements that are not written get row 0; the first true element has rank 0, too.
    rank = call("mul", call("sub", count, flat), flat)
    taken = Squeeze(axes=(1,)).bind(Gather((0,), (1, *after)).bind(rows, rank))
    return call("reshape", taken, shape=mask.shape + after)


def zero_of(update: Any) -> Any:
    """Return a scalar zero of the dtype of ``update``."""
    return array(0, update.dtype)


def setitem(a: Any, index: Any, update: Any) -> Any:
    """Return the Value of ``a`` after ``a[index] = update``."""
    return written(a, index, update_of(a, update)).value


def written(a: Any, index: Any, update: Any) -> Any:
    """Return ``a`` with ``update``, of its dtype, in place of ``a[index]``."""
    plan = planned(a.value.shape, index if type(index) is tuple else (index,))
    if plan is not None:
        return basic_write(a, plan, update)
    entries = entries_of(a, index)
    place = lone_mask(entries)
    if place is not None:
        found = masked(a, entries[place].array, place, update)
        if found is not None:
            return where_masked(a, *found)
    selection = Selection(a, entries)
    return selection.write(a, selection.fit(update))


def where_masked(a: Any, condition: Any, values: Any) -> Any:
    """Return ``values`` where ``condition`` is true, else ``a``; all broadcast to its shape."""
    return call("where", condition, values, a)


class ArrayAt:
    """``a.at[index]``: updates that count each index as often as it occurs.

    Example:
      >>> import monel.core as mx
      >>> mx.zeros(3).at[mx.array([0, 0, 2])].add(1)
      array([2, 0, 1], dtype=float32)
    """

    __slots__ = ("_array", "_index")

    def __init__(self, array: Any, index: Any = (), /) -> None:
        self._array = array
        self._index = index

    def __getitem__(self, indices: Any) -> ArrayAt:
        return ArrayAt(self._array, (indices,))

    def _update(self, name: str, mode: str | None, value: Any) -> Any:
        a = self._array
        if not self._index:
            raise ValueError("array.at: Must give indices to array.at (e.g. `x.at[0].add(4)`)")
        if name == "div" and not a.dtype.inexact:
            raise DTypeError(
                f"array.at: an array of {a.dtype.name} can't be divided in place; cast it first"
            )
        update = update_of(a, value)
        entries = entries_of(a, self._index[0])
        place = lone_mask(entries)
        if place is not None:
            found = masked(a, entries[place].array, place, update)
            if found is not None:
                return where_masked(a, found[0], call(name, a, found[1]))
        selection = Selection(a, entries)
        update = selection.fit(update)
        if not selection.axes:
            return selection.write(a, call(name, selection.read(a), update))
        if mode is not None:
            return selection.write(a, update, mode)
        if name == "sub":
            return selection.write(a, call("neg", update), "add")
        # Divided by the product of the values, so that one division rounds as a / b does.
        ones = Broadcast(shape=a.shape).bind(array(1, a.dtype))
        return call("div", a, selection.write(ones, update, "mul"))

    def add(self, value: Any) -> Any:
        """Return the array with ``value`` added at the indices.

        Example:
          >>> import monel.core as mx
          >>> mx.array([1, 2]).at[mx.array([0, 0])].add(5)
          array([11, 2], dtype=int32)
        """
        return self._update("add", "add", value)

    def subtract(self, value: Any) -> Any:
        """Return the array with ``value`` subtracted at the indices."""
        return self._update("sub", None, value)

    def multiply(self, value: Any) -> Any:
        """Return the array with the elements at the indices multiplied by ``value``."""
        return self._update("mul", "mul", value)

    def divide(self, value: Any) -> Any:
        """Return the array with the elements at the indices divided by ``value``."""
        return self._update("div", None, value)

    def maximum(self, value: Any) -> Any:
        """Return the array with the elements at the indices raised to at least ``value``."""
        return self._update("maximum", "max", value)

    def minimum(self, value: Any) -> Any:
        """Return the array with the elements at the indices lowered to at most ``value``."""
        return self._update("minimum", "min", value)


handle.install(getitem=getitem, setitem=setitem, selection=Select)
