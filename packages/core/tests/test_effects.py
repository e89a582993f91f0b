"""Calls of the host: pure ones, and effects, which run once, in order, through every transform."""

import threading

import numpy as np
import pytest

import monel.core as mx


class Log(list):
    """Records what functions on the host were called with."""

    def note(self, x):
        """Record an array in the program, as an effect of which nothing is asked."""
        mx.host_call(lambda v: self.append(v.tolist()), None, x)

    def passing(self, x, name="passed"):
        """Record a call and return its operand doubled, as an effect with a result."""

        def fun(v):
            self.append(name)
            return v * 2

        return mx.host_call(fun, x, x, effect=True)


@pytest.fixture
def log():
    return Log()


def test_a_pure_call_computes_on_the_host():
    x = mx.array([3.0, 1.0, 2.0])
    assert mx.host_call(np.sort, x, x).tolist() == [1, 2, 3]


def test_trees_and_constants_are_passed_and_returned():
    def fun(d, n):
        return {"sum": d["a"] + d["b"][0], "n": np.int32(n)}

    like = {"sum": mx.zeros(2), "n": mx.array(0)}
    got = mx.host_call(fun, like, {"a": mx.ones(2), "b": (mx.ones(2),)}, 7)
    assert (got["sum"].tolist(), got["n"].item()) == ([2, 2], 7)


def test_a_pure_call_that_nothing_needs_does_not_run(log):
    mx.host_call(lambda v: log.append(1) or v, mx.ones(2), mx.ones(2))
    mx.eval(
        mx.compile(lambda x: (mx.host_call(lambda v: log.append(1) or v, x, x), x)[1])(mx.ones(2))
    )
    assert log == []


