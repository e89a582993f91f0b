"""Indexing by NumPy's rules: what ``a[...]``, ``a[...] = b`` and ``a.at[...]`` record."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from ..base import dtypes
from ..base.errors import AxisError, DTypeError, OutOfBoundsError, ShapeError
from ..graph import handle
from ..graph.handle import array, wrap
from ..graph.operators import broadcast_shapes
from ..graph.primitive import call
from ..primitives.create import scalar_constant
from ..primitives.convert import cast
from ..primitives.indexing import Gather, Scatter
from ..primitives.shape import Broadcast, ExpandDims, Select, Slice, Squeeze, Transpose
from ..primitives.update import SliceUpdate

__all__: list[str] = []

_ALL = slice(None)


class Mask(NamedTuple):
    """A boolean array among indices; it stands for as many axes as it has."""

    array: Any


def canonical(item: Any) -> Any:
    """Return one index as None, Ellipsis, an int, a slice, an integer array or a ``Mask``."""
    kind = type(item)
    if kind is int or kind is slice or item is None or item is Ellipsis:
        return item
    if isinstance(item, bool):
        return Mask(array(item))
    if kind is list or kind is tuple:
        item = array(item) if item else array(item, dtypes.int32)
    elif kind is not array:
        if isinstance(item, str | float | complex | dict | set):
            raise _no_index(item)
        try:
            return operator.index(item)
        except TypeError:
            if not (hasattr(item, "__array__") or hasattr(item, "__dlpack__")):
                raise _no_index(item) from None
        item = array(item)
    if item.dtype is dtypes.bool_:
        return Mask(item)
    return as_index(item)


def _no_index(item: Any) -> DTypeError:
    return DTypeError(
        f"array index: Cannot index an array using the given type {type(item).__name__}; expected "
        f"ints, slices, ..., None, lists of ints, or arrays of integers or bool"
    )


def as_index(item: Any, function: str = "array index") -> Any:
    """Return an index array in a dtype that the primitives take."""
    dtype = item.dtype
    if not dtype.integral:
        raise DTypeError(f"{function}: Indices must be integral, got {item.value}")
    if dtype.name in ("int32", "uint32", "int64"):
        return item
    return cast(item, dtypes.int64 if dtype is dtypes.uint64 else dtypes.int32)


def entries_of(x: Any, index: Any) -> list[Any]:
    """Return ``index`` with one entry for each axis of ``x``, and None for each new axis.

    A ``Mask`` stands for several axes. Ellipsis is filled in; one that stands for no axis is kept,
    since it still parts what is around it.
    """
    items = [canonical(i) for i in (index if type(index) is tuple else (index,))]
    used = 0
    dots = None
    for place, item in enumerate(items):
        if item is Ellipsis:
            if dots is not None:
                raise AxisError("array index: an index can only have a single ellipsis ('...')")
            dots = place
        elif item is not None:
            used += item.array.ndim if type(item) is Mask else 1
    if used > x.ndim:
        raise AxisError(f"array index: too many indices: {used} for {x.value}")
    if dots is None:
        return items + [_ALL] * (x.ndim - used)
    if used < x.ndim or dots in (0, len(items) - 1):
        items[dots : dots + 1] = [_ALL] * (x.ndim - used)
    return items


def check_static(index: int, axis: int, n: int) -> int:
    """Return ``index`` counted from the start; OutOfBoundsError if the axis has no such entry."""
    if not -n <= index < n:
        raise OutOfBoundsError(
            f"array index: index {index} is out of bounds for axis {axis} with size {n}"
        )
    return index + n if index < 0 else index


def bounds(entry: slice, n: int) -> tuple[int, int, int]:
    """Return start, stop and step of a slice of an axis of ``n`` as the primitive wants them."""
    if entry == _ALL:
        return 0, n, 1
    start, stop, step = entry.indices(n)
    return (start, stop, step) if len(range(start, stop, step)) else (0, 0, 1)


def from_mask(mask: Mask, x: Any, axis: int) -> list[Any]:
    """Return the indices of the true elements, an array for each axis; this evaluates the mask."""
    import numpy as np

    found = mask.array
    if found.shape != x.shape[axis : axis + found.ndim]:
        raise AxisError(
            f"array index: the mask {found.value} does not fit axes {axis} to "
            f"{axis + found.ndim - 1} of {x.value}"
        )
    flags = np.frombuffer(bytes(found), np.bool_).reshape(found.shape)
    dtype = dtypes.int64 if found.size > 2**31 else dtypes.int32
    return [array(i, dtype) for i in np.nonzero(flags)]


class Selection:
    """What an index selects: new axes, then one slice, then a gather.

    Attributes:
      new: Places of new axes, before anything else is done.
      slice: The ``Slice`` of the array with its new axes, or None where it is whole.
      drop: Axes that ints remove again, where there are no index arrays.
      axes, indices: The axes with index arrays, and these.
      lead: How many axes the index arrays give the result.
      place: Where in the result they stand.
      shape: Of the result.
    """

    __slots__ = ("axes", "drop", "indices", "lead", "new", "place", "shape", "slice", "whole")

    def __init__(self, x: Any, entries: list[Any]) -> None:
        items: list[Any] = []
        self.new: tuple[int, ...] = ()
        whole: list[int] = []
        axis = parted = 0
        advanced = False
        for entry in entries:
            if entry is Ellipsis:
                parted = axis + len(self.new)
                continue
            if entry is None or (type(entry) is Mask and not entry.array.ndim):
                self.new += (len(items),)
                whole.append(1)
                if entry is not None:
                    advanced = True
                    items.append(array([0] if bool(entry.array) else [], dtypes.int32))
                else:
                    items.append(_ALL)
                continue
            found = from_mask(entry, x, axis) if type(entry) is Mask else [entry]
            advanced = advanced or type(found[0]) is array
            items.extend(found)
            whole.extend(x.shape[axis : axis + len(found)])
            axis += len(found)
        self.whole = tuple(whole)
        self.drop: tuple[int, ...] = ()
        self._read(items, advanced, parted)

    def _read(self, items: list[Any], advanced: bool, parted: int) -> None:
        start, stop, step = [], [], []
        self.axes: tuple[int, ...] = ()
        self.indices: list[Any] = []
        kept: list[int] = []
        for axis, (item, n) in enumerate(zip(items, self.whole, strict=True)):
            a, b, s = 0, n, 1
            if type(item) is slice:
                a, b, s = bounds(item, n)
                kept.append(max(0, -(-(b - a) // s)))
            elif type(item) is int:
                index = check_static(item, axis, n)
                if advanced:
                    item = wrap(scalar_constant("array index", index, dtypes.int32))
                else:
                    a, b = index, index + 1
                    self.drop += (axis,)
            if type(item) is array:
                self.axes += (axis,)
                self.indices.append(item)
            start.append(a)
            stop.append(b)
            step.append(s)
        rows = zip(start, stop, step, self.whole, strict=True)
        same = all(a == 0 and b == n and s == 1 for a, b, s, n in rows)
        self.slice = None if same else Slice(tuple(start), tuple(stop), tuple(step))
        self._place(kept, parted)

    def _place(self, kept: list[int], parted: int) -> None:
        """NumPy's rule: index axes stand where they were if they were neighbours, else first."""
        lead: tuple[int, ...] = ()
        for index in self.indices:
            lead = broadcast_shapes("array index", lead, index.shape)
        self.lead = len(lead)
        axes = self.axes
        together = (
            bool(axes) and axes[-1] - axes[0] == len(axes) - 1 and not axes[0] < parted <= axes[-1]
        )
        self.place = axes[0] if together else 0
        self.shape = tuple(kept[: self.place]) + lead + tuple(kept[self.place :])

    def source(self, x: Any) -> Any:
        """Return ``x`` with its new axes."""
        return ExpandDims(axes=self.new).bind(x) if self.new else x

    def read(self, x: Any) -> Any:
        """Return the selected elements of ``x``."""
        x = self.source(x)
        if self.slice is not None:
            x = self.slice.bind(x)
        if self.drop:
            x = Squeeze(axes=self.drop).bind(x)
        return self.gather(x) if self.axes else x

    def gather(self, x: Any) -> Any:
        sizes = tuple([1 if a in self.axes else n for a, n in enumerate(x.shape)])
        made = Gather(self.axes, sizes).bind(x, *self.indices)
        made = Squeeze(axes=tuple([self.lead + a for a in self.axes])).bind(made)
        if not (self.place and self.lead):
            return made
        rest = range(self.lead, made.ndim)
        order = [*rest[: self.place], *range(self.lead), *rest[self.place :]]
        return Transpose(axes=tuple(order)).bind(made)

    def fit(self, update: Any) -> Any:
        """Broadcast ``update`` to the shape of the selection."""
        return fit(update, self.shape)

    def write(self, x: Any, update: Any, mode: str = "set") -> Any:
        """Return ``x`` with ``update``, which has the selection's shape, written or combined."""
        whole = self.source(x)
        part = whole if self.slice is None else self.slice.bind(whole)
        if self.axes:
            update = self._scatter(part, update, mode)
        elif self.drop:
            update = ExpandDims(axes=self.drop).bind(update)
        if self.slice is not None:
            s = self.slice
            update = SliceUpdate(s.start, s.stop, s.step).bind(whole, update)
        return Squeeze(axes=self.new).bind(update) if self.new else update

    def _scatter(self, part: Any, update: Any, mode: str) -> Any:
        if self.place and self.lead:
            moved = range(self.place, self.place + self.lead)
            rest = [a for a in range(update.ndim) if a not in moved]
            update = Transpose(axes=(*moved, *rest)).bind(update)
        update = ExpandDims(axes=tuple([self.lead + a for a in self.axes])).bind(update)
        return Scatter(self.axes, mode).bind(part, update, *self.indices)


