"""Mistakes planted in kernels: each is reported, by kind and by line."""

import numpy as np
import pytest
from launching import ORDERS, PRELUDE, kinds, launch, require_clang

from monel.backends.metal.emulator import strict
from monel.backends.metal.emulator.lint import lint
from monel.backends.metal.emulator.translate import parse


@pytest.fixture(autouse=True)
def clang():
    require_clang()


# A sum of rows that is right: two SIMD sums with a barrier between, and one around the reuse.
ROW_SUM = """
struct Size { uint n; };
[[kernel]] void k(constant Size& size [[buffer(0)]],
                  device const float* x [[buffer(1)]],
                  device float* y [[buffer(2)]],
                  uint row [[threadgroup_position_in_grid]],
                  uint tid [[thread_index_in_threadgroup]],
                  uint threads [[threads_per_threadgroup]],
                  uint lane [[thread_index_in_simdgroup]],
                  uint simd [[simdgroup_index_in_threadgroup]]) {
  threadgroup float partial[32];
  float sum = 0;
  for (uint i = tid; i < size.n; i += threads) sum += x[row * size.n + i];
  if (simd == 0) partial[lane] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = simd_sum(sum);
  if (lane == 0) partial[simd] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = simd_sum(partial[lane]);
  if (tid == 0) y[row] = sum;
}
"""


