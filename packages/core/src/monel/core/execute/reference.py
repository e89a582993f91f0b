"""The reference backend: each primitive by its NumPy definition. Slow, complete, the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..contract.backend import API_VERSION, Backend, BackendSpec
from ..contract.hookspecs import hookimpl
from ..graph.primitive import REGISTRY, Primitive
from .host import run_reference

if TYPE_CHECKING:
    from ..base.dtypes import Dtype


@hookimpl
def monel_backends() -> list[BackendSpec]:
    """Declare the reference backend; anything else that is usable comes before it."""
    return [BackendSpec("reference", ReferenceBackend, API_VERSION, priority=-100)]


class ReferenceBackend(Backend):
    """Buffers are NumPy arrays; a kernel is ``primitive.reference``."""

    name = "reference"

    def devices(self) -> Sequence[str]:
        return ("reference",)

    def allocate(self, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        import numpy as np

        return np.empty(shape, dtype.numpy)

    def from_host(self, data: Any, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        import numpy as np

        return np.frombuffer(bytearray(data), dtype.numpy).reshape(shape)

    def adopt(
        self, data: memoryview, shape: tuple[int, ...], dtype: Dtype, device: str
    ) -> Any | None:
        import numpy as np

        return np.frombuffer(data, dtype.numpy).reshape(shape)

    def to_host(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
        return buffer.tobytes()

    def host_view(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> memoryview | None:
        import numpy as np

        if not buffer.flags.writeable and buffer.base is not None:
            buffer = np.lib.stride_tricks.as_strided(buffer, writeable=True)
        # NumPy calls 64-bit integers "l" where C's long has 64 bits; the contract says "q".
        seen = {"bfloat16": np.uint16, "int64": np.longlong, "uint64": np.ulonglong}
        return memoryview(buffer.view(seen[dtype.name]) if dtype.name in seen else buffer)

    def contiguous(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
        return buffer if buffer.flags.c_contiguous else buffer.copy()

    def kernel(self, name: str, dtypes: tuple[Dtype, ...]) -> Callable[..., Any] | None:
        cls = REGISTRY.get(name)
        # A vendor's primitive may have no definition by NumPy: it decomposes.
        defined = cls is None or cls.reference is not Primitive.reference
        return run_reference if defined else None

    def item(self, buffer: Any, dtype: Dtype) -> Any:
        return buffer.item()
