"""The plugin of the Metal backend: what it declares, and why it declares none."""

from __future__ import annotations

import platform
from collections.abc import Callable

from monel.core.plugin import BackendSpec, hookimpl

__all__ = ["monel_backends", "monel_doctor", "unavailable"]


def unavailable() -> str:
    """Return why this machine gets no Metal backend from this version of the distribution.

    Example:
      >>> "needs macOS with Metal" in unavailable() or "0.1" in unavailable()
      True
    """
    system = platform.system()
    if system != "Darwin":
        return f"needs macOS with Metal; this is {system or 'an unknown system'}"
    return "monel-backend-metal 0.1 has no kernels yet; use monel-backend-cpu"


@hookimpl
def monel_backends() -> list[BackendSpec]:
    """Declare no backend: ``unavailable`` says why."""
    return []


@hookimpl
def monel_doctor() -> list[tuple[str, Callable[[], str]]]:
    """One check, whose line is the reason; a machine without Metal is not out of order."""
    return [("metal", unavailable)]
