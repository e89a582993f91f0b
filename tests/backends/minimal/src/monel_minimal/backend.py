"""NumPy arrays for buffers, and a kernel for each required primitive by its own definition."""

from __future__ import annotations

import numpy as np

from monel.core.plugin import REGISTRY, KernelBackend, KernelTable

kernels = KernelTable("minimal")


class MinimalBackend(KernelBackend):
    """No views, no fusion, no streams; buffers are contiguous and the host may look."""

    name = "minimal"
    kernels = kernels

    def devices(self):
        return ("minimal",)

    def allocate(self, shape, dtype, device):
        return np.empty(shape, dtype.numpy)

    def from_host(self, data, shape, dtype, device):
        return np.frombuffer(bytearray(data), dtype.numpy).reshape(shape)

    def to_host(self, buffer, shape, dtype):
        return buffer.tobytes()

    def host_view(self, buffer, shape, dtype):
        if dtype.name == "bfloat16":
            return memoryview(buffer.view(np.uint16))
        # The contract says "q" of 64-bit integers, which NumPy calls "l" where C's long is as wide.
        wide = {"int64": np.longlong, "uint64": np.ulonglong}.get(dtype.name)
        return memoryview(buffer if wide is None else buffer.view(wide))


def define(ctx, p, *operands):
    """Compute a primitive by its definition, into memory of its own."""
    made = p.reference(*operands)
    return tuple(map(np.array, made)) if isinstance(made, tuple) else np.array(made, order="C")


for primitive in REGISTRY.values():
    if primitive.required and not primitive.host:  # what is the host's has a default
        kernels.register(primitive.name)(define)
