"""Where work runs: default devices and streams, and the Target that a stream resolves to."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from typing import Any

from ..base.devices import Device, DeviceType, Stream, ThreadLocalStream, cpu, gpu
from ..base.errors import BackendError, StreamError
from ..contract.backend import Backend
from ..graph import value as graph
from ..graph.doors import CORE, Door
from .discovery import plugins
from .kernels import find_kernel

__all__ = [
    "StreamContext",
    "clear_streams",
    "default_device",
    "default_stream",
    "device_count",
    "device_info",
    "is_available",
    "new_stream",
    "new_thread_local_stream",
    "new_thread_unsafe_stream",
    "set_default_device",
    "set_default_stream",
    "stream",
    "synchronize",
]


class _Defaults(threading.local):
    """What one thread has chosen: a device, and a stream for each device."""

    def __init__(self) -> None:
        self.device: Device | None = None
        self.streams: dict[Device, Stream] = {}


_defaults = _Defaults()
_device_streams: dict[Device, Stream] = {}
_targets: dict[tuple[str, str], graph.Target] = {}
# The backends in use whose kernels return before they have run; ``eval`` waits for their buffers.
asynchronous: set[Backend] = set()
_chosen: Device | None = None
_lock = threading.RLock()
_count = 0


def default_device() -> Device:
    """Return the device on which operations run unless told otherwise.

    The calling thread's choice, else ``MONEL_DEVICE``, a plugin's ``select_device``, or the usable
    backend with the highest priority.

    Example:
      >>> import monel.core as mx
      >>> mx.default_device()
      Device(cpu, 0)
    """
    return _defaults.device or _process_default()


def _process_default() -> Device:
    global _chosen
    if _chosen is None:
        with _lock:
            _chosen = _choose()
    return _chosen


def _choose() -> Device:
    wanted = os.environ.get("MONEL_DEVICE")
    if wanted:
        return _asked(parse_device(wanted), wanted)
    found = plugins()
    candidates = found.by_priority()
    for plugin, selected in found.ask("monel_select_device", candidates):
        try:
            return _probed(parse_device(selected))
        except BackendError as error:
            plugin.conflicts.append(f"monel_select_device chose {selected!r}: {error}")
    for name in candidates:
        try:
            found.probed(name)
        except BackendError as error:
            warnings.warn(f"monel: {error}; trying the next backend", stacklevel=2)
            continue
        if name == "reference":
            _advise_once()
        return Device(DeviceType[found.specs[name].kinds[0]])
    raise BackendError("no backend is usable; see: python -m monel.core plugins")


def _asked(device: Device, text: str) -> Device:
    """Return the ``device`` that ``text`` names; an error where its backend does not load.

    The device may stand for the best of its kind, and another would take the place of this one.
    """
    backend = text.split(":")[0]
    if backend in plugins().specs:
        plugins().backend(backend)
    return device


def _probed(device: Device) -> Device:
    """Return ``device`` once its backend has loaded, after a child process has tried it."""
    if device.name is not None:
        plugins().probed(device.name.split(":")[0])
    backend_of(device)
    return device


def _advise_once() -> None:
    if os.environ.get("MONEL_QUIET") != "1":
        warnings.warn(
            "monel computes with the NumPy reference backend, which is slow; for a fast one: "
            "python -m pip install monel-backend-cpu",
            stacklevel=2,
        )


def parse_device(text: str) -> Device:
    """Return the Device of a name such as ``cpu``, ``metal:0`` or ``torch:cuda:1``."""
    name, _, index = text.rpartition(":")
    if not name or not index.isdigit():
        name, index = text, "0"
    if name in ("cpu", "gpu") and name not in plugins().specs:
        return Device(DeviceType[name], int(index))
    backend = name.split(":")[0]
    spec = plugins().specs.get(backend)
    if spec is None:
        plugins().backend(backend)
    kind = DeviceType[spec.kinds[0]] if spec is not None else DeviceType.cpu
    best = plugins().by_priority(kind.name)
    if best and best[0] == name:
        return Device(kind, int(index))
    return Device(name, int(index), kind=kind)


def backend_of(device: Device) -> tuple[str, str]:
    """Return the names of the backend and of its device that ``device`` stands for."""
    found = plugins()
    if device.name is not None:
        name = device.name.split(":")[0]
        return name, _native_name(name, device.name, device.index)
    for name in found.by_priority(device.type.name):
        try:
            found.probed(name)
            return name, _native_name(name, name, device.index)
        except BackendError:
            if name in found.broken:
                continue
            raise
    raise BackendError(f"{_missing[device.type]} is installed for {device!r}")


# MLX's users match its words for a missing GPU.
_missing = {cpu: "no cpu backend", gpu: "No Metal back-end or other gpu backend"}


def _native_name(backend: str, name: str, index: int) -> str:
    devices = plugins().backend(backend).devices()
    for wanted in (f"{name}:{index}", name if index == 0 else ""):
        if wanted in devices:
            return wanted
    if name == backend and index < len(devices):
        return devices[index]
    raise BackendError(f"backend {backend!r} has no device {name}:{index}, only {list(devices)}")


def check_device(function: str, device: Device) -> None:
    """Raise ``BackendError`` (a ValueError) unless ``device`` is usable here."""
    try:
        backend_of(device)
    except BackendError as error:
        raise BackendError(f"{function}: {device!r} is not available: {error}") from None


def resolve(stream: Stream) -> graph.Target:
    """Return the Target of a stream; streams on one device share it."""
    backend, device = backend_of(stream.device)
    with _lock:
        target = _targets.get((backend, device))
        if target is None:
            loaded = plugins().backend(backend)
            target = graph.Target(loaded, device, find_kernel)
            if loaded.fusion is not None:
                target.fusible = loaded.fusion
                target.roots = loaded.fusion.operations | loaded.fusion.reductions
            target.stream = stream
            target.views = loaded.views
            if loaded.granularity == "graph" and graph.slots.whole is None:
                graph.install(whole=Door(graph.slots, "whole", "execute.pieces"))
            _targets[(backend, device)] = target
            if type(loaded).wait is not Backend.wait:
                asynchronous.add(loaded)
        stream.target = target
    return target


def stream_of(device: Device) -> Stream:
    """Return the default stream of ``device`` in this thread."""
    found = _defaults.streams.get(device) or _device_streams.get(device)
    if found is None:
        with _lock:
            found = _device_streams.setdefault(device, Stream(device, _next_index()))
    return found


def _next_index() -> int:
    global _count
    _count += 1
    return _count - 1


def current_stream() -> Stream:
    """Return the calling thread's default stream, and let the hot path know it."""
    found = stream_of(default_device())
    if not _overrides and graph.slots.stream is None:
        graph.slots.stream = found
    return found


