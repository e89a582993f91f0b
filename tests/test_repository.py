"""The commands that the documents name exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("packages/*/README.md"))]
SESSIONS = set(
    re.findall(r"^@nox\.session.*?^def (\w+)\(", (ROOT / "noxfile.py").read_text(), re.M | re.S)
)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_nox_session_that_a_page_names_exists(page):
    named = set(re.findall(r"nox -s (\w+)", page.read_text()))
    assert named <= SESSIONS


def test_the_readme_starts_with_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "python -m pip install nox && python -m nox -s quickstart" in text
    assert "python -m nox -s tests" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_links_to_exists(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_ci_runs_the_tests_session():
    text = (ROOT / ".ci" / "run").read_text()
    assert "-m nox -s" in text
    assert {"lint", "tests"} <= set(re.findall(r"\w+", text))


@pytest.mark.parametrize(
    ("command", "word"), [("plugins", "reference"), ("doctor", "reference"), ("info", "monel")]
)
def test_core_answers_its_commands(command, word):
    done = subprocess.run(
        [sys.executable, "-m", "monel.core", command], capture_output=True, text=True, timeout=120
    )
    assert word in done.stdout
    assert "Traceback" not in done.stderr
