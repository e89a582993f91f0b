"""A Program with effects, and the rest of it, which can be computed again without them.

Primitives that hold Programs hold effects, too. Their outputs are results, and behind these, from
output ``asked`` on, what their effects returned; ``quiet`` gives the primitive without effects,
which takes that as further operands.
"""

from __future__ import annotations

from typing import Any

from ..base.errors import MissingRuleError
from ..base.program import Equation, Program
from .rewrite import prune


def effect_results(program: Program) -> list[int]:
    """Return the variables in which the effects of ``program`` leave results."""
    effects = [e for e in program.equations if e.primitive.effect and not e.primitive.eager]
    return [v for e in effects for v in e.outputs[_asked(e.primitive) :]]


def _asked(primitive: Any) -> int:
    """Return how many outputs of a primitive with an effect are no results of effects."""
    asked: int = getattr(primitive, "asked", primitive.outputs)
    return asked


def with_effect_results(program: Program) -> Program:
    """Return ``program`` with the results of its effects as further outputs."""
    return Program(
        program.inputs,
        program.constants,
        program.equations,
        (*program.outputs, *effect_results(program)),
        program.avals,
    )


def without_effects(program: Program, outputs: int) -> Program:
    """Return what gives the first ``outputs`` of ``program`` from its inputs and effect results."""
    given = effect_results(program)
    at = program.inputs
    env = {v: v for v in range(at)}
    env.update({v: at + i for i, v in enumerate(given)})
    avals = [*program.avals[:at], *[program.avals[v] for v in given]]
    for i in range(len(program.constants)):
        env[at + i] = len(avals)
        avals.append(program.avals[at + i])
    equations = []
    for primitive, operands, made in program.equations:
        if primitive.effect:
            asked = _asked(primitive)
            if not asked:
                continue
            primitive = primitive.quiet()
            operands, made = (*operands, *made[asked:]), made[:asked]
        named = tuple(range(len(avals), len(avals) + len(made)))
        avals.extend([program.avals[v] for v in made])
        equations.append(Equation(primitive, tuple([env[v] for v in operands]), named))
        env.update(zip(made, named, strict=True))
    return prune(
        Program(
            at + len(given),
            program.constants,
            tuple(equations),
            tuple([env[v] for v in program.outputs[:outputs]]),
            tuple(avals),
        )
    )


def silenced(program: Program, name: str) -> Program:
    """Return ``program``, the body of ``name``, without the effects of which nothing is asked.

    Raises:
      MissingRuleError: It has other effects.
    """
    quiet = without_effects(program, len(program.outputs))
    if quiet.inputs != program.inputs:
        raise MissingRuleError(
            f"{name}: an effect in it returns a result, and the derivative would repeat it; take "
            f"the effect out, or use mx.scan"
        )
    return quiet
