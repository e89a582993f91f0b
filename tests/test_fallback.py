"""On the device cpu nothing runs on the host in secret: primitives have kernels, or decompose."""

import numpy as np
import pytest

import monel.core as mx
from monel.core.base import names
from monel.core.testing.cases import REGISTRY

pytest.importorskip("monel.backends.cpu")

# What recording and transforms make for themselves has no operands that a sample could give.
NAMES = sorted(name for listed in names.PRIMITIVES.values() for name in listed.split())


@pytest.fixture
def no_host():
    old = mx.fallback("error")
    yield
    mx.fallback(old)


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_needs_the_host_unless_it_is_meant_for_it(name, no_host):
    for sample in REGISTRY[name].samples(np.random.default_rng(0)):
        with mx.stream(mx.Device("cpu")):
            mx.eval(sample.primitive.bind(*[mx.array(x) for x in sample.operands]))
    ran = [line["primitive"] for line in mx.fallback_report() if line["device"] == "cpu"]
    assert all(REGISTRY[found].host for found in ran)
