"""Reverse and forward mode: results, contracts, composition, scale."""

from collections import namedtuple

import pytest

import monel.core as mx


def test_grad_of_sin_is_cos():
    assert mx.grad(mx.sin)(mx.array(0.5)).item() == pytest.approx(0.8775825618903728, rel=1e-6)


@pytest.mark.parametrize(
    ("depth", "want"), [(1, 32.0), (2, 48.0), (3, 48.0), (4, 24.0), (5, 0.0), (6, 0.0)]
)
def test_nested_grads_of_the_fourth_power(depth, want):
    f = lambda x: x * x * x * x  # noqa: E731
    for _ in range(depth):
        f = mx.grad(f)
    assert f(mx.array(2.0)).item() == want


def test_argnums_and_argnames():
    f = lambda x, y: x * x * y  # noqa: E731
    x, y = mx.array(2.0), mx.array(3.0)
    assert mx.grad(f)(x, y).item() == 12
    assert [g.item() for g in mx.grad(f, argnums=(0, 1))(x, y)] == [12, 4]
    positional, named = mx.grad(f, argnames="y")(x, y=y)
    assert positional is None
    assert named["y"].item() == 4
    positional, named = mx.grad(f, argnums=0, argnames=["y"])(x, y=y)
    assert (positional.item(), named["y"].item()) == (12, 4)


@pytest.mark.parametrize(
    ("argnums", "error"),
    [(3, ValueError), (-1, ValueError), ((0, 0), ValueError), ((), ValueError), ("x", TypeError)],
)
def test_impossible_argnums_are_refused(argnums, error):
    with pytest.raises(error, match="grad"):
        mx.grad(lambda x: x, argnums=argnums)(mx.array(1.0))


def test_a_loss_must_be_a_scalar_array():
    with pytest.raises(ValueError, match="scalar"):
        mx.grad(lambda x: x)(mx.ones(3))
    with pytest.raises(ValueError, match="int was returned"):
        mx.grad(lambda x: 3)(mx.array(1.0))


def test_numbers_cannot_be_differentiated_by():
    with pytest.raises(ValueError, match="arrays"):
        mx.grad(lambda x: x * x)(2.0)


def test_value_and_grad_passes_auxiliary_outputs_on():
    (value, five, name), g = mx.value_and_grad(lambda x: (x * x, 5, "a"))(mx.array(3.0))
    assert (value.item(), five, name, g.item()) == (9, 5, "a", 6)


def test_a_gradient_has_the_dtype_of_its_primal():
    assert mx.grad(lambda x: x * x)(mx.array(3)).dtype == mx.int32
    half = mx.grad(lambda x: (x.astype(mx.float32) * 2).sum())(mx.ones(2, mx.float16))
    assert half.dtype == mx.float16


def test_the_gradient_by_a_complex_primal_is_that_of_pytorch():
    z = mx.array(1 + 2j)
    assert mx.grad(lambda z: mx.real(z * z))(z).item() == 2 - 4j


def test_trees_keep_their_types():
    Point = namedtuple("Point", "x y")
    tree = {"a": [mx.array(1.0), mx.array(2.0)], "p": Point(mx.array(3.0), mx.array(4.0))}
    g = mx.grad(lambda t: t["a"][0] * t["a"][1] * t["p"].x * t["p"].y)(tree)
    assert type(g["p"]) is Point
    assert [v.item() for v in (*g["a"], *g["p"])] == [24, 12, 8, 6]


def test_containers_keep_their_identity_and_what_was_written_into_them():
    inner = [mx.array(2.0)]
    tree = {"a": inner, "b": mx.array(5.0)}
    kept = tree["b"]

    def loss(t):
        t["new"] = 7
        return t["a"][0] * t["b"]

    mx.grad(loss)(tree)
    assert tree["a"] is inner
    assert tree["b"] is kept
    assert tree["new"] == 7


def test_control_flow_on_values_works_inside_grad():
    def f(x):
        return x * x if x.item() > 0 else -x

    assert mx.grad(f)(mx.array(3.0)).item() == 6
    assert mx.grad(f)(mx.array(-3.0)).item() == -1


def test_eval_inside_grad_keeps_the_gradient():
    def f(x):
        y = mx.sin(x)
        mx.eval(y)
        return y * y

    want = mx.grad(lambda x: mx.sin(x) * mx.sin(x))(mx.array(0.7)).item()
    assert mx.grad(f)(mx.array(0.7)).item() == pytest.approx(want, rel=1e-6)


def test_eval_inside_a_nested_grad_keeps_the_outer_gradient():
    def inner(x, y):
        z = x * y
        mx.eval(z)
        return z * z

    outer = mx.grad(lambda y: mx.grad(inner)(mx.array(2.0), y))
    assert outer(mx.array(3.0)).item() == 4 * 2.0 * 3.0