def fit(update: Any, shape: tuple[int, ...], function: str = "array update") -> Any:
    """Broadcast ``update`` to ``shape``; leading axes of length 1 may be too many."""
    extra = update.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in update.shape[:extra]):
        update = Squeeze(axes=tuple(range(extra))).bind(update)
    if update.shape == shape:
        return update
    try:
        fits = broadcast_shapes(function, update.shape, shape) == shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{function}: Cannot broadcast an array of shape {update.shape} into shape {shape}"
        )
    return Broadcast(shape=shape).bind(update)


def getitem(a: Any, index: Any) -> Any:
    """Return ``a[index]``."""
    entries = entries_of(a, index)
    ints = [axis for axis, entry in enumerate(entries) if type(entry) is int]
    if 0 < len(ints) <= 2 and all(e is _ALL or type(e) is int or e == _ALL for e in entries):
        for axis in reversed(ints):
            a = Select(axis, check_static(entries[axis], axis, a.shape[axis])).bind(a)
        return a
    found = Selection(a, entries).read(a)
    return wrap(a.value) if found is a else found


def update_of(a: Any, update: Any) -> Any:
    """Return what is written into ``a`` as an array of its dtype."""
    if type(update) is array:
        return cast(update, a.dtype)
    if isinstance(update, int) and not isinstance(update, bool):
        return wrap(scalar_constant("array update", update, a.dtype))
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
        elif entry is None or type(entry) is not slice or entry != _ALL:
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
    """``a.at[index]``: updates that count each index as often as it occurs."""

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
