"""compile: trace once a signature, then one call of the backend for the whole function."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..base.avals import AbstractArray
from ..base.errors import DTypeError
from ..base.tree import LEAF, Constant, flatten, restore, structure_of, swap, unflatten
from ..execute.executables import Executable
from ..execute.kernels import core_kernel
from ..graph import value as graph
from ..graph.handle import array
from ..graph.primitive import apply
from ..passes.shapes import with_shapes
from .tracing import Traced, check_callable, traced_program, tracing

__all__ = ["compile", "disable_compile", "enable_compile"]

# Signatures kept for each compiled function; then the oldest goes.
LARGEST_CACHE = 512

_disabled = os.environ.get("MONEL_DISABLE_COMPILE", "") not in ("", "0")


def disable_compile() -> None:
    """Make compiled functions call their Python function; as ``MONEL_DISABLE_COMPILE=1`` does.

    Example:
      >>> import monel.core as mx
      >>> mx.disable_compile()
      >>> mx.compile(lambda x: x + 1)(mx.array(1))
      array(2, dtype=int32)
      >>> mx.enable_compile()
    """
    global _disabled
    _disabled = True


def enable_compile() -> None:
    """Undo ``disable_compile`` or the environment's ``MONEL_DISABLE_COMPILE``.

    Example:
      >>> import monel.core as mx
      >>> mx.enable_compile()
    """
    global _disabled
    _disabled = False


class Call(Traced, name="call"):
    """A call of a compiled function: one node, one call of the backend."""

    function: str

    def __str__(self) -> str:
        return f"Call [{self.function}, {len(self.program.equations)} equations]"


@core_kernel("call")
def _call_kernel(target: Any) -> Callable[..., Any]:
    def kernel(ctx: Any, p: Any, *operands: Any) -> Any:
        ready = p.__dict__.get("ready")
        dying = ctx.dying
        if dying and len({id(x) for x in operands}) < len(operands):
            # One array was given twice: its memory is not free when one of the two is.
            dying = 0
        if ready is None or ready[0] is not target or ready[1] != dying:
            executable = Executable.of(p.program, target, True, dying)
            ready = p.__dict__["ready"] = (target, dying, executable)
        results = ready[2](operands)
        return results[0] if p.outputs == 1 else tuple(results)

    return kernel


class _Traced:
    """One signature of a compiled function."""

    __slots__ = ("primitive", "replays", "result", "silent", "state")

    def __init__(
        self, primitive: Call | None, result: Any, state: Any, silent: bool = False
    ) -> None:
        self.primitive = primitive
        self.result = result
        self.state = state
        # It returns nothing that could be asked for: its effects run at once.
        self.silent = silent
        self.replays: dict[Any, Call] = {}

    def at(self, avals: Any) -> Call:
        """Return the call for inputs of other shapes than those of the trace."""
        found = self.replays.get(avals)
        if found is None:
            call = self.primitive
            assert call is not None
            program = with_shapes(call.program, [AbstractArray(*a) for a in avals])
            if len(self.replays) >= LARGEST_CACHE:
                self.replays.clear()
            found = self.replays[avals] = Call(program, call.function)
        return found


def _shown(aval: Any) -> str:
    shape, dtype = aval
    # A shapeless signature knows of each length only whether it is 1.
    lengths = [("1" if n else "n") if isinstance(n, bool) else str(n) for n in shape]
    return f"{dtype.name}[{','.join(lengths)}]"


def _open_shapes(avals: Any) -> Any:
    """Return what a shapeless signature keeps of each aval: rank, which axes are 1, dtype."""
    return tuple([(tuple([n == 1 for n in shape]), dtype) for shape, dtype in avals])


def compile(
    fun: Callable[..., Any],
    inputs: Any = None,
    outputs: Any = None,
    shapeless: bool = False,
) -> Callable[..., Any]:
    """Return ``fun`` compiled: traced once for each signature, then run as one program.

    The signature is the structure of the arguments, shapes and dtypes of their arrays, and the
    values of all else (numbers, strings, None). What the function captures is frozen at the trace.

    Args:
      fun: A function of trees of arrays and constants, without side effects but on ``outputs``.
      inputs: A list or dict of arrays that the function reads besides its arguments, live.
      outputs: A list or dict that the function writes, live; such as ``mx.random.state``.
      shapeless: Trace once for all shapes of one rank; shapes are inferred anew at each call.
    Returns:
      A function that behaves like ``fun``.
    Raises:
      ValueError: An argument is neither an array nor a constant; a value is asked for in the trace.
    Example:
      >>> import monel.core as mx
      >>> mx.compile(lambda x: mx.exp(-x) * 2)(mx.array(0.0))
      array(2, dtype=float32)
    """
    check_callable("compile", fun)
    for what, tree in (("inputs", inputs), ("outputs", outputs)):
        if tree is not None and not isinstance(tree, dict | list):
            raise TypeError(f"compile: {what} must be a list or dict, got {type(tree).__name__}")
    if not isinstance(shapeless, bool):
        raise TypeError(f"compile: shapeless must be a bool, got {type(shapeless).__name__}")
    compiled = _Compiled(fun, inputs, outputs, shapeless)

    def call(*args: Any, **kwargs: Any) -> Any:
        return compiled(args, kwargs)

    wrapped = functools.wraps(fun, updated=())(call) if hasattr(fun, "__name__") else call
    if hasattr(fun, "__signature__") or hasattr(fun, "__code__"):
        wrapped.__wrapped__ = fun  # type: ignore[attr-defined]
    return wrapped


class _Compiled:
    """A compiled function: its Python function, live containers, and traces by signature."""

    def __init__(self, fun: Any, inputs: Any, outputs: Any, shapeless: bool) -> None:
        self.fun = fun
        self.inputs = inputs
        self.outputs = outputs
        self.shapeless = shapeless
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self.cache: OrderedDict[Any, _Traced] = OrderedDict()

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if _disabled or tracing():
            return self.fun(*args, **kwargs)
        leaves, key, avals = self._signature(args, kwargs)
        traced = self.cache.get(key)
        if traced is None:
            if graph.slots.notice is not None and self.cache:
                graph.slots.notice("recompiles", self._why(key, len(leaves)))
            _check_constants(structure_of((args, kwargs), array))
            traced = self._trace(args, kwargs)
            self.cache[key] = traced
            if len(self.cache) > LARGEST_CACHE:
                self.cache.popitem(last=False)
        made: Any = ()
        if traced.primitive is not None:
            primitive = traced.at(avals) if self.shapeless else traced.primitive
            made = apply(primitive, tuple(leaves))
            if traced.result is LEAF and self.outputs is None:
                return made
            made = made if isinstance(made, tuple) else (made,)
            if traced.silent:
                graph.evaluate(made[0].value)
        supply = iter(made)
        result = unflatten(traced.result, supply)
        if self.outputs is not None:
            _assign(self.outputs, traced.state, supply)
        return result

    def _why(self, key: Any, count: int) -> str:
        """Say how a call differs from the most similar one that was traced."""
        (structure, avals), known = key, [*reversed(self.cache)]

        def differences(old: Any) -> list[str]:
            found = (
                [] if old[0] == structure else [f"structure or constants {old[0]}, now {structure}"]
            )
            if len(old[1]) != len(avals):
                return [*found, f"{len(old[1])} arrays, now {len(avals)}"]
            pairs = zip(old[1], avals, strict=True)
            return found + [
                f"array {i} of {count}: {_shown(a)}, now {_shown(b)}"
                for i, (a, b) in enumerate(pairs, 1)
                if a != b
            ]

        closest = min((differences(old) for old in known), key=len)
        times = len(known) + 1
        return f"{self.name} is traced again (trace {times}): the closest had {'; '.join(closest)}"

    def _signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Return the arrays of a call, its key in the cache, and their avals."""
        leaves: Any = args
        structure: Any = None
        if kwargs or self.inputs is not None or not all(type(a) is array for a in args):
            leaves = []
            structure = flatten((args, kwargs), array, leaves), flatten(self.inputs, array, leaves)
        avals = tuple([(leaf.value.shape, leaf.value.dtype) for leaf in leaves])
        return leaves, (structure, _open_shapes(avals) if self.shapeless else avals), avals

    def _trace(self, args: Any, kwargs: Any) -> _Traced:
        made: list[Any] = []
        result_structure = state_structure = None

        def run(replace: Any) -> list[Any]:
            nonlocal result_structure, state_structure
            undo: list[Any] = []
            before = [*_contents(self.inputs), *_contents(self.outputs)]
            try:
                given_args, given_kwargs = swap((args, kwargs), array, replace, undo)
                swap(self.inputs, array, replace, undo)
                result = self.fun(*given_args, **given_kwargs)
                result_structure = flatten(result, array, made)
                state_structure = flatten(self.outputs, array, made)
            finally:
                restore(undo)
                _put_back(before)
            return made

        # A call has an output; where the function has none, that of its last effect stands in.
        program = traced_program("compile", run, self.shapeless, stand_in=True)
        primitive = Call(program, self.name) if program.outputs else None
        silent = primitive is not None and not made
        return _Traced(primitive, result_structure, state_structure, silent)


