"""Device metal as core sees it, in processes of their own: the emulated device is asked for."""

import os
import subprocess
import sys

import pytest
from launching import require_clang

TRAINING = """
import monel.core as mx

x = mx.random.normal((64, 8), key=mx.random.key(0))
y = mx.sin(x @ mx.random.normal((8, 3), key=mx.random.key(1)))
w = [mx.random.normal(s, key=mx.random.key(i)) * 0.5 for i, s in enumerate([(8, 16), (16, 3)], 2)]

def loss(w):
    hidden = mx.tanh(x @ w[0])
    return mx.mean(mx.square(mx.softmax(hidden, axis=-1) @ w[1] - y))

step = mx.compile(mx.value_and_grad(loss))
for _ in range(5):
    value, gradients = step(w)
    w = [a - 0.5 * g for a, g in zip(w, gradients)]
    print(value.item())
"""


@pytest.fixture
def run(tmp_path):
    require_clang()

    def python(code, **extra):
        env = {**os.environ, "MONEL_PROBE": "0", "MONEL_METAL_EMULATE": "plain", **extra}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
        )
        return done.stdout if done.returncode == 0 else done.stderr

    return python


def test_training_gives_the_losses_of_the_reference_and_leaves_nothing_to_the_host(run):
    wanted = run(TRAINING, MONEL_DEVICE="reference").split()
    got = run(TRAINING, MONEL_DEVICE="metal", MONEL_FALLBACK="error").split()
    assert len(wanted) == 5
    assert [float(v) for v in got] == pytest.approx([float(v) for v in wanted], rel=1e-4)


def test_the_emulated_device_is_never_the_default(run):
    code = "import monel.core as mx; print(mx.default_device().type == mx.cpu)"
    assert run(code).strip() == "True"


def test_float64_is_refused_by_name(run):
    code = "import monel.core as mx; mx.eval(mx.zeros(2, dtype=mx.float64) + 1)"
    assert "metal:0 does not support float64" in run(code, MONEL_DEVICE="metal")


def test_long_chains_fuse_to_the_same_values(run):
    code = """
import numpy as np
import monel.core as mx
x = np.linspace(-3, 3, 20000).astype("float32").reshape(100, 200)
a, b = mx.array(x), mx.array(x[:, :1])
got = np.array(mx.exp(-mx.square(a.T)) * mx.sin(b.T) + mx.where(a.T > 0, a.T, b.T))
want = np.exp(-np.square(x.T)) * np.sin(x[:, :1].T) + np.where(x.T > 0, x.T, x[:, :1].T)
print(np.abs(got - want).max() < 1e-5)
"""
    assert run(code, MONEL_DEVICE="metal").strip() == "True"


def test_numpy_writes_into_the_memory_of_the_array(run):
    code = """
import numpy as np
import monel.core as mx
a = mx.arange(6).reshape(2, 3) + 0
mx.eval(a)
view = np.asarray(a)
view[0, 1] = 9
print((a + 1).tolist())
b = mx.zeros(6, dtype=mx.int32)
mx.eval(b)
kept = np.asarray(b)
del b
mx.eval([mx.full((6,), i) for i in range(4)])
print(kept.tolist())
"""
    out = run(code, MONEL_DEVICE="metal").splitlines()
    assert out == ["[[1, 10, 3], [4, 5, 6]]", "[0, 0, 0, 0, 0, 0]"]


def test_memory_comes_back_when_arrays_die(run):
    code = """
import monel.core as mx
x = mx.zeros((1000, 1000)); mx.eval(x)
active = mx.get_active_memory()
del x
print(active, mx.get_active_memory(), mx.get_cache_memory() >= 4000000)
"""
    assert run(code, MONEL_DEVICE="metal").split() == ["4000000", "0", "True"]
