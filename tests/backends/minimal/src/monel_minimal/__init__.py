"""A backend with the required kernels and nothing else: what decomposes must decompose."""

from __future__ import annotations

from monel.core.plugin import BackendSpec, hookimpl


@hookimpl
def monel_backends():
    """Declare the backend; it is never chosen by itself."""
    return [BackendSpec("minimal", load, api_version=1, priority=-200)]


def load():
    """Import and return the backend."""
    from .backend import MinimalBackend

    return MinimalBackend()
