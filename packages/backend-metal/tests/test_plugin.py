"""The plugin registers everywhere, declares no backend, and says why."""

import platform
import subprocess
import sys
from importlib.metadata import entry_points

from monel.backends import metal


def test_entry_point_names_the_plugin():
    (point,) = (p for p in entry_points(group="monel.plugins.v1") if p.name == "metal")
    assert point.load() is metal
    assert point.dist is not None and point.dist.name == "monel-backend-metal"


def test_no_backend_is_declared():
    assert metal.monel_backends() == []


def test_other_systems_are_told_what_is_needed(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert metal.unavailable() == "needs macOS with Metal; this is Linux"


def test_macos_is_told_that_kernels_are_missing(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert "no kernels yet" in metal.unavailable()


def test_doctor_says_the_reason():
    ((name, check),) = metal.monel_doctor()
    assert name == "metal"
    assert check() == metal.unavailable()


def test_importing_the_plugin_loads_no_device_runtime():
    runtimes = "{'objc', 'Metal', 'numpy'}"
    code = f"import sys, monel.backends.metal; print(sorted({runtimes} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
