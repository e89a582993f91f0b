"""From a recorded graph to a Program, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..base import program as programs
from ..base.avals import AbstractArray
from ..base.errors import TraceError
from ..base.program import Equation, Program
from .doors import Door
from .handle import wrap
from .primitive import Output, apply
from .value import last_serial

__all__ = ["Program", "capture", "inline", "trace_program"]

programs.install(
    call=Door(programs.doors, "call", "transforms.program"),
    from_dict=Door(programs.doors, "from_dict", "export.unpacking"),
    to_dict=Door(programs.doors, "to_dict", "export.packing"),
)


def capture(
    inputs: Sequence[Any], outputs: Sequence[Any], since: int, effects: Sequence[Any] = ()
) -> Program:
    """Return the Program that makes ``outputs`` from ``inputs`` (all Values).

    What was recorded after the serial number ``since`` becomes equations; everything older, and
    host constants, become the Program's constants. ``effects`` are kept whether or not an output
    needs them.
    """
    variables: dict[int, int] = {v.serial: i for i, v in enumerate(inputs)}
    avals: list[AbstractArray] = [v.aval for v in inputs]
    constants, recorded = _collect((*outputs, *effects), variables, since)
    for v in constants:
        variables[v.serial] = len(avals)
        avals.append(v.aval)
    equations: list[Equation] = []
    places: dict[int, int] = {}
    for v in recorded:
        if type(v.primitive) is Output:
            (whole,) = v.operands
            variables[v.serial] = places[whole.serial] + v.primitive.index
            continue
        operands = tuple([variables[o.serial] for o in v.operands])
        first = len(avals)
        if v.outputs is None:
            avals.append(v.aval)
            variables[v.serial] = first
        else:
            avals.extend(v.primitive.abstract(*v.operands))
            places[v.serial] = first
        equations.append(Equation(v.primitive, operands, tuple(range(first, len(avals)))))
    out = tuple([variables[v.serial] for v in outputs])
    return Program(len(inputs), tuple(constants), tuple(equations), out, tuple(avals))


def _collect(outputs: Any, inputs: Any, since: int) -> tuple[list[Any], list[Any]]:
    """Return the constants and the recorded Values behind ``outputs``, each oldest first."""
    constants: dict[int, Any] = {}
    recorded: dict[int, Any] = {}
    stack = [v for v in outputs if v.serial not in inputs]
    while stack:
        v = stack.pop()
        if v.serial in recorded or v.serial in constants:
            continue
        if v.serial <= since or v.primitive.name == "constant" or _settled(v):
            constants[v.serial] = v
            continue
        recorded[v.serial] = v
        stack.extend([o for o in v.operands if o.serial not in inputs])
    return (
        [constants[s] for s in sorted(constants)],
        [recorded[s] for s in sorted(recorded)],
    )


def _settled(v: Any) -> bool:
    """Whether ``v`` can only be a constant.

    It has been computed, and its history was let go or must not run again.
    """
    if v.buffer is None:
        return False
    if v.trace is None or not v.trace.open:
        return True
    maker = v.operands[0].primitive if type(v.primitive) is Output else v.primitive
    if maker.effect and maker.nondifferentiable is None:
        raise TraceError(
            f"{v.trace.name}: {maker} has an effect and was evaluated inside the function that is "
            f"traced, which would run it again; evaluate its result outside"
        )
    return bool(maker.effect)


def inline(program: Program, arrays: Sequence[Any]) -> list[Any]:
    """Record the equations of ``program`` on ``arrays``; return its outputs as arrays."""
    env: list[Any] = [*arrays, *[wrap(c) for c in program.constants]]
    for primitive, operands, _ in program.equations:
        made = apply(primitive, tuple([env[v] for v in operands]))
        if isinstance(made, tuple):
            env.extend(made)
        else:
            env.append(made)
    return [env[v] for v in program.outputs]


def trace_program(
    function: Callable[..., Any], avals: Sequence[Any], placeholder: Callable[..., Any]
) -> Program:
    """Return the Program of ``function`` on placeholders of ``avals``; it returns arrays."""
    since = last_serial()
    inputs = [placeholder(a.shape, a.dtype, None) for a in avals]
    made = function(*[wrap(v) for v in inputs])
    outputs = made if isinstance(made, tuple) else (made,)
    return capture(inputs, [o.value for o in outputs], since)
