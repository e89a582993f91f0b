"""compile(shapeless=True): every primitive, its jvp, its vjp and its vmap at a second shape.

A sample is traced at its own shape. At a second one, where each dimension but 1 is longer, the
program must give what the primitive gives there, or refuse where the primitive holds a shape.
"""

import os

import numpy as np
import pytest

import monel.core as mx
from monel.core.base.avals import AbstractArray
from monel.core.base.dtypes import from_numpy_dtype
from monel.core.graph.primitive import REGISTRY

pytestmark = pytest.mark.skipif(
    os.environ.get("MONEL_DEVICE") == "cpu", reason="rules do not depend on the backend"
)

# Rules that still write down a length: trace or replay is refused, but never wrong.
REFUSES = {
    "broadcast", "conv", "cummax", "cummin", "cumprod", "det", "gather", "logcumsumexp", "pad",
    "put_along_axis", "qqmm", "qr", "reshape", "rfft", "rope", "scatter", "sdpa", "searchsorted",
}  # fmt: skip
MACHINERY = {"call", "checkpoint", "custom_function", "depends", "identity", "output", "fused"}


@pytest.fixture(autouse=True)
def on_reference():
    with mx.stream(mx.Device("reference")):
        yield


def listed(made):
    return list(made) if isinstance(made, list | tuple) else [made]


def avals(operands):
    return [AbstractArray(x.shape, from_numpy_dtype(x.dtype)) for x in operands]


def longer(x):
    """Return an operand with each axis but those of length 1 one longer, or twice as long."""
    shape = [n if n == 1 else 2 * n if n % 8 == 0 else n + 1 for n in x.shape]
    return np.resize(x, shape).astype(x.dtype) if x.size else np.zeros(shape, x.dtype)


def again(sample):
    """Return the primitive and operands at a second shape; None where the primitive refuses."""
    p, operands = sample.primitive, tuple(longer(x) for x in sample.operands)
    old, new = avals(sample.operands), avals(operands)
    try:
        if p.shape_dependent:
            p = p.replayed(old, new)
        p.abstract(*new)
        p.reference(*operands)
    except (ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError):
        return None
    return p, operands


def plain(p, operands):
    return listed(p.bind(*operands))


def active(p, operands):
    places = range(len(operands)) if p.linear_in is None else p.linear_in
    return [i for i, x in enumerate(operands)
            if x.dtype.inexact and i in places and i not in p.zero_in]  # fmt: skip


def of_moving(p, operands, places):
    def f(*moving):
        replaced = list(operands)
        for i, x in zip(places, moving, strict=True):
            replaced[i] = x
        return listed(p.bind(*replaced))

    return f


def pushed(p, operands):
    places = active(p, operands)
    primals = [operands[i] for i in places]
    return mx.jvp(of_moving(p, operands, places), primals, primals)[1]


def pulled(p, operands):
    places = active(p, operands)
    primals = [operands[i] for i in places]
    f = of_moving(p, operands, places)
    total = lambda *xs: sum(mx.real(o).sum() for o in f(*xs))  # noqa: E731
    return listed(mx.grad(total, argnums=tuple(range(len(places))))(*primals))


def spread(p, operands):
    return listed(mx.vmap(lambda *xs: listed(p.bind(*xs)))(*operands))


def differentiable(p, operands):
    if p.nondifferentiable is not None or not active(p, operands):
        return False
    return all(o.dtype.inexact for o in plain(p, operands))


def samples(name):
    return [s for s in REGISTRY[name].samples(np.random.default_rng(0)) if s.operands]


NAMES = [n for n in sorted(REGISTRY) if n not in MACHINERY and "::" not in n and samples(n)]


def check(f, sample, first, second):
    """Trace ``f`` of the sample's primitive at ``first`` and compare at ``second``."""
    program = mx.compile(lambda *xs: f(sample.primitive, xs), shapeless=True)
    p, operands = second
    try:
        mx.eval(program(*first))
        got = program(*operands)
    except ValueError:
        if p.name not in REFUSES:
            raise
        return 1
    want = f(p, operands)
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = (np.array(x if x.dtype.size > 2 else x.astype(mx.float32)) for x in (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    return 0


def arrays(operands):
    return [mx.array(x) for x in operands]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_right_at_a_second_shape(name):
    refused = 0
    for sample in samples(name):
        first, second = arrays(sample.operands), again(sample)
        if second is None:
            check_refusal(sample, first)
            continue
        p, operands = second[0], arrays(second[1])
        forms = [(plain, first, operands)]
        if differentiable(sample.primitive, first):
            forms.append((pushed, first, operands))
            if p.name != "while_reverse":
                forms.append((pulled, first, operands))
        if all(x.size for x in first):
            rows = [mx.stack([x, x]) for x in first]
            forms.append((spread, rows, [mx.stack([x, x, x]) for x in operands]))
        refused += sum(check(f, sample, a, (p, b)) for f, a, b in forms)
    assert (refused > 0) == (name in REFUSES)


def check_refusal(sample, first):
    """Check that a primitive that can't be replayed at longer operands says so."""
    program = mx.compile(lambda *xs: plain(sample.primitive, xs), shapeless=True)
    mx.eval(program(*first))
    with pytest.raises((ValueError, IndexError, ZeroDivisionError)):
        mx.eval(program(*arrays([longer(x) for x in sample.operands])))
