"""Gather and scatter: elements read from and written to places that other arrays name.

Indices are integers; a negative one counts from the end, one outside its axis is an error when the
primitive runs. Where an array has several index operands, these broadcast against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import int32
from ..base.errors import (
    AxisError,
    DTypeError,
    MissingRuleError,
    OutOfBoundsError,
    ShapeError,
)
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from .derive import zeros_like
from .kinds import batch_first, broadcast_like, move_axis, scalar_like
from .shape import insert, shift

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []

INDEX_DTYPES = ("int32", "uint32", "int64")

MODES = ("set", "add", "mul", "max", "min")


def index_shape(function: str, indices: Any) -> tuple[int, ...]:
    """Return the shape that index operands broadcast to; DTypeError unless they are integers."""
    shape: tuple[int, ...] = ()
    for index in indices:
        if index.dtype.name not in INDEX_DTYPES:
            raise DTypeError(f"{function}: indices must be int32, uint32 or int64, got {index}")
        shape = broadcast_shapes(function, shape, index.shape)
    return shape


def check_indexed(function: str, axes: tuple[int, ...], x: Any, count: int) -> None:
    """Raise unless ``axes`` are distinct axes of ``x``, one for each of ``count`` indices."""
    if len(axes) != count or len(set(axes)) != count or any(not 0 <= a < x.ndim for a in axes):
        raise AxisError(f"{function}: axes {axes} do not fit {count} index arrays into {x}")


def fits(sizes: tuple[int, ...], shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Return whether slices of ``sizes`` fit into ``shape``.

    Along an indexed axis that is empty a slice of 1 does, too: no index can name it.
    """
    if len(sizes) != len(shape):
        return False
    pairs = enumerate(zip(sizes, shape, strict=True))
    return all(0 <= m <= n or (m == 1 and axis in axes) for axis, (m, n) in pairs)


def starts(function: str, indices: Any, axes: Any, x: np.ndarray, sizes: Any) -> list[np.ndarray]:
    """Return the indices with negative ones wrapped; OutOfBoundsError where one does not fit."""
    import numpy as np

    found = []
    for index, axis in zip(indices, axes, strict=True):
        n = x.shape[axis]
        wide = index.astype(np.int64)
        wrapped = np.where(wide < 0, wide + n, wide)
        bad = (wrapped < 0) | (wrapped > n - sizes[axis])
        if bad.any():
            raise OutOfBoundsError(
                f"{function}: index {wide[bad].flat[0]} is out of bounds for axis {axis} "
                f"with size {n}"
            )
        found.append(wrapped)
    return list(np.broadcast_arrays(*found)) if found else []


def places(function: str, x: np.ndarray, indices: Any, axes: Any, sizes: Any) -> tuple[Any, ...]:
    """Return NumPy indices of every element that slices of ``sizes`` at ``indices`` cover."""
    import numpy as np

    found = starts(function, indices, axes, x, sizes)
    lead = found[0].ndim if found else 0
    result = []
    for axis, size in enumerate(sizes):
        place = [1] * (lead + len(sizes))
        place[lead + axis] = size
        run = np.arange(size).reshape(place)
        if axis in axes:
            start = found[axes.index(axis)]
            run = run + start.reshape(start.shape + (1,) * len(sizes))
        result.append(run)
    return tuple(result)


