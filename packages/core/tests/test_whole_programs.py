"""Backends that compile whole Programs and have no kernels: what core hands them, and how."""

import numpy as np
import pytest

import monel.core as mx
from monel.core.execute.discovery import plugins
from monel.core.execute.reference import ReferenceBackend
from monel.core.plugin import API_VERSION, BackendSpec


class Whole(ReferenceBackend):
    """Interprets Programs in NumPy; remembers what it was given."""

    refused = frozenset({"call", "checkpoint", "sigmoid", "identity", "stop_gradient", "depends"})

    def __init__(self, name, granularity):
        self.name = name
        self.granularity = granularity
        self.programs = []
        self.calls = []
        self.broken = False

    def devices(self):
        return (self.name,)

    def kernel(self, name, dtypes):
        return None

    def supports(self, primitive, dtypes):
        return primitive.name not in self.refused

    def compile(self, program):
        program.verify()
        self.programs.append(program)

        def executable(inputs, donated, stream):
            if self.broken:
                raise OSError("no power")
            self.calls.append((program, donated))
            env = [*inputs, *[c.primitive.reference() for c in program.constants]]
            for primitive, operands, _ in program.equations:
                made = primitive.reference(*[env[v] for v in operands])
                env.extend(made if isinstance(made, tuple) else (made,))
            return [np.array(env[v]) for v in program.outputs]

        return executable

    def names(self):
        """The primitives of each Program that was compiled."""
        return [[e.primitive.name for e in p.equations] for p in self.programs]


def installed(name, granularity):
    """Return a fresh backend under ``name``, the default for the test."""
    found = plugins()
    backend = Whole(name, granularity)
    found.specs[name] = BackendSpec(name, lambda: backend, API_VERSION, priority=-300)
    found._loaded[name] = backend
    return backend


_count = iter(range(1000))


@pytest.fixture
def op():
    name = f"ops{next(_count)}"
    backend = installed(name, "op")
    with mx.stream(mx.Device(name)):
        yield backend
    del plugins().specs[name]


def test_each_operation_is_a_program_of_one_equation(op):
    x = mx.array([1.0, 2.0])
    y = mx.exp(x) * x
    assert np.allclose(np.array(y), np.exp([1, 2]) * [1, 2])
    assert op.names() == [["exp"], ["mul"]]


def test_an_operation_is_compiled_once_for_its_avals(op):
    x = mx.array([1.0, 2.0])
    for _ in range(5):
        x = mx.sin(x)
        mx.eval(x)
    mx.eval(mx.sin(mx.ones(3)))
    assert op.names().count(["sin"]) == 2
    assert [p.equations[0].primitive.name for p, _ in op.calls].count("sin") == 6


def test_a_compiled_function_arrives_whole_in_what_is_supported(op):
    f = mx.compile(mx.grad(lambda x: (mx.sigmoid(mx.checkpoint(mx.sin)(x)) * 2).sum()))
    x = mx.array([0.5, 1.0])
    mx.eval(x)
    before = len(op.calls)
    got = np.array(f(x))
    s = 1 / (1 + np.exp(-np.sin([0.5, 1.0])))
    assert np.allclose(got, 2 * s * (1 - s) * np.cos([0.5, 1.0]), atol=1e-6)
    assert len(op.calls) == before + 1
    assert not Whole.refused & set(op.names()[-1])


def test_inputs_that_may_be_consumed_are_told(op):
    f = mx.compile(lambda x, y: x * 2 + y)
    kept = mx.ones((2048,)) * 3
    mx.eval(kept)

    def dying():
        made = mx.ones((2048,)) * 4
        mx.eval(made)
        return made

    out = f(dying(), kept)
    mx.eval(out)
    assert op.calls[-1][1] == 0b01
    again = f(kept, kept)
    mx.eval(again)
    assert op.calls[-1][1] == 0
    assert kept[0].item() == 3
    assert (out[0].item(), again[0].item()) == (11, 9)


@pytest.fixture
def whole():
    name = f"whole{next(_count)}"
    backend = installed(name, "graph")
    with mx.stream(mx.Device(name)):
        yield backend
    del plugins().specs[name]


def test_the_whole_recorded_piece_is_one_program(whole):
    x = mx.array([1.0, 2.0])
    z = mx.sum(mx.exp(x) * x + 1)
    assert z.item() == pytest.approx(np.sum(np.exp([1, 2]) * [1, 2] + 1), rel=1e-6)
    assert whole.names() == [["exp", "mul", "add", "sum"]]
    assert len(whole.calls) == 1


def test_what_is_held_besides_is_computed_by_the_same_program(whole):
    x = mx.array([1.0, 2.0])
    y = mx.exp(x)
    z = mx.sin(y) * y
    mx.eval(z)
    assert len(whole.calls) == 1
    assert len(whole.programs[0].outputs) == 2
    assert np.allclose(np.array(y), np.exp([1, 2]))
    assert np.allclose(np.array(z), np.sin(np.exp([1, 2])) * np.exp([1, 2]))
    assert len(whole.calls) == 1


def test_equal_pieces_are_compiled_once(whole):
    x = mx.ones(4)
    mx.eval(x)
    before = len(whole.programs)
    for _ in range(5):
        x = mx.sin(x) + 0.5
        mx.eval(x)
    assert len(whole.programs) == before + 1
    assert len(whole.calls) >= 5


def test_a_piece_may_consume_what_dies_with_it(whole):
    x, kept = mx.ones(4) * 2, mx.ones(4) * 3
    mx.eval(x, kept)
    x = x * kept
    mx.eval(x)
    program, donated = whole.calls[-1]
    assert (program.inputs, bin(donated).count("1")) == (2, 1)
    assert x.tolist() == [6, 6, 6, 6]
    assert kept.tolist() == [3, 3, 3, 3]


def test_gradients_and_values_inside_of_them(whole):
    def f(x):
        y = mx.exp(x)
        return y.sum() * (2 if y.sum().item() > 0 else 3)

    got = mx.grad(f)(mx.array([0.0, 1.0]))
    assert np.allclose(np.array(got), 2 * np.exp([0, 1]))


def test_several_outputs_of_one_operation(whole):
    a, b = mx.depends([mx.ones(2), mx.zeros(2)], [mx.sin(mx.ones(3))])
    parts = mx.split(mx.arange(6), 3)
    total = parts[0] + parts[2]
    assert (a + b).tolist() == [1, 1]
    assert total.tolist() == [4, 6]
    assert parts[1].tolist() == [2, 3]


def test_a_failure_is_raised_and_stays(whole):
    x, y = mx.array([1.0]), mx.array([2.0])
    whole.broken = True
    z = mx.sin(x) + y
    for _ in range(2):
        with pytest.raises(OSError, match="no power"):
            mx.eval(z)
    whole.broken = False
    assert (x + y).tolist() == [3]


def test_what_is_not_supported_runs_step_by_step(whole):
    x = mx.array([[4.0, 2.0], [2.0, 3.0]])
    whole.refused = whole.refused | {"sort"}
    got = mx.sort(x * 2, axis=1)
    assert got.tolist() == [[4, 8], [4, 6]]
