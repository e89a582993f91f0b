"""Say what is wrong with a wheel of monel: `python tests/check_wheel.py WHEEL...`."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

NAMESPACES = ("monel/__init__.py", "monel/backends/__init__.py")
LEFTOVERS = ("tests/", "src/", "changes/", "build/")


def problems(wheel: Path) -> Iterator[str]:
    """What a wheel of a PEP 420 portion must not hold, and what it must."""
    names = zipfile.ZipFile(wheel).namelist()
    for name in NAMESPACES:
        if name in names:
            yield f"{name} would hide every other distribution"
    for name in names:
        if name.startswith(LEFTOVERS):
            yield f"{name} is no part of the product"
        elif not name.startswith("monel/") and ".dist-info/" not in name:
            yield f"{name} lies outside the namespace"
        elif name.endswith((".c", ".cpp", ".o")):
            yield f"{name} is a product of the build"
    if not any(name.endswith("/py.typed") for name in names):
        yield "py.typed is missing"
    if not any(name.endswith("/licenses/LICENSE") for name in names):
        yield "LICENSE is missing"


def main(paths: list[str]) -> int:
    found = [f"{path}: {problem}" for path in paths for problem in problems(Path(path))]
    print("\n".join(found) or f"{len(paths)} wheel(s) in order")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
