"""Completeness of the registry: every primitive has every rule, samples, and a way to run."""

import numpy as np
import pytest

import monel.core as mx
import monel.core.files  # noqa: F401 (the kernel of load is there)
from monel.core.base.dtypes import from_numpy_dtype
from monel.core.execute.kernels import CORE_KERNELS, decomposition
from monel.core.graph import value as graph
from monel.core.graph.handle import wrap
from monel.core.graph.primitive import REGISTRY
from monel.core.primitives import derive
from monel.core.primitives.kinds import Elementwise
from monel.core.testing.numerics import (
    MACHINERY,
    PASSING,
    SOURCE,
    avals,
    bound,
    listed,
    out_avals,
    sampled_names,
    samples_of,
)

PRIMITIVES = {
    name: cls
    for name, cls in sorted(REGISTRY.items())
    if name not in MACHINERY | SOURCE and "::" not in name
}
SAMPLED = sampled_names()


def takes_operands(name):
    return any(sample.operands for sample in samples_of(name))


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_has_every_rule(name):
    cls = PRIMITIVES[name]
    rules = ["abstract", "reference"]
    if name in PASSING or takes_operands(name):
        rules += ["jvp", "vjp", "batch"]
    missing = [rule for rule in rules if cls.source_of(rule) is None]
    assert not missing, f"{name} has no {', '.join(missing)}"


@pytest.mark.parametrize("name", SAMPLED)
def test_every_primitive_has_samples(name):
    assert samples_of(name)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_says_what_it_is(name):
    assert PRIMITIVES[name].__doc__
    assert PRIMITIVES[name].export_name


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_is_required_or_decomposes_or_is_run_by_core(name):
    cls = PRIMITIVES[name]
    assert cls.required or cls.host or cls.decompose is not None or name in CORE_KERNELS


@pytest.mark.parametrize("name", [n for n in PRIMITIVES if PRIMITIVES[n].decompose is not None])
def test_a_decomposition_ends_in_required_primitives(name):
    for sample in samples_of(name):
        check_ends(sample.primitive, avals(sample.operands), (name,))


def check_ends(primitive, operands, path):
    """Follow decompositions down to what every backend has; more than ten deep is a circle."""
    assert len(path) < 10, " -> ".join(path)
    program = decomposition(primitive, operands)
    for equation in program.equations:
        inner = equation.primitive
        if not (inner.required or inner.host or inner.name in CORE_KERNELS):
            assert inner.decompose is not None, " -> ".join((*path, inner.name))
            inputs = tuple(program.avals[v] for v in equation.operands)
            check_ends(inner, inputs, (*path, inner.name))


@pytest.mark.parametrize("name", SAMPLED)
def test_the_reference_has_the_shape_and_dtype_that_abstract_says(name):
    for sample in samples_of(name):
        said = out_avals(sample)
        made = listed(sample.primitive.reference(*sample.operands))
        assert len(said) == len(made) == sample.primitive.outputs
        for aval, out in zip(said, made, strict=True):
            out = np.asarray(out)
            assert (out.shape, from_numpy_dtype(out.dtype)) == tuple(aval), sample


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, cls in PRIMITIVES.items()
        if cls.jvp is not None
        and cls.vjp is None
        and cls.linear is None
        and not issubclass(cls, Elementwise)
    ],
)
def test_a_jvp_that_is_transposed_never_reaches_its_own_primitive(name):
    cls = PRIMITIVES[name]
    for sample in samples_of(name):
        primals = [mx.array(x) for x in sample.operands]
        floating = [i for i, x in enumerate(primals) if x.dtype.inexact and i not in cls.zero_in]
        if not floating:
            continue
        found = tuple(bound(sample.primitive)(*primals))
        tangents = [None] * len(primals)
        inputs = []
        for i in floating:
            inputs.append(derive.placeholder(primals[i].shape, primals[i].dtype, None))
            tangents[i] = wrap(inputs[-1])
        pushed = sample.primitive.jvp(tuple(primals), tuple(tangents), found)
        walked = derive.reachable([t.value for t in pushed if t is not None], inputs)
        assert not [v for v in walked if type(v.primitive) is cls], sample


def test_names_are_unique_and_values_know_their_primitive():
    x = mx.array([1.0, 2.0])
    assert isinstance((x + 1).value, graph.Value)
    assert (x + 1).value.primitive == REGISTRY["add"]()
