"""Derivatives and batching of every primitive, on the reference backend, against their definitions.

In float64: jvp against central differences, the adjoint law, and vmap against a loop.
"""

import numpy as np
import pytest

import monel.core as mx
from monel.core.base.program import Program
from monel.core.graph.primitive import REGISTRY

SKIPPED = {
    "call",
    "checkpoint",
    "custom_function",
    "depends",
    "identity",
    "output",
    "placeholder",
}
# The derivative of a loop without a bound on its steps is differentiated by jvp alone.
FORWARD_ONLY = {"while_reverse"}
NAMES = [n for n in sorted(REGISTRY) if n not in SKIPPED and "::" not in n]
STEP = 1e-6


@pytest.fixture(autouse=True)
def on_reference():
    with mx.stream(mx.Device("reference")):
        yield


def listed(made):
    return list(made) if isinstance(made, list | tuple) else [made]


def evaluated(p, operands):
    return [np.array(out) for out in listed(p.bind(*operands))]


def wide(p, x):
    """Return an operand as an array: floating ones in float64, unless a Program has a dtype."""
    if x.dtype.kind == "f" and not any(isinstance(v, Program) for v in p.parameters.values()):
        return mx.array(x, dtype=mx.float64)
    return mx.array(x)


def active(p, operands):
    """Return the operands that have a derivative."""
    linear_in = range(len(operands)) if p.linear_in is None else p.linear_in
    return [
        i
        for i, x in enumerate(operands)
        if x.dtype.inexact and x.dtype.size > 2 and i in linear_in and i not in p.zero_in
    ]


def differentiable(sample):
    p = sample.primitive
    if p.nondifferentiable is not None:
        return False
    operands = [wide(p, x) for x in sample.operands]
    if not active(p, operands) or not all(np.all(np.isfinite(x)) for x in sample.operands):
        return False
    # Differences of half types say nothing.
    return all(o.dtype.inexact and o.dtype.size > 2 for o in listed(p.bind(*operands)))


def directions(rng, arrays):
    return [mx.array(rng.standard_normal(x.shape), dtype=x.dtype) for x in arrays]


def samples(name):
    """Return the samples of a primitive that has operands."""
    return [s for s in REGISTRY[name].samples(np.random.default_rng(0)) if s.operands]


@pytest.mark.parametrize("name", NAMES)
def test_jvp_agrees_with_differences_and_vjp_is_its_adjoint(name):
    for sample in filter(differentiable, samples(name)):
        check_derivatives(sample)


def check_derivatives(sample):
    p, rng = sample.primitive, np.random.default_rng(1)
    operands = [wide(p, x) for x in sample.operands]
    places = active(p, operands)

    def function(*moving):
        replaced = list(operands)
        for i, x in zip(places, moving, strict=True):
            replaced[i] = x
        return listed(p.bind(*replaced))

    primals = [operands[i] for i in places]
    tangents = directions(rng, primals)
    outs, pushed = mx.jvp(function, primals, tangents)
    single = any(x.dtype is not mx.float64 for x in (*primals, *outs))
    step, close = (1e-2, 1e-2) if single else (STEP, 1e-6)
    ahead = function(*[x + step * t for x, t in zip(primals, tangents, strict=True)])
    behind = function(*[x - step * t for x, t in zip(primals, tangents, strict=True)])
    for out, t, a, b in zip(outs, pushed, ahead, behind, strict=True):
        assert (t.shape, t.dtype) == (out.shape, out.dtype)
        if p.surrogate is not None:
            continue
        finite = np.isfinite(np.array(out))
        want = (np.array(a)[finite] - np.array(b)[finite]) / (2 * step)
        scale = max(1.0, float(np.max(np.abs(want), initial=0)))
        room = close * scale * sample.tolerance
        np.testing.assert_allclose(np.array(t)[finite], want, atol=room)
    if p.name in FORWARD_ONLY:
        return
    cotangents = directions(rng, outs)
    _, pulled = mx.vjp(function, primals, cotangents)
    for x, g in zip(primals, pulled, strict=True):
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
    left = sum(inner(c, t) for c, t in zip(cotangents, pushed, strict=True))
    right = sum(inner(g, t) for g, t in zip(pulled, tangents, strict=True))
    assert left == pytest.approx(right, rel=1e-4 if single else 1e-9, abs=1e-4 if single else 1e-9)


def inner(a, b):
    return float(np.real(np.vdot(np.array(a), np.array(b))))


@pytest.mark.parametrize("name", NAMES)
def test_vmap_agrees_with_a_loop(name):
    for sample in samples(name):
        check_batching(sample)


def check_batching(sample):
    p = sample.primitive
    for place, x in enumerate(sample.operands):
        for axis in range(x.ndim + 1):
            rows = np.stack([x, x[::-1] if x.ndim else x], axis)
            axes = [axis if i == place else None for i in range(len(sample.operands))]
            operands = [mx.array(rows if i == place else o) for i, o in enumerate(sample.operands)]
            got = listed(mx.vmap(lambda *xs: listed(p.bind(*xs)), in_axes=tuple(axes))(*operands))
            for k in range(2):
                row = [mx.array(np.take(rows, k, axis)) if i == place else o
                       for i, o in enumerate(operands)]  # fmt: skip
                for a, want in zip(got, evaluated(p, row), strict=True):
                    np.testing.assert_allclose(np.array(a)[k], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", [n for n, cls in sorted(REGISTRY.items()) if cls.nondifferentiable and n not in SKIPPED]
)
def test_what_has_no_derivative_says_so(name):
    cls = REGISTRY[name]
    for sample in cls.samples(np.random.default_rng(0)):
        operands = [mx.array(x) for x in sample.operands]
        places = [i for i, x in enumerate(operands) if x.dtype.inexact]
        if not places:
            continue

        def function(x, operands=operands, place=places[0], p=sample.primitive):
            return mx.sum(listed(p.bind(*operands[:place], x, *operands[place + 1 :]))[0])

        with pytest.raises(ValueError, match="no derivative"):
            mx.grad(function)(operands[places[0]])
