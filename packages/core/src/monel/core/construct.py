"""What ``mx.array(...)`` does with its argument: numbers, lists, arrays, buffers, NumPy."""

from __future__ import annotations

import math
import sys
from array import array as typed
from itertools import chain
from typing import Any

from .base import dtypes
from .base.dtypes import Dtype
from .base.errors import DTypeError, ShapeError
from .dlpack import import_dlpack, no_copy
from .graph import handle
from .graph import value as graph
from .graph.handle import array, wrap
from .graph.primitive import call
from .primitives.convert import cast
from .primitives.create import Constant, constant, pack, scalar_constant
from .primitives.shape import Concatenate, ExpandDims, Reshape

__all__ = ["ArrayLike", "array"]

# Nested lists deeper than this are refused; a list may even hold itself.
_DEEPEST = 256

# Host data of at least this many bytes goes to the default device at once, so that memory does
# not hold it twice for as long as the array lives.
_LARGE = 1 << 16


class ArrayLike:
    """An object with a method ``__mlx_array__`` that returns an array: it passes for one.

    Raises:
      TypeError: ``arg`` has no such method.
    Example:
      >>> import monel.core as mx
      >>> class Pair:
      ...     def __mlx_array__(self):
      ...         return mx.array([1, 2])
      >>> mx.ArrayLike(Pair()).__mlx_array__()
      array([1, 2], dtype=int32)
    """

    __slots__ = ("_object",)

    def __init__(self, arg: object, /) -> None:
        if not hasattr(arg, "__mlx_array__"):
            raise TypeError(f"ArrayLike: {type(arg).__name__} has no method __mlx_array__")
        self._object: Any = arg

    def __mlx_array__(self) -> Any:
        return self._object.__mlx_array__()


def value_of(function: str, val: Any, dtype: Dtype | None, copy: bool | None) -> Any:
    """Return the Value of anything that can be an array: behind ``array`` and ``asarray``."""
    if dtype is not None and not isinstance(dtype, Dtype):
        raise TypeError(f"{function}: dtype must be a Dtype, got {type(dtype).__name__}")
    kind = type(val)
    if kind is list or kind is tuple:
        return _of_sequence(function, val, dtype, copy)
    if val is None:
        raise TypeError(f"{function}: expected a scalar, a list or an array, got None")
    if kind is array:
        return of_array(function, val, dtype, copy)
    if isinstance(val, bool | int | float | complex):
        no_copy(function, copy, "a Python scalar")
        return _of_scalar(function, val, dtype)
    if isinstance(val, list | tuple):
        return _of_sequence(function, val, dtype, copy)
    return _of_object(function, val, dtype, copy)


def of_array(function: str, val: Any, dtype: Dtype | None, copy: bool | None) -> Any:
    if dtype is not None and dtype is not val.dtype:
        no_copy(function, copy, f"{val.value} as {dtype.name}")
        return cast(val, dtype).value
    if copy is True and function == "asarray":
        return call("copy", val).value
    return val.value


def _of_scalar(function: str, number: Any, dtype: Dtype | None) -> Any:
    if dtype is None:
        return scalar_constant(function, number, _natural(function, number))
    return constant(_packed([number], dtype), (), dtype)


def _natural(function: str, number: Any) -> Dtype:
    dtype = dtypes.scalar_dtype(number)
    if dtype is dtypes.int64 and not -(2**63) <= number < 2**63:
        raise DTypeError(f"{function}: the integer {number} does not fit int64")
    return dtype


def _packed(numbers: list[Any], dtype: Dtype) -> bytes:
    """Return ``numbers`` as bytes of an explicit dtype, to which any of them is converted."""
    if dtype.name not in ("bool", "complex64"):
        if any(isinstance(n, complex) for n in numbers):
            numbers = [n.real if isinstance(n, complex) else n for n in numbers]
        if dtype.integral:
            numbers = [_integer(n) for n in numbers]
    return pack(numbers, dtype)


def _integer(number: Any) -> int:
    # What a float has no integer for becomes the least one of 64 bits, as in the cast of an array.
    return int(number) if isinstance(number, int) or math.isfinite(number) else -(1 << 63)


def _of_sequence(function: str, val: Any, dtype: Dtype | None, copy: bool | None) -> Any:
    no_copy(function, copy, "a list")
    level: list[Any] = [val]
    shape: tuple[int, ...] = ()
    kinds = {type(val)}
    while level:
        if array in kinds or any(hasattr(kind, "__mlx_array__") for kind in kinds):
            return _stack(function, level, shape, dtype)
        nested = [kind for kind in kinds if issubclass(kind, list | tuple)]
        if not nested:
            break
        _check_nesting(function, level, len(nested) == len(kinds), len(shape))
        shape = (*shape, len(level[0]))
        level = list(chain.from_iterable(level))
        kinds = set(map(type, level))
    return _of_numbers(function, level, kinds, shape, dtype)


def _check_nesting(function: str, level: list[Any], all_nested: bool, depth: int) -> None:
    if depth >= _DEEPEST:
        raise ShapeError(f"{function}: more than {_DEEPEST} lists are nested")
    if not all_nested:
        if isinstance(level[0], list | tuple):
            raise ShapeError(
                f"{function}: Initialization encountered non-uniform length: "
                f"lists and scalars side by side at depth {depth}"
            )
        raise ShapeError(
            f"{function}: Initialization encountered extra dimension: "
            f"a list beside scalars at depth {depth}"
        )
    lengths = set(map(len, level))
    if len(lengths) > 1:
        raise ShapeError(
            f"{function}: Initialization encountered non-uniform length: "
            f"the lists at depth {depth} have {', '.join(map(str, sorted(lengths)))} entries"
        )