# While any thread has chosen a device or stream of its own, the hot path asks each time.
_overrides = 0


def _overridden() -> None:
    global _overrides
    _overrides += 1
    graph.slots.stream = None


def to_stream(given: Any) -> Stream:
    """Return the Stream that a ``stream=`` argument names."""
    if given is None:
        return current_stream()
    if isinstance(given, Stream):
        if given.thread is not None and given.thread != threading.get_ident():
            raise StreamError(
                f"There is no {given!r} in the current thread: a stream belongs to the thread that "
                "made it; for one that any thread may use there is mx.new_thread_unsafe_stream"
            )
        return given
    if isinstance(given, ThreadLocalStream):
        found = getattr(given.local, "stream", None)
        if found is None:
            found = given.local.stream = Stream(given.device, _next_index())
        return found
    if isinstance(given, DeviceType):
        given = Device(given)
    if isinstance(given, Device):
        check_device("stream", given)
        return stream_of(given)
    raise TypeError(
        f"{_asked_by()}: stream must be a Stream, Device or DeviceType, got {type(given).__name__}"
    )


def _asked_by() -> str:
    """Return the public function that was called: that of the outermost frame of core.

    Compiled functions have no frame; where only these were called the answer is "stream".
    """
    name = "stream"
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(CORE):
        found = frame.f_code.co_qualname.partition(".")[0]
        if not found.startswith("_"):
            name = found
        frame = frame.f_back
    return name


