"""The page on checking kernels shows what the command really prints."""

import re
from pathlib import Path

import pytest
from launching import require_clang

from monel.backends.metal.__main__ import main

PAGE = Path(__file__).parents[3] / "docs" / "backends" / "checking_metal_kernels.md"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    require_clang()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "softmax.metal"
    path.write_text(re.search(r"```metal\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    return path


def test_the_page_shows_the_report_of_its_kernel(kernel, capsys):
    shown = re.search(r"check softmax\.metal\n((?:    .*\n)+)", PAGE.read_text())[1]
    assert main(["check", "softmax.metal"]) == 1
    lines = [line.removeprefix("    ") for line in shown.splitlines()]
    assert capsys.readouterr().out.splitlines() == lines


def test_the_barrier_that_the_page_names_mends_it(kernel):
    text = kernel.read_text()
    wrong = "  if (simd == 0) buf[lane] = 0;"
    barrier = "  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
    assert text.count(wrong) == 1
    kernel.write_text(text.replace(wrong, barrier + wrong))
    assert main(["check", "softmax.metal"]) == 0
