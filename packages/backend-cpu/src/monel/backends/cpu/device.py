"""The device: memory, transfers, and where kernels are found."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from monel.core import plugin
from monel.core.plugin import Backend, Fusion, OutOfBoundsError

from . import _kernels, blas

if TYPE_CHECKING:
    from monel.core.plugin import Dtype

# Formats of the memory of items by their size; the dtype itself is the buffer's.
_WORDS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


class CpuBackend(Backend):
    """One device, ``cpu``. Buffers are ``_kernels.Buffer``: counted storage with strides."""

    name = "cpu"
    views = True

    def __init__(self) -> None:
        blas.configure()
        _kernels.set_index_error(OutOfBoundsError)
        _kernels.set_linalg_error(lambda: plugin.LinAlgError)  # its class needs NumPy
        self.fusion = Fusion(
            operations=frozenset(_kernels.fusible_operations()),
            reductions=frozenset(_kernels.fusible_reductions()),
            max_operands=_kernels.MAX_FUSED_OPERANDS,
            max_nodes=_kernels.MAX_FUSED_NODES,
        )

    def devices(self) -> Sequence[str]:
        return ("cpu",)

    def allocate(self, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        return _kernels.empty(shape, dtype.code)

    def from_host(self, data: Any, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        return _kernels.from_bytes(data, shape, dtype.code)

    def adopt(
        self, data: memoryview, shape: tuple[int, ...], dtype: Dtype, device: str
    ) -> Any | None:
        return _kernels.from_external(data.cast(_WORDS[dtype.size], shape), dtype.code)

    def to_host(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
        return buffer.tobytes()

    def host_view(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> memoryview | None:
        return memoryview(buffer)

    def contiguous(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
        return buffer if buffer.contiguous else self.copy(buffer, shape, dtype, "cpu")

    def kernel(self, name: str, dtypes: tuple[Dtype, ...]) -> Callable[..., Any] | None:
        found: Callable[..., Any] | None = _kernels.kernel(name, tuple(d.code for d in dtypes))
        return found

    def item(self, buffer: Any, dtype: Dtype) -> Any:
        return buffer.item()

    def memory(self) -> dict[str, int]:
        counts = _kernels.memory()
        return {
            "active": counts["active"],
            "peak": counts["peak"],
            "cache": counts["cached"],
            "limit": counts["memory_limit"],
        }

    def reset_peak_memory(self) -> None:
        _kernels.reset_peak_memory()

    def set_memory_limit(self, limit: int) -> int:
        return int(_kernels.set_memory_limit(limit))

    def set_cache_limit(self, limit: int) -> int:
        return int(_kernels.set_cache_limit(limit))

    def clear_cache(self) -> None:
        _kernels.clear_cache()

    def device_info(self, device: str) -> dict[str, Any]:
        return {
            "device_name": platform.processor() or platform.machine(),
            "architecture": platform.machine(),
            "instruction_set": _kernels.isa(),
            "threads": _kernels.num_threads(),
        }
