"""Programs of single primitives, and how closely other tools must agree with them."""

import numpy as np

import monel.core as mx
from monel.core.plugin import REGISTRY, AbstractArray, Equation, Program, dtype_named

# They hold a Python function, which no file can.
CALL_PYTHON = {"callback", "host_call", "report"}
# Loops, branches, and linear algebra on the host have no form in other tools.
FORMLESS = {"cond", "scan", "while_loop", "while_reverse"} | {
    *("cholesky", "det", "eig", "eigh", "inv", "lu", "pinv", "qr", "solve"),
    *("solve_triangular", "svd"),
}
SAMPLED = {
    name: samples
    for name, cls in sorted(REGISTRY.items())
    if not (name in CALL_PYTHON or "::" in name)
    and (samples := list(cls.samples(np.random.default_rng(0))))
}
ELSEWHERE = sorted(set(SAMPLED) - FORMLESS)
REQUIRED = sorted(n for n, c in REGISTRY.items() if c.required and n not in CALL_PYTHON)


def program_of(sample):
    """Return the Program of one equation, the sample's primitive, and its inputs."""
    arrays = [np.asarray(x) for x in sample.operands]
    avals = tuple(AbstractArray(x.shape, dtype_named(x.dtype.name)) for x in arrays)
    made = sample.primitive.abstract(*avals)
    outs = made if type(made) is tuple else (made,)
    variables = tuple(range(len(avals), len(avals) + len(outs)))
    equation = Equation(sample.primitive, tuple(range(len(avals))), variables)
    return Program(len(avals), (), (equation,), variables, (*avals, *outs)), arrays


def run(program, inputs):
    """Return the outputs of ``program`` as NumPy arrays."""
    avals = program.in_avals
    made = program(*[mx.array(x, dtype=a.dtype) for x, a in zip(inputs, avals, strict=True)])
    return [np.array(m) for m in made]


def assert_agree(ours, theirs, tolerance):
    """Integers agree exactly, halves to two digits, other numbers to ``tolerance``."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    if ours.dtype.kind in "biu":
        assert np.array_equal(ours, theirs)
        return
    wide = np.complex128 if ours.dtype.kind == "c" else np.float64
    if ours.dtype.itemsize == 2:
        tolerance = 2e-2
    np.testing.assert_allclose(ours.astype(wide), theirs.astype(wide), tolerance, tolerance)
