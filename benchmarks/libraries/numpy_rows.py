"""The rows in NumPy: those that need neither derivatives, compilation nor bfloat16."""

from __future__ import annotations

from typing import Any

import files
import numpy as np


def load(library: str) -> str:
    return np.__version__


def to_numpy(out: Any) -> np.ndarray:
    if isinstance(out, str):
        return files.read_back(out)
    if isinstance(out, dict):
        return files.last(out)
    return np.stack(out) if isinstance(out, list) else np.asarray(out)


def over(fun):
    """A row that calls `fun` on the inputs in order."""

    def row(p):
        args = list(p.values())
        return lambda: fun(*args)

    return row


def hundred(x, y):
    for _ in range(100):
        x = x + y
    return x


def naive(xs, ys):
    return [xs[i] + ys[:, i] for i in range(xs.shape[0])]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    e /= e.sum(-1, keepdims=True)
    return e


def layer_norm(x, w, b):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + np.float32(1e-5)) * w + b


def load_npz(p):
    path = str(p["path"])

    def call():
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}

    return call


def load_bytes(p):
    """The bytes of a file of any format in one array: the bound of reading."""
    path = str(p["path"])

    def call():
        size = (1 << 30) // files.ARRAYS
        raw = np.fromfile(path, np.uint8)[-(1 << 30) :]
        return {f"a{i}": raw[i * size :][:size].view(np.float32) for i in range(files.ARRAYS)}

    return call


def save_npz(p):
    arrays, path = files.content(int(p["mebibytes"])), f"{p['path']}.numpy.npz"

    def call():
        np.savez(path, **arrays)
        return path

    return call


ROWS = {
    "dispatch.add_4": over(lambda x, y: x + y),
    "dispatch.chain_100": over(hundred),
    "dispatch.naive_rows_4096": over(naive),
    "dispatch.vmap_rows_4096": over(lambda xs, ys: xs + ys.T),
    "elementwise.chain_1m": over(lambda x: np.tanh(x * 2 + 1) * x - np.float32(0.5)),
    "elementwise.chain_16m": over(lambda x: np.tanh(x * 2 + 1) * x - np.float32(0.5)),
    "elementwise.exp_1m": over(np.exp),
    "reduction.softmax_1m": over(softmax),
    "reduction.sum_axis0": over(lambda x: x.sum(0)),
    "reduction.sum_axis1": over(lambda x: x.sum(1)),
    "reduction.layer_norm_1m": over(layer_norm),
    "linalg.matmul_1000": over(np.matmul),
    "io.load_safetensors_1g": load_bytes,
    "io.load_npz_256m": load_npz,
    "io.save_npz_256m": save_npz,
}
