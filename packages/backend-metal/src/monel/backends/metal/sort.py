"""Sorting: the places of a row's elements in order, stable, nan last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monel.core.plugin import uint32

from .buffers import MetalBuffer
from .elementwise import MSL_TYPES, out_of
from .params import Params
from .reduce import wide_of
from .rows import along, restored
from .source import source_of

if TYPE_CHECKING:
    from .device import MetalBackend

__all__ = ["argsort", "row_order"]

SORT = Params("Sort", ("uint", "n"), ("uint", "width"))
_BLOCK = 2048


def row_order(backend: MetalBackend, x: MetalBuffer) -> MetalBuffer:
    """Return the places of the elements of each row of a dense ``[rows, n]``, in order."""
    rows, n = x.shape
    order = backend.empty((rows, n), uint32)
    kinds = f"{MSL_TYPES[x.dtype.name]}, {wide_of(x.dtype)}"
    # Longer keys leave room for fewer in 32 KiB of threadgroup memory.
    limit = _BLOCK if x.dtype.size <= 4 else _BLOCK // 2
    block = 32
    while block < min(n, limit):
        block *= 2
    source = _source("sort_blocks", f"{kinds}, {block}")
    threads = min(block // 2, 512, backend.max_threads(source, "sort_blocks") // 32 * 32)
    blocks = -(-n // block)
    parameters, grid = SORT.pack(n, block), (blocks * threads, rows)
    backend.launch(source, "sort_blocks", parameters, [x, order], grid, (threads,))
    width = block
    while width < n:
        merged = backend.empty((rows, n), uint32)
        source = _source("sort_merge", kinds)
        buffers = [x, order, merged]
        backend.launch(source, "sort_merge", SORT.pack(n, width), buffers, (n, rows))
        order, width = merged, width * 2
    return order


def _source(kernel: str, arguments: str) -> str:
    return source_of("sort.metal", SORT.text, [(kernel, f"{kernel}<{arguments}>")])


def argsort(ctx: Any, p: Any, x: MetalBuffer) -> Any:
    """The places along ``axis`` in the order of their elements."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, (x,))
    if x.size == 0:
        return backend.empty(aval.shape, aval.dtype)
    last = along(backend, x, p.axis)
    rows = last.reshaped((x.size // x.shape[p.axis], x.shape[p.axis]))
    assert rows is not None
    order = row_order(backend, rows).reshaped(last.shape)
    assert order is not None
    return restored(order, p.axis)
