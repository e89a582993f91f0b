"""The hooks of a plugin, and nothing else. Hooks declare; they load nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .backend import BackendSpec
    from .formats import Format

hookspec = pluggy.HookspecMarker("monel")
hookimpl = pluggy.HookimplMarker("monel")


@hookspec
def monel_backends() -> list[BackendSpec]:  # type: ignore[empty-body]
    """Declare the backends this distribution provides; none where the platform has none.

    Called once, when a backend is first looked up. It must not import a device runtime or touch a
    device: ``BackendSpec.load`` does, and only for the backend that is chosen.
    """


@hookspec
def monel_kernels(backend: str) -> dict[str, Callable[..., Any]] | object:
    """Return kernels for another plugin's backend, by name of primitive; or a capsule of C kernels.

    Called once for each backend that is loaded, its own plugins' included. A kernel is called as
    ``kernel(ctx, p, *operands)`` on contiguous operands (``strided`` and ``broadcasts`` as true
    attributes of the callable ask for them as they are), and may return NotImplemented: then the
    backend's own takes it, or it is decomposed. A name that the backend has already is refused
    unless the callable has a true attribute ``override``; of two plugins the first in alphabetical
    order is taken. What is refused is shown by ``python -m monel.core plugins``. A capsule
    ``"monel.kernels.v1"`` holds kernels in plain C: see ``monel/kernel.h``.
    """


@hookspec
def monel_primitives() -> list[type]:  # type: ignore[empty-body]
    """Return third-party primitives, named ``vendor::op``, each with ``decompose``.

    Called once, at the first look-up of plugins; defining the classes registers them. Of two
    plugins that declare one name the first in alphabetical order has it.
    """


@hookspec
def monel_formats() -> list[Format]:  # type: ignore[empty-body]
    """Return the file formats that ``mx.load`` and the ``mx.save`` functions know by this plugin.

    Called once, at the first load or save. It must not import a format's library.
    """


@hookspec(firstresult=True)
def monel_select_device(candidates: Sequence[str]) -> str | None:
    """Choose the default device from the names of installed backends, best first; or None.

    Called once, when nothing else (argument, context, MONEL_DEVICE) has decided.
    """


@hookspec
def monel_doctor() -> list[tuple[str, Callable[[], str]]]:  # type: ignore[empty-body]
    """Return named checks for ``python -m monel.core doctor``: each returns a line, or raises."""
