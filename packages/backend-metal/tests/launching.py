"""Helpers of the emulator's tests: kernels from text, launched on NumPy arrays."""

from __future__ import annotations

import numpy as np
import pytest

from monel.backends.metal.emulator import compiler
from monel.backends.metal.emulator.library import Finding, Library

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
