"""A Program with effects, and the rest of it, which can be computed again without them."""

from __future__ import annotations

from ..base.errors import MissingRuleError
from ..base.program import Equation, Program
from .rewrite import prune


def with_effect_results(program: Program) -> Program:
    """Return ``program`` with the results of its effects as further outputs."""
    return Program(
        program.inputs,
        program.constants,
        program.equations,
        (*program.outputs, *_effect_results(program)),
        program.avals,
    )


def _effect_results(program: Program) -> list[int]:
    return [v for e in program.equations if e.primitive.effect for v in e.outputs]


def without_effects(program: Program, outputs: int) -> Program:
    """Return what gives the first ``outputs`` of ``program`` from its inputs and effect results.

    Raises:
      MissingRuleError: An effect stands inside of something that has a derivative.
    """
    given = _effect_results(program)
    at, shift = program.inputs, len(given)
    env = {v: v for v in range(at)}
    env.update({v: at + i for i, v in enumerate(given)})
    avals = [*program.avals[:at], *[program.avals[v] for v in given]]
    for i in range(len(program.constants)):
        env[at + i] = len(avals)
        avals.append(program.avals[at + i])
    equations = []
    for primitive, operands, made in program.equations:
        if primitive.effect:
            if primitive.nondifferentiable is None:
                raise MissingRuleError(
                    f"{primitive.name}: it holds an effect and can't be computed again for a "
                    f"derivative without repeating it; take the effect out of it"
                )
            continue
        named = tuple(range(len(avals), len(avals) + len(made)))
        avals.extend([program.avals[v] for v in made])
        equations.append(Equation(primitive, tuple([env[v] for v in operands]), named))
        env.update(zip(made, named, strict=True))
    return prune(
        Program(
            at + shift,
            program.constants,
            tuple(equations),
            tuple([env[v] for v in program.outputs[:outputs]]),
            tuple(avals),
        )
    )
