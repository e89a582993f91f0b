"""Replay at other shapes: a Program whose inputs have new avals, each equation's inferred anew."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.avals import AbstractArray
from ..base.errors import ShapeError
from ..base.program import Equation, Program


def with_shapes(program: Program, in_avals: Sequence[AbstractArray]) -> Program:
    """Return ``program`` for inputs of ``in_avals``, primitive by primitive.

    Raises:
      ShapeError: A primitive holds a shape (a reshape to a fixed one, say) that no longer fits.
    """
    if len(in_avals) != program.inputs:
        raise ShapeError(f"{len(in_avals)} inputs are given to a program of {program.inputs}")
    avals: list[AbstractArray] = [*in_avals]
    avals.extend(program.avals[program.inputs : program.inputs + len(program.constants)])
    equations = []
    for primitive, operands, outputs in program.equations:
        old = [program.avals[v] for v in operands]
        new = [avals[v] for v in operands]
        if primitive.shape_dependent and old != new:
            primitive = primitive.replayed(old, new)
        out = primitive.abstract(*new)
        avals.extend(out if type(out) is tuple else (out,))
        equations.append(Equation(primitive, operands, outputs))
    return Program(
        program.inputs, program.constants, tuple(equations), program.outputs, tuple(avals)
    )


def check_broadcasts(function: str, old: Program, new: Program) -> None:
    """Raise ``ShapeError`` where ``new``, a replay of ``old``, broadcasts other axes.

    What was recorded holds the derivative of the broadcasts of its time, and no others: a gradient
    would have a wrong shape. An axis that has become 1 beside another 1 broadcasts nothing.
    """
    for number, (primitive, operands, outputs) in enumerate(old.equations):
        kept = _BROADCASTING.get(primitive.name)
        if kept is None and not primitive.elementwise:
            continue
        wide, wider = (p.avals[outputs[0]].shape for p in (old, new))
        for v in operands:
            before, after = (p.avals[v].shape for p in (old, new))
            for axis in range(1 + (kept or 0), len(before) + 1):
                spread = before[-axis] == 1 != wide[-axis]
                spreads = after[-axis] == 1 != wider[-axis]
                if spread != spreads and not (spread and after[-axis] == 1):
                    shapes = ", ".join(str(a) for a in new.in_avals)
                    raise ShapeError(
                        f"{function}: with inputs of {shapes} equation {number} ({primitive}) "
                        f"broadcasts axes that it did not when it was traced; export a trace with "
                        f"such shapes, too"
                    )


# Primitives that broadcast besides the elementwise ones, and how many last axes they don't.
_BROADCASTING = {"matmul": 2, "broadcast_like": 0}
