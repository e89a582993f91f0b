"""The open traces of each thread, and what every transform does with its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ..base.errors import DTypeError
from ..base.program import Program
from ..base.tree import flatten, restore, swap
from ..graph import effects
from ..graph.capture import capture, inline
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive
from ..graph.value import Trace, check_live
from ..passes.shapes import with_shapes
from ..primitives.derive import batched, outputs_of, placeholder, tracer


class Traced(Primitive):
    """One node whose meaning is a Program that was traced from a user's function."""

    interned: ClassVar[bool] = False
    shape_dependent: ClassVar[bool] = True
    program: Program

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = len(self.program.outputs)
        self.__dict__["effect"] = self.__dict__["fails"] = self.program.effect

    def abstract(self, *operands: Any) -> Any:
        avals = self.program.out_avals
        return avals[0] if self.outputs == 1 else avals

    def replayed(self, old: Any, new: Any) -> Any:
        return type(self)(**{**self.parameters, "program": with_shapes(self.program, new)})

    def decompose(self, *operands: Any) -> Any:
        made = inline(self.program, operands)
        return made[0] if self.outputs == 1 else tuple(made)


def tracing() -> bool:
    """Return whether the calling thread is inside a transform."""
    return bool(effects.opened.traces)


@contextmanager
def open_trace(name: str, shapeless: bool = False, *, concrete: bool = False) -> Iterator[Trace]:
    """Open a trace for the calling thread; the walk over it belongs inside the block.

    ``concrete`` says that its tracers have values. Effects that it still holds at the end go to
    the trace around it; those of a function that failed are forgotten.
    """
    traces = effects.opened.traces
    # What is traced inside a trace of open shapes keeps them open, too.
    shapeless = shapeless or bool(traces and traces[-1].shapeless)
    trace = Trace(name, len(traces), shapeless, concrete)
    traces.append(trace)
    try:
        yield trace
    except BaseException:
        trace.effects.clear()
        raise
    finally:
        traces.pop()
        trace.close()
        effects.hand_over(trace.effects)


def take_effects(trace: Trace) -> list[Any]:
    """Return the effects that ``trace`` holds and that have not run; they are its no longer."""
    found = [v for v in trace.effects if v.buffer is None and v.state is None]
    trace.effects.clear()
    return found


def batched_with_effects(
    outputs: Any, inputs: Any, arrays: Any, dims: Any, waiting: list[Any]
) -> list[Any]:
    """Walk as ``derive.batched`` does, and record the effects ``waiting`` for all rows instead.

    An effect that does not depend on the mapped axis stays the one that it is; where nothing can
    ask for its result it is recorded anew, so that it keeps its place among the others.
    """
    anew = [v for v in waiting if v.primitive.eager]
    pairs = batched([*outputs, *waiting], inputs, arrays, dims, anew)
    for effect, (found, _) in zip(waiting, pairs[len(outputs) :], strict=True):
        if found.value is effect:
            effects.opened.traces[-1].effects.append(effect)
    return pairs[: len(outputs)]


def batched_program(program: Program, operands: Any, dims: Any) -> list[Any]:
    """Record ``program`` on batched operands; return (array, axis) for each output."""
    inputs = [
        placeholder(
            x.shape if d is None else x.shape[:d] + x.shape[d + 1 :], x.dtype, None, x.value.stream
        )
        for x, d in zip(operands, dims, strict=True)
    ]
    # Batching happens inside a trace; the effects of the rows' body are not among its own.
    held = effects.opened.traces[-1].effects
    count = len(held)
    made = inline(program, [wrap(v) for v in inputs])
    waiting = held[count:]
    del held[count:]
    return batched_with_effects([m.value for m in made], inputs, operands, dims, waiting)


