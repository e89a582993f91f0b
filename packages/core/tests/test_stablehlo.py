"""The StableHLO writer: what it covers and how the text looks; tests/interop runs the text."""

import io

import exported_primitives
import numpy as np
import pytest

import monel.core as mx
from monel.core.base.program import ProgramError
from monel.core.export.stablehlo_rules import RULES
from monel.core.graph.primitive import REGISTRY, Primitive
from monel.core.plugin import AbstractArray, to_stablehlo


def written(fun, *args):
    return to_stablehlo(mx.make_program(fun)(*args))


@pytest.mark.parametrize("name", exported_primitives.REQUIRED)
def test_every_required_primitive_has_a_rule(name):
    assert name in RULES


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_for_a_primitive(name):
    assert name in REGISTRY


def test_a_reduction_is_written_with_its_body():
    assert written(lambda x: mx.sum(x, axis=1), mx.ones((2, 3))) == (
        "module @program {\n"
        "  func.func public @main(%0: tensor<2x3xf32>) -> tensor<2xf32> {\n"
        '    %1 = "stablehlo.constant"() {value = dense<"0x00000000"> : tensor<f32>} : () -> '
        "tensor<f32>\n"
        '    %5 = "stablehlo.reduce"(%0, %1) ({\n'
        "    ^bb0(%2: tensor<f32>, %3: tensor<f32>):\n"
        '      %4 = "stablehlo.add"(%2, %3) : (tensor<f32>, tensor<f32>) -> tensor<f32>\n'
        '      "stablehlo.return"(%4) : (tensor<f32>) -> ()\n'
        "    }) {dimensions = array<i64: 1>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>\n"
        '    "func.return"(%5) : (tensor<2xf32>) -> ()\n'
        "  }\n"
        "}\n"
    )


def test_functions_inside_are_part_of_the_text():
    text = written(mx.checkpoint(mx.compile(mx.sin)), mx.ones(3))
    assert text.count("stablehlo.sine") == 1


def test_a_host_primitive_is_refused_by_name():
    class Oracle(Primitive, name="test::oracle"):
        def abstract(self, x):
            return AbstractArray(x.shape, x.dtype)

        def reference(self, x):
            return x

    with pytest.raises(ProgramError, match="test::oracle has no form in StableHLO"):
        written(Oracle().bind, mx.ones(3))


@pytest.mark.parametrize("name", sorted(exported_primitives.FORMLESS))
def test_loops_and_linear_algebra_are_refused_by_name(name):
    (sample, *_) = REGISTRY[name].samples(np.random.default_rng(0))
    with pytest.raises(ProgramError, match="has no form in StableHLO and does not decompose"):
        to_stablehlo(exported_primitives.program_of(sample)[0])


@pytest.mark.parametrize("name", exported_primitives.ELSEWHERE)
def test_every_other_primitive_is_written(name):
    for sample in exported_primitives.SAMPLED[name]:
        text = to_stablehlo(exported_primitives.program_of(sample)[0])
        assert text.startswith("module @program {\n")


@pytest.mark.parametrize("fun", [mx.maximum, mx.less])
def test_the_order_of_complex_numbers_is_refused(fun):
    z = mx.array([1j, 2])
    with pytest.raises(ProgramError, match="complex numbers has no form in StableHLO"):
        written(lambda z: fun(z, z), z)


def test_a_path_is_written(tmp_path):
    path = tmp_path / "f.mlir"
    mx.export_stablehlo(path, mx.exp, mx.ones(2))
    file = io.StringIO()
    mx.export_stablehlo(file, mx.exp, mx.ones(2))
    assert path.read_text() == file.getvalue()
    assert file.getvalue().startswith("module @exp {\n")


def test_float_constants_keep_their_bits():
    numbers = [0.1, -0.0, float("nan"), 1e-45]
    text = written(lambda: mx.array(numbers))
    assert np.array(numbers, "float32").tobytes().hex().upper() in text
