"""Constant folding: equations whose operands are all constants are computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.program import Program
from .rewrite import Rewriter, prune, with_constants

# Larger results are cheaper to compute again than to keep.
LARGEST = 4096

_NEVER = {"load", "host_call", "call"}


def fold_constants(program: Program, compute: Callable[[Any, list[Any]], Any]) -> Program:
    """Return ``program`` with equations of constants alone replaced by constants.

    ``compute(primitive, values)`` returns the evaluated Value of a primitive of one output.
    """
    known: dict[int, Any] = {
        program.inputs + i: constant for i, constant in enumerate(program.constants)
    }
    folded: dict[int, Any] = {}
    for primitive, operands, outputs in program.equations:
        if (
            len(outputs) == 1
            and operands
            and not primitive.effect
            and primitive.name not in _NEVER
            and program.avals[outputs[0]].size <= LARGEST
            and all(v in known for v in operands)
        ):
            value = compute(primitive, [known[v] for v in operands])
            known[outputs[0]] = folded[outputs[0]] = value
    if not folded:
        return program
    made, places = with_constants(program, list(folded.values()))
    shift = len(folded)
    rewriter = Rewriter(made)
    becomes = dict(zip(folded, places, strict=True))
    for equation in made.equations:
        old = equation.outputs[0] - shift
        if old in becomes:
            rewriter.env[equation.outputs[0]] = becomes[old]
        else:
            rewriter.copy(equation)
    return prune(rewriter.finish())
