"""The backend: memory, transfers, and where kernels are found."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from monel.core.plugin import AbstractArray, Backend, DTypeError, dtype_named

from .buffers import MetalBuffer
from .runtime import Runtime, RuntimeFailure, Storage

if TYPE_CHECKING:
    from monel.core.plugin import Dtype

__all__ = ["MetalBackend"]

_GROUP = 256


class MetalBackend(Backend):
    """One device, ``metal:0``. Buffers are ``MetalBuffer``: shared storage with strides."""

    name = "metal"
    views = True

    def __init__(self, runtime: Runtime) -> None:
        from . import families

        self.runtime = runtime
        self.fusion = families.FUSION
        self._find = families.find

    # -- the contract -----------------------------------------------------------------------------

    def devices(self) -> Sequence[str]:
        return ("metal:0",)

    def supports_dtype(self, dtype: Dtype, device: str) -> bool:
        return dtype.name != "float64"

    def allocate(self, shape: tuple[int, ...], dtype: Dtype, device: str) -> MetalBuffer:
        return self.empty(shape, dtype)

    def from_host(
        self, data: Any, shape: tuple[int, ...], dtype: Dtype, device: str
    ) -> MetalBuffer:
        nbytes = math.prod(shape) * dtype.size
        if nbytes == 0:
            return MetalBuffer(None, dtype, shape)
        storage = self.runtime.allocate(nbytes, for_host=True)
        storage.host()[:nbytes] = memoryview(data).cast("B")
        return MetalBuffer(storage, dtype, shape)

    def to_host(self, buffer: MetalBuffer, shape: tuple[int, ...], dtype: Dtype) -> bytes:
        if buffer.size == 0:
            return b""
        dense = self.dense(buffer)
        self.runtime.synchronize()
        start = dense.offset * dtype.size
        assert dense.storage is not None
        return bytes(dense.storage.host()[start : start + buffer.size * dtype.size])

    def host_view(
        self, buffer: MetalBuffer, shape: tuple[int, ...], dtype: Dtype
    ) -> memoryview | None:
        if buffer.storage is None:
            return None
        import numpy as np

        self.runtime.synchronize()
        view: Any = np.ndarray(
            shape,
            dtype.numpy,
            buffer.storage.host(),
            buffer.offset * dtype.size,
            [s * dtype.size for s in buffer.strides],
        )
        # NumPy calls 64-bit integers "l" where C's long has 64 bits; the contract says "q".
        seen = {"bfloat16": np.uint16, "int64": np.longlong, "uint64": np.ulonglong}
        return memoryview(view.view(seen[dtype.name]) if dtype.name in seen else view)

    def kernel(self, name: str, dtypes: tuple[Dtype, ...]) -> Callable[..., Any] | None:
        return self._find(name, dtypes)

    def contiguous(self, buffer: MetalBuffer, shape: tuple[int, ...], dtype: Dtype) -> MetalBuffer:
        return self.dense(buffer)

    def broadcast(
        self, buffer: MetalBuffer, old: tuple[int, ...], new: tuple[int, ...], dtype: Dtype
    ) -> MetalBuffer:
        return buffer.spread(new)

    def copy(
        self, buffer: MetalBuffer, shape: tuple[int, ...], dtype: Dtype, device: str
    ) -> MetalBuffer:
        from .elementwise import copied

        return copied(self, buffer)

    def synchronize(self, device: str) -> None:
        self.runtime.synchronize()

    def memory(self) -> dict[str, int]:
        runtime = self.runtime
        return {"active": runtime.active, "peak": runtime.peak, "cache": runtime.cached}

    def reset_peak_memory(self) -> None:
        self.runtime.peak = 0

    def set_memory_limit(self, limit: int) -> int:
        old, self.runtime.memory_limit = self.runtime.memory_limit, limit
        return old

    def set_cache_limit(self, limit: int) -> int:
        old, self.runtime.cache_limit = self.runtime.cache_limit, limit
        if self.runtime.cached > limit:
            self.runtime.clear_cache()
        return old

    def clear_cache(self) -> None:
        self.runtime.clear_cache()

    def device_info(self, device: str) -> dict[str, Any]:
        return {
            "device_name": self.runtime.device_name,
            "max_buffer_length": self.runtime.max_buffer_length,
            "memory_size": self.runtime.memory_limit,
        }

    def probe(self) -> None:
        """Run a kernel and look at its result: a device may be present and not work.

        Raises:
          RuntimeFailure: It gave a wrong result, or none.
        """
        from .elementwise import cast_to

        data = self.from_host(bytes([1, 0, 2, 3]), (4,), dtype_named("uint8"), "metal:0")
        made = cast_to(self, data, "int32")
        if self.to_host(made, (4,), made.dtype) != struct.pack("<4i", 1, 0, 2, 3):
            name = self.runtime.device_name
            raise RuntimeFailure(f"{name}: the probe kernel gave a wrong result")

    # -- what kernels use -------------------------------------------------------------------------

    def empty(self, shape: Sequence[int], dtype: Dtype) -> MetalBuffer:
        """Return fresh storage for an array; none where it has no elements.

        Raises:
          DTypeError: The device has no such dtype.
        """
        if dtype.name == "float64":
            raise DTypeError(f"device metal:0 does not support {dtype.name}; use float32")
        nbytes = math.prod(shape) * dtype.size
        storage = self.runtime.allocate(nbytes) if nbytes else None
        return MetalBuffer(storage, dtype, tuple(shape))

    def dense(self, buffer: MetalBuffer) -> MetalBuffer:
        """Return the elements in row-major order; the buffer itself where they are that already."""
        if buffer.size == 0 or buffer.contiguous:
            return buffer
        from .elementwise import copied

        return copied(self, buffer)

    def launch(
        self,
        source: str,
        name: str,
        parameters: bytes,
        buffers: Sequence[MetalBuffer],
        threads: Sequence[int],
        group: Sequence[int] | None = None,
        *,
        offsets: bool = True,
    ) -> None:
        """Run a kernel.

        Args:
          source: MSL text that holds it.
          name: Its host name.
          parameters: Its struct of parameters, or nothing.
          buffers: Operands and results, in the order of its arguments.
          threads: Of the whole grid, up to three axes.
          group: Of one group; by default as many along x as pay.
          offsets: Whether buffers are bound at their first element; strided kernels take it as a
            parameter, since elements may lie before it.
        """
        pipeline = self.runtime.pipeline(source, name)
        x, y, z = (*threads, 1, 1)[:3]
        if group is None:
            group = (min(_GROUP, pipeline.max_threads, x), 1, 1)
        gx, gy, gz = (*group, 1, 1)[:3]
        bound: list[tuple[Storage, int]] = []
        for b in buffers:
            assert b.storage is not None
            bound.append((b.storage, b.offset * b.dtype.size if offsets else 0))
        self.runtime.dispatch(pipeline, parameters, bound, (x, y, z), (gx, gy, gz))

    def max_threads(self, source: str, name: str) -> int:
        """Return how many threads a group of a kernel may have."""
        return self.runtime.pipeline(source, name).max_threads


def aval(buffer: MetalBuffer) -> AbstractArray:
    """Return shape and dtype of a buffer."""
    return AbstractArray(buffer.shape, buffer.dtype)
