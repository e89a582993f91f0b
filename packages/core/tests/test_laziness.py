"""Recording, evaluation, and what both promise: laziness, identity, scale, failure, threads."""

import gc
import threading
import weakref

import pytest

import monel.core as mx


def test_an_operation_is_not_run_when_it_is_recorded():
    a = mx.take(mx.ones(2), mx.array([7]))
    assert a.shape == (1,)
    with pytest.raises(IndexError):
        mx.eval(a)


def test_eval_takes_any_tree_and_ignores_what_is_no_array():
    a, b = mx.ones(2) + 1, mx.ones(3) * 3
    mx.eval({"a": [a, 3, "x"], "b": (b, None)}, 5)
    assert a.tolist() == [2, 2]
    assert b.tolist() == [3, 3, 3]


def test_evaluating_twice_changes_nothing():
    a = mx.ones(2) + 1
    mx.eval(a)
    mx.eval(a)
    assert a.tolist() == [2, 2]


def test_a_chain_of_100_000_operations_evaluates_and_is_freed_without_recursion():
    x = mx.array(0.0)
    for _ in range(100_000):
        x = x + 1.0
    assert x.item() == 100_000
    del x


def test_an_unevaluated_chain_of_100_000_operations_is_freed_without_recursion():
    x = mx.array(0.0)
    for _ in range(100_000):
        x = x + 1.0
    first = weakref.ref(x)
    del x
    assert first() is None


def test_a_ladder_of_shared_operands_is_evaluated_once_a_rung():
    x = mx.array(1.0)
    for _ in range(60):
        x = x + x
    assert x.item() == 2.0**60


def test_in_place_addition_keeps_the_identity_and_is_seen_by_every_alias():
    a = mx.array([1.0, 2.0])
    alias = a
    before = id(a)
    a += 1
    assert id(a) == before
    assert alias.tolist() == [2, 3]


def test_an_in_place_update_leaves_recorded_history_intact():
    a = mx.array([1.0, 2.0])
    b = a * 10
    a += 1
    assert b.tolist() == [10, 20]


def test_an_array_hashes_by_identity_and_takes_weak_references():
    a, b = mx.array(1.0), mx.array(1.0)
    assert len({a, b}) == 2
    assert weakref.ref(a)() is a


def test_an_array_takes_no_attributes():
    with pytest.raises(AttributeError):
        mx.array(1.0).anything = 1


def test_integers_cannot_be_divided_in_place():
    a = mx.array([1, 2])
    with pytest.raises(ValueError, match="divide"):
        a /= 2


def test_a_scalar_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3000000000"):
        mx.array([1, 2]) + 3_000_000_000
    with pytest.raises(ValueError, match="-1"):
        mx.array([1, 2], mx.uint8) + (-1)


def test_lists_and_strings_are_no_operands():
    a = mx.array([1, 2])
    for other in ([1], "a"):
        with pytest.raises(ValueError, match="add"):
            _ = a + other
        with pytest.raises(ValueError, match="less"):
            _ = a < other


def test_comparison_with_what_is_no_array_is_plain():
    a = mx.array([1, 2])
    assert (a == [1, 2]) is False
    assert (a != "x") is True
    assert (a == None) is False  # noqa: E711


def test_a_failed_value_raises_again_and_its_siblings_stay_usable():
    a = mx.array([1.0, 2.0])
    good = a + 1
    bad = mx.take(a, mx.array([5]))
    worse = bad * 2
    for _ in range(2):
        with pytest.raises(IndexError):
            mx.eval(worse)
    assert good.tolist() == [2, 3]


def test_threads_may_evaluate_one_graph_at_once():
    x = mx.arange(1000).astype(mx.float32)
    y = x
    for _ in range(200):
        y = mx.sin(y) + x
    outputs = [y * k for k in range(8)]
    results, errors = {}, []

    def work(k):
        try:
            results[k] = outputs[k].tolist()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    base = y.tolist()
    assert all(results[k] == [v * k for v in base] for k in range(2))


def test_a_reference_cycle_through_an_array_is_collected():
    class Holder:
        """Owns an array and functions that use it through their owner."""

    def make():
        holder = Holder()
        holder.array = mx.ones(2)
        holder.function = mx.grad(lambda x: (x * holder.array).sum())
        holder.compiled = mx.compile(lambda x: x * holder.array)
        holder.compiled(mx.ones(2))
        return weakref.ref(holder)

    reference = make()
    gc.collect()
    assert reference() is None


def test_operands_are_released_when_the_value_has_run():
    a = mx.ones(4)
    b = a + 1
    kept = weakref.ref(a.value)
    mx.eval(b)
    del a
    assert kept() is None


def test_one_kept_output_does_not_hold_the_others():
    parts = mx.split(mx.arange(4), 2)
    first = parts[0]
    gone = weakref.ref(parts[1].value)
    del parts
    mx.eval(first)
    assert gone() is None
    assert first.tolist() == [0, 1]


def test_async_eval_makes_the_same_values():
    a = mx.ones(3) * 2
    mx.async_eval(a)
    mx.synchronize()
    assert a.tolist() == [2, 2, 2]
