"""Backends that are wrong on purpose, each in one thing, and one that is right."""

from __future__ import annotations

import time
import weakref

import numpy as np

from monel.core.execute.reference import ReferenceBackend
from monel.core.plugin import API_VERSION, Backend, BackendSpec, hookimpl


def call(p, *operands):
    """Compute by the definition, into memory of its own."""
    return np.array(p.reference(*operands))


class Honest(ReferenceBackend):
    """Right in everything: a kernel may replace one, by name."""

    name = ""
    kernels: dict = {}

    def devices(self):
        return (type(self).__name__.lower(),)

    def kernel(self, name, dtypes):
        return self.kernels.get(name) or super().kernel(name, dtypes)


class ForgetsReverse(Honest):
    kernels = {"cumsum": lambda ctx, p, x: np.cumsum(x, p.axis, dtype=x.dtype)}


class SwapsOperands(Honest):
    kernels = {"sub": lambda ctx, p, x, y: call(p, y, x)}


class AddsInHalf(Honest):
    kernels = {
        "sum": lambda ctx, p, x: np.array(
            x.astype("float16").sum(p.axes, dtype="float16").astype(x.dtype)
            if x.dtype == np.float32
            else p.reference(x)
        )
    }


class GivesWrongDtype(Honest):
    kernels = {"less": lambda ctx, p, x, y: np.array(p.reference(x, y)).astype(np.float32)}


def overwrite(ctx, p, x):
    x[...] = call(p, x)
    return x.copy()


class OverwritesOperands(Honest):
    kernels = {"neg": overwrite}


class SharesStorage(Honest):
    kernels = {"copy": lambda ctx, p, x: x}


def in_a_row(x):
    """Read as if ``x`` were contiguous, whatever its strides are."""
    row = np.ascontiguousarray(x).strides
    return np.lib.stride_tricks.as_strided(x, x.shape, row)


class IgnoresStrides(Honest):
    kernels = {"exp": lambda ctx, p, x: np.exp(in_a_row(x))}


def divide(ctx, p, x, y):
    if not x.size:
        raise RuntimeError("nothing to divide")
    return call(p, x, y)


class FailsOnEmpty(Honest):
    kernels = {"div": divide}


class FailsOnScalars(Honest):
    kernels = {"sqrt": lambda ctx, p, x: np.sqrt(x[:])}


scratch = np.empty(1)


def shared_scratch(ctx, p, *operands):
    global scratch
    scratch = call(p, *operands)
    time.sleep(0.0002)
    return scratch.copy()


class SharesScratch(Honest):
    kernels = {"sum": shared_scratch}


class KeepsHostMemory(Honest):
    def from_host(self, data, shape, dtype, device):
        return np.frombuffer(data, dtype.numpy).reshape(shape)


class NeverRunsOut(Honest):
    def allocate(self, shape, dtype, device):
        return np.empty(shape if np.prod(shape, dtype=float) < 1e9 else (), dtype.numpy)


class Counted(np.ndarray):
    """A NumPy array whose death can be seen."""


class Counts(Honest):
    """Counts the bytes of living buffers."""

    def __init__(self):
        self.active = self.peak = 0

    def counted(self, x):
        made = np.array(x).view(Counted)
        self.active += made.nbytes
        self.peak = max(self.peak, self.active)
        weakref.finalize(made, self.freed, made.nbytes)
        return made

    def freed(self, size):
        self.active -= size

    def from_host(self, data, shape, dtype, device):
        return self.counted(np.frombuffer(data, dtype.numpy).reshape(shape))

    def memory(self):
        return {"active": self.active, "peak": self.peak, "cache": 0}

    def reset_peak_memory(self):
        self.peak = 0


class Leaks(Counts):
    def kernel(self, name, dtypes):
        if name != "tanh":
            return super().kernel(name, dtypes)
        return self.kept

    def kept(self, ctx, p, x):
        made = self.counted(p.reference(x))
        self.hoard = [*getattr(self, "hoard", ()), made]
        return made


class ForgetsThePeak(Counts):
    def memory(self):
        return {"active": self.active, "peak": 0, "cache": 0}


class ClaimsTooMuch(Honest):
    def kernel(self, name, dtypes):
        return None if name == "tanh" else super().kernel(name, dtypes)

    def supports(self, primitive, dtypes):
        return True


class ClaimsTooLittle(Honest):
    def supports(self, primitive, dtypes):
        return primitive.name != "tanh"


class CompilesLess(Honest):
    """Says that it compiles everything, and refuses one operation."""

    def supports(self, primitive, dtypes):
        return True

    def compile(self, program):
        if any(e.primitive.name == "tanh" for e in program.equations):
            return None
        return lambda inputs, donated, stream: run(program, inputs)


def run(program, inputs):
    values = [*inputs, *[np.array(c.buffer) for c in program.constants]]
    for primitive, operands, _ in program.equations:
        made = primitive.reference(*[values[v] for v in operands])
        values.extend(made if isinstance(made, tuple) else (np.array(made),))
    return [values[v] for v in program.outputs]


class LacksAllocate(Backend):
    def devices(self):
        return ("lacksallocate",)


class LacksKernels(Honest):
    """Has a handful of kernels; the host stands in for the others."""

    def kernel(self, name, dtypes):
        return super().kernel(name, dtypes) if name in ("full", "copy", "add") else None


ALL = [c for c in list(globals().values()) if isinstance(c, type) and issubclass(c, Backend)]
ALL = [c for c in ALL if c.__module__ == __name__]


class Plugin:
    """What one distribution registers."""

    def __init__(self, kind):
        self.kind = kind

    @hookimpl
    def monel_backends(self):
        return [BackendSpec(self.kind.__name__.lower(), self.kind, API_VERSION, priority=-200)]


globals().update({f"{kind.__name__.lower()}_plugin": Plugin(kind) for kind in ALL})
