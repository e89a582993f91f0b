"""The differences that are meant: rows of the page "Differences from MLX"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# The head of the tables that are read; the page's other tables are for people alone.
HEAD = ["function", "what differs", "why"]


class Row(NamedTuple):
    """Patterns of functions and of what differs in them, in which * is anything; the reason."""

    functions: tuple[str, ...]
    texts: tuple[str, ...]
    reason: str

    def matches(self, function: str, text: str) -> bool:
        return fits(self.functions, function) and fits(self.texts, text)


def fits(patterns: tuple[str, ...], text: str) -> bool:
    return any(re.fullmatch(".*".join(map(re.escape, p.split("*"))), text) for p in patterns)


def rows(page: str) -> list[Row]:
    """The rows of every table that begins with ``HEAD``. A row that cannot be read is an error."""
    found: list[Row] = []
    inside = False
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells == HEAD:
            inside = True
        elif inside and not set("".join(cells)) <= set("-: "):
            found.append(row(cells, number))
    return found


def row(cells: list[str], number: int) -> Row:
    """One row: patterns stand between backticks, and no cell is empty."""
    if len(cells) != len(HEAD):
        raise ValueError(f"line {number}: {len(cells)} cells, not {len(HEAD)}: {cells}")
    functions, texts = (tuple(re.findall(r"`([^`]+)`", cell)) for cell in cells[:2])
    if not (functions and texts and cells[2]):
        raise ValueError(f"line {number}: a function, what differs and why must be given: {cells}")
    return Row(functions, texts, cells[2])


def unused(table: Iterable[Row], used: set[Row]) -> list[Row]:
    """The rows that were about no difference of a run."""
    return [r for r in table if r not in used]
