"""Derivatives and batching of what moves, reduces and orders: differences, adjoints, loops."""

import numpy as np
import pytest

import monel.core as mx

CASES = {
    "sum": (lambda x: mx.sum(x, axis=(0, 2)), [(2, 3, 2)]),
    "prod": (lambda x: mx.prod(x, axis=(0, 2)), [(2, 3, 2)]),
    "max": (lambda x: mx.max(x, axis=1), [(2, 3)]),
    "min": (lambda x: mx.min(x), [(2, 3)]),
    "mean": (lambda x: mx.mean(x, axis=0), [(2, 3)]),
    "var": (lambda x: mx.var(x, axis=1, ddof=1), [(2, 3)]),
    "std": (lambda x: mx.std(x), [(2, 3)]),
    "median": (lambda x: mx.median(x, axis=1), [(2, 4)]),
    "cumsum": (lambda x: mx.cumsum(x, axis=1, reverse=True), [(2, 3)]),
    "cumsum_exclusive": (lambda x: mx.cumsum(x, axis=0, inclusive=False), [(3, 2)]),
    "cumprod": (lambda x: mx.cumprod(x, axis=1), [(2, 5)]),
    "cumprod_back": (lambda x: mx.cumprod(x, axis=0, reverse=True, inclusive=False), [(5, 2)]),
    "cummax": (lambda x: mx.cummax(x, axis=1), [(2, 5)]),
    "cummin": (lambda x: mx.cummin(x, axis=1, reverse=True), [(2, 5)]),
    "logcumsumexp": (lambda x: mx.logcumsumexp(x, axis=1), [(2, 5)]),
    "matmul": (mx.matmul, [(2, 3), (3, 4)]),
    "matmul_broadcast": (mx.matmul, [(4, 1, 2, 3), (5, 3, 2)]),
    "matmul_vectors": (mx.matmul, [(3,), (3,)]),
    "addmm": (lambda c, a, b: mx.addmm(c, a, b, 2.0, 3.0), [(4,), (2, 3), (3, 4)]),
    "inner": (mx.inner, [(2, 3), (4, 3)]),
    "outer": (mx.outer, [(2,), (3,)]),
    "tensordot": (lambda a, b: mx.tensordot(a, b, 1), [(2, 3), (3, 4)]),
    "kron": (mx.kron, [(2, 2), (3,)]),
    "vecdot": (mx.vecdot, [(2, 3), (2, 3)]),
    "einsum": (lambda a, b, c: mx.einsum("ij,jk,kk->i", a, b, c), [(2, 3), (3, 4), (4, 4)]),
    "sort": (lambda x: mx.sort(x, axis=0), [(5, 2)]),
    "topk": (lambda x: mx.topk(x, 2), [(2, 5)]),
    "reshape": (lambda x: mx.reshape(x, (3, 4)), [(2, 6)]),
    "flatten": (lambda x: mx.flatten(x, 1, 2), [(2, 3, 2)]),
    "unflatten": (lambda x: mx.unflatten(x, 1, (2, -1)), [(2, 6)]),
    "transpose": (lambda x: mx.transpose(x, (2, 0, 1)), [(2, 3, 4)]),
    "squeeze": (mx.squeeze, [(1, 3, 1)]),
    "expand_dims": (lambda x: mx.expand_dims(x, (0, 2)), [(2, 3)]),
    "broadcast_to": (lambda x: mx.broadcast_to(x, (2, 3, 4)), [(3, 1)]),
    "concatenate": (lambda a, b: mx.concatenate([a, b], axis=1), [(2, 3), (2, 1)]),
    "stack": (lambda a, b: mx.stack([a, b], axis=1), [(2, 3), (2, 3)]),
    "split": (lambda x: mx.split(x, [1, 3])[1], [(4, 2)]),
    "tile": (lambda x: mx.tile(x, (2, 3)), [(2, 2)]),
    "repeat": (lambda x: mx.repeat(x, 2, axis=0), [(2, 2)]),
    "roll": (lambda x: mx.roll(x, 1, 1), [(2, 3)]),
    "flip": (mx.flip, [(2, 3)]),
    "pad": (lambda x: mx.pad(x, ((1, 2), (0, 1))), [(2, 3)]),
    "pad_edge": (lambda x: mx.pad(x, 2, "edge"), [(2, 3)]),
    "pad_reflect": (lambda x: mx.pad(x, 3, "reflect"), [(3,)]),
    "diag": (lambda x: mx.diag(x, 1), [(3,)]),
    "diagonal": (lambda x: mx.diagonal(x, -1, 0, 2), [(3, 2, 4)]),
    "trace": (mx.trace, [(3, 4)]),
    "tril": (mx.tril, [(3, 4)]),
    "as_strided": (lambda x: mx.as_strided(x, (3, 2), (1, 2)), [(6,)]),
}  # fmt: skip


def operands(shapes, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in shapes]


def double(x):
    return mx.array(x, dtype=mx.float64)


