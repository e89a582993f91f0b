"""A backend whose memory the host cannot read and whose streams run behind its back."""

from __future__ import annotations

from monel.core.plugin import BackendSpec, hookimpl


@hookimpl
def monel_backends():
    """Declare the backend; it is never chosen by itself."""
    return [BackendSpec("remote", load, api_version=1, priority=-200)]


def load():
    """Import and return the backend."""
    from .backend import RemoteBackend

    return RemoteBackend()
