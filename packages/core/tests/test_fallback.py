"""What happens where a device lacks an operation: the policy, the warning, the report."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import monel.core as mx
from monel.core.execute import fallback
from monel.core.execute.kernels import find_kernel
from monel.core.execute.reference import ReferenceBackend
from monel.core.graph.value import Target
from monel.core.plugin import REGISTRY, AbstractArray, MissingKernelError

X = np.array([1.0, 2.0], "float32")
AVAL = AbstractArray((2,), mx.float32)


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """A report and a policy of the test's own."""
    monkeypatch.setattr(fallback, "_report", {})
    monkeypatch.setattr(fallback, "_policy", None)
    monkeypatch.delenv("MONEL_FALLBACK", raising=False)


def on_host(name="neg", x=X, aval=AVAL):
    target = Target(ReferenceBackend(), "few", find_kernel)
    return fallback.on_host(target, REGISTRY[name](), (aval,), (x,))


def test_the_host_computes_and_says_so_once():
    with pytest.warns(UserWarning, match=r"neg: device few has no kernel.*8 bytes") as seen:
        assert on_host().tolist() == [-1, -2]
        on_host()
    assert len(seen) == 1


def test_the_warning_is_at_the_line_that_asked():
    with pytest.warns(UserWarning, match="neg") as seen:
        on_host()
    assert seen[0].filename == __file__


def test_each_operation_is_named():
    with pytest.warns(UserWarning, match="neg|abs") as seen:
        on_host("neg")
        on_host("abs")
    assert len(seen) == 2


def test_an_error_names_the_way_out():
    mx.fallback("error")
    with pytest.raises(MissingKernelError, match=r"mx\.fallback\('warn'\)"):
        on_host()


def test_silence_is_still_in_the_report():
    mx.fallback("silent")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_host()
        on_host()
    assert mx.fallback_report() == [{"primitive": "neg", "device": "few", "calls": 2, "bytes": 16}]


def test_what_is_meant_for_the_host_is_no_matter_of_policy():
    mx.fallback("error")
    matrix = np.eye(2, dtype="float32")
    made = on_host("cholesky", matrix, AbstractArray((2, 2), mx.float32))
    assert np.array_equal(made, matrix)
    assert mx.fallback_report()[0]["primitive"] == "cholesky"


def test_half_types_go_to_the_host():
    mx.fallback("silent")
    x = np.array([1.0, 2.0]).astype(mx.bfloat16.numpy)
    assert on_host("neg", x, AbstractArray((2,), mx.bfloat16)).tolist() == [-1, -2]


@pytest.mark.parametrize(("given", "policy"), [("error", "error"), ("nonsense", "warn")])
def test_the_environment_gives_the_first_policy(monkeypatch, given, policy):
    monkeypatch.setenv("MONEL_FALLBACK", given)
    assert mx.fallback("silent") == policy


def test_a_policy_is_one_of_three():
    with pytest.raises(ValueError, match="warn, error, silent"):
        mx.fallback("loud")
