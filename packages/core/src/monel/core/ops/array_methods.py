"""array's methods that take other arguments than the public function of their name."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from ..graph.doors import CORE
from ..primitives import convert
from . import manipulation


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
      ValueError: A version of the standard is asked for.
    """
    if api_version is not None:
        raise ValueError("array.__array_namespace__: no version of the array API can be asked for")
    return import_module(CORE)
