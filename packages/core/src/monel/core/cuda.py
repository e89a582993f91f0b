"""mx.cuda: whether a CUDA backend is there."""

from __future__ import annotations

from .execute.discovery import plugins

__all__ = ["is_available"]


def is_available() -> bool:
    """Return whether a backend named ``cuda`` is installed and loads.

    Example:
      >>> import monel.core as mx
      >>> mx.cuda.is_available()
      False
    """
    return plugins().usable("cuda")
