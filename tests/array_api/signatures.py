"""Write down the functions of the array API standard and their signatures, as JSON.

    python tests/array_api/signatures.py > tests/array_api/standard_2024_12.json

They are those of array-api-strict, which has what the standard has and nothing else.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

import array_api_strict as standard

VERSION = "2024.12"


def written(function: Any) -> str:
    """A signature without annotations; defaults that are no literals stand for themselves."""
    found = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    text = str(inspect.Signature(bare))
    return re.sub(r"<[^>]*(?:'[^']*')?[^>]*>", "None", text)


def table() -> dict[str, dict[str, str]]:
    """Signatures by part of the standard: functions, linalg, fft, and members of an array."""
    standard.set_array_api_strict_flags(api_version=VERSION)
    spaces = {"functions": standard, "linalg": standard.linalg, "fft": standard.fft}
    found = {part: signatures(space) for part, space in spaces.items()}
    found["array"] = members(type(standard.zeros(1)))
    return found


def signatures(space: Any) -> dict[str, str]:
    """The functions of a namespace."""
    return {
        name: written(getattr(space, name))
        for name in sorted(space.__all__)
        if inspect.isfunction(getattr(space, name)) and "array_api_strict" not in name
    }


def members(cls: type) -> dict[str, str]:
    """The methods and properties of an array."""
    left_out = ("__init__", "__new__", "__module__", "__doc__", "__dict__", "__weakref__")
    found = {}
    for name, member in sorted(vars(cls).items()):
        public = not name.startswith("_") or (name.startswith("__") and name not in left_out)
        if public and (inspect.isfunction(member) or isinstance(member, property)):
            found[name] = written(member) if inspect.isfunction(member) else "property"
    return found


if __name__ == "__main__":
    json.dump(table(), sys.stdout, indent=1)
    sys.stdout.write("\n")
