"""Program: the one intermediate form for everything that is kept.

Static single assignment over numbered variables: the inputs come first, then the constants, then
the outputs of the equations in order. A variable is its number; ``avals[n]`` says what it holds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .avals import AbstractArray

__all__ = ["Equation", "Program", "ProgramError"]


class ProgramError(ValueError):
    """A Program that breaks its own rules; a bug of whoever made it."""


class Equation(NamedTuple):
    """One application of a primitive: ``outputs = primitive(operands)``."""

    primitive: Any
    operands: tuple[int, ...]
    outputs: tuple[int, ...]


class Program:
    """A function over arrays, recorded once: inputs, constants, equations, outputs.

    Attributes:
      inputs: How many inputs there are; they are variables ``0 .. inputs - 1``.
      constants: Values held by the program; they are the next variables.
      equations: The work, in an order in which it can run.
      outputs: The variables that are returned.
      avals: Shape and dtype of every variable.
    """

    __slots__ = (
        "_fingerprint",
        "avals",
        "constants",
        "equations",
        "inputs",
        "out_avals",
        "outputs",
    )

    def __init__(
        self,
        inputs: int,
        constants: tuple[Any, ...],
        equations: tuple[Equation, ...],
        outputs: tuple[int, ...],
        avals: tuple[AbstractArray, ...],
    ) -> None:
        self.inputs = inputs
        self.constants = constants
        self.equations = equations
        self.outputs = outputs
        self.avals = avals
        self.out_avals = tuple([avals[v] for v in outputs])
        self._fingerprint: str | None = None

    @property
    def effect(self) -> bool:
        """Whether an equation has an effect."""
        return any(equation.primitive.effect for equation in self.equations)

    @property
    def in_avals(self) -> tuple[AbstractArray, ...]:
        return self.avals[: self.inputs]

    def reference(self, *inputs: Any) -> tuple[Any, ...]:
        """Compute the outputs by the NumPy definitions of the equations, one after another."""
        env = [*inputs, *[c.primitive.reference() for c in self.constants]]
        for primitive, operands, _ in self.equations:
            made = primitive.reference(*[env[v] for v in operands])
            env.extend([made] if primitive.outputs == 1 else made)
        return tuple([env[v] for v in self.outputs])

    def verify(self) -> None:
        """Raise ``ProgramError`` unless each variable is defined once, before it is used."""
        defined = self.inputs + len(self.constants)
        for number, (primitive, operands, outputs) in enumerate(self.equations):
            if any(not 0 <= v < defined for v in operands):
                raise ProgramError(f"equation {number} ({primitive}) uses an undefined variable")
            if outputs != tuple(range(defined, defined + len(outputs))):
                raise ProgramError(
                    f"equation {number} ({primitive}) defines {outputs} out of order"
                )
            defined += len(outputs)
        if len(self.avals) != defined:
            raise ProgramError(f"{len(self.avals)} avals for {defined} variables")
        if any(not 0 <= v < defined for v in self.outputs):
            raise ProgramError("an output is undefined")

    @property
    def fingerprint(self) -> str:
        """A digest of equations and avals; constants enter by shape, dtype and identity."""
        if self._fingerprint is None:
            import hashlib

            constants = ",".join(str(id(c)) for c in self.constants)
            text = f"{self}\n{constants}"
            self._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return self._fingerprint

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        return (
            self.inputs == other.inputs
            and self.equations == other.equations
            and self.outputs == other.outputs
            and self.avals == other.avals
            and len(self.constants) == len(other.constants)
            and all(a is b for a, b in zip(self.constants, other.constants, strict=True))
        )

    def __hash__(self) -> int:
        return hash((self.inputs, len(self.equations), self.outputs))

    def __str__(self) -> str:
        names = [_name(i) for i in range(len(self.avals))]

        def typed(variables: Any) -> str:
            return ", ".join(f"{names[v]}: {self.avals[v]}" for v in variables)

        first = self.inputs + len(self.constants)
        lines = [f"program({typed(range(self.inputs))}) {{"]
        lines += [f"  constant {typed([v])}" for v in range(self.inputs, first)]
        for primitive, operands, outputs in self.equations:
            used = " ".join(names[v] for v in operands)
            lines.append(f"  {typed(outputs)} = {primitive} {used}".rstrip())
        lines.append(f"  return {', '.join(names[v] for v in self.outputs)}")
        return "\n".join([*lines, "}"])

    __repr__ = __str__


def _name(number: int) -> str:
    """a, b, ..., z, ba, bb, ...: the variables' names in print."""
    letters = ""
    while True:
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
        if number == 0:
            return letters
