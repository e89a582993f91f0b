"""Reductions: rows by SIMD groups, columns by threads, long rows in two passes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from monel.core.plugin import float32

from .buffers import MetalBuffer
from .elementwise import MSL_TYPES, filled, out_of
from .params import Params
from .source import source_of

if TYPE_CHECKING:
    from monel.core.plugin import Dtype

    from .device import MetalBackend

__all__ = ["REDUCTIONS", "argreduce", "reduction", "rows_first"]

REDUCTIONS = {"sum": "Sum", "prod": "Prod", "max": "Max", "min": "Min"}

ROWS = Params("Rows", ("uint", "rows"), ("uint", "n"), ("uint", "length"), ("uint", "chunks"))
COLUMNS = Params("Columns", ("uint", "n"), ("uint", "inner"))
_SHORT = 1024
_CHUNK = 16384


def wide_of(dtype: Dtype) -> str:
    """Return the MSL type in which elements of a dtype are combined."""
    return "float" if dtype.floating else MSL_TYPES[dtype.name]


def rows_first(x: MetalBuffer, axes: tuple[int, ...]) -> MetalBuffer:
    """Return the view with ``axes`` last."""
    kept = [a for a in range(len(x.shape)) if a not in axes]
    order = [*kept, *axes]
    return x.view(tuple(x.shape[a] for a in order), tuple(x.strides[a] for a in order))


def reduction(name: str) -> Any:
    """Return the kernel of the reduction primitive ``name``."""

    def kernel(ctx: Any, p: Any, x: MetalBuffer) -> Any:
        out = out_of(p, (x,))
        axes = tuple(sorted(p.axes))
        return reduce(ctx.target.backend, x, name, axes, out.shape, out.dtype)

    return kernel


def reduce(
    backend: MetalBackend,
    x: MetalBuffer,
    name: str,
    axes: tuple[int, ...],
    shape: tuple[int, ...],
    dtype: Dtype,
) -> Any:
    """Combine the elements of ``x`` over ``axes``."""
    out = backend.empty(shape, dtype)
    if out.storage is None:
        return out
    if x.size == 0:
        return filled(backend, shape, dtype, 1 if name == "prod" else 0)
    kinds = f"{MSL_TYPES[x.dtype.name]}, {wide_of(x.dtype)}, {MSL_TYPES[dtype.name]}"
    op = REDUCTIONS[name]
    run = axes == tuple(range(axes[0], axes[-1] + 1)) if axes else False
    inner = math.prod(x.shape[axes[-1] + 1 :]) if run else 1
    if run and inner > 1 and x.contiguous:
        n = math.prod(x.shape[a] for a in axes)
        source = _source("reduce_columns", f"{kinds}, {op}")
        grid = (inner, x.size // (n * inner))
        backend.launch(source, "reduce_columns", COLUMNS.pack(n, inner), [x, out], grid)
        return out
    dense = backend.dense(rows_first(x, axes))
    n = math.prod(x.shape[a] for a in axes)
    _reduce_rows(backend, dense, out, op, n)
    return out


def _source(kernel: str, arguments: str) -> str:
    head = ROWS.text + COLUMNS.text
    return source_of("reduce.metal", head, [(kernel, f"{kernel}<{arguments}>")])


def _reduce_rows(backend: MetalBackend, x: MetalBuffer, out: MetalBuffer, op: str, n: int) -> None:
    rows = x.size // n
    wide = wide_of(x.dtype)
    given, made = MSL_TYPES[x.dtype.name], MSL_TYPES[out.dtype.name]
    if n <= _SHORT:
        source = _source("reduce_short_rows", f"{given}, {wide}, {made}, {op}")
        _rows_by_simdgroups(backend, source, "reduce_short_rows", x, out, rows, n)
        return
    chunks = -(-n // _CHUNK) if rows < 64 else 1
    if chunks > 1:
        partial = backend.empty((rows, chunks), _named(x.dtype))
        _long_rows(backend, x, partial, f"{given}, {wide}, {wide}, {op}", n, chunks)
        _reduce_rows(backend, partial, out, op, chunks)
        return
    _long_rows(backend, x, out, f"{given}, {wide}, {made}, {op}", n, 1)


def _named(dtype: Dtype) -> Dtype:
    return float32 if dtype.floating else dtype


def _long_rows(
    backend: MetalBackend, x: MetalBuffer, out: MetalBuffer, arguments: str, n: int, chunks: int
) -> None:
    source = _source("reduce_rows", arguments)
    threads = min(256, backend.max_threads(source, "reduce_rows") // 32 * 32)
    rows = x.size // n
    parameters = ROWS.pack(rows, n, -(-n // chunks), chunks)
    grid = (chunks * threads, rows)
    backend.launch(source, "reduce_rows", parameters, [x, out], grid, (threads,))


def _rows_by_simdgroups(
    backend: MetalBackend,
    source: str,
    name: str,
    x: MetalBuffer,
    out: MetalBuffer,
    rows: int,
    n: int,
) -> None:
    """Launch a kernel that gives a SIMD group to each row; the grid is whole groups."""
    threads = min(256, backend.max_threads(source, name) // 32 * 32, 32 * rows)
    groups = -(-32 * rows // threads)
    parameters = ROWS.pack(rows, n, n, 1)
    backend.launch(source, name, parameters, [x, out], (groups * threads,), (threads,))


def argreduce(greatest: bool) -> Any:
    """Return the kernel of argmax or argmin."""

    def kernel(ctx: Any, p: Any, x: MetalBuffer) -> Any:
        backend: MetalBackend = ctx.target.backend
        aval = out_of(p, (x,))
        out = backend.empty(aval.shape, aval.dtype)
        if out.storage is None:
            return out
        dense = backend.dense(rows_first(x, (p.axis,)))
        n = x.shape[p.axis]
        arguments = f"{MSL_TYPES[x.dtype.name]}, {wide_of(x.dtype)}, {str(greatest).lower()}"
        source = _source("arg_rows", arguments)
        _rows_by_simdgroups(backend, source, "arg_rows", dense, out, x.size // n, n)
        return out

    return kernel
