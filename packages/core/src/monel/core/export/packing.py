"""Programs as plain data: for files of functions and for whole-program compilers.

Plain data are dicts with str keys, lists, str, bytes, bool, int, float and None. Arrays that
several Programs hold, those inside parameters included, stand once in one list of constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..base import program as programs
from ..base.avals import AbstractArray
from ..base.dtypes import Dtype
from ..base.program import Equation, Program, ProgramError
from ..execute.kernels import decomposition
from ..files import contents
from ..graph import value as graph
from ..graph.primitive import record_values
from ..passes.decompose import decompose
from ..passes.rewrite import Rewriter, with_constants
from .parameters import PLAIN, unfit

SCHEMA = 1


class Packer:
    """Turns Programs into data that share one list of constants."""

    def __init__(self) -> None:
        self.constants: list[Any] = []
        self._places: dict[int, int] = {}

    def program(self, program: Program) -> dict[str, Any]:
        """Return the data of a portable Program; its constants are entered in the common list."""
        return {
            "inputs": [str(a) for a in program.in_avals],
            "constants": [self._place(c) for c in program.constants],
            "equations": [self._equation(program, e) for e in program.equations],
            "outputs": list(program.outputs),
        }

    def tensors(self) -> list[dict[str, Any]]:
        """Return the constants with their elements; each is evaluated."""
        for value in self.constants:
            graph.evaluate(value)
        return [{"aval": str(v.aval), "data": contents(v)} for v in self.constants]

    def _place(self, value: Any) -> int:
        place = self._places.get(value.serial)
        if place is None:
            place = self._places[value.serial] = len(self.constants)
            self.constants.append(value)
        return place

    def _equation(self, program: Program, equation: Equation) -> dict[str, Any]:
        primitive, operands, outputs = equation
        return {
            "primitive": primitive.name,
            "parameters": {k: self._parameter(p) for k, p in primitive.parameters.items()},
            "operands": list(operands),
            "outputs": [str(program.avals[v]) for v in outputs],
        }

    def _parameter(self, parameter: Any) -> Any:
        if parameter is None or isinstance(parameter, PLAIN):
            return parameter
        if isinstance(parameter, AbstractArray):
            return {"aval": str(parameter)}
        if isinstance(parameter, tuple):
            return [self._parameter(p) for p in parameter]
        if isinstance(parameter, Dtype):
            return {"dtype": parameter.name}
        if isinstance(parameter, complex):
            return {"complex": [parameter.real, parameter.imag]}
        return {"program": self.program(parameter)}


def to_dict(program: Program) -> dict[str, Any]:
    """``Program.to_dict``."""
    packer = Packer()
    data = packer.program(portable(program))
    held = [dict(tensor, data=bytes(tensor["data"])) for tensor in packer.tensors()]
    return {"schema": SCHEMA, "constants": held, "program": data}


def portable(program: Program) -> Program:
    """Return ``program`` in primitives whose parameters are plain data or portable Programs.

    Raises:
      ProgramError: A primitive with other parameters does not decompose.
    """
    program = decompose(_settled(program), _expansion)
    if not any(_holds_programs(e) for e in program.equations):
        return program
    equations = tuple([_with_portable_programs(e) for e in program.equations])
    return Program(program.inputs, program.constants, equations, program.outputs, program.avals)


def _expansion(primitive: Any, avals: Any) -> Program | None:
    """Return what stands in for a primitive whose parameters are no plain data."""
    wrong = unfit(primitive)
    if not wrong:
        return None
    body = getattr(primitive, "program", None)
    if isinstance(body, Program):
        return body
    if primitive.effect or primitive.decompose is None:
        raise ProgramError(
            f"{primitive.name} can't be exported: its parameter {wrong[0]!r} is a Python object; "
            f"leave it out of the exported function"
        )
    return decomposition(primitive, avals)


def _settled(program: Program) -> Program:
    """Return ``program`` with what has no operands and no plain parameters, such as an array that
    is read from a file, as constants."""
    made: dict[int, Any] = {}
    for primitive, operands, outputs in program.equations:
        if not operands and unfit(primitive) and not primitive.effect and len(outputs) == 1:
            made[outputs[0]] = record_values(primitive, ())
    if not made:
        return program
    wider, places = with_constants(program, list(made.values()))
    rewriter = Rewriter(wider)
    becomes = dict(zip(made, places, strict=True))
    for equation in wider.equations:
        old = equation.outputs[0] - len(made)
        if old in becomes:
            rewriter.env[equation.outputs[0]] = becomes[old]
        else:
            rewriter.copy(equation)
    return rewriter.finish()


def programs_in(parameters: Iterable[Any]) -> Iterator[Program]:
    """Yield the Programs among ``parameters`` and inside their tuples."""
    for p in parameters:
        if isinstance(p, Program):
            yield p
        elif isinstance(p, tuple):
            yield from programs_in(p)


def _holds_programs(equation: Equation) -> bool:
    return next(programs_in(equation.primitive.parameters.values()), None) is not None


def _with_portable_programs(equation: Equation) -> Equation:
    primitive = equation.primitive
    parameters = {k: _portable_parameter(p) for k, p in primitive.parameters.items()}
    return equation._replace(primitive=type(primitive)(**parameters))


def _portable_parameter(parameter: Any) -> Any:
    if isinstance(parameter, Program):
        return portable(parameter)
    if type(parameter) is tuple:
        return tuple([_portable_parameter(p) for p in parameter])
    return parameter


programs.install(to_dict=to_dict)
