"""The rows in PyTorch, on the CPU."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from rows import LAYERS, RATE


def load(library: str) -> str:
    torch.set_num_threads(2)
    return torch.__version__


def to_numpy(out: Any) -> np.ndarray:
    if isinstance(out, list):
        return np.stack([to_numpy(x) for x in out])
    return out.detach().float().numpy()


def tensors(p):
    return [torch.tensor(x) for x in p.values()]


def add_4(p):
    x, y = tensors(p)
    return lambda: x + y


def chain_100(p):
    x, y = tensors(p)

    def hundred():
        z = x
        for _ in range(100):
            z = z + y
        return z

    return hundred


def naive_rows(p):
    xs, ys = tensors(p)
    return lambda: [xs[i] + ys[:, i] for i in range(xs.shape[0])]


def vmap_rows(p):
    xs, ys = tensors(p)
    add = torch.vmap(lambda x, y: x + y, in_dims=(0, 1))
    return lambda: add(xs, ys)


def grad_sin(p):
    (x,) = tensors(p)
    x.requires_grad_()
    return lambda: torch.autograd.grad(torch.sin(x), x)[0]


def grad_sin_compiled(p):
    (x,) = tensors(p)
    compiled = torch.compile(torch.func.grad(torch.sin))
    return lambda: compiled(x)


def chain(x):
    return torch.tanh(x * 2 + 1) * x - 0.5


def chain_plain(p):
    (x,) = tensors(p)
    return lambda: chain(x)


def chain_compiled(p):
    (x,) = tensors(p)
    compiled = torch.compile(chain)
    return lambda: compiled(x)


def exp(p):
    (x,) = tensors(p)
    return lambda: torch.exp(x)


def softmax(p):
    (x,) = tensors(p)
    return lambda: torch.softmax(x, -1)


def sum_axis0(p):
    (x,) = tensors(p)
    return lambda: x.sum(0)


def sum_axis1(p):
    (x,) = tensors(p)
    return lambda: x.sum(1)


def layer_norm(p):
    x, w, b = tensors(p)
    return lambda: torch.nn.functional.layer_norm(x, (x.shape[-1],), w, b, 1e-5)


def matmul(p):
    x, y = tensors(p)
    return lambda: x @ y


def matmul_bf16(p):
    x, y = (t.bfloat16() for t in tensors(p))
    return lambda: x @ y


def training(p, compile):
    """A step over a batch that returns the loss."""
    layers: list[torch.nn.Module] = []
    for i, (n, m) in enumerate(pairwise(LAYERS)):
        linear = torch.nn.Linear(n, m)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(p[f"w{i}"]))
            linear.bias.copy_(torch.tensor(p[f"b{i}"]))
        layers += [torch.nn.ReLU(), linear] if layers else [linear]
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    x, y = torch.tensor(p["x"]), torch.tensor(p["y"]).long()

    def loss_of(x, y):
        return torch.nn.functional.cross_entropy(model(x), y)

    loss_of = torch.compile(loss_of) if compile else loss_of

    def step():
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


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
    "program.digits_step": lambda p: training(p, compile=False),
    "program.digits_step_compiled": lambda p: training(p, compile=True),
}
