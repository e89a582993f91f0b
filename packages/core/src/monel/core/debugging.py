"""mx.debug: what the lazy graph hides is checked, named and told."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

from .base.errors import NotANumberError
from .graph import value as graph
from .graph.origin import caller, described

__all__ = ["debug"]

_lock = threading.RLock()
_settings = {"trace": 0, "nans": 0, "bounds": 0, "loops": 0, "recompiles": 0}
_readers: list[debug] = []
_watchers: list[Callable[..., Any]] = []

# Primitives whose kernels read or write at indices that are data.
_INDEXED = ("gather", "scatter", "take_along_axis", "put_along_axis")


class debug:
    """Check and tell more, from now on or within a ``with`` block.

    As a function, ``mx.debug(nans=True)`` holds until ``mx.debug(nans=False)``; as a context
    manager it holds within the block. The settings are those of the process. What was told within
    the block is kept in ``messages``.

    Args:
      trace: Every operation remembers the line that recorded it, and errors name it. Without it
        those do that can fail when they run: indexing, linear algebra, files, calls of the host.
      nans: Stop at the first operation that computes a nan, with the operation, its operands and
        (with ``trace``) its line. Nothing is fused outside of ``compile``.
      bounds: Check indices that are data, on every backend.
      loops: Tell which primitives ``vmap`` runs row by row.
      recompiles: Tell why a compiled function is traced again.
    Raises:
      TypeError: A setting is not a bool.
    Example:
      >>> import monel.core as mx
      >>> with mx.debug(nans=True):
      ...     try:
      ...         mx.eval(mx.log(mx.array(-1.0)))
      ...     except FloatingPointError as error:
      ...         print(error)
      log: nan from operands without one (float32[])
    """

    def __init__(
        self,
        *,
        trace: bool | None = None,
        nans: bool | None = None,
        bounds: bool | None = None,
        loops: bool | None = None,
        recompiles: bool | None = None,
    ) -> None:
        given = {
            "trace": trace,
            "nans": nans,
            "bounds": bounds,
            "loops": loops,
            "recompiles": recompiles,
        }
        for name, setting in given.items():
            if setting is not None and not isinstance(setting, bool):
                raise TypeError(f"debug: {name} must be a bool, got {type(setting).__name__}")
        self.messages: list[str] = []
        with _lock:
            self._before = dict(_settings)
            _settings.update({k: int(v) for k, v in given.items() if v is not None})
            _apply()

    def __enter__(self) -> debug:
        _readers.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _readers.remove(self)
        with _lock:
            _settings.update(self._before)
            _apply()


def _apply() -> None:
    """Put the hooks in place that the settings ask for."""
    slots = graph.slots
    slots.listeners = _remember if _settings["trace"] else None
    slots.notice = _tell if _settings["loops"] or _settings["recompiles"] else None
    for watcher, on in ((_check_bounds, _settings["bounds"]), (_check_nans, _settings["nans"])):
        watch(watcher, bool(on))


def watch(watcher: Callable[..., Any], on: bool) -> None:
    """Begin or end to call ``watcher`` around each kernel; the last to begin is the innermost."""
    if on and watcher not in _watchers:
        _watchers.append(watcher)
    elif not on and watcher in _watchers:
        _watchers.remove(watcher)
    graph.slots.around = _around if _watchers else None


def _around(call: Any, target: Any, primitive: Any, operands: Any, out: Any, buffers: Any) -> Any:
    for watcher in reversed(_watchers):
        call = _one_more(watcher, call, target, primitive, operands, out, buffers)
    return call()


def _one_more(watcher: Any, call: Any, *what: Any) -> Callable[[], Any]:
    return lambda: watcher(call, *what)


def _remember(value: Any) -> None:
    value.origin = caller()


def _tell(kind: str, text: str) -> None:
    if not _settings[kind]:
        return
    for reader in _readers:
        reader.messages.append(text)
    origin = caller()
    place = "" if origin is None else f"; at {described(origin)}"
    warnings.warn(f"monel: {text}{place}", stacklevel=2)


def _check_bounds(
    call: Any, target: Any, primitive: Any, operands: Any, out: Any, buffers: Any
) -> Any:
    """Let the reference look up the indices in arrays that take no memory."""
    if primitive.name in _INDEXED:
        import numpy as np

        given: list[Any] = []
        for operand, buffer in zip(operands, buffers, strict=True):
            if operand.dtype.integral and len(given) > 0:
                given.append(_on_host(target, buffer, operand))
            else:
                given.append(np.broadcast_to(np.zeros((), operand.dtype.numpy), operand.shape))
        primitive.reference(*given)
    return call()


def _check_nans(
    call: Any, target: Any, primitive: Any, operands: Any, out: Any, buffers: Any
) -> Any:
    before = [_has_nan(target, b, o) for b, o in zip(buffers, operands, strict=True)]
    result = call()
    several = type(out) is tuple
    pairs = zip(result, out, strict=True) if several else [(result, out)]
    if not any(before) and any(_has_nan(target, b, o) for b, o in pairs):
        shown = ", ".join([f"{o.dtype.name}[{','.join(map(str, o.shape))}]" for o in operands])
        raise NotANumberError(f"{primitive.name}: nan from operands without one ({shown})")
    return result


def _has_nan(target: Any, buffer: Any, aval: Any) -> bool:
    if not aval.dtype.inexact:
        return False
    import numpy as np

    found = _on_host(target, buffer, aval)
    return bool(np.any(np.isnan(found if aval.dtype.size > 2 else found.astype(np.float32))))


def _on_host(target: Any, buffer: Any, aval: Any) -> Any:
    import numpy as np

    data = target.backend.to_host(buffer, aval.shape, aval.dtype)
    return np.frombuffer(data, aval.dtype.numpy).reshape(aval.shape)
