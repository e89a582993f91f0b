"""The rows in JAX, on the CPU."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rows import LAYERS, RATE


def load(library: str) -> str:
    return jax.__version__


def to_numpy(out: Any) -> np.ndarray:
    if isinstance(out, list):
        return np.stack([to_numpy(x) for x in out])
    return np.asarray(out, np.float32)


def arrays(p):
    return [jax.block_until_ready(jnp.asarray(x)) for x in p.values()]


def timed(fun, *args):
    """A call that computes `fun` and waits for it."""
    wait = jax.block_until_ready
    return lambda: wait(fun(*args))


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
    return timed(jax.vmap(lambda x, y: x + y, in_axes=(0, 1)), *arrays(p))


def grad_sin(p):
    return timed(jax.grad(jnp.sin), *arrays(p))


def grad_sin_compiled(p):
    return timed(jax.jit(jax.grad(jnp.sin)), *arrays(p))


def chain(x):
    return jnp.tanh(x * 2 + 1) * x - 0.5


def chain_plain(p):
    return timed(chain, *arrays(p))


def chain_compiled(p):
    return timed(jax.jit(chain), *arrays(p))


def exp(p):
    return timed(jnp.exp, *arrays(p))


def softmax(p):
    return timed(jax.nn.softmax, *arrays(p))


def sum_axis0(p):
    (x,) = arrays(p)
    return timed(lambda: x.sum(0))


def sum_axis1(p):
    (x,) = arrays(p)
    return timed(lambda: x.sum(1))


@jax.jit
def normalized(x, w, b):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


def layer_norm(p):
    return timed(normalized, *arrays(p))


def matmul(p):
    return timed(jnp.matmul, *arrays(p))


def matmul_bf16(p):
    return timed(jnp.matmul, *(x.astype(jnp.bfloat16) for x in arrays(p)))


def loss_of(w, x, y):
    for i in range(0, len(w), 2):
        x = x @ w[i].T + w[i + 1]
        x = jax.nn.relu(x) if i < len(w) - 2 else x
    return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()


def adam(state, x, y):
    """One step of Adam over a batch."""
    w, first, second, step = state
    loss, grads = jax.value_and_grad(loss_of)(w, x, y)
    step = step + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    scale, bias = RATE / (1 - 0.9**step), 1 - 0.999**step
    new = jax.tree.map(
        lambda x, m, v: x - scale * m / (jnp.sqrt(v / bias) + 1e-8), w, first, second
    )
    return loss, (new, first, second, step)


def training(p, compile):
    x, y = jnp.asarray(p["x"]), jnp.asarray(p["y"])
    w = [jnp.asarray(p[f"{kind}{i}"]) for i in range(len(LAYERS) - 1) for kind in "wb"]
    zeros = [jnp.zeros_like(a) for a in w]
    state: Any = (w, zeros, zeros, jnp.asarray(0.0))
    step = jax.jit(adam) if compile else adam

    def call():
        nonlocal state
        loss, state = jax.block_until_ready(step(state, x, y))
        return loss

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
    "program.digits_step": lambda p: training(p, compile=False),
    "program.digits_step_compiled": lambda p: training(p, compile=True),
}
