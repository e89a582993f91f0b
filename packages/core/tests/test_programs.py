"""Programs: what make_program gives prints, verifies, compares, runs and becomes plain data."""

import exported_primitives as primitives
import numpy as np
import pytest

import monel.core as mx
from monel.core.base.avals import AbstractArray
from monel.core.base.program import Program, ProgramError
from monel.core.graph.primitive import REGISTRY

X = mx.array([1.0, 2.0, 3.0])


def f(x, y):
    return mx.exp(x) * y + 2


def program_of(fun, *args, **kwargs):
    return mx.make_program(fun)(*args, **kwargs)


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and bytes(a) == bytes(b)


def test_a_program_prints_its_avals_and_small_constants():
    assert str(program_of(f, mx.ones((2, 3)), mx.ones(3))) == (
        "program(a: float32[2,3], b: float32[3]) {\n"
        "  constant c: float32[] = 2\n"
        "  d: float32[2,3] = Exp a\n"
        "  e: float32[2,3] = Multiply d b\n"
        "  f: float32[2,3] = Add e c\n"
        "  return f\n"
        "}"
    )


def test_a_program_is_a_table_in_notebooks():
    html = program_of(f, X, X)._repr_html_()
    assert "<td>float32[3]</td><td>Exp</td><td>a</td>" in html
    assert html.endswith("<p>returns f</p>")


def test_nothing_runs_when_a_program_is_made():
    with pytest.raises(ValueError, match="make_program"):
        program_of(lambda x: x.item(), mx.array(1.0))


def test_inputs_are_the_leaves_of_all_arguments():
    program = program_of(lambda d, *, w: d["a"] + w[0], {"a": X}, w=[X, mx.array(1)])
    assert [str(a) for a in program.in_avals] == ["float32[3]", "float32[3]", "int32[]"]


def test_a_program_runs_and_checks_its_arguments():
    program = program_of(f, X, X)
    (made,) = program(X, mx.zeros(3))
    assert made.tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="expected 2 arrays, got 1"):
        program(X)
    with pytest.raises(ValueError, match=r"input 1 must be float32\[3\], got int32\[3\]"):
        program(X, mx.array([1, 2, 3]))
    with pytest.raises(ValueError, match="input 0 must be an array, got float"):
        program(1.0, X)


def test_a_program_can_be_transformed():
    program = program_of(lambda x: x**2, mx.array(1.0))
    assert mx.grad(lambda x: program(x)[0])(mx.array(3.0)).item() == 6
    assert mx.vmap(program)(X)[0].tolist() == [1, 4, 9]
    assert mx.compile(program)(mx.array(3.0))[0].item() == 9


def test_programs_of_one_function_are_equal():
    a, b = program_of(f, X, X), program_of(f, X, X)
    assert a == b
    assert a.fingerprint == b.fingerprint
    assert hash(a) == hash(b)


@pytest.mark.parametrize(
    "other",
    [
        program_of(lambda x, y: mx.exp(x) * y + 3, X, X),
        program_of(lambda x, y: mx.exp(x) * y - 2, X, X),
        program_of(f, mx.ones(4), mx.ones(4)),
        program_of(lambda x, y: (f(x, y), y), X, X),
    ],
)
def test_programs_that_differ_have_another_fingerprint(other):
    program = program_of(f, X, X)
    assert program != other
    assert program.fingerprint != other.fingerprint


def test_a_body_counts_in_the_fingerprint():
    a, b = (program_of(mx.checkpoint(g), X) for g in (mx.sin, mx.cos))
    assert str(a) == str(b)
    assert a.fingerprint != b.fingerprint


def test_a_program_finds_its_own_mistakes():
    program = program_of(lambda x: mx.exp(mx.sin(x)), X)
    program.verify()
    first, second = program.equations
    wrong = [
        ((second, first), program.avals, "uses an undefined variable"),
        ((first, first), program.avals, "out of order"),
        (program.equations, program.avals[:-1], "avals"),
        (program.equations, (*program.avals[:-1], AbstractArray((3,), mx.int32)), "avals differ"),
    ]
    for equations, avals, reason in wrong:
        with pytest.raises(ProgramError, match=reason):
            Program(1, (), equations, (1,), avals).verify()


