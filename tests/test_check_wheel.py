"""The check of wheels finds what is planted."""

import io
import tarfile
import zipfile

import check_wheel
import pytest

GOOD = ("monel/io/__init__.py", "monel/io/py.typed", "monel_io-1.dist-info/licenses/LICENSE")


@pytest.fixture
def wheel(tmp_path):
    def make(*names):
        path = tmp_path / "monel_io-1-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "")
        return path

    return make


def test_a_wheel_in_order_has_no_problems(wheel):
    assert list(check_wheel.problems(wheel(*GOOD))) == []


@pytest.mark.parametrize(
    "name",
    [
        "monel/__init__.py",
        "monel/backends/__init__.py",
        "tests/test_io.py",
        "other/module.py",
        "monel/io/fast.c",
    ],
)
def test_a_file_that_does_not_belong_is_named(wheel, name):
    (problem,) = check_wheel.problems(wheel(*GOOD, name))
    assert problem.startswith(name)


@pytest.mark.parametrize("left_out", ["monel/io/py.typed", "monel_io-1.dist-info/licenses/LICENSE"])
def test_a_file_that_is_missing_is_named(wheel, left_out):
    (problem,) = check_wheel.problems(wheel(*(name for name in GOOD if name != left_out)))
    assert problem.endswith("is missing")
    assert problem.split()[0] in left_out


SDIST = ("src/monel/io/__init__.py", *check_wheel.PAPERS)


@pytest.fixture
def sdist(tmp_path):
    def make(*names):
        path = tmp_path / "monel_io-1.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(f"monel_io-1/{name}"), io.BytesIO())
        return path

    return make


def test_an_sdist_in_order_has_no_problems(sdist):
    assert list(check_wheel.sdist_problems(sdist(*SDIST))) == []


@pytest.mark.parametrize("name", ["src/monel/__init__.py", "src/monel/io/fast.so", "a/b.pyc"])
def test_a_file_that_does_not_belong_in_an_sdist_is_named(sdist, name):
    (problem,) = check_wheel.sdist_problems(sdist(*SDIST, name))
    assert problem.startswith(name)


@pytest.mark.parametrize("left_out", check_wheel.PAPERS)
def test_a_file_that_an_sdist_lacks_is_named(sdist, left_out):
    (problem,) = check_wheel.sdist_problems(sdist(*(name for name in SDIST if name != left_out)))
    assert problem == f"{left_out} is missing"


def test_wheels_and_sdists_are_checked_as_what_they_are(wheel, sdist, capsys):
    paths = [str(wheel(*GOOD)), str(sdist(*SDIST))]
    assert check_wheel.main(paths) == 0
    assert "2 file(s) in order" in capsys.readouterr().out
    assert check_wheel.main([str(sdist("PKG-INFO"))]) == 1
