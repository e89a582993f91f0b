"""The ONNX writer without the onnx package; tests/interop runs what it writes."""

import sys

import exported_primitives
import pytest

import monel.core as mx
from monel.core.export.onnx_rules import RULES
from monel.core.graph.primitive import REGISTRY


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RuntimeError, match=r"to_onnx: the onnx package is missing.*pip install"):
        mx.to_onnx("f.onnx", mx.exp, mx.ones(2))


@pytest.mark.parametrize("name", exported_primitives.REQUIRED)
def test_every_required_primitive_has_a_rule(name):
    assert name in RULES


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_for_a_primitive(name):
    assert name in REGISTRY
