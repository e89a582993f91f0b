"""Matrix products: which kernel, and how operands lie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .buffers import MetalBuffer, collapse
from .elementwise import MSL_TYPES, filled, out_of
from .params import Params
from .source import source_of

if TYPE_CHECKING:
    from .device import MetalBackend

__all__ = ["matmul", "product"]

GEMM = Params(
    "Gemm",
    *(("long", "a_batch"), ("long", "b_batch")),
    *(("uint", "m"), ("uint", "n"), ("uint", "k"), ("uint", "lda"), ("uint", "ldb")),
)
GEMV = Params(
    "Gemv",
    *(("long", "a_batch"), ("long", "x_batch")),
    *(("uint", "rows"), ("uint", "n"), ("uint", "lda"), ("uint", "x_step")),
)
# BM, BN, BK, WM, WN: for large and for small products.
TILES = ((64, 64, 16, 2, 2), (32, 32, 16, 2, 2))


def matmul(ctx: Any, p: Any, a: MetalBuffer, b: MetalBuffer) -> Any:
    """The product of the last two axes; leading ones broadcast."""
    out = out_of(p, (a, b))
    return product(ctx.target.backend, a, b, out.shape)


def product(backend: MetalBackend, a: MetalBuffer, b: MetalBuffer, shape: tuple[int, ...]) -> Any:
    """Return ``a @ b`` of ``shape``."""
    out = backend.empty(shape, a.dtype)
    if out.storage is None:
        return out
    (m, n), k = shape[-2:], a.shape[-1]
    if k == 0:
        return filled(backend, shape, a.dtype, 0)
    lead = shape[:-2]
    a, a_batch = _batched(backend, a.spread((*lead, m, k)))
    b, b_batch = _batched(backend, b.spread((*lead, k, n)))
    count = math.prod(lead)
    kind = MSL_TYPES[a.dtype.name]
    if not a.dtype.floating:
        a, b = backend.dense(a), backend.dense(b)
        parameters = GEMM.pack(m * k, k * n, m, n, k, k, n)
        source = _source("gemm_plain", kind)
        backend.launch(source, "gemm_plain", parameters, [a, b, out], (n, m, count))
        return out
    if m == 1 or n == 1:
        _gemv(backend, a, b, out, a_batch, b_batch)
        return out
    (a, ta, lda, a_batch), (b, tb, ldb, b_batch) = (
        _matrix(backend, x, batch) for x, batch in ((a, a_batch), (b, b_batch))
    )
    bm, bn, bk, wm, wn = TILES[0] if m >= 64 and n >= 64 else TILES[1]
    flags = f"{str(ta).lower()}, {str(tb).lower()}"
    source = _source("gemm", f"{kind}, {bm}, {bn}, {bk}, {wm}, {wn}, {flags}")
    threads = wm * wn * 32
    grid = (-(-n // bn) * threads, -(-m // bm), count)
    parameters = GEMM.pack(a_batch, b_batch, m, n, k, lda, ldb)
    backend.launch(source, "gemm", parameters, [a, b, out], grid, (threads,))
    return out


def _source(kernel: str, arguments: str) -> str:
    function = f"{kernel}<{arguments}>"
    return source_of("matmul.metal", GEMM.text + GEMV.text, [(kernel, function)])


def _batched(backend: MetalBackend, x: MetalBuffer) -> tuple[MetalBuffer, int]:
    """Return ``x`` as one evenly spaced batch of matrices, and the step between them."""
    lead, strides = x.shape[:-2], x.strides[:-2]
    merged, (steps,) = collapse(lead, [strides])
    if len(merged) > 1:
        x = backend.dense(x)
        steps = (x.shape[-1] * x.shape[-2],)
    step = steps[0] if merged else 0
    shape = (math.prod(lead), *x.shape[-2:])
    return x.view(shape, (step, *x.strides[-2:])), step


def _matrix(
    backend: MetalBackend, x: MetalBuffer, batch: int
) -> tuple[MetalBuffer, bool, int, int]:
    """Return an operand, whether it lies transposed, its leading dimension and its batch step."""
    _, rows, columns = x.shape
    row, column = x.strides[1:]
    if (column == 1 or columns == 1) and row >= columns:
        return x, False, row, batch
    if (row == 1 or rows == 1) and column >= rows:
        return x, True, column, batch
    dense = backend.dense(x)
    return dense, False, columns, rows * columns


def _gemv(
    backend: MetalBackend,
    a: MetalBuffer,
    b: MetalBuffer,
    out: MetalBuffer,
    a_batch: int,
    b_batch: int,
) -> None:
    """The product where one side is a vector: ``b`` transposed stands for the matrix of a row."""
    if b.shape[2] == 1:
        matrix, batch, vector, x_batch, x_step = a, a_batch, b, b_batch, b.strides[1]
    else:
        matrix = b.view((b.shape[0], b.shape[2], b.shape[1]), (b_batch, b.strides[2], b.strides[1]))
        batch, vector, x_batch, x_step = b_batch, a, a_batch, a.strides[2]
    if x_step < 0:
        vector = backend.dense(vector)
        x_step, x_batch = 1, math.prod(vector.shape[1:])
    matrix, transposed, lda, batch = _matrix(backend, matrix, batch)
    count, rows, n = matrix.shape
    parameters = GEMV.pack(batch, x_batch, rows, n, lda, x_step)
    kernel = "gemv_columns" if transposed else "gemv_rows"
    source = _source(kernel, MSL_TYPES[matrix.dtype.name])
    if transposed:
        backend.launch(source, kernel, parameters, [matrix, vector, out], (rows, count))
        return
    threads = min(128, backend.max_threads(source, kernel) // 32 * 32)
    groups = -(-rows * 8 // threads)
    grid = (groups * threads, count)
    backend.launch(source, kernel, parameters, [matrix, vector, out], grid, (threads,))
