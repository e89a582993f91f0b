"""What holds for every distribution: the shared namespace, what a wheel ships, what it imports."""

import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
MODULES = {
    "core": "monel.core",
    "backend-cpu": "monel.backends.cpu",
    "backend-metal": "monel.backends.metal",
    "io": "monel.io",
    "nn": "monel.nn",
}
NAMESPACES = {"monel/__init__.py", "monel/backends/__init__.py"}


def settings(package):
    return tomllib.loads((package / "pyproject.toml").read_text())


@pytest.fixture(params=PACKAGES, ids=lambda path: path.name)
def package(request):
    return request.param


@pytest.fixture
def installed(package):
    try:
        return distribution(f"monel-{package.name}")
    except PackageNotFoundError:
        pytest.skip(f"monel-{package.name} is not installed")


def python(code, **env):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_there_are_five_distributions():
    assert {path.name for path in PACKAGES} == set(MODULES)


def test_no_distribution_owns_the_namespace(installed):
    assert not NAMESPACES & {file.as_posix() for file in installed.files}


def test_types_are_shipped(installed):
    assert any(file.name == "py.typed" for file in installed.files)


def test_licence_is_shipped(installed):
    assert any(file.as_posix().endswith("licenses/LICENSE") for file in installed.files)


def test_no_tests_are_shipped(installed):
    assert not [str(file) for file in installed.files if "tests" in file.parts]


def test_what_is_tested_is_installed(package, installed):
    module = importlib.import_module(MODULES[package.name])
    assert not Path(module.__file__).is_relative_to(ROOT / "packages")


def test_version_is_the_one_of_the_sources(package, installed):
    assert installed.version == settings(package)["project"]["version"]


def test_first_heading_of_the_changelog_is_the_version(package):
    project = settings(package)["project"]
    (heading, *_) = re.findall(r"^## (\S+ \S+)", (package / "CHANGELOG.md").read_text(), re.M)
    assert heading.rstrip(",") == f"{project['name']} {project['version']}"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE", "changes"])
def test_package_has_its_papers(package, name):
    assert (package / name).exists()


def test_package_has_tests_of_its_own(package):
    assert list((package / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("heavy", ["numpy", "ml_dtypes", "pluggy", "monel.io", "monel.backends"])
def test_importing_core_does_not_import(heavy):
    code = f"import sys, monel.core; print({heavy!r} in sys.modules)"
    assert python(code).strip() == "False"


def compiled_modules():
    """Modules of core that have a .pxd, if the wheel installed is a compiled one."""
    files = distribution("monel-core").files
    if not any(file.suffix in (".so", ".pyd") for file in files):
        return []
    return sorted(".".join(file.with_suffix("").parts) for file in files if file.suffix == ".pxd")


@pytest.mark.parametrize("name", compiled_modules())
def test_a_module_with_a_pxd_is_compiled(name):
    assert Path(importlib.import_module(name).__file__).suffix in (".so", ".pyd")


def test_fields_of_a_compiled_value_are_c_fields():
    if "monel.core.graph.value" not in compiled_modules():
        pytest.skip("the pure wheel is installed")
    from monel.core.graph.value import Value

    assert not [n for n, v in vars(Value).items() if type(v).__name__ == "member_descriptor"]
