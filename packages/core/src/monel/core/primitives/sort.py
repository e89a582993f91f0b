"""Order: argsort, sort, searchsorted, and what is composed of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.errors import AxisError, DTypeError, ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, call
from . import reduce
from .arguments import call_on, canonical_axis, describe, flag, integer, operand, promoted
from .convert import cast
from .create import scalar_constant
from .flatten import flatten_axes
from .kinds import LocallyConstant, broadcast_like
from .shape import Slice, shift, turned

if TYPE_CHECKING:
    import numpy as np

__all__ = ["argpartition", "argsort", "partition", "searchsorted", "sort", "topk"]


class AlongAxis(Primitive):
    """Puts each line along ``axis`` in order: stable, nan last."""

    axis: int

    def abstract(self, x: Any) -> AbstractArray:
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"{self.name}: axis {self.axis} is out of bounds for {x}")
        return AbstractArray(x.shape, x.dtype)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return type(self)(axis=shift(self.axis, d)).bind(x), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in [((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 0), 1), ((1,), 0)]:
            yield Sample(cls(axis=axis), (rng.standard_normal(shape).astype("float32"),))
        yield Sample(cls(axis=0), (rng.integers(0, 3, (7, 2)).astype("int32"),))
        x = rng.standard_normal(6).astype("float32")
        x[2] = float("nan")
        yield Sample(cls(axis=0), (x,))


class ArgSort(LocallyConstant, AlongAxis, name="argsort"):
    """The positions (uint32) of the elements in ascending order."""

    required = True
    zero_in: ClassVar[tuple[int, ...]] = (0,)

    def abstract(self, x: Any) -> AbstractArray:
        return AbstractArray(super().abstract(x).shape, dtypes.uint32)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        if x.dtype.kind == "V":
            x = x.astype(np.float32)
        return np.argsort(x, axis=self.axis, kind="stable").astype(np.uint32)


class Sort(AlongAxis, name="sort"):
    """The elements in ascending order."""

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        order = ArgSort(axis=self.axis).reference(x)
        return np.take_along_axis(x, order.astype(np.int64), self.axis)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        # A position has no derivative of its own, whatever it was found from.
        order = call("stop_gradient", ArgSort(axis=self.axis).bind(primals[0]))
        return (call("take_along_axis", tangents[0], order, axis=self.axis),)

    def decompose(self, x: Any) -> Any:
        return call("take_along_axis", x, ArgSort(axis=self.axis).bind(x), axis=self.axis)


class SearchSorted(LocallyConstant, name="searchsorted", export_name="SearchSorted"):
    """How many elements of a sorted vector are less than each value (``right``: or equal)."""

    zero_in: ClassVar[tuple[int, ...]] = (0, 1)
    right: bool

    def abstract(self, ordered: Any, values: Any) -> AbstractArray:
        if ordered.ndim != 1:
            raise ShapeError(
                f"searchsorted: The sorted sequence must be 1-D but has {ordered.ndim} "
                f"dimensions, {ordered}"
            )
        if ordered.dtype is not values.dtype:
            raise DTypeError(f"searchsorted: expected one dtype, got {ordered} and {values}")
        return AbstractArray(values.shape, dtypes.uint32)

    def reference(self, ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
        import numpy as np

        if ordered.dtype.kind == "V":
            ordered, values = ordered.astype(np.float32), values.astype(np.float32)
        side: Any = "right" if self.right else "left"
        return np.asarray(np.searchsorted(ordered, values, side)).astype(np.uint32)

    def decompose(self, ordered: Any, values: Any) -> Any:
        """Search every value at once, by halves: a step of 2**k is taken where it stays before."""
        (n,) = ordered.shape
        found = broadcast_like(_constant(0), values)
        for k in reversed(range(n.bit_length())):
            reach = call("add", found, _constant(1 << k))
            place = call("minimum", reach, _constant(n))
            place = call("sub", place, _constant(1))
            there = call("gather", ordered, place, axes=(0,), slice_sizes=(1,))
            there = call("squeeze", there, axes=(place.ndim,))
            before = self._before(there, values)
            inside = call("less_equal", reach, _constant(n))
            found = call("where", call("logical_and", before, inside), reach, found)
        return cast(found, dtypes.uint32)

    def _before(self, a: Any, value: Any) -> Any:
        """Return whether ``a`` is counted for ``value``; nan comes after every number."""
        if not self.right:
            less = call("less", a, value)
            if not value.dtype.inexact:
                return less
            number = call("logical_not", call("isnan", a))
            return call("logical_or", less, call("logical_and", number, call("isnan", value)))
        less = call("less_equal", a, value)
        return call("logical_or", less, call("isnan", value)) if value.dtype.inexact else less

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        for n, shape in [(5, (4,)), (8, (2, 3)), (1, ()), (0, (2,))]:
            ordered = np.sort(rng.integers(0, 6, n)).astype("float32")
            values = rng.integers(-1, 7, shape).astype("float32")
            yield Sample(cls(right=False), (ordered, values))
            yield Sample(cls(right=True), (ordered, values))


def _constant(number: int) -> Any:
    return wrap(graph.slots.scalar("searchsorted", number, dtypes.int64))


def _line(function: str, a: Any, axis: int | None, stream: Any) -> tuple[Any, int]:
    """Return an array and its axis to order, which is 0 of the flattened array for None."""
    x = operand(function, a)
    if axis is None:
        return flatten_axes(x, 0, x.ndim - 1, stream), 0
    return x, canonical_axis(function, axis, x)


def sort(
    a: Any,
    /,
    axis: int | None = -1,
    *,
    descending: bool = False,
    stable: bool = True,
    stream: Any = None,
) -> array:
    """Return ``a`` with the elements along an axis in order, nan last, or first if descending.

    Args:
      a: Array of any dtype; complex numbers are ordered by real, then imaginary part.
      axis: The axis, or None for the flattened array.
      descending: Begin with the greatest.
      stable: Taken for the array API standard: equal elements keep their order in any case.
    Returns:
      Array of the dtype of ``a``.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.sort(mx.array([3, 1, 2]))
      array([1, 2, 3], dtype=int32)
    """
    x, place = _line("sort", a, axis, stream)
    made = Sort(axis=place).bind(x, stream=stream)
    return turned(made, (place,), stream) if _descends("sort", descending, stable) else made


def argsort(
    a: Any,
    /,
    axis: int | None = -1,
    *,
    descending: bool = False,
    stable: bool = True,
    stream: Any = None,
) -> array:
    """Return the positions that sort ``a``; equal elements keep their order.

    Args:
      a: Array of any dtype.
      axis: The axis, or None for the flattened array.
      descending: Begin with the greatest.
      stable: Taken for the array API standard: equal elements keep their order in any case.
    Returns:
      Array of uint32.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.argsort(mx.array([3, 1, 2]))
      array([1, 2, 0], dtype=uint32)
    """
    x, place = _line("argsort", a, axis, stream)
    if not _descends("argsort", descending, stable):
        return ArgSort(axis=place).bind(x, stream=stream)
    # Turned before and after, so that equal elements keep their order.
    order = ArgSort(axis=place).bind(turned(x, (place,), stream), stream=stream)
    one = wrap(scalar_constant("argsort", 1, dtypes.uint32))
    length = reduce.size_of(x, (place,), dtypes.uint32)
    last = call_on(stream, "sub", length, one)
    return turned(call_on(stream, "sub", last, order), (place,), stream)


def _descends(function: str, descending: Any, stable: Any) -> bool:
    flag(function, "stable", stable)
    return flag(function, "descending", descending)


def _check_kth(function: str, kth: Any, x: Any, axis: int) -> None:
    k, n = integer(function, "kth", kth), x.shape[axis]
    if not -n <= k < n:
        raise ShapeError(
            f"{function}: Received invalid kth {k} along axis {axis} for {describe(x)}"
        )


def partition(a: Any, /, kth: int, axis: int | None = -1, *, stream: Any = None) -> array:
    """Return ``a`` ordered so that element ``kth`` of an axis is where sorting would put it.

    What comes before it is not greater, what comes after it not less.

    Args:
      a: Array of any dtype.
      kth: The position; negative ones count from the end.
      axis: The axis, or None for the flattened array.
    Returns:
      Array of the dtype of ``a``.
    Raises:
      AxisError: The axis is out of bounds.
      ShapeError: ``kth`` is outside the axis.
    Example:
      >>> import monel.core as mx
      >>> mx.partition(mx.array([3, 1, 2]), 0)[0]
      array(1, dtype=int32)
    """
    x, place = _line("partition", a, axis, stream)
    _check_kth("partition", kth, x, place)
    return Sort(axis=place).bind(x, stream=stream)


def argpartition(a: Any, /, kth: int, axis: int | None = -1, *, stream: Any = None) -> array:
    """Return the positions that ``partition`` ``a``.

    Args:
      a: Array of any dtype.
      kth: The position; negative ones count from the end.
      axis: The axis, or None for the flattened array.
    Returns:
      Array of uint32.
    Raises:
      AxisError: The axis is out of bounds.
      ShapeError: ``kth`` is outside the axis.
    Example:
      >>> import monel.core as mx
      >>> mx.argpartition(mx.array([3, 1, 2]), 0)[0]
      array(1, dtype=uint32)
    """
    x, place = _line("argpartition", a, axis, stream)
    _check_kth("argpartition", kth, x, place)
    return ArgSort(axis=place).bind(x, stream=stream)


def topk(a: Any, /, k: int, axis: int | None = -1, *, stream: Any = None) -> array:
    """Return the ``k`` greatest elements along an axis, in ascending order.

    Args:
      a: Array of any dtype; a nan counts as greater than anything.
      k: How many.
      axis: The axis, or None for the flattened array.
    Returns:
      Array of the dtype of ``a`` whose axis has length ``k``.
    Raises:
      AxisError: The axis is out of bounds.
      ShapeError: ``k`` is negative or greater than the axis.
    Example:
      >>> import monel.core as mx
      >>> mx.topk(mx.array([3, 1, 2]), 2)
      array([2, 3], dtype=int32)
    """
    x, place = _line("topk", a, axis, stream)
    count, n = integer("topk", "k", k), x.shape[place]
    if not 0 <= count <= n:
        raise ShapeError(f"topk: Received invalid k={count} along axis {place} for {describe(x)}")
    ordered = Sort(axis=place).bind(x, stream=stream)
    start = tuple([n - count if i == place else 0 for i in range(x.ndim)])
    return Slice(start, x.shape, (1,) * x.ndim).bind(ordered, stream=stream)


def searchsorted(
    sorted_sequence: Any,
    values: Any,
    /,
    side: str = "left",
    *,
    sorter: Any = None,
    stream: Any = None,
) -> array:
    """Return where ``values`` would be inserted into a sorted vector to keep it sorted.

    Args:
      sorted_sequence: Vector in ascending order, nan last.
      values: Array of any shape.
      side: ``"left"``: how many elements are less; ``"right"``: how many are less or equal.
      sorter: Integer array of positions that sort the vector, where it is not sorted itself.
    Returns:
      uint32 array of the shape of ``values``.
    Raises:
      ShapeError: ``sorted_sequence`` is no vector, or ``side`` is neither.
    Example:
      >>> import monel.core as mx
      >>> mx.searchsorted(mx.array([1, 2, 2, 4]), mx.array([0, 2, 5]))
      array([0, 1, 4], dtype=uint32)
    """
    arrays = [operand("searchsorted", sorted_sequence), operand("searchsorted", values)]
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: Invalid side {side!r}. Expected 'left' or 'right'.")
    ordered, wanted = promoted(arrays, stream)
    if sorter is not None:
        order = operand("searchsorted", sorter)
        if not order.dtype.integral or order.shape != ordered.shape:
            raise ShapeError(
                f"searchsorted: sorter must hold an integer for each element of "
                f"{describe(ordered)}, got {describe(order)}"
            )
        order = cast(order, dtypes.int32, stream)
        ordered = call_on(stream, "take_along_axis", ordered, order, axis=0)
    return SearchSorted(right=side == "right").bind(ordered, wanted, stream=stream)