def test_an_in_place_update_is_differentiated():
    def f(x, i):
        x[i] = 2.0
        return x.sum()

    g = mx.grad(f)(mx.array([1.0, 2.0, 3.0]), mx.array([1]))
    assert g.tolist() == [1, 0, 1]


def test_indices_that_descend_from_the_primal_need_stop_gradient_and_no_more():
    x = mx.array([3.0, 1.0, 2.0])

    def smallest(x, stop):
        order = mx.argsort(x)
        order = mx.stop_gradient(order) if stop else order
        return mx.take_along_axis(x, order, 0)[0] + x[order][1] + mx.put_along_axis(x, order, x)[2]

    assert mx.grad(smallest)(x, True).tolist() == [0, 2, 1]
    with pytest.raises(ValueError, match="Cannot calculate VJP with respect to indices"):
        mx.grad(smallest)(x, False)


def test_stop_gradient_is_a_constant():
    assert mx.grad(lambda x: x * mx.stop_gradient(x))(mx.array(3.0)).item() == 3


def test_no_perturbation_confusion():
    # d/dx (x * d/dy (x + y)) = 1 at any x
    f = lambda x: x * mx.grad(lambda y: x + y)(mx.array(1.0))  # noqa: E731
    assert mx.grad(f)(mx.array(1.0)).item() == 1


def test_vjp_returns_outputs_and_products():
    x, y = mx.array(2.0), mx.array(3.0)
    outputs, products = mx.vjp(lambda a, b: (a * b, a), [x, y], [x, y])
    assert [o.item() for o in outputs] == [6, 2]
    assert [p.item() for p in products] == [9, 4]


def test_jvp_returns_outputs_and_tangents():
    x, y = mx.array(2.0), mx.array(3.0)
    outputs, tangents = mx.jvp(lambda a, b: (a * b, a), [x, y], [x, y])
    assert [o.item() for o in outputs] == [6, 2]
    assert [t.item() for t in tangents] == [12, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.vjp(lambda a: (a, a), [mx.array(1.0)], [mx.array(1.0)]),
        lambda: mx.vjp(lambda a: a, [mx.array(1.0)], [mx.ones(3)]),
        lambda: mx.jvp(lambda a: a, [mx.array(1.0)], []),
        lambda: mx.jvp(lambda a: a, [mx.array(1.0)], [mx.ones(3)]),
    ],
)
def test_mismatched_products_are_refused(call):
    with pytest.raises(ValueError, match=r"jp:|vp:"):
        call()


def test_an_output_that_does_not_depend_on_the_input_has_a_zero_gradient():
    _, products = mx.vjp(lambda a: mx.array(1.0), [mx.array(2.0)], [mx.array(1.0)])
    assert products[0].item() == 0


def test_a_gradient_through_100_000_operations():
    def chain(x):
        for _ in range(100_000):
            x = x * 1.0
        return x

    assert mx.grad(chain)(mx.array(2.0)).item() == 1


def test_the_derivative_by_an_index_is_refused():
    with pytest.raises(ValueError, match="indices"):
        mx.grad(lambda i: mx.take(mx.ones(3), i).sum())(mx.array([0, 1]))


def test_grad_of_vmap_and_vmap_of_grad_agree():
    x = mx.array([0.1, 0.2, 0.3])
    per_row = mx.vmap(mx.grad(lambda v: mx.sin(v) * v))(x)
    total = mx.grad(lambda v: mx.vmap(lambda w: mx.sin(w) * w)(v).sum())(x)
    assert per_row.tolist() == pytest.approx(total.tolist(), rel=1e-6)


def test_async_eval_of_a_traced_array_is_refused():
    with pytest.raises(ValueError, match="async_eval"):
        mx.grad(lambda x: mx.async_eval(x) or x)(mx.array(1.0))


def test_the_gradient_of_a_sum_of_squares_records_no_broadcast_copy():
    g = mx.grad(lambda x: (x * x).sum())(mx.array([1.0, 2.0]))
    assert g.tolist() == [2, 4]


def test_many_inner_grads_that_capture_an_outer_value():
    def outer(x):
        total = x
        for _ in range(300):
            total = total + mx.grad(lambda y, t=total: y * t * 0.01)(mx.array(1.0))
        return total

    assert mx.grad(outer)(mx.array(1.0)).item() == pytest.approx(1.01**300, rel=1e-4)


def test_an_index_that_was_found_from_the_argument_has_to_be_stopped():
    x = mx.array([3.0, 1.0, 2.0])
    f = lambda order: lambda x: (x[order(mx.argsort(x))] * mx.array([1.0, 2.0, 3.0])).sum()  # noqa: E731
    for transform in (lambda h: h, mx.compile):
        assert transform(mx.grad(f(mx.stop_gradient)))(x).tolist() == [3, 1, 2]
        with pytest.raises(ValueError, match="indices"):
            transform(mx.grad(f(lambda order: order)))(x)
