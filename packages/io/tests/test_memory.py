"""What opening reads, and what loading and saving take of memory."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import monel.core as mx
from monel.core.base import storage

LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks /proc")
MIB = 1 << 20


def make(path, count: int, shape) -> None:
    """A file of ``count`` arrays of float32, each written as it is made."""
    name, arrays = str(path), {f"a{i}": mx.full(shape, i, mx.float32) for i in range(count)}
    if name.endswith(".npy"):
        mx.save(name, arrays["a0"])
    elif name.endswith(".npz"):
        mx.savez(name, **arrays)
    elif name.endswith(".gguf"):
        mx.save_gguf(name, arrays)
    else:
        mx.save_safetensors(name, arrays)


KINDS = ["npy", "npz", "safetensors", "safetensors.index.json", "gguf"]


@pytest.mark.parametrize("kind", KINDS)
def test_opening_reads_headers_only(tmp_path, monkeypatch, kind):
    """As many bytes are read of a file with large arrays as of one with small ones."""
    read = []
    fill = storage.Source._fill

    def counting(source, offset, out):
        read[-1] += out.nbytes
        fill(source, offset, out)

    monkeypatch.setattr(storage.Source, "_fill", counting)
    for size in (100_000, 1_000_000):
        path = tmp_path / f"{size}.{kind}"
        make(path, 3, (size,))
        read.append(0)
        mx.load(path)
    # Digits more in a header; GGUF has a buffer of 256 KiB, the end of a zip archive is 64 KiB.
    assert abs(read[0] - read[1]) < 64
    assert read[1] < 400_000


USED = """
import sys
import monel.core as mx
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) << 10
def evaluated(path):
    got = mx.load(path)
    mx.eval(got)
    return got
warm = evaluated(sys.argv[1])
open("/proc/self/clear_refs", "w").write("5")
before = peak()
"""
LOADING = "got = evaluated(sys.argv[2]); print(peak() - before)"
SAVING = """
a = mx.full((32 << 20,), 1.0, mx.float32)
mx.eval(a)
before = peak()
kind = sys.argv[2]
if kind == "npy": mx.save("out.npy", a)
elif kind == "npz": mx.savez("out.npz", a=a)
elif kind == "gguf": mx.save_gguf("out.gguf", {"a": a})
else: mx.save_safetensors("out." + kind, {"a": a})
print(peak() - before)
"""


def used(code: str, *arguments, cwd) -> int:
    command = [sys.executable, "-c", USED + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"), [*((kind, 1) for kind in KINDS), ("safetensors", 8), ("npz", 8)]
)
def test_loading_takes_the_data_and_at_most_64_mib(tmp_path, kind, count):
    path, small = tmp_path / f"a.{kind}", tmp_path / f"small.{kind}"
    make(small, 1, (100,))
    make(path, count, ((128 << 20) // 4 // count,))
    assert used(LOADING, small, path, cwd=tmp_path) <= (128 + 64) * MIB


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["compressed", "fortran", "swapped"])
def test_loading_what_is_stored_otherwise_takes_no_more(tmp_path, kind):
    path, small = tmp_path / f"a.{kind}", tmp_path / "small.npy"
    a = np.zeros((32, 1 << 20), ">f4" if kind == "swapped" else "<f4")
    with open(path, "wb") as file:
        if kind == "compressed":
            np.savez_compressed(file, a)
        else:
            np.save(file, np.asfortranarray(a) if kind == "fortran" else a)
    np.save(small, a[:1, :1])
    assert used(LOADING, small, path, cwd=tmp_path) <= (128 + 64) * MIB


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_saving_takes_at_most_64_mib(tmp_path, kind):
    make(tmp_path / "small.npy", 1, (100,))
    assert used(SAVING, tmp_path / "small.npy", kind, cwd=tmp_path) <= 64 * MIB
