"""Say what is wrong with wheels and sdists of monel: `python tests/check_wheel.py FILE...`."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

NAMESPACES = ("monel/__init__.py", "monel/backends/__init__.py")
PAPERS = ("pyproject.toml", "README.md", "LICENSE", "PKG-INFO")
BUILT = (".so", ".pyd", ".o", ".pyc")
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


def sdist_problems(sdist: Path) -> Iterator[str]:
    """What an sdist must not hold, and what it must; names are below its one folder."""
    with tarfile.open(sdist) as archive:
        members = [member.name for member in archive.getmembers() if member.isfile()]
    names = [name.partition("/")[2] for name in members]
    for name in names:
        if name in [f"src/{namespace}" for namespace in NAMESPACES]:
            yield f"{name} would hide every other distribution"
        elif name.endswith(BUILT):
            yield f"{name} is a product of the build"
    for needed in PAPERS:
        if needed not in names:
            yield f"{needed} is missing"


def main(paths: list[str]) -> int:
    found = []
    for path in map(Path, paths):
        check = problems if path.suffix == ".whl" else sdist_problems
        found += [f"{path}: {problem}" for problem in check(path)]
    print("\n".join(found) or f"{len(paths)} file(s) in order")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
