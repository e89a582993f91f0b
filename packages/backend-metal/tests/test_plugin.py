"""The plugin registers everywhere, declares no backend, and says why."""

import importlib.util
import platform
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from monel.backends import metal


def test_entry_point_names_the_plugin():
    (point,) = (p for p in entry_points(group="monel.plugins.v1") if p.name == "metal")
    assert point.load() is metal
    assert point.dist is not None and point.dist.name == "monel-backend-metal"


@pytest.fixture
def linux(monkeypatch):
    monkeypatch.delenv("MONEL_METAL_EMULATE", raising=False)
    monkeypatch.setattr(platform, "system", lambda: "Linux")


def test_no_backend_is_declared_without_metal(linux):
    assert metal.monel_backends() == []


def test_other_systems_are_told_what_is_needed(linux):
    assert metal.unavailable() == "needs macOS with Metal; this is Linux"


def test_macos_without_pyobjc_is_told_what_to_install(monkeypatch):
    monkeypatch.delenv("MONEL_METAL_EMULATE", raising=False)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert metal.unavailable() == "needs PyObjC: python -m pip install pyobjc-framework-Metal"


def test_an_emulated_device_is_declared_only_on_request_and_last(monkeypatch):
    monkeypatch.setenv("MONEL_METAL_EMULATE", "plain")
    (spec,) = metal.monel_backends()
    assert (spec.name, spec.kinds) == ("metal", ("gpu",))
    assert spec.priority < -100


def test_doctor_says_the_reason(linux):
    ((name, check),) = metal.monel_doctor()
    assert name == "metal"
    assert check() == metal.unavailable()


def test_importing_the_plugin_loads_no_device_runtime():
    code = (
        "import sys, monel.backends.metal\n"
        "print([m for m in sys.modules if m in ('objc', 'Metal', 'numpy') or 'emulator' in m])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_backend_does_not_import_the_emulator():
    code = (
        "import sys, monel.backends.metal.device, monel.backends.metal.families\n"
        "print([m for m in sys.modules if 'emulator' in m])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
