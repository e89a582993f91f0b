"""Inlining: bodies of custom functions and checkpoints, and what a backend has no kernel for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.program import Program
from .rewrite import Rewriter, prune, with_constants


def decompose(program: Program, expansion: Callable[[Any, Any], Program | None]) -> Program:
    """Replace each equation by ``expansion(primitive, operand avals)``, until that is None."""
    while True:
        made = _once(program, expansion)
        if made is program:
            return program
        program = made


# They hand on their operands; in a whole Program nothing is left to order or to keep apart.
_PASSING = {"identity", "stop_gradient", "depends"}


def without_passing(program: Program) -> Program:
    """Return ``program`` without equations whose outputs are their operands."""
    if not any(e.primitive.name in _PASSING for e in program.equations):
        return program
    rewriter = Rewriter(program)
    for equation in program.equations:
        if equation.primitive.name in _PASSING:
            for v, operand in zip(equation.outputs, equation.operands):
                rewriter.env[v] = rewriter.env[operand]
        else:
            rewriter.copy(equation)
    return rewriter.finish()


def _once(program: Program, expansion: Callable[[Any, Any], Program | None]) -> Program:
    bodies: dict[int, Program] = {}
    for number, (primitive, operands, _) in enumerate(program.equations):
        body = expansion(primitive, tuple([program.avals[v] for v in operands]))
        if body is not None:
            bodies[number] = body
    if not bodies:
        return program
    extra = [c for body in bodies.values() for c in body.constants]
    program, places = with_constants(program, extra)
    rewriter = Rewriter(program)
    supply = iter(places)
    for number, equation in enumerate(program.equations):
        body = bodies.get(number)
        if body is None:
            rewriter.copy(equation)
            continue
        env = [rewriter.env[v] for v in equation.operands]
        env.extend(rewriter.env[next(supply)] for _ in body.constants)
        for primitive, operands, outputs in body.equations:
            avals = [body.avals[v] for v in outputs]
            env.extend(rewriter.add(primitive, tuple([env[v] for v in operands]), avals))
        for v, inner in zip(equation.outputs, body.outputs, strict=True):
            rewriter.env[v] = env[inner]
    return prune(rewriter.finish())
