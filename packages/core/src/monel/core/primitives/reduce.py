"""Reductions: sum, product, extremes, any and all; the number of elements."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.dtypes import Dtype
from ..base.errors import AxisError, ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, call, record_values
from .arguments import call_on, canonical_axes, dtype_or, operand, stays_open
from .convert import cast
from .flatten import flatten_axes
from .kinds import LocallyConstant, broadcast_like
from .shape import shift

if TYPE_CHECKING:
    import numpy as np

__all__ = ["all", "any", "max", "min", "prod", "sum"]


class Reduction(Primitive):
    """Removes ``axes`` (ascending) from its operand; the dtype stays."""

    numpy_name: ClassVar[str] = ""
    axes: tuple[int, ...]

    def abstract(self, x: Any) -> AbstractArray:
        axes = self.axes
        kept = []
        found = 0
        for i, n in enumerate(x.shape):
            if found < len(axes) and axes[found] == i:
                found += 1
            else:
                kept.append(n)
        if found < len(axes):
            raise AxisError(f"{self.name}: axes {axes} do not fit {x}")
        return AbstractArray(tuple(kept), x.dtype)

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            wide = np.float32 if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x.dtype
            return np.asarray(getattr(np, self.numpy_name)(x.astype(wide), axis=self.axes)).astype(
                x.dtype
            )

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        axes = tuple([shift(a, d) for a in self.axes])
        return type(self)(axes=axes).bind(x), d - builtins.sum(a < d for a in axes)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axes in [((5,), (0,)), ((2, 3), (1,)), ((2, 3, 4), (0, 2)), ((2, 3), ())]:
            yield Sample(cls(axes=axes), (rng.standard_normal(shape).astype("float32"),))


def spread(x: Any, axes: tuple[int, ...], like: Any) -> Any:
    """Undo a reduction's shape: put ``axes`` back and broadcast to the shape of ``like``."""
    return broadcast_like(call("expand_dims", x, axes=axes) if axes else x, like)


class Sum(Reduction, name="sum"):
    """The sum over ``axes``."""

    numpy_name = "sum"
    required = True
    linear = "joint"

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        if x.dtype.kind == "b":
            return np.any(x, axis=self.axes)
        return super().reference(x)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return spread(ct, self.axes, operands[0])

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield Sample(cls(axes=(0,)), (rng.standard_normal((0, 3)).astype("float32"),))


