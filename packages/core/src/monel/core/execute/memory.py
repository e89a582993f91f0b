"""Memory of the default device: what is in use, what is kept, and the limits of both."""

from __future__ import annotations

import operator
from typing import Any

from ..base.errors import MonelError
from ..base.tree import flatten
from ..contract.backend import Backend
from ..graph.handle import array
from .discovery import plugins
from .placement import backend_of, default_device

__all__ = [
    "clear_cache",
    "get_active_memory",
    "get_array_buffer_size",
    "get_cache_memory",
    "get_memory_limit",
    "get_peak_memory",
    "reset_peak_memory",
    "set_cache_limit",
    "set_memory_limit",
    "set_wired_limit",
]

# Limits of backends that have none of their own: they are remembered, and bind nothing.
_limits: dict[tuple[str, str], int] = {}


def _backend() -> Backend:
    name, _ = backend_of(default_device())
    return plugins().backend(name)


def _count(key: str) -> int:
    counts = _backend().memory()
    return 0 if counts is None else int(counts.get(key, 0))


def get_active_memory() -> int:
    """Return the bytes that arrays use on the default device; 0 where they are not counted.

    Memory that is only kept for later use does not count.

    Example:
      >>> import monel.core as mx
      >>> mx.get_active_memory() >= 0
      True
    """
    return _count("active")


def get_peak_memory() -> int:
    """Return the most bytes that arrays have used since the start or ``reset_peak_memory``.

    Example:
      >>> import monel.core as mx
      >>> mx.get_peak_memory() >= 0
      True
    """
    return _count("peak")


def reset_peak_memory() -> None:
    """Make ``get_peak_memory`` count anew, from 0.

    Example:
      >>> import monel.core as mx
      >>> mx.reset_peak_memory()
      >>> mx.get_peak_memory()
      0
    """
    _backend().reset_peak_memory()


def get_cache_memory() -> int:
    """Return the bytes that are kept for later use, neither in use nor given back.

    Example:
      >>> import monel.core as mx
      >>> mx.get_cache_memory() >= 0
      True
    """
    return _count("cache")


def get_memory_limit() -> int:
    """Return the memory limit in bytes; 0 where there is none.

    Example:
      >>> import monel.core as mx
      >>> mx.get_memory_limit() >= 0
      True
    """
    backend = _backend()
    counts = backend.memory() or {}
    return int(counts.get("limit", _limits.get((backend.name, "memory"), 0)))


def _bytes(function: str, limit: Any) -> int:
    try:
        size = operator.index(limit)
    except TypeError:
        raise TypeError(f"{function}: limit must be an int, got {type(limit).__name__}") from None
    if size < 0:
        raise TypeError(f"{function}: limit must not be negative, got {size}")
    if size >= 1 << 63:
        raise TypeError(f"{function}: limit must be below 2**63, got {size}")
    return size


def _remember(kind: str, size: int) -> int:
    key = (_backend().name, kind)
    old = _limits.get(key, 0)
    _limits[key] = size
    return old


def set_memory_limit(limit: int) -> int:
    """Set how many bytes the default device may use; return the old limit.

    An allocation beyond it frees what is kept for later use, and then fails with MemoryError.

    Raises:
      TypeError: ``limit`` is no int, negative, or 2**63 and more.
    Example:
      >>> import monel.core as mx
      >>> old = mx.set_memory_limit(1 << 40)
      >>> mx.set_memory_limit(old)
      1099511627776
    """
    size = _bytes("set_memory_limit", limit)
    try:
        return _backend().set_memory_limit(size)
    except MonelError:
        return _remember("memory", size)


def set_cache_limit(limit: int) -> int:
    """Set how many unused bytes are kept for later use; return the old limit. 0 keeps none.

    Raises:
      TypeError: ``limit`` is no int, negative, or 2**63 and more.
    Example:
      >>> import monel.core as mx
      >>> old = mx.set_cache_limit(1 << 20)
      >>> mx.set_cache_limit(old)
      1048576
    """
    size = _bytes("set_cache_limit", limit)
    try:
        return _backend().set_cache_limit(size)
    except MonelError:
        return _remember("cache", size)


def set_wired_limit(limit: int) -> int:
    """Set how many bytes a GPU keeps resident; return the old limit. It binds on macOS only.

    Raises:
      TypeError: ``limit`` is no int, negative, or 2**63 and more.
    Example:
      >>> import monel.core as mx
      >>> old = mx.set_wired_limit(1024)
      >>> mx.set_wired_limit(old)
      1024
    """
    return _remember("wired", _bytes("set_wired_limit", limit))


def clear_cache() -> None:
    """Return memory that is kept for later use to the system.

    Example:
      >>> import monel.core as mx
      >>> mx.clear_cache()
    """
    _backend().clear_cache()


def get_array_buffer_size(*args: Any) -> int:
    """Return the bytes of the distinct buffers behind the arrays in the trees ``args``.

    Raises:
      ValueError: An array has not been computed yet.
    Example:
      >>> import monel.core as mx
      >>> a = mx.array([1.0, 2.0])
      >>> mx.eval(a)
      >>> mx.get_array_buffer_size(a, [a])
      8
    """
    leaves: list[Any] = []
    flatten(args, array, leaves)
    sizes: dict[int, int] = {}
    for leaf in leaves:
        value = leaf.value
        if value.buffer is None:
            raise ValueError(
                f"get_array_buffer_size: {value} has not been computed yet; call mx.eval first"
            )
        sizes[id(value.buffer)] = value.size * value.dtype.size
    return sum(sizes.values())
