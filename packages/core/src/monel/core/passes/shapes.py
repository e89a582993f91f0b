"""Replay at other shapes: a Program whose inputs have new avals, each equation's inferred anew."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.avals import AbstractArray
from ..base.program import Equation, Program


def with_shapes(program: Program, in_avals: Sequence[AbstractArray]) -> Program:
    """Return ``program`` for inputs of ``in_avals``, primitive by primitive.

    Raises:
      ShapeError: A primitive holds a shape (a reshape to a fixed one, say) that no longer fits.
    """
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