def _check_constants(structure: Any) -> None:
    if structure is LEAF:
        return
    if isinstance(structure, Constant):
        if not isinstance(structure.value, bool | int | float | complex | str | type(None)):
            raise DTypeError(
                "compile: arguments must be trees of arrays or constants (floats, ints, strings, "
                f"or None), got {type(structure.value).__name__}"
            )
        return
    for child in structure.children:
        _check_constants(child)


def _contents(tree: Any) -> list[tuple[Any, Any]]:
    """Return each dict and list in ``tree`` with a copy of what it holds."""
    found: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        found.append((tree, dict(tree)))
        for child in tree.values():
            found.extend(_contents(child))
    elif isinstance(tree, list):
        found.append((tree, list(tree)))
        for child in tree:
            found.extend(_contents(child))
    elif isinstance(tree, tuple):
        for child in tree:
            found.extend(_contents(child))
    return found


def _put_back(contents: list[tuple[Any, Any]]) -> None:
    for container, held in contents:
        if isinstance(container, dict):
            dict.clear(container)
            dict.update(container, held)
        else:
            container[:] = held


def _assign(tree: Any, structure: Any, supply: Any) -> None:
    """Write arrays from ``supply`` into the live container ``tree`` as ``structure`` says."""
    if structure.keys is not None:
        for key, child in zip(structure.keys, structure.children, strict=True):
            dict.__setitem__(tree, key, _renewed(tree.get(key), child, supply))
        for key in [k for k in tree if k not in structure.keys]:
            dict.__delitem__(tree, key)
    else:
        old = list(tree)
        tree[:] = [
            _renewed(old[i] if i < len(old) else None, child, supply)
            for i, child in enumerate(structure.children)
        ]


def _renewed(old: Any, structure: Any, supply: Any) -> Any:
    """Return what stands at one place of a live container: the same containers, new arrays."""
    if structure is LEAF:
        return next(supply)
    if isinstance(structure, Constant):
        return structure.value
    if isinstance(old, dict | list) and type(old) is structure.cls:
        _assign(old, structure, supply)
        return old
    return unflatten(structure, supply)
