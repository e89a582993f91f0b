"""Moving elements: pad, concatenate, gather, scatter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from monel.core.plugin import uint32

from .buffers import MetalBuffer, collapse
from .elementwise import MSL_TYPES, cast_to, copied, out_of
from .params import Params
from .reduce import wide_of
from .sort import row_order
from .source import source_of

if TYPE_CHECKING:
    from .device import MetalBackend

__all__ = ["concatenate", "gather", "pad", "place", "scatter", "slice_update"]

_AXES = 16
_INDICES = 8
PLACE = Params(
    "Place",
    *(("long", "offset"), ("long", "out_offset")),
    *(("long", "strides", _AXES), ("long", "out_strides", _AXES)),
    *(("uint", "rank"), ("uint", "shape", _AXES)),
)
GATHER = Params(
    "Gather",
    *(("long", "offset"), ("long", "strides", _AXES), ("long", "steps", _INDICES)),
    *(("uint", "positions"), ("uint", "slice"), ("uint", "rank"), ("uint", "count")),
    *(("uint", "shape", _AXES), ("uint", "lengths", _INDICES), ("uint", "sizes", _INDICES)),
)
_WORDS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
_MODES = {"set": "Last", "add": "Sum", "mul": "Prod", "max": "Max", "min": "Min"}


def _source(kernel: str, arguments: str) -> str:
    head = PLACE.text + GATHER.text
    return source_of("indexing.metal", head, [(kernel, f"{kernel}<{arguments}>")])


def place(backend: MetalBackend, x: MetalBuffer, target: MetalBuffer) -> None:
    """Copy the elements of ``x`` to a view of the same shape."""
    if x.size == 0:
        return
    shape, (strides, out_strides) = collapse(x.shape, [x.strides, target.strides])
    parameters = PLACE.pack(x.offset, target.offset, strides, out_strides, len(shape), shape)
    source = _source("place", _WORDS[x.dtype.size])
    backend.launch(source, "place", parameters, [x, target], (x.size,), offsets=False)


def concatenate(ctx: Any, p: Any, *operands: MetalBuffer) -> Any:
    """Operands one after another along ``axis``."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, operands)
    out = backend.empty(aval.shape, aval.dtype)
    at = 0
    for x in operands:
        place(backend, x, out.view(x.shape, out.strides, at * out.strides[p.axis]))
        at += x.shape[p.axis]
    return out


def pad(ctx: Any, p: Any, x: MetalBuffer, value: MetalBuffer) -> Any:
    """The operand with a value around and between its elements."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, (x, value))
    out = copied(backend, value.spread(aval.shape))
    offset = sum(low * s for low, s in zip(p.low, out.strides))
    strides = tuple([s * (m + 1) for s, m in zip(out.strides, p.interior)])
    place(backend, x, out.view(x.shape, strides, offset))
    return out


def slice_update(ctx: Any, p: Any, x: MetalBuffer, update: MetalBuffer) -> Any:
    """The operand with a slice of it replaced."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, (x, update))
    out = copied(backend, x)
    if update.size == 0:
        return out
    offset = sum(a * s for a, s in zip(p.start, out.strides))
    strides = tuple([s * step for s, step in zip(out.strides, p.step)])
    shape = tuple([max(0, -(-(b - a) // s)) for a, b, s in zip(p.start, p.stop, p.step)])
    place(backend, update.spread(shape), out.view(shape, strides, offset))
    assert aval.shape == out.shape
    return out


def _stacked(
    backend: MetalBackend, indices: Sequence[MetalBuffer], lead: tuple[int, ...], kind: str
) -> MetalBuffer:
    """Return index arrays, spread to ``lead``, one after another, as int32 or int64."""
    spread = [cast_to(backend, i, kind).spread(lead) for i in indices]
    stack = backend.empty((len(spread), *lead), spread[0].dtype)
    for k, index in enumerate(spread):
        place(backend, index, stack.view(lead, stack.strides[1:], k * stack.strides[0]))
    return stack


def _index_kind(x: MetalBuffer, indices: Sequence[MetalBuffer]) -> str:
    """int32, unless an index may be greater than that holds."""
    small = max(x.shape, default=0) < 1 << 31
    return "int32" if small and all(i.dtype.name == "int32" for i in indices) else "int64"


def gather(ctx: Any, p: Any, x: MetalBuffer, *indices: MetalBuffer) -> Any:
    """Slices that begin at the indices; an index outside of the axis is moved to its end."""
    backend: MetalBackend = ctx.target.backend
    aval = out_of(p, (x, *indices))
    if len(indices) > _INDICES or len(x.shape) > _AXES:
        return NotImplemented
    out = backend.empty(aval.shape, aval.dtype)
    if out.storage is None:
        return out
    if not indices:
        return backend.dense(x.view(p.slice_sizes, x.strides))
    lead = aval.shape[: len(aval.shape) - len(p.slice_sizes)]
    kind = _index_kind(x, indices)
    stack = _stacked(backend, indices, lead, kind)
    shape, (strides,) = collapse(p.slice_sizes, [x.strides])
    positions, size = math.prod(lead), math.prod(p.slice_sizes)
    parameters = GATHER.pack(
        *(x.offset, strides, [x.strides[a] for a in p.axes]),
        *(positions, size, len(shape), len(indices)),
        *(shape, [x.shape[a] for a in p.axes], [p.slice_sizes[a] for a in p.axes]),
    )
    source = _source("gather", f"{_WORDS[x.dtype.size]}, {'int' if kind == 'int32' else 'long'}")
    grid = (size, positions)
    backend.launch(source, "gather", parameters, [x, stack, out], grid, offsets=False)
    return out


def scatter(ctx: Any, p: Any, x: MetalBuffer, updates: MetalBuffer, *indices: MetalBuffer) -> Any:
    """Updates written, or combined, at the indices: sorted by place, then in their own order."""
    backend: MetalBackend = ctx.target.backend
    sizes = updates.shape[len(updates.shape) - len(x.shape) :]
    named = math.prod([x.shape[a] for a in p.axes])
    fits = len(indices) <= _INDICES and len(x.shape) <= _AXES and named < 1 << 32
    if not indices or not fits or any(sizes[a] != 1 for a in p.axes):
        return NotImplemented
    out = copied(backend, x)
    if updates.size == 0 or x.size == 0:
        return out
    lead = updates.shape[: len(updates.shape) - len(x.shape)]
    kind = _index_kind(x, indices)
    stack = _stacked(backend, indices, lead, kind)
    shape, (strides,) = collapse(sizes, [out.strides])
    positions, size = math.prod(lead), math.prod(sizes)
    parameters = GATHER.pack(
        *(0, strides, [out.strides[a] for a in p.axes]),
        *(positions, size, len(shape), len(indices)),
        *(shape, [x.shape[a] for a in p.axes], [1] * len(indices)),
    )
    keys = backend.empty((1, positions), uint32)
    source = _source("scatter_keys", "int" if kind == "int32" else "long")
    backend.launch(source, "scatter_keys", parameters, [stack, keys], (positions,))
    order = row_order(backend, keys)
    kinds = f"{MSL_TYPES[x.dtype.name]}, {wide_of(x.dtype)}, {_MODES[p.mode]}"
    source = _source("scatter", kinds)
    buffers = [backend.dense(updates), keys, order, out]
    backend.launch(source, "scatter", parameters, buffers, (size, positions))
    return out
