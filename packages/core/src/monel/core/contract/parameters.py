"""The parameters of a primitive as numbers, in the order that monel/kernel.h promises."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from ..base.dtypes import dtype_named
from ..base.errors import BackendError


class Numbers(NamedTuple):
    """The parameters of a primitive as a C kernel gets them."""

    ints: list[int]
    floats: list[float]


def flatten_parameters(p: Any) -> Numbers:
    """Return the parameters of ``p`` in the order of its fields.

    By the annotation of the field: ``int``, ``bool``, a dtype (its code) are one int; ``float`` is
    one float, ``complex`` two; a tuple is its length, an int, and its entries; a ``str`` is the
    tuple of its bytes in UTF-8; of a union an int first says which member of the annotation
    follows, counted from 0, and ``None`` is nothing more.

    Raises:
      BackendError: A parameter is something else: a Program, a function, data.
    """
    numbers = Numbers([], [])
    cls: Any = type(p)
    for name, form in _forms(cls):
        value = getattr(p, name)
        try:
            _flatten(form, value, numbers)
        except (TypeError, ValueError):
            raise BackendError(
                f"{p.name}: the parameter {name!r}, {ast.unparse(form)}, cannot be given to a "
                f"native kernel: it takes numbers, dtypes, strings, and tuples of them"
            ) from None
    return numbers


@cache
def _forms(cls: Any) -> tuple[tuple[str, ast.expr], ...]:
    """Return the parameters of a class of primitives with their annotations."""
    return tuple((name, _form(cls, name)) for name in cls.fields)


def _form(cls: Any, name: str) -> ast.expr:
    for base in cls.__mro__:
        annotation = inspect.get_annotations(base).get(name)
        if annotation is not None:
            text = annotation if isinstance(annotation, str) else _spelled(annotation)
            # A name that a module gives to a type, as Sizes to tuple[int, ...].
            alias = vars(sys.modules[base.__module__]).get(text)
            if alias is not None and not isinstance(alias, type):
                text = _spelled(alias)
            return ast.parse(text, mode="eval").body
    raise KeyError(name)


def _spelled(annotation: Any) -> str:
    """Return an annotation as it would be written."""
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    return annotation.__name__ if plain else str(annotation)


def _flatten(form: ast.expr, value: Any, to: Numbers) -> None:
    """Append ``value``, annotated by ``form``; raises what Python does where it does not fit."""
    if isinstance(form, ast.BinOp):
        members = list(_members(form))
        place = next((i for i, m in enumerate(members) if _holds(m, value)), None)
        if place is None:
            raise TypeError
        to.ints.append(place)
        _flatten(members[place], value, to)
    elif isinstance(form, ast.Subscript) and _word(form) == "tuple":
        entries = form.slice.elts if isinstance(form.slice, ast.Tuple) else [form.slice]
        alike = isinstance(entries[-1], ast.Constant) and entries[-1].value is ...
        to.ints.append(len(value))
        forms = entries[:1] * len(value) if alike else entries
        for entry, member in zip(forms, value, strict=True):
            _flatten(entry, member, to)
    elif not (isinstance(form, ast.Constant) and form.value is None):
        _flatten_word(_word(form), value, to)


def _flatten_word(word: str, value: Any, to: Numbers) -> None:
    """Append ``value`` of the type called ``word``, which is no tuple and no union."""
    if word in ("int", "bool"):
        to.ints.append(_int64(int(value)))
    elif word == "float":
        to.floats.append(float(value))
    elif word == "complex":
        to.floats.extend((complex(value).real, complex(value).imag))
    elif word == "Dtype":
        to.ints.append(dtype_named(value.name).code)
    elif word == "str":
        data = value.encode()
        to.ints.extend((len(data), *data))
    else:
        raise TypeError


def _members(form: ast.expr) -> Iterator[ast.expr]:
    """Yield the members of a union from left to right."""
    if isinstance(form, ast.BinOp):
        yield from _members(form.left)
        yield from _members(form.right)
    else:
        yield form


def _holds(form: ast.expr, value: Any) -> bool:
    """Whether a member of a union is the type of ``value``."""
    none = isinstance(form, ast.Constant) and form.value is None
    return value is None if none else type(value).__name__ == _word(form)


def _word(form: ast.expr) -> str:
    """Return the name of a type without its parameters and the module that it is taken from."""
    return ast.unparse(form).partition("[")[0].rpartition(".")[2]


def _int64(value: int) -> int:
    """Return an integer of 64 bits; one that only uint64 holds has the same bits."""
    if not -(2**63) <= value < 2**64:
        raise ValueError
    return value - 2**64 if value >= 2**63 else value
