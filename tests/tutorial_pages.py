"""Find the examples of Markdown pages and of docstrings, and run them as doctests."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
OPTIONS = doctest.ELLIPSIS


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line number and text of each Python block of a page."""
    text = page.read_text()
    return [(text.count("\n", 0, m.start(1)), m.group(1)) for m in BLOCK.finditer(text)]


def examples(page: Path) -> doctest.DocTest:
    """All sessions of a page as one doctest: later blocks go on where earlier ones ended."""
    text = page.read_text().splitlines(keepends=True)
    keep = ["\n"] * len(text)
    for start, block in blocks(page):
        lines = block.splitlines(keepends=True)
        keep[start : start + len(lines)] = lines
    return doctest.DocTestParser().get_doctest("".join(keep), {}, page.name, str(page), 0)


def run(test: doctest.DocTest) -> str:
    """Run a doctest; the report of what failed, empty if nothing did."""
    report: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(test, out=report.append)
    return "".join(report)


def separated(text: str) -> str:
    """A docstring in which a blank line ends each example before the section that follows it."""
    lines: list[str] = []
    inside = -1
    for line in inspect.cleandoc(text).splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith(">>>"):
            inside = indent
        elif not line.strip():
            inside = -1
        elif indent < inside:
            lines.append("")
            inside = -1
        lines.append(line)
    return "\n".join(lines) + "\n"


def documented(owner: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Name and docstring of what is public in a module, and in its classes, and has examples."""
    names = getattr(owner, "__all__", None) or sorted(vars(owner))
    for name in names:
        thing = getattr(owner, name)
        text = getattr(thing, "__doc__", None)
        home = getattr(thing, "__module__", None) or ""
        foreign = isinstance(owner, ModuleType) and not home.startswith("monel.")
        if name.startswith("_") or not isinstance(text, str) or foreign:
            continue
        if isinstance(thing, type):
            yield from documented(thing, f"{prefix}.{name}")
        if ">>>" in text:
            yield f"{prefix}.{name}", separated(text)
