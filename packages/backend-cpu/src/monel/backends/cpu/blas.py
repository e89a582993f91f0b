"""Find the BLAS and LAPACK that the kernels load at first use."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

from monel.backends.cpu import _kernels

__all__ = ["configure"]


def library() -> pathlib.Path | None:
    """Return the shared library in the scipy-openblas32 wheel, or None where it is not installed.

    The package is located, not imported: its import would load the library into the global
    namespace of the process and let its own threads loose.
    """
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or spec.origin is None:
        return None
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    found = sorted((pathlib.Path(spec.origin).parent / "lib").glob(f"*openblas*{suffix}"))
    return found[0] if found else None


def configure() -> None:
    """Tell the kernels where the library is; without one they use their own loops."""
    path = library()
    if path is not None:
        _kernels.set_blas_library(str(path), "scipy_")
