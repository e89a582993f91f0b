"""Arrays to and from what others hold: Python, buffers, NumPy, DLPack, pickle."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

from .base.dtypes import Dtype
from .base.errors import ShapeError
from .construct import from_host, of_array, of_numpy, value_of
from .dlpack import dlpack, dlpack_device, import_dlpack
from .graph import handle
from .graph import value as graph
from .graph.handle import array, wrap
from .primitives.arguments import call_on, flag

__all__ = ["asarray", "from_dlpack"]


def asarray(
    a: Any, dtype: Dtype | None = None, *, copy: bool | None = None, device: Any = None
) -> array:
    """Convert ``a`` to an array.

    Args:
      a: A scalar, a nested list, an array, a buffer, or an object with ``__dlpack__`` or
        ``__array__``.
      dtype: The dtype of the result; inferred by default as for ``mx.array``.
      copy: True: always copy; False: never; None: where it must be.
      device: Where the array shall lie; by default where it is, or the default device.
    Raises:
      ValueError: ``copy`` is False and a copy is needed, or strides are negative.
    Example:
      >>> import monel.core as mx
      >>> mx.asarray([1, 2])
      array([1, 2], dtype=int32)
    """
    if copy is not None:
        flag("asarray", "copy", copy)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(a, numpy.ndarray):
        check_strides("asarray", a)
    return moved(wrap(value_of("asarray", a, dtype, copy)), device)


def moved(a: Any, device: Any) -> Any:
    """Return ``a`` on a device; itself where it lies there, or None is meant."""
    if device is None:
        return a
    stream = graph.slots.to_stream(device)
    return a if a.value.stream is stream else call_on(stream, "copy", a)


def check_strides(function: str, given: Any) -> None:
    """Raise ``ShapeError`` for negative strides, which DLPack does not know."""
    if any(s < 0 and n > 1 for s, n in zip(given.strides, given.shape, strict=True)):
        raise ShapeError(
            f"{function}: Cannot convert DLPack arrays with negative strides; "
            f"make it contiguous first, or use mx.array, which copies"
        )


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> array:
    """Return an array with the data of ``x``, an object that speaks DLPack.

    Args:
      x: An object with ``__dlpack__`` and ``__dlpack_device__``.
      device: Where the array shall lie; by default the default device.
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
        return moved(wrap(of_array("asarray", x, None, copy)), device)
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise TypeError(
            f"from_dlpack: expected an object with __dlpack__ and __dlpack_device__, "
            f"got {type(x).__name__}"
        )
    given = import_dlpack("from_dlpack", x, copy)
    check_strides("from_dlpack", given)
    return moved(wrap(of_numpy("from_dlpack", given, None)), device)


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
    view: memoryview | None = target.backend.host_view(value.buffer, value.shape, value.dtype)
    return view


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
    if view is None:
        # NumPy asks __array__ then, which says whether it copies.
        raise BufferError(f"memoryview: {value} lies where the host can't see it; use np.array(a)")
    return view


def to_numpy(a: Any, dtype: Any, copy: bool | None) -> Any:
    """Return a NumPy array: a view unless ``copy`` or another ``dtype`` makes it a copy."""
    import numpy as np

    value = a.value
    view = host_view(value)
    if view is None:
        if copy is False:
            raise ValueError(f"array.__array__: {value} lies where NumPy can't see it; copy it")
        given = np.frombuffer(host_bytes(value), value.dtype.numpy)
        made = given.reshape(value.shape).copy()
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


def rebuild(data: bytes, shape: tuple[int, ...], dtype: Dtype) -> Any:
    """Return the array that ``state`` took apart: what pickle calls."""
    return wrap(from_host(data, shape, dtype))


def state(a: Any) -> tuple[Any, ...]:
    """Return how pickle makes ``a`` again."""
    return rebuild, (bytes(host_bytes(a.value)), a.shape, a.dtype)


handle.install(
    buffer=buffer,
    dlpack=dlpack,
    dlpack_device=dlpack_device,
    numpy=to_numpy,
    state=state,
    to_scalar=to_scalar,
)
