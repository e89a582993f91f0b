"""Saving replaces a file as a whole: whatever happens, it is the old or the new one."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import writers
from writers import save, saved

import monel.core as mx
from monel.core.plugin import FormatError

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
NAMES = [
    "file.npy",
    "file.npz",
    "file.compressed.npz",
    "file.safetensors",
    "file.safetensors.index.json",
    "file.gguf",
]


@pytest.fixture(params=NAMES)
def path(request, tmp_path):
    return tmp_path / request.param


def files_of(path) -> list[str]:
    """The files that there are to be beside ``path``, and itself."""
    shards = [f"file-0000{i}-of-00002.safetensors" for i in (1, 2)]
    return sorted([path.name, *(shards if path.name.endswith(".json") else [])])


def test_the_same_arrays_give_the_same_bytes(path):
    save(path, 1)
    first = [(path.parent / file).read_bytes() for file in files_of(path)]
    for file in files_of(path):
        (path.parent / file).unlink()
    save(path, 1)
    assert [(path.parent / file).read_bytes() for file in files_of(path)] == first


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
        assert saved(path) == {value}
    assert os.listdir(tmp_path / "folder") == [target.name]


def test_an_error_while_evaluating_writes_nothing(path, tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "a.npy"
    mx.save(source, mx.ones(1000))
    bad = mx.load(source) + 1
    os.truncate(source, 500)
    save(path, 1)
    before = path.read_bytes()
    with pytest.raises(FormatError, match="cut short"):
        writers.write(path, bad)
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == files_of(path)


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


@pytest.fixture
def public(path):
    """A folder that every user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / path.name
    shutil.rmtree(folder)


def run(action: str, path, *arguments: str, before: tuple[str, ...] = ()) -> str:
    """Run an action of ``writers`` in a process of its own; returns the line that it prints."""
    command = [*before, sys.executable, writers.__file__, action, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@POSIX
def test_a_read_only_folder_is_left_alone(public):
    save(public, 1)
    if os.geteuid() == 0:
        # Root may write anywhere: another user tries.
        assert run("unprivileged", public) == f"refused: {os.strerror(errno.EACCES)}"
    else:
        public.parent.chmod(0o555)
        with pytest.raises(PermissionError):
            save(public, 2)
        public.parent.chmod(0o755)
    assert saved(public) == {1}
    left = [file for file in os.listdir(public.parent) if "warm-" not in file]
    assert sorted(left) == files_of(public)


@POSIX
def test_a_file_size_limit_leaves_the_old_file(path):
    save(path, 1, 1000)
    assert run("limited", path) == f"refused: {os.strerror(errno.EFBIG)}"
    assert saved(path) == {1}
    assert sorted(os.listdir(path.parent)) == files_of(path)


# A tmpfs of its own, by root or in a namespace of one's own, that ends with the process.
SMALL_DISK = 'mount -t tmpfs -o size=1m tmpfs "$0" && cp -a "$1"/. "$0" && shift && "$@"'
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@pytest.fixture(scope="module")
def may_mount(tmp_path_factory):
    folders = [str(tmp_path_factory.mktemp("disk")) for _ in range(2)]
    command = [*NAMESPACE, SMALL_DISK, *folders, "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare to mount a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")


@POSIX
def test_a_full_disk_leaves_the_old_file(path, may_mount, tmp_path_factory):
    save(path, 1, 1000)
    disk = tmp_path_factory.mktemp("disk")
    mounted = (*NAMESPACE, f'{SMALL_DISK}; ls -A "$0"', str(disk), str(path.parent))
    lines = run("full", disk / path.name, before=mounted).splitlines()
    assert lines[0] == f"refused: {os.strerror(errno.ENOSPC)}"
    assert sorted(lines[1:]) == files_of(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_system_call_that_fails_leaves_the_old_file(path, monkeypatch, call):
    save(path, 1)

    def fail(*args):
        raise OSError(errno.EIO, "the disk is broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="broken"):
            save(path, 2)
    assert saved(path) == {1}
    assert sorted(os.listdir(path.parent)) == files_of(path)


@POSIX
@pytest.mark.slow
def test_a_writer_killed_at_fifty_random_moments_leaves_a_whole_file(path):
    save(path, 0)
    answer = run("killed", path)
    assert answer.startswith("50 kills, mixed: [],"), answer
    assert answer.endswith("values: [0.0, 1.0]"), "no kill came after a save"


def test_of_two_threads_that_save_one_wins_whole(path):
    def repeat(value: float) -> None:
        for _ in range(10):
            save(path, value, 20_000)

    threads = [threading.Thread(target=repeat, args=(float(i),)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert saved(path) in ({0.0}, {1.0})
    if not path.name.endswith(".json"):
        assert os.listdir(path.parent) == [path.name]


def test_of_two_processes_that_save_one_wins_whole(path):
    command = [sys.executable, writers.__file__, "repeatedly", str(path)]
    both = [subprocess.Popen([*command, value, "20"]) for value in "01"]
    assert [process.wait(timeout=100) for process in both] == [0, 0]
    assert saved(path) in ({0.0}, {1.0})


@POSIX
def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    link = tmp_path / "null.npy"
    link.symlink_to("/dev/null")
    mx.save(link, mx.ones(3))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
