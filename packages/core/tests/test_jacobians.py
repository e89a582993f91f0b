"""jacfwd, jacrev, hessian and linearize."""

import numpy as np
import pytest

import monel.core as mx

both = pytest.mark.parametrize("jacobian", [mx.jacfwd, mx.jacrev])


def near(got, want):
    assert got.shape == tuple(np.shape(want))
    np.testing.assert_allclose(np.array(got), np.array(want), rtol=1e-5, atol=1e-6)


@both
def test_the_jacobian_of_a_linear_map_is_its_matrix(jacobian):
    a = mx.array(np.random.default_rng(0).standard_normal((4, 3)))
    near(jacobian(lambda x: a @ x)(mx.ones(3)), a)


@both
def test_shapes_are_those_of_output_and_argument(jacobian):
    j = jacobian(lambda x: x.T @ x)(mx.ones((2, 3)))
    assert j.shape == (3, 3, 2, 3)
    assert jacobian(mx.sin)(mx.array(0.0)).item() == 1
    assert jacobian(lambda x: mx.stack([x, x * x]))(mx.array(3.0)).tolist() == [1, 6]


@both
def test_trees_nest_the_argument_in_the_output(jacobian):
    def f(p, k):
        return {"y": p["w"] * k, "z": (p["b"] ** 2,)}

    j = jacobian(f)({"w": mx.array([1.0, 2.0]), "b": mx.array(3.0)}, 2.0)
    near(j["y"]["w"], [[2, 0], [0, 2]])
    near(j["y"]["b"], [0, 0])
    near(j["z"][0]["b"], 6)
    assert j["z"][0]["w"].shape == (2,)


@both
def test_several_arguments_give_a_tuple(jacobian):
    f = lambda x, y: x * y  # noqa: E731
    x, y = mx.array([1.0, 2.0]), mx.array([3.0, 4.0])
    jx, jy = jacobian(f, argnums=(0, 1))(x, y)
    near(jx, np.diag([3, 4]))
    near(jy, np.diag([1, 2]))
    near(jacobian(f, argnums=1)(x, y), np.diag([1, 2]))
    near(jacobian(f, argnums=-1)(x, y), np.diag([1, 2]))


@both
def test_jacobians_compose_with_other_transforms(jacobian):
    f = lambda x: mx.sin(x) * x[0]  # noqa: E731
    x = mx.array([0.3, 0.7])
    want = jacobian(f)(x)
    near(mx.compile(jacobian(f))(x), want)
    near(mx.vmap(jacobian(f))(mx.stack([x, x]))[1], want)
    g = mx.grad(lambda x: (jacobian(f)(x) ** 2).sum())(x)
    step = 1e-3
    for i in range(2):
        e = mx.array(np.eye(2)[i] * step)
        ahead, behind = ((jacobian(f)(x + d) ** 2).sum().item() for d in (e, -e))
        assert g[i].item() == pytest.approx((ahead - behind) / (2 * step), rel=1e-2)


def test_a_hessian_holds_the_second_derivatives():
    f = lambda x: x[0] ** 2 * x[1] + mx.sin(x[1])  # noqa: E731
    near(mx.hessian(f)(mx.array([1.0, 2.0])), [[4, 2], [2, -np.sin(2)]])
    blocks = mx.hessian(lambda x, y: (x * x * y).sum(), argnums=(0, 1))(mx.ones(2), mx.ones(2))
    near(blocks[0][0], np.diag([2, 2]))
    near(blocks[0][1], np.diag([2, 2]))
    near(blocks[1][1], np.zeros((2, 2)))


def test_hessian_of_loops():
    f = lambda x: mx.scan(lambda c, _: (mx.sin(c) * x, None), x, length=3)[0].sum()  # noqa: E731

    def g(x):
        c = x
        for _ in range(3):
            c = mx.sin(c) * x
        return c.sum()

    x = mx.array([0.5, 1.5])
    near(mx.hessian(f)(x), mx.hessian(g)(x))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: mx.jacfwd(3), TypeError, "callable"),
        (lambda: mx.jacrev(mx.sin, argnums="x"), TypeError, "argnums"),
        (lambda: mx.jacrev(mx.sin, argnums=()), ValueError, "no argument"),
        (lambda: mx.jacfwd(mx.sin, argnums=1)(mx.ones(2)), ValueError, "argument 1"),
        (lambda: mx.jacfwd(mx.sin)(2.0), ValueError, "float"),
        (lambda: mx.jacfwd(mx.abs)(mx.array([1, 2])), ValueError, r"floating argument.*int32\[2\]"),
        (lambda: mx.jacrev(mx.abs)(mx.array([1j])), ValueError, "floating argument"),
        (lambda: mx.jacrev(lambda x: mx.argmax(x))(mx.ones(2)), ValueError, "floating output"),
        (lambda: mx.hessian(mx.sin, argnums=1.0), TypeError, "hessian"),
    ],
)
def test_wrong_uses_say_what_was_expected(call, error, match):
    with pytest.raises(error, match=match):
        call()


# -- linearize ------------------------------------------------------------------------------------


def test_the_linear_function_is_the_jvp():
    f = lambda x, y: (mx.sin(x) * y, x + 2.0, mx.ones(2))  # noqa: E731
    x, y = mx.array([0.5, 1.0]), mx.array([2.0, 3.0])
    outputs, push = mx.linearize(f, [x, y])
    for tangents in ([mx.ones(2), mx.zeros(2)], [mx.zeros(2), mx.array([1.0, -1.0])]):
        want = mx.jvp(f, [x, y], tangents)
        for got, w in zip((*outputs, *push(tangents)), (*want[0], *want[1]), strict=True):
            near(got, w)


def test_the_function_and_what_its_derivative_needs_run_once():
    calls, log = [], []

    def f(x):
        calls.append(1)
        return x * mx.host_call(lambda v: log.append(1) or np.cos(v), x, mx.stop_gradient(x))

    _, push = mx.linearize(f, [mx.array(0.5)])
    got = [push([mx.array(float(k))])[0].item() for k in range(3)]
    assert got == pytest.approx([0, np.cos(0.5), 2 * np.cos(0.5)], rel=1e-6)
    assert (len(calls), len(log)) == (1, 1)


def test_linearize_composes():
    f = lambda x: mx.sin(x) * x  # noqa: E731
    x = mx.array([0.5, 1.0])
    rows = mx.vmap(mx.linearize(f, [x])[1])([mx.eye(2)])[0]
    near(rows, mx.jacfwd(f)(x))
    near(mx.grad(lambda x: mx.linearize(f, [x])[1]([mx.ones(2)])[0].sum())(x),
         mx.grad(lambda x: mx.jvp(f, [x], [mx.ones(2)])[1][0].sum())(x))  # fmt: skip
    near(mx.compile(lambda t: mx.linearize(f, [x])[1]([t])[0])(mx.ones(2)),
         mx.jvp(f, [x], [mx.ones(2)])[1][0])  # fmt: skip


def test_linearize_checks_its_tangents():
    push = mx.linearize(mx.sin, [mx.ones(2)])[1]
    with pytest.raises(ValueError, match="shape"):
        push([mx.ones(3)])
    with pytest.raises(ValueError, match="number"):
        push([])
    with pytest.raises(TypeError, match="linearize"):
        push(3)
