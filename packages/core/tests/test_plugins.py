"""The contract's face, and the reports of python -m monel.core."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import monel.core as mx
from monel.core import plugin
from monel.core.__main__ import main, table


@pytest.mark.parametrize("name", plugin.__all__)
def test_the_contract_is_complete(name):
    assert getattr(plugin, name) is not None


@pytest.mark.parametrize("name", ["BackendSpec", "hookimpl"])
def test_core_gives_what_declaring_needs(name):
    assert getattr(mx, name) is getattr(plugin, name)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="nonsense"):
        mx.nonsense  # noqa: B018


def test_the_array_of_the_contract_is_ours():
    assert plugin.array is mx.array


def test_importing_core_loads_no_plugin_machinery():
    code = (
        "import sys, monel.core\n"
        "print([m for m in ('numpy', 'ml_dtypes', 'pluggy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plugins_lists_the_reference(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MONEL_CACHE", str(tmp_path))
    assert main(["plugins", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert any(row["backends"] == ["reference"] and row["status"] == "ok" for row in rows)


def test_doctor_computes_on_every_backend(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MONEL_CACHE", str(tmp_path))
    assert main(["doctor", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"check": "backend reference", "result": "ok"}.items() <= {
        k: v for row in rows if row["check"] == "backend reference" for k, v in row.items()
    }.items()


def test_info_names_the_default_device(capsys):
    assert main(["info"]) == 0
    assert repr(mx.default_device()) in capsys.readouterr().out


def test_tables_are_aligned():
    text = table([{"a": 1, "b": ["x", "y"]}, {"a": "long", "b": []}])
    assert text == "a     b\n1     x, y\nlong  -"


def test_an_unknown_report_is_refused():
    with pytest.raises(SystemExit):
        main(["nonsense"])


@pytest.mark.parametrize(
    "function", [mx.get_active_memory, mx.get_peak_memory, mx.get_cache_memory, mx.get_memory_limit]
)
def test_memory_counters_are_ints(function):
    assert isinstance(function(), int)


@pytest.mark.parametrize("function", [mx.set_memory_limit, mx.set_cache_limit, mx.set_wired_limit])
def test_limits_return_the_old_one(function):
    old = function(1 << 30)
    try:
        assert function(1 << 31) == 1 << 30
    finally:
        function(old)


@pytest.mark.parametrize("limit", [-1, 1.5, "1"])
def test_limits_are_not_negative_ints(limit):
    with pytest.raises(TypeError, match="set_cache_limit"):
        mx.set_cache_limit(limit)


def test_reset_peak_memory_gives_zero():
    mx.reset_peak_memory()
    assert mx.get_peak_memory() == 0


def test_buffer_size_counts_a_buffer_once():
    a = mx.array([1.0, 2.0])
    mx.eval(a)
    assert mx.get_array_buffer_size(a, {"again": a}) == 8


def test_buffer_size_of_what_is_not_computed():
    with pytest.raises(ValueError, match=r"mx\.eval"):
        mx.get_array_buffer_size(mx.array([1.0]) + 1)


@pytest.fixture
def probes(monkeypatch, tmp_path):
    """The prober, with a cache of its own and a distribution that is installed."""
    from monel.core.execute import probe

    monkeypatch.setenv("MONEL_CACHE", str(tmp_path))
    monkeypatch.setenv("MONEL_PROBE_SECONDS", "30")
    return probe


def child(monkeypatch, probes, code):
    monkeypatch.setattr(probes, "_CHILD", code)


def test_a_backend_that_loads_has_no_verdict(probes, monkeypatch):
    child(monkeypatch, probes, "pass")
    assert probes.verdict("toy", "pytest", "1") is None


def test_a_crash_is_named_by_its_signal(probes, monkeypatch):
    child(monkeypatch, probes, "import os; os.abort()")
    assert "SIGABRT" in probes.verdict("toy", "pytest", "1")


def test_an_error_is_its_last_line(probes, monkeypatch):
    child(monkeypatch, probes, "raise ImportError('libcudart')")
    assert probes.verdict("toy", "pytest", "1") == "ImportError: libcudart"


def test_a_load_that_hangs_is_ended(probes, monkeypatch):
    monkeypatch.setenv("MONEL_PROBE_SECONDS", "0.2")
    child(monkeypatch, probes, "import time; time.sleep(60)")
    assert "more than 0.2 seconds" in probes.verdict("toy", "pytest", "1")


def test_verdicts_are_kept(probes, monkeypatch):
    child(monkeypatch, probes, "raise SystemExit(7)")
    first = probes.verdict("toy", "pytest", "1")
    child(monkeypatch, probes, "pass")
    assert probes.verdict("toy", "pytest", "1") == first


def test_verdicts_are_kept_by_version(probes, monkeypatch):
    child(monkeypatch, probes, "raise SystemExit(7)")
    probes.verdict("toy", "pytest", "1")
    child(monkeypatch, probes, "pass")
    assert probes.verdict("toy", "pytest", "2") is None


def test_a_damaged_cache_is_ignored(probes, monkeypatch, tmp_path):
    (tmp_path / "probes.json").write_text("{nonsense")
    child(monkeypatch, probes, "pass")
    assert probes.verdict("toy", "pytest", "1") is None


def test_a_cache_that_cannot_be_written_is_no_error(probes, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MONEL_CACHE", str(tmp_path / "file" / "below"))
    assert probes.store("toy", "pytest", "1", None) is False


def test_plugins_registered_by_hand_are_not_tried(probes, monkeypatch):
    child(monkeypatch, probes, "import os; os.abort()")
    assert probes.verdict("toy", "no-such-distribution", "1") is None


def test_probing_can_be_turned_off(probes, monkeypatch):
    monkeypatch.setenv("MONEL_PROBE", "0")
    assert not probes.enabled()


def test_the_pytest_plugin_loads_nothing_of_the_kit():
    code = "import sys, monel.core.testing.plugin; print('monel.core.testing.suite' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_kernel_that_fills_its_output_may_decline():
    from types import SimpleNamespace

    table = plugin.KernelTable("toy")
    table.register("neg", form="out")(lambda ctx, p, x, out: NotImplemented)
    backend = SimpleNamespace(contiguous=lambda buffer, shape, dtype: buffer)
    ctx = SimpleNamespace(target=SimpleNamespace(backend=backend), empty=lambda shape, dtype: [])
    aval = plugin.AbstractArray((2,), mx.float32)
    kernel = table.find("neg", (mx.float32,))
    primitive = SimpleNamespace(elementwise=True)
    assert kernel.run(ctx, primitive, [[1, 2]], [aval], aval) is NotImplemented
