"""compile: signatures, live state, composition, errors."""

import inspect
import threading

import pytest

import monel.core as mx


def counted(f):
    calls = []

    def g(*args, **kwargs):
        calls.append(1)
        return f(*args, **kwargs)

    return g, calls


def test_a_compiled_function_gives_the_same_values():
    f = lambda x, y: (mx.exp(x) * y + x * 2, y)  # noqa: E731
    x, y = mx.array([0.5, 1.0]), mx.array(3.0)
    assert [v.tolist() for v in mx.compile(f)(x, y)] == [v.tolist() for v in f(x, y)]


def test_one_trace_a_signature():
    f, calls = counted(lambda x, n=1: x * n)
    c = mx.compile(f)
    c(mx.ones(2))
    c(mx.zeros(2))
    assert len(calls) == 1
    c(mx.ones(3))
    c(mx.ones(2, mx.float16))
    c(mx.ones(2), n=2)
    c(mx.ones(2), n=2.0)
    assert len(calls) == 5


def test_python_constants_are_compared_by_value_and_type():
    c = mx.compile(lambda x, n: x * n)
    assert c(mx.array([1]), 2).dtype == mx.int32
    assert c(mx.array([1]), 2.0).dtype == mx.float32
    assert c(mx.array([1]), True).tolist() == [1]


def test_results_keep_their_tree_and_their_constants():
    out = mx.compile(lambda a: (a, 3, "s", {"q": a}, None))(mx.array(2))
    assert (out[0].item(), out[1], out[2], out[3]["q"].item(), out[4]) == (2, 3, "s", 2, None)


def test_a_closure_is_frozen_at_the_first_trace():
    k = [mx.array(2.0)]
    c = mx.compile(lambda x: x * k[0])
    assert c(mx.array(3.0)).item() == 6
    k[0] = mx.array(5.0)
    assert c(mx.array(3.0)).item() == 6


def test_live_state_is_read_and_written():
    state = [mx.array(1.0)]

    def step(x):
        state[0] = state[0] + x
        return state[0] * 2

    c = mx.compile(step, inputs=state, outputs=state)
    assert [c(mx.array(2.0)).item() for _ in range(3)] == [6, 10, 14]
    assert state[0].item() == 7
    state[0] = mx.array(0.0)
    assert c(mx.array(2.0)).item() == 4


def test_live_state_may_change_its_structure():
    state = {}

    def step(x):
        state["n"] = state.get("n", mx.array(0.0)) + x
        return x

    c = mx.compile(step, inputs=state, outputs=state)
    for _ in range(3):
        c(mx.array(1.0))
    assert state["n"].item() == 3


def test_nested_live_state_keeps_its_containers():
    inner = {"w": mx.array(1.0)}
    state = [inner]

    def step():
        inner["w"] = inner["w"] * 2

    c = mx.compile(step, inputs=state, outputs=state)
    c()
    c()
    assert state[0] is inner
    assert inner["w"].item() == 4


def test_compile_of_grad_and_grad_of_compile():
    f = lambda x: mx.sin(x) * x  # noqa: E731
    x = mx.array(0.7)
    want = mx.grad(f)(x).item()
    assert mx.compile(mx.grad(f))(x).item() == pytest.approx(want, rel=1e-6)
    assert mx.grad(mx.compile(f))(x).item() == pytest.approx(want, rel=1e-6)


def test_compile_inside_compile_and_vmap():
    inner = mx.compile(lambda x: x * x)
    assert mx.compile(lambda x: inner(x) + 1)(mx.array(3.0)).item() == 10
    assert mx.vmap(inner)(mx.array([1.0, 2.0])).tolist() == [1, 4]


def test_a_value_cannot_be_asked_for_inside_compile():
    for ask in (lambda x: x.item(), lambda x: mx.eval(x), lambda x: bool(x), lambda x: x.tolist()):
        with pytest.raises(ValueError, match="compile"):
            mx.compile(ask)(mx.array(1.0))


def test_arguments_must_be_arrays_or_constants():
    with pytest.raises(ValueError, match="object"):
        mx.compile(lambda a, b: a)(mx.array(1.0), object())


def test_a_failed_trace_leaves_live_state_as_it_was():
    state = [mx.array(1.0)]

    def step(x):
        state[0] = state[0] + x
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        mx.compile(step, inputs=state, outputs=state)(mx.array(1.0))
    assert state[0].item() == 1


def test_disable_compile_calls_the_python_function():
    f, calls = counted(lambda x: x)
    c = mx.compile(f)
    mx.disable_compile()
    try:
        c(mx.ones(1))
        c(mx.ones(1))
    finally:
        mx.enable_compile()
    assert len(calls) == 2


def test_the_wrapper_keeps_name_docstring_and_signature():
    def f(x, *, scale=2):
        """Scale."""
        return x * scale

    c = mx.compile(f)
    assert (c.__name__, c.__doc__) == ("f", "Scale.")
    assert inspect.signature(c) == inspect.signature(f)


