"""What an index selects, by NumPy's rules: slices, new axes and index arrays in any mixture."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from ..base import dtypes
from ..base.errors import AxisError, DTypeError, OutOfBoundsError, ShapeError, TraceError
from ..graph.handle import array, wrap
from ..graph.operators import broadcast_shapes
from ..graph.primitive import call
from ..primitives.convert import cast
from ..primitives.create import scalar_constant
from ..primitives.indexing import INDEX_DTYPES, Gather, Scatter
from ..primitives.shape import Broadcast, ExpandDims, Slice, Squeeze, Transpose
from ..primitives.update import SliceUpdate

__all__: list[str] = []

ALL = slice(None)


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
    if dtype.name in INDEX_DTYPES:
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
        return items + [ALL] * (x.ndim - used)
    if used < x.ndim or dots in (0, len(items) - 1):
        items[dots : dots + 1] = [ALL] * (x.ndim - used)
    return items


def check_static(index: int, axis: int, n: int, function: str = "array index") -> int:
    """Return ``index`` counted from the start; OutOfBoundsError if the axis has no such entry."""
    if not -n <= index < n:
        raise OutOfBoundsError(
            f"{function}: index {index} is out of bounds for axis {axis} with size {n}"
        )
    return index + n if index < 0 else index


def bounds(entry: slice, n: int) -> tuple[int, int, int]:
    """Return start, stop and step of a slice of an axis of ``n`` as the primitive wants them."""
    if entry == ALL:
        return 0, n, 1
    start, stop, step = entry.indices(n)
    step = max(min(step, n or 1), -(n or 1))  # a longer one meets the first element only, too
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
    try:
        flags = np.frombuffer(bytes(found), np.bool_).reshape(found.shape)
    except TraceError:
        raise TraceError(
            "array index: how many elements a mask selects depends on values, which compile and "
            "vmap do not have; use mx.where, or index with mx.nonzero(mask, size=...)"
        ) from None
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
                    items.append(ALL)
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
        made = Gather(self.axes, sizes, "array index").bind(x, *self.indices)
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
        elif self.slice is None:
            # Memory of its own: what was written may be shared, and NumPy may write into the array.
            update = call("copy", update)
        if self.slice is not None:
            s = self.slice
            update = SliceUpdate(s.start, s.stop, s.step).bind(whole, update)
        return Squeeze(axes=self.new).bind(update) if self.new else update

    def _scatter(self, part: Any, update: Any, mode: str) -> Any:
        if not update.size:
            return part
        if self.place and self.lead:
            moved = range(self.place, self.place + self.lead)
            rest = [a for a in range(update.ndim) if a not in moved]
            update = Transpose(axes=(*moved, *rest)).bind(update)
        update = ExpandDims(axes=tuple([self.lead + a for a in self.axes])).bind(update)
        return Scatter(self.axes, mode, "array update").bind(part, update, *self.indices)


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
