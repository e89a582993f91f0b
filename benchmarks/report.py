"""The table of a run, and its file."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def spell(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= size or unit == "ns":
            return f"{seconds / size:.3g} {unit}"
    return "0"


def best_peer(cells: dict[str, Any]) -> tuple[str, float] | None:
    """The fastest library beside monel."""
    times = {k: v for k, v in cells.items() if k != "monel" and isinstance(v, float)}
    return min(times.items(), key=lambda item: item[1]) if times else None


def ratio(cells: dict[str, Any]) -> float | None:
    """monel's time over the best peer's: below one is ahead."""
    best = best_peer(cells)
    return cells["monel"] / best[1] if best and isinstance(cells.get("monel"), float) else None


def cell(value: Any) -> str:
    if isinstance(value, float):
        return spell(value)
    return "" if value is None else "[red]failed[/red]"


def show(results: dict[str, dict[str, Any]], versions: dict[str, str], console: Console) -> None:
    """Print the table, what failed, and the summary."""
    table = Table(title="lower quartile of interleaved rounds, 2 threads each")
    table.add_column("row")
    for library, version in versions.items():
        table.add_column(f"{library} {version}", justify="right")
    table.add_column("best peer")
    table.add_column("monel / best", justify="right")
    for row, cells in results.items():
        best, times = best_peer(cells), ratio(cells)
        colour = "green" if times and times <= 1 else "yellow" if times and times <= 1.5 else "red"
        table.add_row(
            row,
            *[cell(cells.get(library)) for library in versions],
            best[0] if best else "",
            f"[{colour}]{times:.2f}[/{colour}]" if times else "",
        )
    console.print(table)
    for row, cells in results.items():
        for library, value in cells.items():
            if isinstance(value, str):
                console.print(f"{row}, {library}: {value}", style="red", markup=False)
    ratios = [r for r in map(ratio, results.values()) if r is not None]
    if ratios:
        ahead, behind = sum(r <= 1 for r in ratios), sum(r > 1.5 for r in ratios)
        console.print(
            f"{len(ratios)} rows: ahead of the best peer in {ahead}, "
            f"behind by more than 1.5 times in {behind}"
        )


def write(results: dict[str, dict[str, Any]], versions: dict[str, str]) -> Path:
    """Store a run as JSON, with the machine that it ran on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    machine = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    rows = {row: {**cells, "ratio": ratio(cells)} for row, cells in results.items()}
    path.write_text(
        json.dumps({"machine": machine, "versions": versions, "rows": rows}, indent=1) + "\n"
    )
    return path