def row_sum(source=ROW_SUM, order="forward", n=100, threads=128, out=4):
    x = np.arange(4 * n, dtype=np.float32).reshape(4, n)
    y = np.zeros(out, np.float32)
    findings = launch(
        source, np.array([n], np.uint32), x, y, grid=(4 * threads,), group=(threads,), order=order
    )
    return findings, y, x.sum(1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("threads", [32, 128, 1024])
def test_right_kernel_has_no_finding_and_the_right_sum(order, threads):
    findings, y, want = row_sum(order=order, threads=threads)
    assert findings == []
    np.testing.assert_allclose(y, want, rtol=1e-6)


FIRST = "threadgroup_barrier(mem_flags::mem_threadgroup);\n  sum = simd_sum(sum)"
SECOND = "threadgroup_barrier(mem_flags::mem_threadgroup);\n  sum = simd_sum(partial"
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"
MISTAKES = {
    "no barrier before a read": (
        "race",
        BARRIER + "\n  sum = simd_sum(partial",
        "\n  sum = simd_sum(partial",
    ),
    "no barrier before a rewrite": (
        "race",
        BARRIER + "\n  sum = simd_sum(sum)",
        "sum = simd_sum(sum)",
    ),
    "a barrier for the wrong memory": (
        "race",
        BARRIER,
        "threadgroup_barrier(mem_flags::mem_device);",
    ),
    "a barrier of the SIMD group only": (
        "race",
        BARRIER,
        "simdgroup_barrier(mem_flags::mem_threadgroup);",
    ),
    "all threads write one result": ("race", "if (tid == 0) y[row]", "y[row]"),
    "all groups write one result": ("race", "y[row] = sum", "y[0] = sum"),
    "a read past a buffer": ("bounds", "i < size.n;", "i <= size.n + 300;"),
    "a read before a buffer": ("bounds", "x[row * size.n + i]", "x[int(i) - 1]"),
    "a write past a buffer": ("bounds", "y[row] = sum", "y[row + 1] = sum"),
    "an index past a threadgroup array": (
        "bounds",
        "partial[simd] = sum",
        "partial[simd + 31] = sum",
    ),
    "an index past a thread's array": (
        "bounds",
        "float sum = 0;",
        "float sum = 0; float own[4] = {0, 0, 0, 0}; sum += own[tid];",
    ),
    "memory that nobody wrote": ("uninitialised", "if (simd == 0) partial[lane] = 0;", ""),
    "a barrier in a branch": (
        "divergent",
        "float sum = 0;",
        "float sum = 0; if (tid < 40) { threadgroup_barrier(mem_flags::mem_threadgroup); }",
    ),
    "a SIMD function in a branch": (
        "divergent",
        "sum = simd_sum(sum);",
        "if (lane < 7) sum = simd_sum(sum);",
    ),
    "a return before a barrier": (
        "divergent",
        "float sum = 0;",
        "float sum = 0; if (tid > 100) return;",
    ),
    "two barriers that look like one": (
        "divergent",
        "float sum = 0;",
        "float sum = 0; if (tid < 64) { threadgroup_barrier(mem_flags::mem_device); sum = 0; } "
        "else { threadgroup_barrier(mem_flags::mem_threadgroup); }",
    ),
    "a read of a lane that is not there": (
        "absent-lane",
        "sum = simd_sum(sum);",
        "sum = simd_sum(sum); sum = simd_broadcast(sum, 32);",
    ),
    "too much threadgroup memory": (
        "threadgroup-memory",
        "float sum = 0;",
        "threadgroup float big[8200]; big[tid] = 1; float sum = 0;",
    ),
    "division by zero": ("division", "row * size.n + i", "row * (size.n / (row / 4)) + i"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistake_is_reported_in_every_order(name, order):
    kind, old, new = MISTAKES[name]
    assert old in ROW_SUM
    findings, _, _ = row_sum(ROW_SUM.replace(old, new, 1), order=order)
    assert kind in kinds(findings), (name, findings)


def test_race_names_both_lines_and_both_threads():
    findings, _, _ = row_sum(ROW_SUM.replace("y[row] = sum", "y[0] = sum"))
    (finding,) = findings
    line = (PRELUDE + ROW_SUM).splitlines().index("  if (tid == 0) y[row] = sum;")
    assert finding.place == finding.other_place == f"test.metal:{line}"
    assert (finding.group, finding.other_group) == (1, 0)
    assert "data race on y: write at byte 0 after a write" in str(finding)


def test_atomics_do_not_race_with_each_other():
    source = """
    [[kernel]] void k(device atomic_uint* count [[buffer(0)]], uint i [[thread_position_in_grid]]) {
      atomic_fetch_add_explicit(count, i, memory_order_relaxed);
    }"""
    count = np.zeros(1, np.uint32)
    assert launch(source, count, grid=(100,), group=(32,)) == []
    assert count[0] == 4950


def test_atomic_and_plain_access_race():
    source = """
    [[kernel]] void k(device atomic_uint* count [[buffer(0)]], device uint* plain [[buffer(1)]],
                      uint i [[thread_position_in_grid]]) {
      atomic_fetch_add_explicit(count, 1u, memory_order_relaxed);
      plain[i] = ((device uint*)count)[0];
    }"""
    arrays = np.zeros(1, np.uint32), np.zeros(64, np.uint32)
    assert kinds(launch(source, *arrays, grid=(64,), group=(64,))) == {"race"}


def test_threads_that_write_neighbouring_bytes_do_not_race():
    source = """
    [[kernel]] void k(device uint* words [[buffer(0)]], uint i [[thread_position_in_grid]]) {
      ((device uchar*)words)[i] = uchar(i);
    }"""
    words = np.zeros(16, np.uint32)
    assert launch(source, words, grid=(64,), group=(64,)) == []
    assert words.view(np.uint8).tolist() == list(range(64))


def test_simdgroup_barrier_orders_one_simdgroup():
    source = """
    [[kernel]] void k(device float* y [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
      threadgroup float t[64];
      t[i] = float(i);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      y[i] = t[i ^ FLIP];
    }"""
    y = np.zeros(64, np.float32)
    assert launch(source.replace("FLIP", "1"), y, grid=(64,), group=(64,)) == []
    assert y.tolist() == [i ^ 1 for i in range(64)]
    assert "race" in kinds(launch(source.replace("FLIP", "32"), y, grid=(64,), group=(64,)))


STRICT = {
    "device pointer to threadgroup memory": "device float* p = partial; p[0] = 1;",
    "threadgroup pointer to device memory": "threadgroup float* p = y; p[0] = 1;",
    "thread pointer to device memory": "thread float* p = y; p[0] = 1;",
    "pointer without an address space": "float* p = &sum; p[0] = 1;",
    "reference without an address space": "float& p = sum; p = 1;",
    "a write through const": "x[0] = sum;",
    "a const pointer made writable": "device float* p = x; p[0] = 1;",
    "a write to constant memory": "size.n = 3;",
    "atomic function on plain memory": "atomic_fetch_add_explicit(y, 1.0f, memory_order_relaxed);",
    "bfloat arithmetic": "bfloat b = bfloat(sum); b = b + b;",
    "a SIMD function of bfloat": "bfloat b = simd_sum(bfloat(sum));",
    "a matrix of integers": "simdgroup_matrix<int, 8, 8> m;",
    "matrix and memory that differ in type": "simdgroup_half8x8 m; simdgroup_load(m, x, 8);",
    "min of two types": "sum = min(sum, 1);",
    "a mathematical function of an integer": "sum = exp(3);",
    "a name that is not declared": "sum = undeclared;",
}


@pytest.mark.parametrize("name", STRICT)
def test_strict_check_refuses(name):
    anchor = "if (simd == 0) partial"
    source = PRELUDE + ROW_SUM.replace(anchor, STRICT[name] + " " + anchor)
    line = source[: source.index(anchor)].count("\n")
    complaints = strict.check(source, parse(source)[1])
    assert any(f"test.metal:{line}" in complaint for complaint in complaints), complaints


def test_strict_check_accepts_the_right_kernel():
    source = PRELUDE + ROW_SUM
    assert strict.check(source, parse(source)[1]) == []


def test_strict_check_accepts_a_struct_copied_from_constant_memory():
    source = PRELUDE + ROW_SUM.replace("float sum = 0;", "Size own = size; float sum = own.n;")
    assert strict.check(source, parse(source)[1]) == []


LINT = {
    "lambda": ("auto f = [](float a) { sum = a; };", "lambdas"),
    "goto": ("goto out;", "goto"),
    "static": ("static int calls = 0;", "static"),
    "double": ("double wide = sum;", "double"),
    "new": ("thread float* p = new float;", "new"),
    "memory order": ("atomic_store_explicit(a, 1, memory_order_seq_cst);", "relaxed"),
    "empty barrier": ("threadgroup_barrier(mem_flags::mem_none);", "orders no memory"),
    "early return": ("if (tid > 3) return;", "a return before threadgroup_barrier"),
}


@pytest.mark.parametrize("name", LINT)
def test_lint_refuses(name):
    text, part = LINT[name]
    anchor = "if (simd == 0) partial"
    (complaint,) = lint(PRELUDE + ROW_SUM.replace(anchor, text + " " + anchor))
    assert part in complaint.text
    assert complaint.place.startswith("test.metal:")


def test_lint_refuses_recursion():
    source = "int a(int i) { return i > 0 ? b(i - 1) : 0; }\nint b(int i) { return a(i); }\n"
    assert {c.text for c in lint(PRELUDE + source)} == {
        "MSL has no recursion: a calls itself",
        "MSL has no recursion: b calls itself",
    }


def test_lint_refuses_threadgroup_variables_outside_of_kernels():
    (complaint,) = lint(PRELUDE + "void f() {\n  threadgroup float x[4];\n  x[0] = 1;\n}\n")
    assert "kernel functions only" in complaint.text


def test_lint_refuses_grid_attributes_of_two_widths():
    source = (
        "[[kernel]] void k(uint2 a [[thread_position_in_grid]], uint b [[threads_per_grid]]) {}"
    )
    (complaint,) = lint(PRELUDE + source)
    assert "share one type" in complaint.text


def test_lint_accepts_the_right_kernel():
    assert lint(PRELUDE + ROW_SUM) == []
