"""View primitives: the same storage under another shape and other strides."""

from __future__ import annotations

from typing import Any

from .buffers import MetalBuffer
from .elementwise import copied, out_of

__all__ = ["VIEWS"]


def reshape(ctx: Any, p: Any, x: MetalBuffer, *like: MetalBuffer) -> MetalBuffer:
    """Any primitive that keeps the row-major order of the elements."""
    shape = out_of(p, (x, *like)).shape
    found = x.reshaped(shape)
    if found is None:
        found = copied(ctx.target.backend, x).reshaped(shape)
        assert found is not None
    return found


def transpose(ctx: Any, p: Any, x: MetalBuffer) -> MetalBuffer:
    shape = tuple([x.shape[a] for a in p.axes])
    return x.view(shape, tuple([x.strides[a] for a in p.axes]))


def broadcast(ctx: Any, p: Any, x: MetalBuffer, *like: MetalBuffer) -> MetalBuffer:
    return x.spread(out_of(p, (x, *like)).shape)


def slice_(ctx: Any, p: Any, x: MetalBuffer) -> MetalBuffer:
    shape = out_of(p, (x,)).shape
    offset = sum(a * s for a, s in zip(p.start, x.strides)) if 0 not in shape else 0
    strides = tuple([s * step for s, step in zip(x.strides, p.step)])
    return x.view(shape, strides, offset)


def select(ctx: Any, p: Any, x: MetalBuffer) -> MetalBuffer:
    axis = p.axis
    offset = p.index * x.strides[axis]
    strides = x.strides[:axis] + x.strides[axis + 1 :]
    return x.view(x.shape[:axis] + x.shape[axis + 1 :], strides, offset)


def bitcast(ctx: Any, p: Any, x: MetalBuffer) -> Any:
    out = out_of(p, (x,))
    if out.dtype.size != x.dtype.size:
        dense = ctx.target.backend.dense(x)
        scaled = dense.offset * x.dtype.size // out.dtype.size
        return MetalBuffer(dense.storage, out.dtype, out.shape, None, scaled)
    return MetalBuffer(x.storage, out.dtype, x.shape, x.strides, x.offset)


VIEWS = {
    **dict.fromkeys(("reshape", "reshape_like", "flatten", "unflatten"), reshape),
    **dict.fromkeys(("expand_dims", "squeeze"), reshape),
    "transpose": transpose,
    "broadcast": broadcast,
    "broadcast_like": broadcast,
    "slice": slice_,
    "select": select,
}
