"""A device made of NumPy: four methods, and a table of kernels."""

import numpy as np

from monel.core.plugin import KernelBackend, KernelTable

kernels = KernelTable("toy")


class ToyBackend(KernelBackend):
    """One device. A buffer is a C-contiguous NumPy array."""

    name = "toy"
    kernels = kernels

    def devices(self):
        return ("toy",)

    def allocate(self, shape, dtype, device):
        return np.empty(shape, dtype.numpy)

    def from_host(self, data, shape, dtype, device):
        return np.frombuffer(bytearray(data), dtype.numpy).reshape(shape)

    def to_host(self, buffer, shape, dtype):
        return buffer.tobytes()


@kernels.register("full")
def full(ctx, p):
    return np.full(p.shape, p.value, p.dtype.numpy)


@kernels.register("copy")
def copy(ctx, p, x):
    return x.copy()


@kernels.register("reshape")
def reshape(ctx, p, x):
    return x.reshape(p.shape)  # a view: reshape is a primitive that may return one


def elementwise(name, function, dtypes=None):
    """Register a function of NumPy that fills its last argument."""

    @kernels.register(name, dtypes, form="out")
    def kernel(ctx, p, *operands_and_out):
        *operands, out = operands_and_out
        function(*operands, out=out)


elementwise("neg", np.negative, ["int32", "float32"])
elementwise("exp", np.exp, ["float32"])
elementwise("add", np.add)
elementwise("sub", np.subtract, ["int32", "float32"])
elementwise("mul", np.multiply)
elementwise("maximum", np.maximum, ["int32", "float32"])
elementwise("less", np.less, ["int32", "float32"])


@kernels.register("sum", dtypes=["float32"])
def sum_(ctx, p, x):
    return np.array(x.sum(axis=p.axes, dtype="float32"))


@kernels.register("cumsum", dtypes=["float32"], form="out")
def cumsum(ctx, p, x, out):
    if not p.inclusive:
        return NotImplemented  # monel decomposes it
    src, dst = (np.flip(a, p.axis) if p.reverse else a for a in (x, out))
    np.add.accumulate(src, axis=p.axis, out=dst)
