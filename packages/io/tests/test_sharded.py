"""safetensors in shards: indices of others are read, ours by others; hostile ones are refused."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest

import monel.core as mx
from monel.core.plugin import FormatError, open_source
from monel.io import sharded

INDEX = "model.safetensors.index.json"


def weights(value: float = 0.0) -> dict[str, mx.array]:
    return {f"layer.{i}.weight": mx.full((100,), value + i, mx.float32) for i in range(5)}


def same(got, want) -> bool:
    return list(got) == sorted(want) and all(
        np.array_equal(np.array(got[name]), np.array(want[name])) for name in want
    )


@pytest.fixture
def path(tmp_path):
    """The index of five arrays in three shards."""
    path = tmp_path / INDEX
    mx.save_safetensors(path, weights(), {"format": "mlx"}, max_shard_size=800)
    return path


@pytest.fixture
def rewritten(path):
    """Change the index of ``path`` and return its path."""

    def rewritten(change):
        index = json.loads(path.read_text())
        change(index)
        path.write_text(json.dumps(index))
        return path

    return rewritten


def test_arrays_are_cut_into_shards_in_the_order_of_their_names(path):
    index = json.loads(path.read_text())
    assert index["metadata"] == {"total_size": 2000}
    assert list(index["weight_map"].items()) == [
        ("layer.0.weight", "model-00001-of-00003.safetensors"),
        ("layer.1.weight", "model-00001-of-00003.safetensors"),
        ("layer.2.weight", "model-00002-of-00003.safetensors"),
        ("layer.3.weight", "model-00002-of-00003.safetensors"),
        ("layer.4.weight", "model-00003-of-00003.safetensors"),
    ]
    assert sorted(os.listdir(path.parent)) == [*sorted(set(index["weight_map"].values())), INDEX]


@pytest.mark.parametrize("mmap", [False, True])
def test_shards_make_the_round_trip(path, mmap):
    got, metadata = mx.load(path, return_metadata=True, mmap=mmap)
    assert same(got, weights())
    assert metadata == {"format": "mlx"}


def test_each_shard_is_a_file_of_its_own(path):
    got, metadata = mx.load(path.parent / "model-00002-of-00003.safetensors", return_metadata=True)
    assert (list(got), metadata) == (["layer.2.weight", "layer.3.weight"], {"format": "mlx"})


def test_the_library_reads_the_shards(path):
    library = pytest.importorskip("safetensors.numpy")
    files = json.loads(path.read_text())["weight_map"]
    for name, want in weights().items():
        got = library.load_file(path.parent / files[name])[name]
        assert np.array_equal(got, np.array(want))


def test_shards_of_the_library_are_read(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    a, b = np.arange(3.0), np.ones((2, 2), "float16")
    library.save_file({"a": a}, tmp_path / "x.safetensors", {"format": "pt"})
    library.save_file({"b": b}, tmp_path / "y.safetensors", {"format": "pt"})
    index = {
        "weight_map": {"b": "y.safetensors", "a": "x.safetensors"},
        "metadata": {"total_size": 32, "made": "by hand", "share": 0.5, "tied": True},
    }
    (tmp_path / INDEX).write_text(json.dumps(index))
    got, metadata = mx.load(tmp_path / INDEX, return_metadata=True)
    assert list(got) == ["b", "a"]
    assert (got["a"].tolist(), got["b"].tolist()) == (a.tolist(), b.tolist())
    assert metadata == {"format": "pt", "made": "by hand", "share": "0.5", "tied": "true"}


def test_an_index_of_another_name_is_recognised(path):
    path.rename(path.parent / "index.json")
    assert same(mx.load(path.parent / "index.json"), weights())


def test_an_index_behind_a_link_leads_to_the_links_beside_it(path, tmp_path):
    """As caches of downloads have it: links in one folder, content in another."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for file in list(path.parent.iterdir()):
        if file.is_file():
            (folder / file.name).symlink_to(file)
    assert same(mx.load(folder / INDEX), weights())


def test_one_shard_has_an_index_too(tmp_path):
    mx.save_safetensors(tmp_path / INDEX, weights())
    assert sorted(os.listdir(tmp_path)) == ["model-00001-of-00001.safetensors", INDEX]
    assert same(mx.load(tmp_path / INDEX), weights())


def test_no_arrays_make_the_round_trip(tmp_path):
    mx.save_safetensors(tmp_path / INDEX, {})
    assert mx.load(tmp_path / INDEX) == {}


@pytest.mark.parametrize(
    ("size", "shards"),
    [(400, 5), ("400", 5), ("0.8KB", 3), ("1 kib", 3), ("1MB", 1), ("2GiB", 1), (1, 5)],
)
def test_the_size_of_shards_has_units(tmp_path, size, shards):
    mx.save_safetensors(tmp_path / INDEX, weights(), max_shard_size=size)
    assert len(os.listdir(tmp_path)) == shards + 1


@pytest.mark.parametrize("size", [0, -1, "", "big", "5XB", True, "1e9", None])
def test_a_size_that_cannot_be_is_a_value_error(tmp_path, size):
    with pytest.raises(ValueError, match="max_shard_size"):
        mx.save_safetensors(tmp_path / INDEX, weights(), max_shard_size=size)
    assert os.listdir(tmp_path) == []


def test_saving_again_replaces_all_shards(path):
    mx.save_safetensors(path, weights(1.0), max_shard_size=800)
    assert same(mx.load(path), weights(1.0))
    assert len(os.listdir(path.parent)) == 4
    mx.save_safetensors(path, weights(2.0))
    assert same(mx.load(path), weights(2.0))
    assert len(os.listdir(path.parent)) == 2


