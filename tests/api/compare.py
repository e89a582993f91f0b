"""Compare the public surface of monel with the inventory of MLX's, and print what is missing.

    python tests/api/compare.py

A name must exist. A callable must take every call that MLX's signature takes: the same parameters
in the same places, with the same defaults. Further optional parameters are allowed after these,
and a required one may have a default. Special methods of arrays are native slots: they must exist.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

INVENTORY = Path(__file__).with_name("mlx_0_32_4.json")
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def parsed(text: str) -> Signature:
    """The signature that ``text`` writes; defaults stay text, compared as such."""
    names: dict[str, Any] = {}
    scope = {"__builtins__": {}}
    source = f"def f{text}: pass"
    while True:
        try:
            exec(source, {**scope, **names}, found := {})
        except NameError as error:
            names[error.name] = Named(error.name)
        else:
            return inspect.signature(found["f"])


class Named:
    """A default that the inventory knows by name only, such as ``float32``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Named:
        return Named(f"{self.name}.{name}")

    def __repr__(self) -> str:
        return self.name


def shown(default: Any) -> str:
    """A default as text in which the two packages agree; a list and a tuple are one thing."""
    default = list(default) if isinstance(default, tuple) else default
    return repr(default).replace("monel.core.", "").replace("mlx.core.", "")


def differences(theirs: Signature, ours: Signature) -> Iterator[str]:
    """What a call that MLX takes would meet here."""
    mine = list(ours.parameters.values())
    names = {p.name: p for p in mine}
    kinds = {p.kind for p in mine}
    taken = set()
    for i, p in enumerate(theirs.parameters.values()):
        if p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            if p.kind not in kinds:
                yield f"takes no {p}"
            continue
        by_place = p.kind is Parameter.POSITIONAL_ONLY and i < len(mine)
        own = mine[i] if by_place else names.get(p.name)
        if own is None:
            yield f"lacks {p.name}"
            continue
        taken.add(own.name)
        if p.kind in POSITIONAL and Parameter.VAR_POSITIONAL not in kinds:
            if own.kind not in POSITIONAL or mine.index(own) != i:
                yield f"{p.name} is not positional parameter {i}"
        if p.kind is not Parameter.POSITIONAL_ONLY and own.kind is Parameter.POSITIONAL_ONLY:
            yield f"{p.name} cannot be given by name"
        yield from default_differences(p, own)
    for own in mine:
        packed = own.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        if own.default is own.empty and own.name not in taken and not packed:
            yield f"requires {own.name}"


def default_differences(theirs: Parameter, ours: Parameter) -> Iterator[str]:
    """Whether a parameter that MLX gives a default has the same one here."""
    if theirs.default is theirs.empty:
        return
    if ours.default is ours.empty:
        yield f"{theirs.name} has no default"
    elif theirs.default is not ... and shown(theirs.default) != shown(ours.default):
        yield f"{theirs.name} defaults to {shown(ours.default)}, not {shown(theirs.default)}"


def compared(place: str, want: Any, got: Any) -> Iterator[str]:
    """Differences between one entry of the inventory and the object of that name."""
    if isinstance(want, dict):
        for name, member in want.items():
            yield from compared_member(f"{place}.{name}", member, got, name)
    elif want is not None and want.startswith("("):
        yield from compared_calls(place, want, parsed(want), got)


def compared_member(place: str, want: Any, cls: type, name: str) -> Iterator[str]:
    """Differences of one member of a class; of special methods only the constructor is compared."""
    if not has(cls, name):
        if place not in EXCEPTIONS:
            yield f"{place}: missing"
    elif want not in (None, "property") and (name == "__init__" or not name.startswith("__")):
        theirs = parsed(want)
        if name == "__init__":
            own = cls
            if any(p.kind is Parameter.VAR_POSITIONAL for p in theirs.parameters.values()):
                return  # it cannot be constructed in MLX
        else:
            own = inspect.getattr_static(cls, name)
        bound = not isinstance(own, staticmethod)
        if bound:
            theirs = theirs.replace(parameters=list(theirs.parameters.values())[1:])
        yield from compared_calls(place, want, theirs, own, bound and name != "__init__")


def compared_calls(
    place: str, want: str, theirs: Signature, own: Any, bound: bool = False
) -> Iterator[str]:
    """Differences in what two callables take; of a ``bound`` one the first parameter is given."""
    own = getattr(own, "__func__", own)
    try:
        ours = inspect.signature(own)
    except (TypeError, ValueError):
        yield f"{place}: states no signature"
        return
    mine = ours.replace(parameters=list(ours.parameters.values())[bound:])
    for text in differences(theirs, mine):
        yield f"{place}: {text}; MLX: {want}; here: {ours}"


# Members of the inventory that are not in monel, with the reason.
EXCEPTIONS = {
    "core.array.__setstate__": "arrays are pickled by __reduce__, which needs no half-made array"
}


def has(cls: type, name: str) -> bool:
    """Whether instances of a class have an attribute: of the class, or one that it annotates."""
    return hasattr(cls, name) or any(name in getattr(c, "__annotations__", {}) for c in cls.__mro__)


def report(inventory: Path = INVENTORY) -> list[str]:
    """Every difference, one a line."""
    lines: list[str] = []
    for path, names in json.loads(inventory.read_text())["modules"].items():
        try:
            module = importlib.import_module(f"monel.{path}")
        except ModuleNotFoundError:
            lines.append(f"{path}: missing, with {', '.join(names)}")
            continue
        for name, want in names.items():
            if hasattr(module, name):
                lines += compared(f"{path}.{name}", want, getattr(module, name))
            else:
                lines.append(f"{path}.{name}: missing")
    return lines


def main() -> int:
    lines = report()
    entries = json.loads(INVENTORY.read_text())["modules"]
    count = sum(
        1 + (len(v) if isinstance(v, dict) else 0) for m in entries.values() for v in m.values()
    )
    print(*lines, sep="\n")
    print(f"{count} names and members of MLX compared; {len(lines)} missing or different")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
