"""The sample of kernels in C of examples/: compiled, found by its entry point, and run."""

import importlib.util
import math
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from installed_sample import installed

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "examples" / "monel-kernels-c"
PAGE = ROOT / "docs" / "backends" / "native_kernels.md"
SOURCES = [*SAMPLE.glob("*.py"), *SAMPLE.glob("src/*/*.py"), *SAMPLE.glob("src/*/*.c")]
BLOCKS = re.findall(r"^```(?:python|c)\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_code_of_the_page_is_the_samples(block):
    assert any(block in path.read_text() for path in SOURCES)


def test_the_page_has_code():
    assert len(BLOCKS) > 5


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the compiled package."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    if shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None:
        pytest.skip("there is no C compiler")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("there are no headers of this Python")
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(SAMPLE, folder / "copy")
    places = ("--build-lib", str(folder / "lib"), "--build-temp", str(folder / "temp"))
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", *places[:2], "build_ext", *places],
        cwd=folder / "copy",
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return folder / "lib"


@pytest.fixture
def run(built, tmp_path):
    return installed(SAMPLE, tmp_path, built)


@pytest.fixture(params=["reference", "cpu"])
def device(request):
    if request.param == "cpu":
        pytest.importorskip("monel.backends.cpu._kernels")
    return request.param


def test_the_kernels_are_taken(run, device):
    code = (
        "import monel.core as mx; from monel.core.execute.discovery import plugins; "
        "mx.eval(mx.zeros((1,)) + 1); "
        f"print(sorted(plugins().kernels[{device!r}]), [p.conflicts for p in plugins().found "
        "if 'kernels-c' in p.key])"
    )
    assert run("-c", code, MONEL_DEVICE=device) == ["['cumsum', 'erf'] [[]]"]


def test_values_of_the_kernels(run, device):
    code = (
        "import monel.core as mx; x = mx.array([[1.0, 2, 3], [4, 5, 6]]); "
        "print(mx.cumsum(x, axis=0, reverse=True, inclusive=False).tolist()); "
        "print(mx.cumsum(x.T, axis=0).tolist()); print(mx.erf(x[0]).tolist()); "
        "print(mx.grad(lambda x: mx.erf(x).sum())(mx.array(0.0)).item())"
    )
    first, second, third, slope = run("-c", code, MONEL_DEVICE=device)
    assert first == "[[4.0, 5.0, 6.0], [0.0, 0.0, 0.0]]"
    assert second == "[[1.0, 4.0], [3.0, 9.0], [6.0, 15.0]]"
    assert eval(third) == pytest.approx([math.erf(x) for x in (1, 2, 3)], rel=1e-6)
    assert float(slope) == pytest.approx(2 / math.sqrt(math.pi), rel=1e-6)