def traced_program(
    name: str,
    run: Callable[[Callable[[array], array]], list[array]],
    shapeless: bool = False,
    *,
    stand_in: bool = False,
) -> Program:
    """Return the Program of what ``run(replace)`` makes of the placeholders it asks for.

    ``replace`` gives a placeholder for an array, which becomes the next input; ``run`` calls the
    user's function with them and returns the arrays that become the outputs. With ``stand_in``
    a function of effects alone has the output of the last one.
    """
    with open_trace(name, shapeless) as trace:
        values: list[Any] = []

        def replace(leaf: array) -> array:
            v = placeholder(leaf.shape, leaf.dtype, trace, leaf.value.stream)
            values.append(v)
            return wrap(v)

        outputs = [made.value for made in run(replace)]
        waiting = take_effects(trace)
        _check_captured([*outputs, *waiting], trace)
        if stand_in and waiting and not outputs:
            outputs = [outputs_of(waiting[-1])[0].value]
        return capture(values, outputs, trace.serial, waiting)


def _check_captured(outputs: list[Any], trace: Trace) -> None:
    """Raise for a captured Value that still needs a placeholder of another trace."""
    for v in outputs:
        other = v.trace
        if other is not None and other is not trace and not other.open and v.buffer is None:
            check_live(v)


def check_callable(function: str, fun: Any) -> None:
    """Raise TypeError unless ``fun`` can be called."""
    if not callable(fun):
        raise TypeError(f"{function}: expected a callable, got {type(fun).__name__}")


def only_arrays(function: str, what: str, tree: Any) -> list[array]:
    """Return the leaves of ``tree``, which must all be arrays."""
    leaves: list[Any] = []
    _check_tree(function, what, tree)
    flatten(tree, array, leaves)
    return leaves


def _check_tree(function: str, what: str, tree: Any) -> None:
    if isinstance(tree, array):
        return
    if isinstance(tree, dict):
        for key, child in tree.items():
            _check_tree(function, f"{what}[{key!r}]", child)
    elif isinstance(tree, list | tuple):
        for key, child in enumerate(tree):
            _check_tree(function, f"{what}[{key}]", child)
    else:
        raise DTypeError(
            f"{function}: {what} must be an array or a tree of arrays only, but holds "
            f"{type(tree).__name__}; wrap numbers with mx.array"
        )


def array_list(function: str, what: str, arrays: Any) -> list[array]:
    """Return a list of arrays given by the user; TypeError for anything else."""
    if not isinstance(arrays, list | tuple) or not all(isinstance(a, array) for a in arrays):
        raise TypeError(f"{function}: {what} must be a list of arrays, got {type(arrays).__name__}")
    return list(arrays)


def output_list(function: str, result: Any) -> list[array]:
    """Return what a function of arrays returned as a list of arrays."""
    if isinstance(result, array):
        return [result]
    if isinstance(result, list | tuple) and all(isinstance(r, array) for r in result):
        return list(result)
    raise DTypeError(
        f"{function}: the function must return an array or a list of arrays, "
        f"got {type(result).__name__}"
    )


def call_with_tracers(
    fun: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], chosen: Any, trace: Trace
) -> tuple[Any, list[Any]]:
    """Call ``fun`` with tracers in place of the arrays in the ``chosen`` arguments.

    ``chosen`` holds positions and names. The caller's own containers are passed, with their leaves
    exchanged for the time of the call. Returns the result and the tracers' Values in order.
    """
    values: list[Any] = []
    undo: list[Any] = []
    replace = tracing_into(values, trace)

    try:
        for place in chosen:
            held = args if isinstance(place, int) else kwargs
            held[place] = swap(held[place], array, replace, undo)
        return fun(*args, **kwargs), values
    finally:
        restore(undo)


def tracing_into(values: list[Any], trace: Trace) -> Callable[[array], array]:
    """Return what replaces an array by a tracer of it, whose Value is appended to ``values``."""

    def replace(leaf: array) -> array:
        v = tracer(leaf.value, trace)
        values.append(v)
        return wrap(v)

    return replace


def call_swapped(
    fun: Callable[..., Any], args: Any, kwargs: dict[str, Any], replace: Callable[[array], array]
) -> Any:
    """Call ``fun`` with every array of its arguments replaced, inside the caller's containers."""
    undo: list[Any] = []
    try:
        given_args, given_kwargs = swap((tuple(args), dict(kwargs)), array, replace, undo)
        return fun(*given_args, **given_kwargs)
    finally:
        restore(undo)
