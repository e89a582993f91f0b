"""Time device metal beside mlx on the same Mac: a line for each operation, and the ratio."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import mlx.core as theirs

import monel.core as ours

ROWS: dict[str, Callable[[Any, Any], Any]] = {
    "add 16M": lambda m, x: x["long"] + x["long"],
    "exp 16M": lambda m, x: m.exp(x["long"]),
    "sum 16M": lambda m, x: m.sum(x["long"]),
    "sum of rows 4096x4096": lambda m, x: m.sum(x["square"], axis=1),
    "softmax 4096x4096": lambda m, x: m.softmax(x["square"], axis=-1),
    "matmul 4096": lambda m, x: x["square"] @ x["square"],
    "sort 4096x4096": lambda m, x: m.sort(x["square"], axis=-1),
}


def seconds(module: Any, row: Callable[[Any, Any], Any]) -> float:
    """The best of ten runs, after one that compiles."""
    arrays = {
        "long": module.random.normal((1 << 24,)),
        "square": module.random.normal((4096, 4096)),
    }
    module.eval(*arrays.values())
    best = float("inf")
    for _ in range(11):
        start = time.perf_counter()
        module.eval(row(module, arrays))
        module.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    print(f"{'operation':24} {'monel, ms':>10} {'mlx, ms':>10} {'ratio':>6}")
    for name, row in ROWS.items():
        a, b = seconds(ours, row), seconds(theirs, row)
        print(f"{name:24} {a * 1e3:10.2f} {b * 1e3:10.2f} {a / b:6.2f}")


if __name__ == "__main__":
    main()
