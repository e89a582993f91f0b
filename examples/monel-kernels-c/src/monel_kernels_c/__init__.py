"""Kernels in C for the backends whose memory is the host's."""

from monel.core.plugin import hookimpl


@hookimpl
def monel_kernels(backend):
    if backend not in ("cpu", "reference"):
        return None
    from ._kernels import table

    return table
