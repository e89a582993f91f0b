"""The checker is checked: the kit, in a process of its own, on backends wrong on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monel.core.testing import ConformanceSuite, Gap

pytestmark = pytest.mark.slow

KIT = Path(__file__).parent / "kit"


def install(folder, names):
    """Make ``folder`` look like an installation of one distribution for each backend."""
    for name in names:
        info = folder / f"monel_backend_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: monel-backend-{name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            f"[monel.plugins.v1]\n{name} = wrong:{name}_plugin\n"
        )


def run_kit(folder, *arguments):
    """Run pytest on the suites; return what it printed."""
    import ast

    text = (KIT / "wrong.py").read_text()
    names = [node.name.lower() for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    install(folder / "site", names)
    (folder / "pytest.ini").write_text("[pytest]\nxfail_strict = true\n")
    paths = [str(folder / "site"), str(KIT), *filter(None, sys.path)]
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pytest.ini")]
    command += ["-p", "no:cacheprovider", "--import-mode=importlib", *arguments]
    done = subprocess.run(
        [*command, str(KIT / "suites.py")],
        capture_output=True,
        text=True,
        timeout=250,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MONEL_QUIET": "1"},
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What the kit says of each wrong backend: the report and the names of failed cases."""
    folder = tmp_path_factory.mktemp("kit")
    text = run_kit(folder, f"--monel-report={folder / 'report.json'}")
    assert (folder / "report.json").exists(), text
    found = json.loads((folder / "report.json").read_text())
    return {summary["backend"]: summary for summary in found}


def failed(reports, name):
    """Return the failed tests of a backend as ``check[case]``."""
    return {f["test"].rpartition("::test_")[2] for f in reports[name]["failures"]}


def message(reports, name, test):
    return next(f["message"] for f in reports[name]["failures"] if f["test"].endswith(test))


CAUGHT = {
    "swapsoperands": {"value[sub-float32-0]", "program[sub-float32-0]", "vmap[sub-float32-0]"},
    "addsinhalf": {"value[sum-float32-0]"},
    "giveswrongdtype": {"value[less-float32-0]"},
    "overwritesoperands": {"operands[neg-float32-0]"},
    "sharesstorage": {"operands[copy-float32-0]"},
    "ignoresstrides": {"layout[exp-float32-0]"},
    "failsonempty": {"shape[div-float32-0-empty0]"},
    "failsonscalars": {"shape[sqrt-float32-0-scalar]"},
    "sharesscratch": {"threads"},
    "keepshostmemory": {"buffer_is_a_copy"},
    "neverrunsout": {"out_of_memory"},
    "leaks": {"memory_returns"},
    "forgetsthepeak": {"memory_counts"},
    "claimstoomuch": {"supports[tanh-float32-0]"},
    "claimstoolittle": {"supports[tanh-float32-0]"},
    "compilesless": {"supports[tanh-float32-0]"},
    "lacksallocate": {"method[allocate]"},
    "lackskernels": {"required[neg]", "required[matmul]"},
}


@pytest.mark.parametrize("name", CAUGHT)
def test_what_is_wrong_is_caught(reports, name):
    assert CAUGHT[name] <= failed(reports, name)


# Backends whose one mistake must not disturb the checks of anything else.
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("failsonempty", "div-"),
        ("failsonscalars", "sqrt-"),
        ("ignoresstrides", "exp-"),
        ("claimstoomuch", "supports[tanh"),
        ("leaks", "memory_returns"),
        ("lackskernels", "required["),
    ],
)
def test_nothing_else_is_blamed(reports, name, word):
    assert not {test for test in failed(reports, name) if word not in test}


def test_a_right_backend_passes_but_for_its_idle_gap(reports):
    assert {test.partition("[")[0] for test in failed(reports, "honest")} == {"value"}
    assert all("sub-" in test for test in failed(reports, "honest"))


def test_a_gap_that_has_come_to_work_fails(reports):
    assert "XPASS(strict)" in message(reports, "honest", "test_value[sub-float32-0]")


def test_a_declared_gap_is_no_failure(reports):
    assert not failed(reports, "forgetsreverse") & {"value[cumsum-float32-1]"}
    assert reports["forgetsreverse"]["gaps"] == ["reverse is not written yet"]


def test_a_gap_that_matches_nothing_fails(reports):
    text = message(reports, "swapsoperands", "test_every_gap_names_a_case")
    assert "Gap('nonsense', '*')" in text


def test_a_missing_method_is_named_with_its_place(reports):
    text = message(reports, "lacksallocate", "test_method[allocate]")
    assert "lacksallocate lacks `Backend.allocate`: write LacksAllocate.allocate in" in text
    assert "wrong.py" in text
    assert "def allocate(self, shape" in text


def test_missing_methods_are_all_that_is_said(reports):
    assert failed(reports, "lacksallocate") == {
        "method[allocate]",
        "method[from_host]",
        "method[to_host]",
    }


def test_a_missing_kernel_is_named_with_its_place(reports):
    text = message(reports, "lackskernels", "test_required[neg]")
    assert "lacks a kernel for the required primitive 'neg'" in text
    assert '@kernels.register("neg")' in text
    assert "def neg(ctx, p, x)" in text


def test_missing_kernels_come_the_easiest_first(reports):
    order = [f["test"] for f in reports["lackskernels"]["failures"] if "required[" in f["test"]]
    names = [test.partition("[")[2].rstrip("]") for test in order]
    assert names.index("neg") < names.index("matmul") < names.index("scatter")


def test_what_the_host_runs_is_in_the_report(reports):
    rows = {row["name"]: row for row in reports["lackskernels"]["primitives"]}
    assert list(rows["sub"]["ways"]) == ["host"]
    assert list(rows["tanh"]["ways"]) == ["decomposed"]


def test_a_wrong_value_is_shown_beside_the_right_one_and_the_kernel(reports):
    text = message(reports, "swapsoperands", "test_value[sub-float32-0]")
    assert "the result is wrong" in text
    assert "expected" in text
    assert "wrong.py:" in text


def test_overriding_a_test_is_an_error():
    with pytest.raises(TypeError, match="overrides test_value"):

        class TestEdited(ConformanceSuite):
            def test_value(self):
                pass


def test_a_gap_needs_a_reason():
    with pytest.raises(ValueError, match="needs a reason"):
        Gap("cumsum", reason=" ")


@pytest.mark.parametrize("ending", ["md", "html"])
def test_the_report_is_written_in_the_form_of_its_ending(tmp_path, ending):
    path = tmp_path / f"report.{ending}"
    run_kit(tmp_path, f"--monel-report={path}", "--monel-only=cumsum", "-k", "ForgetsReverse")
    text = path.read_text()
    assert "monel conformance: monel-backend-forgetsreverse 1.0, API 1, monel-core" in text
    assert "reverse is not written yet" in text
    assert ("<table>" in text) == (ending == "html")
    if ending == "md":
        assert "| primitive | kernel" in text
        assert "1 primitives: 1 by kernel" in text
