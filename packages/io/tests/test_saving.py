"""Saving replaces a file as a whole: whatever happens, it is the old or the new one."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import monel.core as mx
from monel.core.plugin import FormatError

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

SAVE = {
    "npy": lambda path, a: mx.save(path, a),
    "npz": lambda path, a: mx.savez(path, a=a),
    "safetensors": lambda path, a: mx.save_safetensors(path, {"a": a}),
    "gguf": lambda path, a: mx.save_gguf(path, {"a": a}),
}


@pytest.fixture(params=SAVE)
def path(request, tmp_path):
    return tmp_path / f"file.{request.param}"


def save(path, value: float, size: int = 4) -> None:
    SAVE[path.suffix[1:]](path, mx.full((size,), value, mx.float32))


def saved(path) -> set[float]:
    got = mx.load(path)
    array = got if isinstance(got, mx.array) else got["a"]
    return set(np.array(array).tolist())


def test_the_same_arrays_give_the_same_bytes(path):
    save(path, 1)
    first = path.read_bytes()
    save(path, 1)
    assert path.read_bytes() == first


@POSIX
def test_the_mode_of_a_new_file_follows_the_umask(path):
    old = os.umask(0o027)
    try:
        save(path, 1)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_the_mode_of_an_existing_file_is_kept(path, mode):
    save(path, 1)
    path.chmod(mode)
    save(path, 2)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert saved(path) == {2}


@POSIX
def test_of_a_link_the_target_is_replaced(path, tmp_path):
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / f"target{path.suffix}"
    path.symlink_to(target)
    for value in (1, 2):
        save(path, value)
        assert path.is_symlink()
        assert saved(target) == {value}
    assert os.listdir(tmp_path / "folder") == [target.name]


def test_an_error_while_evaluating_writes_nothing(path, tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "a.npy"
    mx.save(source, mx.ones(1000))
    bad = mx.load(source) + 1
    os.truncate(source, 500)
    save(path, 1)
    before = path.read_bytes()
    with pytest.raises(FormatError, match="cut short"):
        SAVE[path.suffix[1:]](path, bad)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_error_of_the_format_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.gguf"
    save(path, 1)
    with pytest.raises(ValueError, match="GGUF"):
        mx.save_gguf(path, {"a": mx.ones(2), "b": mx.ones(2, mx.complex64)})
    assert saved(path) == {1}
    assert os.listdir(tmp_path) == ["file.gguf"]


def test_a_missing_folder_is_the_systems_error(path):
    with pytest.raises(FileNotFoundError):
        save(path.parent / "none" / path.name, 1)


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_left_alone(path):
    save(path, 1)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            save(path, 2)
        assert saved(path) == {1}
    finally:
        path.parent.chmod(0o755)


def run(code: str, path) -> subprocess.Popen[bytes]:
    """Start a Python that has ``mx``, ``path`` and this file's ``SAVE``."""
    head = "import sys, monel.core as mx\npath = sys.argv[1]\n"
    head += "kind = path.rsplit('.', 1)[1]\n"
    head += (
        "def save(a):\n"
        "    if kind == 'npy': mx.save(path, a)\n"
        "    elif kind == 'npz': mx.savez(path, a=a)\n"
        "    elif kind == 'safetensors': mx.save_safetensors(path, {'a': a})\n"
        "    else: mx.save_gguf(path, {'a': a})\n"
    )
    return subprocess.Popen([sys.executable, "-c", head + code, str(path)], stdout=subprocess.PIPE)


@POSIX
def test_a_file_size_limit_leaves_the_old_file(path):
    save(path, 1, 1000)
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "a = mx.full((1_000_000,), 2.0); mx.eval(a)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: save(a)\n"
        "except OSError: print('refused')\n"
    )
    assert b"refused" in run(code, path).communicate(timeout=60)[0]
    assert saved(path) == {1}
    assert os.listdir(path.parent) == [path.name]


@POSIX
@pytest.mark.parametrize("wait", [0.0, 0.003, 0.02, 0.1])
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(path, wait):
    save(path, 0, 200_000)
    code = (
        "arrays = [mx.full((200_000,), float(i % 2)) for i in range(2)]; mx.eval(arrays)\n"
        "print('ready', flush=True)\n"
        "i = 0\n"
        "while True:\n"
        "    save(arrays[i % 2]); i += 1\n"
    )
    process = run(code, path)
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(wait)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert saved(path) in ({0.0}, {1.0})


def test_of_two_writers_one_wins_whole(path):
    def write(value: float) -> None:
        for _ in range(10):
            save(path, value, 20_000)

    threads = [threading.Thread(target=write, args=(float(i),)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert saved(path) in ({0.0}, {1.0})
    assert os.listdir(path.parent) == [path.name]


@POSIX
def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    link = tmp_path / "null.npy"
    link.symlink_to("/dev/null")
    mx.save(link, mx.ones(3))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
