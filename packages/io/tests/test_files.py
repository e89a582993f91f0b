"""mx.load and mx.save*: every format through arrays, lazily, by path and by file object."""

from __future__ import annotations

import contextlib
import gc
import gzip
import importlib.util
import io
import os
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import monel.core as mx
from monel.core.execute.discovery import plugins
from monel.core.plugin import BackendError, Format, FormatError, LazyTensor

DTYPES = (
    "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 complex64"
).split()

NOT_IN_GGUF = ("bool_", "uint8", "uint16", "uint32", "uint64", "complex64")


def write_safetensors(file, arrays):
    mx.save_safetensors(file, arrays)


def write_npz(file, arrays):
    mx.savez(file, **arrays)


def write_npz_compressed(file, arrays):
    mx.savez_compressed(file, **arrays)


def write_gguf(file, arrays):
    mx.save_gguf(file, arrays)


WRITERS = {
    "npz": write_npz,
    "npz-compressed": write_npz_compressed,
    "safetensors": write_safetensors,
    "gguf": write_gguf,
}


def extension(writer: str) -> str:
    return "." + writer.split("-")[0]


@pytest.fixture(params=WRITERS)
def writer(request):
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_make_the_round_trip(tmp_path, writer, dtype):
    if writer == "gguf" and dtype in NOT_IN_GGUF:
        pytest.skip("GGUF has no such tensor type")
    a = mx.array([[0, 1, 2], [3, 4, 5]]).astype(getattr(mx, dtype))
    path = tmp_path / f"file{extension(writer)}"
    WRITERS[writer](path, {"a": a, "empty": a[:0], "scalar": a[1, 1]})
    got = mx.load(path)
    assert sorted(got) == ["a", "empty", "scalar"]
    assert got["a"].dtype == a.dtype
    assert got["a"].tolist() == a.tolist()
    assert got["empty"].shape == (0, 3)
    assert got["empty"].tolist() == []
    assert got["scalar"].item() == a[1, 1].item()


@pytest.mark.parametrize("dtype", [*DTYPES, "float64"])
def test_one_array_makes_the_round_trip(tmp_path, dtype):
    a = mx.array(np.arange(6).reshape(2, 3), getattr(mx, dtype))
    mx.save(tmp_path / "a.npy", a)
    got = mx.load(tmp_path / "a.npy")
    assert (got.dtype, got.shape, got.tolist()) == (a.dtype, (2, 3), a.tolist())


@pytest.mark.parametrize("name", ["file", "file.txt"])
def test_the_extension_is_added_where_it_is_missing(tmp_path, writer, name):
    WRITERS[writer](str(tmp_path / name), {"a": mx.ones(2)})
    assert os.listdir(tmp_path) == [name + extension(writer)]


def test_an_array_file_gets_its_extension(tmp_path):
    mx.save(tmp_path / "a", mx.ones(2))
    assert os.listdir(tmp_path) == ["a.npy"]


def test_file_objects_are_recognised_by_their_first_bytes(writer):
    file = io.BytesIO()
    WRITERS[writer](file, {"a": mx.array([1.0, 2.0])})
    file.seek(0)
    assert mx.load(file)["a"].tolist() == [1, 2]


def test_a_file_object_is_read_from_its_present_position(writer):
    file = io.BytesIO(b"before")
    file.seek(6)
    WRITERS[writer](file, {"a": mx.array([1.0, 2.0])})
    file.seek(6)
    assert mx.load(file)["a"].tolist() == [1, 2]


def test_a_lying_extension_is_seen_through(tmp_path, writer):
    WRITERS[writer](tmp_path / "file", {"a": mx.array([1.0, 2.0])})
    (tmp_path / f"file{extension(writer)}").rename(tmp_path / "file.npy")
    assert mx.load(tmp_path / "file.npy")["a"].tolist() == [1, 2]


def test_a_file_without_extension_is_recognised(tmp_path):
    mx.save(tmp_path / "a.npy", mx.ones(2))
    (tmp_path / "a.npy").rename(tmp_path / "a")
    assert mx.load(tmp_path / "a").tolist() == [1, 1]


def test_a_format_given_is_taken_at_its_word(tmp_path):
    mx.save(tmp_path / "a.npy", mx.ones(2))
    with pytest.raises(FormatError):
        mx.load(tmp_path / "a.npy", format="gguf")


def test_an_open_file_may_be_closed_before_evaluation(tmp_path, writer):
    path = tmp_path / f"file{extension(writer)}"
    WRITERS[writer](path, {"a": mx.array([1.0, 2.0])})
    with path.open("rb") as file:
        got = mx.load(file)
    assert got["a"].tolist() == [1, 2]


