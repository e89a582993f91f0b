"""The files that the rows of `io` read and write, and how what was written is checked."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ARRAYS = 8
_folders: list[str] = []


def folder() -> Path:
    """A folder on the disk that goes with this process."""
    if not _folders:
        _folders.append(tempfile.mkdtemp(prefix="monel-bench-", dir=os.environ.get("BENCH_FOLDER")))
        atexit.register(shutil.rmtree, _folders[0])
    return Path(_folders[0])


def content(mebibytes: int) -> dict[str, np.ndarray]:
    """Arrays of float32 of which each element is the number of its array."""
    size = (mebibytes << 20) // 4 // ARRAYS
    return {f"a{i}": np.full(size, i, np.float32) for i in range(ARRAYS)}


def to_read(kind: str, mebibytes: int) -> dict[str, np.ndarray]:
    """Inputs of a row that reads: the path of a file, which has just been read once."""
    path = folder() / f"read-{mebibytes}.{kind}"
    if not path.exists():
        write(kind, path, content(mebibytes))
    path.read_bytes()
    return {"path": np.array(str(path))}


def write(kind: str, path: Path, arrays: dict[str, np.ndarray]) -> None:
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file(arrays, path)
    else:
        from gguf import GGUFWriter

        writer = GGUFWriter(path, "bench")
        for name, array in arrays.items():
            writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def to_write(kind: str, mebibytes: int) -> dict[str, np.ndarray]:
    """Inputs of a row that writes: how much, and the path, to which each library adds its name."""
    path = folder() / f"written-{mebibytes}"
    return {"mebibytes": np.array(mebibytes), "path": np.array(str(path)), "kind": np.array(kind)}


def read_back(path: str) -> np.ndarray:
    """The last element of each array of a file that was written, by another library's reader."""
    kind = path.rpartition(".")[2]
    if kind == "npz":
        with np.load(path) as arrays:
            return last({name: arrays[name] for name in arrays.files})
    if kind == "safetensors":
        from safetensors.numpy import load_file

        return last(load_file(path))
    from gguf import GGUFReader

    return last({t.name: t.data for t in GGUFReader(path).tensors})


def last(arrays: dict[str, Any]) -> np.ndarray:
    return np.array([float(arrays[f"a{i}"][-1]) for i in range(ARRAYS)])


def synced(path: str) -> None:
    """Wait until the disk has what was written, which monel's saving does by itself."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