@pytest.mark.parametrize("name", primitives.SAMPLED)
def test_every_primitive_becomes_data_and_itself_again(name):
    for sample in primitives.SAMPLED[name]:
        program, inputs = primitives.program_of(sample)
        again = Program.from_dict(program.to_dict())
        again.verify()
        kept = [e.primitive for e in again.equations]
        # What is read from somewhere becomes a constant.
        assert kept == [] if name in ("constant", "load") else [sample.primitive]
        both = (primitives.run(p, inputs) for p in (program, again))
        for a, b in zip(*both, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", sorted(primitives.CALL_PYTHON))
def test_a_call_of_python_is_refused_by_name(name):
    (sample, *_) = REGISTRY[name].samples(np.random.default_rng(0))
    with pytest.raises(ProgramError, match=rf"{name} can't be exported.*'fun' is a Python object"):
        primitives.program_of(sample)[0].to_dict()


def test_loops_and_branches_travel_with_their_bodies():
    w = mx.random.normal((4, 4))

    def f(x):
        x = mx.cond(x.sum() > 0, lambda x: x @ w, lambda x: x - mx.sum(w), x)
        return mx.fori_loop(0, 3, lambda i, x: mx.tanh(x @ w) + i, x)

    program = program_of(f, mx.ones((2, 4)))
    data = program.to_dict()
    assert len([c for c in data["constants"] if c["aval"] == "float32[4,4]"]) == 1
    again = Program.from_dict(data)
    for x in (mx.ones((2, 4)), -mx.ones((2, 4))):
        assert same_bits(program(x)[0], again(x)[0])
    assert mx.grad(lambda x: again(x)[0].sum())(mx.ones((2, 4))).shape == (2, 4)


def test_constants_travel_with_their_bits():
    w = mx.array([[1.5, -0.0], [float("inf"), 3e-45]])
    again = Program.from_dict(program_of(lambda x: x @ w, mx.ones((1, 2))).to_dict())
    assert same_bits(mx.array(np.frombuffer(bytes(w), "float32").reshape(2, 2)), w)
    assert bytes(memoryview(bytes(w))) == again.to_dict()["constants"][0]["data"]


def test_a_program_inside_a_parameter_shares_constants():
    w = mx.random.normal((64, 64))
    body = mx.checkpoint(lambda x: mx.tanh(x @ w))
    program = program_of(lambda x: body(x) @ w, mx.ones((2, 64)))
    data = program.to_dict()
    assert len(data["constants"]) == 1
    again = Program.from_dict(data)
    assert [e.primitive.name for e in again.equations] == ["checkpoint", "matmul"]
    x = mx.random.normal((2, 64))
    assert same_bits(program(x)[0], again(x)[0])


def test_a_custom_function_travels_as_its_body():
    @mx.custom_function
    def double(x):
        return x + x

    @double.vjp
    def double_vjp(primals, cotangent, output):
        return cotangent * 100

    program = program_of(double, X)
    again = Program.from_dict(program.to_dict())
    assert [e.primitive.name for e in again.equations] == ["add"]
    assert mx.grad(lambda x: again(x)[0].sum())(X).tolist() == [2, 2, 2]


def changed(**changes):
    """Return the data of a Program with entries of its first equation changed."""
    data = program_of(lambda x: mx.sum(x, axis=0), mx.ones((2, 3))).to_dict()
    data["program"]["equations"][0].update(changes)
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "'schema' must be a int"),
        ({}, "'schema' must be a int"),
        ({"schema": 2}, "schema version 2, and this version of monel reads 1"),
        ({"schema": 1}, "'constants' must be a list"),
        ({"schema": 1, "constants": [], "program": {}}, "'inputs' must be a list"),
        (changed(primitive="no_such"), "there is no primitive 'no_such'; install the plugin"),
        (changed(primitive="placeholder"), "there is no primitive"),
        (changed(parameters={"axes": [0], "keep": True}), "sum has no parameter 'keep'"),
        (changed(parameters={}), "the parameter 'axes' is missing"),
        (changed(parameters={"axes": "0"}), "parameter 'axes' can't be '0'"),
        (changed(parameters={"axes": [True]}), r"parameter 'axes' can't be \(True,\)"),
        (changed(parameters={"axes": [2**64]}), "more than 64 bits"),
        (changed(parameters={"axes": {"code": 1}}), "a parameter can't be a 'code'"),
        (changed(parameters={"axes": [5]}), r"equation 0 \(sum\)"),
        (changed(operands=[7]), "variable 7 is not defined"),
        (changed(operands=[]), r"equation 0 \(sum\)"),
        (changed(operands=[-1]), "variable -1 is not defined"),
        (changed(outputs=["float32[4]"]), r"makes float32\[3\], but float32\[4\] is stated"),
        (changed(outputs=["float31[4]"]), "there is no dtype 'float31'"),
        (changed(outputs=["float32[-1]"]), "an aval must be like"),
        (changed(outputs=[["float32", [3]]]), "an aval must be like"),
        (changed(outputs=["float32[1099511627776,1099511627776]"]), "bytes"),
    ],
)
def test_wrong_data_are_refused_with_the_reason(data, reason):
    with pytest.raises(ProgramError, match=reason):
        Program.from_dict(data)


def test_a_constant_must_have_the_bytes_of_its_shape():
    data = program_of(lambda x: x + mx.array([1.0, 2.0, 3.0]), X).to_dict()
    data["constants"][0]["data"] = b"short"
    with pytest.raises(ProgramError, match="has 5 bytes of data, not 12"):
        Program.from_dict(data)


def test_nested_parameters_end():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ProgramError, match="nested more than"):
        Program.from_dict(changed(parameters={"axes": deep}))
    while deep:
        deep = deep.pop()


def test_a_body_must_fit_its_operands():
    data = program_of(mx.checkpoint(mx.sin), X).to_dict()
    data["program"]["inputs"] = ["float32[5]"]
    with pytest.raises(ProgramError, match="its bodies are not for"):
        Program.from_dict(data)


def test_primitives_may_be_chosen():
    data = program_of(mx.exp, X).to_dict()
    with pytest.raises(ProgramError, match="there is no primitive 'exp'"):
        Program.from_dict(data, {"sin": REGISTRY["sin"]})
    assert Program.from_dict(data, {"exp": REGISTRY["exp"]}) == program_of(mx.exp, X)


def test_a_long_chain_becomes_data_and_a_program_again():
    def chain(x):
        for _ in range(20_000):
            x = -x
        return x

    program = program_of(chain, X)
    again = Program.from_dict(program.to_dict())
    assert len(again.equations) == 20_000
    assert again == program
