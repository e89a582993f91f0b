"""Program: the one intermediate form for everything that is kept.

Static single assignment over numbered variables: the inputs come first, then the constants, then
the outputs of the equations in order. A variable is its number; ``avals[n]`` says what it holds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .avals import AbstractArray
from .errors import MonelError

__all__ = ["Equation", "Program", "ProgramError"]


class ProgramError(MonelError, ValueError):
    """A Program that breaks its own rules, or data of which no Program can be made.

    Attributes:
      part: The piece of the data that is wrong, where the Program was made of data.
    """

    part: Any = None


class Equation(NamedTuple):
    """One application of a primitive: ``outputs = primitive(operands)``."""

    primitive: Any
    operands: tuple[int, ...]
    outputs: tuple[int, ...]


class Doors:
    """What a Program needs from the modules above it, filled once by their ``install``.

    Attributes:
      call: (program, arrays) -> tuple of arrays.
      to_dict: (program) -> plain data.
      from_dict: (data, primitives) -> Program.
    """

    call: Callable[..., Any]
    from_dict: Callable[..., Any]
    to_dict: Callable[..., Any]

    __slots__ = ("call", "from_dict", "to_dict")


doors = Doors()


def install(**functions: Any) -> None:
    """Fill doors by name; called once by each module that stands above."""
    for name, function in functions.items():
        setattr(doors, name, function)


class Program:
    """A function over arrays, recorded once: inputs, constants, equations, outputs.

    ``mx.make_program`` makes one of a function. It prints readably, compares, verifies itself and
    serialises. Called with arrays it records its equations on them and returns a tuple of arrays.

    Attributes:
      inputs: How many inputs there are; they are variables ``0 .. inputs - 1``.
      constants: Values held by the program; they are the next variables.
      equations: The work, in an order in which it can run.
      outputs: The variables that are returned.
      avals: Shape and dtype of every variable.
      in_avals, out_avals: Those of the inputs and of the outputs.
    Example:
      >>> import monel.core as mx
      >>> program = mx.make_program(lambda x: mx.exp(x) + x)(mx.array([0.0, 1.0]))
      >>> [str(equation.primitive) for equation in program.equations]
      ['Exp', 'Add']
      >>> program(mx.array([0.0, 0.0]))
      (array([1, 1], dtype=float32),)
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

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        """Return the outputs for ``arrays``, which must have the avals of the inputs.

        Raises:
          ValueError: Another number of arrays, or another shape or dtype.
        """
        return doors.call(self, arrays)

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
        """Raise ``ProgramError`` unless the Program keeps its own rules.

        Each variable is defined once, before it is used, and what an equation defines has the avals
        that its primitive gives for its operands.
        """
        defined = self.inputs + len(self.constants)
        self._verify_constants(defined)
        for number, (primitive, operands, outputs) in enumerate(self.equations):
            where = f"equation {number} ({primitive})"
            if any(not 0 <= v < defined for v in operands):
                raise ProgramError(f"{where} uses an undefined variable")
            if outputs != tuple(range(defined, defined + len(outputs))):
                raise ProgramError(f"{where} defines {outputs} out of order")
            defined += len(outputs)
            if len(self.avals) < defined:
                raise ProgramError(f"{len(self.avals)} avals for more variables")
            made = primitive.abstract(*[self.avals[v] for v in operands])
            avals = made if type(made) is tuple else (made,)
            if avals != self.avals[defined - len(outputs) : defined]:
                raise ProgramError(f"{where} makes {', '.join(map(str, avals))}, the avals differ")
        if len(self.avals) != defined:
            raise ProgramError(f"{len(self.avals)} avals for {defined} variables")
        if any(not 0 <= v < defined for v in self.outputs):
            raise ProgramError("an output is undefined")

    def _verify_constants(self, end: int) -> None:
        if len(self.avals) < end:
            raise ProgramError(f"{len(self.avals)} avals for {end} inputs and constants")
        for held, aval in zip(self.constants, self.avals[self.inputs : end], strict=True):
            if held.aval != aval:
                raise ProgramError(f"a constant of {held.aval} has the aval {aval}")

    @property
    def fingerprint(self) -> str:
        """A digest of the Program: equal Programs of one process have equal ones.

        Parameters and small constants enter by value; large constants, and parameters that have no
        value of their own, such as callables, by identity.
        """
        if self._fingerprint is None:
            import hashlib

            parts = (
                self.avals,
                self.inputs,
                self.outputs,
                [(p.name, _identity(p.parameters), ops) for p, ops, _ in self.equations],
                [_content(c) for c in self.constants],
            )
            self._fingerprint = hashlib.sha256(repr(parts).encode()).hexdigest()
        return self._fingerprint

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        return (
            self.inputs == other.inputs
            and self.outputs == other.outputs
            and self.avals == other.avals
            and self.equations == other.equations
            and all(
                a is b or _content(a) == _content(b)
                for a, b in zip(self.constants, other.constants, strict=True)
            )
        )

    def __hash__(self) -> int:
        return hash((self.inputs, len(self.equations), self.outputs))

    def to_dict(self) -> dict[str, Any]:
        """Return the Program as dicts, lists, str, numbers and bytes, with a schema version.

        Constants are evaluated, and their elements stand under ``"constants"`` as bytes. Equations
        whose parameters hold Python objects, such as the rules of a ``mx.custom_function``, are
        replaced by what they decompose into.

        Raises:
          ProgramError: A primitive with such parameters does not decompose.
        Example:
          >>> import monel.core as mx
          >>> data = mx.make_program(mx.exp)(mx.array([0.0, 1.0])).to_dict()
          >>> data["program"]["equations"][0]["primitive"]
          'exp'
        """
        return doors.to_dict(self)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], primitives: Mapping[str, Any] | None = None
    ) -> Program:
        """Return the Program of what ``to_dict`` gave, every part of it checked.

        Args:
          data: What ``to_dict`` returned, from any source.
          primitives: Names to classes of primitives; by default those that are registered.
        Raises:
          ProgramError: Another schema version, an unknown primitive, a parameter of the wrong type,
            or avals that do not follow from each other.
        Example:
          >>> import monel.core as mx
          >>> program = mx.make_program(mx.exp)(mx.array([0.0, 1.0]))
          >>> mx.Program.from_dict(program.to_dict()) == program
          True
        """
        return doors.from_dict(data, primitives)

    def __str__(self) -> str:
        names = [variable_name(i) for i in range(len(self.avals))]

        def typed(variables: Any) -> str:
            return ", ".join(f"{names[v]}: {self.avals[v]}" for v in variables)

        first = self.inputs + len(self.constants)
        lines = [f"program({typed(range(self.inputs))}) {{"]
        for v, constant in zip(range(self.inputs, first), self.constants):
            lines.append(f"  constant {typed([v])}{_number_in(constant)}")
        for primitive, operands, outputs in self.equations:
            used = " ".join(names[v] for v in operands)
            lines.append(f"  {typed(outputs)} = {primitive} {used}".rstrip())
        lines.append(f"  return {', '.join(names[v] for v in self.outputs)}")
        return "\n".join([*lines, "}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The Program as a table, for notebooks."""
        from html import escape

        names = [variable_name(i) for i in range(len(self.avals))]
        first = self.inputs + len(self.constants)
        rows: list[tuple[str, str, tuple[int, ...]]]
        rows = [("input", "", (v,)) for v in range(self.inputs)]
        rows += [("constant", "", (v,)) for v in range(self.inputs, first)]
        rows += [
            (str(primitive), " ".join(names[v] for v in operands), outputs)
            for primitive, operands, outputs in self.equations
        ]
        body = "".join(
            f"<tr><td>{', '.join(names[v] for v in made)}</td>"
            f"<td>{', '.join(str(self.avals[v]) for v in made)}</td>"
            f"<td>{escape(work)}</td><td>{operands}</td></tr>"
            for work, operands, made in rows
        )
        head = "<tr><th>name</th><th>aval</th><th>made by</th><th>of</th></tr>"
        returned = ", ".join(names[v] for v in self.outputs)
        return f"<table>{head}{body}</table><p>returns {returned}</p>"


def _identity(parameter: Any) -> Any:
    """Return what stands for a parameter in a fingerprint."""
    if isinstance(parameter, Program):
        return parameter.fingerprint
    if isinstance(parameter, tuple | list):
        return [_identity(p) for p in parameter]
    if isinstance(parameter, dict):
        return [(key, _identity(p)) for key, p in parameter.items()]
    if isinstance(parameter, bool | int | float | complex | str | bytes | type(None)):
        return parameter
    return getattr(parameter, "name", None) or id(parameter)


def _number_in(constant: Any) -> str:
    """Return `` = 2`` for a constant that is one number at hand, else nothing."""
    data = getattr(constant.primitive, "data", None)
    form = constant.aval.dtype.format
    if data is None or constant.aval.shape or form is None or len(form) != 1:
        return ""
    (number,) = struct.unpack("=" + form, data)
    return f" = {number:g}" if isinstance(number, float) else f" = {number}"


def _content(constant: Any) -> Any:
    """Return what a constant is compared by: host data by value, computed arrays by identity."""
    data = getattr(constant.primitive, "data", None)
    if data is None:
        return constant.serial
    return str(constant.aval), bytes(data)


def variable_name(number: int) -> str:
    """a, b, ..., z, aa, ab, ...: the variables' names in print."""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters
