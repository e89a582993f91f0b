"""The check of wheels finds what is planted."""

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
