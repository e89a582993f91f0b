"""custom_function and checkpoint: rules, trees, captured arrays, composition."""

import math

import pytest

import monel.core as mx
from monel.core.graph.capture import trace_program
from monel.core.primitives.derive import placeholder


def sine_times():
    @mx.custom_function
    def f(x, y):
        return mx.sin(x) * y

    return f


def test_without_rules_everything_is_as_for_the_plain_function():
    f = sine_times()
    x, y = mx.array(0.3), mx.array(2.0)
    plain = lambda x, y: mx.sin(x) * y  # noqa: E731
    assert f(x, y).item() == plain(x, y).item()
    assert mx.grad(f)(x, y).item() == pytest.approx(mx.grad(plain)(x, y).item())
    assert mx.jvp(f, [x, y], [x, y])[1][0].item() == pytest.approx(
        mx.jvp(plain, [x, y], [x, y])[1][0].item()
    )
    assert mx.vmap(f, in_axes=(0, None))(mx.array([0.1, 0.2]), y).shape == (2,)


def test_the_vjp_rule_is_used():
    f = sine_times()

    @f.vjp
    def rule(primals, cotangent, output):
        return cotangent * 10, cotangent * 20

    x, y = mx.array(0.3), mx.array(2.0)
    assert [g.item() for g in mx.grad(f, argnums=(0, 1))(x, y)] == [10, 20]


def test_the_jvp_rule_is_used_and_missing_tangents_are_none():
    f = sine_times()
    seen = []

    @f.jvp
    def rule(primals, tangents):
        seen.append([t is None for t in tangents])
        return tangents[0] * 7

    x, y = mx.array(0.3), mx.array(2.0)
    _, tangents = mx.jvp(lambda x: f(x, y), [x], [mx.array(1.0)])
    assert tangents[0].item() == 7
    assert seen == [[False, True]]


def test_the_vmap_rule_is_used():
    f = sine_times()

    @f.vmap
    def rule(inputs, axes):
        assert axes == (0, None)
        return inputs[0] + 100, axes[0]

    assert mx.vmap(f, in_axes=(0, None))(mx.array([1.0, 2.0]), mx.array(2.0)).tolist() == [101, 102]


def test_a_single_argument_comes_alone():
    @mx.custom_function
    def f(x):
        return x * 2

    @f.vjp
    def rule(x, cotangent, output):
        assert isinstance(x, mx.array)
        return cotangent * 100

    assert mx.grad(f)(mx.array(2.0)).item() == 100


def test_rules_work_over_trees():
    @mx.custom_function
    def f(d):
        return {"o": d["a"] * 2, "p": d["b"]}

    @f.vjp
    def rule(d, cotangents, outputs):
        return {"a": cotangents["o"] * 5, "b": cotangents["p"]}

    g = mx.grad(lambda d: f(d)["o"])({"a": mx.array(2.0), "b": mx.array(3.0)})
    assert (g["a"].item(), g["b"].item()) == (5, 0)


def captured(rule):
    def g(x, y):
        @mx.custom_function
        def f(x):
            return x * y

        if rule:

            @f.vjp
            def f_vjp(x, dx, fx):
                raise ValueError("Abort!")

        return f(x)

    return g


def test_captured_arrays_are_constants_for_a_vjp_rule():
    g = captured(rule=True)
    x, y = mx.array(2.0), mx.array(3.0)
    assert g(x, y).item() == 6
    with pytest.raises(ValueError, match="Abort"):
        mx.grad(g)(x, y)
    assert mx.grad(g, argnums=1)(x, y).item() == 0


def test_gradients_flow_to_captured_arrays_where_there_is_no_rule():
    assert mx.grad(captured(rule=False), argnums=1)(mx.array(2.0), mx.array(3.0)).item() == 2


def test_constants_among_the_arguments():
    @mx.custom_function
    def f(a, n):
        return a * n

    @f.vjp
    def rule(primals, cotangent, output):
        assert primals[1] == 3
        return cotangent * 3, None

    assert mx.grad(lambda a: f(a, 3))(mx.array(2.0)).item() == 3


def test_checkpoint_changes_no_value_and_no_derivative():
    f = lambda x: mx.sin(x) * x  # noqa: E731
    x = mx.array(0.7)
    for depth in range(3):
        plain, again = f, mx.checkpoint(f)
        for _ in range(depth):
            plain, again = mx.grad(plain), mx.grad(again)
        assert again(x).item() == pytest.approx(plain(x).item(), rel=1e-6)


def test_checkpoint_passes_constants_and_trees():
    out = mx.checkpoint(lambda x, k=3: ({"a": x * k}, k))(mx.array(2.0), k=4)
    assert (out[0]["a"].item(), out[1]) == (8, 4)


def test_checkpoint_of_a_function_that_captures_a_traced_array():
    def loss(w):
        return mx.checkpoint(lambda x: mx.sin(x * w))(mx.array(2.0))

    want = mx.grad(lambda w: mx.sin(2.0 * w))(mx.array(0.3)).item()
    assert mx.grad(loss)(mx.array(0.3)).item() == pytest.approx(want, rel=1e-6)


def test_vmap_of_checkpoint_inside_grad():
    def loss(w):
        return mx.vmap(mx.checkpoint(lambda x: mx.exp(x) * w))(mx.array([0.0, 1.0])).sum()

    assert mx.grad(loss)(mx.array(2.0)).item() == pytest.approx(1 + 2.718281828, rel=1e-6)


def test_the_wrapped_function_keeps_its_name_and_docstring():
    @mx.custom_function
    def f(x):
        """Say something."""
        return x

    assert (f.__name__, f.__doc__) == ("f", "Say something.")


@pytest.mark.parametrize("make", [mx.custom_function, mx.checkpoint, mx.compile, mx.grad])
def test_only_callables_are_wrapped(make):
    with pytest.raises(TypeError, match="callable"):
        make(3)


def test_a_batched_checkpoint_stays_one():
    f = mx.checkpoint(lambda x, y: (mx.sin(x) * y, y + 1))
    x, y = mx.array([0.5, 1.0]), mx.array(2.0)
    avals = [x.value.aval, y.value.aval]
    batch = lambda x, y: tuple(mx.vmap(f, in_axes=(0, None), out_axes=(0, None))(x, y))  # noqa: E731
    program = trace_program(batch, avals, placeholder)
    assert [e.primitive.name for e in program.equations] == ["checkpoint"]
    g = mx.grad(lambda x: mx.vmap(f, in_axes=(0, None))(x, y)[0].sum())
    assert g(x).tolist() == pytest.approx([2 * math.cos(0.5), 2 * math.cos(1.0)], rel=1e-6)
    assert mx.vmap(mx.grad(lambda x: f(x, y)[0]))(x).tolist() == g(x).tolist()
