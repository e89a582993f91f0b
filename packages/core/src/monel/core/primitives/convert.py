"""Conversion: cast, bitcast, copy, stop_gradient; promotion of mixed operands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.dtypes import Dtype
from ..base.errors import DTypeError, ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, call, record_values
from .kinds import Elementwise, LocallyConstant, View

if TYPE_CHECKING:
    import numpy as np

__all__ = ["astype", "stop_gradient", "view"]


class Cast(Elementwise, name="cast", export_name="AsType"):
    """The elements converted to ``dtype``: C's rules; to bool: whether not zero."""

    required = True
    dtype: Dtype

    def abstract(self, x: Any) -> AbstractArray:
        return AbstractArray(x.shape, self.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        with np.errstate(all="ignore"):
            if x.dtype.kind == "c" and self.dtype.name not in ("bool", "complex64"):
                x = x.real
            if self.dtype.integral and x.dtype.kind not in "iub":
                return _float_to_integer(x, self.dtype)
            return x.astype(self.dtype.numpy)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (cast(tangents[0], self.dtype),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return (cast(cotangents[0], primals[0].dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = (4 * rng.standard_normal((2, 3))).astype("float32")
        for dtype in dtypes.DTYPES:
            yield Sample(cls(dtype=dtype), (abs(x) if dtype.name.startswith("u") else x,))
        yield Sample(cls(dtype=dtypes.float32), (rng.permutation(5).astype("int32"),))


def _float_to_integer(x: Any, dtype: Dtype) -> Any:
    """Truncate through int32, or int64 where that is meant; what is out of range gives its lowest.

    uint32 and uint64 go through int64, but uint64 holds what is below 2**64; narrower integers keep
    the low bits. C leaves all this open; it is what x86 does.
    """
    import numpy as np

    wide = np.asarray(x, dtype=np.float64)
    through = np.int32 if dtype.size < 4 or dtype.name == "int32" else np.int64
    end = 2.0 ** (8 * np.dtype(through).itemsize - 1)
    inside = (wide >= -end) & (wide < end)
    made = np.where(inside, wide, -end).astype(through).astype(dtype.numpy)
    if dtype.name == "uint64":
        upper = (wide >= end) & (wide < 2 * end)
        made = np.where(upper, np.where(upper, wide, 0).astype(np.uint64), made)
    return made


def cast(x: Any, dtype: Dtype, stream: Any = None) -> Any:
    """Convert an array to ``dtype``; the array itself where it has it."""
    return x if x.dtype is dtype else Cast(dtype=dtype).bind(x, stream=stream)


class Bitcast(Primitive, name="bitcast", export_name="View"):
    """The bytes of the last axis read as another dtype; its length scales with the item size."""

    required = True
    dtype: Dtype
    nondifferentiable = "the bits of a number are no smooth function of it"

    def abstract(self, x: Any) -> AbstractArray:
        old, new = x.dtype.size, self.dtype.size
        if old == new:
            return AbstractArray(x.shape, self.dtype)
        if not x.shape:
            raise ShapeError(f"view: a scalar of {x.dtype} can't be seen as {self.dtype}")
        last = x.shape[-1] * old
        if last % new:
            raise ShapeError(
                f"view: the last axis of {x} has {last} bytes, no multiple of {new} ({self.dtype})"
            )
        return AbstractArray((*x.shape[:-1], last // new), self.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        if not x.shape:
            return np.ascontiguousarray(x).reshape(1).view(self.dtype.numpy).reshape(())
        shape = (*x.shape[:-1], x.shape[-1] * x.dtype.itemsize // self.dtype.size)
        return np.ascontiguousarray(x).view(self.dtype.numpy).reshape(shape)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        if d == x.ndim - 1:
            x, d = call("transpose", x, axes=(d, *range(d))), 0
        if x.ndim == 1 and x.dtype.size != self.dtype.size:
            raise ShapeError(f"view: a scalar of {x.dtype} can't be seen as {self.dtype}")
        return self.bind(x), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.standard_normal((2, 4)).astype("float32")
        yield Sample(cls(dtype=dtypes.uint32), (x,))
        yield Sample(cls(dtype=dtypes.int8), (x,))
        yield Sample(cls(dtype=dtypes.uint64), (x,))


class Copy(Elementwise, name="copy"):
    """The operand in storage of its own."""

    required = True

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.copy()

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return ct

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in [(3,), (2, 0), ()]:
            yield Sample(cls(), (rng.standard_normal(shape).astype("float32"),))


class StopGradient(LocallyConstant, View, name="stop_gradient"):
    """The operand, through which no derivative flows."""

    stops = True
    elementwise = True
    linear = None
    zero_in = (0,)

    def abstract(self, x: Any) -> AbstractArray:
        return x.aval

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x

    def decompose(self, x: Any) -> Any:
        return call("reshape", x, shape=x.shape)

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(operands[0]), dims[0]

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.standard_normal((2, 3)).astype("float32"),))


def stop_gradient(a: Any, /, *, stream: Any = None) -> array:
    """Return ``a`` as a constant of every derivative.

    Args:
      a: Array of any shape and dtype.
    Returns:
      The same array; gradients do not flow through it.
    Raises:
      ValueError: ``a`` is neither array nor scalar.
    Example:
      >>> import monel.core as mx
      >>> mx.grad(lambda x: x * mx.stop_gradient(x))(mx.array(3.0))
      array(3, dtype=float32)
    """
    value = a.value if type(a) is array else graph.slots.coerce("stop_gradient", a, None)
    return wrap(record_values(StopGradient(), (value,), stream))


def astype(
    a: Any, dtype: Dtype, /, *, copy: bool = True, device: Any = None, stream: Any = None
) -> array:
    """Return ``a`` converted to ``dtype`` by C's rules; to bool: whether not zero.

    A floating number that an integer dtype cannot hold, nan included, gives the lowest of int32 (of
    int64 for int64, uint32 and uint64), of which narrower dtypes keep the low bits.

    Args:
      a: Array of any shape and dtype.
      dtype: The dtype of the result; the imaginary part is dropped where it is real.
      copy: False: ``a`` itself where it has the dtype already.
      device: Where to convert, as the array API standard says it; instead of ``stream``.
    Raises:
      TypeError: ``dtype`` is no Dtype, or ``copy`` no bool.
    Example:
      >>> import monel.core as mx
      >>> mx.astype(mx.array([1.7, -1.7]), mx.int32)
      array([1, -1], dtype=int32)
    """
    value = a.value if type(a) is array else graph.slots.coerce("astype", a, None)
    if not isinstance(dtype, Dtype):
        raise TypeError(f"astype: dtype must be a Dtype, got {type(dtype).__name__}")
    if type(copy) is not bool:
        raise TypeError(f"astype: copy must be a bool, got {type(copy).__name__}")
    if device is not None:
        if stream is not None:
            raise TypeError("astype: give device or stream, not both")
        stream = device
    if value.dtype is not dtype:
        return Cast(dtype=dtype).bind(wrap(value), stream=stream)
    return a if not copy and type(a) is array else wrap(value)


def view(a: Any, dtype: Dtype, stream: Any = None) -> array:
    """Return the bytes of ``a`` seen as ``dtype``; the last axis scales with the item sizes.

    Args:
      a: Array of any shape and dtype.
      dtype: How its bytes are read.
    Returns:
      Array of ``dtype``; its last axis is longer or shorter by the ratio of the item sizes.
    Raises:
      ShapeError: The last axis is no multiple of the new item size.
      TypeError: ``dtype`` is no Dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.view(mx.array([1.0]), mx.uint32)
      array([1065353216], dtype=uint32)
    """
    value = a.value if type(a) is array else graph.slots.coerce("view", a, None)
    if not isinstance(dtype, Dtype):
        raise TypeError(f"view: dtype must be a Dtype, got {type(dtype).__name__}")
    if value.dtype is dtype:
        return wrap(value)
    return Bitcast(dtype=dtype).bind(wrap(value), stream=stream)


def promote_values(function: str, kind: str, a: Any, b: Any, stream: Any) -> Any:
    """Cast two Values to the dtype in which ``kind`` of operation meets; the slow path."""
    dtype = dtypes.promote(a.dtype, b.dtype)
    if kind == "bool":
        dtype = dtypes.bool_
    elif kind == "float" and not dtype.inexact:
        dtype = dtypes.float32
    return cast(wrap(a), dtype, stream).value, cast(wrap(b), dtype, stream).value


def keep_dtype(function: str, target: Any, result: Any) -> Any:
    """Return the result of an in-place operation; integers can't be divided in place."""
    if function == "divide" and not target.dtype.inexact:
        raise DTypeError(
            f"divide: an array of {target.dtype} can't be divided in place, since the result is "
            f"{result.dtype}; write a = a / b, or use //="
        )
    return result


graph.install(promote=promote_values, keep_dtype=keep_dtype)
