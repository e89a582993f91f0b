"""What is measured: for each row its inputs, and what it must give in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import files
import numpy as np

Inputs = dict[str, np.ndarray]
RATE, STEPS, LAYERS = 1e-3, 5, (64, 192, 192, 10)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      name: family.row; each library implements rows under these names.
      inputs: Makes the inputs, the same for every library.
      oracle: The result in float64.
      tolerance: Largest difference from it, relative to its largest entry.
      per: Operations in one call; the time printed is that of one.
      calls: Calls whose last result is checked: a training step must have learnt by then.
    """

    name: str
    inputs: Callable[[np.random.Generator], Inputs]
    oracle: Callable[[Inputs], np.ndarray]
    tolerance: float = 1e-5
    per: int = 1
    calls: int = 1


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Inputs]:
    """Inputs x, y, z of these shapes, float32."""

    def make(rng: np.random.Generator) -> Inputs:
        named = zip("xyz", shapes, strict=False)
        return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in named}

    return make


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


def chain(p: Inputs) -> np.ndarray:
    x = wide(p["x"])
    return np.tanh(x * 2 + 1) * x - 0.5


def softmax(p: Inputs) -> np.ndarray:
    e = np.exp(wide(p["x"]) - p["x"].max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(p: Inputs) -> np.ndarray:
    x = wide(p["x"])
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * p["y"] + p["z"]


def rounded_to_bfloat16(x: np.ndarray) -> np.ndarray:
    """float32 values that bfloat16 holds exactly, so that inputs are equal in all libraries."""
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def bfloat16_matrices(rng: np.random.Generator) -> Inputs:
    made = normal((1000, 1000), (1000, 1000))(rng)
    return {name: rounded_to_bfloat16(x) for name, x in made.items()}


def digits(rng: np.random.Generator) -> Inputs:
    """One batch of the handwritten digits, and the weights of a small network."""
    from sklearn.datasets import load_digits

    data = load_digits()
    made = {"x": (data.data[:64] / 16).astype(np.float32), "y": data.target[:64].astype(np.int32)}
    for i, (n, m) in enumerate(pairwise(LAYERS)):
        made[f"w{i}"] = (rng.standard_normal((m, n)) / np.sqrt(n)).astype(np.float32)
        made[f"b{i}"] = np.zeros(m, np.float32)
    return made


def losses_and_grads(p: Inputs, w: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    """Cross entropy of the network, and its gradient for weights and biases in turn."""
    inputs = [wide(p["x"])]
    for i in range(0, len(w), 2):
        h = inputs[-1] @ w[i].T + w[i + 1]
        inputs.append(np.maximum(h, 0) if i < len(w) - 2 else h)
    rows = np.arange(len(p["y"]))
    e = np.exp(inputs[-1] - inputs[-1].max(-1, keepdims=True))
    probability = e / e.sum(-1, keepdims=True)
    loss = -np.log(probability[rows, p["y"]]).mean()
    ct = (probability - np.eye(LAYERS[-1])[p["y"]]) / len(rows)
    grads: list[np.ndarray] = []
    for i in range(len(w) - 2, -1, -2):
        grads[:0] = [ct.T @ inputs[i // 2], ct.sum(0)]
        ct = ct @ w[i] * (inputs[i // 2] > 0)
    return loss, grads


def digits_loss(p: Inputs) -> np.ndarray:
    """The loss that the last of STEPS steps of Adam sees."""
    w = [wide(p[f"{kind}{i}"]) for i in range(len(LAYERS) - 1) for kind in "wb"]
    first, second = [np.zeros_like(x) for x in w], [np.zeros_like(x) for x in w]
    for step in range(1, STEPS + 1):
        loss, grads = losses_and_grads(p, w)
        first = [0.9 * m + 0.1 * g for m, g in zip(first, grads, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, grads, strict=True)]
        scale = RATE / (1 - 0.9**step)
        roots = [np.sqrt(v / (1 - 0.999**step)) + 1e-8 for v in second]
        w = [x - scale * m / r for x, m, r in zip(w, first, roots, strict=True)]
    return np.asarray(loss)


MILLION = (1024, 1024)
SIXTEEN = (4096, 4096)
VECTORS = normal((4096, 100), (100, 4096))


def both(name: str, **how: Any) -> list[Row]:
    """A row and its compiled form."""
    return [Row(name, **how), Row(f"{name}_compiled", **how)]


def reading(name: str, kind: str, mebibytes: int) -> Row:
    """A row that loads and evaluates one warm file, the same for every library."""
    return Row(name, lambda _: files.to_read(kind, mebibytes), lambda _: np.arange(files.ARRAYS))


def writing(name: str, kind: str, mebibytes: int) -> Row:
    """A row that saves evaluated arrays over the file of the call before."""
    return Row(name, lambda _: files.to_write(kind, mebibytes), lambda _: np.arange(files.ARRAYS))


ROWS = [
    Row("dispatch.add_4", normal((4,), (4,)), lambda p: wide(p["x"]) + p["y"]),
    Row(
        "dispatch.chain_100",
        normal((4,), (4,)),
        lambda p: wide(p["x"]) + 100 * wide(p["y"]),
        per=100,
    ),
    Row("dispatch.naive_rows_4096", VECTORS, lambda p: wide(p["x"]) + p["y"].T),
    Row("dispatch.vmap_rows_4096", VECTORS, lambda p: wide(p["x"]) + p["y"].T),
    *both("dispatch.grad_sin", inputs=normal(()), oracle=lambda p: np.cos(wide(p["x"]))),
    *both("elementwise.chain_1m", inputs=normal(MILLION), oracle=chain),
    *both("elementwise.chain_16m", inputs=normal(SIXTEEN), oracle=chain),
    Row("elementwise.exp_1m", normal(MILLION), lambda p: np.exp(wide(p["x"]))),
    Row("reduction.softmax_1m", normal(MILLION), softmax),
    Row("reduction.sum_axis0", normal(MILLION), lambda p: wide(p["x"]).sum(0)),
    Row("reduction.sum_axis1", normal(MILLION), lambda p: wide(p["x"]).sum(1)),
    Row("reduction.layer_norm_1m", normal(MILLION, (1024,), (1024,)), layer_norm, 1e-4),
    Row(
        "linalg.matmul_1000",
        normal((1000, 1000), (1000, 1000)),
        lambda p: wide(p["x"]) @ wide(p["y"]),
    ),
    Row("linalg.matmul_bf16_1000", bfloat16_matrices, lambda p: wide(p["x"]) @ wide(p["y"]), 1e-2),
    *both("program.digits_step", inputs=digits, oracle=digits_loss, tolerance=1e-4, calls=STEPS),
    reading("io.load_safetensors_1g", "safetensors", 1024),
    reading("io.load_npz_256m", "npz", 256),
    reading("io.load_gguf_256m", "gguf", 256),
    writing("io.save_safetensors_1g", "safetensors", 1024),
    writing("io.save_safetensors_1g_synced", "safetensors", 1024),
    writing("io.save_npz_256m", "npz", 256),
    writing("io.save_gguf_256m", "gguf", 256),
]
