"""Elementwise operations: one generated kernel for each expression, types and layout.

A single operation is an expression of one node; core's fused equations are longer ones. Casts,
strided copies and ranges go the same way.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from monel.core.plugin import AbstractArray, dtype_named

from .buffers import MetalBuffer, collapse
from .device import aval
from .params import Params
from .source import source_of

if TYPE_CHECKING:
    from monel.core.plugin import Dtype

    from .device import MetalBackend

__all__ = ["MSL_TYPES", "OPERATIONS", "copied", "run", "single", "takes"]

MSL_TYPES = {
    "bool": "bool",
    "int8": "char",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "uint8": "uchar",
    "uint16": "ushort",
    "uint32": "uint",
    "uint64": "ulong",
    "float16": "half",
    "bfloat16": "bfloat",
    "float32": "float",
    "complex64": "complex64",
}

# Which dtypes an operation takes natively: bool, integers, floating, complex.
OPERATIONS = {
    **dict.fromkeys(("add", "mul", "abs", "square", "copy", "equal", "not_equal"), "bifc"),
    **dict.fromkeys(("less", "maximum", "minimum", "where"), "bifc"),
    **dict.fromkeys(("logical_not", "logical_and", "logical_or"), "bifc"),
    **dict.fromkeys(("isnan", "isinf", "isfinite"), "bifc"),
    **dict.fromkeys(("less_equal", "greater", "greater_equal", "sign", "rem"), "bif"),
    **dict.fromkeys(("sub", "neg"), "ifc"),
    **dict.fromkeys(("pow",), "bifc"),
    **dict.fromkeys(("floor", "ceil", "round", "floor_divide"), "if"),
    **dict.fromkeys(("div", "exp", "log", "sqrt", "sin", "cos", "reciprocal"), "fc"),
    **dict.fromkeys(("log2", "log10", "log1p", "expm1", "rsqrt", "sigmoid", "logaddexp"), "f"),
    **dict.fromkeys(("tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan"), "f"),
    **dict.fromkeys(("arcsinh", "arccosh", "arctanh", "arctan2"), "f"),
    **dict.fromkeys(("real", "imag", "conj"), "c"),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"), "bi"),
    **dict.fromkeys(("shift_left", "shift_right"), "i"),
}

Node = tuple[str, tuple[int, ...], "Dtype"]
_EACH = 4  # elements a thread
_MAX_AXES = 16


def category(dtype: Dtype) -> str:
    """Return the letter of ``OPERATIONS`` for a dtype."""
    if dtype.integral:
        return "i"
    return "f" if dtype.floating else "b" if dtype.name == "bool" else "c"


def takes(name: str, dtypes: Sequence[Dtype]) -> bool:
    """Return whether there is MSL for an operation on operands of these dtypes."""
    if any(d.name not in MSL_TYPES for d in dtypes):
        return False
    deciding = dtypes[1] if name == "where" else dtypes[0]
    return name == "cast" or category(deciding) in OPERATIONS.get(name, "")


@functools.cache
def _params(count: int, axes: int) -> Params:
    if axes == 0:
        return Params("Layout", ("uint", "size"), ("uint", "steps", count))
    return Params(
        "Layout",
        ("long", "offsets", count),
        ("long", "strides", count * axes),
        ("ulong", "size"),
        ("uint", "shape", axes),
    )


@functools.cache
def _source(nodes: tuple[Node, ...], result: int, dtypes: tuple[Dtype, ...], axes: int) -> str:
    """Return MSL of an expression: ``axes`` is 0 for dense operands, else the rank."""
    count = len(dtypes)
    kinds = [MSL_TYPES[d.name] for d in dtypes] + [MSL_TYPES[n[2].name] for n in nodes]
    out = kinds[result]
    inputs = "".join(
        f"    device const {kinds[k]}* x{k} [[buffer({k + 1})]],\n" for k in range(count)
    )
    if axes == 0:
        locate = f"    const uint i = tid * {_EACH} + k;\n"
        loads = [f"x{k}[i * p.steps[{k}]]" for k in range(count)]
    else:
        at = "".join(f"    long at{k} = p.offsets[{k}];\n" for k in range(count))
        move = "".join(f" at{k} += c * p.strides[{k * axes} + d];" for k in range(count))
        locate = (
            f"    const ulong i = ulong(tid) * {_EACH} + k;\n    ulong rest = i;\n{at}"
            f"    for (int d = {axes - 1}; d >= 0; --d) {{\n"
            f"      const long c = long(rest % p.shape[d]);\n      rest /= p.shape[d];\n"
            f"     {move}\n    }}\n"
        )
        loads = [f"x{k}[at{k}]" for k in range(count)]
    body = "".join(f"    const {kinds[k]} v{k} = {load};\n" for k, load in enumerate(loads))
    for k, (name, refs, _) in enumerate(nodes, count):
        body += f"    const {kinds[k]} v{k} = {_call(name, refs, kinds, kinds[k])};\n"
    return source_of("functors.h", _params(count, axes).text) + (
        '#line 1 "fused"\n'
        "[[kernel]] void fused(\n    constant Layout& p [[buffer(0)]],\n"
        f"{inputs}    device {out}* out [[buffer({count + 1})]],\n"
        "    uint tid [[thread_position_in_grid]]) {\n"
        f"  for (uint k = 0; k < {_EACH}; ++k) {{\n{locate}"
        "    if (i >= p.size) break;\n"
        f"{body}    out[i] = v{result};\n  }}\n}}\n"
    )


def _call(name: str, refs: tuple[int, ...], kinds: list[str], out: str) -> str:
    if name == "cast":
        return f"convert<{out}>(v{refs[0]})"
    if name == "copy":
        return f"v{refs[0]}"
    if name == "where":
        return f"v{refs[0]} ? v{refs[1]} : v{refs[2]}"
    arguments = ", ".join(f"widen(v{r})" for r in refs)
    return f"convert<{out}>(op_{name}({arguments}))"


def run(
    backend: MetalBackend,
    nodes: tuple[Node, ...],
    result: int,
    operands: Sequence[MetalBuffer],
    shape: tuple[int, ...],
    dtype: Dtype,
) -> MetalBuffer:
    """Compute an expression of operands that broadcast to ``shape``."""
    out = backend.empty(shape, dtype)
    if out.storage is None:
        return out
    spread = [x.spread(shape) for x in operands]
    dtypes = tuple([x.dtype for x in operands])
    size = out.size
    steps = [0 if x.size == 1 else 1 for x in operands]
    flat = all(s == 0 or x.contiguous for s, x in zip(steps, spread))
    if flat and size < 1 << 31:
        source = _source(nodes, result, dtypes, 0)
        parameters = _params(len(operands), 0).pack(size, steps)
    else:
        merged, layouts = collapse(shape, [x.strides for x in spread])
        axes = _rank(len(merged))
        missing = axes - len(merged)
        strides = [s for layout in layouts for s in (0,) * missing + layout]
        source = _source(nodes, result, dtypes, axes)
        parameters = _params(len(operands), axes).pack(
            [x.offset for x in spread], strides, size, (1,) * missing + merged
        )
    threads = -(-size // _EACH)
    buffers = [*operands, out]
    backend.launch(source, "fused", parameters, buffers, (threads,), offsets=flat)
    return out


def _rank(axes: int) -> int:
    """Round a rank up, so that few kernels serve all."""
    for rank in (1, 2, 3, 4, 8, _MAX_AXES):
        if axes <= rank:
            return rank
    raise ValueError(f"metal: {axes} axes that cannot be merged; at most {_MAX_AXES} are taken")


def copied(backend: MetalBackend, x: MetalBuffer) -> MetalBuffer:
    """Return the elements in fresh row-major storage."""
    return run(backend, (("copy", (0,), x.dtype),), 1, [x], x.shape, x.dtype)


def single(name: str) -> Any:
    """Return the kernel of one elementwise primitive."""

    def kernel(ctx: Any, p: Any, *operands: MetalBuffer) -> MetalBuffer:
        out = out_of(p, operands)
        node = (name, tuple(range(len(operands))), out.dtype)
        backend = ctx.target.backend
        return run(backend, (node,), len(operands), operands, out.shape, out.dtype)

    return kernel


def fused(ctx: Any, p: Any, *operands: MetalBuffer) -> Any:
    """Run a fused equation; a trailing reduction is left to core."""
    if p.reduce is not None:
        return NotImplemented
    out = out_of(p, operands)
    backend = ctx.target.backend
    return run(backend, p.nodes, p.results[0], operands, out.shape, out.dtype)


# -- arrays out of nothing ------------------------------------------------------------------------


def full(ctx: Any, p: Any) -> MetalBuffer:
    """An array of one value."""
    return filled(ctx.target.backend, p.shape, p.dtype, p.value)


def filled(backend: MetalBackend, shape: tuple[int, ...], dtype: Dtype, value: Any) -> MetalBuffer:
    """Return an array of one value: a scalar from the host, spread by a kernel."""
    import numpy as np

    if math.prod(shape) == 0:
        return backend.empty(shape, dtype)
    with np.errstate(all="ignore"):
        data = np.full((), value, dtype.numpy)
    scalar = backend.from_host(data.tobytes(), (), dtype, "metal:0")
    return copied(backend, scalar.spread(shape)) if shape else scalar


def iota(ctx: Any, p: Any) -> Any:
    """0, 1, 2, ... along one axis, of any dtype, spread along the others."""
    backend: MetalBackend = ctx.target.backend
    n = p.shape[p.axis]
    out = backend.empty((n,), p.dtype)
    if out.storage is not None:
        kind = MSL_TYPES[p.dtype.name]
        source = source_of("create.metal", "", [("iota", f"iota<{kind}>")])
        backend.launch(source, "iota", b"", [out], (n,))
    strides = [0] * len(p.shape)
    strides[p.axis] = 1
    return backend.dense(out.view(p.shape, tuple(strides)))


def cast_to(backend: MetalBackend, x: MetalBuffer, name: str) -> MetalBuffer:
    """Return ``x`` in the dtype called ``name``."""
    dtype = dtype_named(name)
    if dtype is x.dtype:
        return x
    return run(backend, (("cast", (0,), dtype),), 1, [x], x.shape, dtype)


def out_of(p: Any, operands: Sequence[MetalBuffer]) -> AbstractArray:
    """Return the aval of a primitive's result for these operands."""
    made: AbstractArray = p.abstract(*map(aval, operands))
    return made
