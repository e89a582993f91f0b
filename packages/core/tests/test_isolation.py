"""Installed plugins that misbehave: core computes, and the reports say why and what to do.

Each plugin is a distribution on a path of its own: metadata with an entry point, and a module. All
of them are looked at by a process of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import pytest

BACKEND = """
from monel.core.plugin import BackendSpec, hookimpl
from monel.core.execute.reference import ReferenceBackend

def load():
    {load}

@hookimpl
def monel_backends():
    return [BackendSpec({name!r}, load, api_version=1, priority=1000)]
"""


@pytest.fixture
def site(tmp_path):
    """A folder of distributions, and what processes that see it do."""
    folder = tmp_path / "site"
    folder.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("MONEL_")}
    env |= {"MONEL_CACHE": str(tmp_path / "cache"), "MONEL_QUIET": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, sys.path)])

    def install(name, code, *, version="1.0", group="monel.plugins.v1", points=None):
        module = name.replace("-", "_")
        info = folder / f"{module}-{version}.dist-info"
        for old in folder.glob(f"{module}-*.dist-info"):
            old.rename(info)
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points or f"[{group}]\nvendor = {module}\n")
        (folder / f"{module}.py").write_text(textwrap.dedent(code))

    def python(*arguments, **more):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=env | more, timeout=60, check=False
        )

    def report(name, **more):
        done = python("-m", "monel.core", name, "--json", **more)
        assert done.stdout.startswith("["), done.stderr
        return done.returncode, json.loads(done.stdout)

    def row(entry="vendor", **more):
        code, rows = report("plugins", **more)
        (found,) = (row for row in rows if row["entry"] == entry)
        assert code == 1
        return found

    def compute(**more):
        more.setdefault("MONEL_DEVICE", "reference")
        return python("-c", "import monel.core as mx; print((mx.ones(2) + 1).tolist())", **more)

    return SimpleNamespace(install=install, python=python, report=report, row=row, compute=compute)


def healthy(done):
    return done.stdout.strip() == "[2.0, 2.0]"


# What a plugin may do, and a part of what its row says.
BROKEN = {
    "raises at import": ("raise RuntimeError('no driver')", "no driver"),
    "raises SystemExit": ("raise SystemExit(3)", "SystemExit(3)"),
    "has a syntax error": ("def monel_backends(:", "SyntaxError"),
    "has no hook": ("x = 1", "has no hook"),
    "misspells a hook": (
        "from monel.core.plugin import hookimpl\n@hookimpl\ndef monel_backend(): return []",
        "did you mean 'monel_backends'?",
    ),
    "misspells a hook without mark": ("def monel_format(): return []", "'monel_formats'?"),
    "takes an unknown argument": (
        "from monel.core.plugin import hookimpl\n@hookimpl\ndef monel_kernels(name): return {}",
        "monel_kernels",
    ),
    "raises in a hook": ("def monel_backends(): return 1 / 0", "ZeroDivisionError"),
    "claims a backend's name": (BACKEND.format(name="cpu", load="return 1"), "monel-backend-cpu"),
    "claims core's name": (BACKEND.format(name="reference", load="return 1"), "monel-core"),
    "defines a primitive of core": (
        "from monel.core.plugin import Primitive\nclass Mine(Primitive, name='add'): pass",
        "'add' is defined twice",
    ),
}

# What a hook may answer, and a part of what the row says.
NONSENSE = {
    "monel_backends": {
        "7": "returned 7, which is no list",
        "'cpu'": "which is no list",
        "[7]": "no BackendSpec",
        "[BackendSpec([], load, 1)]": "BackendSpec.name is []",
        "[BackendSpec('vendor', None, 1)]": "BackendSpec.load is None",
        "[BackendSpec('vendor', load, '1')]": "BackendSpec.api_version is '1'",
        "[BackendSpec('vendor', load, 1, kinds='gpu')]": "BackendSpec.kinds is 'gpu'",
        "[BackendSpec('vendor', load, 1, kinds=())]": "BackendSpec.kinds is ()",
        "[BackendSpec('vendor', load, 1, kinds=('tpu',))]": "BackendSpec.kinds is ('tpu',)",
        "[BackendSpec('vendor', load, 1, priority='high')]": "BackendSpec.priority is 'high'",
        "[BackendSpec('vendor', load, 1)] * 2": "declares a name twice",
        "[BackendSpec('vendor', load, 99)]": "it speaks version 99",
    },
    "monel_formats": {
        "7": "returned 7, which is no list",
        "[7]": "no Format",
        "[Format(7, (), (), load)]": "Format.name is 7",
        "[Format('x', '.x', (), load)]": "Format.extensions is '.x'",
        "[Format('x', ('.x',), b'X', load)]": "Format.magic is b'X'",
        "[Format('x', ('.x',), ((b'X', 0),), load)]": "Format.magic is",
        "[Format('x', ('.x',), (), None)]": "Format.load is None",
        "[Format('x', ('.x',), (), load, 7)]": "Format.save is 7",
    },
    "monel_primitives": {"7": "returned 7, which is no list", "[int]": "no Primitive"},
}


def test_broken_plugins_are_explained_and_take_nothing_with_them(site):
    for number, (code, _) in enumerate(BROKEN.values()):
        points = f"[monel.plugins.v1]\nbroken{number} = broken_{number}\n"
        site.install(f"broken-{number}", code, points=points)
    code, rows = site.report("plugins")
    found = {row["entry"]: row for row in rows}
    assert code == 1
    assert found["reference"]["status"] == "ok"
    for number, (what, (_, expected)) in enumerate(BROKEN.items()):
        assert expected in found[f"broken{number}"]["status"], what
        assert f"pip uninstall broken-{number}" in found[f"broken{number}"]["fix"], what
    assert healthy(site.compute())


def test_nonsense_of_hooks_is_explained_and_takes_nothing_with_it(site):
    expected = {}
    head = "from monel.core.plugin import BackendSpec, Format\ndef load(): return 1\n"
    for hook, answers in NONSENSE.items():
        for answer, words in answers.items():
            module = f"wrong_{len(expected)}"
            body = f"{head}def {hook}(): return {answer}\n"
            points = f"[monel.plugins.v1]\n{module} = {module}\n"
            # Only the distribution that owns the name comes as far as the contract's version.
            owner = "monel-backend-vendor" if "99" in answer else module.replace("_", "-")
            site.install(
                owner, body, points=points.replace(f"= {module}", f"= {owner}".replace("-", "_"))
            )
            expected[module] = words
    _, rows = site.report("plugins")
    found = {row["entry"]: row["status"] for row in rows}
    assert [m for m, words in expected.items() if words not in found[m]] == []
    assert found["reference"] == "ok"
    assert healthy(site.compute())


def test_doctor_repeats_the_reason_and_the_way_to_fix_it(site):
    site.install("vendor", "raise RuntimeError('no driver')")
    code, rows = site.report("doctor")
    (plugins,) = (row for row in rows if row["check"] == "plugins")
    assert code == 1
    assert "no driver" in plugins["detail"]
    assert "pip install --upgrade vendor" in plugins["detail"]
    assert {row["result"] for row in rows if row["check"] == "backend reference"} == {"ok"}


@pytest.mark.parametrize(
    ("group", "fix"),
    [
        ("monel.plugins.v9", "pip install --upgrade monel-core"),
        ("monel.plugins", "pip install --upgrade vendor"),
    ],
)
def test_a_group_that_core_does_not_read_is_explained_without_an_import(site, group, fix):
    site.install("vendor", "raise RuntimeError('imported')", group=group)
    row = site.row()
    assert f"entry-point group '{group}'" in row["status"]
    assert "imported" not in row["status"]
    assert fix in row["fix"]


def test_a_plugin_that_speaks_several_versions_is_read_in_ours(site):
    code = "def monel_formats(): return []"
    points = "[monel.plugins.v9]\nvendor = nothing\n[monel.plugins.v1]\nvendor = vendor\n"
    site.install("vendor", code, points=points)
    _, rows = site.report("plugins")
    assert [(r["api"], r["status"]) for r in rows if r["entry"] == "vendor"] == [(1, "ok")]


def test_metadata_that_is_damaged_is_explained_and_hides_no_other_plugin(site):
    site.install("damaged", "", points="[monel.plugins.v1]\nno equals sign\n")
    site.install("vendor", "def monel_formats(): return []")
    _, rows = site.report("plugins")
    assert {"vendor", "reference"} <= {row["entry"] for row in rows if row["status"] == "ok"}
    (damaged,) = (row for row in rows if row["distribution"] == "damaged")
    assert "entry_points.txt can't be read" in damaged["status"]
    assert "pip install --upgrade damaged" in damaged["fix"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("return 7", "which is no Backend"),
        ("b = ReferenceBackend(); b.devices = lambda: 7; return b", "which is no list of names"),
        ("b = ReferenceBackend(); b.devices = lambda: []; return b", "it found no device"),
        ("raise SystemExit(3)", "SystemExit(3)"),
    ],
)
def test_a_backend_that_does_not_load_is_passed_over(site, answer, words):
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=answer))
    done = site.compute(MONEL_DEVICE="")
    assert healthy(done)
    assert words in done.stderr
    row = site.row()
    assert words in row["status"]
    assert "doctor --store" in row["fix"]


def test_a_backend_that_does_not_load_repeats_the_reason_when_asked_for(site):
    load = "raise ImportError('libvendor.so')"
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=load))
    done = site.compute(MONEL_DEVICE="vendor")
    assert "BackendError: backend 'vendor' failed to load" in done.stderr
    assert "libvendor.so" in done.stderr


CRASH = "import os; os.abort()"
# How the verdict on that names it: Windows has no signals.
ENDED = "SIGABRT" if os.name == "posix" else "exit status"


def test_a_backend_that_crashes_is_passed_over_and_explained(site):
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=CRASH))
    assert healthy(site.compute(MONEL_DEVICE=""))
    assert ENDED in site.row()["status"]
    code, rows = site.report("doctor")
    (vendor,) = (row for row in rows if row["check"] == "backend vendor")
    assert code == 1
    assert ENDED in vendor["detail"]
    assert "doctor --store" in vendor["detail"]


def test_a_backend_that_crashed_is_refused_when_it_is_asked_for(site):
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=CRASH))
    site.compute(MONEL_DEVICE="")
    done = site.compute(MONEL_DEVICE="vendor")
    assert done.returncode == 1
    assert ENDED in done.stderr


def test_asking_again_for_a_backend_that_crashes_does_not_crash(site):
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=CRASH))
    code = (
        "from monel.core.execute.discovery import plugins\n"
        "print([plugins().usable('vendor') for _ in range(3)])"
    )
    # Nowhere to keep the verdict: the process itself has to remember it.
    done = site.python("-c", code, MONEL_CACHE=os.devnull + "/none")
    assert done.stdout.strip() == "[False, False, False]"


def test_a_crash_is_remembered_until_the_version_changes(site):
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=CRASH))
    site.compute(MONEL_DEVICE="")
    mended = BACKEND.format(name="vendor", load="return ReferenceBackend()")
    site.install("monel-backend-vendor", mended)
    default = "import monel.core as mx; print(mx.default_device())"
    assert ENDED in site.python("-c", default).stderr
    site.install("monel-backend-vendor", mended, version="1.1")
    done = site.python("-c", default)
    assert done.stdout.strip() == "Device(cpu, 0)"
    assert ENDED not in done.stderr


def test_doctor_store_tries_again(site):
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=CRASH))
    site.compute(MONEL_DEVICE="")
    mended = BACKEND.format(name="vendor", load="return ReferenceBackend()")
    site.install("monel-backend-vendor", mended)
    site.python("-m", "monel.core", "doctor", "--store")
    _, rows = site.report("plugins")
    assert [row["status"] for row in rows if row["entry"] == "vendor"] == ["ok"]


def test_a_load_that_hangs_is_passed_over_and_explained(site):
    load = "import time; time.sleep(60)"
    site.install("monel-backend-vendor", BACKEND.format(name="vendor", load=load))
    started = time.monotonic()
    done = site.compute(MONEL_DEVICE="", MONEL_PROBE_SECONDS="3")
    assert healthy(done)
    assert time.monotonic() - started < 60
    assert "more than 3 seconds" in site.row()["status"]


def test_a_device_that_a_plugin_chooses_is_tried_in_a_child_first(site):
    code = BACKEND.format(name="vendor", load=CRASH)
    code = code.replace("priority=1000", "priority=-1000")
    code += "\n@hookimpl\ndef monel_select_device(candidates): return 'vendor'\n"
    site.install("monel-backend-vendor", code)
    assert healthy(site.compute(MONEL_DEVICE=""))


LATE = """
def monel_kernels(backend): return {kernels}
def monel_doctor(): return {checks}
def monel_select_device(candidates): return {device}
"""


@pytest.mark.parametrize(
    ("kernels", "checks", "device"),
    [("7", "7", "7"), ("{'neg': 7}", "[('x',)]", "''"), ("[1]", "[(1, print)]", "[]")],
)
def test_nonsense_of_hooks_asked_later_takes_nothing_with_it(site, kernels, checks, device):
    site.install("vendor", LATE.format(kernels=kernels, checks=checks, device=device))
    assert healthy(site.compute(MONEL_DEVICE=""))
    _, rows = site.report("doctor")
    assert {r["result"] for r in rows if r["check"] == "backend reference"} == {"ok"}


def test_a_check_that_leaves_the_process_fails_alone(site):
    site.install("vendor", "import sys\ndef monel_doctor(): return [('driver', sys.exit)]")
    code, rows = site.report("doctor")
    assert code == 1
    assert {"driver": "FAILED", "backend reference": "ok"}.items() <= {
        row["check"]: row["result"] for row in rows
    }.items()


def test_of_two_entry_points_with_one_backend_the_first_has_it(site):
    code = BACKEND.format(name="vendor", load="return ReferenceBackend()")
    points = "[monel.plugins.v1]\na = monel_backend_vendor\nb = second\n"
    site.install("monel-backend-vendor", code, points=points)
    site.install("second", code, points="[other]\n")
    _, rows = site.report("plugins")
    status = {row["entry"]: row["status"] for row in rows}
    assert status["a"] == "ok"
    assert "declared already" in status["b"]
