"""Arrays from what others hold, and for them: Python, buffers, NumPy, pickle."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence
from itertools import chain
from typing import Any

from .base import dtypes
from .base.dtypes import Dtype
from .base.errors import DTypeError, ShapeError
from .dlpack import dlpack, dlpack_device, import_dlpack, no_copy
from .graph import handle
from .graph import value as graph
from .graph.handle import array, wrap
from .graph.primitive import call
from .primitives.convert import cast
from .primitives.create import Constant, constant, pack, scalar_constant
from .primitives.shape import Concatenate, ExpandDims, Reshape

__all__ = ["asarray", "from_dlpack"]

# Nested lists deeper than this are refused; a list may even hold itself.
_DEEPEST = 256

# Host data of at least this many bytes goes to the default device at once, so that memory does
# not hold it twice for as long as the array lives.
_LARGE = 1 << 16


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
        return _of_array(function, val, dtype, copy)
    if isinstance(val, bool | int | float | complex):
        no_copy(function, copy, "a Python scalar")
        return _of_scalar(function, val, dtype)
    if isinstance(val, list | tuple):
        return _of_sequence(function, val, dtype, copy)
    return _of_object(function, val, dtype, copy)


def _of_array(function: str, val: Any, dtype: Dtype | None, copy: bool | None) -> Any:
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
        dtype = _infer(function, flat, kinds)
        data = pack(flat, dtype)
    else:
        data = _packed(flat, dtype)
    return constant(data, shape, dtype)


def _infer(function: str, flat: list[Any], kinds: set[type]) -> Dtype:
    """Return the dtype of Python numbers: the widest kind there is among them."""
    if not flat:
        return dtypes.float32
    if any(issubclass(kind, complex) for kind in kinds):
        return dtypes.complex64
    if any(issubclass(kind, float) for kind in kinds):
        return dtypes.float32
    if kinds == {bool}:
        return dtypes.bool_
    low, high = min(flat), max(flat)
    if -(2**31) <= low and high < 2**31:
        return dtypes.int32
    _natural(function, low)
    return _natural(function, high) if high >= 2**31 else dtypes.int64


def _refuse(function: str, kind: type) -> None:
    raise DTypeError(
        f"{function}: Invalid type {kind.__name__} received in array initialization; "
        f"expected numbers, nested lists of them, arrays, or a buffer"
    )


def _stack(
    function: str, items: list[Any], prefix: tuple[int, ...], dtype: Dtype | None
) -> Any:
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
        return _of_array(function, val.__mlx_array__(), dtype, copy)
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


def asarray(a: Any, dtype: Dtype | None = None, *, copy: bool | None = None) -> array:
    """Convert ``a`` to an array.

    Args:
      a: A scalar, a nested list, an array, a buffer, or an object with ``__dlpack__`` or
        ``__array__``.
      dtype: The dtype of the result; inferred by default as for ``mx.array``.
      copy: True: always copy; False: never; None: where it must be.
    Raises:
      ValueError: ``copy`` is False and a copy is needed, or strides are negative.
    Example:
      >>> import monel.core as mx
      >>> mx.asarray([1, 2])
      array([1, 2], dtype=int32)
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(a, numpy.ndarray):
        check_strides("asarray", a)
    return wrap(value_of("asarray", a, dtype, copy))


def check_strides(function: str, given: Any) -> None:
    """Raise ``ShapeError`` for negative strides, which DLPack does not know."""
    if any(s < 0 and n > 1 for s, n in zip(given.strides, given.shape, strict=True)):
        raise ShapeError(
            f"{function}: Cannot convert DLPack arrays with negative strides; "
            f"make it contiguous first, or use mx.array, which copies"
        )


def from_dlpack(x: Any, /, *, copy: bool | None = None) -> array:
    """Return an array with the data of ``x``, an object that speaks DLPack.

    Args:
      x: An object with ``__dlpack__`` and ``__dlpack_device__``.
      copy: True or None: copy; False: ``ValueError`` unless ``x`` is an array of this library.
    Raises:
      TypeError: ``x`` does not speak DLPack.
      ValueError: Negative strides, a dtype without equivalent, or ``copy=False``.
    Example:
      >>> import monel.core as mx, numpy as np
      >>> mx.from_dlpack(np.arange(3, dtype="int32"))
      array([0, 1, 2], dtype=int32)
    """
    if type(x) is array:
        return wrap(_of_array("asarray", x, None, copy))
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise TypeError(
            f"from_dlpack: expected an object with __dlpack__ and __dlpack_device__, "
            f"got {type(x).__name__}"
        )
    given = import_dlpack("from_dlpack", x, copy)
    check_strides("from_dlpack", given)
    return wrap(of_numpy("from_dlpack", given, None))


def target_of(value: Any) -> Any:
    """Compute ``value`` and return the Target where its buffer lies."""
    if value.buffer is None:
        graph.evaluate(value)
    target = value.stream.target
    return graph.slots.resolve(value.stream) if target is None else target


