"""Devices and streams as users name them; which backend stands behind one is decided above."""

from __future__ import annotations

import enum
from typing import Any

__all__ = ["Device", "DeviceType", "Stream", "ThreadLocalStream", "cpu", "gpu"]


class DeviceType(enum.Enum):
    """The kind of a device: ``mx.cpu`` or ``mx.gpu``.

    Example:
      >>> import monel.core as mx
      >>> mx.cpu
      DeviceType.cpu
    """

    cpu = 0
    gpu = 1

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Device):
            return other == self
        return self is other

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"DeviceType.{self.name}"

    __str__ = __repr__


cpu = DeviceType.cpu
gpu = DeviceType.gpu


class Device:
    """A device: a kind and an index, or a backend's own name and an index.

    ``Device(mx.cpu)`` is the best installed backend of that kind; ``Device("torch:cuda", 1)``
    names one. A device equals its kind: ``mx.cpu == mx.Device(mx.cpu)``.

    Raises:
      TypeError: ``type`` is neither a kind nor a name, or ``index`` is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.Device(mx.cpu) == mx.cpu
      True
    """

    __slots__ = ("index", "name", "type")

    def __init__(
        self, type: DeviceType | str, index: int = 0, *, kind: DeviceType = DeviceType.cpu
    ) -> None:
        if isinstance(type, str):
            self.name: str | None = type
            self.type = kind
        elif isinstance(type, DeviceType):
            self.name = None
            self.type = type
        else:
            raise TypeError(
                f"Device: expected a DeviceType or a backend's name, got {type.__class__.__name__}"
            )
        if isinstance(index, bool) or not isinstance(index, int):
            raise TypeError(f"Device: index must be an int, got {index.__class__.__name__}")
        self.index = index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DeviceType):
            return self.name is None and self.type is other and self.index == 0
        if isinstance(other, Device):
            return (self.type, self.index, self.name) == (other.type, other.index, other.name)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.type.value, self.index, self.name))

    def __repr__(self) -> str:
        return f"Device({self.name or self.type.name}, {self.index})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_device, (self.type, self.index, self.name))


def _device(kind: DeviceType, index: int, name: str | None) -> Device:
    return Device(kind if name is None else name, index, kind=kind)


class Stream:
    """An ordered queue of work on a device; made by ``mx.new_stream`` and the default streams.

    ``target`` is what the evaluation resolved this stream to, at first use.

    Example:
      >>> import monel.core as mx
      >>> mx.default_stream(mx.cpu).device
      Device(cpu, 0)
    """

    __slots__ = ("__weakref__", "device", "index", "target", "thread")

    def __init__(self, device: Device, index: int, thread: int | None = None) -> None:
        self.device = device
        self.index = index
        self.thread = thread
        self.target: Any = None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Stream):
            return self.index == other.index and self.device == other.device
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.index, self.device))

    def __repr__(self) -> str:
        return f"Stream({self.device!r}, {self.index})"


class ThreadLocalStream:
    """A stream for each thread on one device; made by ``mx.new_thread_local_stream``.

    Example:
      >>> import monel.core as mx
      >>> mx.new_thread_local_stream(mx.cpu).device
      Device(cpu, 0)
    """

    __slots__ = ("device", "index", "local")

    def __init__(self, device: Device, index: int, local: Any) -> None:
        self.device = device
        self.index = index
        self.local = local

    def __repr__(self) -> str:
        return f"ThreadLocalStream({self.device!r}, {self.index})"