@pytest.mark.parametrize("name", CASES)
def test_the_jvp_agrees_with_differences(name):
    f, shapes = CASES[name]
    xs, ts = operands(shapes, 0), operands(shapes, 1)
    (got,) = mx.jvp(f, [double(x) for x in xs], [double(t) for t in ts])[1]
    h = 1e-6
    high, low = (
        np.array(f(*[double(x + s * t) for x, t in zip(xs, ts, strict=True)])) for s in (h, -h)
    )
    np.testing.assert_allclose(np.array(got), (high - low) / (2 * h), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_the_vjp_is_the_adjoint_of_the_jvp(name):
    f, shapes = CASES[name]
    xs = [double(x) for x in operands(shapes, 0)]
    ts = operands(shapes, 1)
    (out,), (tangent,) = mx.jvp(f, xs, [double(t) for t in ts])
    ct = np.random.default_rng(2).standard_normal(out.shape)
    found = mx.vjp(f, xs, [double(ct)])[1]
    for got, x in zip(found, xs, strict=True):
        assert (got.shape, got.dtype) == (x.shape, x.dtype)
    forward = np.sum(ct * np.array(tangent))
    backward = sum(np.sum(np.array(g) * t) for g, t in zip(found, ts, strict=True))
    np.testing.assert_allclose(forward, backward, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("axis", [0, -1])
def test_vmap_agrees_with_a_loop(name, axis):
    f, shapes = CASES[name]
    rows = [operands(shapes, seed) for seed in range(3)]
    columns = [double(np.stack(c, axis)) for c in zip(*rows, strict=True)]
    got = np.array(mx.vmap(f, in_axes=axis)(*columns))
    want = np.stack([np.array(f(*[double(x) for x in row])) for row in rows])
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


COMPLEX = {
    "sum": mx.sum,
    "prod": mx.prod,
    "cumsum": mx.cumsum,
    "cumprod": mx.cumprod,
    "matmul": lambda x: mx.matmul(x, mx.transpose(x)),
    "mean": lambda x: mx.mean(x, axis=1),
    "pad": lambda x: mx.pad(x, 1),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives_are_adjoint(name):
    f = COMPLEX[name]
    rng = np.random.default_rng(0)
    x, t = ((rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))) for _ in range(2))
    x, t = mx.array(x.astype("complex64")), mx.array(t.astype("complex64"))
    (out,), (tangent,) = mx.jvp(f, [x], [t])
    ct = rng.standard_normal(out.shape) + 1j * rng.standard_normal(out.shape)
    (found,) = mx.vjp(f, [x], [mx.array(ct.astype("complex64"))])[1]
    forward = np.sum(np.conj(ct) * np.array(tangent)).real
    backward = np.sum(np.conj(np.array(found)) * np.array(t)).real
    np.testing.assert_allclose(forward, backward, rtol=1e-4)


@pytest.mark.parametrize("name", ["cumprod", "logcumsumexp", "cumsum", "prod"])
def test_a_second_derivative_agrees_with_differences(name):
    x, v = operands([(4,), (4,)], 5)

    def energy(z):
        return mx.sum(mx.square(getattr(mx, name)(z)))

    def slope(y):
        return mx.sum(mx.grad(energy)(y) * double(v))

    got = np.array(mx.grad(slope)(double(x)))
    for i, step in enumerate(np.eye(4) * 1e-5):
        high, low = (slope(double(x + s * step)).item() for s in (1, -1))
        np.testing.assert_allclose(got[i], (high - low) / 2e-5, rtol=1e-5, atol=1e-7)


OPEN = {
    "mean": lambda x: mx.mean(x, axis=1),
    "std": lambda x: mx.std(x, ddof=1),
    "max": lambda x: mx.max(x, axis=0),
    "prod": mx.prod,
    "cumsum": lambda x: mx.cumsum(x, axis=0),
    "cummax": lambda x: mx.cummax(x, axis=1),
    "sort": mx.sort,
    "flatten": mx.flatten,
    "unflatten": lambda x: mx.unflatten(x, 0, (-1, 1)),
    "matmul": lambda x: mx.matmul(x, mx.transpose(x)),
    "concatenate": lambda x: mx.concatenate([x, mx.square(x)], axis=1),
    "stack": lambda x: mx.stack([x, mx.square(x)]),
    "pad": lambda x: mx.pad(x, ((1, 2), (0, 1))),
    "tile": lambda x: mx.tile(x, (2, 1, 2)),
    "repeat": lambda x: mx.repeat(x, 2, axis=1),
    "tril": mx.tril,
    "ones_like": lambda x: mx.ones_like(x) * x,
}


@pytest.mark.parametrize("name", OPEN)
def test_values_and_gradients_follow_other_shapes(name):
    f = OPEN[name]
    for g in (f, mx.grad(lambda x: mx.sum(mx.square(f(x))))):
        compiled = mx.compile(g, shapeless=True)
        for shape in [(2, 3), (4, 5)]:
            x = mx.array(operands([shape], 7)[0].astype("float32"))
            got, want = np.array(compiled(x)), np.array(g(x))
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
