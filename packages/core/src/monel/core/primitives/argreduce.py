"""Positions of extremes: argmax and argmin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.errors import AxisError, ShapeError
from ..graph.handle import array
from ..graph.primitive import Sample
from .arguments import call_on, canonical_axis, flag, operand
from .flatten import flatten_axes
from .kinds import LocallyConstant
from .shape import shift

if TYPE_CHECKING:
    import numpy as np

__all__ = ["argmax", "argmin"]


class ArgReduction(LocallyConstant):
    """The position (uint32) along ``axis``, which disappears: the first of ties, nan before all."""

    required: ClassVar[bool] = True
    zero_in: ClassVar[tuple[int, ...]] = (0,)
    numpy_name: ClassVar[str] = ""
    axis: int

    def abstract(self, x: Any) -> AbstractArray:
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"{self.name}: axis {self.axis} is out of bounds for {x}")
        if not x.shape[self.axis]:
            raise ShapeError(f"{self.name}: Cannot {self.name} reduce zero size array {x}")
        shape = x.shape[: self.axis] + x.shape[self.axis + 1 :]
        return AbstractArray(shape, dtypes.uint32)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        if x.dtype.kind == "V":
            x = x.astype(np.float32)
        return np.asarray(getattr(np, self.numpy_name)(x, axis=self.axis)).astype(np.uint32)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        axis = shift(self.axis, d)
        return type(self)(axis=axis).bind(x), d - (axis < d)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in [((5,), 0), ((2, 3), 1), ((2, 3, 4), 1), ((0, 3), 1)]:
            yield Sample(cls(axis=axis), (rng.standard_normal(shape).astype("float32"),))
        yield Sample(cls(axis=0), (rng.integers(0, 3, (6, 2)).astype("int32"),))


class ArgMax(ArgReduction, name="argmax"):
    """The position of the greatest element along ``axis``."""

    numpy_name = "argmax"


class ArgMin(ArgReduction, name="argmin"):
    """The position of the smallest element along ``axis``."""

    numpy_name = "argmin"


def _position(
    cls: type[ArgReduction], a: Any, axis: int | None, keepdims: bool, stream: Any
) -> Any:
    x = operand(cls.name, a)
    keepdims = flag(cls.name, "keepdims", keepdims)
    if axis is None:
        flat = flatten_axes(x, 0, x.ndim - 1, stream)
        place, kept = 0, tuple(range(x.ndim))
    else:
        flat = x
        place = canonical_axis(cls.name, axis, x)
        kept = (place,)
    out = cls(axis=place).bind(flat, stream=stream)
    return call_on(stream, "expand_dims", out, axes=kept) if keepdims and kept else out


def argmax(
    a: Any, /, axis: int | None = None, keepdims: bool = False, *, stream: Any = None
) -> array:
    """Return the position of the greatest element, the first where several tie.

    Args:
      a: Array of any dtype; a nan counts as greater than anything.
      axis: The axis to search, or None for the flattened array.
      keepdims: Keep the searched axes with length 1.
    Returns:
      Array of uint32.
    Raises:
      AxisError: The axis is out of bounds.
      ShapeError: There is nothing to choose from.
    Example:
      >>> import monel.core as mx
      >>> mx.argmax(mx.array([[1, 5], [3, 2]]), axis=1)
      array([1, 0], dtype=uint32)
    """
    return _position(ArgMax, a, axis, keepdims, stream)


def argmin(
    a: Any, /, axis: int | None = None, keepdims: bool = False, *, stream: Any = None
) -> array:
    """Return the position of the smallest element, the first where several tie.

    Args:
      a: Array of any dtype; a nan counts as smaller than anything.
      axis: The axis to search, or None for the flattened array.
      keepdims: Keep the searched axes with length 1.
    Returns:
      Array of uint32.
    Raises:
      AxisError: The axis is out of bounds.
      ShapeError: There is nothing to choose from.
    Example:
      >>> import monel.core as mx
      >>> mx.argmin(mx.array([[1, 5], [3, 2]]), axis=1)
      array([0, 1], dtype=uint32)
    """
    return _position(ArgMin, a, axis, keepdims, stream)
