"""Views that hold no dimension of their operand: flatten, unflatten, unpad, part_like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray
from ..base.errors import AxisError, ShapeError
from ..graph.handle import wrap
from ..graph.primitive import Sample
from . import shape as views
from .arguments import stays_open
from .derive import zeros_like
from .kinds import View, move_axis, scalar_like

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class Flatten(View, name="flatten"):
    """The axes from ``start`` to ``end``, inclusive, made one."""

    start: int
    end: int

    def abstract(self, x: Any) -> AbstractArray:
        if not 0 <= self.start <= self.end < x.ndim:
            raise AxisError(f"flatten: axes {self.start} to {self.end} are out of bounds for {x}")
        before, after = x.shape[: self.start], x.shape[self.end + 1 :]
        one = math.prod(x.shape[self.start : self.end + 1])
        return AbstractArray((*before, one, *after), x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(self.abstract(x).shape)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return views.reshape_like(ct, operands[0])

    def decompose(self, x: Any) -> Any:
        return views.Reshape(shape=self.abstract(x).shape).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return Flatten(self.start + 1, self.end + 1).bind(move_axis(x, d, 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, start, end in [
            ((2, 3), 0, 1),
            ((2, 3, 4), 1, 2),
            ((2, 0, 3), 0, 1),
            ((3,), 0, 0),
        ]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(start=start, end=end), (x,))


class Unflatten(View, name="unflatten"):
    """``axis`` divided into axes of lengths ``shape``, of which one may be -1: what is left."""

    axis: int
    shape: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"unflatten: axis {self.axis} is out of bounds for {x}")
        parts = infer("unflatten", self.shape, x.shape[self.axis], x)
        return AbstractArray((*x.shape[: self.axis], *parts, *x.shape[self.axis + 1 :]), x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(self.abstract(x).shape)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return flatten_axes(ct, self.axis, self.axis + len(self.shape) - 1)

    def decompose(self, x: Any) -> Any:
        return views.Reshape(shape=self.abstract(x).shape).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return Unflatten(self.axis + 1, self.shape).bind(move_axis(x, d, 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis, parts in [((6,), 0, (2, 3)), ((2, 4), 1, (-1, 2)), ((0, 3), 0, (0, 2))]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(axis=axis, shape=parts), (x,))


class Unpad(View, name="unpad"):
    """What ``pad`` with the same parameters was applied to."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    interior: tuple[int, ...]

    def _slice(self, x: Any) -> views.Slice:
        parts = zip(x.shape, self.low, self.high, self.interior, strict=True)
        stop = tuple([max(n - high, low) for n, low, high, _ in parts])
        return views.Slice(self.low, stop, tuple([m + 1 for m in self.interior]))

    def abstract(self, x: Any) -> AbstractArray:
        if any(n < a + b for n, a, b in zip(x.shape, self.low, self.high, strict=True)):
            raise ShapeError(f"pad: {x} is smaller than the padding {self.low} and {self.high}")
        return self._slice(x).abstract(x)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return self._slice(x).reference(x)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        padding = views.Pad(self.low, self.high, self.interior)
        return padding.bind(ct, scalar_like(0, ct))

    def decompose(self, x: Any) -> Any:
        return self._slice(x).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        low, high, interior = (views.insert(w, d, 0) for w in (self.low, self.high, self.interior))
        return Unpad(low, high, interior).bind(x), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, low, high, interior in [
            ((6,), (1,), (2,), (0,)),
            ((3, 8), (0, 1), (1, 0), (0, 2)),
            ((2, 2), (1, 0), (1, 0), (0, 0)),
        ]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(low, high, interior), (x,))


