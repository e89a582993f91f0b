"""Arrays that lie in a file until they are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..base import dtypes
from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import Dtype
from ..graph.primitive import Primitive, Sample

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class Load(Primitive, name="load"):
    """The bytes that ``reader`` fills a writable view with, as an array.

    No effect: unused it does not run, and it is never folded, because it may be large.
    """

    shape_dependent = True
    host = True
    interned = False
    nondifferentiable = "it has no operand to differentiate by"
    shape: tuple[int, ...]
    dtype: Dtype
    reader: Callable[[memoryview], None]

    def abstract(self) -> AbstractArray:
        check_shape("load", self.shape, self.dtype.size)
        return AbstractArray(self.shape, self.dtype)

    def reference(self) -> np.ndarray:
        import numpy as np

        out = np.empty(self.shape, self.dtype.numpy)
        self.reader(out.reshape(-1).view("uint8").data)
        return out

    def __str__(self) -> str:
        return f"Load [{AbstractArray(self.shape, self.dtype)}]"

    def __hash__(self) -> int:
        return id(self.reader)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype in [((3, 2), dtypes.float32), ((), dtypes.int64), ((0,), dtypes.bool_)]:
            array = rng.integers(0, 2, shape).astype(dtype.numpy)
            yield Sample(cls(shape=shape, dtype=dtype, reader=_Copy(array.tobytes())), ())


class _Copy:
    """Reader of bytes that are at hand."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __call__(self, out: memoryview) -> None:
        out[:] = self.data
