"""What plugins declare besides backends: kernels for others, primitives, a device, checks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import monel.core as mx
from monel.core import __main__ as command
from monel.core.execute import discovery, kernels, placement
from monel.core.execute.reference import ReferenceBackend
from monel.core.graph.value import Target
from monel.core.plugin import REGISTRY, AbstractArray, Primitive, hookimpl


@pytest.fixture
def found(monkeypatch):
    """What discovery finds, for tests to add plugins to."""
    made = discovery.Plugins()
    monkeypatch.setattr(discovery, "_plugins", made)
    return made


def add(found, key, **hooks):
    """Register a plugin with ``hooks`` by name, as an entry point would; return its record."""
    module = SimpleNamespace(**{name: hookimpl(hook) for name, hook in hooks.items()})
    plugin = discovery.Plugin(f"{key}:{key}", key, "1.0", "monel.plugins.v1")
    found._load(plugin, SimpleNamespace(name=key, load=lambda: module))
    return plugin


class Few(ReferenceBackend):
    """Knows add by itself."""

    def kernel(self, name, dtypes):
        return super().kernel(name, dtypes) if name == "add" else None


def target(found, backend=None):
    backend = backend or Few()
    found._add_kernels(backend.name, backend)
    return Target(backend, "reference", kernels.find_kernel)


def run(made, primitive, *operands):
    avals = [AbstractArray(x.shape, mx.float32) for x in operands]
    kernel = kernels.kernel_for(made, primitive, tuple(a.dtype for a in avals))
    return kernel.run(made.context, primitive, operands, avals, avals[0])


X = np.array([1.0, 2.0], "float32")


def test_a_kernel_of_another_plugin_is_called(found):
    add(found, "vendor", monel_kernels=lambda backend: {"neg": lambda ctx, p, x: x + 41})
    assert run(target(found), REGISTRY["neg"](), X).tolist() == [42, 43]


def test_a_kernel_gets_contiguous_operands(found):
    seen = []
    add(found, "vendor", monel_kernels=lambda backend: {"neg": lambda ctx, p, x: seen.append(x)})
    run(target(found), REGISTRY["neg"](), np.ones((2, 3), "float32").T)
    assert seen[0].flags.c_contiguous


def test_kernels_are_asked_for_by_the_backend(found):
    asked = []
    add(found, "vendor", monel_kernels=lambda backend: asked.append(backend) or {})
    target(found)
    assert asked == ["reference"]


def test_a_kernel_that_the_backend_has_is_refused_and_recorded(found):
    plugin = add(found, "vendor", monel_kernels=lambda backend: {"add": lambda ctx, p, x, y: x})
    made = target(found)
    own = made.backend.kernel("add", (mx.float32,) * 2)
    assert kernels.kernel_for(made, REGISTRY["add"](), (mx.float32,) * 2) is own
    assert "its kernel 'add' for 'reference'" in plugin.conflicts[0]
    assert "override" in plugin.conflicts[0]


def double(ctx, p, x, y):
    return NotImplemented if x[0] > 1 else x * 2


double.override = True


def test_an_override_replaces_a_kernel_and_leaves_it_what_it_declines(found):
    add(found, "vendor", monel_kernels=lambda backend: {"add": double})
    made = target(found)
    assert run(made, REGISTRY["add"](), X, X + 10).tolist() == [2, 4]
    assert run(made, REGISTRY["add"](), X + 1, X).tolist() == [3, 5]


def test_of_two_plugins_the_first_has_the_kernel(found):
    add(found, "a", monel_kernels=lambda backend: {"neg": lambda ctx, p, x: x * 10})
    second = add(found, "b", monel_kernels=lambda backend: {"neg": lambda ctx, p, x: x * 20})
    assert run(target(found), REGISTRY["neg"](), X).tolist() == [10, 20]
    assert "another plugin" in second.conflicts[0]


def test_a_kernel_for_nothing_is_recorded(found):
    plugin = add(found, "vendor", monel_kernels=lambda backend: {"nonsense": print})
    target(found)
    assert "no such primitive" in plugin.conflicts[0]


def fail(*arguments, **named):
    raise RuntimeError("the vendor's mistake")


def test_a_hook_that_raises_takes_nothing_with_it(found):
    broken = add(found, "a", monel_kernels=fail)
    add(found, "b", monel_kernels=lambda backend: {"neg": lambda ctx, p, x: x * 10})
    assert run(target(found), REGISTRY["neg"](), X).tolist() == [10, 20]
    assert "the vendor's mistake" in broken.conflicts[0]


def test_conflicts_are_shown_by_the_command(found):
    add(found, "vendor", monel_kernels=lambda backend: {"nonsense": print})
    target(found)
    rows = {row["entry"]: row["status"] for row in command.describe_plugins()}
    assert "no such primitive" in rows["vendor"]
    assert rows["reference"] == "ok"


def primitive(name, **rules):
    """Define a primitive that doubles, as a vendor would."""

    class Double(Primitive, name=name):
        decompose = rules.get("decompose", lambda self, x: x + x)

        def abstract(self, x):
            return x.aval

    return Double


@pytest.fixture
def forget():
    yield
    for name in ("vendor::double", "vendor"):
        REGISTRY.pop(name, None)


def test_a_primitive_of_a_vendor_runs_by_its_decomposition(found, forget):
    cls = primitive("vendor::double")
    plugin = add(found, "vendor", monel_primitives=lambda: [cls])
    assert plugin.error is None
    assert cls().bind(mx.array([1.0, 2.0])).tolist() == [2, 4]


@pytest.mark.parametrize(
    ("name", "rules"), [("vendor", {}), ("vendor::double", {"decompose": None})]
)
def test_a_primitive_needs_a_vendor_and_a_decomposition(found, forget, name, rules):
    plugin = add(found, "x", monel_primitives=lambda: [primitive(name, **rules)])
    assert "must be named vendor::op and have decompose" in plugin.error


def test_what_is_no_primitive_is_refused(found):
    plugin = add(found, "x", monel_primitives=lambda: [int])
    assert "no Primitive" in plugin.error


def test_of_two_plugins_the_first_has_the_primitive(found, forget):
    first, second = primitive("vendor::double"), primitive("vendor::double")
    add(found, "a", monel_primitives=lambda: [first])
    plugin = add(found, "b", monel_primitives=lambda: [second])
    assert REGISTRY["vendor::double"] is first
    assert "belongs to a:a already" in plugin.conflicts[0]


def test_select_device_chooses_the_default(found, monkeypatch):
    monkeypatch.delenv("MONEL_DEVICE", raising=False)
    add(found, "vendor", monel_select_device=lambda candidates: "reference")
    assert placement.backend_of(placement._choose())[0] == "reference"


@pytest.mark.parametrize("hook", [fail, lambda candidates: "nonsense", lambda candidates: 7])
def test_a_choice_that_fails_is_recorded_and_passed_over(found, monkeypatch, hook):
    monkeypatch.delenv("MONEL_DEVICE", raising=False)
    plugin = add(found, "a", monel_select_device=hook)
    add(found, "b", monel_select_device=lambda candidates: "reference")
    assert placement.backend_of(placement._choose())[0] == "reference"
    assert "monel_select_device" in plugin.conflicts[0]


def test_doctor_runs_the_checks_of_plugins(found):
    add(found, "a", monel_doctor=fail)
    add(found, "b", monel_doctor=lambda: [("vendor's check", lambda: "well")])
    assert dict(command.checks())["vendor's check"]() == "well"
