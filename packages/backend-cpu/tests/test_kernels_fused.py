"""Fused bodies have the bits of their operations run one by one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

FLOAT, HALF, INT, BOOL = 11, 9, 7, 0


def fused(raw, nodes, operands, outputs=None, reduce=None, dying=0):
    outputs = outputs or (len(operands) + len(nodes) - 1,)
    parameters = {"nodes": nodes, "results": outputs, "reduce": reduce}
    return raw.call("fused", parameters, *operands, dying=dying)


def one_by_one(raw, nodes, operands):
    """Return the buffers of all operands and nodes."""
    values = list(operands)
    for name, refs, dtype in nodes:
        given = [values[r] for r in refs]
        values.append(raw.call(name, {"dtype": dtype} if name == "cast" else {}, *given))
    return values


CHAIN = (
    ("mul", (0, 1), FLOAT),
    ("add", (3, 2), FLOAT),
    ("tanh", (4,), FLOAT),
    ("mul", (5, 0), FLOAT),
    ("sub", (6, 2), FLOAT),
)
MIXED = (
    ("cast", (0,), HALF),
    ("exp", (3,), HALF),
    ("cast", (4,), FLOAT),
    ("less", (5, 1), BOOL),
    ("where", (6, 2, 5), FLOAT),
    ("cast", (7,), INT),
    ("mul", (8, 8), INT),
)
SHAPES = [
    ((3000,), (3000,), (3000,)),
    ((3000,), (), (1,)),
    ((40, 600), (600,), (40, 1)),
    ((500, 7), (7,), (500, 1)),
    ((2, 1, 300), (5, 1), ()),
    ((1,), (1,), (1,)),
    ((0, 4), (4,), (1, 1)),
    ((70_001,), (), (70_001,)),
]


@pytest.mark.parametrize("nodes", [CHAIN, MIXED], ids=["chain", "mixed dtypes"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_fusion_does_not_change_bits(raw, rng, nodes, shapes):
    operands = [
        raw.to_buffer(np.asarray(rng.standard_normal(s).astype(np.float32))) for s in shapes
    ]
    got = fused(raw, nodes, operands)
    want = one_by_one(raw, nodes, operands)[-1]
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    assert got.tobytes() == want.tobytes()


def bodies_of_chains():
    """Yield sequences of which the backend runs some as one loop and some by blocks of registers.

    Operands 0 and 1 are vectors, 2 and 3 constants.
    """
    affine = {
        "nothing": (),
        "mul": (("mul", 2),),
        "mul add": (("mul", 2), ("add", 3)),
        "sub": (("sub", 3),),
        "from": ((3, "sub"),),
    }
    for function in ("tanh", "exp", "sigmoid", "erf", "abs", "neg", "sqrt", "reciprocal", "square"):
        for first, inner in affine.items():
            for second, outer in affine.items():
                yield f"{first}, {function}, {second}", (*inner, function, *outer)
    for name in ("mul", "add", "sub", "div", "maximum", "minimum"):
        for k in (1, 2):
            yield f"{name} {k}", ((name, k), "exp", (name, k), (name, 0))
            yield f"{k} {name}", ((k, name), "exp", (k, name), (0, name))
    yield "two factors", (("mul", 2), "sigmoid", ("mul", 0), ("mul", 1), ("mul", 2), ("sub", 3))
    yield "two affine", (("mul", 2), ("add", 3), ("mul", 3), ("add", 2), "tanh")
    yield "not in a row", ("tanh", ("add", 1), "tanh", ("mul", 1), ("add", 1), ("mul", 0), "floor")


CHAINS = dict(bodies_of_chains())


def chain_nodes(steps):
    nodes, value = [], 0
    for step in steps:
        if isinstance(step, str):
            nodes.append((step, (value,), FLOAT))
        else:
            left, right = step
            side = (left, (value, right)) if isinstance(left, str) else (right, (left, value))
            nodes.append((*side, FLOAT))
        value = 3 + len(nodes)
    return tuple(nodes)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_rounds_each_operation(raw, rng, name):
    x, y = rng.standard_normal((2, 4999)).astype(np.float32)
    x[:4] = 0.0, -0.0, np.inf, -np.inf
    constants = [np.asarray(v, np.float32) for v in (1.7, -0.3)]
    operands = [raw.to_buffer(v) for v in (x, y, *constants)]
    nodes = chain_nodes(CHAINS[name])
    got = raw.to_array(fused(raw, nodes, operands))
    want = raw.to_array(one_by_one(raw, nodes, operands)[-1])
    np.testing.assert_array_equal(got, want)
    assert np.array_equal(np.signbit(got), np.signbit(want))


def test_a_value_read_twice_is_kept(raw, rng):
    operands = [raw.to_buffer(v) for v in rng.standard_normal((2, 5000)).astype(np.float32)]
    nodes = (
        ("mul", (0, 1), FLOAT),
        ("add", (2, 2), FLOAT),
        ("tanh", (3,), FLOAT),
        ("mul", (1, 4), FLOAT),
        ("sub", (5, 2), FLOAT),
        ("mul", (6, 4), FLOAT),
    )
    got = fused(raw, nodes, operands, (7, 3))
    values = one_by_one(raw, nodes, operands)
    assert [g.tobytes() for g in got] == [values[7].tobytes(), values[3].tobytes()]


def test_a_chain_may_overwrite_what_it_reads_last(raw, rng):
    from monel.backends.cpu import _kernels

    steps = ("tanh", ("add", 1), ("mul", 2), "exp", ("mul", 0), ("sub", 0))
    values = [*rng.standard_normal((2, 5000)), 1.5, 2.5]
    operands = [
        _kernels.from_bytes(np.asarray(v, np.float32).tobytes(), np.shape(v), FLOAT) for v in values
    ]
    want = one_by_one(raw, chain_nodes(steps), operands)[-1].tobytes()
    got = fused(raw, chain_nodes(steps), operands, dying=0b0001)
    assert got.address == operands[0].address
    assert got.tobytes() == want


def test_strided_operands_are_read_in_place(raw, rng):
    a = rng.standard_normal((200, 300)).astype(np.float32)
    operands = [
        raw.to_buffer(x) for x in (a.T, a.T[::-1, ::-1], np.broadcast_to(a[:1, :1], (300, 200)))
    ]
    got = fused(raw, CHAIN, operands)
    assert got.tobytes() == one_by_one(raw, CHAIN, operands)[-1].tobytes()


def test_several_outputs_of_several_dtypes(raw, rng):
    operands = [raw.to_buffer(rng.standard_normal(2000).astype(np.float32)) for _ in range(3)]
    outputs = (6, 4, 9, 0, 4)
    got = fused(raw, MIXED, operands, outputs)
    values = one_by_one(raw, MIXED, operands)
    assert [g.tobytes() for g in got] == [values[r].tobytes() for r in outputs]
    assert len({g.address for g in got}) == 5


def test_an_output_of_scalars_only_fills_the_shape(raw):
    operands = [raw.to_buffer(np.asarray(x, np.float32)) for x in ([1, 2, 3, 4], 5.0)]
    got = fused(raw, (("exp", (1,), FLOAT), ("add", (0, 1), FLOAT)), operands, (2, 3))
    assert raw.to_array(got[0]).tolist() == [np.exp(np.float32(5))] * 4
    assert raw.to_array(got[1]).tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((5000,), (0,)), ((60, 70), (1,)), ((60, 70), (0,)), ((6, 7, 8), (0, 2))]
)
def test_a_trailing_reduction_has_the_bits_of_a_separate_one(raw, rng, name, shape, axes):
    operands = [raw.to_buffer(rng.standard_normal(shape).astype(np.float32)) for _ in range(3)]
    got = fused(raw, CHAIN, operands, reduce=(name, axes))
    want = raw.call(name, {"axes": axes}, one_by_one(raw, CHAIN, operands)[-1])
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()


def test_memory_of_a_dying_operand_serves_for_the_output(raw, rng):
    from monel.backends.cpu import _kernels

    values = rng.standard_normal((3, 4000)).astype(np.float32)
    operands = [_kernels.from_bytes(v.tobytes(), v.shape, FLOAT) for v in values]
    want = one_by_one(raw, CHAIN, operands)[-1].tobytes()
    got = fused(raw, CHAIN, operands, dying=0b001)
    assert got.address == operands[0].address
    assert got.tobytes() == want


def test_a_long_body_reuses_its_registers(raw, rng):
    nodes = tuple(("sin" if i % 2 else "square", (i,), FLOAT) for i in range(60))
    operand = raw.to_buffer(rng.standard_normal(3000).astype(np.float32))
    got = fused(raw, nodes, [operand])
    assert got.tobytes() == one_by_one(raw, nodes, [operand])[-1].tobytes()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((("nonsense", (0,), FLOAT),), "no operation nonsense"),
        ((("add", (0, 5), FLOAT),), "points at no operand"),
        ((("add", (0,), FLOAT),), "add with 1 operands"),
        ((("less", (0, 0), FLOAT),), "less with 2 operands giving float32"),
    ],
)
def test_a_malformed_body_is_refused(raw, nodes, message):
    with pytest.raises(ValueError, match=message):
        fused(raw, nodes, [raw.to_buffer(np.ones(3, np.float32))])


STARVED = """
import resource
import types

import numpy as np

from monel.backends.cpu import _kernels

# Sums of all that was made before: every value lives to the end, in memory of its own.
nodes = [("mul", (0, 0), 11)]
for i in range(_kernels.MAX_FUSED_NODES // 2 - 1):
    nodes.append(("sin", (i + 1,), 11))
last = len(nodes)
for i in range(1, last):
    nodes.append(("add", (len(nodes), i), 11))
body = types.SimpleNamespace(nodes=tuple(nodes), results=(len(nodes),), reduce=None)
x = _kernels.from_external(np.ones(4096, np.float32), 11)
kernel = _kernels.kernel("fused", (11,))
context = types.SimpleNamespace(dying=0)
simple = types.SimpleNamespace(nodes=(("mul", (0, 0), 11),), results=(1,), reduce=None)
kernel(context, simple, x)  # its memory is kept for the result of the next call
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), resource.RLIM_INFINITY))
try:
    kernel(context, body, x)
    print("ran")
except MemoryError:
    print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kernel(context, body, x)
print("again")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_no_memory_to_work_in_is_an_error():
    done = subprocess.run(
        [sys.executable, "-c", STARVED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["MemoryError", "again"]