class PartLike(View, name="part_like"):
    """The part of a concatenation along ``axis`` that came from operand ``index`` of the others."""

    linear_in: ClassVar[tuple[int, ...] | None] = (0,)
    axis: int
    index: int

    def _slice(self, whole: Any, like: Any) -> views.Slice:
        lengths = [x.shape[self.axis] for x in like]
        first = sum(lengths[: self.index])
        start, stop = [0] * len(whole.shape), list(whole.shape)
        start[self.axis], stop[self.axis] = first, first + lengths[self.index]
        return views.Slice(tuple(start), tuple(stop), (1,) * len(start))

    def abstract(self, whole: Any, *like: Any) -> AbstractArray:
        if sum(x.shape[self.axis] for x in like) != whole.shape[self.axis]:
            raise ShapeError(f"concatenate: {whole} is not as long as its parts")
        return self._slice(whole, like).abstract(whole)

    def reference(self, whole: np.ndarray, *like: np.ndarray) -> np.ndarray:
        return self._slice(whole, like).reference(whole)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (t, *_), (_, *like) = tangents, primals
        return (None if t is None else self.bind(t, *like),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        (ct,), (_, *like) = cotangents, primals
        parts = [ct if i == self.index else zeros_like(x) for i, x in enumerate(like)]
        return (views.Concatenate(axis=self.axis).bind(*parts), *[None] * len(like))

    def decompose(self, whole: Any, *like: Any) -> Any:
        return self._slice(whole, like).bind(whole)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shapes, axis, index in [(((2,), (3,)), 0, 1), (((2, 1), (2, 0), (2, 3)), 1, 2)]:
            xs = [rng.standard_normal(s).astype("float32") for s in shapes]
            whole = rng.standard_normal(shapes[0][:axis] + (sum(s[axis] for s in shapes),))
            yield Sample(cls(axis=axis, index=index), (whole.astype("float32"), *xs))


def infer(function: str, shape: tuple[int, ...], size: int, x: Any) -> tuple[int, ...]:
    """Return ``shape`` with its -1 replaced, so that its product is ``size``."""
    known, unknown, valid = 1, 0, True
    for n in shape:
        if n == -1:
            unknown += 1
        else:
            known *= n
            valid = valid and n >= 0
    if not unknown and known == size and valid:
        return shape
    if unknown > 1:
        raise ShapeError(f"{function}: can only infer one dimension of {shape} for {x}")
    if unknown and valid:
        if not known:
            raise ShapeError(f"{function}: cannot infer the -1 in {shape} of an empty {x}")
        if size % known == 0:
            return tuple([size // known if n == -1 else n for n in shape])
    raise ShapeError(f"{function}: cannot reshape {size} elements into {shape}, of {x}")


def flatten_axes(x: Any, start: int, end: int, stream: Any = None) -> Any:
    """Make the axes from ``start`` to ``end`` one; a scalar gets its first axis."""
    if not x.shape:
        return views.ExpandDims(axes=(0,)).bind(x, stream=stream)
    if start == end:
        return x
    flatten = Flatten(start=start, end=end)
    if stays_open(x):
        return flatten.bind(x, stream=stream)
    return views.Reshape(shape=flatten.abstract(x.value.aval).shape).bind(x, stream=stream)


def unflatten_axis(x: Any, axis: int, shape: tuple[int, ...], stream: Any = None) -> Any:
    """Divide ``axis`` into axes of lengths ``shape``, of which one may be -1."""
    unflatten = Unflatten(axis=axis, shape=shape)
    if stays_open(x):
        return unflatten.bind(x, stream=stream)
    return views.Reshape(shape=unflatten.abstract(x.value.aval).shape).bind(x, stream=stream)


def part(x: Any, axis: int, start: int, stop: int, stream: Any = None) -> Any:
    """Return the entries ``start`` to ``stop`` of ``axis``."""
    low = [0] * x.ndim
    high = list(x.shape)
    if (start, stop) == (0, x.shape[axis]):
        return wrap(x.value)
    low[axis], high[axis] = start, stop
    return views.Slice(tuple(low), tuple(high), (1,) * x.ndim).bind(x, stream=stream)
