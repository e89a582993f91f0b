"""What is loaded when: names at import, families when the first of their names is used."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import monel.core as mx
from monel.core.base import names
from monel.core.graph import handle, methods
from monel.core.graph import value as graph
from monel.core.graph.primitive import REGISTRY

STALE = "base/names.py is out of date: run packages/core/tools/names.py"


def printed(code):
    """What ``code`` prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_core_loads_no_family():
    code = "import sys, monel.core; print(*[m for m in sys.modules if m.startswith('monel.core.')])"
    loaded = {name.split(".")[2] for name in printed(code).split()}
    assert loaded == {"base", "constants", "graph"}


def test_a_family_is_loaded_by_its_first_name():
    code = (
        "import sys, monel.core as mx\n"
        "print('monel.core.primitives.sort' in sys.modules)\n"
        "mx.sort\n"
        "print('monel.core.primitives.sort' in sys.modules)"
    )
    assert printed(code).split() == ["False", "True"]


@pytest.mark.parametrize(
    "code",
    [
        "import monel.core.random as random; print(random.key(0).tolist())",
        "from monel.core import random; print(random.key(0).tolist())",
        "from monel.core.plugin import array; print(array([0, 0]).tolist())",
        "from monel.core.plugin import array; print(array([1, 1]).__sub__(1).tolist())",
        "from monel.core import int32, zeros; print((zeros(2, int32) * 3).tolist())",
        "from monel.core import *; print(zeros(2, dtype=int32).tolist())",
        "import monel.core as mx; print(mx.array.tolist(mx.zeros(2, mx.int32)))",
        "from monel.core.plugin import REGISTRY; print([int(n in REGISTRY) for n in ['?', '!']])",
    ],
)
def test_parts_load_what_they_need(code):
    assert printed(code).replace("False", "0") == "[0, 0]"


@pytest.mark.parametrize("family", names.PUBLIC)
def test_a_family_holds_its_names(family):
    module = importlib.import_module(f"monel.core.{family}")
    assert set(names.PUBLIC[family].split()) <= set(module.__all__), STALE


@pytest.mark.parametrize("family", names.PRIMITIVES)
def test_a_family_registers_its_primitives(family):
    held = {n for n, cls in REGISTRY.items() if cls.__module__ == f"monel.core.{family}"}
    assert set(names.PRIMITIVES[family].split()) == held, STALE


def test_every_primitive_of_core_has_a_home():
    for module in pkgutil.walk_packages(mx.__path__, "monel.core."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {n for n, cls in REGISTRY.items() if cls.__module__.startswith("monel.core.")}
    assert ours == set(names.HOMES), STALE


@pytest.mark.parametrize("owner", [graph.slots, handle.upper], ids=["slots", "upper"])
def test_a_door_is_opened_by_the_module_it_names(owner):
    table = {graph.slots: graph.OWNERS, handle.upper: handle.OWNERS}[owner]
    for name, module in table.items():
        importlib.import_module(f"monel.core.{module}")
        assert type(getattr(owner, name)).__name__ != "Door", f"{module} installs no {name}"


def test_every_method_is_found():
    held = [n for of in methods.METHODS.values() for n in of] + list(methods.PROPERTIES)
    assert not [n for n in held if isinstance(getattr(mx.array, n), methods.Later)]


def test_no_module_hides_a_public_name():
    """Importing a submodule sets an attribute of the package: a function of that name is lost."""
    modules = {module.name for module in pkgutil.iter_modules(mx.__path__)} - names.SUBMODULES
    assert not modules & set(mx.__all__)


def test_dir_lists_what_is_not_loaded():
    assert {"random", "vmap", "einsum", "float32"} <= set(dir(mx))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'matmull'"):
        _ = mx.matmull
