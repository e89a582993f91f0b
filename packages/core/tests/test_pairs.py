"""Pairs of transforms, of every primitive: against loops over rows and against differences.

On the reference backend, in float64 where a primitive takes it: one sample of each primitive, or
the whole product of samples and dtypes, a shard of it at a time, where ``MONEL_SWEEP`` says which:
``MONEL_SWEEP=3/8`` is the third of eight.
"""

import os

import numpy as np
import pytest

import monel.core as mx
from monel.core.base.avals import AbstractArray
from monel.core.base.dtypes import from_numpy_dtype
from monel.core.base.program import Program
from monel.core.graph.primitive import REGISTRY

pytestmark = pytest.mark.skipif(
    os.environ.get("MONEL_DEVICE") == "cpu", reason="rules do not depend on the backend"
)

SWEEP = os.environ.get("MONEL_SWEEP", "")
WIDE = {"f": mx.float64, "c": mx.complex64}
DTYPES = (mx.float16, mx.bfloat16, mx.float32, mx.float64, mx.complex64)

# What recording and transforms make for themselves; what they hold is tested where it is made.
MACHINERY = {"call", "checkpoint", "custom_function", "depends", "identity", "output"}


@pytest.fixture(autouse=True)
def on_reference():
    with mx.stream(mx.Device("reference")):
        yield


def listed(made):
    return list(made) if isinstance(made, list | tuple) else [made]


