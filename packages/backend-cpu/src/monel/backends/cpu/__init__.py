"""The CPU backend of monel: vectorised C++ kernels, OpenBLAS for products and factorisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monel.core.plugin import BackendSpec, hookimpl

if TYPE_CHECKING:
    from .device import CpuBackend


@hookimpl
def monel_backends() -> list[BackendSpec]:
    """Declare the backend; nothing is loaded until it is chosen."""
    return [BackendSpec("cpu", load, api_version=1, kinds=("cpu",), priority=100)]


def load() -> CpuBackend:
    """Import the kernels and return the backend."""
    from .device import CpuBackend

    return CpuBackend()
