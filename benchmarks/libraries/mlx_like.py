"""The rows in MLX's API: the same code for monel and for mlx."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import files
import numpy as np
from rows import LAYERS, RATE

mx: Any = None
package = ""


def load(library: str) -> str:
    """Import the library under MLX's name; returns its version."""
    global mx, package
    package = library
    mx = importlib.import_module(f"{library}.core")
    return version("monel-core" if library == "monel" else library)


def part(name: str) -> Any:
    """A module of the library that only some rows need."""
    return importlib.import_module(f"{package}.{name}")


def to_numpy(out: Any) -> np.ndarray:
    if isinstance(out, str):
        return files.read_back(out)
    if isinstance(out, dict):
        return files.last({name: [a[-1].item()] for name, a in out.items()})
    if isinstance(out, list):
        return np.stack([to_numpy(x) for x in out])
    return np.array(out.astype(mx.float32))


def arrays(p: dict[str, np.ndarray]) -> list[Any]:
    made = [mx.array(x) for x in p.values()]
    mx.eval(made)
    return made


def timed(fun: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """A call that computes `fun` and waits for it."""
    evaluate = mx.eval

    def call() -> Any:
        out = fun(*args)
        evaluate(out)
        return out

    return call


def add_4(p):
    x, y = arrays(p)
    return timed(lambda: x + y)


def chain_100(p):
    x, y = arrays(p)

    def hundred():
        z = x
        for _ in range(100):
            z = z + y
        return z

    return timed(hundred)


def naive_rows(p):
    xs, ys = arrays(p)
    return timed(lambda: [xs[i] + ys[:, i] for i in range(xs.shape[0])])


def vmap_rows(p):
    return timed(mx.vmap(lambda x, y: x + y, in_axes=(0, 1)), *arrays(p))


def grad_sin(p):
    return timed(mx.grad(mx.sin), *arrays(p))


def grad_sin_compiled(p):
    return timed(mx.compile(mx.grad(mx.sin)), *arrays(p))


def chain(x):
    return mx.tanh(x * 2 + 1) * x - 0.5


def chain_plain(p):
    return timed(chain, *arrays(p))


def chain_compiled(p):
    return timed(mx.compile(chain), *arrays(p))


def exp(p):
    return timed(mx.exp, *arrays(p))


def softmax(p):
    (x,) = arrays(p)
    return timed(lambda: mx.softmax(x, axis=-1))


def sum_axis0(p):
    (x,) = arrays(p)
    return timed(lambda: mx.sum(x, axis=0))


def sum_axis1(p):
    (x,) = arrays(p)
    return timed(lambda: mx.sum(x, axis=1))


def layer_norm(p):
    x, w, b = arrays(p)
    return timed(lambda: mx.fast.layer_norm(x, w, b, 1e-5))


def matmul(p):
    x, y = arrays(p)
    return timed(lambda: x @ y)


def matmul_bf16(p):
    x, y = (a.astype(mx.bfloat16) for a in arrays(p))
    mx.eval(x, y)
    return timed(lambda: x @ y)


def network(p):
    """The network with the weights given, and its loss."""
    nn = part("nn")
    layers: list[Any] = []
    for i, (n, m) in enumerate(pairwise(LAYERS)):
        linear = nn.Linear(n, m)
        linear.update({"weight": mx.array(p[f"w{i}"]), "bias": mx.array(p[f"b{i}"])})
        layers += [nn.ReLU(), linear] if layers else [linear]
    model = nn.Sequential(*layers)

    def loss(model, x, y):
        return nn.losses.cross_entropy(model(x), y, reduction="mean")

    return model, nn.value_and_grad(model, loss)


def training(p):
    """Model, optimizer and a step over a batch that returns the loss."""
    x, y = mx.array(p["x"]), mx.array(p["y"])
    model, loss_and_grad = network(p)
    optimizer = part("optimizers").Adam(learning_rate=RATE, bias_correction=True)
    optimizer.init(model.trainable_parameters())
    mx.eval(x, y, model.state, optimizer.state)

    def step():
        loss, grads = loss_and_grad(model, x, y)
        optimizer.update(model, grads)
        return loss

    return model, optimizer, step


def digits_step(p):
    model, optimizer, step = training(p)

    def call():
        loss = step()
        mx.eval(loss, model.state, optimizer.state)
        return loss

    return call


def digits_step_compiled(p):
    model, optimizer, step = training(p)
    state = [model.state, optimizer.state]
    compiled = mx.compile(step, inputs=state, outputs=state)

    def call():
        loss = compiled()
        mx.eval(loss, state)
        return loss

    return call


def load_file(p):
    path = str(p["path"])

    def call():
        out = mx.load(path)
        mx.eval(out)
        return out

    return call


def save_file(p, sync=False):
    kind, path = str(p["kind"]), f"{p['path']}.{package}.{p['kind']}"
    arrays = {name: mx.array(a) for name, a in files.content(int(p["mebibytes"])).items()}
    mx.eval(arrays)

    def call():
        if kind == "npz":
            mx.savez(path, **arrays)
        elif kind == "gguf":
            mx.save_gguf(path, arrays, {})
        else:
            mx.save_safetensors(path, arrays)
        if sync and package != "monel":
            files.synced(path)
        return path

    return call


ROWS = {
    "dispatch.add_4": add_4,
    "dispatch.chain_100": chain_100,
    "dispatch.naive_rows_4096": naive_rows,
    "dispatch.vmap_rows_4096": vmap_rows,
    "dispatch.grad_sin": grad_sin,
    "dispatch.grad_sin_compiled": grad_sin_compiled,
    "elementwise.chain_1m": chain_plain,
    "elementwise.chain_1m_compiled": chain_compiled,
    "elementwise.chain_16m": chain_plain,
    "elementwise.chain_16m_compiled": chain_compiled,
    "elementwise.exp_1m": exp,
    "reduction.softmax_1m": softmax,
    "reduction.sum_axis0": sum_axis0,
    "reduction.sum_axis1": sum_axis1,
    "reduction.layer_norm_1m": layer_norm,
    "linalg.matmul_1000": matmul,
    "linalg.matmul_bf16_1000": matmul_bf16,
    "io.load_safetensors_1g": load_file,
    "io.load_npz_256m": load_file,
    "io.load_gguf_256m": load_file,
    "io.save_safetensors_1g": save_file,
    "io.save_safetensors_1g_synced": lambda p: save_file(p, sync=True),
    "io.save_npz_256m": save_file,
    "io.save_gguf_256m": save_file,
    "program.digits_step": digits_step,
    "program.digits_step_compiled": digits_step_compiled,
}