def test_the_function_cannot_write_to_its_operands():
    def fun(v):
        v[0] = 9
        return v

    x = mx.array([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        mx.eval(mx.host_call(fun, x, x))
    assert x.tolist() == [1, 2]


def test_a_call_works_inside_compile_and_sees_each_calls_values(log):
    f = mx.compile(lambda x: mx.host_call(lambda v: log.append(v.item()) or v + 1, x, x) * 2)
    assert [f(mx.array(1.0)).item(), f(mx.array(2.0)).item()] == [4, 6]
    assert log == [1, 2]


def test_vmap_calls_once_a_row():
    x = mx.array([[3.0, 1.0], [0.0, 5.0]])
    assert mx.vmap(lambda r: mx.host_call(np.sort, r, r))(x).tolist() == [[1, 3], [0, 5]]


def test_vmap_over_no_rows_calls_nothing(log):
    x = mx.zeros((0, 3))
    got = mx.vmap(lambda r: mx.host_call(lambda v: log.append(1) or v, r, r))(x)
    assert (got.shape, got.dtype, log) == ((0, 3), mx.float32, [])


def test_a_custom_function_gives_a_call_its_derivative():
    @mx.custom_function
    def sine(x):
        return mx.host_call(np.sin, x, x)

    @sine.vjp
    def sine_vjp(x, ct, out):
        return ct * mx.cos(x)

    assert mx.grad(sine)(mx.array(0.0)).item() == 1
    with pytest.raises(ValueError, match=r"host_call has no derivative.*custom_function"):
        mx.grad(lambda x: mx.host_call(np.sin, x, x))(mx.array(0.0))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: mx.host_call(3, x, x), "callable"),
        (lambda x: mx.host_call(np.sin, (), x), "results"),
        (lambda x: mx.host_call(lambda v: v[:1], x, x), r"shape \(1,\)"),
        (lambda x: mx.host_call(lambda v: v * 1j, x, x), "complex"),
        (lambda x: mx.host_call(lambda v: v, (x, x), x), "ndarray"),
    ],
)
def test_wrong_uses_say_what_was_expected(call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        mx.eval(call(mx.ones(2)))


def test_an_error_of_the_function_reaches_the_caller():
    def fun(v):
        raise KeyError("mine")

    x = mx.ones(2)
    with pytest.raises(KeyError, match="mine"):
        mx.eval(mx.host_call(fun, x, x))
    assert x.tolist() == [1, 1]


# -- effects --------------------------------------------------------------------------------------


def test_a_note_runs_at_once(log):
    log.note(mx.array([1, 2]))
    assert log == [[1, 2]]


def test_an_effect_with_a_result_runs_when_it_is_asked_for_and_only_once(log):
    y = log.passing(mx.ones(2))
    assert log == []
    assert (y.tolist(), y.tolist(), (y + 1).tolist()) == ([2, 2], [2, 2], [3, 3])
    assert log == ["passed"]


def test_a_later_effect_of_the_stream_runs_the_earlier_ones_first(log):
    kept = [log.passing(mx.ones(2), name) for name in "abc"]
    mx.eval(kept[2])
    assert log == ["a", "b", "c"]
    mx.eval(kept)
    assert log == ["a", "b", "c"]


def test_an_effect_of_another_stream_is_not_waited_for(log):
    with mx.stream(mx.new_stream(mx.default_device())):
        log.passing(mx.ones(2), "other")
    mx.eval(log.passing(mx.ones(2), "mine"))
    assert log == ["mine"]


def test_equal_effects_are_not_merged(log):
    fun = lambda v: log.append(1) or v  # noqa: E731
    f = mx.compile(lambda x: [mx.host_call(fun, x, x, effect=True) for _ in range(3)])
    mx.eval(f(mx.ones(2)))
    assert log == [1, 1, 1]


def test_effects_of_constants_are_not_folded(log):
    def f(x):
        log.note(mx.array(1) + 1)
        return x

    c = mx.compile(f)
    for _ in range(3):
        mx.eval(c(mx.ones(2)))
    assert log == [2, 2, 2]


def test_effects_are_kept_by_compile_though_nothing_needs_them_and_in_order(log):
    def f(x):
        log.note(x)
        log.passing(x, "b")
        y = x * 2
        log.note(y)
        return y

    c = mx.compile(f)
    assert log == []
    mx.eval(c(mx.array(1)), c(mx.array(3)))
    assert log == [1, "b", 2, 3, "b", 6]


def test_a_compiled_function_without_a_result_runs_at_once(log):
    c = mx.compile(lambda x: log.note(x + 1))
    assert c(mx.array(1)) is None
    assert c(mx.array(2)) is None
    assert log == [2, 3]


def test_effects_run_once_in_grad_and_in_grad_of_grad(log):
    def f(x):
        log.note(x)
        return x**3

    assert mx.grad(f)(mx.array(2.0)).item() == 12
    assert log == [2]
    assert mx.grad(mx.grad(f))(mx.array(2.0)).item() == 12
    assert log == [2, 2]
    mx.eval(mx.compile(mx.grad(mx.grad(f)))(mx.array(2.0)))
    assert log == [2, 2, 2]


def test_effects_run_once_in_jvp(log):
    def f(x):
        log.note(x)
        return x * x

    mx.eval(mx.jvp(f, [mx.array(3.0)], [mx.array(1.0)]))
    assert log == [3]


def test_vmap_runs_an_effect_once_a_row(log):
    def f(x):
        log.note(x)
        return x

    mx.eval(mx.vmap(f)(mx.arange(3)))
    assert log == [0, 1, 2]
    mx.eval(mx.compile(mx.vmap(f))(mx.arange(2)))
    assert log == [0, 1, 2, 0, 1]
    mx.eval(mx.vmap(mx.vmap(f))(mx.arange(4).reshape(2, 2)))
    assert sorted(log[5:]) == [0, 1, 2, 3]


def test_an_effect_that_does_not_depend_on_the_mapped_axis_runs_once_and_in_its_place(log):
    def f(x):
        log.note(x)
        log.note(mx.array(7))
        log.note(x * 10)
        return x

    mx.vmap(f)(mx.arange(2))
    assert log == [0, 1, 7, 0, 10]


@pytest.mark.parametrize("wrap", [lambda g: g, mx.compile])
def test_checkpoint_computes_again_but_runs_effects_once(log, wrap):
    def f(x):
        log.note(x)
        y = log.passing(x)
        return mx.sin(x) * mx.stop_gradient(y)

    got = wrap(mx.grad(mx.checkpoint(f)))(mx.array(1.0)).item()
    assert got == pytest.approx(2 * np.cos(1.0), rel=1e-6)
    assert log == [1, "passed"]


def test_nested_checkpoints_run_effects_once(log):
    inner = mx.checkpoint(lambda x: mx.sin(x) * mx.stop_gradient(log.passing(x)))
    outer = mx.checkpoint(lambda x: inner(x) * 3)
    for wrap in (lambda g: g, mx.compile):
        got = wrap(mx.grad(outer))(mx.array(1.0)).item()
        assert got == pytest.approx(6 * np.cos(1.0), rel=1e-6)
    assert log == ["passed", "passed"]


def test_a_custom_function_without_rules_runs_its_effects_once(log):
    f = mx.custom_function(lambda x: x * x * mx.stop_gradient(log.passing(x)))
    for wrap in (lambda g: g, mx.compile):
        assert wrap(mx.grad(f))(mx.array(3.0)).item() == 36
    assert log == ["passed", "passed"]


def test_effects_keep_their_order_through_grad_vmap_and_compile(log):
    def f(x):
        log.note(x)
        y = x * x
        log.note(y)
        return y

    mx.eval(mx.compile(mx.vmap(mx.grad(f)))(mx.array([2.0, 3.0])))
    assert log == [2, 3, 4, 9]


def test_the_effects_of_a_function_that_failed_are_forgotten(log):
    def f(x):
        log.passing(x)
        raise RuntimeError("no")

    for transform in (mx.grad, mx.compile, mx.vmap):
        with pytest.raises(RuntimeError, match="no"):
            transform(f)(mx.ones(1))
    mx.eval(log.passing(mx.ones(1), "later"))
    assert log == ["later"]


def test_an_effect_asked_for_inside_grad_runs_once(log):
    def f(x):
        y = log.passing(x)
        assert y.item() == 4
        return x * mx.stop_gradient(y)

    assert mx.grad(f)(mx.array(2.0)).item() == 4
    assert mx.grad(mx.checkpoint(f))(mx.array(2.0)).item() == 4
    assert log == ["passed", "passed"]


def test_a_failing_effect_fails_what_comes_after_it_and_nothing_else(log):
    def broken(v):
        raise KeyError("mine")

    x = mx.ones(2)
    mx.host_call(broken, x, x, effect=True)
    with pytest.raises(KeyError):
        mx.eval(log.passing(x))
    assert (x + 1).tolist() == [2, 2]
    mx.eval(log.passing(x, "next"))
    assert log == ["next"]


def test_many_waiting_effects_run_without_recursion(log):
    kept = [log.passing(mx.ones(1)) for _ in range(5000)]
    mx.eval(kept[-1])
    assert len(log) == 5000


def test_threads_run_each_effect_once(log):
    def work():
        for _ in range(50):
            mx.eval(log.passing(mx.ones(1)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(log) == 200


# -- depends --------------------------------------------------------------------------------------


def test_depends_computes_its_dependencies_first(log):
    x = mx.depends(mx.ones(2), log.passing(mx.ones(1)))
    assert (x.tolist(), log) == ([1, 1], ["passed"])


def test_depends_of_a_sequence_is_a_list_of_the_same_arrays():
    a, b = mx.depends((mx.array(1), mx.array(2.0)), [mx.ones(1)])
    assert (a.item(), b.item(), a.dtype) == (1, 2, mx.int32)
    assert mx.depends([], mx.ones(1)) == []


def test_derivatives_and_batching_pass_through_depends():
    f = lambda x, y: mx.depends(x * x, y)  # noqa: E731
    assert mx.grad(f)(mx.array(3.0), mx.array(1.0)).item() == 6
    assert mx.grad(f, argnums=1)(mx.array(3.0), mx.array(1.0)).item() == 0
    assert mx.vmap(f)(mx.arange(3), mx.ones(3)).tolist() == [0, 1, 4]
    assert mx.compile(mx.grad(f))(mx.array(3.0), mx.array(1.0)).item() == 6


def test_depends_takes_arrays_only():
    for bad in ((1, mx.ones(1)), (mx.ones(1), 1), ([1], mx.ones(1))):
        with pytest.raises(ValueError, match="depends"):
            mx.depends(*bad)
