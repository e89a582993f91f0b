"""From a primitive to its kernel, or to the Program that stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ..base.errors import DTypeError, OutOfBoundsError, TraceError
from ..base.program import Program
from ..contract.backend import AdaptedKernel
from ..graph import value as graph
from ..graph.capture import trace_program
from ..graph.origin import described
from ..graph.primitive import REGISTRY
from ..primitives.derive import placeholder
from .discovery import plugins

# Primitives that core runs itself on any backend: class name -> kernel maker (target) -> kernel.
CORE_KERNELS: dict[str, Callable[[graph.Target], Callable[..., Any]]] = {}


def core_kernel(name: str) -> Callable[[Any], Any]:
    """Return a decorator that registers a maker of kernels for primitive ``name``."""

    def add(make: Any) -> Any:
        CORE_KERNELS[name] = make
        return make

    return add


@core_kernel("identity")
@core_kernel("stop_gradient")
def _pass_on(target: graph.Target) -> Callable[..., Any]:
    return lambda ctx, p, x: x


@core_kernel("depends")
def _depends(target: graph.Target) -> Callable[..., Any]:
    return lambda ctx, p, *operands: p.reference(*operands)


@core_kernel("constant")
def _constant(target: graph.Target) -> Callable[..., Any]:
    def kernel(ctx: Any, p: Any) -> Any:
        if not target.backend.supports_dtype(p.dtype, target.device):
            raise DTypeError(f"device {target.device} does not support {p.dtype.name}")
        return target.backend.from_host(p.data, p.shape, p.dtype, target.device)

    return kernel


@core_kernel("placeholder")
def _placeholder(target: graph.Target) -> Callable[..., Any]:
    def kernel(ctx: Any, p: Any) -> Any:
        raise TraceError(
            f"an array is evaluated inside {p.transform}, where it has no value yet; move eval, "
            f"item, tolist, printing and control flow on values outside, or use mx.where, mx.cond "
            f"and mx.while_loop"
        )

    return kernel


def decline(ctx: Any, p: Any, *operands: Any) -> Any:
    """Stand where a backend has no kernel: the primitive is decomposed."""
    return NotImplemented


def find_kernel(target: graph.Target, primitive: Any, value: Any, operands: Any) -> Any:
    """Resolve the kernel for the class of ``primitive`` and its dtypes, once, and keep it."""
    key = graph.dtype_key(operands, value)
    table = target.kernels.setdefault(type(primitive), {})
    found = table.get(key)
    if found is None:
        dtypes = tuple([o.dtype for o in operands]) or (value.dtype,)
        found = table[key] = kernel_for(target, primitive, dtypes)
    return found


def kernel_for(target: graph.Target, primitive: Any, dtypes: Any) -> Callable[..., Any]:
    """Return what to call for ``primitive``: core's own, the backend's, or ``decline``."""
    make = CORE_KERNELS.get(primitive.name)
    if make is not None:
        return make(target)
    name = primitive.name
    own = target.backend.kernel(name, dtypes)
    table = plugins().kernels.get(target.backend.name, {}).get(name)
    if table is None or (own is not None and not table.overrides(name)):
        return own or decline
    given = table.find(name, dtypes)
    return own or decline if given is None else GivenKernel(given, own)


class GivenKernel(AdaptedKernel):
    """Another plugin's kernel; what it declines is the backend's own, where there is one."""

    __slots__ = ("own",)

    def __init__(self, given: Any, own: Any) -> None:
        super().__init__(given, "value", True, True, False)
        self.own = own

    def run(self, ctx: Any, p: Any, buffers: Any, avals: Any, out: Any) -> Any:
        for kernel in (self.function, self.own or decline):
            if isinstance(kernel, AdaptedKernel):
                made = kernel.run(ctx, p, buffers, avals, out)
            else:
                made = kernel(ctx, p, *buffers)
            if made is not NotImplemented:
                return made
        return NotImplemented


def expansion_for(target: graph.Target) -> Callable[[Any, Any], Program | None]:
    """Return what ``passes.decompose`` asks: the Program that replaces an equation, or None.

    Bodies are inlined; so is what the backend has no kernel for.
    """

    def expansion(primitive: Any, avals: Any) -> Program | None:
        body = getattr(primitive, "program", None)
        if isinstance(body, Program) and primitive.name != "call":
            return body
        if primitive.decompose is None or primitive.name in CORE_KERNELS:
            return None
        dtypes = tuple([a.dtype for a in avals])
        if kernel_for(target, primitive, dtypes) is not decline:
            return None
        return decomposition(primitive, avals)

    return expansion


_decompositions: dict[Any, Program] = {}
_LARGEST_TABLE = 16_384


def decomposition(primitive: Any, avals: Any) -> Program:
    """Return the Program of ``primitive.decompose`` for operands of ``avals``; traced once."""
    key = (primitive, avals)
    try:
        found = _decompositions.get(key)
    except TypeError:
        return _trace(primitive, avals)
    if found is None:
        if len(_decompositions) >= _LARGEST_TABLE:
            _decompositions.clear()
        found = _decompositions[key] = _trace(primitive, avals)
    return found


def _trace(primitive: Any, avals: Any) -> Program:
    return trace_program(primitive.decompose, avals, placeholder)


def transfer(value: Any, target: graph.Target) -> Any:
    """Return the buffer of ``value`` on ``target``'s device; copied once while the Value lives."""
    source = value.stream.target
    if source is None or source is target:
        return value.buffer
    aval = value.aval
    if not target.backend.supports_dtype(aval.dtype, target.device):
        raise DTypeError(f"device {target.device} does not support {aval.dtype.name}")
    copies = _copies.setdefault(value, {})
    found = copies.get(target)
    if found is None:
        found = copies[target] = copy_buffer(source, target, value.buffer, aval)
    return found


def copy_buffer(source: graph.Target, target: graph.Target, buffer: Any, aval: Any) -> Any:
    """Copy a buffer from one device to another, inside one backend or through the host."""
    if source.backend is target.backend:
        return target.backend.copy(buffer, aval.shape, aval.dtype, target.device)
    data = source.backend.to_host(buffer, aval.shape, aval.dtype)
    return target.backend.from_host(data, aval.shape, aval.dtype, target.device)


_copies: Any = WeakKeyDictionary()


def name_function(error: BaseException, primitive: Any) -> None:
    """Let an index error name the function that the user called, not the primitive behind it."""
    if isinstance(error, OutOfBoundsError):
        # What is decomposed fails in one of its parts.
        name, _, text = str(error).partition(": ")
        function = getattr(primitive, "function", None) or primitive.name
        if name in REGISTRY and name != function and primitive.name != "call":
            error.args = (f"{function}: {text}",)


def annotate(error: Exception, value: Any, operands: Any) -> None:
    """Add to an error which operation failed, on what, and where the user recorded it."""
    note(error, value.primitive, operands)
    if value.origin is not None:
        error.add_note(f"  recorded at {described(value.origin)}")


def note(error: Exception, primitive: Any, operands: Any) -> None:
    """Add to an error which operation failed, on what; or inside of which, if that is known."""
    name_function(error, primitive)
    if getattr(error, "__notes__", None):
        error.add_note(f"inside {primitive}")
    else:
        used = ", ".join(str(o) for o in operands)
        error.add_note(f"while computing {primitive} of ({used})")


graph.install(transfer=transfer, annotate=annotate)
