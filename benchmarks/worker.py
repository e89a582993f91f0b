"""One library in its own process: prepares rows, gives their results, times them.

Reads one JSON object a line from standard input and answers each with one line:

    {"do": "check", "row": NAME, "inputs": FILE.npz, "output": FILE.npy, "calls": N}
    {"do": "time", "seconds": S}
    {"do": "drop"}
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

MODULES = {"monel": "mlx_like", "mlx": "mlx_like"}


class Worker:
    """The row that is prepared, and what to do with it."""

    def __init__(self, library: str) -> None:
        self.module: Any = importlib.import_module(
            f"libraries.{MODULES.get(library, f'{library}_rows')}"
        )
        self.version = self.module.load(library)
        self.call: Callable[[], Any] | None = None
        self.batch = 1

    def check(self, row: str, inputs: str, output: str, calls: int) -> dict[str, Any]:
        """Prepare a row, call it, and store what the last call gave."""
        if row not in self.module.ROWS:
            return {"missing": True}
        with np.load(inputs) as stored:
            self.call = self.module.ROWS[row](dict(stored))
        for _ in range(calls):
            out = self.call()
        np.save(output, self.module.to_numpy(out))
        self.batch = self.calibrate()
        return {"checked": True}

    def calibrate(self, least: float = 0.005) -> int:
        """So many calls in a row that the clock's own cost does not show."""
        batch = 1
        while (spent := self.spend(batch)) < least:
            batch = max(batch * 2, int(batch * least / max(spent, 1e-9)))
        return batch

    def spend(self, batch: int) -> float:
        call = self.call
        start = time.perf_counter()
        for _ in range(batch):
            call()
        return time.perf_counter() - start

    def time(self, seconds: float) -> dict[str, Any]:
        """Seconds a call, of each batch that fits into the time given; at least one."""
        gc.collect()
        end = time.perf_counter() + seconds
        times = [self.spend(self.batch) / self.batch]
        while time.perf_counter() < end:
            times.append(self.spend(self.batch) / self.batch)
        return {"times": times}

    def drop(self) -> dict[str, Any]:
        self.call = None
        gc.collect()
        return {}


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with contextlib.redirect_stdout(sys.stderr):  # libraries print what they like
        worker = Worker(sys.argv[1])
        print(json.dumps({"version": worker.version}), file=answers, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            action = getattr(worker, request.pop("do"))
            try:
                answer = action(**request)
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