def set_default_device(device: Device | DeviceType) -> None:
    """Make ``device`` the default of the calling thread.

    Raises:
      ValueError: The device is not available.
      TypeError: ``device`` is no device.
    Example:
      >>> import monel.core as mx
      >>> mx.set_default_device(mx.default_device())
    """
    device = as_device("set_default_device", device)
    check_device("set_default_device", device)
    _defaults.device = device
    _overridden()


def as_device(function: str, device: Any) -> Device:
    """Return ``device`` as a Device; TypeError for anything else."""
    if isinstance(device, DeviceType):
        return Device(device)
    if isinstance(device, str):
        return _asked(parse_device(device), device)
    if not isinstance(device, Device):
        raise TypeError(f"{function}: expected a Device or DeviceType, got {type(device).__name__}")
    return device


def default_stream(device: Device | DeviceType) -> Stream:
    """Return the default stream of ``device`` in the calling thread.

    Raises:
      ValueError: The device is not available.
      TypeError: ``device`` is no device.
    Example:
      >>> import monel.core as mx
      >>> mx.default_stream(mx.cpu) == mx.default_stream(mx.cpu)
      True
    """
    device = as_device("default_stream", device)
    check_device("default_stream", device)
    return stream_of(device)


def set_default_stream(stream: Stream) -> None:
    """Make ``stream`` the default of its device in the calling thread.

    Raises:
      TypeError: ``stream`` is no stream.
    Example:
      >>> import monel.core as mx
      >>> mx.set_default_stream(mx.default_stream(mx.cpu))
    """
    if not isinstance(stream, Stream):
        raise TypeError(f"set_default_stream: expected a Stream, got {type(stream).__name__}")
    _defaults.streams[stream.device] = stream
    _overridden()


def new_stream(device: Device | DeviceType) -> Stream:
    """Return a new stream on ``device``, which only the calling thread may use.

    Raises:
      ValueError: The device is not available.
      TypeError: ``device`` is no device.
    Example:
      >>> import monel.core as mx
      >>> mx.add(mx.array(1), 2, stream=mx.new_stream(mx.cpu))
      array(3, dtype=int32)
    """
    return _new_stream("new_stream", device, threading.get_ident())


def _new_stream(function: str, device: Any, thread: int | None) -> Stream:
    device = as_device(function, device)
    check_device(function, device)
    stream_of(device)
    return Stream(device, _next_index(), thread)


def new_thread_unsafe_stream(device: Device | DeviceType) -> Stream:
    """Return a new stream on ``device`` that any thread may use.

    Raises:
      ValueError: The device is not available.
      TypeError: ``device`` is no device.
    Example:
      >>> import monel.core as mx
      >>> mx.add(mx.array(1), 2, stream=mx.new_thread_unsafe_stream(mx.cpu))
      array(3, dtype=int32)
    """
    return _new_stream("new_thread_unsafe_stream", device, None)


def new_thread_local_stream(device: Device | DeviceType) -> ThreadLocalStream:
    """Return a stream that is another one in each thread that uses it.

    Raises:
      ValueError: The device is not available.
      TypeError: ``device`` is no device.
    Example:
      >>> import monel.core as mx
      >>> mx.add(mx.array(1), 2, stream=mx.new_thread_local_stream(mx.cpu))
      array(3, dtype=int32)
    """
    device = as_device("new_thread_local_stream", device)
    check_device("new_thread_local_stream", device)
    return ThreadLocalStream(device, _next_index(), threading.local())


