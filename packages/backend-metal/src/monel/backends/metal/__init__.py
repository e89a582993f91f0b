"""The plugin of the Metal backend: what it declares, and why it declares none.

On macOS with PyObjC it declares the device. Elsewhere it declares none, unless the environment
variable ``MONEL_METAL_EMULATE`` is ``plain`` or ``checked``: then kernels run on the emulator, for
tests, and never by default.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

from monel.core.plugin import BackendSpec, hookimpl

if TYPE_CHECKING:
    from .device import MetalBackend

__all__ = ["monel_backends", "monel_doctor", "unavailable"]

EMULATE = "MONEL_METAL_EMULATE"


def unavailable() -> str | None:
    """Return why this machine has no Metal backend; None where it has one.

    Example:
      >>> unavailable() in (None, f"needs macOS with Metal; this is {platform.system()}")
      True
    """
    if os.environ.get(EMULATE):
        return None
    system = platform.system()
    if system != "Darwin":
        return f"needs macOS with Metal; this is {system or 'an unknown system'}"
    if importlib.util.find_spec("Metal") is None:
        return "needs PyObjC: python -m pip install pyobjc-framework-Metal"
    return None


@hookimpl
def monel_backends() -> list[BackendSpec]:
    """Declare the backend where there is Metal; an emulated one is chosen by name only."""
    if unavailable() is not None:
        return []
    priority = -1000 if os.environ.get(EMULATE) else 200
    return [BackendSpec("metal", load, api_version=1, kinds=("gpu",), priority=priority)]


def load() -> MetalBackend:
    """Import the device runtime, run a probe kernel, and return the backend."""
    wish = os.environ.get(EMULATE)
    if wish:
        from .emulator import fakemetal

        fakemetal.install(wish)
    from .device import MetalBackend
    from .runtime import Runtime

    # Watched memory ends where the array ends.
    backend = MetalBackend(Runtime(granularity=1 if wish else 256))
    backend.probe()
    return backend


@hookimpl
def monel_doctor() -> list[tuple[str, Callable[[], str]]]:
    """One check; a machine without Metal is not out of order."""
    return [("metal", lambda: unavailable() or _description())]


def _description() -> str:
    backend = load()
    return f"{backend.runtime.device_name}: a probe kernel runs"
