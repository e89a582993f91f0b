"""Bodies of control flow: traced on placeholders and closure-converted into Programs.

What a body captures becomes a further operand of it, so that it is batched and differentiated like
any other. Equal bodies share one Program, so that a loop recorded again is not made ready again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..base.errors import DTypeError, ShapeError
from ..base.program import Program
from ..base.tree import LEAF, Constant, flatten, rebuild, rebuild_dict, unflatten
from ..graph import effects
from ..graph import value as graph
from ..graph.capture import capture, inline
from ..graph.handle import array, wrap
from ..graph.operators import is_literal
from ..graph.primitive import call
from ..passes.cse import key_of
from ..primitives.derive import (
    backward,
    forward,
    placeholder,
    tracer,
    zeros_like,
)
from ..primitives.kinds import move_axis
from .tracing import batched_program, open_trace, take_effects

Arrays = Sequence[array]


class Recording:
    """A function that was run once on placeholders.

    Attributes:
      inputs, outputs: Values; effects: those that it records.
      structure: The structure of its result.
      captured: What it uses besides its inputs.
    """

    def __init__(self, name: str, fun: Callable[..., Any], likes: Sequence[Any]) -> None:
        """Call ``fun`` with placeholders for the arrays in each of the trees ``likes``."""
        leaves: list[Any] = []
        given = flatten(tuple(likes), array, leaves)
        made: list[Any] = []
        with open_trace(name) as trace:
            self.inputs = [placeholder(x.shape, x.dtype, trace, x.value.stream) for x in leaves]
            result = fun(*unflatten(given, iter([wrap(v) for v in self.inputs])))
            self.structure = flatten(with_arrays(result), array, made)
            self.outputs = [m.value for m in made]
            self.effects = take_effects(trace)
            self.since = trace.serial
            constants = self._capture(self.inputs).constants
            self.captured = [c for c in constants if not self._is_literal(c)]

    def _capture(self, inputs: Sequence[Any]) -> Program:
        return capture(inputs, self.outputs, self.since, self.effects)

    def _is_literal(self, constant: Any) -> bool:
        """Whether a constant is a number that the text of the function holds."""
        return _is_number(constant) and (constant.serial > self.since or is_literal(constant))

    def close(self, captured: Sequence[Any]) -> Program:
        """Return the Program whose first inputs are the Values ``captured``."""
        return shared(self._capture([*captured, *self.inputs]))


def captured_by(*recordings: Recording) -> list[Any]:
    """Return the Values that any of ``recordings`` uses, oldest first."""
    found = {v.serial: v for recording in recordings for v in recording.captured}
    return [found[serial] for serial in sorted(found)]


def _is_number(constant: Any) -> bool:
    return constant.primitive.name == "constant" and not constant.shape


_programs: dict[Any, Program] = {}
_LARGEST_TABLE = 4096


def shared(program: Program) -> Program:
    """Return the Program equal to ``program`` that was seen first; literals compare by value."""
    literals = tuple([_literal_key(c) for c in program.constants])
    equations = tuple([(type(p), key_of(p), xs, ys) for p, xs, ys in program.equations])
    key = (program.inputs, equations, program.outputs, program.avals, literals)
    found = _programs.get(key)
    if found is None:
        if len(_programs) >= _LARGEST_TABLE:
            _programs.clear()
        found = _programs[key] = program
    return found


def _literal_key(constant: Any) -> Any:
    return bytes(constant.primitive.data) if _is_number(constant) else id(constant)


def with_arrays(tree: Any) -> Any:
    """Return ``tree`` with its numbers as arrays; other leaves stay."""
    if isinstance(tree, bool | int | float | complex):
        return wrap(graph.slots.coerce("array", tree, None))
    if isinstance(tree, dict):
        return rebuild_dict(type(tree), [(k, with_arrays(v)) for k, v in tree.items()])
    if isinstance(tree, list | tuple):
        return rebuild(type(tree), [with_arrays(v) for v in tree])
    return tree


def reverse_mode() -> bool:
    """Return whether an open trace of this thread will be walked back."""
    return any(t.name in _REVERSE for t in effects.opened.traces)


_REVERSE = ("vjp", "grad", "value_and_grad")


def reversing() -> Any:
    """Open a trace in which what is recorded will be walked back."""
    return open_trace("vjp", concrete=True)


def examples(*operands: Any) -> list[array]:
    """Return NumPy arrays as arrays, to trace a sample's body on."""
    return [wrap(graph.slots.coerce("array", x, None)) for x in operands]


# -- errors ---------------------------------------------------------------------------------------


def paths(structure: Any, root: str) -> list[str]:
    """Return how each leaf of a structure is reached from ``root``: ``carry['w'][0]``."""
    if structure is LEAF:
        return [root]
    if isinstance(structure, Constant):
        return []
    keys = range(len(structure.children)) if structure.keys is None else structure.keys
    return [
        path
        for key, child in zip(keys, structure.children, strict=True)
        for path in paths(child, f"{root}[{key!r}]")
    ]


