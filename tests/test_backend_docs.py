"""The pages for backend authors: the code is the example's, the signatures the contract's."""

import inspect
import re
from pathlib import Path

import pytest

from monel.core.contract import hookspecs
from monel.core.plugin import Backend

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "backends"
TOY = ROOT / "examples" / "monel-backend-toy"
SOURCES = [*TOY.glob("*.toml"), *TOY.glob("src/*/*.py"), *TOY.glob("tests/*.py")]
BLOCKS = re.findall(
    r"^```(?:python|toml)\n(.*?)^```", (PAGES / "tutorial.md").read_text(), re.M | re.S
)
REFERENCE = (PAGES / "reference.md").read_text()


def public(owner, prefix=""):
    found = vars(owner).items()
    return {
        n: f for n, f in found if inspect.isfunction(f) and n.startswith(prefix) and n[0] != "_"
    }


CONTRACT = {**public(hookspecs, "monel_"), **public(Backend)}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_code_of_the_tutorial_is_the_examples(block):
    assert any(block in path.read_text() for path in SOURCES)


def test_the_tutorial_has_code():
    assert len(BLOCKS) > 5


@pytest.mark.parametrize("name", CONTRACT)
def test_the_reference_has_every_hook_and_method_with_its_signature(name):
    signature = str(inspect.signature(CONTRACT[name])).replace("'", "")
    assert f"### `{name}{signature}`" in REFERENCE


@pytest.mark.parametrize("page", ["tutorial.md", "reference.md", "native_kernels.md"])
def test_links_of_the_pages_exist(page):
    links = re.findall(r"\]\(([^)#:]+)\)", (PAGES / page).read_text())
    assert not [link for link in links if not (PAGES / link).exists()]


def test_the_example_is_small():
    lines = sum(len(path.read_text().splitlines()) for path in TOY.glob("src/*/*.py"))
    assert lines <= 90
