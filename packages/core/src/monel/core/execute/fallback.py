"""The last resort: a primitive runs on the host by its reference, and says so."""

from __future__ import annotations

import os
import warnings
from typing import Any

from ..base.errors import MissingKernelError
from ..graph import value as graph
from ..graph.origin import user_frame
from .host import run_reference

__all__ = ["fallback", "fallback_report"]

_POLICIES = ("warn", "error", "silent")
_policy: str | None = None
_report: dict[tuple[str, str], dict[str, int]] = {}


def fallback(policy: str) -> str:
    """Say what happens where a device lacks an operation: warn, error or silent; return the old.

    The initial policy is the environment variable ``MONEL_FALLBACK``, else ``"warn"``.

    Raises:
      ValueError: ``policy`` is none of the three.
    Example:
      >>> import monel.core as mx
      >>> old = mx.fallback("error")
      >>> mx.fallback(old)
      'error'
    """
    global _policy
    if policy not in _POLICIES:
        raise ValueError(f"fallback: expected one of {', '.join(_POLICIES)}, got {policy!r}")
    old = current_policy()
    _policy = policy
    return old


def current_policy() -> str:
    """Return the policy in force."""
    if _policy is not None:
        return _policy
    named = os.environ.get("MONEL_FALLBACK", "warn")
    return named if named in _POLICIES else "warn"


def fallback_report() -> list[dict[str, Any]]:
    """Return what ran on the host instead of its device: primitive, device, calls, bytes moved.

    Example:
      >>> import monel.core as mx
      >>> [row for row in mx.fallback_report() if row["calls"] < 1]
      []
    """
    return [
        {"primitive": name, "device": device, **counts}
        for (name, device), counts in sorted(_report.items())
    ]


def on_host(target: graph.Target, primitive: Any, avals: Any, buffers: Any) -> Any:
    """Run ``primitive`` by its reference on host copies of ``buffers``; move the results back."""
    import numpy as np

    backend = target.backend
    moved = sum(a.size * a.dtype.size for a in avals)
    _count(primitive, target.device, avals, moved)
    host = [
        np.frombuffer(backend.to_host(b, a.shape, a.dtype), a.dtype.numpy).reshape(a.shape)
        for b, a in zip(buffers, avals, strict=True)
    ]
    out = primitive.abstract(*avals)
    outs = out if type(out) is tuple else (out,)
    results = run_reference(None, primitive, *host)
    results = results if isinstance(results, tuple) else (results,)
    made = [
        backend.from_host(np.asarray(r, a.dtype.numpy).tobytes(), a.shape, a.dtype, target.device)
        for r, a in zip(results, outs, strict=True)
    ]
    return made[0] if type(out) is not tuple else tuple(made)


def _count(primitive: Any, device: str, avals: Any, moved: int) -> None:
    """Enter a call in the report; what is not meant for the host is refused or warned of, too."""
    name = primitive.name
    policy = "silent" if primitive.host else current_policy()
    operands = ", ".join(str(a) for a in avals)
    text = f"{name}: device {device} has no kernel for ({operands}) and no decomposition exists"
    if policy == "error":
        raise MissingKernelError(f"{text}; allow the host to stand in with mx.fallback('warn')")
    first = (name, device) not in _report
    counts = _report.setdefault((name, device), {"calls": 0, "bytes": 0})
    counts["calls"] += 1
    counts["bytes"] += moved
    if first and policy == "warn":
        _warn(f"{text}; it runs on the host, moving {moved} bytes a call")


def _warn(text: str) -> None:
    """Warn at the line of the user's code that asked for the evaluation."""
    frame = user_frame()
    if frame is None:
        warnings.warn(text, stacklevel=3)
    else:
        module = frame.f_globals.get("__name__")
        warnings.warn_explicit(
            text, UserWarning, frame.f_code.co_filename, frame.f_lineno, module=module
        )