class Case:
    """A sample as a function of the operands that have a derivative, in one dtype.

    Attributes:
      primals: The operands to differentiate by.
      single: Whether differences can tell no more than a few digits.
      half: Whether they can tell nothing.
    """

    def __init__(self, sample, dtype):
        self.p = sample.primitive
        self.tolerance = sample.tolerance
        self.operands = [self.cast(x, dtype) for x in sample.operands]
        p = self.p
        linear_in = range(len(self.operands)) if p.linear_in is None else p.linear_in
        self.places = [
            i
            for i, x in enumerate(self.operands)
            if x.dtype.inexact and i in linear_in and i not in p.zero_in
        ]
        self.primals = [self.operands[i] for i in self.places]
        rng = np.random.default_rng(2)
        outs = self.whole(*self.primals)
        self.weights = [mx.array(rng.standard_normal(o.shape)).astype(o.dtype) for o in outs]
        self.directions = [
            mx.array(rng.standard_normal(x.shape)).astype(x.dtype) for x in self.primals
        ]
        dtypes = [x.dtype for x in (*self.primals, *outs)]
        self.half = any(d.size == 2 for d in dtypes)
        self.single = any(d is not mx.float64 for d in dtypes)

    def cast(self, x, dtype):
        """Return an operand as an array, a floating one in the dtype of the case."""
        holds = any(isinstance(v, Program) for v in self.p.parameters.values())
        if x.dtype.kind not in "fc" or holds:
            return mx.array(x)
        return mx.array(x).astype(WIDE[x.dtype.kind] if dtype is None else dtype)

    def whole(self, *moving):
        """Return all outputs."""
        replaced = list(self.operands)
        for i, x in zip(self.places, moving, strict=True):
            replaced[i] = x
        return listed(self.p.bind(*replaced))

    def scalar(self, *moving):
        """Return a real number that depends on all outputs: their product with fixed weights."""
        total = mx.array(0.0)
        for out, weight in zip(self.whole(*moving), self.weights, strict=True):
            part = mx.real(out * mx.conj(weight)) if out.dtype is mx.complex64 else out * weight
            total = total + part.sum()
        return total

    def rows(self):
        """Return two points at which to evaluate."""
        return [[(x * s).astype(x.dtype) for x in self.primals] for s in (1.0, 0.97)]

    def near(self, got, want):
        """Assert that two lists of arrays agree, as well as the dtype allows."""
        room = (5e-2 if self.half else 1e-3 if self.single else 1e-9) * self.tolerance
        for a, b in zip(got, want, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            a, b = (np.array(x if x.dtype.size > 2 else x.astype(mx.float32)) for x in (a, b))
            scale = np.max(np.abs(b[np.isfinite(b)]), initial=1.0)
            np.testing.assert_allclose(a, b, rtol=room, atol=room * scale)

    def near_differences(self, got, gradient):
        """Assert that ``got`` is the change of ``gradient`` in the directions, by differences."""
        if self.half:
            return
        step, close = (3e-3, 3e-2) if self.single else (1e-5, 1e-5)
        ahead, behind = (
            gradient(*[x + s * t for x, t in zip(self.primals, self.directions, strict=True)])
            for s in (step, -step)
        )
        for g, a, b in zip(got, ahead, behind, strict=True):
            g, a, b = (np.array(x) for x in (g, a, b))
            want = (a - b) / (2 * step)
            usable = np.isfinite(want) & np.isfinite(g)
            scale = max(np.max(np.abs(x[usable]), initial=1.0) for x in (want, a))
            np.testing.assert_allclose(g[usable], want[usable], atol=close * scale * self.tolerance)


def gradient_of(f, count):
    return lambda *xs: listed(mx.grad(f, argnums=tuple(range(count)))(*xs))


# Each pair returns what was computed and what it must be near to.


def grad_of_vmap(case, f):
    stacked = [mx.stack(column) for column in zip(*case.rows(), strict=True)]
    total = lambda *xs: mx.vmap(f)(*xs).sum()  # noqa: E731
    return gradient_of(total, len(stacked))(*stacked)


def vmap_of_grad(case, f):
    stacked = [mx.stack(column) for column in zip(*case.rows(), strict=True)]
    return listed(mx.vmap(gradient_of(f, len(stacked)))(*stacked))


def vmap_of_vmap(case, f):
    grid = [[case.rows()[0], case.rows()[1]], [case.rows()[1], case.rows()[0]]]
    stacked = [
        mx.stack([mx.stack([cell[i] for cell in line]) for line in grid])
        for i in range(len(case.primals))
    ]
    return [mx.vmap(mx.vmap(f))(*stacked)]


def jvp_of_vjp(case, f):
    pulled = lambda *xs: mx.vjp(f, list(xs), [mx.ones_like(f(*case.primals))])[1]  # noqa: E731
    return mx.jvp(pulled, case.primals, case.directions)[1]


def grad_of_grad(case, f):
    def slope(*xs):
        found = gradient_of(f, len(xs))(*xs)
        terms = [
            mx.real(g * mx.conj(t)).sum() if g.dtype is mx.complex64 else (g * t).sum()
            for g, t in zip(found, case.directions, strict=True)
        ]
        return sum(terms[1:], terms[0])

    return gradient_of(slope, len(case.primals))(*case.primals)


PAIRS = (grad_of_vmap, vmap_of_grad, vmap_of_vmap, jvp_of_vjp, grad_of_grad)


def refused(p, pair):
    """Say whether there is no such derivative: of a loop without a bound, reversed twice."""
    unbounded = {"while_loop": (grad_of_grad,), "while_reverse": set(PAIRS) - {vmap_of_vmap}}
    return pair in unbounded.get(p.name, ()) and p.max_steps is None


def check(case, pair):
    f = case.scalar
    if refused(case.p, pair):
        with pytest.raises(ValueError, match="max_steps="):
            pair(case, f)
        return
    got = pair(case, f)
    if pair in (grad_of_vmap, vmap_of_grad):
        each = [gradient_of(f, len(row))(*row) for row in case.rows()]
        case.near(got, [mx.stack(column) for column in zip(*each, strict=True)])
    elif pair is vmap_of_vmap:
        a, b = (f(*row) for row in case.rows())
        case.near(got, [mx.stack([mx.stack([a, b]), mx.stack([b, a])])])
    else:
        case.near_differences(got, gradient_of(f, len(case.primals)))
    case.near(mx.compile(lambda: pair(case, f))(), got)
    case.near(pair(case, mx.checkpoint(f)), got)
    case.near(mx.compile(lambda: pair(case, mx.checkpoint(f)))(), got)


def usable(sample):
    """Whether a sample has a derivative and says something."""
    p, operands = sample.primitive, sample.operands
    places = range(len(operands)) if p.linear_in is None else p.linear_in
    moving = [
        x
        for i, x in enumerate(operands)
        if x.dtype.kind in "fc" and i in places and i not in p.zero_in
    ]
    if not moving or not all(x.size and np.all(np.isfinite(x)) for x in operands):
        return False
    out = p.abstract(*[AbstractArray(x.shape, from_numpy_dtype(x.dtype)) for x in operands])
    return all(a.dtype.inexact for a in (out if type(out) is tuple else (out,)))


def cases():
    """Return (name, sample number, dtype or None for the widest): one each, or the product."""
    found = []
    for name, cls in sorted(REGISTRY.items()):
        if name in MACHINERY or "::" in name or cls.nondifferentiable is not None:
            continue
        samples = [s for s in cls.samples(np.random.default_rng(0)) if s.operands]
        numbers = [i for i, s in enumerate(samples) if usable(s)]
        for i in numbers if SWEEP else numbers[:1]:
            for dtype in DTYPES if SWEEP else (None,):
                found.append((name, i, dtype))
    if SWEEP:
        shard, of = map(int, SWEEP.split("/"))
        found = found[shard - 1 :: of]
    return found


def build(name, number, dtype):
    sample = [s for s in REGISTRY[name].samples(np.random.default_rng(0)) if s.operands][number]
    try:
        return Case(sample, dtype)
    except ValueError:
        if dtype is None:
            raise
        pytest.skip(f"{name} does not take {dtype}")


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(
    ("name", "number", "dtype"),
    cases(),
    ids=lambda v: getattr(v, "name", None) or str(v),
)
def test_pair(pair, name, number, dtype):
    if REGISTRY[name].surrogate is not None and pair in (jvp_of_vjp, grad_of_grad):
        pytest.skip(f"{name}: {REGISTRY[name].surrogate}, so differences say nothing")
    check(build(name, number, dtype), pair)
