"""A module that stands in for PyObjC's ``Metal``: checks every call, runs kernels on the emulator.

A selector must be one that the real wheel's metadata names, with as many arguments and of the
types that it says; ``metadata.json`` is extracted from the wheel. Whatever a watched run finds is
the error of its command buffer, so that it reaches the user on the path of a real device's errors.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .. import compiler
from ..library import Finding, Library
from ..translate import MslError

__all__ = ["Settings", "installed", "settings"]

# Not in the wheel's metadata because PyObjC needs none for them: plain setters and getters.
UNLISTED = {
    "setMathMode:": ["q"],
    "setLanguageVersion:": ["Q"],
    "localizedDescription": [],
    "code": [],
    "setCaptureObject:": ["@"],
    "setDestination:": ["q"],
    "setOutputURL:": ["@"],
    "stopCapture": [],
}
_GUARD = 256
_FILL = 0xA5


class Settings:
    """How the fake device runs kernels.

    Attributes:
      checked: Watch every access to memory.
      order: forward, reverse or random.
      max_threads: The limit that pipelines report: 1024, 448 or 256.
      memory: Bytes that may be allocated.
    """

    def __init__(self) -> None:
        self.checked = False
        self.order = "forward"
        self.max_threads = 1024
        self.memory = 4 << 30


settings = Settings()


class MTLSize(NamedTuple):
    """Three lengths, as PyObjC's struct wrapper."""

    width: int
    height: int
    depth: int


@functools.cache
def metadata() -> dict[str, Any]:
    """What the real wheel says of selectors and enumerators."""
    return dict(json.loads((Path(__file__).parent / "metadata.json").read_text()))


def arguments_of(selector: str) -> list[str]:
    """Return the type encodings of a selector's arguments.

    Raises:
      AttributeError: PyObjC knows no such selector.
    """
    facts = metadata()["selectors"].get(selector)
    if facts is not None:
        return list(facts["arguments"])
    if selector in UNLISTED:
        return UNLISTED[selector]
    raise AttributeError(f"Metal has no selector {selector!r}")


def _check(selector: str, kinds: list[str], given: tuple[Any, ...]) -> None:
    if len(kinds) != len(given):
        raise TypeError(f"{selector}: need {len(kinds)} arguments, got {len(given)}")
    for place, (kind, value) in enumerate(zip(kinds, given)):
        if kind == "Q":
            fits = isinstance(value, int) and 0 <= value < 1 << 64
        elif kind == "q":
            fits = isinstance(value, int)
        elif kind == "Z":
            fits = isinstance(value, bool)
        elif kind.startswith("{MTLSize"):
            fits = isinstance(value, tuple) and len(value) == 3
            fits = fits and all(isinstance(n, int) and n > 0 for n in value)
        elif kind == "^@":
            fits = value is None
        elif kind == "^v":
            fits = isinstance(value, (bytes, bytearray, memoryview))
        else:
            fits = value is None or isinstance(value, (str, FakeObject))
        if not fits:
            raise TypeError(f"{selector}: argument {place} is {value!r}, expected {kind}")


class FakeObject:
    """An object of Objective-C: each method of a subclass is a selector, and checked as one."""

    def __init_subclass__(cls) -> None:
        for name, method in list(vars(cls).items()):
            if not name.startswith("_") and isinstance(method, types.FunctionType):
                setattr(cls, name, _as_selector(name, method))


