"""The only module that touches Metal: memory, pipelines, encoding, waiting.

Commands are encoded into one serial encoder and committed after a while, or when the host needs a
result. What fails on the device is raised by the wait that follows, with the operations it ran.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Pipeline", "Runtime", "RuntimeFailure", "Storage"]

# A command buffer is committed once it holds this many operations, or bytes of operands.
MAX_OPERATIONS = 40
MAX_BYTES = 40 << 20
_PAGE = 16384


class RuntimeFailure(RuntimeError):
    """The device refused a kernel, or failed while it ran one."""


class Pipeline(NamedTuple):
    """A compiled kernel, and how many threads a group of it may have."""

    state: Any
    name: str
    max_threads: int


class Storage:
    """Memory that host and device share; it goes back to the runtime when it dies.

    Attributes:
      handle: The MTLBuffer.
      nbytes: Its length.
      used: Serial number of the latest command buffer that uses it.
    """

    __slots__ = ("__weakref__", "handle", "nbytes", "runtime", "used")

    def __init__(self, runtime: Runtime, handle: Any, nbytes: int) -> None:
        self.runtime = runtime
        self.handle = handle
        self.nbytes = nbytes
        self.used = 0

    def host(self) -> memoryview:
        """The bytes, writable; whoever writes must have waited for the device.

        The memory is not used again while the view lives.
        """
        memory = self.handle.contents().as_buffer(self.nbytes)
        kept = (ctypes.c_char * self.nbytes).from_buffer(memory)
        kept.storage = self  # type: ignore[attr-defined]
        return memoryview(kept).cast("B")

    def __del__(self) -> None:
        self.runtime.release(self)


class Runtime:
    """One device: its queue, its memory and its compiled kernels.

    Memory is asked for in multiples of ``granularity`` bytes, so that it can be used again.
    """

    def __init__(self, granularity: int = 256) -> None:
        import Metal
        import objc

        self._metal = Metal
        self._granularity = granularity
        self._pool = objc.autorelease_pool
        self._device = Metal.MTLCreateSystemDefaultDevice()
        if self._device is None:
            raise RuntimeFailure("Metal found no device")
        self._queue = self._device.newCommandQueue()
        self._lock = threading.RLock()
        self._libraries: dict[str, Any] = {}
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._commands: Any = None
        self._encoder: Any = None
        self._names: list[str] = []
        self._bytes = 0
        self._serial = 1
        self._finished = 0
        self._committed: list[tuple[int, Any, list[str]]] = []
        self._free: dict[int, list[tuple[Any, int]]] = {}
        self.active = self.peak = self.cached = 0
        self.memory_limit = int(self._device.recommendedMaxWorkingSetSize())
        self.cache_limit = self.memory_limit

    @property
    def device_name(self) -> str:
        return str(self._device.name())

    @property
    def max_buffer_length(self) -> int:
        return int(self._device.maxBufferLength())

    # -- memory -----------------------------------------------------------------------------------

    def allocate(self, nbytes: int, *, for_host: bool = False) -> Storage:
        """Return memory of at least ``nbytes``, which must not be 0.

        Args:
          nbytes: Bytes wanted.
          for_host: The host writes to it at once: nothing that the device still uses will do.
        Raises:
          MemoryError: The device has none.
        """
        unit = _PAGE if nbytes >= _PAGE and self._granularity > 1 else self._granularity
        size = -(-nbytes // unit) * unit
        with self._lock:
            found = self._cached_handle(size, for_host)
            if found is None:
                found = self._new_handle(size, nbytes)
            self.active += size
            self.peak = max(self.peak, self.active)
        return Storage(self, found, size)

    def _cached_handle(self, size: int, for_host: bool) -> Any:
        shelf = self._free.get(size, [])
        for i in range(len(shelf) - 1, -1, -1):
            handle, used = shelf[i]
            if not for_host or used <= self._finished:
                del shelf[i]
                self.cached -= size
                return handle
        return None

    def _new_handle(self, size: int, wanted: int) -> Any:
        mode = self._metal.MTLResourceStorageModeShared
        fits = size <= self.max_buffer_length and self.active + size <= self.memory_limit
        handle = self._device.newBufferWithLength_options_(size, mode) if fits else None
        if handle is None and fits:
            self.synchronize()
            self.clear_cache()
            handle = self._device.newBufferWithLength_options_(size, mode)
        if handle is None:
            raise MemoryError(
                f"metal: no memory for {wanted} bytes: {self.active} are in use, of "
                f"{self.memory_limit}; the largest array has {self.max_buffer_length} bytes"
            )
        return handle

    def release(self, storage: Storage) -> None:
        """Take back memory that nobody refers to; a later allocation may get it."""
        with self._lock:
            self.active -= storage.nbytes
            if self.cached + storage.nbytes <= self.cache_limit:
                self._free.setdefault(storage.nbytes, []).append((storage.handle, storage.used))
                self.cached += storage.nbytes

    def clear_cache(self) -> None:
        """Give memory that nobody uses back to the system."""
        with self._lock:
            self._free.clear()
            self.cached = 0

    # -- kernels ----------------------------------------------------------------------------------

    def pipeline(self, source: str, name: str) -> Pipeline:
        """Return the kernel with host name ``name`` of an MSL text; compiled once.

        Raises:
          RuntimeFailure: It does not compile; the message is the compiler's, with file and line.
        """
        digest = hashlib.sha256(source.encode()).hexdigest()
        with self._lock, self._pool():
            found = self._pipelines.get((digest, name))
            if found is None:
                found = self._pipelines[digest, name] = self._compile(source, digest, name)
            return found

    def _compile(self, source: str, digest: str, name: str) -> Pipeline:
        library = self._libraries.get(digest)
        if library is None:
            library, error = self._device.newLibraryWithSource_options_error_(
                source, self._options(), None
            )
            if library is None:
                raise RuntimeFailure(f"kernel {name} does not compile: {_text(error)}")
            self._libraries[digest] = library
        function = library.newFunctionWithName_(name)
        if function is None:
            raise RuntimeFailure(f"the library of kernel {name} holds no function of that name")
        state, error = self._device.newComputePipelineStateWithFunction_error_(function, None)
        if state is None:
            raise RuntimeFailure(f"kernel {name} has no pipeline: {_text(error)}")
        if state.threadExecutionWidth() != 32:
            width = state.threadExecutionWidth()
            raise RuntimeFailure(f"kernel {name}: SIMD groups of {width} threads, not 32")
        return Pipeline(state, name, int(state.maxTotalThreadsPerThreadgroup()))

    def _options(self) -> Any:
        options = self._metal.MTLCompileOptions.alloc().init()
        if hasattr(options, "setMathMode_"):
            options.setMathMode_(self._metal.MTLMathModeSafe)
        else:
            options.setFastMathEnabled_(False)
        options.setLanguageVersion_(self._metal.MTLLanguageVersion3_1)
        return options

    # -- running ----------------------------------------------------------------------------------

    def dispatch(
        self,
        pipeline: Pipeline,
        parameters: bytes,
        buffers: Sequence[tuple[Storage, int]],
        grid: tuple[int, int, int],
        group: tuple[int, int, int],
    ) -> None:
        """Encode a kernel: ``parameters`` at index 0 if there are any, then the buffers.

        Args:
          pipeline: The kernel.
          parameters: The bytes of its struct of parameters, at most 4096.
          buffers: Memory and offset in bytes.
          grid: Threads along x, y and z.
          group: Threads of a group along x, y and z.
        """
        with self._lock, self._pool():
            encoder = self._current_encoder()
            encoder.setComputePipelineState_(pipeline.state)
            first = 0
            if parameters:
                encoder.setBytes_length_atIndex_(parameters, len(parameters), 0)
                first = 1
            for index, (storage, offset) in enumerate(buffers, first):
                encoder.setBuffer_offset_atIndex_(storage.handle, offset, index)
                storage.used = self._serial
                self._bytes += storage.nbytes
            size = self._metal.MTLSize
            encoder.dispatchThreads_threadsPerThreadgroup_(size(*grid), size(*group))
            self._names.append(pipeline.name)
            if len(self._names) >= MAX_OPERATIONS or self._bytes >= MAX_BYTES:
                self.flush()

    def _current_encoder(self) -> Any:
        if self._encoder is None:
            self._commands = self._queue.commandBuffer()
            self._encoder = self._commands.computeCommandEncoder()
        return self._encoder

    def flush(self) -> None:
        """Let the device begin with what was encoded."""
        with self._lock, self._pool():
            if self._encoder is None:
                return
            self._encoder.endEncoding()
            self._commands.commit()
            self._committed.append((self._serial, self._commands, self._names))
            self._serial += 1
            self._commands = self._encoder = None
            self._names, self._bytes = [], 0

    def synchronize(self) -> None:
        """Wait until everything that was encoded has run.

        Raises:
          MemoryError: The device ran out of memory.
          RuntimeFailure: A kernel failed; the message names the operations of its command buffer.
        """
        with self._lock, self._pool():
            self.flush()
            waiting, self._committed = self._committed, []
            failed = None
            for serial, commands, names in waiting:
                commands.waitUntilCompleted()
                self._finished = serial
                if commands.status() == self._metal.MTLCommandBufferStatusError:
                    failed = failed or (commands, names)
            if failed is not None:
                raise self._failure(*failed)

    def _failure(self, commands: Any, names: list[str]) -> Exception:
        error = commands.error()
        text = f"metal: a command buffer of {', '.join(names)} failed: {_text(error)}"
        if error is not None and error.code() == self._metal.MTLCommandBufferErrorOutOfMemory:
            return MemoryError(text)
        return RuntimeFailure(text)


def _text(error: Any) -> str:
    return str(error.localizedDescription()) if error is not None else "no reason was given"
