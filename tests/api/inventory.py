"""Write down the public names of the installed mlx, and their signatures, as JSON.

    python tests/api/inventory.py > tests/api/mlx_0_32_4.json

Only facts are kept: names, kinds, parameters and defaults; no prose. A name of a class maps to a
dict of its members. A callable maps to one signature of the form ``(a, /, axis=None, *, k)``, or
to None where it states none.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from types import ModuleType
from typing import Any

MODULES = (
    "core core.linalg core.fft core.random core.fast core.distributed core.metal core.cuda nn "
    "nn.losses nn.init nn.utils nn.layers.distributed optimizers utils"
).split()

# Of classes: what says nothing about how they are used.
MACHINERY = (
    "__annotations__ __delattr__ __dict__ __doc__ __getattr__ __module__ __nb_enum__ __new__ "
    "__qualname__ __setattr__ __weakref__"
).split()


def signature_of(function: Any) -> str | None:
    """One signature as text without annotations; None where the function states none."""
    stated = getattr(function, "__nb_signature__", None)
    if stated:
        return native_signature(*stated[0])
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    bare = [
        p.replace(annotation=p.empty, default=... if " at 0x" in repr(p.default) else p.default)
        for p in found.parameters.values()
    ]
    return str(inspect.Signature(bare)).replace("Ellipsis", "...")


def native_signature(text: str, _doc: str | None, defaults: tuple[Any, ...] | None) -> str:
    """The signature of a native function; ``\\0`` in its text stands for its first default."""
    inside = text[text.index("(") + 1 : closing(text, text.index("("))]
    kept = []
    for part in split(inside):
        name, _, default = without_annotation(part)
        number = re.fullmatch(r"\\(\d+)", default)
        if number and defaults:
            default = repr(defaults[int(number[1])])
        kept.append(f"{name}={default}" if default else name)
    return f"({', '.join(kept)})"


def without_annotation(part: str) -> tuple[str, str, str]:
    """Name, annotation and default of one parameter as it is written."""
    name, _, rest = part.partition(":")
    if not rest:
        name, _, rest = part.partition("=")
        return name.strip(), "", rest.strip()
    annotation, _, default = rest.partition(" = ")
    return name.strip(), annotation.strip(), default.strip()


def closing(text: str, start: int) -> int:
    """The place of the bracket that closes the one at ``start``."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if not depth:
            return i
    raise ValueError(f"no closing bracket in {text!r}")


def split(text: str) -> list[str]:
    """The parts of ``text`` between commas that no bracket encloses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def members(cls: type) -> dict[str, Any]:
    """What a class adds: its public members, and the special methods that it defines itself."""
    found: dict[str, Any] = {}
    for name, thing in vars(cls).items():
        if name.startswith("_") and not re.fullmatch(r"__\w+__", name):
            continue
        if name in MACHINERY:
            continue
        thing = thing.__func__ if isinstance(thing, staticmethod | classmethod) else thing
        found[name] = signature_of(thing) if callable(thing) else "property"
    return dict(sorted(found.items()))


def public(module: ModuleType, path: str) -> dict[str, Any]:
    """The public names that a module does not borrow, with signatures, members or kinds."""
    found: dict[str, Any] = {}
    for name, thing in sorted(vars(module).items()):
        special = name in ("__array_namespace_info__", "__version__")
        foreign = not getattr(thing, "__module__", path).startswith(path)
        if (name.startswith("_") and not special) or foreign:
            continue
        if isinstance(thing, ModuleType):
            if thing.__name__.startswith("mlx.core."):
                found[name] = "module"
        elif isinstance(thing, type):
            found[name] = members(thing)
        elif callable(thing) and type(thing).__name__ in ("nb_func", "function"):
            found[name] = signature_of(thing)
        else:
            found[name] = "constant"
    return found


def main() -> None:
    import mlx.core as mx

    table: dict[str, Any] = {"version": mx.__version__, "modules": {}}
    for path in MODULES:
        try:
            module = importlib.import_module(f"mlx.{path}")
        except ModuleNotFoundError:
            module = getattr(mx, path.removeprefix("core."))
        table["modules"][path] = public(module, f"mlx.{path}")
    json.dump(table, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