def test_saving_over_shards_that_lazy_arrays_still_read(path):
    old = mx.load(path)
    mx.save_safetensors(path, {name: a + 1 for name, a in old.items()}, max_shard_size=800)
    assert same(mx.load(path), weights(1.0))


def test_files_that_only_look_like_shards_are_left_alone(path, rewritten):
    other = path.parent / "mine.safetensors"
    (path.parent / "model-00003-of-00003.safetensors").rename(other)
    rewritten(lambda index: index["weight_map"].update({"layer.4.weight": "mine.safetensors"}))
    mx.save_safetensors(path, weights(1.0))
    assert sorted(os.listdir(path.parent)) == [
        "mine.safetensors",
        "model-00001-of-00001.safetensors",
        INDEX,
    ]


@pytest.mark.parametrize("metadata", [{"k": 1}, {"k": "\ud800"}])
def test_an_error_while_saving_leaves_the_old_shards(path, metadata):
    before = {file: (path.parent / file).read_bytes() for file in os.listdir(path.parent)}
    with pytest.raises(ValueError, match="save_safetensors"):
        mx.save_safetensors(path, weights(1.0), metadata, max_shard_size=800)
    assert {file: (path.parent / file).read_bytes() for file in os.listdir(path.parent)} == before


def test_shards_do_not_go_into_a_file_object(tmp_path):
    with open(tmp_path / "a", "wb") as file, pytest.raises(TypeError, match="max_shard_size"):
        mx.save_safetensors(file, weights(), max_shard_size=800)


def test_an_index_without_a_folder_is_refused(path):
    with pytest.raises(FormatError, match="no folder"):
        mx.load(io.BytesIO(path.read_bytes()))


ESCAPES = ["../x.safetensors", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "c:x", "x\0y"]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_shard_is_a_plain_name(rewritten, name):
    path = rewritten(lambda index: index.update(weight_map={"layer.0.weight": name}))
    with pytest.raises(FormatError, match="no plain name"):
        mx.load(path)


def changed(**entries):
    return lambda index: index["weight_map"].update(entries)


INCONSISTENT = {
    "shard missing": (changed(more="model-00009-of-00009.safetensors"), "there is no file"),
    "tensor missing": (changed(more="model-00001-of-00003.safetensors"), "does not hold tensor"),
    "tensor in another shard": (
        changed(**{"layer.0.weight": "model-00003-of-00003.safetensors"}),
        "does not name it here",
    ),
    "tensor not named": (
        lambda index: index["weight_map"].pop("layer.0.weight"),
        "does not name it here",
    ),
}


@pytest.mark.parametrize("case", INCONSISTENT)
def test_an_index_that_differs_from_its_shards_is_refused(rewritten, case):
    change, reason = INCONSISTENT[case]
    with pytest.raises(FormatError, match=reason):
        mx.load(rewritten(change))


def test_tensors_that_the_index_leaves_out_are_left_out_when_not_strict(rewritten):
    path = rewritten(lambda index: index["weight_map"].pop("layer.0.weight"))
    assert list(mx.load(path, strict=False)) == [f"layer.{i}.weight" for i in range(1, 5)]


HOSTILE = {
    "empty": b"",
    "one byte": b"{",
    "no JSON": b"{]",
    "a list": b"[]",
    "no weight_map": b'{"metadata":{}}',
    "weight_map a list": b'{"weight_map":[]}',
    "weight_map of numbers": b'{"weight_map":{"a":1}}',
    "weight_map nested": b'{"weight_map":{"a":{"b":"c"}}}',
    "weight_map twice": b'{"weight_map":{},"weight_map":{}}',
    "tensor twice": b'{"weight_map":{"a":"x","a":"y"}}',
    "metadata nested": b'{"metadata":{"a":{}},"weight_map":{}}',
    "metadata a list": b'{"metadata":[],"weight_map":{}}',
    "metadata without a value": b'{"metadata":{"a":},"weight_map":{}}',
    "metadata of a bare word": b'{"metadata":{"a":nan},"weight_map":{}}',
    "unknown key": b'{"weight_map":{},"more":{}}',
    "bytes after it": b'{"weight_map":{}}{}',
    "not UTF-8": b'{"weight_map":{"\xff":"x"}}',
    "10 MB of nested objects": b'{"metadata":' * 900_000,
    "10 MB of nested lists": b'{"weight_map":' + b"[" * 10_000_000,
    "10 MB of digits": b'{"metadata":{"a":' + b"1" * 10_000_000 + b"}}",
    "twelve thousand shards": json.dumps(
        {"weight_map": {str(i): f"{i}.x" for i in range(12_000)}}
    ).encode(),
    "names without end": b'{"weight_map":{"' + b"x" * 20_000_000 + b'":"y"}}',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_index_is_refused(refused, case):
    refused(sharded.load, HOSTILE[case])


def test_an_index_of_more_than_100_mb_is_refused_unread(tmp_path):
    with open(tmp_path / INDEX, "wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(FormatError, match="200000000 bytes"):
        sharded.load(open_source(tmp_path / INDEX))


def test_every_truncation_of_an_index_is_refused(refused):
    data = b'{"metadata":{"total_size":1},"weight_map":{}}'
    assert sharded.load(open_source(io.BytesIO(data))) == {}
    for size in range(len(data)):
        refused(sharded.load, data[:size])


def test_the_headers_of_all_shards_share_one_budget(small_budget, path):
    big = {f"{i}": mx.zeros((0,)) for i in range(2000)}
    mx.save_safetensors(path, big | weights(), max_shard_size=400)
    with pytest.raises(FormatError, match="MiB"):
        mx.load(path)
