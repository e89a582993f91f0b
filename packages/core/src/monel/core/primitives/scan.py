"""Cumulative reductions along one axis, and their public functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.dtypes import Dtype
from ..base.errors import AxisError, DTypeError, ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, call
from .arguments import canonical_axis, dtype_or, flag, operand, stays_open
from .convert import cast
from .create import Iota
from .flatten import flatten_axes
from .kinds import broadcast_like
from .operands import as_floating
from .shape import Pad, Slice, shift

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "logcumsumexp",
]


class Scan(Primitive):
    """Entry i combines the entries up to i of ``axis``, or from i on when ``reverse``.

    Without ``inclusive`` entry i itself is left out, so that one end holds the identity.
    """

    combine: ClassVar[str] = ""
    inexact: ClassVar[bool] = False
    axis: int
    reverse: bool = False
    inclusive: bool = True

    def abstract(self, x: Any) -> AbstractArray:
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"{self.name}: axis {self.axis} is out of bounds for {x}")
        if self.inexact and not x.dtype.inexact:
            raise DTypeError(f"{self.name}: expected a floating or complex dtype, got {x}")
        return AbstractArray(x.shape, x.dtype)

    def identity(self, dtype: Dtype) -> Any:
        """Return the number that changes nothing in a combination."""
        return 0

    def accumulate(self, x: np.ndarray) -> Any:
        """Return the inclusive scan along axis 0 with NumPy."""
        import numpy as np

        return getattr(np, _UFUNCS[self.combine]).accumulate(x, axis=0)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        dtype = x.dtype
        wide = x.astype(np.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else x
        lines = np.moveaxis(wide, self.axis, 0)
        lines = lines[::-1] if self.reverse else lines
        with np.errstate(all="ignore"):
            made = self.accumulate(lines) if lines.size else lines.copy()
            if not self.inclusive and len(made):
                first = np.asarray(self.identity(dtypes.from_numpy_dtype(dtype)), made.dtype)
                made = np.concatenate([np.broadcast_to(first, made[:1].shape), made[:-1]])
            made = made[::-1] if self.reverse else made
            return np.moveaxis(made, 0, self.axis).astype(dtype)

    def decompose(self, x: Any) -> Any:
        made = doubling((x,), self, lambda a, b: (call(self.combine, a[0], b[0]),))[0]
        return made if self.inclusive else self.shifted(made)

    def shifted(self, x: Any, fill: Any = None) -> Any:
        """Move entries one place on; ``fill``, or the identity, enters at the other end."""
        number = self.identity(x.dtype) if fill is None else fill
        return displaced(x, self.axis, 1, self.reverse, number)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return type(self)(shift(self.axis, d), self.reverse, self.inclusive).bind(x), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in [((5,), 0), ((3, 4), 1), ((2, 0, 3), 1), ((3, 2, 2), 0)]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(axis=axis), (x,))
            yield Sample(cls(axis=axis, reverse=True), (x,))
        yield Sample(cls(axis=0, inclusive=False), (x,))
        yield Sample(cls(axis=0, reverse=True, inclusive=False), (x,))


_UFUNCS = {
    "add": "add",
    "mul": "multiply",
    "maximum": "maximum",
    "minimum": "minimum",
    "logaddexp": "logaddexp",
}


def displaced(x: Any, axis: int, by: int, reverse: bool, fill: Any) -> Any:
    """Move the entries of ``axis`` by ``by`` places to its end (its start when ``reverse``)."""
    zeros = (0,) * x.ndim
    by = min(by, x.shape[axis])
    width = tuple([by if i == axis else 0 for i in range(x.ndim)])
    kept = list(x.shape)
    if reverse:
        start, stop = width, tuple(kept)
        low, high = zeros, width
    else:
        kept[axis] -= by
        start, stop = zeros, tuple(kept)
        low, high = width, zeros
    inner = Slice(start, stop, (1,) * x.ndim).bind(x)
    number = wrap(graph.slots.scalar("scan", fill, x.dtype))
    return Pad(low, high, zeros).bind(inner, cast(number, x.dtype))


def doubling(
    parts: tuple[Any, ...], scan: Scan, combine: Callable[..., Any], fills: Any = None
) -> Any:
    """Scan with an associative ``combine(earlier, later)`` of tuples of arrays.

    Each step reaches twice as far back: log2(n) steps of whole-array operations.
    Source: Hillis and Steele, "Data Parallel Algorithms", 1986.
    """
    axis = scan.axis
    if fills is None:
        fills = (scan.identity(parts[0].dtype),)
    reach = 1
    while reach < parts[0].shape[axis]:
        before = tuple(
            [
                displaced(x, axis, reach, scan.reverse, fill)
                for x, fill in zip(parts, fills, strict=True)
            ]
        )
        parts = combine(before, parts)
        reach *= 2
    return parts


class CumSum(Scan, name="cumsum"):
    """The cumulative sum."""

    combine = "add"
    linear = "joint"

    def accumulate(self, x: np.ndarray) -> Any:
        import numpy as np

        return np.cumsum(x, 0, dtype=x.dtype)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return CumSum(self.axis, not self.reverse, self.inclusive).bind(ct)


class CumProd(Scan, name="cumprod"):
    """The cumulative product; its derivative never divides, so zeros are safe."""

    combine = "mul"

    def identity(self, dtype: Dtype) -> Any:
        return 1

    def accumulate(self, x: np.ndarray) -> Any:
        import numpy as np

        return np.cumprod(x, 0, dtype=x.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        def combine(a: Any, b: Any) -> Any:
            slope = call("add", call("mul", a[1], b[0]), call("mul", a[0], b[1]))
            return call("mul", a[0], b[0]), slope

        made = doubling((primals[0], tangents[0]), self, combine, fills=(1, 0))[1]
        return (made if self.inclusive else self.shifted(made, 0),)


class CumExtreme(Scan):
    """A running extreme: nan from the first nan on; of ties the latest has the derivative."""

    beyond: ClassVar[str] = ""

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (x,), (t,), (out,) = primals, tangents, outputs
        if not self.inclusive:
            out = type(self)(self.axis, self.reverse).bind(x)
        winning = call("logical_not", call(self.beyond, out, x))
        place = places(x, self.axis)
        # Elsewhere the position of the latest winner stays: the greatest so far, or the least.
        scan = CumMin(self.axis, reverse=True) if self.reverse else CumMax(self.axis)
        nowhere = wrap(graph.slots.scalar(self.name, scan.identity(place.dtype), place.dtype))
        marked = call("where", winning, place, nowhere)
        # A position has no derivative of its own, whatever it was found from.
        latest = call("stop_gradient", scan.bind(marked))
        made = call("take_along_axis", t, latest, axis=self.axis)
        return (made if self.inclusive else self.shifted(made, 0),)


def places(x: Any, axis: int) -> Any:
    """Return the int32 position along ``axis`` of each element of ``x``."""
    if stays_open(x):
        ones = broadcast_like(wrap(graph.slots.scalar("scan", 1, dtypes.int32)), x)
        return CumSum(axis, False, False).bind(ones)
    shape = tuple([n if i == axis else 1 for i, n in enumerate(x.shape)])
    return broadcast_like(Iota(shape=shape, dtype=dtypes.int32, axis=axis).bind(), x)


class CumMax(CumExtreme, name="cummax"):
    """The running maximum."""

    combine = "maximum"
    beyond = "greater"

    def identity(self, dtype: Dtype) -> Any:
        if dtype.integral:
            return dtypes.iinfo(dtype).min
        return float("-inf") if dtype.inexact else False


class CumMin(CumExtreme, name="cummin"):
    """The running minimum."""

    combine = "minimum"
    beyond = "less"

    def identity(self, dtype: Dtype) -> Any:
        if dtype.integral:
            return dtypes.iinfo(dtype).max
        return float("inf") if dtype.inexact else True


class LogCumSumExp(Scan, name="logcumsumexp"):
    """The logarithm of the cumulative sum of exponentials; differentiated as it decomposes."""

    combine = "logaddexp"
    inexact = True

    def identity(self, dtype: Dtype) -> Any:
        return float("-inf")

    def accumulate(self, x: np.ndarray) -> Any:
        import numpy as np

        if x.dtype.kind != "c":
            return np.logaddexp.accumulate(x, axis=0)
        made = x.copy()
        for i in range(1, len(x)):
            high = np.where(made[i - 1].real > x[i].real, made[i - 1], x[i])
            low = np.where(made[i - 1].real > x[i].real, x[i], made[i - 1])
            made[i] = high + np.log1p(np.exp(low - high))
        return made


def _scanned(
    cls: type[Scan],
    a: Any,
    axis: int | None,
    reverse: bool,
    inclusive: bool,
    stream: Any,
    initial: bool = False,
) -> Any:
    x = a
    if axis is None:
        x, axis = flatten_axes(x, 0, x.ndim - 1, stream), 0
    place = canonical_axis(cls.name, axis, x)
    ends = flag(cls.name, "reverse", reverse), flag(cls.name, "inclusive", inclusive)
    made = cls(place, *ends).bind(x, stream=stream)
    if not flag(cls.name, "include_initial", initial):
        return made
    if not ends[1]:
        raise ShapeError(f"{cls.name}: include_initial is taken with inclusive=True only")
    width = [int(i == place) for i in range(x.ndim)]
    none = [0] * x.ndim
    low, high = (none, width) if ends[0] else (width, none)
    start = wrap(graph.slots.scalar(cls.name, cls(place).identity(x.dtype), x.dtype))
    start = cast(start, x.dtype, stream)
    return Pad(tuple(low), tuple(high), tuple(none)).bind(made, start, stream=stream)


def cumsum(
    a: Any,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    dtype: Dtype | None = None,
    include_initial: bool = False,
    stream: Any = None,
) -> array:
    """Return the cumulative sum along an axis.

    Args:
      a: Array of any shape and dtype.
      axis: The axis, or None for the flattened array.
      reverse: Sum from the end.
      inclusive: Whether element i is part of sum i.
      dtype: What to cast ``a`` to before.
      include_initial: Begin with the result of nothing: one entry more along the axis.
    Returns:
      Array of the shape and dtype of ``a``; bool gives int32, other integers wrap.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.cumsum(mx.array([1, 2, 3]))
      array([1, 3, 6], dtype=int32)
    """
    x = operand("cumsum", a)
    default = dtypes.int32 if x.dtype is dtypes.bool_ else x.dtype
    x = cast(x, dtype_or("cumsum", dtype, default), stream)
    return _scanned(CumSum, x, axis, reverse, inclusive, stream, include_initial)


def cumprod(
    a: Any,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    dtype: Dtype | None = None,
    include_initial: bool = False,
    stream: Any = None,
) -> array:
    """Return the cumulative product along an axis.

    Args:
      a: Array of any shape and dtype.
      axis: The axis, or None for the flattened array.
      reverse: Multiply from the end.
      inclusive: Whether element i is part of product i.
      dtype: What to cast ``a`` to before.
      include_initial: Begin with the result of nothing: one entry more along the axis.
    Returns:
      Array of the shape and dtype of ``a``; integers wrap.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.cumprod(mx.array([1, 2, 3]), reverse=True)
      array([6, 6, 3], dtype=int32)
    """
    x = operand("cumprod", a)
    x = cast(x, dtype_or("cumprod", dtype, x.dtype), stream)
    return _scanned(CumProd, x, axis, reverse, inclusive, stream, include_initial)


def cummax(
    a: Any,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    stream: Any = None,
) -> array:
    """Return the running maximum along an axis; of ties the latest has the gradient.

    Args:
      a: Array of any shape and dtype.
      axis: The axis, or None for the flattened array.
      reverse: Run from the end.
      inclusive: Whether element i is part of maximum i; else one end is the least number.
    Returns:
      Array of the shape and dtype of ``a``; nan from the first nan on.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.cummax(mx.array([1, 3, 2]))
      array([1, 3, 3], dtype=int32)
    """
    return _scanned(CumMax, operand("cummax", a), axis, reverse, inclusive, stream)


def cummin(
    a: Any,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    stream: Any = None,
) -> array:
    """Return the running minimum along an axis; of ties the latest has the gradient.

    Args:
      a: Array of any shape and dtype.
      axis: The axis, or None for the flattened array.
      reverse: Run from the end.
      inclusive: Whether element i is part of minimum i; else one end is the greatest number.
    Returns:
      Array of the shape and dtype of ``a``; nan from the first nan on.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.cummin(mx.array([3, 1, 2]))
      array([3, 1, 1], dtype=int32)
    """
    return _scanned(CumMin, operand("cummin", a), axis, reverse, inclusive, stream)


def logcumsumexp(
    a: Any,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    stream: Any = None,
) -> array:
    """Return the logarithm of the cumulative sum of exponentials along an axis, without overflow.

    Args:
      a: Array of any shape; integers and bool are cast to float32.
      axis: The axis, or None for the flattened array.
      reverse: Run from the end.
      inclusive: Whether element i is part of sum i; else one end is -inf.
    Returns:
      Floating or complex array of the shape of ``a``.
    Raises:
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.logcumsumexp(mx.array([0.0, 0.0]))
      array([0, 0.693147], dtype=float32)
    """
    x = as_floating(operand("logcumsumexp", a), stream)
    return _scanned(LogCumSumExp, x, axis, reverse, inclusive, stream)


# The names of the array API standard.
cumulative_sum = cumsum
cumulative_prod = cumprod
