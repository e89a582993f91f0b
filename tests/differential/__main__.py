"""Call every public function of monel.core and of MLX with the same arguments, and compare.

    python -m differential [--seed N] [--examples N] [--example N] [NAME ...]

Runs where mlx is installed. A difference that no row of docs/differences_from_mlx.md is about makes
the exit status 1; its line says which options make the call again.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import Any

import monel.core as ours

from .calls import Call, call_of, functions
from .children import Found, compared
from .recipes import FITTING_ONLY, RECIPES, fitting
from .table import Row, rows, unused

PAGE = Path(__file__).parents[2] / "docs" / "differences_from_mlx.md"
EXAMPLES = 40


def drawn(name: str, signature: str, seed: int, number: int) -> Call:
    """The call of this number: the same one for the same seed and name."""
    rng = random.Random(f"{seed} {name} {number}")
    if name in FITTING_ONLY or (name in RECIPES and rng.random() < 0.7):
        return fitting(rng, name)
    return call_of(rng, name, signature)


def chosen(names: list[str]) -> dict[str, str]:
    """The functions of these names, or all."""
    every = functions()
    unknown = [name for name in names if name not in every]
    if unknown:
        raise SystemExit(f"no function that is compared: {', '.join(unknown)}")
    return {name: s for name, s in every.items() if not names or name in names}


def line(found: Found, seed: int) -> str:
    """One difference: the options that make the call again, the call, and what differs."""
    return f"{found.name} --seed {seed} --example {found.number}\n  {found.call}\n  {found.text}"


def compare(options: argparse.Namespace, theirs: Any, table: list[Row]) -> int:
    """Compare, and print what differs. How many differences no row is about."""
    numbers = range(options.examples) if options.example is None else [options.example]
    names, used, listed, unlisted = chosen(options.names), set(), 0, 0
    for name, signature in names.items():
        calls = [(n, drawn(name, signature, options.seed, n)) for n in numbers]
        for found in compared(theirs, ours, calls):
            about = next((r for r in table if r.matches(name, found.text)), None)
            if about:
                used.add(about)
                listed += 1
            else:
                unlisted += 1
                print(line(found, options.seed), flush=True)
    if not options.names and len(numbers) >= EXAMPLES:
        for r in unused(table, used):
            print(f"no call differed as this row says: {' '.join(r.functions + r.texts)}")
    count = len(numbers) * len(names)
    print(f"{count} calls of {len(names)} functions, seed {options.seed}:")
    print(f"{listed} differ as the page says, {unlisted} do not")
    return unlisted


def main() -> int:
    import mlx.core as theirs

    parser = argparse.ArgumentParser(prog="differential")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="calls of each function")
    parser.add_argument("--example", type=int, help="the one call of this number")
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as sum or linalg.qr")
    return 1 if compare(parser.parse_args(), theirs, rows(PAGE.read_text())) else 0


if __name__ == "__main__":
    sys.exit(main())