def _as_selector(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    selector = name.replace("_", ":")

    @functools.wraps(method)
    def call(self: Any, *args: Any) -> Any:
        _check(selector, arguments_of(selector), args)
        return method(self, *args)

    return call


class Error(FakeObject):
    """NSError."""

    def __init__(self, text: str, code: int = 1) -> None:
        self._text = text
        self._code = code

    def code(self) -> int:
        return self._code

    def localizedDescription(self) -> str:
        return self._text


class CompileOptions(FakeObject):
    """MTLCompileOptions."""

    @classmethod
    def alloc(cls) -> CompileOptions:
        return cls()

    def init(self) -> CompileOptions:
        return self

    def setMathMode_(self, mode: int) -> None:
        self._mode = mode

    def setLanguageVersion_(self, version: int) -> None:
        self._version = version


# NSObject's own, which need no metadata.
UNLISTED["init"] = []


class _Contents:
    """What PyObjC gives for ``void*``: memory of a length that the caller knows."""

    def __init__(self, owner: Buffer) -> None:
        self._owner = owner

    def as_buffer(self, size: int) -> memoryview:
        if not 0 < size <= self._owner._size:
            raise ValueError(f"as_buffer({size}) of a buffer of {self._owner._size} bytes")
        start = ctypes.addressof(self._owner._memory) + _GUARD
        view = (ctypes.c_char * size).from_address(start)
        view._owner = self._owner  # type: ignore[attr-defined]
        return memoryview(view).cast("B")


class Buffer(FakeObject):
    """MTLBuffer, between two guards that nothing may write to."""

    def __init__(self, device: Device, size: int) -> None:
        self._device = device
        self._size = size
        self._memory = (ctypes.c_char * (size + 2 * _GUARD))()
        ctypes.memset(self._memory, _FILL, size + 2 * _GUARD)
        device._allocated += size

    def __del__(self) -> None:
        self._device._allocated -= self._size

    def _address(self) -> int:
        return ctypes.addressof(self._memory) + _GUARD

    def _guards_hold(self) -> bool:
        guard = bytes([_FILL]) * _GUARD
        raw = memoryview(self._memory).cast("B")
        return bytes(raw[:_GUARD]) == guard and bytes(raw[-_GUARD:]) == guard

    def contents(self) -> _Contents:
        return _Contents(self)

    def length(self) -> int:
        return self._size


class Function(FakeObject):
    """MTLFunction."""

    def __init__(self, source: str, name: str) -> None:
        self._source = source
        self._name = name


class FakeLibrary(FakeObject):
    """MTLLibrary; compiled once as the fake's settings say, and again where they change."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._library = library(source, settings.checked)

    def newFunctionWithName_(self, name: str) -> Function | None:
        return Function(self._source, name) if name in self._library.entries else None


@functools.lru_cache(maxsize=4096)
def library(source: str, checked: bool) -> Library:
    """Return the compiled library of a source text."""
    return Library(source, checked=checked)


class PipelineState(FakeObject):
    """MTLComputePipelineState."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def maxTotalThreadsPerThreadgroup(self) -> int:
        return settings.max_threads

    def threadExecutionWidth(self) -> int:
        return 32


class _Dispatch(NamedTuple):
    pipeline: PipelineState
    buffers: dict[int, tuple[Any, int]]
    lengths: dict[int, int]
    grid: MTLSize
    group: MTLSize


class CommandEncoder(FakeObject):
    """MTLComputeCommandEncoder."""

    def __init__(self, commands: CommandBuffer) -> None:
        self._commands = commands
        self._pipeline: PipelineState | None = None
        self._buffers: dict[int, tuple[Any, int]] = {}
        self._lengths: dict[int, int] = {}
        self._ended = False

    def setComputePipelineState_(self, state: PipelineState) -> None:
        self._pipeline = state

    def setBuffer_offset_atIndex_(self, buffer: Buffer, offset: int, index: int) -> None:
        if offset >= buffer._size:
            raise ValueError(f"setBuffer: offset {offset} in a buffer of {buffer._size} bytes")
        self._buffers[index] = (buffer, offset)

    def setBytes_length_atIndex_(self, data: bytes, length: int, index: int) -> None:
        if not 0 < length <= 4096 or length != len(data):
            raise ValueError(f"setBytes: a length of {length} for {len(data)} bytes; at most 4096")
        self._buffers[index] = (bytes(data), 0)

    def setThreadgroupMemoryLength_atIndex_(self, length: int, index: int) -> None:
        if length % 16:
            raise ValueError(f"setThreadgroupMemoryLength: {length} is no multiple of 16")
        self._lengths[index] = length

    def dispatchThreads_threadsPerThreadgroup_(self, grid: MTLSize, group: MTLSize) -> None:
        if self._pipeline is None or self._ended:
            raise ValueError("dispatchThreads: no pipeline is set, or encoding has ended")
        threads = group[0] * group[1] * group[2]
        if threads > settings.max_threads:
            raise ValueError(
                f"dispatchThreads: {threads} threads a group, of {settings.max_threads}"
            )
        state = dict(self._buffers), dict(self._lengths)
        self._commands._queued.append(
            _Dispatch(self._pipeline, *state, MTLSize(*grid), MTLSize(*group))
        )

    def endEncoding(self) -> None:
        self._ended = True


class CommandBuffer(FakeObject):
    """MTLCommandBuffer; its kernels run when it is committed."""

    def __init__(self) -> None:
        self._queued: list[_Dispatch] = []
        self._status = 0
        self._error: Error | None = None

    def computeCommandEncoder(self) -> CommandEncoder:
        return CommandEncoder(self)

    def commit(self) -> None:
        if self._status:
            raise ValueError("commit: this command buffer was committed before")
        self._status = 4
        for dispatch in self._queued:
            findings = _run(dispatch)
            if findings:
                self._status = 5
                self._error = Error("; ".join(map(str, findings[:4])))
                break
        self._queued.clear()

    def waitUntilCompleted(self) -> None:
        if not self._status:
            raise ValueError("waitUntilCompleted: this command buffer was never committed")

    def status(self) -> int:
        return self._status

    def error(self) -> Error | None:
        return self._error


def _run(dispatch: _Dispatch) -> list[Finding]:
    """Run one kernel; what it wrote beside its buffers is a finding even where nothing watches."""
    function = dispatch.pipeline._function
    places = {}
    kept = []
    for index, (buffer, offset) in dispatch.buffers.items():
        if isinstance(buffer, bytes):
            data = ctypes.create_string_buffer(buffer, len(buffer))
            kept.append(data)
            places[index] = (ctypes.addressof(data), len(buffer))
        else:
            places[index] = (buffer._address() + offset, buffer._size - offset)
    lengths = [dispatch.lengths.get(i, 0) for i in range(max(dispatch.lengths, default=-1) + 1)]
    findings = library(function._source, settings.checked).launch(
        *(function._name, places, dispatch.grid, dispatch.group),
        threadgroup_lengths=lengths,
        order=settings.order,
    )
    for index, (buffer, _) in dispatch.buffers.items():
        if isinstance(buffer, Buffer) and not buffer._guards_hold():
            text = "write beside the buffer"
            place = f"buffer({index})"
            findings.append(Finding("bounds", function._name, place, text, 0, 0, "", -1, -1, ""))
    return findings


class CommandQueue(FakeObject):
    """MTLCommandQueue."""

    def commandBuffer(self) -> CommandBuffer:
        return CommandBuffer()


class Device(FakeObject):
    """MTLDevice."""

    def __init__(self) -> None:
        self._allocated = 0

    def name(self) -> str:
        return "Emulated Metal device"

    def newCommandQueue(self) -> CommandQueue:
        return CommandQueue()

    def maxBufferLength(self) -> int:
        return settings.memory

    def recommendedMaxWorkingSetSize(self) -> int:
        return settings.memory

    def newBufferWithLength_options_(self, length: int, options: int) -> Buffer | None:
        if length == 0:
            raise ValueError("newBufferWithLength: a length of 0")
        return Buffer(self, length) if self._allocated + length <= settings.memory else None

    def newLibraryWithSource_options_error_(
        self, source: str, options: CompileOptions, error: None
    ) -> tuple[FakeLibrary | None, Error | None]:
        try:
            return FakeLibrary(source), None
        except (MslError, compiler.CompileError) as problem:
            return None, Error(str(problem))

    def newComputePipelineStateWithFunction_error_(
        self, function: Function, error: None
    ) -> tuple[PipelineState | None, Error | None]:
        return PipelineState(function), None


_device = Device()


class FakeMetal(types.ModuleType):
    """The module ``Metal``: functions, classes and enumerators."""

    MTLSize = MTLSize
    MTLCompileOptions = CompileOptions

    @staticmethod
    def MTLCreateSystemDefaultDevice() -> Device:
        return _device

    def __getattr__(self, name: str) -> int:
        try:
            return int(metadata()["enums"][name])
        except KeyError:
            raise AttributeError(f"Metal has no {name!r}") from None


class FakeObjC(types.ModuleType):
    """The module ``objc``, of which the runtime uses one function."""

    @staticmethod
    @contextlib.contextmanager
    def autorelease_pool() -> Iterator[None]:
        yield


def install(wish: str) -> None:
    """Put the fake modules in place, as ``MONEL_METAL_EMULATE`` wishes: plain or checked.

    The order of threads and the limit of threads a group come from ``MONEL_METAL_ORDER`` and
    ``MONEL_METAL_THREADS``.

    Raises:
      EmulatorMissing: There is no clang.
      ValueError: ``wish`` is neither.
    """
    if wish not in ("plain", "checked"):
        raise ValueError(f"MONEL_METAL_EMULATE must be plain or checked, got {wish!r}")
    compiler.clang()
    settings.checked = wish == "checked"
    settings.order = os.environ.get("MONEL_METAL_ORDER", "forward")
    settings.max_threads = int(os.environ.get("MONEL_METAL_THREADS", "1024"))
    sys.modules["Metal"] = FakeMetal("Metal")
    sys.modules["objc"] = FakeObjC("objc")


@contextlib.contextmanager
def installed(wish: str = "plain") -> Iterator[Settings]:
    """Have the fake modules in place for a while."""
    before = {name: sys.modules.get(name) for name in ("Metal", "objc")}
    old = dict(vars(settings))
    install(wish)
    try:
        yield settings
    finally:
        vars(settings).update(old)
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