def test_any_seekable_binary_file_is_read(tmp_path, writer):
    WRITERS[writer](file := io.BytesIO(), {"a": mx.array([1.0, 2.0])})
    packed = tmp_path / "file.gz"
    packed.write_bytes(gzip.compress(file.getvalue()))
    with gzip.open(packed, "rb") as opened:
        assert mx.load(opened)["a"].tolist() == [1, 2]


def test_an_unbuffered_file_is_written_whole(tmp_path, writer):
    with open(tmp_path / "file", "wb", buffering=0) as file:
        WRITERS[writer](file, {"a": mx.array([1.0, 2.0])})
    assert mx.load(tmp_path / "file")["a"].tolist() == [1, 2]


def test_data_are_read_when_they_are_evaluated(tmp_path):
    path = tmp_path / "a.npy"
    mx.save(path, mx.zeros(4, mx.uint8))
    got = mx.load(path)
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\1\2\3\4")
    assert got.tolist() == [1, 2, 3, 4]


def test_a_file_cut_short_after_it_was_opened_fails_at_evaluation(tmp_path):
    path = tmp_path / "a.npy"
    mx.save(path, mx.ones(1000))
    got = mx.load(path) + 1
    os.truncate(path, 500)
    with pytest.raises(RuntimeError, match="cut short"):
        mx.eval(got)


def test_saving_over_a_file_that_lazy_arrays_still_read(tmp_path, writer):
    path = tmp_path / f"file{extension(writer)}"
    WRITERS[writer](path, {"a": mx.array([1.0, 2.0]), "b": mx.array([3.0])})
    old = mx.load(path)
    WRITERS[writer](path, {"a": old["a"] + 10})
    assert old["b"].tolist() == [3]
    assert mx.load(path)["a"].tolist() == [11, 12]


