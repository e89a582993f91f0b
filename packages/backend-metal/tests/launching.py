"""Helpers of the tests: kernels from text, and kernels of primitives, on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monel.backends.metal.buffers import MetalBuffer
from monel.backends.metal.device import MetalBackend
from monel.backends.metal.emulator import compiler, fakemetal
from monel.backends.metal.emulator.library import Finding, Library
from monel.backends.metal.runtime import Runtime
from monel.core.plugin import Primitive, dtype_named

PRELUDE = '#line 1 "test.metal"\n#include <metal_stdlib>\nusing namespace metal;\n'
ORDERS = ("forward", "reverse", "random")


def require_clang() -> None:
    """Skip where there is no clang 19, with that reason."""
    try:
        compiler.clang()
    except compiler.EmulatorMissing as error:
        pytest.skip(str(error))


def launch(
    source: str,
    *arrays: np.ndarray,
    grid: tuple[int, ...],
    group: tuple[int, ...],
    kernel: str = "k",
    checked: bool = True,
    order: str = "forward",
    lengths: tuple[int, ...] = (),
) -> list[Finding]:
    """Compile MSL and run one kernel; the arrays are its buffers 0, 1, ..."""
    library = Library(PRELUDE + source, checked=checked)
    buffers = {i: (a.ctypes.data, a.nbytes) for i, a in enumerate(arrays)}
    return library.launch(kernel, buffers, grid, group, order=order, threadgroup_lengths=lengths)


def kinds(findings: list[Finding]) -> set[str]:
    """The kinds of a list of findings."""
    return {finding.kind for finding in findings}


class Device:
    """A ``MetalBackend`` of the fake Metal module, and its kernels called as core calls them."""

    def __init__(self, settings: fakemetal.Settings) -> None:
        self.settings = settings
        self.sources: set[str] = set()
        self.runtime = Runtime(granularity=1)
        self.backend = MetalBackend(self.runtime)
        self.device = "metal:0"
        self.target = self
        compiled = self.runtime.pipeline

        def recorded(source: str, name: str) -> Any:
            self.sources.add(source)
            return compiled(source, name)

        self.runtime.pipeline = recorded

    def put(self, x: np.ndarray) -> MetalBuffer:
        """Move an array to the device."""
        x = np.asarray(x, order="C")
        return self.backend.from_host(x.tobytes(), x.shape, dtype_named(x.dtype.name), "metal:0")

    def get(self, buffer: MetalBuffer) -> np.ndarray:
        """Move a result to the host."""
        data = self.backend.to_host(buffer, buffer.shape, buffer.dtype)
        return np.frombuffer(data, buffer.dtype.numpy).reshape(buffer.shape)

    def buffers(self, p: Primitive, *operands: MetalBuffer) -> tuple[MetalBuffer, ...] | None:
        """Call the kernel of a primitive; None where there is none or it declines."""
        dtypes = tuple(o.dtype for o in operands) or (p.abstract().dtype,)
        kernel = self.backend.kernel(p.name, dtypes)
        out = NotImplemented if kernel is None else kernel(self, p, *operands)
        if out is NotImplemented:
            return None
        return out if isinstance(out, tuple) else (out,)

    def run(self, p: Primitive, *operands: np.ndarray) -> tuple[np.ndarray, ...] | None:
        """Call the kernel of a primitive on arrays of the host."""
        made = self.buffers(p, *[self.put(x) for x in operands])
        return None if made is None else tuple(self.get(m) for m in made)


def reference(p: Primitive, *operands: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the primitive's NumPy definition gives."""
    with np.errstate(all="ignore"):
        out = p.reference(*operands)
    return tuple(np.asarray(o) for o in (out if isinstance(out, tuple) else (out,)))


TOLERANCES = {"float32": 2e-5, "complex64": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def assert_agree(got: np.ndarray, want: np.ndarray) -> None:
    """Same shape, dtype and, within the dtype's tolerance, elements."""
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    tolerance = TOLERANCES.get(want.dtype.name, 0)
    if want.dtype.name == "bfloat16":
        got, want = got.astype(np.float32), want.astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