def _of_numbers(
    function: str, flat: list[Any], kinds: set[type], shape: tuple[int, ...], dtype: Dtype | None
) -> Any:
    for kind in kinds:
        if flat and not issubclass(kind, bool | int | float | complex):
            _refuse(function, kind)
    if dtype is None:
        return _inferred(function, flat, kinds, shape)
    return constant(_packed(flat, dtype), shape, dtype)


def _inferred(function: str, flat: list[Any], kinds: set[type], shape: tuple[int, ...]) -> Any:
    """Return the Value of Python numbers in the dtype of the widest kind among them."""
    if any(issubclass(kind, complex) for kind in kinds):
        return constant(pack(flat, dtypes.complex64), shape, dtypes.complex64)
    if not flat or any(issubclass(kind, float) for kind in kinds):
        return constant(typed("f", flat).tobytes(), shape, dtypes.float32)
    if kinds == {bool}:
        return constant(pack(flat, dtypes.bool_), shape, dtypes.bool_)
    try:
        return constant(typed("i", flat).tobytes(), shape, dtypes.int32)
    except OverflowError:
        for number in (min(flat), max(flat)):
            _natural(function, number)
        return constant(typed("q", flat).tobytes(), shape, dtypes.int64)


def _refuse(function: str, kind: type) -> None:
    raise DTypeError(
        f"{function}: Invalid type {kind.__name__} received in array initialization; "
        f"expected numbers, nested lists of them, arrays, or a buffer"
    )


def _stack(function: str, items: list[Any], prefix: tuple[int, ...], dtype: Dtype | None) -> Any:
    """Join the arrays, lists and scalars in ``items``, all of one shape, under axes ``prefix``."""
    parts = [wrap(value_of(function, item, None, None)) for item in items]
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        shown = ", ".join(map(str, sorted(shapes)))
        raise ShapeError(
            f"{function}: Initialization encountered non-uniform length: entries of shapes {shown}"
        )
    if dtype is None:
        dtype = dtypes.promote_all([part.dtype for part in parts])
    rows = [ExpandDims(axes=(0,)).bind(cast(part, dtype)) for part in parts]
    joined = rows[0] if len(rows) == 1 else Concatenate(axis=0).bind(*rows)
    whole = prefix + parts[0].shape
    return (joined if joined.shape == whole else Reshape(shape=whole).bind(joined)).value


def _of_object(function: str, val: Any, dtype: Dtype | None, copy: bool | None) -> Any:
    """Return the Value of what is neither Python number, list nor array."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(val, numpy.ndarray | numpy.generic):
        no_copy(function, copy, "a NumPy array")
        return of_numpy(function, val, dtype)
    if hasattr(val, "__mlx_array__"):
        return of_array(function, val.__mlx_array__(), dtype, copy)
    if isinstance(val, bytes | bytearray):
        no_copy(function, copy, "bytes")
        made = constant(bytes(val), (len(val),), dtypes.uint8)
        return made if dtype is None else cast(wrap(made), dtype).value
    try:
        view = memoryview(val)
    except TypeError:
        return _of_protocol(function, val, dtype, copy)
    import numpy as np

    no_copy(function, copy, "a buffer")
    return of_numpy(function, np.asarray(view), dtype)


def _of_protocol(function: str, val: Any, dtype: Dtype | None, copy: bool | None) -> Any:
    import numpy as np

    if hasattr(val, "__dlpack__") and hasattr(val, "__dlpack_device__"):
        return of_numpy(function, import_dlpack(function, val, copy), dtype)
    if hasattr(val, "__array__"):
        no_copy(function, copy, type(val).__name__)
        return of_numpy(function, np.asarray(val), dtype)
    return _refuse(function, type(val))


def of_numpy(function: str, given: Any, dtype: Dtype | None) -> Any:
    """Return the Value of a copy of a NumPy array, float64 as float32 unless ``dtype`` says so."""
    import numpy as np

    if given.dtype.name in ("float64", "complex128") and dtype is None:
        dtype = dtypes.float32 if given.dtype.kind == "f" else dtypes.complex64
    elif dtype is None:
        dtype = _dtype_of_numpy(function, given.dtype)
    if given.dtype.kind not in "biufcV" or given.dtype.hasobject or given.dtype.names:
        _dtype_of_numpy(function, given.dtype)
    if given.dtype.kind == "c" and dtype.name not in ("bool", "complex64"):
        given = given.real
    with np.errstate(all="ignore"):
        # Always a copy of its own: the caller may write into what was given.
        held = np.array(given, dtype=dtype.numpy, order="C", copy=True)
    return from_host(_as_bytes(held), held.shape, dtype)


def _as_bytes(held: Any) -> memoryview:
    return memoryview(held.reshape(-1).view("uint8"))


def _dtype_of_numpy(function: str, dtype: Any) -> Dtype:
    try:
        return dtypes.from_numpy_dtype(dtype)
    except DTypeError:
        raise DTypeError(
            f"{function}: NumPy's dtype {dtype} has no equivalent here; convert the array to one "
            f"of {', '.join(d.name for d in dtypes.DTYPES)}"
        ) from None


def from_host(data: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
    """Return the Value of C-contiguous host ``data``; where it is large, it is placed at once."""
    if len(data) < _LARGE:
        return constant(data, shape, dtype)
    stream = graph.slots.current_stream()
    target = stream.target or graph.slots.resolve(stream)
    if not target.backend.supports_dtype(dtype, target.device):
        return constant(data, shape, dtype)
    value = graph.record(
        Constant(None, shape, dtype), (), shape, dtype, math.prod(shape), stream, None
    )
    value.buffer = target.backend.from_host(data, shape, dtype, target.device)
    return value


handle.install(asarray=value_of)
