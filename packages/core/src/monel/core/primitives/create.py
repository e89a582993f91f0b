"""Arrays from nothing and from Python: full, iota, constants, and the conversion of operands."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base import dtypes
from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import Dtype
from ..base.errors import DTypeError, OperandError
from ..graph import value as graph
from ..graph.handle import array
from ..graph.primitive import Primitive, Sample

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class Full(Primitive, name="full"):
    """An array of one Python scalar."""

    required = True
    shape_dependent = True
    interned = False
    shape: tuple[int, ...]
    dtype: Dtype
    value: bool | int | float | complex

    def abstract(self) -> AbstractArray:
        check_shape("full", self.shape, self.dtype.size)
        return AbstractArray(self.shape, self.dtype)

    def reference(self) -> np.ndarray:
        import numpy as np

        return np.full(self.shape, self.value, self.dtype.numpy)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype, value in [
            ((3,), dtypes.float32, 1.5),
            ((2, 0), dtypes.int32, 7),
            ((), dtypes.bool_, True),
            ((2, 2), dtypes.complex64, 1 - 2j),
            ((2,), dtypes.bfloat16, -1.0),
        ]:
            yield Sample(cls(shape=shape, dtype=dtype, value=value), ())


class Iota(Primitive, name="iota"):
    """0, 1, 2, ... along ``axis``, the same along the others."""

    required = True
    shape_dependent = True
    shape: tuple[int, ...]
    dtype: Dtype
    axis: int

    def abstract(self) -> AbstractArray:
        check_shape("iota", self.shape, self.dtype.size)
        return AbstractArray(self.shape, self.dtype)

    def reference(self) -> np.ndarray:
        import numpy as np

        n = self.shape[self.axis]
        row = np.arange(n).astype(self.dtype.numpy)
        place = [1] * len(self.shape)
        place[self.axis] = n
        return np.broadcast_to(row.reshape(place), self.shape)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype, axis in [
            ((5,), dtypes.int32, 0),
            ((2, 3), dtypes.float32, 1),
            ((3, 2), dtypes.uint8, 0),
            ((0,), dtypes.int64, 0),
        ]:
            yield Sample(cls(shape=shape, dtype=dtype, axis=axis), ())


class Constant(Primitive, name="constant"):
    """Host data, which goes to a device at its first use.

    ``data`` is any C-contiguous object with the buffer protocol; it is not copied before.
    """

    interned = False
    data: Any
    shape: tuple[int, ...]
    dtype: Dtype

    def abstract(self) -> AbstractArray:
        return AbstractArray(self.shape, self.dtype)

    def reference(self) -> np.ndarray:
        import numpy as np

        return np.frombuffer(self.data, self.dtype.numpy).reshape(self.shape)

    def __str__(self) -> str:
        return f"Constant [{AbstractArray(self.shape, self.dtype)}]"

    def __hash__(self) -> int:
        return id(self.data)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(struct.pack("=3f", 1.0, 2.0, 3.0), (3,), dtypes.float32), ())


def constant(data: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
    """Return the Value of host ``data``; it has no stream until something uses it."""
    primitive = Constant(data, shape, dtype)
    size = math.prod(shape)
    return graph.record(primitive, (), shape, dtype, size, None, None)


def scalar(function: str, number: Any, beside: Dtype) -> Any:
    """Return the Value of a Python scalar that stands beside an array of dtype ``beside``."""
    return scalar_constant(function, number, dtypes.weak_dtype(number, beside))


def scalar_constant(function: str, number: Any, dtype: Dtype) -> Any:
    """Return the Value of one Python scalar in exactly ``dtype``; integers must fit it."""
    if dtype.integral and isinstance(number, int) and not isinstance(number, bool):
        low = -(1 << (8 * dtype.size - 1)) if dtype.signed else 0
        high = (1 << (8 * dtype.size - dtype.signed)) - 1
        if not low <= number <= high:
            raise DTypeError(f"{function}: Converting {number} to {dtype.name} would overflow")
    elif isinstance(number, int) and number.bit_length() > _FLOAT_BITS:
        raise DTypeError(
            f"{function}: an integer of {number.bit_length()} bits is too large for {dtype.name}"
        )
    return constant(pack([number], dtype), (), dtype)


# An int of more bits is more than the greatest Python float.
_FLOAT_BITS = 1024

_PACK_FORMATS = {"bool": "?", "complex64": "f"}


def pack(numbers: list[Any], dtype: Dtype) -> bytes:
    """Return Python numbers as the bytes of ``dtype``; integers wrap, floats overflow to inf."""
    count = len(numbers)
    if dtype.name == "bool":
        return bytes(bytearray([1 if n else 0 for n in numbers]))
    if dtype.integral:
        mask = (1 << (8 * dtype.size)) - 1
        unsigned = {1: "B", 2: "H", 4: "I", 8: "Q"}[dtype.size]
        return struct.pack(f"={count}{unsigned}", *[int(n) & mask for n in numbers])
    if dtype.name == "complex64":
        flat = [part for n in numbers for part in (complex(n).real, complex(n).imag)]
        return pack(flat, dtypes.float32)
    if dtype.name == "bfloat16":
        return _pack_bfloat16(numbers)
    try:
        return struct.pack(f"={count}{dtype.format}", *numbers)
    except OverflowError:
        limit = dtypes.finfo(dtype).max
        clipped = [_to_infinity(float(n), limit, dtype) for n in numbers]
        return struct.pack(f"={count}{dtype.format}", *clipped)


def _to_infinity(number: float, limit: float, dtype: Dtype) -> float:
    if abs(number) > limit:
        try:
            struct.pack(f"={dtype.format}", number)
        except OverflowError:
            return math.copysign(math.inf, number)
    return number


def _pack_bfloat16(numbers: list[Any]) -> bytes:
    """Round each float32 pattern to its upper half, to nearest even; nan stays nan."""
    raw = struct.unpack(f"={len(numbers)}I", pack([float(n) for n in numbers], dtypes.float32))
    halves = []
    for bits in raw:
        if bits & 0x7FFFFFFF > 0x7F800000:
            halves.append((bits >> 16) | 0x40)
        else:
            halves.append(((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF)
    return struct.pack(f"={len(halves)}H", *halves)


def coerce(function: str, other: Any, beside: Dtype | None) -> Any:
    """Return the Value of what was given in place of an array: a scalar, NumPy, DLPack...

    Lists and strings are refused, as in MLX: ``mx.array`` makes arrays, operations take them.
    """
    if isinstance(other, array):
        return other.value
    if isinstance(other, bool | int | float | complex):
        # Subclasses of the scalars come here, too, NumPy's float64 among them.
        if beside is None:
            return scalar_constant(function, other, dtypes.scalar_dtype(other))
        kinds: tuple[Any, ...] = (bool, int, float, complex)
        for kind in kinds:
            if isinstance(other, kind):
                return scalar(function, kind(other), beside)
    if hasattr(other, "__array__") or hasattr(other, "__dlpack__"):
        return array(other).value
    raise OperandError(
        f"{function}: expected an array or a scalar, got {type(other).__name__}; "
        f"convert it with mx.array"
    )


graph.install(scalar=scalar, coerce=coerce)
