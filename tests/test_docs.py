"""The code of the documentation runs and prints what the pages say."""

from pathlib import Path

import pytest
import tutorial_pages as pages

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("packages/*/README.md")),
    ROOT / "docs" / "files.md",
    *sorted(ROOT.glob("docs/tutorials/*.md")),
]
OWN = [ROOT / "README.md", ROOT / "docs" / "files.md", *sorted(ROOT.glob("docs/tutorials/*.md"))]
TUTORIALS = (
    "automatic_differentiation",
    "conversion",
    "custom_functions",
    "function_transforms",
    "in_place_updates",
    "indexing",
    "lazy_evaluation",
    "programs",
    "saving_and_loading",
    "vectorization",
)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_of_the_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pages.run(pages.examples(page)) == ""


@pytest.mark.parametrize("page", OWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_python_block_of_the_page_is_a_session(page):
    silent = [line for line, block in pages.blocks(page) if not block.lstrip().startswith(">>>")]
    assert not silent


def test_there_is_a_tutorial_for_each_subject():
    assert {path.stem for path in ROOT.glob("docs/tutorials/*.md")} >= set(TUTORIALS)
