"""Parameters of primitives that data can hold: plain ones, as they are declared."""

from __future__ import annotations

import typing
from types import NoneType, UnionType
from typing import Any

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype
from ..base.program import Program

PLAIN: tuple[Any, ...] = (bool, int, float, str, bytes)


def unfit(primitive: Any) -> list[str]:
    """Return the parameters that data can't hold, or that differ from how they are declared."""
    declared = hints_of(type(primitive))
    return [
        name
        for name, p in primitive.parameters.items()
        if not (_is_plain(p) and matches(p, declared[name]))
    ]


def _is_plain(parameter: Any) -> bool:
    if isinstance(parameter, AbstractArray):
        return True
    if isinstance(parameter, tuple):
        return all(_is_plain(p) for p in parameter)
    return isinstance(parameter, (*PLAIN, complex, NoneType, Dtype, Program))


_hints: dict[Any, dict[str, Any]] = {}


def hints_of(cls: Any) -> dict[str, Any]:
    """Return the types that the parameters of ``cls`` are declared with."""
    found = _hints.get(cls)
    if found is None:
        declared = typing.get_type_hints(cls)
        found = _hints[cls] = {name: declared[name] for name in cls.fields}
    return found


def matches(value: Any, hint: Any) -> bool:
    """Whether ``value`` may stand where ``hint`` is declared."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, UnionType):
        return any(matches(value, choice) for choice in typing.get_args(hint))
    if origin is tuple:
        kinds = typing.get_args(hint)
        if not isinstance(value, tuple):
            return False
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            return all(matches(v, kinds[0]) for v in value)
        return len(kinds) == len(value) and all(map(matches, value, kinds))
    if hint is Any:
        # Declared for Python objects, which only None stands for in data.
        return value is None
    if hint is float:
        return type(value) in (float, int)
    return type(value) is (NoneType if hint is None else hint)
