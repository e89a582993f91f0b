"""Primitives that move elements without computing: views, pad, concatenate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import int32
from ..base.errors import AxisError, DTypeError, ShapeError
from ..graph import value as graph
from ..graph.handle import wrap
from ..graph.primitive import Primitive, Sample, call
from .arguments import stays_open
from .kinds import View, broadcast_like, move_axis, scalar_like, unbroadcast

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


def shift(axis: int, d: int) -> int:
    """Return where ``axis`` of one entry is once a batch axis stands at ``d``."""
    return axis + (d <= axis)


def insert(items: tuple[Any, ...], d: int, item: Any) -> tuple[Any, ...]:
    """Return ``items`` with ``item`` put before position ``d``."""
    return items[:d] + (item,) + items[d:]


class Reshape(View, name="reshape"):
    """The same elements in row-major order under another shape."""

    required = True
    shape_dependent = True
    shape: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        if math.prod(self.shape) != x.size:
            raise ShapeError(f"reshape: cannot reshape {x} into {self.shape}")
        return AbstractArray(self.shape, x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(self.shape)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return reshape_like(ct, operands[0])

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        x = move_axis(x, d, 0)
        return Reshape(shape=(x.shape[0], *self.shape)).bind(x), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for old, new in [((2, 6), (3, 4)), ((4,), (2, 1, 2)), ((0, 3), (3, 0)), ((1,), ())]:
            yield Sample(cls(shape=new), (rng.standard_normal(old).astype("float32"),))


class ReshapeLike(View, name="reshape_like"):
    """Reshape to the shape of a second operand, which lends only its shape."""

    linear_in: ClassVar[tuple[int, ...] | None] = (0,)
    zero_in = (1,)

    def abstract(self, x: Any, like: Any) -> AbstractArray:
        if like.size != x.size:
            raise ShapeError(f"reshape: cannot reshape {x} into {like.shape}")
        return AbstractArray(like.shape, x.dtype)

    def reference(self, x: np.ndarray, like: np.ndarray) -> np.ndarray:
        return x.reshape(like.shape)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return reshape_like(ct, operands[0])

    def decompose(self, x: Any, like: Any) -> Any:
        return Reshape(shape=like.shape).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, like), (d, e) = operands, dims
        if d is None or e is None:
            return NotImplemented
        return self.bind(move_axis(x, d, 0), move_axis(like, e, 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.standard_normal((2, 6)).astype("float32")
        yield Sample(cls(), (x, rng.standard_normal((4, 3)).astype("float32")))


def reshape_like(x: Any, like: Any) -> Any:
    """Reshape ``x`` to the shape of ``like``, which stays open inside a shapeless trace."""
    if x.shape == like.shape:
        return x
    trace = like.value.trace
    if trace is not None and trace.open and trace.shapeless:
        return ReshapeLike().bind(x, like)
    return Reshape(shape=like.shape).bind(x)


class Transpose(View, name="transpose"):
    """Axes in another order: axis i of the result is axis ``axes[i]`` of the operand."""

    required = True
    axes: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        if sorted(self.axes) != list(range(x.ndim)):
            raise AxisError(f"transpose: {self.axes} is no permutation of the axes of {x}")
        return AbstractArray(tuple([x.shape[a] for a in self.axes]), x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.transpose(self.axes)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return Transpose(axes=tuple(inverse)).bind(ct)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        axes = (d, *[shift(a, d) for a in self.axes])
        return Transpose(axes=axes).bind(x), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axes in [((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((0, 2), (1, 0)), ((), ())]:
            yield Sample(cls(axes=axes), (rng.standard_normal(shape).astype("float32"),))


class Broadcast(View, name="broadcast"):
    """The operand repeated along new leading axes and along its axes of length 1."""

    required = True
    shape_dependent = True
    shape: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        lead = len(self.shape) - x.ndim
        if lead < 0 or any(
            n not in (1, m) for n, m in zip(x.shape, self.shape[lead:], strict=True)
        ):
            raise ShapeError(f"broadcast_to: {x} cannot be broadcast to {self.shape}")
        return AbstractArray(self.shape, x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.broadcast_to(x, self.shape)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return unbroadcast(ct, operands[0])

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        x = move_axis(x, d, 0)
        missing = len(self.shape) - (x.ndim - 1)
        if missing:
            x = ExpandDims(axes=tuple(range(1, 1 + missing))).bind(x)
        return Broadcast(shape=(x.shape[0], *self.shape)).bind(x), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for old, new in [((3,), (2, 3)), ((2, 1), (2, 4)), ((), (2,)), ((1, 3), (0, 3))]:
            yield Sample(cls(shape=new), (rng.standard_normal(old).astype("float32"),))


class BroadcastLike(View, name="broadcast_like"):
    """Broadcast to the shape of a second operand, which lends only its shape."""

    linear_in: ClassVar[tuple[int, ...] | None] = (0,)
    zero_in = (1,)

    def abstract(self, x: Any, like: Any) -> AbstractArray:
        return Broadcast(shape=like.shape).abstract(x)

    def reference(self, x: np.ndarray, like: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.broadcast_to(x, like.shape)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return unbroadcast(ct, operands[0])

    def decompose(self, x: Any, like: Any) -> Any:
        return Broadcast(shape=like.shape).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, like), (d, e) = operands, dims
        if e is None:
            return NotImplemented
        like = move_axis(like, e, 0)
        if d is not None:
            x = move_axis(x, d, 0)
            missing = like.ndim - x.ndim
            if missing:
                x = ExpandDims(axes=tuple(range(1, 1 + missing))).bind(x)
        return self.bind(x, like), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.standard_normal((3, 1)).astype("float32")
        yield Sample(cls(), (x, rng.standard_normal((2, 3, 4)).astype("float32")))


class ExpandDims(View, name="expand_dims"):
    """New axes of length 1 at the places ``axes`` of the result."""

    axes: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        shape = list(x.shape)
        for axis in self.axes:
            if axis > len(shape):
                raise AxisError(f"expand_dims: axes {self.axes} are out of bounds for {x}")
            shape.insert(axis, 1)
        return AbstractArray(tuple(shape), x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.expand_dims(x, self.axes)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return Squeeze(axes=self.axes).bind(ct)

    def decompose(self, x: Any) -> Any:
        return Reshape(shape=self.abstract(x.value).shape).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return ExpandDims(axes=tuple([a + 1 for a in self.axes])).bind(move_axis(x, d, 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axes in [((3,), (0,)), ((2, 3), (1, 3)), ((), (0,)), ((0,), (1,))]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(axes=axes), (x,))


class Squeeze(View, name="squeeze"):
    """The operand without its axes ``axes``, which have length 1."""

    axes: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        for axis in self.axes:
            if not 0 <= axis < x.ndim:
                raise AxisError(f"squeeze: axis {axis} is out of bounds for {x}")
            if x.shape[axis] != 1:
                raise ShapeError(f"squeeze: axis {axis} of {x} has length {x.shape[axis]}, not 1")
        kept = [n for i, n in enumerate(x.shape) if i not in self.axes]
        return AbstractArray(tuple(kept), x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.squeeze(x, self.axes)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return ExpandDims(axes=self.axes).bind(ct)

    def decompose(self, x: Any) -> Any:
        return Reshape(shape=self.abstract(x.value).shape).bind(x)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return Squeeze(axes=tuple([a + 1 for a in self.axes])).bind(move_axis(x, d, 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axes in [((1, 3), (0,)), ((2, 1, 1), (1, 2)), ((1,), (0,)), ((0, 1), (1,))]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(axes=axes), (x,))


class Select(View, name="select"):
    """The entry at ``index`` of ``axis``, which disappears: what ``a[i]`` and ``a[:, j]`` are."""

    axis: int
    index: int

    def abstract(self, x: Any) -> AbstractArray:
        axis = self.axis
        shape = x.shape
        if not (axis < len(shape) and self.index < shape[axis]):
            raise AxisError(f"index {self.index} is out of bounds for axis {axis} of {x}")
        return AbstractArray(shape[:axis] + shape[axis + 1 :], x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x[(slice(None),) * self.axis + (self.index,)]

    def _slice(self, x: Any) -> Slice:
        start = [0] * x.ndim
        stop = list(x.shape)
        start[self.axis], stop[self.axis] = self.index, self.index + 1
        return Slice(tuple(start), tuple(stop), (1,) * x.ndim)

    def decompose(self, x: Any) -> Any:
        return Squeeze(axes=(self.axis,)).bind(self._slice(x).bind(x))

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        whole = ExpandDims(axes=(self.axis,)).bind(ct)
        if stays_open(operands[0]):
            # How far the entry is from the end is not known: it is found by its position.
            one, index = (wrap(graph.slots.scalar("select", n, int32)) for n in (1, self.index))
            ones = broadcast_like(one, operands[0])
            place = call("cumsum", ones, axis=self.axis, reverse=False, inclusive=False)
            return call("where", call("equal", place, index), whole, scalar_like(0, whole))
        return self._slice(operands[0]).transpose(whole, 0, operands)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        axis = shift(self.axis, d)
        return Select(axis, self.index).bind(x), d - (axis < d)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis, index in [((3,), 0, 2), ((2, 3), 1, 0), ((2, 3, 4), 1, 1), ((2, 0), 0, 1)]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(axis=axis, index=index), (x,))


class Slice(View, name="slice"):
    """The elements ``start, start + step, ...`` before ``stop`` of each axis.

    A negative step counts down, and ``stop`` may then be -1: past index 0.
    """

    required = True
    shape_dependent = True
    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        if not len(self.start) == len(self.stop) == len(self.step) == x.ndim:
            raise ShapeError(
                f"slice: start, stop and step must have one entry for each axis of {x}"
            )
        shape = []
        for n, a, b, s in zip(x.shape, self.start, self.stop, self.step, strict=True):
            length = max(0, -(-(b - a) // s))
            last = a + (length - 1) * s
            if length and not (0 <= a < n and 0 <= last < n):
                raise ShapeError(f"slice: {a}:{b}:{s} leaves an axis of length {n} of {x}")
            shape.append(length)
        return AbstractArray(tuple(shape), x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        parts = zip(self.start, self.stop, self.step, strict=True)
        return x[tuple(slice(a, None if b < 0 else b, s) for a, b, s in parts)]

    def replayed(self, old: Any, new: Any) -> Slice:
        """Whole axes stay whole, forwards or backwards; a part of an axis has a fixed length."""
        parts = []
        axes = zip(old[0].shape, new[0].shape, self.start, self.stop, self.step, strict=True)
        for axis, (n, m, a, b, s) in enumerate(axes):
            if n == m:
                parts.append((a, b, s))
            elif (a, b, s) == (0, n, 1):
                parts.append((0, m, 1))
            elif (a, b, s) == (n - 1, -1, -1):
                parts.append((m - 1, -1, -1))
            else:
                raise ShapeError(
                    f"slice: {a}:{b}:{s} of axis {axis} was recorded for length {n} and can't be "
                    f"replayed at length {m}; compile without shapeless=True"
                )
        return Slice(*[tuple(column) for column in zip(*parts, strict=True)])

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return _unslice(ct, self.start, self.step, operands[0])

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return Slice(
            insert(self.start, d, 0), insert(self.stop, d, x.shape[d]), insert(self.step, d, 1)
        ).bind(x), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, a, b, s in [
            ((5,), (1,), (4,), (1,)),
            ((5,), (4,), (-1,), (-2,)),
            ((4, 6), (0, 1), (4, 6), (1, 2)),
            ((3, 0), (1, 0), (3, 0), (1, 1)),
        ]:
            yield Sample(cls(a, b, s), (rng.standard_normal(shape).astype("float32"),))


def _unslice(ct: Any, start: Any, step: Any, like: Any) -> Any:
    """Put ``ct`` back where a slice took it from, zeros elsewhere."""
    backward = [i for i, s in enumerate(step) if s < 0]
    if backward:
        ct = flip_axes(ct, tuple(backward))
    low, high, interior = [], [], []
    for n, a, s, m in zip(like.shape, start, step, ct.shape, strict=True):
        first = a if s > 0 else a + (m - 1) * s
        if m == 0:
            first = 0
        covered = (m - 1) * abs(s) + 1 if m else 0
        low.append(first)
        interior.append(abs(s) - 1)
        high.append(n - first - covered)
    zero = scalar_like(0, ct)
    return Pad(low=tuple(low), high=tuple(high), interior=tuple(interior)).bind(ct, zero)


def flip_axes(x: Any, axes: tuple[int, ...]) -> Any:
    """Reverse ``x`` along ``axes``."""
    start = [0] * x.ndim
    stop = list(x.shape)
    step = [1] * x.ndim
    for a in axes:
        start[a], stop[a], step[a] = max(x.shape[a] - 1, 0), -1, -1
        if x.shape[a] == 0:
            start[a], stop[a], step[a] = 0, 0, 1
    return Slice(tuple(start), tuple(stop), tuple(step)).bind(x)


class Pad(Primitive, name="pad"):
    """``low`` and ``high`` entries of a value around each axis, ``interior`` between neighbours."""

    required = True
    linear = "joint"
    low: tuple[int, ...]
    high: tuple[int, ...]
    interior: tuple[int, ...]

    def abstract(self, x: Any, value: Any) -> AbstractArray:
        if value.dtype is not x.dtype or value.shape:
            raise DTypeError(f"pad: the value must be a scalar of dtype {x.dtype}, got {value}")
        if not len(self.low) == len(self.high) == len(self.interior) == x.ndim:
            raise ShapeError(f"pad: low, high and interior must have one entry an axis of {x}")
        parts = zip(x.shape, self.low, self.high, self.interior, strict=True)
        shape = tuple([n + max(n - 1, 0) * m + a + b for n, a, b, m in parts])
        if min((*self.low, *self.high, *self.interior), default=0) < 0:
            raise ShapeError("pad: widths must not be negative")
        check_shape("pad", shape, x.dtype.size)
        return AbstractArray(shape, x.dtype)

    def reference(self, x: np.ndarray, value: np.ndarray) -> np.ndarray:
        import numpy as np

        parts = zip(x.shape, self.low, self.high, self.interior, strict=True)
        shape = tuple(n + max(n - 1, 0) * m + a + b for n, a, b, m in parts)
        out = np.full(shape, value, dtype=x.dtype)
        inner = zip(x.shape, self.low, self.interior, strict=True)
        out[tuple(slice(a, a + (n - 1) * (m + 1) + 1 if n else a, m + 1) for n, a, m in inner)] = x
        return out

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        inner = self._inner(ct, operands[0])
        if i == 0:
            return inner
        total = call("sum", ct, axes=tuple(range(ct.ndim)))
        return call("sub", total, call("sum", inner, axes=tuple(range(inner.ndim))))

    def _inner(self, ct: Any, x: Any) -> Any:
        if stays_open(ct):
            return call("unpad", ct, low=self.low, high=self.high, interior=self.interior)
        stop = tuple(
            a + (n - 1) * (m + 1) + 1 if n else a
            for n, a, m in zip(x.shape, self.low, self.interior, strict=True)
        )
        return Slice(self.low, stop, tuple(m + 1 for m in self.interior)).bind(ct)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, value), (d, dv) = operands, dims
        if dv is not None:
            return NotImplemented
        padded = Pad(insert(self.low, d, 0), insert(self.high, d, 0), insert(self.interior, d, 0))
        return padded.bind(x, value), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        value = rng.standard_normal(()).astype("float32")
        for shape, low, high, interior in [
            ((3,), (1,), (2,), (0,)),
            ((2, 3), (0, 1), (1, 0), (2, 1)),
            ((0, 2), (1, 0), (1, 0), (0, 0)),
            ((), (), (), ()),
        ]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(low, high, interior), (x, value))


class Concatenate(Primitive, name="concatenate"):
    """Operands joined along ``axis``."""

    required = True
    linear = "joint"
    axis: int

    def abstract(self, *operands: Any) -> AbstractArray:
        first = operands[0]
        axis = self.axis
        if not 0 <= axis < first.ndim:
            raise AxisError(f"concatenate: axis {axis} is out of bounds for {first}")
        total = 0
        for x in operands:
            if x.dtype is not first.dtype:
                raise DTypeError(f"concatenate: expected one dtype, got {first} and {x}")
            if (
                x.ndim != first.ndim
                or x.shape[:axis] != first.shape[:axis]
                or x.shape[axis + 1 :] != first.shape[axis + 1 :]
            ):
                raise ShapeError(
                    f"concatenate: {first} and {x} must agree in every axis but {axis}"
                )
            total += x.shape[axis]
        return AbstractArray(first.shape[:axis] + (total,) + first.shape[axis + 1 :], first.dtype)

    def reference(self, *operands: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.concatenate(operands, self.axis)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        if stays_open(ct):
            return call("part_like", ct, *operands, axis=self.axis, index=i)
        start = [0] * ct.ndim
        stop = list(ct.shape)
        start[self.axis] = sum(x.shape[self.axis] for x in operands[:i])
        stop[self.axis] = start[self.axis] + operands[i].shape[self.axis]
        return Slice(tuple(start), tuple(stop), (1,) * ct.ndim).bind(ct)

    def batch(self, operands: Any, dims: Any) -> Any:
        size = next(x.shape[d] for x, d in zip(operands, dims, strict=True) if d is not None)
        moved = [
            Broadcast(shape=(size, *x.shape)).bind(x) if d is None else move_axis(x, d, 0)
            for x, d in zip(operands, dims, strict=True)
        ]
        return Concatenate(axis=self.axis + 1).bind(*moved), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shapes, axis in [(((2,), (3,)), 0), (((2, 1), (2, 3), (2, 0)), 1), (((0, 2),), 0)]:
            xs = tuple(rng.standard_normal(s).astype("float32") for s in shapes)
            yield Sample(cls(axis=axis), xs)


def turned(x: Any, axes: tuple[int, ...], stream: Any = None) -> Any:
    """Return ``x`` with the order along ``axes`` reversed."""
    start, stop, step = [0] * x.ndim, list(x.shape), [1] * x.ndim
    for axis in axes:
        if x.shape[axis]:
            start[axis], stop[axis], step[axis] = x.shape[axis] - 1, -1, -1
    return Slice(tuple(start), tuple(stop), tuple(step)).bind(x, stream=stream)
