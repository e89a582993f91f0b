"""Measure monel beside its peers: each in its own process, interleaved, outputs checked first.

python benchmarks/run.py [SUBSTRING...]     rows whose name holds one of these; all by default
python benchmarks/run.py headline           the naive loop of 4096 additions against vmap
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from headline import headline
from peers import LIBRARIES, Peer, import_times, installed, two_cores
from report import show, write
from rich.console import Console
from rich.progress import track
from rows import ROWS, Row

IMPORT = "startup.import"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="substrings of row names, or 'headline'")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds a row")
    parser.add_argument("--seconds", type=float, default=0.1, help="time a library has in a round")
    parser.add_argument("--libraries", default=",".join(LIBRARIES), help="comma-separated")
    return parser.parse_args()


def chosen(name: str, wanted: list[str]) -> bool:
    return not wanted or any(part in name for part in wanted)


def difference(out: np.ndarray, want: np.ndarray) -> float:
    """Largest difference relative to the largest entry; infinite where shapes differ."""
    if out.shape != want.shape or not np.all(np.isfinite(out)):
        return float("inf")
    return float(np.max(np.abs(out - want)) / max(float(np.max(np.abs(want))), 1e-30))


def lower_quartile(times: list[float]) -> float:
    """A quarter of the batches were faster: other work on the machine weighs little on it."""
    return statistics.quantiles(times, n=4)[0] if len(times) > 1 else times[0]


def prepare(row: Row, peers: list[Peer], folder: Path) -> dict[str, Any]:
    """Check every library's output against float64; what may be timed is left without a cell."""
    inputs = row.inputs(np.random.default_rng(zlib.crc32(row.name.encode())))
    want = row.oracle(inputs)
    np.savez(folder / "inputs.npz", **inputs)
    cells: dict[str, Any] = {}
    for peer in peers:
        output = folder / f"{peer.library}.npy"
        files = {"inputs": str(folder / "inputs.npz"), "output": str(output)}
        answer = peer.ask("check", row=row.name, calls=row.calls, **files)
        if "missing" in answer:
            cells[peer.library] = None
        elif "error" in answer:
            cells[peer.library] = answer["error"]
        elif (error := difference(np.load(output), want)) > row.tolerance:
            cells[peer.library] = f"differs from float64 by {error:.2g}, allowed {row.tolerance:g}"
    return cells


def measure(row: Row, peers: list[Peer], folder: Path, rounds: int, seconds: float) -> dict:
    """Time a row in rounds, in each of which every library has its turn."""
    cells = prepare(row, peers, folder)
    timed = [peer for peer in peers if peer.library not in cells]
    times: dict[str, list[float]] = {peer.library: [] for peer in timed}
    for number in range(rounds):
        turn = number % max(len(timed), 1)
        for peer in timed[turn:] + timed[:turn]:
            answer = peer.ask("time", seconds=seconds)
            if "times" in answer:
                times[peer.library] += answer["times"]
            else:
                cells[peer.library] = answer["error"]
    for peer in peers:
        peer.ask("drop")
        if peer.library not in cells:
            cells[peer.library] = lower_quartile(times[peer.library]) / row.per
    return {peer.library: cells[peer.library] for peer in peers}


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 150)
    two_cores()
    libraries = [name for name in options.libraries.split(",") if installed(name)]
    if "headline" in options.rows:
        return headline(libraries, console)
    peers = [Peer(library) for library in libraries]
    results: dict[str, dict[str, Any]] = {}
    rows = [row for row in ROWS if chosen(row.name, options.rows)]
    with tempfile.TemporaryDirectory() as folder:
        for row in track(rows, "measuring", console=console, disable=not console.is_terminal):
            results[row.name] = measure(row, peers, Path(folder), options.rounds, options.seconds)
    for peer in peers:
        peer.close()
    if chosen(IMPORT, options.rows):
        results[IMPORT] = dict(import_times(libraries, options.rounds))
    versions = {peer.library: peer.version for peer in peers}
    show(results, versions, console)
    console.print(f"written to {write(results, versions)}")
    return int(any(isinstance(v, str) for cells in results.values() for v in cells.values()))


if __name__ == "__main__":
    sys.exit(main())