def check_same(
    function: str, what: str, first: tuple[Any, Any], then: tuple[Any, Any], when: tuple[str, str]
) -> None:
    """Raise unless two trees, each ``(structure, Values)``, agree in structure, shapes and dtypes.

    ``what`` names the tree in the error, ``when`` where its two forms come from.
    """
    if first[0] != then[0]:
        raise ShapeError(
            f"{function}: the structure of the {what} must not change: it is {first[0]} {when[0]}, "
            f"but {then[0]} {when[1]}"
        )
    different = [
        (path, a, b)
        for path, a, b in zip(paths(first[0], what), first[1], then[1], strict=True)
        if (a.shape, a.dtype) != (b.shape, b.dtype)
    ]
    if not different:
        return
    shown = "; ".join(f"{path} is {a} {when[0]}, but {b} {when[1]}" for path, a, b in different)
    error = ShapeError if any(a.shape != b.shape for _, a, b in different) else DTypeError
    raise error(f"{function}: shapes and dtypes of the {what} must not change: {shown}")


# -- what follows from what -----------------------------------------------------------------------


def reached(program: Program, inputs: Any) -> list[bool]:
    """Return for each output of ``program`` whether it depends on one of ``inputs``."""
    found = set(inputs)
    for equation in program.equations:
        if any(v in found for v in equation.operands):
            found.update(equation.outputs)
    return [v in found for v in program.outputs]


def settle(program: Program, given: set[int], first: int, count: int, inexact: bool) -> set[int]:
    """Return ``given`` with all carries that depend on it in some iteration.

    Inputs ``first`` to ``first + count`` are the carries, which are the first outputs, too.
    ``inexact`` says that only floating and complex ones count.
    """
    found = set(given)
    while True:
        depends = reached(program, found)
        more = {
            first + i
            for i in range(count)
            if depends[i] and not (inexact and not program.avals[first + i].dtype.inexact)
        }
        if more <= found:
            return found
        found |= more


# -- rules of a Program ---------------------------------------------------------------------------


def _on_tracers(program: Program, arrays: Arrays, moving: Sequence[int]) -> tuple[Any, Any]:
    """Record ``program`` with fresh Values in places ``moving``; return those and the outputs."""
    inputs, replaced = [], list(arrays)
    for i in moving:
        v = tracer(arrays[i].value, None)
        inputs.append(v)
        replaced[i] = wrap(v)
    return inputs, inline(program, replaced)


def push(
    program: Program, arrays: Arrays, tangents: dict[int, array]
) -> tuple[list[array], list[array]]:
    """Return the outputs of ``program`` and their tangents; zeros where there are none."""
    moving = sorted(tangents)
    inputs, made = _on_tracers(program, arrays, moving)
    found = forward([m.value for m in made], inputs, [tangents[i] for i in moving])
    return made, [zeros_like(m) if t is None else t for m, t in zip(made, found, strict=True)]


def pull(
    program: Program, arrays: Arrays, cotangents: Sequence[Any], wanted: Sequence[int]
) -> list[array]:
    """Return the cotangents of the inputs ``wanted`` of ``program``; zeros where there are none."""
    inputs, made = _on_tracers(program, arrays, wanted)
    found = backward([m.value for m in made], cotangents, inputs)
    return [
        zeros_like(arrays[i]) if ct is None else call("cast", ct, dtype=arrays[i].dtype)
        for i, ct in zip(wanted, found, strict=True)
    ]


def spread(
    program: Program, arrays: Arrays, mapped: set[int], size: int, want: Sequence[bool]
) -> list[array]:
    """Return the outputs of ``program`` for ``arrays`` with a batch axis first where ``mapped``.

    The outputs that ``want`` names have a batch axis first; the others have none.
    """
    dims = [0 if i in mapped else None for i in range(len(arrays))]
    pairs = batched_program(program, arrays, dims)
    return [in_front(x, d, size) if w else x for (x, d), w in zip(pairs, want, strict=True)]


def in_front(x: array, d: int | None, size: int) -> array:
    """Return ``x`` with its batch axis first; repeated ``size`` times where it has none."""
    if d is not None:
        return move_axis(x, d, 0)
    x = call("expand_dims", x, axes=(0,))
    return call("broadcast", x, shape=(size, *x.shape[1:]))


def as_tuple(made: Any) -> tuple[Any, ...]:
    """Return what ``apply`` gave as a tuple."""
    return made if isinstance(made, tuple) else (made,)


def batch_size(operands: Arrays, dims: Sequence[int | None]) -> int:
    """Return the length of the batch axes."""
    return next(x.shape[d] for x, d in zip(operands, dims, strict=True) if d is not None)


def choose(pred: array, yes: array, no: array) -> array:
    """Return ``yes`` or ``no`` for each entry of a batch; ``pred`` is a vector along its axis."""
    axes = tuple(range(1, yes.ndim))
    spread_out = call("expand_dims", pred, axes=axes) if axes else pred
    return call("where", spread_out, yes, no)