def test_one_lazy_array_is_evaluated_from_many_threads(tmp_path, writer):
    path = tmp_path / f"file{extension(writer)}"
    names = [f"a{i}" for i in range(16)]
    WRITERS[writer](path, {name: mx.full((1000,), i, mx.float32) for i, name in enumerate(names)})
    got, sums = mx.load(path), {}
    threads = [
        threading.Thread(target=lambda n=name: sums.update({n: mx.sum(got[n]).item()}))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {name: 1000.0 * i for i, name in enumerate(names)}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors through /proc")
def test_the_file_is_closed_when_its_arrays_are_gone(tmp_path):
    path = tmp_path / "a.npy"
    mx.save(path, mx.ones(2))
    assert descriptors_of(path) == 0
    got = mx.load(path)
    assert descriptors_of(path) == 1
    mx.eval(got)
    del got
    gc.collect()
    assert descriptors_of(path) == 0


def descriptors_of(path):
    """How many of this process's open descriptors lead to ``path``."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{number}"))
    return links.count(str(path))


def test_a_loaded_array_can_be_differentiated_through(tmp_path):
    mx.save(tmp_path / "a.npy", mx.array([1.0, 2.0]))
    w = mx.load(tmp_path / "a.npy")
    assert mx.grad(lambda x: mx.sum(x * w * x))(mx.array([3.0, 4.0])).tolist() == [6, 16]
    assert mx.grad(lambda x: mx.sum(x * x))(w).tolist() == [2, 4]


def test_metadata_is_returned_beside_the_arrays(tmp_path):
    mx.save_safetensors(tmp_path / "a", {"a": mx.ones(1)}, {"k": "v"})
    arrays, metadata = mx.load(tmp_path / "a.safetensors", return_metadata=True)
    assert (list(arrays), metadata) == (["a"], {"k": "v"})


def test_gguf_metadata_are_arrays_strings_and_lists(tmp_path):
    given = {
        "text": "é", "words": ["a", "b"], "number": mx.array(3), "half": mx.array(0.5),
        "flag": mx.array(True), "several": mx.array([1, 2], mx.uint8),
    }  # fmt: skip
    mx.save_gguf(tmp_path / "a", {"a": mx.ones(1)}, given)
    got = mx.load(tmp_path / "a.gguf", return_metadata=True)[1]
    assert (got["text"], got["words"]) == ("é", ["a", "b"])
    for name in ("number", "half", "flag", "several"):
        assert got[name].dtype == given[name].dtype
        assert got[name].tolist() == given[name].tolist()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_metadata_of_a_format_without_is_refused(tmp_path, name):
    mx.save(tmp_path / "a.npy", mx.ones(1))
    mx.savez(tmp_path / "a.npz", mx.ones(1))
    with pytest.raises(ValueError, match="metadata not supported for format"):
        mx.load(tmp_path / name, return_metadata=True)


def test_positional_arrays_are_numbered(tmp_path):
    mx.savez(tmp_path / "a", mx.ones(1), mx.ones(2), c=mx.ones(3))
    assert sorted(mx.load(tmp_path / "a.npz")) == ["arr_0", "arr_1", "c"]


def test_a_keyword_that_a_positional_array_takes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="arr_0"):
        mx.savez(tmp_path / "a", mx.ones(1), arr_0=mx.ones(1))


def test_numpy_reads_bfloat16_as_its_bytes(tmp_path):
    mx.save(tmp_path / "a.npy", mx.array([1.5, -2.0], mx.bfloat16))
    got = np.load(tmp_path / "a.npy").view(ml_dtypes.bfloat16)
    assert got.tolist() == [1.5, -2.0]


def test_transposed_and_broadcast_arrays_are_saved_as_they_look(tmp_path, writer):
    a = mx.array([[1.0, 2.0], [3.0, 4.0]])
    WRITERS[writer](tmp_path / "a", {"t": a.T, "b": mx.broadcast_to(a[0], (2, 2))})
    got = mx.load(tmp_path / f"a{extension(writer)}")
    assert got["t"].tolist() == [[1, 3], [2, 4]]
    assert got["b"].tolist() == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    "save",
    [
        lambda path: mx.save(path, [1, 2]),
        lambda path: mx.save(path, 3),
        lambda path: mx.savez(path, np.ones(2)),
        lambda path: mx.save_safetensors(path, {"a": 3}),
        lambda path: mx.save_safetensors(path, [mx.ones(1)]),
        lambda path: mx.save_safetensors(path, {1: mx.ones(1)}),
        lambda path: mx.save_gguf(path, {"a": mx.ones(1)}, {"k": 3}),
        lambda path: mx.save_gguf(path, {"a": mx.ones(1)}, ["k"]),
    ],
)
def test_what_is_no_array_is_a_type_error_and_writes_nothing(tmp_path, save):
    with pytest.raises(TypeError, match="save"):
        save(tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_a_missing_file_is_every_error_that_one_expects(tmp_path):
    for error in (FileNotFoundError, RuntimeError, ValueError):
        with pytest.raises(error, match="failed to open file"):
            mx.load(tmp_path / "none.npy")


@pytest.mark.parametrize("name", ["none.xyz", "none"])
def test_an_unknown_format_is_a_value_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"what is this?")
    with pytest.raises(ValueError, match="Unknown file format"):
        mx.load(tmp_path / name)


def test_an_unknown_format_argument_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"Unknown file format 'foo'; known are .*npy"):
        mx.load(tmp_path / "none.npy", format="foo")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(FormatError, match="regular file"):
        mx.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(FormatError, match="regular file"):
        mx.load(tmp_path / "pipe.npy")


@pytest.mark.parametrize("file", [3, None, b"x.npy", io.StringIO()])
def test_what_is_no_file_is_a_value_error(file):
    with pytest.raises(ValueError, match="binary mode"):
        mx.load(file)


def test_trailing_bytes_of_safetensors_are_an_option(tmp_path):
    path = tmp_path / "a.safetensors"
    mx.save_safetensors(path, {"a": mx.ones(2)})
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(FormatError, match="strict=False"):
        mx.load(path)
    assert mx.load(path, strict=False)["a"].tolist() == [1, 1]


def test_a_path_object_and_a_string_are_the_same(tmp_path):
    mx.save(str(tmp_path / "a.npy"), mx.ones(2))
    assert mx.load(Path(tmp_path / "a.npy")).tolist() == mx.load(f"{tmp_path}/a.npy").tolist()


def test_a_core_without_formats_names_the_command_that_brings_them(monkeypatch, tmp_path):
    monkeypatch.setattr(plugins(), "formats", [])
    for call in (lambda: mx.load("a.npy"), lambda: mx.save(tmp_path / "a", mx.ones(1))):
        with pytest.raises(BackendError, match="pip install monel-io"):
            call()
    assert os.listdir(tmp_path) == []


def test_a_format_of_a_plugin_is_found_by_its_extension(monkeypatch, tmp_path):
    def load(source, *, return_metadata=False):
        return LazyTensor((source.size,), "uint8", lambda out: source.preadinto(0, out))

    raw = Format(name="raw", extensions=(".raw",), magic=(), load=load)
    monkeypatch.setattr(plugins(), "formats", [*plugins().formats, raw])
    (tmp_path / "a.raw").write_bytes(b"abc")
    assert mx.load(tmp_path / "a.raw").tolist() == [97, 98, 99]


def test_a_compiled_function_captures_a_loaded_array(tmp_path):
    mx.save(tmp_path / "a.npy", mx.array([1.0, 2.0]))
    w = mx.load(tmp_path / "a.npy")
    assert mx.compile(lambda x: x * w)(mx.array([3.0, 4.0])).tolist() == [3, 8]


def test_an_array_is_loaded_inside_a_transform(tmp_path):
    path = tmp_path / "a.npy"
    mx.save(path, mx.array([1.0, 2.0]))
    assert mx.vmap(lambda x: x * mx.load(path))(mx.array([3.0, 4.0])).tolist() == [[3, 6], [4, 8]]
    assert mx.compile(lambda x: x * mx.load(path))(mx.array([3.0, 4.0])).tolist() == [3, 8]


@pytest.mark.parametrize("dtype", [*DTYPES, "float64"])
def test_a_mapped_file_gives_the_same_arrays(tmp_path, writer, dtype):
    if writer == "gguf" and dtype in NOT_IN_GGUF:
        pytest.skip("GGUF has no such tensor type")
    a = mx.array(np.arange(6).reshape(2, 3), getattr(mx, dtype))
    path = tmp_path / f"file{extension(writer)}"
    WRITERS[writer](path, {"a": a, "empty": a[:0]})
    got = mx.load(path, mmap=True)
    assert (got["a"].dtype, got["a"].tolist()) == (a.dtype, a.tolist())
    assert got["empty"].tolist() == []


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="looks up mappings in /proc")
@pytest.mark.parametrize("kind", ["npy", "safetensors", "gguf"])
def test_a_mapped_array_lies_on_the_pages_of_the_file(tmp_path, kind):
    path = tmp_path / f"file.{kind}"
    a = mx.arange(5000.0)
    mx.save(path, a) if kind == "npy" else WRITERS[kind](path, {"a": a})
    got = mx.load(path, mmap=True)
    seen = np.array(got if kind == "npy" else got["a"], copy=False)
    address = seen.__array_interface__["data"][0]
    spans = [line.split()[0].split("-") for line in open("/proc/self/maps") if str(path) in line]
    assert any(int(low, 16) <= address < int(high, 16) for low, high in spans)


def test_writing_to_a_mapped_array_leaves_the_file_alone(tmp_path):
    path = tmp_path / "a.npy"
    mx.save(path, mx.zeros(4))
    seen = np.array(mx.load(path, mmap=True), copy=False)
    seen[0] = 5
    assert seen.tolist() == [5, 0, 0, 0]
    assert mx.load(path).tolist() == [0, 0, 0, 0]


def test_a_mapped_array_outlives_its_file_and_what_was_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    mx.save_safetensors(path, {"a": mx.arange(1000.0), "b": mx.ones(3)})
    got = mx.load(path, mmap=True)["a"]
    mx.save_safetensors(path, {"a": mx.zeros(5)})
    mx.eval(got)
    path.unlink()
    assert (got + 1).sum().item() == 500_500


def test_data_that_do_not_lie_as_they_are_needed_are_copied_from_the_map(tmp_path):
    """Unaligned, in the other byte order, in Fortran order, and bytes that are no bool."""
    np.savez(tmp_path / "a.npz", a=np.arange(3.0))
    np.save(tmp_path / "swapped.npy", np.arange(3, dtype=">i4"))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(np.arange(6).reshape(2, 3)))
    bits = io.BytesIO()
    np.save(bits, np.array([True, True]))
    (tmp_path / "bool.npy").write_bytes(bits.getvalue()[:-1] + b"\2")
    assert mx.load(tmp_path / "a.npz", mmap=True)["a"].tolist() == [0, 1, 2]
    assert mx.load(tmp_path / "swapped.npy", mmap=True).tolist() == [0, 1, 2]
    assert mx.load(tmp_path / "fortran.npy", mmap=True).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert mx.load(tmp_path / "bool.npy", mmap=True).tolist() == [True, True]


def test_unaligned_tensors_of_a_mapped_file_are_copied(tmp_path):
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} '
    data = len(header).to_bytes(8, "little") + header + np.array([1.5, 2.5], "<f4").tobytes()
    assert len(header) % 4
    (tmp_path / "a.safetensors").write_bytes(data)
    assert mx.load(tmp_path / "a.safetensors", mmap=True)["a"].tolist() == [1.5, 2.5]


def test_an_open_file_is_mapped_from_its_present_position(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as file:
        file.write(b"x" * 64)
        mx.save(file, mx.arange(4))
    with open(path, "rb") as file:
        file.seek(64)
        got = mx.load(file, mmap=True)
    assert got.tolist() == [0, 1, 2, 3]


def test_what_is_no_file_on_the_disk_cannot_be_mapped():
    with pytest.raises(ValueError, match="mmap=True needs a path"):
        mx.load(io.BytesIO(b"\x93NUMPY"), mmap=True)


@pytest.mark.parametrize("option", ["mmap", "progress"])
def test_an_option_that_is_no_bool_is_a_type_error(tmp_path, option):
    mx.save(tmp_path / "a.npy", mx.ones(1))
    with pytest.raises(TypeError, match=f"load: {option} must be a bool"):
        mx.load(tmp_path / "a.npy", **{option: "yes"})


def test_an_empty_file_is_refused_when_it_is_to_be_mapped(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(FormatError):
        mx.load(tmp_path / "a.npy", mmap=True)


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_a_read_that_threads_share_is_whole(tmp_path, where):
    """Three threads' worth of bytes; the file is cut in each thread's part in turn."""
    path, count = tmp_path / "a.npy", (26 << 20) + 5
    a = np.arange(count, dtype=np.uint8)
    np.save(path, a)
    assert np.array_equal(np.array(mx.load(path)), a)
    got = mx.load(path)
    os.truncate(path, {"start": 1000, "middle": count // 2, "end": count - 5}[where])
    with pytest.raises(FormatError, match="cut short"):
        mx.eval(got)


@pytest.mark.parametrize("tqdm", [True, False])
@pytest.mark.parametrize("kind", ["npy", "safetensors", "gguf"])
def test_progress_is_shown_on_standard_error(tmp_path, capsys, monkeypatch, kind, tqdm):
    if not tqdm:
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "tqdm" else find(n))
    else:
        pytest.importorskip("tqdm")
    path, a = tmp_path / f"a.{kind}", mx.zeros((1000, 1000))
    if kind == "npy":
        mx.save(path, a, progress=True)
    else:
        save = {"safetensors": mx.save_safetensors, "gguf": mx.save_gguf}[kind]
        save(path, {"a": a, "b": a}, progress=True)
    shown = capsys.readouterr()
    assert (f"save a.{kind}" in shown.err, "100%" in shown.err, shown.out) == (True, True, "")
    got = mx.load(path, progress=True)
    assert capsys.readouterr().err == ""
    mx.eval(got)
    shown = capsys.readouterr()
    assert (f"load a.{kind}" in shown.err, "100%" in shown.err, shown.out) == (True, True, "")


def test_the_longest_extension_decides(monkeypatch, tmp_path):
    def load(source, *, return_metadata=False):
        return LazyTensor((source.size,), "uint8", lambda out: source.preadinto(0, out))

    known = [Format("json", (".json",), (), None), Format("raw", (".raw.json",), (), load)]
    monkeypatch.setattr(plugins(), "formats", [*known, *plugins().formats])
    (tmp_path / "a.raw.json").write_bytes(b"ab")
    assert mx.load(tmp_path / "a.raw.json").tolist() == [97, 98]


def test_arrays_are_loaded_on_the_stream_given(tmp_path):
    mx.save(tmp_path / "a.npy", mx.ones(2))
    for stream in (mx.cpu, mx.default_device(), mx.default_stream(mx.default_device())):
        assert mx.load(tmp_path / "a.npy", stream=stream).tolist() == [1, 1]


def test_what_quantize_gives_goes_to_gguf_and_back(tmp_path):
    w = mx.random.normal((8, 128), key=mx.random.key(0)).astype(mx.float16)
    given = dict(zip(["x.weight", "x.scales", "x.biases"], mx.quantize(w, 32, 4), strict=True))
    mx.save_gguf(tmp_path / "a", given)
    got = mx.load(tmp_path / "a.gguf")
    assert {name: a.tolist() for name, a in got.items()} == {
        name: a.tolist() for name, a in given.items()
    }
    back = mx.dequantize(*got.values(), 32, 4)
    assert mx.max(mx.abs(back - w)).item() < 0.3


def test_8_bits_of_quantize_are_refused_with_the_way_out(tmp_path):
    w = mx.random.normal((8, 64), key=mx.random.key(0))
    given = dict(zip(["x.weight", "x.scales", "x.biases"], mx.quantize(w, 32, 8), strict=True))
    with pytest.raises(ValueError, match="--quantize q8_0"):
        mx.save_gguf(tmp_path / "a", given)
    assert os.listdir(tmp_path) == []