class Prod(Reduction, name="prod"):
    """The product over ``axes``; its derivative multiplies the others, so zeros are safe."""

    numpy_name = "prod"
    required = True

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        if x.dtype.kind == "b":
            return np.all(x, axis=self.axes)
        return super().reference(x)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (x,), (t,) = primals, tangents
        if not self.axes:
            return (t,)
        line, moved = _as_last_axis(x, self.axes), _as_last_axis(t, self.axes)
        axis = line.ndim - 1
        before = call("cumprod", line, axis=axis, reverse=False, inclusive=False)
        after = call("cumprod", line, axis=axis, reverse=True, inclusive=False)
        others = call("mul", before, after)
        return (call("sum", call("mul", moved, others), axes=(axis,)),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield from super().samples(rng)
        x = rng.standard_normal((3, 4)).astype("float32")
        x[0, 1] = x[2, 1] = x[1, 2] = 0.0
        yield Sample(cls(axes=(0,)), (x,))
        yield Sample(cls(axes=(0,)), (x[:0],))


def _as_last_axis(x: Any, axes: tuple[int, ...]) -> Any:
    """Return ``x`` with ``axes`` moved behind the others and made one."""
    kept = [i for i in range(x.ndim) if i not in axes]
    order = (*kept, *axes)
    if order != tuple(range(x.ndim)):
        x = call("transpose", x, axes=order)
    return flatten_axes(x, len(kept), x.ndim - 1) if len(axes) > 1 else x


class Extreme(Reduction):
    """The greatest or smallest over ``axes``; where several tie, the derivative is their mean."""

    required: ClassVar[bool] = True

    def abstract(self, x: Any) -> AbstractArray:
        aval = super().abstract(x)
        for a in self.axes:
            if not x.shape[a]:
                raise ShapeError(
                    f"{self.name}: Cannot {self.name} reduce over axis {a} of {x} with size 0"
                )
        return aval

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (x,), (t,), (out,) = primals, tangents, outputs
        weight = cast(call("equal", x, spread(out, self.axes, x)), x.dtype)
        weighted = call("sum", call("mul", t, weight), axes=self.axes)
        ties = call("sum", weight, axes=self.axes)
        return (call("div" if x.dtype.inexact else "floor_divide", weighted, ties),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield from super().samples(rng)
        yield Sample(cls(axes=(1,)), (rng.integers(-9, 9, (2, 5)).astype("int32"),))
        yield Sample(cls(axes=(1,)), (rng.standard_normal((0, 5)).astype("float32"),))


class Max(Extreme, name="max"):
    """The greatest element over ``axes``; nan where there is one."""

    numpy_name = "max"


class Min(Extreme, name="min"):
    """The smallest element over ``axes``; nan where there is one."""

    numpy_name = "min"


class Truth(LocallyConstant, Reduction):
    """Whether elements over ``axes`` are not zero; the result is bool."""

    extreme: ClassVar[str] = ""

    def abstract(self, x: Any) -> AbstractArray:
        return AbstractArray(super().abstract(x).shape, dtypes.bool_)

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        return np.asarray(getattr(np, self.numpy_name)(x.astype(bool), axis=self.axes))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axes in [((5,), (0,)), ((2, 3), (1,)), ((2, 3, 4), (0, 2)), ((0, 2), (0,))]:
            yield Sample(cls(axes=axes), (rng.random(shape) < 0.7,))
        yield Sample(cls(axes=(0,)), (rng.integers(0, 2, (3, 4)).astype("float32"),))


class All(Truth, name="all"):
    """Whether every element over ``axes`` is not zero."""

    numpy_name = "all"

    def decompose(self, x: Any) -> Any:
        zeros = call("logical_not", cast(x, dtypes.bool_))
        return call("logical_not", call("any", zeros, axes=self.axes))


class Any_(Truth, name="any", export_name="Any"):
    """Whether any element over ``axes`` is not zero."""

    numpy_name = "any"

    def decompose(self, x: Any) -> Any:
        # A count in int64 can't wrap to zero, and a sum has a value where nothing is left.
        found = cast(cast(x, dtypes.bool_), dtypes.int64)
        return cast(call("sum", found, axes=self.axes), dtypes.bool_)


class SizeOf(LocallyConstant, name="size_of"):
    """The number of elements along ``axes`` of the operand, as a scalar of ``dtype``.

    It keeps shapes open: at replay it is the size of the operand given then.
    """

    zero_in = (0,)
    axes: tuple[int, ...]
    dtype: Dtype

    def abstract(self, x: Any) -> AbstractArray:
        if builtins.any(not 0 <= a < x.ndim for a in self.axes):
            raise AxisError(f"size_of: axes {self.axes} do not fit {x}")
        return AbstractArray((), self.dtype)

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        return np.asarray(math.prod([x.shape[a] for a in self.axes])).astype(self.dtype.numpy)

    def decompose(self, x: Any) -> Any:
        count = math.prod([x.shape[a] for a in self.axes])
        return call("full", shape=(), dtype=self.dtype, value=count)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return SizeOf(tuple([shift(a, d) for a in self.axes]), self.dtype).bind(x), None

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.standard_normal((2, 3)).astype("float32")
        yield Sample(cls(axes=(0, 1), dtype=dtypes.float32), (x,))
        yield Sample(cls(axes=(1,), dtype=dtypes.int32), (x,))


def size_of(x: Any, axes: tuple[int, ...], dtype: Dtype) -> Any:
    """Return the number of elements of ``x`` along ``axes`` as a scalar array of ``dtype``."""
    if stays_open(x):
        return SizeOf(axes=axes, dtype=dtype).bind(x)
    count = math.prod([x.shape[a] for a in axes])
    return wrap(graph.slots.scalar("size_of", count if dtype.integral else float(count), dtype))


def widened(x: Any, stream: Any = None) -> Any:
    """Cast bool and small integers to the 32-bit integer in which sums and products run."""
    dtype = x.dtype
    if dtype.size < 4 and not dtype.inexact:
        wide = dtypes.uint32 if dtype.integral and not dtype.signed else dtypes.int32
        return cast(x, wide, stream)
    return x


def reduction(
    cls: type[Reduction], a: Any, axes: tuple[int, ...], keepdims: bool, stream: Any
) -> Any:
    """Reduce ``a`` over ascending ``axes``; with ``keepdims`` they stay with length 1."""
    if not axes:
        return wrap(a.value)
    out = wrap(record_values(cls(axes), (a.value,), stream))
    return call_on(stream, "expand_dims", out, axes=axes) if keepdims else out


def _summed(function: str, x: Any, dtype: Any, stream: Any) -> Any:
    """Return ``x`` in the dtype in which it is reduced."""
    return (
        widened(x, stream) if dtype is None else cast(x, dtype_or(function, dtype, dtype), stream)
    )


def sum(
    a: Any,
    /,
    axis: Any = None,
    keepdims: bool = False,
    *,
    dtype: Dtype | None = None,
    stream: Any = None,
) -> array:
    """Return the sum over the given axes.

    Args:
      a: Array of any shape and dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
      dtype: What to cast ``a`` to before, which is then the dtype of the result.
    Returns:
      Array of the dtype of ``a``; bool, int8 and int16 give int32, uint8 and uint16 uint32.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.sum(mx.array([[1, 2], [3, 4]]), axis=0)
      array([4, 6], dtype=int32)
    """
    x = operand("sum", a)
    axes = canonical_axes("sum", axis, x, keepdims)
    return reduction(Sum, _summed("sum", x, dtype, stream), axes, keepdims, stream)


def prod(
    a: Any,
    /,
    axis: Any = None,
    keepdims: bool = False,
    *,
    dtype: Dtype | None = None,
    stream: Any = None,
) -> array:
    """Return the product over the given axes.

    Args:
      a: Array of any shape and dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
      dtype: What to cast ``a`` to before, which is then the dtype of the result.
    Returns:
      Array of the dtype of ``a``; bool, int8 and int16 give int32, uint8 and uint16 uint32.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.prod(mx.array([2.0, 3.0]))
      array(6, dtype=float32)
    """
    x = operand("prod", a)
    axes = canonical_axes("prod", axis, x, keepdims)
    return reduction(Prod, _summed("prod", x, dtype, stream), axes, keepdims, stream)


def max(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return the greatest element over the given axes; nan where there is one.

    The gradient is shared equally between elements that tie.

    Args:
      a: Array of any dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of the dtype of ``a``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A reduced axis is empty.
    Example:
      >>> import monel.core as mx
      >>> mx.max(mx.array([[1, 2], [3, 4]]), axis=1)
      array([2, 4], dtype=int32)
    """
    x = operand("max", a)
    axes = canonical_axes("max", axis, x, keepdims)
    return reduction(Max, x, axes, keepdims, stream)


def min(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return the smallest element over the given axes; nan where there is one.

    The gradient is shared equally between elements that tie.

    Args:
      a: Array of any dtype.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of the dtype of ``a``.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A reduced axis is empty.
    Example:
      >>> import monel.core as mx
      >>> mx.min(mx.array([[1, 2], [3, 4]]), axis=1)
      array([1, 3], dtype=int32)
    """
    x = operand("min", a)
    axes = canonical_axes("min", axis, x, keepdims)
    return reduction(Min, x, axes, keepdims, stream)


def all(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return whether every element over the given axes is not zero.

    Args:
      a: Array of any dtype; nan counts as true.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of bool; true where nothing was reduced.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.all(mx.array([[True, False], [True, True]]), axis=1)
      array([False, True], dtype=bool)
    """
    x = operand("all", a)
    axes = canonical_axes("all", axis, x, keepdims)
    return reduction(All, x if axes else cast(x, dtypes.bool_, stream), axes, keepdims, stream)


def any(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return whether any element over the given axes is not zero.

    Args:
      a: Array of any dtype; nan counts as true.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array of bool; false where nothing was reduced.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.any(mx.array([[True, False], [False, False]]), axis=1)
      array([True, False], dtype=bool)
    """
    x = operand("any", a)
    axes = canonical_axes("any", axis, x, keepdims)
    return reduction(Any_, x if axes else cast(x, dtypes.bool_, stream), axes, keepdims, stream)
