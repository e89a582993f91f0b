"""The processes that are measured, side by side on the same two cores."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
THREADS = 2
LIBRARIES = {
    "monel": "monel.core",
    "mlx": "mlx.core",
    "torch": "torch",
    "jax": "jax",
    "numpy": "numpy",
    "safetensors": "safetensors.numpy",
}
POOLS = ("OMP", "MKL", "OPENBLAS", "MONEL", "VECLIB_MAXIMUM")


def installed(library: str) -> bool:
    """Whether a library can be measured here."""
    top, _, rest = LIBRARIES[library].partition(".")
    return bool(find_spec(top)) and bool(not rest or find_spec(LIBRARIES[library]))


def environment() -> dict[str, str]:
    """Two threads for every pool that asks the environment."""
    pools = {f"{pool}_NUM_THREADS": str(THREADS) for pool in POOLS}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **pools, **quiet}


def two_cores() -> None:
    """Bind this process, and all that it starts, to as many cores as there are threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


class Peer:
    """A worker process; `version` is that of its library."""

    def __init__(self, library: str) -> None:
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        answer = self.answer()
        self.version = answer.get("version", "?")

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer; a process that died answers with an error."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": f"the process of {self.library} has ended"}
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            return {"error": f"the process of {self.library} ended with status {code}"}
        return json.loads(line)

    def close(self) -> None:
        """End the process; one that has ended by itself is no error here."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=60)


def import_times(libraries: list[str], rounds: int) -> dict[str, float]:
    """Seconds that importing each library takes, beyond starting Python; medians of rounds."""
    times: dict[str, list[float]] = {library: [] for library in libraries}
    for _ in range(rounds):
        empty = start_python("pass")
        for library, spent in times.items():
            spent.append(max(start_python(f"import {LIBRARIES[library]}") - empty, 0.0))
    return {library: statistics.median(spent) for library, spent in times.items()}


def start_python(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
    return time.perf_counter() - start
