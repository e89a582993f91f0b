"""array's methods that take other arguments than the public function of their name."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from ..graph import value as graph
from ..graph.doors import CORE
from ..primitives import convert
from ..primitives.arguments import call_on
from . import manipulation

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def astype(self: Any, dtype: Any, stream: Any = None) -> Any:
    """Return the array converted to ``dtype``."""
    return convert.astype(self, dtype, stream=stream)


def reshape(self: Any, *shape: Any, stream: Any = None) -> Any:
    """Return the elements under another shape: ``a.reshape(2, 3)`` or ``a.reshape((2, 3))``."""
    return manipulation.reshape(self, _one_or_many(shape), stream=stream)


def transpose(self: Any, *axes: Any, stream: Any = None) -> Any:
    """Return the array with its axes reversed, or in the order ``axes``."""
    order = _one_or_many(axes) if axes else None
    return manipulation.transpose(self, order, stream=stream)


def _one_or_many(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 and not hasattr(given[0], "__index__") else given


def __array_namespace__(self: Any, api_version: str | None = None) -> ModuleType:
    """Return ``monel.core``, as the array API standard asks.

    Raises:
      ValueError: ``api_version`` is no version of the standard, or a later one than 2024.12.
    """
    if api_version not in (None, *VERSIONS):
        raise ValueError(
            f"array.__array_namespace__: expected a version of the array API among "
            f"{', '.join(VERSIONS)}, got {api_version!r}"
        )
    return import_module(CORE)


def to_device(self: Any, device: Any, /, *, stream: Any = None) -> Any:
    """Return the array on ``device``, itself where it lies there.

    Args:
      device: A Device, a kind of device, or a stream.
      stream: The stream that copies; that of ``device`` by default.
    Raises:
      ValueError: The device is not available.
      TypeError: ``device`` is no device.
    """
    there = graph.slots.to_stream(device)
    if self.value.stream is there:
        return self
    return call_on(there if stream is None else stream, "copy", self)


def device(self: Any) -> Any:
    """Return the Device where the array lies, or will be computed."""
    stream = self.value.stream
    return (graph.slots.current_stream() if stream is None else stream).device
