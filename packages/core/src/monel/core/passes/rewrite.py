"""Rewriter: builds one Program from another, equation by equation."""

from __future__ import annotations

from typing import Any

from ..base.program import Equation, Program


class Rewriter:
    """Copies ``program`` while renaming variables; ``env`` maps old variables to new ones."""

    def __init__(self, program: Program) -> None:
        self.source = program
        self.inputs = program.inputs
        self.constants: list[Any] = list(program.constants)
        self.avals: list[Any] = list(program.avals[: program.inputs + len(program.constants)])
        self.equations: list[Equation] = []
        self.env: dict[int, int] = {v: v for v in range(len(self.avals))}
        self._added: list[tuple[Any, Any]] = []

    def add(self, primitive: Any, operands: tuple[int, ...], out_avals: Any) -> tuple[int, ...]:
        """Append an equation on new variables; return the variables that it defines."""
        first = len(self.avals)
        self.avals.extend(out_avals)
        outputs = tuple(range(first, len(self.avals)))
        self.equations.append(Equation(primitive, operands, outputs))
        return outputs

    def copy(self, equation: Equation) -> None:
        """Append an equation of the source under its new names."""
        operands = tuple([self.env[v] for v in equation.operands])
        avals = [self.source.avals[v] for v in equation.outputs]
        made = self.add(equation.primitive, operands, avals)
        self.env.update(zip(equation.outputs, made, strict=True))

    def finish(self) -> Program:
        """Return the Program, without equations that nothing needs."""
        outputs = tuple([self.env[v] for v in self.source.outputs])
        return prune(
            Program(
                self.inputs,
                tuple(self.constants),
                tuple(self.equations),
                outputs,
                tuple(self.avals),
            )
        )


def with_constants(program: Program, extra: list[Any]) -> tuple[Program, list[int]]:
    """Return ``program`` with further constants, and the variables that they became."""
    at = program.inputs + len(program.constants)
    shift = len(extra)

    def moved(v: int) -> int:
        return v if v < at else v + shift

    equations = tuple(
        Equation(p, tuple(map(moved, operands)), tuple(map(moved, outputs)))
        for p, operands, outputs in program.equations
    )
    avals = (*program.avals[:at], *[c.aval for c in extra], *program.avals[at:])
    made = Program(
        program.inputs,
        (*program.constants, *extra),
        equations,
        tuple(map(moved, program.outputs)),
        avals,
    )
    return made, list(range(at, at + shift))


def prune(program: Program) -> Program:
    """Drop equations and constants that no output or effect needs, and number anew."""
    needed = set(program.outputs)
    kept = []
    for equation in reversed(program.equations):
        if equation.primitive.effect or any(v in needed for v in equation.outputs):
            kept.append(equation)
            needed.update(equation.operands)
    kept.reverse()
    env = {v: v for v in range(program.inputs)}
    avals = list(program.avals[: program.inputs])
    constants = []
    for i, constant in enumerate(program.constants):
        v = program.inputs + i
        if v in needed:
            env[v] = len(avals)
            avals.append(program.avals[v])
            constants.append(constant)
    equations = []
    for primitive, operands, outputs in kept:
        first = len(avals)
        avals.extend(program.avals[v] for v in outputs)
        named = tuple(range(first, len(avals)))
        env.update(zip(outputs, named, strict=True))
        equations.append(Equation(primitive, tuple([env[v] for v in operands]), named))
    return Program(
        program.inputs,
        tuple(constants),
        tuple(equations),
        tuple([env[v] for v in program.outputs]),
        tuple(avals),
    )
