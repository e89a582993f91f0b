"""The rows of the safetensors library, with NumPy's arrays."""

from __future__ import annotations

from importlib.metadata import version

import files
from safetensors.numpy import load_file, save_file


def load(library: str) -> str:
    return version(library)


def to_numpy(out):
    return files.read_back(out) if isinstance(out, str) else files.last(out)


def read(p):
    path = str(p["path"])
    return lambda: load_file(path)


def write(p, sync=False):
    arrays, path = files.content(int(p["mebibytes"])), f"{p['path']}.library.safetensors"

    def call():
        save_file(arrays, path)
        if sync:
            files.synced(path)
        return path

    return call


ROWS = {
    "io.load_safetensors_1g": read,
    "io.save_safetensors_1g": write,
    "io.save_safetensors_1g_synced": lambda p: write(p, sync=True),
}
