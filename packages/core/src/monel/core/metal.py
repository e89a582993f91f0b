"""mx.metal: whether Metal is there, its captures, and older names of memory functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .base.devices import gpu
from .base.errors import BackendError
from .execute import memory, placement
from .execute.discovery import plugins

__all__ = [
    "clear_cache",
    "device_info",
    "get_active_memory",
    "get_cache_memory",
    "get_peak_memory",
    "is_available",
    "reset_peak_memory",
    "set_cache_limit",
    "set_memory_limit",
    "set_wired_limit",
    "start_capture",
    "stop_capture",
]


def is_available() -> bool:
    """Return whether the Metal backend is installed and finds a device.

    Example:
      >>> import monel.core as mx
      >>> isinstance(mx.metal.is_available(), bool)
      True
    """
    return plugins().usable("metal")


def _capture(function: str) -> Callable[..., Any]:
    """Return what the Metal backend offers as ``function``."""
    try:
        backend = plugins().probed("metal")
    except BackendError as error:
        raise BackendError(f"{function}: No Metal back-end: {error}") from None
    found = getattr(backend, function, None)
    if found is None:
        raise BackendError(f"{function}: this Metal device records no captures")
    return found


def start_capture(path: str) -> None:
    """Record what the GPU does into the file ``path``, until ``stop_capture``; on a Mac only.

    Args:
      path: A file that does not exist yet and ends in ``.gputrace``.
    Raises:
      TypeError: ``path`` is no string.
      RuntimeError: There is no Metal device, or it refuses.
    """
    if not isinstance(path, str):
        raise TypeError(f"start_capture: path must be a str, got {type(path).__name__}")
    _capture("start_capture")(path)


def stop_capture() -> None:
    """End what ``start_capture`` began.

    Raises:
      RuntimeError: There is no Metal device.
    """
    _capture("stop_capture")()


def _now_called(name: str) -> None:
    warnings.warn(
        f"mx.metal.{name} is deprecated: call mx.{name}", DeprecationWarning, stacklevel=3
    )


def device_info() -> dict[str, Any]:
    """Return facts about the GPU, an empty dict where there is none. Older name.

    See ``mx.device_info``.
    """
    _now_called("device_info")
    return placement.device_info(gpu) if placement.is_available(gpu) else {}


def get_active_memory() -> int:
    """Return the bytes that arrays use. Older name of ``mx.get_active_memory``."""
    _now_called("get_active_memory")
    return memory.get_active_memory()


def get_peak_memory() -> int:
    """Return the most bytes that arrays have used. Older name of ``mx.get_peak_memory``."""
    _now_called("get_peak_memory")
    return memory.get_peak_memory()


def reset_peak_memory() -> None:
    """Make ``get_peak_memory`` count anew. Older name of ``mx.reset_peak_memory``."""
    _now_called("reset_peak_memory")
    memory.reset_peak_memory()


def get_cache_memory() -> int:
    """Return the bytes kept for later use. Older name of ``mx.get_cache_memory``."""
    _now_called("get_cache_memory")
    return memory.get_cache_memory()


def set_memory_limit(limit: int) -> int:
    """Set how many bytes may be used. Older name of ``mx.set_memory_limit``."""
    _now_called("set_memory_limit")
    return memory.set_memory_limit(limit)


def set_cache_limit(limit: int) -> int:
    """Set how many unused bytes are kept. Older name of ``mx.set_cache_limit``."""
    _now_called("set_cache_limit")
    return memory.set_cache_limit(limit)


def set_wired_limit(limit: int) -> int:
    """Set how many bytes a GPU keeps resident. Older name of ``mx.set_wired_limit``."""
    _now_called("set_wired_limit")
    return memory.set_wired_limit(limit)


def clear_cache() -> None:
    """Return memory kept for later use to the system. Older name of ``mx.clear_cache``."""
    _now_called("clear_cache")
    memory.clear_cache()
