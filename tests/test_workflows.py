"""The workflow files for GitHub name what this repository has: they can't be run here."""

import re
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMPILED = ("CMakeLists.txt", "setup.py")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return yaml.safe_load(request.param.read_text())


def load(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def matrix(workflow, job):
    return workflow["jobs"][job]["strategy"]["matrix"]


def minor_versions():
    """Those that the classifiers of monel-core promise."""
    project = tomllib.loads((ROOT / "packages/core/pyproject.toml").read_text())["project"]
    last = "Programming Language :: Python :: 3."
    return [c.rpartition(":: ")[2] for c in project["classifiers"] if c.startswith(last)]


def test_each_job_has_a_machine_a_limit_and_steps(workflow):
    for job in workflow["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)


def test_each_step_uses_an_action_of_a_version_or_runs_a_command(workflow):
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@v[\d.]+", step.get("uses", "a/b@v1"))


def test_sessions_that_are_run_exist(workflow):
    sessions = re.findall(
        r"^@nox\.session.*\n(?:@.*\n)*def (\w+)", (ROOT / "noxfile.py").read_text(), re.M
    )
    for step in steps(workflow):
        for named in re.findall(r"nox -s ([\w ]+)", step.get("run", "")):
            assert set(named.split()) <= set(sessions)


def test_files_that_are_named_exist(workflow):
    for step in steps(workflow):
        for path in re.findall(r"\btests/\S+\.py", step.get("run", "")):
            assert (ROOT / path).exists()


def test_tests_run_on_every_python_that_is_promised():
    assert matrix(load("ci.yml"), "tests")["python"] == minor_versions()


def test_compiled_wheels_are_built_for_every_python_that_is_promised():
    (step,) = (
        s
        for s in load("wheels.yml")["jobs"]["compiled"]["steps"]
        if "CIBW_BUILD" in s.get("env", {})
    )
    tags = [f"cp{version.replace('.', '')}-*" for version in minor_versions()]
    assert step["env"]["CIBW_BUILD"].split() == tags


def test_compiled_wheels_are_those_of_the_distributions_that_compile():
    packages = [path.parent for path in ROOT.glob("packages/*/pyproject.toml")]
    compiled = {p.name for p in packages if any((p / file).exists() for file in COMPILED)}
    workflow = load("wheels.yml")
    assert set(matrix(workflow, "compiled")["package"]) == compiled
    loops = [
        set(names.split())
        for step in workflow["jobs"]["pure"]["steps"]
        for names in re.findall(r"for package in ([\w -]+);", step.get("run", ""))
    ]
    assert loops == [{p.name for p in packages} - compiled, compiled]
