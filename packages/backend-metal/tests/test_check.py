"""``python -m monel.backends.metal check``: exit status, report and JSON."""

import json

import pytest
from launching import require_clang

from monel.backends.metal.__main__ import main


@pytest.fixture(autouse=True)
def clang():
    require_clang()


GOOD = """#include <metal_stdlib>
using namespace metal;
// check: twice grid=100 group=32 x=float32[100] y=float32[100]:zeros n=uint:100
// check: scale<half> grid=100 group=64 x=half[100] factor=float:2.5
kernel void twice(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  constant uint& n [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  if (i < n) y[i] = 2 * x[i];
}
template <typename T>
kernel void scale(device T* x [[buffer(0)]], constant float& factor [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  x[i] = T(float(x[i]) * factor);
}
"""

# A sum that is right on most days: nothing orders the last write and the first read of `part`.
RACE = """#include <metal_stdlib>
using namespace metal;
// check: total grid=256 group=256 x=float32[256] y=float32[1]
kernel void total(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  uint t [[thread_index_in_threadgroup]]) {
  threadgroup float part[256];
  part[t] = x[t];
  for (uint s = 128; s > 0; s >>= 1) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (t < s) part[t] += part[t + s];
  }
  y[0] = part[0];
}
"""


@pytest.fixture
def check(tmp_path, capsys):
    def run(text, *options):
        path = tmp_path / "my.metal"
        path.write_text(text)
        status = main(["check", str(path), *options])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def test_kernels_in_order_are_status_0(check):
    status, out = check(GOOD)
    assert status == 0, out
    assert out.rstrip().endswith("nothing found; 2 kernel(s) run, 0 not")


def test_a_race_is_status_1_with_kernel_line_and_threads(check):
    status, out = check(RACE)
    assert status == 1
    assert "my.metal:12: total: data race on y: write at byte 0 after a write" in out
    assert "[forward, reverse, random]" in out or "[forward" in out


def test_the_report_as_json(check):
    status, out = check(RACE, "--json", "--order", "forward")
    report = json.loads(out)
    assert status == 1
    assert {f["kind"] for f in report["findings"]} == {"race"}
    assert report["run"] == ["total"]
    assert {f["order"] for f in report["findings"]} == {"forward"}


def test_an_overrun_is_found(check):
    status, out = check(GOOD.replace("x=float32[100] y", "x=float32[99] y"))
    assert status == 1
    assert "my.metal:7: twice: read of 4 bytes at byte 396 of 396 of x (thread 3 of group 3)" in out


def test_a_kernel_without_a_line_is_compiled_and_named(check):
    status, out = check(GOOD.replace("// check: twice", "// twice"))
    assert status == 0
    assert "twice: compiled and checked for address spaces; no check line runs it" in out


@pytest.mark.parametrize("line", ["thread float* p = part;", "device float* p = part; p[0] ="])
def test_address_spaces_are_checked_without_running(check, line):
    status, out = check(RACE.replace("// check", "//").replace("y[0] =", line))
    assert status == 1
    assert "my.metal:12" in out
    assert "total: compiled and checked for address spaces" in out


def test_one_kernel_of_several(check):
    status, out = check(GOOD, "--kernel", "scale")
    assert status == 0
    assert "1 kernel(s) run, 0 not" in out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grid=100 group=32", "group=32", "my.metal:3: twice has no grid="),
        ("group=32", "group=2048", "at most 1024 threads"),
        ("group=32", "group=0", "expected one to three positive numbers"),
        ("n=uint:100", "n=uint:many", "'many' is no uint32"),
        ("n=uint:100", "", "my.metal:3: twice needs n=dtype[shape]"),
        ("n=uint:100", "m=uint:100", "twice has no buffer 'm', only n, x, y"),
        ("x=float32[100] y", "x=float33[100] y", "expected dtype[shape]"),
        ("check: twice", "check: thrice", "has no kernel 'thrice'"),
        ("y[i] = 2", "z[i] = 2", "undeclared identifier 'z'"),
        ("check: scale<half>", "check: scale<half", "do not close"),
    ],
)
def test_what_cannot_be_understood_is_status_2(check, old, new, message):
    assert old in GOOD
    status, out = check(GOOD.replace(old, new))
    assert status == 2
    assert message in out


def test_a_file_that_is_missing_is_status_2(capsys, tmp_path):
    assert main(["check", str(tmp_path / "none.metal")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_an_unknown_order_is_status_2(check):
    status, out = check(GOOD, "--order", "sideways")
    assert status == 2
    assert "'sideways' is none of forward, reverse, random" in out


def test_headers_beside_the_file_are_included(check, tmp_path):
    (tmp_path / "twice.h").write_text("inline float twice_of(float x) {\n  return 2 * y;\n}\n")
    status, out = check(GOOD.replace("using namespace metal;", '#include "twice.h"'))
    assert status == 2
    assert "twice.h:2" in out
