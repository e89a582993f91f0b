"""Damaged files of every format: read as something, or refused with FormatError; nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import fuzz_readers
import pytest
from fuzz_readers import SEEDS, damage, damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module", params=SEEDS)
def reader(request, tmp_path_factory):
    return fuzz_readers.Reader(request.param, tmp_path_factory.mktemp("fuzz"))


@settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(edits=damage())
def test_a_damaged_file_is_read_or_refused(reader, edits):
    reader(damaged(reader.seed, edits))


@settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(reader, data):
    reader(data)


def test_every_type_of_gguf_is_among_the_seeds():
    assert {"Q4_0", "Q6_K", "IQ1_S", "IQ4_XS", "TQ1_0", "MXFP4"} <= set(
        fuzz_readers.quantizations()
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("reader_name", ["npy", "index"])
def test_a_minute_of_fuzzing_can_be_a_second(reader_name):
    command = [sys.executable, fuzz_readers.__file__, reader_name, "--engine", "hypothesis"]
    done = subprocess.run([*command, "--seconds", "1"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("nothing failed\n")


# What a reader does with an input that is not its seed, and the end that this must have.
BROKEN = {
    "nothing": ("return {}", 0),
    "a hang": ("while True: pass", -signal.SIGVTALRM),
    "memory": ("bytearray(1 << 30)", 1),
    "code": ("eval('1')", -signal.SIGABRT),
    "a crash": ("os.kill(os.getpid(), 11)", -signal.SIGSEGV),
    "another error": ("raise KeyError('x')", 1),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("case", BROKEN)
def test_fuzzing_finds_what_is_wrong_on_purpose(case, tmp_path):
    what, status = BROKEN[case]
    code = (
        "import os, sys, fuzz_readers as f\n"
        "seed = f.SEEDS['npy'][1]\n"
        "def load(source):\n"
        "    if source.pread(0, source.size) in (b'', seed): return {}\n"
        f"    {what}\n"
        "f.SEEDS['npy'] = (load, seed)\n"
        f"f.child('npy', 'hypothesis', 1, f.Path({str(tmp_path / 'input')!r}))\n"
    )
    folder = str(Path(fuzz_readers.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({folder!r})\n{code}"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == status, done.stderr
