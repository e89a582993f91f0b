"""Saving by the name of a file, in this process or in one that something happens to.

python writers.py ACTION PATH [ARGUMENT...] prints what became of it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import monel.core as mx

KILLS = 50


def write(path, a: mx.array) -> None:
    """Save ``a``, and a second array where the format has names, to ``path``."""
    name = str(path)
    arrays = {"a": a, "b": a[:1]}
    if name.endswith(".npy"):
        mx.save(name, a)
    elif name.endswith(".compressed.npz"):
        mx.savez_compressed(name, **arrays)
    elif name.endswith(".npz"):
        mx.savez(name, **arrays)
    elif name.endswith(".json"):
        mx.save_safetensors(name, arrays, max_shard_size=1)
    elif name.endswith(".gguf"):
        mx.save_gguf(name, arrays)
    else:
        mx.save_safetensors(name, arrays)


def save(path, value: float, size: int = 4) -> None:
    """Save arrays of ``value``, of which each file's bytes differ from those of another value."""
    write(path, mx.full((size,), value, mx.float32))


def saved(path) -> set[float]:
    """Every value that is found in the file."""
    got = mx.load(path)
    arrays = [got] if isinstance(got, mx.array) else list(got.values())
    return {value for a in arrays for value in set(np.array(a).tolist())}


def limited(path: str) -> str:
    """Save more than the largest file that the process may write."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # Random bits, which do not deflate.
    a = mx.random.uniform(shape=(1_000_000,))
    mx.eval(a)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return refused(path, a)


def full(path: str) -> str:
    """Save more than the disk has room for."""
    return refused(path, mx.random.uniform(shape=(1_000_000,)))


def unprivileged(path: str) -> str:
    """Save as a user who may not write to the folder."""
    a = mx.ones(2)
    write(Path(path).parent / f"warm-{Path(path).name}", a)
    os.setgid(65534)
    os.setuid(65534)
    return refused(path, a)


def refused(path: str, a: mx.array) -> str:
    try:
        write(path, a)
    except OSError as error:
        return f"refused: {error.strerror}"
    return "written"


def repeatedly(path: str, value: str, times: str) -> str:
    """Save the same arrays again and again."""
    a = mx.full((20_000,), float(value), mx.float32)
    for _ in range(int(times)):
        write(path, a)
    return "written"


def killed(path: str) -> str:
    """Kill a process that saves at random moments; what is there after each must be whole."""
    arrays = [mx.full((100_000,), float(i), mx.float32) for i in range(2)]
    mx.eval(arrays)
    moments = random.Random(0)
    write(path, arrays[1])
    start = time.perf_counter()
    write(path, arrays[0])
    spent = time.perf_counter() - start
    seen = []
    for _ in range(KILLS):
        child = os.fork()
        if not child:
            endlessly(path, arrays)
        # From the first byte of the first save to somewhere in the third.
        time.sleep(moments.uniform(0, 3 * spent + 0.002))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        seen.append(saved(path))
        for left in Path(path).parent.glob(".monel-*.tmp"):
            left.unlink()
    mixed = [values for values in seen if values not in ({0.0}, {1.0})]
    return f"{len(seen)} kills, mixed: {mixed}, values: {sorted(set().union(*seen))}"


def endlessly(path: str, arrays: list[mx.array]) -> None:
    try:
        for i in range(1, 1_000_000):
            write(path, arrays[i % 2])
    finally:
        os._exit(1)


ACTIONS = {f.__name__: f for f in (limited, full, unprivileged, repeatedly, killed)}

if __name__ == "__main__":
    print(ACTIONS[sys.argv[1]](*sys.argv[2:]))
