"""What compile does to a Program, common subexpressions to dead code; its cache; its memory."""

import threading

import pytest

import monel.core as mx
from monel.core.graph.capture import trace_program
from monel.core.passes.cse import merge_common
from monel.core.passes.fold import fold_constants
from monel.core.passes.rewrite import prune
from monel.core.primitives.derive import placeholder
from monel.core.transforms import compile as compiling


def program(f, *likes):
    return trace_program(f, [x.value.aval for x in likes], placeholder)


def names(p):
    return [e.primitive.name for e in p.equations]


X = mx.ones(3)


def test_equal_operations_of_equal_operands_become_one():
    made = merge_common(program(lambda x: mx.sin(x) * mx.sin(x) + mx.sin(x), X))
    made.verify()
    assert names(made) == ["sin", "mul", "add"]


def test_operations_with_other_parameters_or_operands_stay_apart():
    f = lambda x, y: (x.sum(axis=0), x.sum(axis=1), mx.sin(x), mx.sin(y))  # noqa: E731
    x = mx.ones((2, 2))
    assert names(merge_common(program(f, x, x))) == ["sum", "sum", "sin", "sin"]


def test_one_and_true_are_not_the_same_parameter():
    f = lambda x: (mx.full(2, 1), mx.full(2, True), mx.full(2, 1.0))  # noqa: E731
    assert len(merge_common(program(f, X)).equations) == 3


def test_equal_depends_stay_apart():
    f = lambda x: (*mx.depends([x, x], [x]), *mx.depends([x, x], [x]))  # noqa: E731
    assert names(merge_common(program(f, X))) == ["depends", "depends"]


def compute(primitive, values):
    from monel.core.graph.primitive import record_values

    return record_values(primitive, tuple(values))


def test_operations_of_constants_are_computed_once():
    c = mx.array([1.0, 2.0, 3.0])
    made = fold_constants(program(lambda x: x * mx.sin(c + 1.0), X), compute)
    made.verify()
    assert names(made) == ["mul"]


def test_large_results_and_host_calls_are_not_folded():
    big, c = mx.ones(1), mx.array([1.0, 2.0])
    f = lambda x: (x + mx.broadcast_to(big, (5000,)).sum(), mx.host_call(abs, c, c))  # noqa: E731
    found = names(fold_constants(program(f, mx.array(1.0)), compute))
    assert "broadcast" in found
    assert "host_call" in found


def test_what_nothing_needs_is_dropped():
    def f(x):
        mx.cos(x)
        return mx.sin(x)

    whole = program(f, X)
    assert names(prune(whole)) == ["sin"]


def test_a_compiled_function_keeps_a_bounded_number_of_traces(monkeypatch):
    monkeypatch.setattr(compiling, "LARGEST_CACHE", 4)
    calls = []
    f = mx.compile(lambda x: calls.append(1) or x + 1)
    for n in (1, 2, 3, 4, 5, 6, 6, 5):
        f(mx.ones(n))
    assert len(calls) == 6
    f(mx.ones(1))
    assert len(calls) == 7


def test_threads_may_call_one_compiled_function_at_its_first_call():
    f = mx.compile(lambda x, n: mx.sin(x) * n)
    wrong, start = [], threading.Barrier(8)

    def work(k):
        start.wait()
        for n in range(1, 20):
            got = f(mx.full((n,), float(k)), n)
            if abs(got[0].item() - n * mx.sin(mx.array(float(k))).item()) > 1e-4:
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


@pytest.mark.parametrize("size", [1 << 20])
def test_a_compiled_chain_needs_no_memory_of_its_own(size):
    x = mx.ones(size)
    mx.eval(x)
    if mx.get_active_memory() < 4 * size:
        pytest.skip("this backend does not count its memory")

    @mx.compile
    def f(x):
        for _ in range(10):
            x = mx.cumsum(mx.sin(x)) * 1e-6
        return x

    mx.eval(f(mx.ones(size)))
    mx.reset_peak_memory()
    mx.eval(f(x))
    # The operand, which is kept, and two buffers that take turns.
    assert mx.get_peak_memory() <= 3 * 4 * size + 4096
