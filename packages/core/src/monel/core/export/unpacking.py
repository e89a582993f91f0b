"""Programs from plain data that came from anyone: every part is checked.

A primitive judges its parameters in ``abstract``; what it makes must be what the data state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..base import program as programs
from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import DTYPES
from ..base.errors import MonelError
from ..base.program import Equation, Program, ProgramError
from ..graph.primitive import REGISTRY
from ..primitives.create import constant
from .packing import SCHEMA, programs_in
from .parameters import hints_of, matches

_DTYPES = {dtype.name: dtype for dtype in DTYPES}
_LARGEST_INTEGER = 2**63
_DEEPEST = 48
_AVAL = re.compile(r"([a-z]+[0-9]*)\[((?:[0-9]{1,19}(?:,[0-9]{1,19}){0,63})?)\]")


def from_dict(data: Any, primitives: Mapping[str, Any] | None = None) -> Program:
    """``Program.from_dict``."""
    check_schema(data)
    constants = unpack_constants(field(data, "constants", list), _in_memory)
    return Unpacker(constants, primitives).program(field(data, "program", dict))


def check_schema(data: Any) -> None:
    """Raise ``ProgramError`` unless ``data`` says that it is of this version."""
    version = field(data, "schema", int)
    if version != SCHEMA:
        raise wrong(
            data,
            f"it has schema version {version}, and this version of monel reads {SCHEMA}; "
            f"export it again",
        )


def unpack_constants(data: list[Any], load: Callable[[Any, AbstractArray], Any]) -> list[Any]:
    """Return the Values of the common constants; ``load(data, aval)`` makes each."""
    made = []
    for tensor in data:
        aval = _aval_in(tensor, field(tensor, "aval", str))
        held = tensor.get("data")
        size = aval.size * aval.dtype.size
        try:
            length = len(held)
        except TypeError:
            raise wrong(tensor, "a constant has no data") from None
        if length != size:
            raise wrong(tensor, f"a constant of {aval} has {length} bytes of data, not {size}")
        made.append(load(held, aval))
    return made


def _in_memory(data: Any, aval: AbstractArray) -> Any:
    if not isinstance(data, bytes):
        raise ProgramError(f"a constant's data must be bytes, got {type(data).__name__}")
    return constant(data, aval.shape, aval.dtype)


class Unpacker:
    """Turns data into Programs, trusting nothing."""

    def __init__(self, constants: list[Any], primitives: Mapping[str, Any] | None = None) -> None:
        self.constants = constants
        self.primitives = REGISTRY if primitives is None else primitives
        self._depth = 0

    def program(self, data: Any) -> Program:
        """Return a Program whose every equation its primitive agrees to."""
        inputs = [_aval_in(data, a) for a in field(data, "inputs", list)]
        held = [self._constant(data, place) for place in field(data, "constants", list)]
        avals = inputs + [c.aval for c in held]
        equations = [
            self._equation(number, item, avals)
            for number, item in enumerate(field(data, "equations", list))
        ]
        outputs = self._variables(data, "outputs", len(avals))
        return Program(len(inputs), tuple(held), tuple(equations), outputs, tuple(avals))

    def _constant(self, data: Any, place: Any) -> Any:
        if type(place) is not int or not 0 <= place < len(self.constants):
            raise wrong(data, f"there is no constant {place!r}")
        return self.constants[place]

    def _variables(self, data: Any, name: str, defined: int) -> tuple[int, ...]:
        variables = field(data, name, list)
        for v in variables:
            if type(v) is not int or not 0 <= v < defined:
                raise wrong(data, f"{name}: variable {v!r} is not defined")
        return tuple(variables)

    def _equation(self, number: int, data: Any, avals: list[AbstractArray]) -> Equation:
        operands = self._variables(data, "operands", len(avals))
        stated = [_aval_in(data, a) for a in field(data, "outputs", list)]
        primitive = self._primitive(data)
        where = f"equation {number} ({primitive.name})"
        given = [avals[v] for v in operands]
        try:
            made = primitive.abstract(*given)
            fits = _bodies_fit(primitive, given)
        except Exception as error:  # a rule of any plugin, given parameters of anyone
            raise wrong(data, f"{where}: {type(error).__name__}: {error}") from error
        if not fits:
            raise wrong(data, f"{where}: its bodies are not for {', '.join(map(str, given))}")
        found = list(made) if type(made) is tuple else [made]
        if found != stated:
            raise wrong(
                data,
                f"{where}: it makes {', '.join(map(str, found))}, "
                f"but {', '.join(map(str, stated))} is stated",
            )
        first = len(avals)
        avals.extend(stated)
        return Equation(primitive, operands, tuple(range(first, len(avals))))

    def _primitive(self, data: Any) -> Any:
        name = field(data, "primitive", str)
        cls = self.primitives.get(name)
        if cls is None or cls.placeholder or name == "output":
            raise wrong(data, f"there is no primitive {name!r}; install the plugin that defines it")
        given = field(data, "parameters", dict)
        hints = hints_of(cls)
        parameters = {}
        for key, raw in given.items():
            hint = hints.get(key)
            if hint is None:
                raise wrong(data, f"{name} has no parameter {key!r}")
            parameters[key] = value = self._parameter(data, raw)
            if not matches(value, hint):
                raise wrong(data, f"{name}: parameter {key!r} can't be {_brief(value)}")
        try:
            return cls(**parameters)
        except Exception as error:
            raise wrong(data, f"{name}: {type(error).__name__}: {error}") from error

    def _parameter(self, data: Any, raw: Any) -> Any:
        if self._depth == _DEEPEST:
            raise wrong(data, f"parameters are nested more than {_DEEPEST} deep")
        self._depth += 1
        try:
            return self._nested(data, raw)
        finally:
            self._depth -= 1

    def _nested(self, data: Any, raw: Any) -> Any:
        if isinstance(raw, list):
            return tuple([self._parameter(data, item) for item in raw])
        if isinstance(raw, bool) or not isinstance(raw, dict | int):
            return raw
        if isinstance(raw, int):
            if not -_LARGEST_INTEGER <= raw < 2 * _LARGEST_INTEGER:
                raise wrong(data, f"the number {raw} has more than 64 bits")
            return raw
        if len(raw) != 1:
            raise wrong(data, f"a parameter holds the keys {sorted(map(str, raw))}")
        ((kind, held),) = raw.items()
        if kind == "program" and isinstance(held, dict):
            return self.program(held)
        if kind == "dtype" and isinstance(held, str) and held in _DTYPES:
            return _DTYPES[held]
        if kind == "aval":
            return _aval_in(data, held)
        if kind == "complex" and isinstance(held, list) and [*map(type, held)] == [float, float]:
            return complex(*held)
        raise wrong(data, f"a parameter can't be a {kind!r} of {_brief(held)}")


def wrong(part: Any, reason: str) -> ProgramError:
    """Return the error for ``part`` of some data, which the reader of a file knows the place of."""
    error = ProgramError(f"Program.from_dict: {reason}")
    error.part = part
    return error


def field(data: Any, name: str, kind: type) -> Any:
    found = data.get(name) if isinstance(data, Mapping) else None
    if type(found) is not kind and not (kind is dict and isinstance(found, Mapping)):
        raise wrong(data, f"{name!r} must be a {kind.__name__}, got {_brief(found)}")
    return found


def _aval_in(data: Any, text: Any) -> AbstractArray:
    """Return the aval that prints as ``text``."""
    found = _AVAL.fullmatch(text) if isinstance(text, str) and len(text) <= 1024 else None
    if found is None:
        raise wrong(data, f"an aval must be like 'float32[2,3]', got {_brief(text)}")
    name, dimensions = found.groups()
    if name not in _DTYPES:
        raise wrong(data, f"there is no dtype {name!r}")
    made = AbstractArray(
        tuple(map(int, dimensions.split(",") if dimensions else ())), _DTYPES[name]
    )
    try:
        check_shape("Program.from_dict", made.shape, made.dtype.size)
    except MonelError as error:
        raise wrong(data, str(error)) from error
    return made


def _bodies_fit(primitive: Any, given: list[AbstractArray]) -> bool:
    """Whether the Programs inside ``primitive`` take what its operands give them."""
    held = list(programs_in(primitive.parameters.values()))
    if not held:
        return True
    again = programs_in(primitive.replayed(given, given).parameters.values())
    return all(a.in_avals == b.in_avals for a, b in zip(held, again, strict=True))


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


programs.install(from_dict=from_dict)