class Gather(Primitive, name="gather"):
    """Slices of ``slice_sizes`` that begin at the indices along ``axes``.

    The result has the broadcast shape of the indices, followed by ``slice_sizes``. Errors about
    indices name ``function``, which the user called.
    """

    fails = True
    required = True
    shape_dependent = True
    linear = "joint"
    linear_in = (0,)
    axes: tuple[int, ...]
    slice_sizes: tuple[int, ...]
    function: str = "gather"

    def abstract(self, x: Any, *indices: Any) -> AbstractArray:
        check_indexed("gather", self.axes, x, len(indices))
        if not fits(self.slice_sizes, x.shape, self.axes):
            raise ShapeError(f"gather: slices of {self.slice_sizes} do not fit into {x}")
        return AbstractArray(index_shape("gather", indices) + self.slice_sizes, x.dtype)

    def replayed(self, old: Any, new: Any) -> Gather:
        """Whole axes stay whole, and indexed ones keep their slices of 1."""
        sizes = []
        for axis, (n, m, size) in enumerate(
            zip(old[0].shape, new[0].shape, self.slice_sizes, strict=True)
        ):
            whole = size == n and axis not in self.axes
            if n != m and not whole and size != 1:
                raise ShapeError(
                    f"gather: slices of {size} of axis {axis} were recorded for length {n} and "
                    f"can't be replayed at length {m}; compile without shapeless=True"
                )
            sizes.append(m if whole else size)
        return Gather(self.axes, tuple(sizes), self.function)

    def reference(self, x: np.ndarray, *indices: np.ndarray) -> np.ndarray:
        found: np.ndarray = x[places("gather", x, indices, self.axes, self.slice_sizes)]
        return found

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        x, *indices = operands
        return Scatter(self.axes, "add").bind(zeros_like(x), ct, *indices)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, *indices), (d, *ds) = operands, dims
        if all(k is None for k in ds):
            axes = tuple([shift(a, d) for a in self.axes])
            sizes = insert(self.slice_sizes, d, x.shape[d])
            lead = len(broadcast_rank(indices))
            return Gather(axes, sizes, self.function).bind(x, *indices), lead + d
        if d is None:
            return self.bind(x, *batch_first(indices, ds)), 0
        indices = batch_first(indices, ds)
        rows = row_numbers(x, d, len(broadcast_rank(indices)))
        axes = (0, *[a + 1 for a in self.axes])
        gather = Gather(axes, (1, *self.slice_sizes), self.function)
        made = gather.bind(move_axis(x, d, 0), rows, *indices)
        return call("squeeze", made, axes=(len(broadcast_rank(indices)),)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x = rng.standard_normal((4, 3, 5)).astype("float32")
        i, j = np.array([0, 3, -1, 3], "int32"), np.array([[2], [0]], "uint32")
        yield Sample(cls((0,), (1, 3, 5)), (x, i))
        yield Sample(cls((2,), (4, 1, 1)), (x, i.astype("int64")))
        yield Sample(cls((0, 1), (1, 1, 2)), (x, i, j.astype("int32")))
        yield Sample(cls((1,), (4, 1, 5)), (x, np.array(1, "int32")))
        yield Sample(cls((0,), (1, 3, 5)), (x, np.zeros((0, 2), "int32")))


def broadcast_rank(indices: Any) -> tuple[int, ...]:
    """Return the common shape of index arrays."""
    shape: tuple[int, ...] = ()
    for index in indices:
        shape = broadcast_shapes("gather", shape, index.shape)
    return shape


def row_numbers(x: Any, d: int, rank: int) -> Any:
    """Return 0, 1, ... for the batch axis ``d`` of ``x``, as an index array of ``rank`` axes."""
    n = x.shape[d]
    return call("iota", shape=(n,) + (1,) * (rank - 1), dtype=int32, axis=0)


class Scatter(Primitive, name="scatter"):
    """The operand with ``updates`` written, or combined, at the indices along ``axes``.

    ``updates`` has the broadcast shape of the indices, followed by a slice of the operand with
    length 1 along ``axes``. With ``mode="set"`` the last write to an element wins, in row-major
    order of the indices; the other modes combine all of them with the element. Errors about
    indices name ``function``, which the user called.
    """

    fails = True
    required = True
    axes: tuple[int, ...]
    mode: str
    function: str = "scatter"

    def abstract(self, x: Any, updates: Any, *indices: Any) -> AbstractArray:
        check_indexed("scatter", self.axes, x, len(indices))
        if self.mode not in MODES:
            raise ShapeError(f"scatter: mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if updates.dtype is not x.dtype:
            raise DTypeError(f"scatter: updates {updates} must have the dtype of {x}")
        lead = index_shape("scatter", indices)
        slice_shape = updates.shape[len(lead) :]
        if updates.shape[: len(lead)] != lead or not fits(slice_shape, x.shape, self.axes):
            raise ShapeError(
                f"scatter: updates {updates} must have the shape {lead} of the indices, "
                f"followed by a slice of {x}"
            )
        return AbstractArray(x.shape, x.dtype)

    def reference(self, x: np.ndarray, updates: np.ndarray, *indices: np.ndarray) -> np.ndarray:
        import numpy as np

        sizes = updates.shape[updates.ndim - x.ndim :]
        where = places("scatter", x, indices, self.axes, sizes)
        out = x.copy()
        combine(self.mode, out, np.broadcast_arrays(*where, updates)[:-1] if where else (), updates)
        return out

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        _refuse_indices(tangents[2:], "JVP")
        x, updates, *indices = primals
        dx, du = tangents[:2]
        if dx is None and du is None:
            return (None,)
        if self.mode in ("set", "add"):
            dx = zeros_like(x) if dx is None else dx
            du = zeros_like(updates) if du is None else du
            return (self.bind(dx, du, *indices),)
        base, factors = self._factors(primals, outputs[0])
        total = zeros_like(x) if dx is None else call("mul", dx, base)
        if du is not None:
            total = Scatter(self.axes, "add").bind(total, call("mul", du, factors), *indices)
        return (total,)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        _refuse_indices([i if i in wanted else None for i in range(2, len(primals))], "VJP")
        x, updates, *indices = primals
        (ct,) = cotangents
        found: list[Any] = [None] * len(primals)
        base = factors = None
        if self.mode in ("mul", "max", "min"):
            base, factors = self._factors(primals, outputs[0])
        if 0 in wanted:
            if self.mode == "set":
                found[0] = self.bind(ct, zeros_like(updates), *indices)
            else:
                found[0] = ct if base is None else call("mul", ct, _conjugate(base))
        if 1 in wanted:
            part = self._gather(ct, updates, indices)
            if self.mode == "set":
                part = self._winners(part, x, updates, indices)
            found[1] = part if factors is None else call("mul", part, _conjugate(factors))
        return found

    def _gather(self, x: Any, updates: Any, indices: Any) -> Any:
        """Return the elements of ``x`` that ``updates`` meet."""
        sizes = updates.shape[updates.ndim - x.ndim :]
        return Gather(self.axes, sizes).bind(x, *indices)

    def _winners(self, part: Any, x: Any, updates: Any, indices: Any) -> Any:
        """Return ``part`` with zeros for updates that a later one has overwritten."""
        lead = broadcast_rank(indices)
        count = 1
        for n in lead:
            count *= n
        if count <= 1:
            return part
        # Each update writes its number where it goes; who reads his own number back has won.
        numbers = call("iota", shape=(count,), dtype=int32, axis=0)
        numbers = call("reshape", numbers, shape=lead + (1,) * x.ndim)
        window = tuple([n if a in self.axes else 1 for a, n in enumerate(x.shape)])
        blank = call("full", shape=window, dtype=int32, value=0)
        written = Scatter(self.axes, "set").bind(blank, numbers, *indices)
        won = call("equal", self._gather(written, numbers, indices), numbers)
        return call("where", broadcast_like(won, part), part, zeros_like(part))

    def _factors(self, primals: Any, out: Any) -> tuple[Any, Any]:
        """Return the derivatives by x and by updates, element by element: mul, max and min."""
        x, updates, *indices = primals
        if self.mode != "mul":
            # Whoever equals the extreme has a part in it; ties all do.
            hit_x = call("cast", call("equal", x, out), dtype=x.dtype)
            met = self._gather(out, updates, indices)
            return hit_x, call("cast", call("equal", updates, met), dtype=x.dtype)
        one, zero = scalar_like(1, x), scalar_like(0, x)
        is_zero = call("equal", updates, broadcast_like(zero, updates))
        filled = call("where", is_zero, broadcast_like(one, updates), updates)
        ones = broadcast_like(one, x)
        nonzero = self.bind(ones, filled, *indices)
        zeros = Scatter(self.axes, "add").bind(
            zeros_like(x), call("cast", is_zero, dtype=x.dtype), *indices
        )
        nothing = zeros_like(x)
        base = call("where", call("equal", zeros, nothing), nonzero, nothing)
        # The product of the others: without zeros among them, the whole product less this factor.
        others = call(
            "sub", self._gather(zeros, updates, indices), call("cast", is_zero, dtype=x.dtype)
        )
        divide = "div" if x.dtype.inexact else "floor_divide"
        rest = call(divide, self._gather(nonzero, updates, indices), filled)
        blank = zeros_like(updates)
        rest = call("where", call("equal", others, blank), rest, blank)
        return base, call("mul", rest, self._gather(x, updates, indices))

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, updates, *indices), (d, du, *ds) = operands, dims
        n = next(o.shape[k] for o, k in zip(operands, dims, strict=True) if k is not None)
        x = spread_batch(x, d, n)
        updates = spread_batch(updates, du, n)
        if all(k is None for k in ds):
            axes = tuple([a + 1 for a in self.axes])
            moved = move_axis(updates, 0, len(broadcast_rank(indices)))
            return Scatter(axes, self.mode, self.function).bind(x, moved, *indices), 0
        indices = batch_first(indices, ds)
        lead = len(broadcast_rank(indices))
        rows = row_numbers(x, 0, lead)
        updates = call("expand_dims", updates, axes=(lead,))
        axes = (0, *[a + 1 for a in self.axes])
        return Scatter(axes, self.mode, self.function).bind(x, updates, rows, *indices), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x = rng.standard_normal((4, 3)).astype("float32")
        i, j = np.array([0, 3, -1], "int32"), np.array([2, 0, 1], "int32")
        for mode in MODES:
            updates = rng.standard_normal((3, 1, 3)).astype("float32")
            yield Sample(cls((0,), mode), (x, updates, i))
        updates = rng.standard_normal((3, 1, 1)).astype("float32")
        yield Sample(cls((0, 1), "add"), (x, updates, i, j))
        yield Sample(cls((1,), "set"), (x, updates[:0], j[:0].astype("uint32")))


def _conjugate(x: Any) -> Any:
    return call("conj", x) if x.dtype.name == "complex64" else x


def _refuse_indices(given: Any, kind: str) -> None:
    if any(g is not None for g in given):
        raise MissingRuleError(
            f"scatter: Cannot calculate {kind} with respect to indices; "
            f"use mx.stop_gradient on them"
        )


def combine(mode: str, out: np.ndarray, where: Any, updates: np.ndarray) -> None:
    """Write ``updates`` into ``out`` at the NumPy indices ``where``, in place."""
    import numpy as np

    if mode == "set":
        # NumPy does not say which of several writes wins; the last one does if each is one store.
        if where:
            flat = np.ravel_multi_index(tuple(w.ravel() for w in where), out.shape)
            _, last = np.unique(flat[::-1], return_index=True)
            keep = flat.size - 1 - last
            out.flat[flat[keep]] = updates.ravel()[keep]
        else:
            out[...] = updates.reshape(out.shape)
        return
    functions = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    with np.errstate(all="ignore"):
        if out.dtype.kind == "V" or (out.dtype.itemsize == 2 and out.dtype.kind == "f"):
            wide = out.astype(np.float32)
            functions[mode].at(wide, where, updates.astype(np.float32))
            out[...] = wide.astype(out.dtype)
        else:
            functions[mode].at(out, where, updates)


def spread_batch(x: Any, d: int | None, n: int) -> Any:
    """Return ``x`` with its batch axis first; repeated along a new one where it has none."""
    if d is None:
        return call("broadcast", x, shape=(n, *x.shape))
    return move_axis(x, d, 0)
