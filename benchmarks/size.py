"""Lines of code by file and by distribution: `python benchmarks/size.py [--files]`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
KINDS = {".py", ".pxd", ".pyx", ".cpp", ".h", ".hpp", ".metal"}
LIMIT = 400


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def report(folder: Path, every_file: bool) -> int:
    """Print one folder: its total, and the files that are long."""
    files = [p for p in folder.rglob("*") if p.suffix in KINDS and "tests" not in p.parts]
    counts = {path: lines(path) for path in sorted(files)}
    tests = sum(lines(path) for path in (folder / "tests").rglob("*.py"))
    print(f"{sum(counts.values()):7} {tests:7}  {folder.relative_to(ROOT)}")
    for path, count in counts.items():
        if every_file or count > LIMIT:
            note = f"   more than {LIMIT}" if count > LIMIT else ""
            print(f"{count:15}    {path.relative_to(folder)}{note}")
    return sum(counts.values()) + tests


def main() -> None:
    print("   code   tests")
    folders = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
    total = sum(report(folder, "--files" in sys.argv) for folder in folders)
    print(f"{total:7}          in all")


if __name__ == "__main__":
    main()
