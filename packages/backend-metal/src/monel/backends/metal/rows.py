"""Kernels that give a thread group to a row: softmax, norms, scans; and random bits, and RoPE."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from monel.core.plugin import uint32

from .buffers import MetalBuffer
from .elementwise import MSL_TYPES, cast_to, out_of
from .params import Params
from .reduce import rows_first, wide_of
from .source import source_of

if TYPE_CHECKING:
    from .device import MetalBackend

__all__ = ["SCANS", "logsumexp", "norm", "random_bits", "rope", "scan", "softmax"]

NORM = Params("Norm", ("uint", "n"), ("float", "eps"))
SCAN = Params("Scan", ("uint", "n"))
THREEFRY = Params("Threefry", ("uint", "words"))
ROPE = Params(
    "Rope",
    *(("uint", "features"), ("uint", "pairs"), ("uint", "length"), ("uint", "rows_a_batch")),
    *(("uint", "offset_step"), ("float", "slope"), ("float", "scale"), ("float", "direction")),
)
SCANS = {"cumsum": "Sum", "cumprod": "Prod", "cummax": "Max", "cummin": "Min"}


def _launch_rows(
    backend: MetalBackend,
    source: str,
    name: str,
    parameters: bytes,
    buffers: list[MetalBuffer],
    rows: int,
    n: int,
) -> None:
    """Launch a group to each row, of as many whole SIMD groups as its length pays."""
    most = min(1024, backend.max_threads(source, name) // 32 * 32)
    threads = min(most, -(-n // 128) * 32)
    backend.launch(source, name, parameters, buffers, (rows * threads,), (threads,))


def along(backend: MetalBackend, x: MetalBuffer, axis: int) -> MetalBuffer:
    """Return the elements with ``axis`` last, in row-major order."""
    return backend.dense(rows_first(x, (axis,)))


def restored(x: MetalBuffer, axis: int) -> MetalBuffer:
    """Return the view of ``x`` whose last axis is at ``axis`` again."""
    rank = len(x.shape)
    order = [*range(axis), rank - 1, *range(axis, rank - 1)]
    return x.view(tuple(x.shape[a] for a in order), tuple(x.strides[a] for a in order))


def softmax(ctx: Any, p: Any, x: MetalBuffer) -> Any:
    """exp(x) over its sum along an axis, in one pass for both maximum and sum."""
    backend: MetalBackend = ctx.target.backend
    rows = along(backend, x, p.axis)
    out = backend.empty(rows.shape, x.dtype)
    n = x.shape[p.axis]
    if out.storage is not None:
        function = f"softmax_rows<{MSL_TYPES[x.dtype.name]}>"
        source = source_of("normalize.metal", NORM.text, [("softmax_rows", function)])
        parameters = NORM.pack(n, 0.0)
        _launch_rows(backend, source, "softmax_rows", parameters, [rows, out], x.size // n, n)
    return restored(out, p.axis)


def logsumexp(ctx: Any, p: Any, x: MetalBuffer) -> Any:
    """log(sum(exp(x))) along an axis."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, (x,))
    out = backend.empty(aval.shape, aval.dtype)
    if out.storage is not None:
        rows, n = along(backend, x, p.axis), x.shape[p.axis]
        function = f"logsumexp_rows<{MSL_TYPES[x.dtype.name]}>"
        source = source_of("normalize.metal", NORM.text, [("logsumexp_rows", function)])
        parameters = NORM.pack(n, 0.0)
        _launch_rows(backend, source, "logsumexp_rows", parameters, [rows, out], x.size // n, n)
    return out


def norm(name: str) -> Any:
    """Return the kernel of rms_norm or layer_norm."""

    def kernel(ctx: Any, p: Any, *operands: MetalBuffer) -> Any:
        backend: MetalBackend = ctx.target.backend
        aval = out_of(p, operands)
        out = backend.empty(aval.shape, aval.dtype)
        n = aval.shape[-1]
        if out.storage is not None:
            dense = [backend.dense(x) for x in operands]
            kinds = ", ".join(MSL_TYPES[x.dtype.name] for x in (*operands, out))
            host_name = f"{name}_rows"
            instances = [(host_name, f"{host_name}<{kinds}>")]
            source = source_of("normalize.metal", NORM.text, instances)
            parameters = NORM.pack(n, p.eps)
            _launch_rows(backend, source, host_name, parameters, [*dense, out], out.size // n, n)
        return out

    return kernel


def scan(name: str) -> Any:
    """Return the kernel of a running combination."""

    def kernel(ctx: Any, p: Any, x: MetalBuffer) -> Any:
        backend: MetalBackend = ctx.target.backend
        rows, n = along(backend, x, p.axis), x.shape[p.axis]
        out = backend.empty(rows.shape, x.dtype)
        if out.storage is not None:
            flags = f"{str(p.reverse).lower()}, {str(p.inclusive).lower()}"
            kinds = f"{MSL_TYPES[x.dtype.name]}, {wide_of(x.dtype)}"
            function = f"scan_rows<{kinds}, {SCANS[name]}, {flags}>"
            source = source_of("scan.metal", SCAN.text, [("scan_rows", function)])
            _launch_rows(backend, source, "scan_rows", SCAN.pack(n), [rows, out], x.size // n, n)
        return restored(out, p.axis)

    return kernel


def random_bits(ctx: Any, p: Any, key: MetalBuffer) -> Any:
    """Words of Threefry for each key, and the part of them that was asked for."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, (key,))
    count, size = key.size // 2, math.prod(p.shape)
    if count * size == 0:
        return backend.empty(aval.shape, aval.dtype)
    words = -(-size * p.width // 4)
    made = backend.empty((count, words), uint32)
    source = source_of("random.metal", THREEFRY.text)
    grid = (-(-words // 2), count)
    backend.launch(source, "threefry", THREEFRY.pack(words), [backend.dense(key), made], grid)
    row = words * 4 // p.width
    cut = MetalBuffer(made.storage, aval.dtype, (count, size), (row, 1))
    out = backend.dense(cut).reshaped(aval.shape)
    assert out is not None
    return out


def rope(ctx: Any, p: Any, x: MetalBuffer, offset: MetalBuffer, *freqs: MetalBuffer) -> Any:
    """Pairs of features turned by angles that grow with the position."""
    backend: MetalBackend = ctx.target.backend
    out = backend.empty(x.shape, x.dtype)
    if out.storage is None:
        return out
    features, length = x.shape[-1], x.shape[-2]
    rows, pairs = x.size // features, p.dims // 2
    offsets = backend.dense(cast_to(backend, offset, "int32"))
    flags = f"{str(p.traditional).lower()}, {str(bool(freqs)).lower()}"
    function = f"rope<{MSL_TYPES[x.dtype.name]}, {flags}>"
    source = source_of("rope.metal", ROPE.text, [("rope", function)])
    slope = 0.0 if freqs else -math.log(p.base or 1.0) / pairs
    parameters = ROPE.pack(
        *(features, pairs, length, rows // x.shape[0], 1 if offset.shape else 0),
        *(slope, p.scale, -1.0 if p.inverse else 1.0),
    )
    # Without periods the kernel reads none; any memory will do.
    periods = backend.dense(cast_to(backend, freqs[0], "float32")) if freqs else offsets
    buffers = [backend.dense(x), offsets, periods, out]
    backend.launch(source, "rope", parameters, buffers, (pairs + features - p.dims, rows))
    return out
