"""Memory: exact counts, donation that is seen in the peak, exports that are never overwritten."""

import gc

import numpy as np
import pytest

import monel.core as mx

MB = 1 << 20


@pytest.fixture
def counted():
    """Skip where the backend does not count; start with nothing pending."""
    gc.collect()
    mx.eval(mx.zeros(1) + 1)
    mx.clear_cache()
    before = mx.get_active_memory()
    probe = mx.ones(MB // 4)
    mx.eval(probe)
    if mx.get_active_memory() - before < MB:
        pytest.skip("this backend does not count its memory")
    del probe
    gc.collect()


def test_active_memory_returns_to_its_start(counted):
    before = mx.get_active_memory()
    x = mx.ones((1024, 1024))
    y = mx.sin(x) @ x + x.T
    mx.eval(y)
    assert mx.get_active_memory() - before >= 4 * MB
    del x, y
    gc.collect()
    assert mx.get_active_memory() == before


def test_active_memory_returns_to_its_start_after_a_gradient(counted):
    def step():
        w = mx.ones((256, 256))
        value, g = mx.value_and_grad(lambda w: mx.tanh(w @ w).sum())(w)
        mx.eval(value, g)

    step()
    gc.collect()
    before = mx.get_active_memory()
    step()
    gc.collect()
    assert mx.get_active_memory() == before


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x + 1,
        lambda x: mx.sin(x),
        lambda x: mx.exp(-x) * 0.5,
        lambda x: x.reshape(2048, -1).reshape(-1) + 1,
        lambda x: x[:] * 2,
        lambda x: x.reshape(2048, -1).T.T.reshape(-1) - 1,
    ],
    ids=["add", "sin", "chain", "reshape", "slice", "transpose"],
)
def test_the_peak_does_not_grow_through_donation(counted, step):
    x = mx.zeros(16 * MB // 4)
    mx.eval(x)
    mx.reset_peak_memory()
    base = mx.get_active_memory()
    for _ in range(4):
        x = step(x)
        mx.eval(x)
    assert mx.get_peak_memory() <= base + MB


def test_a_compiled_function_donates_its_inputs(counted):
    f = mx.compile(lambda x: mx.sin(x) + 1)
    x = mx.zeros(16 * MB // 4)
    mx.eval(x)
    x = f(x)
    mx.eval(x)
    mx.reset_peak_memory()
    base = mx.get_active_memory()
    for _ in range(4):
        x = f(x)
        mx.eval(x)
    assert mx.get_peak_memory() <= base + MB


def test_reset_peak_memory_gives_zero(counted):
    mx.reset_peak_memory()
    assert mx.get_peak_memory() == 0


def test_the_limit_that_was_set_is_told(counted):
    old = mx.set_memory_limit(1 << 40)
    assert mx.get_memory_limit() == 1 << 40
    mx.set_memory_limit(old)
    assert mx.get_memory_limit() == old


def test_setters_return_the_old_limit(counted):
    old = mx.set_memory_limit(1 << 40)
    assert mx.set_memory_limit(old) == 1 << 40
    old = mx.set_cache_limit(123 * MB)
    assert mx.set_cache_limit(old) == 123 * MB


def test_exported_storage_is_never_reused():
    a = mx.arange(5000).astype(mx.float32)
    mx.eval(a)
    v = np.array(a, copy=False)
    want = v.copy()
    a = a + 1
    mx.eval(a)
    assert np.array_equal(v, want)


def test_a_view_keeps_its_elements_when_the_whole_dies():
    a = mx.arange(5000).astype(mx.float32)
    part = a[10:4000]
    mx.eval(a, part)
    a = a * 0
    mx.eval(a)
    assert part[0].item() == 10


def test_a_tracer_that_is_returned_is_not_overwritten():
    x = mx.arange(5000).astype(mx.float32)
    mx.eval(x)
    kept = []

    def loss(x):
        kept.append(x)
        return (x * x).sum()

    mx.eval(mx.grad(loss)(x))
    x = x + 1
    mx.eval(x)
    assert kept[0][1].item() == 1


def test_the_same_array_twice_is_not_overwritten_while_it_is_read():
    x = mx.arange(5000).astype(mx.float32)
    mx.eval(x)
    y = x * x
    z = x - y
    del x
    mx.eval(y, z)
    assert z[3].item() == 3 - 9


def test_a_thousand_compiled_steps_leak_nothing(counted):
    state = [mx.ones((64, 64))]

    def step(x):
        state[0] = state[0] * 0.99 + x
        return state[0].sum()

    c = mx.compile(step, inputs=state, outputs=state)
    x = mx.ones((64, 64))
    for _ in range(10):
        mx.eval(c(x), state)
    gc.collect()
    before = mx.get_active_memory()
    for _ in range(1000):
        mx.eval(c(x), state)
    gc.collect()
    assert mx.get_active_memory() == before
