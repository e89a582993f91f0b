"""Derivatives and batching of every primitive, on the reference backend, against their definitions.

In float64: jvp against central differences, the adjoint law, and vmap against a loop.
"""

import numpy as np
import pytest

import monel.core as mx
from monel.core.graph.primitive import REGISTRY
from monel.core.testing.numerics import (
    bound,
    check_derivatives,
    differentiable,
    listed,
    rows,
    sampled_names,
    samples_of,
    to_numpy,
)

NAMES = sampled_names()


@pytest.fixture(autouse=True)
def on_reference():
    with mx.stream(mx.Device("reference")):
        yield


def samples(name):
    """Return the samples of a primitive that has operands."""
    return [s for s in samples_of(name) if s.operands]


@pytest.mark.parametrize("name", NAMES)
def test_jvp_agrees_with_differences_and_vjp_is_its_adjoint(name):
    for sample in filter(differentiable, samples(name)):
        check_derivatives(sample)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_agrees_with_a_loop(name):
    for sample in samples(name):
        check_batching(sample)


def check_batching(sample):
    function = bound(sample.primitive)
    for place, x in enumerate(sample.operands):
        for axis in range(x.ndim + 1):
            stacked = rows(x, axis)
            axes = [axis if i == place else None for i in range(len(sample.operands))]
            operands = [
                mx.array(stacked if i == place else o) for i, o in enumerate(sample.operands)
            ]
            got = mx.vmap(function, in_axes=tuple(axes))(*operands)
            for k in range(2):
                row = [mx.array(np.take(stacked, k, axis)) if i == place else o
                       for i, o in enumerate(operands)]  # fmt: skip
                for a, want in zip(got, function(*row), strict=True):
                    np.testing.assert_allclose(to_numpy(a)[k], to_numpy(want), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", [n for n, cls in sorted(REGISTRY.items()) if cls.nondifferentiable and n in NAMES]
)
def test_what_has_no_derivative_says_so(name):
    for sample in samples_of(name):
        operands = [mx.array(x) for x in sample.operands]
        places = [i for i, x in enumerate(operands) if x.dtype.inexact]
        if not places:
            continue

        def function(x, operands=operands, place=places[0], p=sample.primitive):
            return mx.sum(listed(p.bind(*operands[:place], x, *operands[place + 1 :]))[0])

        with pytest.raises(ValueError, match="no derivative"):
            mx.grad(function)(operands[places[0]])
