"""The allocator's counters, reuse of dying operands, the thread pool, fork, exported symbols."""

from __future__ import annotations

import gc
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from monel.backends.cpu import _kernels

FLOAT = 11


def filled(values):
    values = np.asarray(values, np.float32)
    return _kernels.from_bytes(values.tobytes(), values.shape, FLOAT)


def call(name, *buffers, dying=0, **parameters):
    kernel = _kernels.kernel(name, tuple(b.dtype for b in buffers))
    return kernel(types.SimpleNamespace(dying=dying), types.SimpleNamespace(**parameters), *buffers)


@pytest.fixture
def threads():
    old = _kernels.num_threads()
    yield _kernels.set_num_threads
    _kernels.set_num_threads(old)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 4097, 100_000, 5_000_001])
def test_active_memory_counts_what_was_asked_for(size):
    gc.collect()
    before = _kernels.memory()["active"]
    buffer = _kernels.empty((size,), FLOAT)
    assert _kernels.memory()["active"] - before == 4 * size
    view = call("reshape", buffer, shape=(1, size))
    assert _kernels.memory()["active"] - before == 4 * size
    del buffer, view
    assert _kernels.memory()["active"] == before


def test_storage_is_aligned_to_64_bytes():
    held = [_kernels.empty((n,), 1) for n in (1, 63, 65, 1000, 10_000_000)]
    assert [b.address % 64 for b in held] == [0] * 5


def test_peak_follows_the_largest_use_and_resets():
    _kernels.reset_peak_memory()
    assert _kernels.memory()["peak"] == 0
    before = _kernels.memory()["active"]
    del_me = _kernels.empty((1_000_000,), FLOAT)
    del del_me
    assert _kernels.memory()["peak"] == before + 4_000_000


def test_freed_blocks_are_cached_reused_and_given_back():
    _kernels.clear_cache()
    address = _kernels.empty((300_000,), FLOAT).address
    assert _kernels.memory()["cached"] >= 1_200_000
    again = _kernels.empty((300_000,), FLOAT)
    assert again.address == address
    del again
    _kernels.clear_cache()
    assert _kernels.memory()["cached"] == 0


def test_limits_return_the_old_value_and_bound_the_cache():
    old = _kernels.set_cache_limit(1000)
    try:
        held = _kernels.empty((1_000_000,), FLOAT)
        del held
        assert _kernels.memory()["cached"] <= 1000
        assert _kernels.set_cache_limit(2000) == 1000
    finally:
        _kernels.set_cache_limit(old)


def test_memory_that_cannot_be_had_is_a_memory_error():
    before = _kernels.memory()["active"]
    with pytest.raises(MemoryError):
        _kernels.empty((2**60,), FLOAT)
    with pytest.raises(MemoryError):
        _kernels.empty((2**40,), FLOAT)
    assert _kernels.memory()["active"] == before


def test_a_dying_operand_gives_its_memory():
    x, y = filled(np.arange(2000)), filled(np.ones(2000))
    before = _kernels.memory()["active"]
    out = call("add", x, y, dying=0b10)
    assert out.address == y.address
    assert _kernels.memory()["active"] == before
    assert np.asarray(out)[:3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "reason", ["not dying", "viewed", "exported", "strided", "other size", "small", "foreign"]
)
def test_memory_that_somebody_needs_is_not_reused(reason):
    values = np.arange(4000, dtype=np.float32)
    foreign = reason == "foreign"
    x = (
        _kernels.from_external(values, FLOAT)
        if foreign
        else filled(values[: 8 if reason == "small" else 4000])
    )
    keep = None
    if reason == "viewed":
        keep = call("reshape", x, shape=(2, 2000))
    if reason == "exported":
        keep = memoryview(x)
    if reason == "strided":
        x = call("slice", x, start=(0,), stop=(4000,), step=(2,))
    name, parameters = ("cast", {"dtype": 12}) if reason == "other size" else ("neg", {})
    out = call(name, x, dying=0 if reason == "not dying" else 1, **parameters)
    assert out.address != x.address
    del keep


def test_both_operands_may_be_one_buffer():
    x = filled(np.arange(3000))
    out = call("mul", x, x, dying=0b11)
    assert np.array_equal(np.asarray(out), np.arange(3000, dtype=np.float32) ** 2)


WORK = {
    "exp": {},
    "sum": {"axes": (0, 1)},
    "max": {"axes": (0,)},
    "softmax": {"axis": 1, "precise": False},
    "cumsum": {"axis": 1, "reverse": False, "inclusive": True},
    "logsumexp": {"axis": 1},
    "argmax": {"axis": 1},
}


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("shape", [(700, 900), (3, 200_000), (100_000, 5)])
def test_results_do_not_depend_on_the_number_of_threads(threads, rng, name, shape):
    x = filled(rng.standard_normal(shape))
    seen = set()
    for n in (1, 2, 3, 7):
        threads(n)
        seen.add(call(name, x, **WORK[name]).tobytes())
    assert len(seen) == 1


def test_the_number_of_threads_is_checked(threads):
    with pytest.raises(ValueError, match="at least 1 thread"):
        threads(0)
    threads(3)
    assert _kernels.num_threads() == 3


def test_kernels_run_in_many_python_threads_at_once(threads, rng):
    threads(3)
    x = filled(rng.standard_normal(200_000))
    want = call("exp", x).tobytes()
    wrong = []

    def work():
        for _ in range(20):
            if call("exp", x).tobytes() != want:
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_working_pool():
    program = """
import os, types, sys
from monel.backends.cpu import _kernels as k
k.set_num_threads(3)
x = k.from_bytes(bytes(4 * 300_000), (300_000,), 11)
exp = lambda: k.kernel("exp", (11,))(None, types.SimpleNamespace(), x).tobytes()
want = exp()
child = os.fork()
if child == 0:
    os._exit(0 if exp() == want else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or exp() != want)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("isa", ["v2", "v3"])
def test_an_older_instruction_set_can_be_asked_for(isa):
    program = "from monel.backends.cpu import _kernels as k; print(k.isa())"
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MONEL_CPU_ISA": isa},
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.strip()  # fmt: skip
    assert shown in (isa, "v2", "native")


def test_vector_units_have_no_weak_symbols():
    """A weak symbol of a unit for AVX-512 could be linked into the code for every processor."""
    build = os.environ.get("MONEL_CPU_BUILD")
    if not build or not shutil.which("nm"):
        pytest.skip("MONEL_CPU_BUILD does not name a build folder, or nm is not installed")
    objects = sorted(pathlib.Path(build).glob("CMakeFiles/units_*.dir/kernels/*.o"))
    assert objects
    for path in objects:
        symbols = subprocess.run(
            ["nm", str(path)], capture_output=True, text=True, check=True
        ).stdout
        assert not [
            line
            for line in symbols.splitlines()
            if f" {line.split()[-2]} " in (" W ", " V ", " u ")
        ]