def host_bytes(value: Any) -> memoryview:
    """Return the elements of ``value`` in row-major order."""
    target = target_of(value)
    data = memoryview(target.backend.to_host(value.buffer, value.shape, value.dtype))
    if data.format == "B" and data.ndim == 1:
        return data
    return data.cast("B") if data.nbytes else memoryview(b"")


def host_view(value: Any) -> memoryview | None:
    """Return the memory of ``value`` itself, writable, or None where the host can't reach it."""
    target = target_of(value)
    return target.backend.host_view(value.buffer, value.shape, value.dtype)


def buffer(a: Any, what: str) -> memoryview:
    """Return what ``bytes`` and ``memoryview`` see of an array."""
    value = a.value
    if what == "bytes":
        return host_bytes(value)
    if value.dtype.format is None:
        raise BufferError(
            "memoryview: bfloat16 has no buffer format; use np.array(a), or "
            "memoryview(a.view(mx.uint16))"
        )
    view = host_view(value)
    if view is not None:
        return view
    return memoryview(_frozen(value))


def _frozen(value: Any) -> Any:
    """Return a read-only NumPy copy of what the host can't see in place."""
    import numpy as np

    return np.frombuffer(host_bytes(value).toreadonly(), value.dtype.numpy).reshape(value.shape)


def to_numpy(a: Any, dtype: Any, copy: bool | None) -> Any:
    """Return a NumPy array: a view unless ``copy`` or another ``dtype`` makes it a copy."""
    import numpy as np

    value = a.value
    view = host_view(value)
    if view is None:
        if copy is False:
            raise ValueError(f"array.__array__: {value} lies where NumPy can't see it; copy it")
        made = _frozen(value).copy()
        copy = False
    else:
        made = np.asarray(view)
        if made.dtype != value.dtype.numpy:
            made = made.view(value.dtype.numpy)
    if dtype is not None and np.dtype(dtype) != made.dtype:
        if copy is False and view is not None:
            raise ValueError(f"array.__array__: {value} can't be seen as {dtype} without a copy")
        return made.astype(dtype)
    return made.copy() if copy else made


def numbers_of(value: Any) -> list[Any]:
    """Return the elements of ``value`` as a flat list of Python scalars."""
    data = host_bytes(value)
    dtype = value.dtype
    if dtype.name == "complex64":
        flat = data.cast("f").tolist() if len(data) else []
        return [complex(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
    if dtype.name == "bfloat16":
        halves = struct.unpack(f"={value.size}H", data)
        wide = struct.pack(f"={value.size}I", *[h << 16 for h in halves])
        return list(struct.unpack(f"={value.size}f", wide))
    if dtype.name == "float16":
        return list(struct.unpack(f"={value.size}e", data))
    return data.cast(dtype.format).tolist() if len(data) else []


def scalar_of(value: Any) -> Any:
    """Return the only element of ``value`` as a Python scalar."""
    if value.size != 1:
        raise ValueError(
            f"[convert] Only length-1 arrays can be converted to Python scalars, got {value}"
        )
    target = target_of(value)
    found = target.backend.item(value.buffer, value.dtype)
    if found is NotImplemented:
        return numbers_of(value)[0]
    return float(found) if value.dtype.name == "bfloat16" else found


def to_scalar(a: Any, what: str) -> Any:
    """Return the Python scalar behind ``bool``, ``int``, ``float``, an index and so on."""
    value = a.value
    if what == "index" and (value.shape or not value.dtype.integral):
        raise TypeError(
            f"Only 0-dimensional integer arrays can be converted to an index, got {value}"
        )
    return scalar_of(value)


def item(a: Any) -> Any:
    """Return the only element of ``a`` as a Python scalar."""
    return scalar_of(a.value)


def tolist(a: Any) -> Any:
    """Return the elements of ``a`` as nested lists; of a 0-d array the scalar."""
    value = a.value
    if not value.shape:
        return scalar_of(value)
    return nest(numbers_of(value), value.shape)


def nest(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    """Return ``flat`` as lists nested in ``shape``."""
    for axis in range(len(shape) - 1, 0, -1):
        n = shape[axis]
        flat = [flat[i * n : i * n + n] for i in range(math.prod(shape[:axis]))]
    return flat


def rebuild(data: bytes, shape: tuple[int, ...], dtype: Dtype) -> array:
    """Return the array that ``state`` took apart: what pickle calls."""
    return wrap(from_host(data, shape, dtype))


def state(a: Any) -> tuple[Any, ...]:
    """Return how pickle makes ``a`` again."""
    return rebuild, (bytes(host_bytes(a.value)), a.shape, a.dtype)


handle.install(
    asarray=value_of,
    buffer=buffer,
    dlpack=dlpack,
    dlpack_device=dlpack_device,
    numpy=to_numpy,
    state=state,
    to_scalar=to_scalar,
)
