"""Graphs of 100,000 operations, deep nesting, many threads, and nothing left behind."""

import gc
import sys
import threading
import tracemalloc

import pytest

import monel.core as mx
from monel.core.graph import value as graph

MANY = 100_000


@pytest.fixture(autouse=True)
def shallow():
    """Leave room for no deep recursion."""
    old = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    yield
    sys.setrecursionlimit(old)


def chain(x, n=MANY):
    for _ in range(n):
        x = x + 1.0
    return x


def tree(xs):
    """Add neighbours until one is left."""
    while len(xs) > 1:
        xs = [a + b for a, b in zip(xs[::2], xs[1::2], strict=True)]
    return xs[0]


def siblings(x, n=MANY):
    """Use one array in very many operations, which meet again."""
    return tree([x * 1.0 for _ in range(2 ** (n // 2).bit_length())])


@pytest.mark.slow
@pytest.mark.parametrize("graph_of", [chain, siblings])
def test_large_graphs_go_through_every_transform(graph_of):
    x = mx.array(0.5)
    value = graph_of(x).item()
    slope = mx.grad(graph_of)(x).item()
    assert value == (MANY + 0.5 if graph_of is chain else slope / 2)
    assert slope == (1 if graph_of is chain else 2**16)
    assert mx.jvp(graph_of, [x], [mx.array(2.0)])[1][0].item() == 2 * slope
    assert mx.vmap(graph_of)(mx.array([0.5, 0.5])).tolist() == [value, value]


@pytest.mark.slow
def test_a_large_graph_compiles():
    assert mx.compile(chain)(mx.array(0.5)).item() == MANY + 0.5


def test_a_large_graph_that_is_never_computed_is_freed():
    x = mx.array(1.0)
    tail = graph.ref((chain(x, 20_000)).value)
    gc.collect()
    assert tail() is None


def test_a_gradient_records_operations_in_proportion_to_the_function():
    def recorded(n):
        before = graph.last_serial()
        mx.eval(mx.grad(lambda x: chain(x, n))(mx.array(1.0)))
        return graph.last_serial() - before

    assert recorded(4_000) < 5 * recorded(1_000)


def test_grad_nests_to_depth_six():
    f = lambda x: x**7  # noqa: E731
    for _ in range(6):
        f = mx.grad(f)
    assert f(mx.array(1.0)).item() == 5040
    assert mx.compile(f)(mx.array(2.0)).item() == 10080


def test_an_outer_value_captured_by_many_inner_grads_is_visited_once_each():
    def f(x):
        outer = chain(x, 200)
        total = mx.array(0.0)
        for _ in range(200):
            total = total + mx.grad(lambda y: y * outer)(mx.array(2.0))
        return total

    assert mx.grad(f)(mx.array(1.0)).item() == 200


def test_a_thousand_threads_times_transforms_are_right():
    f = mx.compile(lambda x: mx.sin(x) * x)
    wrong = []

    def work(k):
        x = mx.array(float(k))
        for _ in range(5):
            a = mx.grad(lambda y: y * y * k)(x).item()
            b = mx.vmap(lambda y: y + k)(mx.array([1.0, 2.0])).tolist()
            c = mx.jvp(lambda y: y * k, [x], [mx.array(1.0)])[1][0].item()
            d = mx.scan(lambda c, y: (c + y * k, None), mx.array(0.0), mx.ones(3))[0].item()
            if (a, b, c, d) != (2.0 * k * k, [1.0 + k, 2.0 + k], k, 3.0 * k):
                wrong.append(k)
            if abs(f(x).item() - (mx.sin(x) * x).item()) > 1e-4:
                wrong.append(k)

    # 40 threads of 5 rounds of 5 transforms each.
    threads = [threading.Thread(target=work, args=(k,)) for k in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_a_thousand_compiled_steps_leave_nothing_behind():
    state = {"w": mx.ones((64, 64)), "n": mx.array(0)}

    def step(x):
        w = state["w"]
        state["w"] = w - 1e-3 * mx.grad(lambda w: mx.sum((w @ x) ** 2))(w)
        state["n"] = state["n"] + 1

    compiled = mx.compile(step, inputs=state, outputs=state)
    x = mx.ones((64, 4)) * 0.1

    def run(n):
        for _ in range(n):
            compiled(x)
            mx.eval(state)
        gc.collect()

    run(100)
    active = mx.get_active_memory()
    tracemalloc.start()
    run(100)
    before, _ = tracemalloc.get_traced_memory()
    run(800)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert state["n"].item() == 1000
    assert mx.get_active_memory() == active
    assert after - before < 20_000


def test_transforms_leave_nothing_behind():
    @mx.checkpoint
    def block(x):
        return mx.scan(lambda c, _: (mx.sin(c) * x, None), x, length=3)[0]

    def once():
        mx.eval(
            mx.vmap(mx.grad(lambda x: block(x) * mx.cond(x > 0, mx.sin, mx.cos, x)))(mx.ones(3))
        )

    def run(n):
        for _ in range(n):
            once()
        gc.collect()

    run(5)
    tracemalloc.start()
    run(5)
    before, _ = tracemalloc.get_traced_memory()
    run(20)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000