def test_shapeless_traces_once_for_all_shapes():
    f, calls = counted(lambda x: (x * 2).sum() + mx.zeros_like(x).sum())
    c = mx.compile(f, shapeless=True)
    assert [c(mx.ones(n)).item() for n in (2, 3, 7)] == [4, 6, 14]
    assert len(calls) == 1


def test_a_shapeless_gradient_follows_the_new_shape():
    c = mx.compile(mx.grad(lambda x: (x * x).sum()), shapeless=True)
    assert c(mx.array([1.0, 2.0])).tolist() == [2, 4]
    assert c(mx.array([1.0, 2.0, 3.0])).tolist() == [2, 4, 6]


def test_a_shapeless_reshape_to_a_fixed_shape_is_refused_elsewhere():
    c = mx.compile(lambda x: mx.reshape(x, (2, 2)), shapeless=True)
    assert c(mx.ones(4)).shape == (2, 2)
    with pytest.raises(ValueError, match="reshape"):
        c(mx.ones(6))


def test_a_shapeless_slice_of_whole_axes_follows_and_another_is_refused():
    c = mx.compile(lambda x: x[:, ::-1], shapeless=True)
    assert c(mx.array([[1, 2]])).tolist() == [[2, 1]]
    assert c(mx.array([[1, 2, 3]])).tolist() == [[3, 2, 1]]
    part = mx.compile(lambda x: x[:2], shapeless=True)
    assert part(mx.arange(4)).tolist() == [0, 1]
    with pytest.raises(ValueError, match="slice"):
        part(mx.arange(6))


def test_a_shapeless_function_is_traced_again_where_an_axis_becomes_1():
    c = mx.compile(mx.grad(lambda x, y: (x * y).sum()), shapeless=True)
    assert c(mx.ones((2, 3)), mx.ones((2, 3))).shape == (2, 3)
    assert c(mx.ones((1, 3)), mx.ones((2, 3))).tolist() == [[2, 2, 2]]


def test_keyword_arguments_may_be_arrays():
    c = mx.compile(lambda x, y: x - y)
    assert c(y=mx.array(1.0), x=mx.array(3.0)).item() == 2


def test_compiled_functions_run_on_many_threads():
    c = mx.compile(lambda x: mx.sin(x) + x)
    want = (mx.sin(mx.array(0.5)) + 0.5).item()
    wrong = []

    def work(n):
        for k in range(1, 20):
            y = c(mx.full((n,), 0.5))
            if y.shape != (n,) or abs(y[0].item() - want) > 1e-6:
                wrong.append((n, k))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_captured_tracer_of_an_ended_trace_is_refused():
    kept = []
    mx.vmap(lambda a: kept.append(a) or a)(mx.ones(3))
    with pytest.raises(ValueError, match="vmap"):
        mx.compile(lambda x: x + kept[0])(mx.array(1.0)).item()


def test_compile_chain_of_10_000_operations():
    def chain(x):
        for _ in range(10_000):
            x = x + 1.0
        return x

    assert mx.compile(chain)(mx.array(0.0)).item() == 10_000


# Large enough for memory to be reused.
MANY = 4096


def test_an_array_given_twice_is_not_overwritten_while_it_is_needed():
    f = mx.compile(lambda a, b: (mx.exp(a), mx.cumsum(b)))
    y = mx.sin(mx.full((MANY,), 0.5))
    first, second = f(y, y)
    del y
    mx.eval(first, second)
    assert first[0].item() == pytest.approx(1.6151463, rel=1e-6)
    assert second[1].item() == pytest.approx(2 * 0.4794255, rel=1e-6)


@pytest.mark.parametrize("same", [mx.stop_gradient, lambda h: mx.depends(h, mx.array(1.0))])
def test_what_shares_memory_with_a_live_array_is_not_overwritten(same):
    def f(x):
        h = mx.cumsum(x)
        return mx.cumsum(mx.exp(same(h))), mx.cumsum(h)

    x = mx.zeros(MANY)
    for got, want in zip(mx.compile(f)(x), f(x), strict=True):
        assert got.tolist() == want.tolist()


def test_the_gradient_of_a_checkpoint_compiles():
    one = mx.checkpoint(lambda x: mx.exp(x) * x)
    two = mx.checkpoint(lambda x, y: mx.exp(x) * y)
    f = mx.compile(mx.grad(lambda x: (one(x) + two(x, x)).sum()))
    assert f(mx.zeros(3)).tolist() == [2, 2, 2]


@pytest.mark.parametrize("transform", [mx.checkpoint, mx.custom_function])
def test_shapeless_reaches_into_the_bodies_of_functions(transform):
    inner = transform(lambda x: mx.exp(x) * x)
    f = mx.compile(mx.grad(lambda x: inner(x).sum()), shapeless=True)
    assert mx.allclose(f(mx.zeros(3)), mx.ones(3))
    assert mx.allclose(f(mx.zeros(5)), mx.ones(5))
    g = mx.compile(inner, shapeless=True)
    assert g(mx.zeros(3)).shape == (3,)
    assert g(mx.zeros(5)).shape == (5,)
