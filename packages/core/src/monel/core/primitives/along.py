"""take_along_axis and put_along_axis: one index for each line along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import int32
from ..base.errors import AxisError, ShapeError
from ..graph.primitive import Primitive, Sample, call
from .derive import zeros_like
from .indexing import MODES, Gather, Scatter, combine, index_shape, spread_batch, starts

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


def check_along(function: str, axis: int, x: Any, indices: Any) -> None:
    """Raise unless ``indices`` are integers of the shape of ``x`` except along ``axis``."""
    index_shape(function, (indices,))
    if not 0 <= axis < x.ndim:
        raise AxisError(f"{function}: axis {axis} is out of bounds for {x}")
    if indices.ndim != x.ndim or any(
        m != n for a, (m, n) in enumerate(zip(indices.shape, x.shape, strict=True)) if a != axis
    ):
        raise ShapeError(
            f"{function}: indices {indices} must have the shape of {x} except along axis {axis}"
        )


def grid(axis: int, indices: Any) -> list[Any]:
    """Return index arrays for all axes: ``indices`` for ``axis``, 0, 1, ... for the others."""
    found = []
    for a, n in enumerate(indices.shape):
        place = tuple([n if k == a else 1 for k in range(indices.ndim)])
        found.append(indices if a == axis else call("iota", shape=place, dtype=int32, axis=a))
    return found


class TakeAlongAxis(Primitive, name="take_along_axis", export_name="GatherAxis"):
    """Element ``indices[..., k, ...]`` of each line along ``axis``.

    Errors about indices name ``function``, which the user called.
    """

    fails = True
    linear = "joint"
    linear_in = (0,)
    axis: int
    function: str = "take_along_axis"

    def abstract(self, x: Any, indices: Any) -> AbstractArray:
        check_along("take_along_axis", self.axis, x, indices)
        return AbstractArray(indices.shape, x.dtype)

    def reference(self, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        import numpy as np

        (found,) = starts("take_along_axis", (indices,), (self.axis,), x, (1,) * x.ndim)
        return np.take_along_axis(x, found, self.axis)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        x, indices = operands
        return PutAlongAxis(self.axis, "add").bind(zeros_like(x), indices, ct)

    def decompose(self, x: Any, indices: Any) -> Any:
        axes = tuple(range(x.ndim))
        found = Gather(axes, (1,) * x.ndim, self.function).bind(x, *grid(self.axis, indices))
        return call("squeeze", found, axes=tuple(range(x.ndim, 2 * x.ndim)))

    def batch(self, operands: Any, dims: Any) -> Any:
        n = next(o.shape[k] for o, k in zip(operands, dims, strict=True) if k is not None)
        moved = [spread_batch(o, k, n) for o, k in zip(operands, dims, strict=True)]
        return TakeAlongAxis(self.axis + 1, self.function).bind(*moved), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x = rng.standard_normal((3, 4)).astype("float32")
        yield Sample(cls(1), (x, np.array([[0, 3], [-1, 1], [2, 2]], "int32")))
        yield Sample(cls(0), (x, np.array([[2, 0, 1, -3]], "int64")))
        yield Sample(cls(0), (x[:, 0], np.array([1, 1, 0, 2, 2], "uint32")))


class PutAlongAxis(Primitive, name="put_along_axis", export_name="ScatterAxis"):
    """The operand with values written, or combined, at ``indices`` of each line along ``axis``."""

    fails = True
    axis: int
    mode: str

    def abstract(self, x: Any, indices: Any, values: Any) -> AbstractArray:
        check_along("put_along_axis", self.axis, x, indices)
        if values.dtype is not x.dtype or values.shape != indices.shape:
            raise ShapeError(
                f"put_along_axis: values {values} must have the shape of {indices} "
                f"and the dtype of {x}"
            )
        return AbstractArray(x.shape, x.dtype)

    def reference(self, x: np.ndarray, indices: np.ndarray, values: np.ndarray) -> np.ndarray:
        import numpy as np

        (found,) = starts("put_along_axis", (indices,), (self.axis,), x, (1,) * x.ndim)
        where: list[Any] = list(np.indices(found.shape, sparse=True))
        where[self.axis] = found
        out = x.copy()
        combine(self.mode, out, tuple(np.broadcast_arrays(*where)), values)
        return out

    def decompose(self, x: Any, indices: Any, values: Any) -> Any:
        if not indices.size:
            return x
        axes = tuple(range(x.ndim))
        wide = call("expand_dims", values, axes=tuple(range(x.ndim, 2 * x.ndim)))
        return Scatter(axes, self.mode).bind(x, wide, *grid(self.axis, indices))

    def batch(self, operands: Any, dims: Any) -> Any:
        n = next(o.shape[k] for o, k in zip(operands, dims, strict=True) if k is not None)
        moved = [spread_batch(o, k, n) for o, k in zip(operands, dims, strict=True)]
        return PutAlongAxis(self.axis + 1, self.mode).bind(*moved), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x = rng.standard_normal((3, 4)).astype("float32")
        values = rng.standard_normal((3, 2)).astype("float32")
        for mode in MODES:
            indices = np.array([[0, 3], [-1, 1], [2, 0]], "int32")
            yield Sample(cls(1, mode), (x, indices, values))
        yield Sample(cls(0, "add"), (x, np.zeros((2, 4), "uint32"), x[:2]))