def clear_streams() -> None:
    """Forget the calling thread's choices of streams.

    Example:
      >>> import monel.core as mx
      >>> mx.clear_streams()
    """
    _defaults.streams.clear()


def synchronize(stream: Stream | Device | DeviceType | None = None) -> None:
    """Wait until all work of a stream (by default the default one) is done.

    Raises:
      TypeError: ``stream`` is neither stream nor device.
    Example:
      >>> import monel.core as mx
      >>> mx.async_eval(mx.ones(2) + 1)
      >>> mx.synchronize()
    """
    target = to_stream(stream).target
    if target is not None:
        target.backend.synchronize(target.device)


class StreamContext:
    """Makes a device or stream the default of the calling thread within a ``with`` block.

    Raises:
      ValueError: The device is not available.
      TypeError: ``s`` is neither device nor stream.
    Example:
      >>> import monel.core as mx
      >>> with mx.StreamContext(mx.cpu) as stream:
      ...     stream.device
      Device(cpu, 0)
    """

    def __init__(self, s: Any) -> None:
        if isinstance(s, DeviceType | Device):
            s = as_device("stream", s)
            check_device("stream", s)
            self._stream, self._device = None, s
        else:
            self._stream = to_stream(s)
            self._device = self._stream.device
        self._saved: list[tuple[Device | None, Stream | None]] = []

    def __enter__(self) -> Stream:
        old = _defaults.streams.get(self._device)
        self._saved.append((_defaults.device, old))
        _defaults.device = self._device
        if self._stream is not None:
            _defaults.streams[self._device] = self._stream
        _overridden()
        return stream_of(self._device)

    def __exit__(self, *error: Any) -> None:
        global _overrides
        _defaults.device, old = self._saved.pop()
        if self._stream is not None:
            if old is None:
                _defaults.streams.pop(self._device, None)
            else:
                _defaults.streams[self._device] = old
        _overrides -= 1


def stream(s: Stream | Device | DeviceType | ThreadLocalStream) -> StreamContext:
    """Return a context in which ``s`` is the default stream or device.

    Raises:
      ValueError: The device is not available.
      TypeError: ``s`` is neither device nor stream.
    Example:
      >>> import monel.core as mx
      >>> with mx.stream(mx.cpu):
      ...     a = mx.ones(2) + 1
      >>> a
      array([2, 2], dtype=float32)
    """
    return StreamContext(s)


def is_available(device: Device | DeviceType) -> bool:
    """Return whether ``device`` can be used here.

    Raises:
      TypeError: ``device`` is no device.
    Example:
      >>> import monel.core as mx
      >>> mx.is_available(mx.cpu)
      True
    """
    try:
        backend_of(as_device("is_available", device))
    except BackendError:
        return False
    return True


def device_count(device_type: DeviceType) -> int:
    """Return how many devices of a kind the best backend for it has.

    Raises:
      TypeError: ``device_type`` is no kind of device.
    Example:
      >>> import monel.core as mx
      >>> mx.device_count(mx.cpu)
      1
    """
    kind = as_device("device_count", device_type).type
    for name in plugins().by_priority(kind.name):
        try:
            return len(plugins().backend(name).devices())
        except BackendError:
            continue
    return 0


def device_info(d: Device | DeviceType | None = None) -> dict[str, Any]:
    """Return facts about a device: name, memory, architecture, as far as they are known.

    Args:
      d: The device; by default the default one.
    Raises:
      ValueError: The device is not available.
      TypeError: ``d`` is no device.
    Example:
      >>> import monel.core as mx
      >>> "device_name" in mx.device_info(mx.cpu)
      True
    """
    chosen = default_device() if d is None else as_device("device_info", d)
    backend, name = backend_of(chosen)
    return plugins().backend(backend).device_info(name)


graph.install(
    current_stream=current_stream, to_stream=to_stream, resolve=resolve, on_stream=StreamContext
)
