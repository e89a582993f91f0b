"""slice_update: what a[2:5] = b records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.dtypes import bool_
from ..base.errors import DTypeError, ShapeError
from ..graph.primitive import Primitive, Sample, call
from .derive import zeros_like
from .indexing import spread_batch
from .shape import Slice

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class SliceUpdate(Primitive, name="slice_update"):
    """The operand with the slice ``start``, ``stop``, ``step`` replaced by a second operand."""

    shape_dependent = True
    linear = "joint"
    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]

    def slice(self) -> Slice:
        """Return the primitive that reads what this one replaces."""
        return Slice(self.start, self.stop, self.step)

    def abstract(self, x: Any, update: Any) -> Any:
        part = self.slice().abstract(x)
        if update.dtype is not x.dtype:
            raise DTypeError(f"slice_update: {update} must have the dtype of {x}")
        if part.shape != update.shape:
            raise ShapeError(f"slice_update: {update} does not fit the slice {part} of {x}")
        return x.aval

    def reference(self, x: np.ndarray, update: np.ndarray) -> np.ndarray:
        out = x.copy()
        self.slice().reference(out)[...] = update
        return out

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return self.slice().bind(ct) if i else self.bind(ct, zeros_like(operands[1]))

    def decompose(self, x: Any, update: Any) -> Any:
        whole = call("full", shape=update.shape, dtype=bool_, value=True)
        covered = self.slice().transpose(whole, 0, (x,))
        return call("where", covered, self.slice().transpose(update, 0, (x,)), x)

    def batch(self, operands: Any, dims: Any) -> Any:
        n = next(o.shape[k] for o, k in zip(operands, dims, strict=True) if k is not None)
        x, update = (spread_batch(o, k, n) for o, k in zip(operands, dims, strict=True))
        start, stop, step = (0, *self.start), (n, *self.stop), (1, *self.step)
        return SliceUpdate(start, stop, step).bind(x, update), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, a, b, s in [
            ((5,), (1,), (4,), (1,)),
            ((5,), (4,), (-1,), (-2,)),
            ((4, 6), (0, 1), (4, 6), (1, 2)),
            ((3, 2), (1, 0), (1, 2), (1, 1)),
        ]:
            x = rng.standard_normal(shape).astype("float32")
            part = Slice(a, b, s).reference(x)
            yield Sample(cls(a, b, s), (x, rng.standard_normal(part.shape).astype("float32")))
