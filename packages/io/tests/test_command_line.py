"""python -m monel.io: show, convert and verify, by their output, status and what they write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Q
from gguf import GGUFReader
from gguf.quants import dequantize, quantize

import monel.core as mx
from monel.io.__main__ import main

RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((6, 64), dtype=np.float32)


@pytest.fixture
def weights(tmp_path):
    """A safetensors file: a matrix, a vector, integers, metadata."""
    path = tmp_path / "weights.safetensors"
    arrays = {"a.weight": mx.array(WEIGHT), "a.bias": mx.array([1.0, 2.0]), "n": mx.array([1, 2])}
    mx.save_safetensors(path, arrays, {"format": "mlx"})
    return path


def loaded(path):
    """Arrays by name as NumPy's."""
    got = mx.load(path)
    return {name: np.array(a) for name, a in (got if isinstance(got, dict) else {"": got}).items()}


def test_show_prints_a_table(weights, capsys):
    assert main(["show", str(weights)]) == 0
    shown = capsys.readouterr().out
    assert {"a.weight", "float32", "6", "x", "64", "1.5", "KiB", "format", "mlx"} <= set(
        shown.split()
    )
    assert "3 arrays of 1.5 KiB" in shown


def test_show_prints_json(weights, capsys):
    assert main(["show", str(weights), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["format"], shown["metadata"]) == ("safetensors", {"format": "mlx"})
    assert shown["bytes"] == weights.stat().st_size
    assert shown["arrays"]["a.weight"] == {
        "dtype": "float32", "shape": [6, 64], "bytes": 1536, "stored": "float32",
    }  # fmt: skip


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_show_knows_metadata_of_every_kind(tmp_path, capsys, options):
    path = tmp_path / "a.gguf"
    metadata = {
        "words": [f"w{i}" for i in range(100)], "pi": mx.array(3.5), "none": mx.array(float("nan")),
        "several": mx.array([1, 2]), "nested": [["a"], ["b"]], "long": "x" * 1000,
    }  # fmt: skip
    mx.save_gguf(path, {"a": mx.ones((2, 2))}, metadata)
    assert main(["show", str(path), *options]) == 0
    shown = capsys.readouterr().out
    if options:
        got = json.loads(shown)["metadata"]
        assert (got["pi"], got["none"], got["several"]) == (3.5, "nan", [1, 2])
        assert (len(got["words"]), got["nested"], got["long"]) == (100, [["a"], ["b"]], "x" * 1000)
    else:
        assert "(100 in all)" in shown
        assert "(1000 characters)" in shown


def test_show_says_how_a_tensor_is_stored(tmp_path, capsys):
    path = tmp_path / "a.gguf"
    assert main(["convert", str(saved_npy(tmp_path)), str(path), "--quantize", "q8_0"]) == 0
    capsys.readouterr()
    assert main(["show", str(path), "--json"]) == 0
    arrays = json.loads(capsys.readouterr().out)["arrays"]
    assert {a["stored"] for a in arrays.values()} == {"Q8_0"}


def saved_npy(folder) -> Path:
    path = folder / "array.npy"
    np.save(path, WEIGHT)
    return path


def test_show_does_not_send_control_characters_to_a_terminal(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    mx.save_safetensors(path, {"a\x1b[2Jb\u202e": mx.ones(1)}, {"\x07": "\x1b]0;x\x07"})
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert not set("\x1b\x07\u202e") & set(shown)
    assert r"\x1b[2Jb\u202e" in shown


def test_show_without_rich_says_how_to_get_it(weights, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["show", str(weights)]) == 2
    assert "pip install 'monel-io[cli]'" in capsys.readouterr().err
    assert main(["show", str(weights), "--json"]) == 0


@pytest.mark.parametrize("kind", ["npz", "gguf", "safetensors", "safetensors.index.json"])
def test_convert_keeps_every_array(weights, tmp_path, kind):
    out = tmp_path / f"out.{kind}"
    assert main(["convert", str(weights), str(out)]) == 0
    got, want = loaded(out), loaded(weights)
    assert sorted(got) == sorted(want)
    for name, a in want.items():
        assert got[name].dtype == a.dtype
        assert np.array_equal(got[name], a)


def test_convert_keeps_metadata_that_the_other_format_has(weights, tmp_path, capsys):
    for kind in ("gguf", "safetensors"):
        assert main(["convert", str(weights), str(tmp_path / f"a.{kind}")]) == 0
        got = mx.load(tmp_path / f"a.{kind}", return_metadata=True)[1]
        assert got == {"format": "mlx"}
    assert capsys.readouterr().err == ""


def test_convert_names_the_metadata_that_it_leaves_out(weights, tmp_path, capsys):
    assert main(["convert", str(weights), str(tmp_path / "a.npz")]) == 0
    assert "npz has no metadata: left out 'format'" in capsys.readouterr().err
    mx.save_gguf(tmp_path / "b", {"a": mx.ones(1)}, {"n": mx.array(1), "text": "t"})
    out = tmp_path / "b.safetensors"
    assert main(["convert", str(tmp_path / "b.gguf"), str(out)]) == 0
    assert "metadata of text only: left out 'n'" in capsys.readouterr().err
    assert mx.load(out, return_metadata=True)[1] == {"text": "t"}


@pytest.mark.parametrize(
    ("dtype", "want"), [("f16", "float16"), ("bf16", ml_dtypes.bfloat16), ("f64", "float64")]
)
def test_convert_casts_floating_arrays(weights, tmp_path, dtype, want):
    out = tmp_path / "out.npz"
    assert main(["convert", str(weights), str(out), "--dtype", dtype]) == 0
    got = loaded(out)
    assert np.array_equal(got["a.weight"], WEIGHT.astype(want))
    assert got["a.bias"].dtype == want
    assert got["n"].dtype == np.int32


def test_convert_refuses_a_dtype_that_does_not_hold_a_value(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.array([1.0, 1e30]))
    out = tmp_path / "out.npy"
    assert main(["convert", str(tmp_path / "a.npy"), str(out), "--dtype", "f16"]) == 2
    assert "values beyond float16; try --dtype bf16" in capsys.readouterr().err
    assert not out.exists()
    assert main(["convert", str(tmp_path / "a.npy"), str(out), "--dtype", "bf16"]) == 0


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q8_0"])
def test_convert_quantizes_matrices_as_ggml_does(weights, tmp_path, capsys, name):
    out = tmp_path / "out.gguf"
    options = ["--quantize", name.lower(), "--dtype", "bf16"]
    assert main(["convert", str(weights), str(out), *options]) == 0
    assert f"1 of 3 arrays quantized to {name.lower()}" in capsys.readouterr().err
    tensors = {t.name: t for t in GGUFReader(out).tensors}
    assert tensors["a.weight"].tensor_type == Q[name]
    assert np.array_equal(tensors["a.weight"].data, quantize(WEIGHT, Q[name]))
    assert tensors["a.bias"].tensor_type == Q.BF16


@pytest.mark.parametrize(("name", "bits"), [("Q4_0", 4), ("Q4_1", 4), ("Q8_0", 8)])
def test_convert_quantizes_to_words_scales_and_biases_elsewhere(weights, tmp_path, name, bits):
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(weights), str(out), "--quantize", name.lower()]) == 0
    got = loaded(out)
    words = got["a.weight"][..., None] >> np.arange(0, 32, bits, dtype="uint32")
    levels = (words & (2**bits - 1)).reshape(6, 2, 32).astype("float32")
    scales, biases = (
        got[f"a.{part}"][..., None].astype("float32") for part in ("scales", "biases")
    )
    assert np.array_equal(
        (levels * scales + biases).reshape(6, 64), dequantize(quantize(WEIGHT, Q[name]), Q[name])
    )
    again = tmp_path / "again.gguf"
    assert main(["convert", str(out), str(again), "--dtype", "f32"]) == 0
    (tensor,) = [t for t in GGUFReader(again).tensors if t.name == "a.weight"]
    assert np.array_equal(tensor.data, quantize(WEIGHT, Q[name]))


def test_convert_may_replace_what_it_reads(weights):
    want = loaded(weights)
    assert main(["convert", str(weights), str(weights), "--dtype", "f16"]) == 0
    got = loaded(weights)
    assert got["a.weight"].dtype == np.float16
    assert np.array_equal(got["n"], want["n"])


def test_convert_of_one_array_without_a_name(tmp_path):
    assert main(["convert", str(saved_npy(tmp_path)), str(tmp_path / "a.npz")]) == 0
    assert list(loaded(tmp_path / "a.npz")) == ["array"]
    assert main(["convert", str(tmp_path / "a.npz"), str(tmp_path / "b.npy")]) == 0
    assert np.array_equal(np.load(tmp_path / "b.npy"), WEIGHT)


def test_convert_of_several_arrays_to_npy_is_refused(weights, tmp_path, capsys):
    assert main(["convert", str(weights), str(tmp_path / "a.npy")]) == 2
    assert "npy holds one array, and there are 3" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.json"])
def test_convert_to_an_unknown_extension_lists_the_known_ones(weights, tmp_path, capsys, name):
    assert main(["convert", str(weights), str(tmp_path / name)]) == 2
    assert ".npy, .npz, .safetensors, .gguf" in capsys.readouterr().err


def test_convert_of_what_the_other_format_lacks_writes_nothing(tmp_path, capsys):
    mx.savez(tmp_path / "a.npz", a=mx.array([True]))
    assert main(["convert", str(tmp_path / "a.npz"), str(tmp_path / "b.gguf")]) == 2
    assert "no type for" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors", "gguf"])
def test_verify_reads_everything(tmp_path, capsys, kind):
    path = tmp_path / f"a.{kind}"
    mx.save(tmp_path / "x.npy", mx.ones((100, 10)))
    assert main(["convert", str(tmp_path / "x.npy"), str(path)]) == 0
    assert main(["verify", str(path)]) == 0
    assert f"{kind}, 1 arrays of 4000 bytes: ok" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors", "gguf"])
def test_verify_ends_with_1_for_a_damaged_file(tmp_path, capsys, kind):
    path = tmp_path / f"a.{kind}"
    mx.save(tmp_path / "x.npy", mx.ones((100, 10)))
    assert main(["convert", str(tmp_path / "x.npy"), str(path)]) == 0
    os.truncate(path, path.stat().st_size - 40)
    capsys.readouterr()
    assert main(["verify", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("verify: ")


def test_verify_finds_a_bit_that_changed_in_an_archive(tmp_path, capsys):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(100))
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)
    assert main(["verify", str(path)]) == 1
    assert "CRC-32" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["show"], ["verify"], ["convert", "b.npz"]])
def test_a_missing_file_ends_with_1(tmp_path, capsys, command):
    rest = [str(tmp_path / name) for name in command[1:]]
    assert main([command[0], str(tmp_path / "none.npy"), *rest]) == 1
    assert "no such file" in capsys.readouterr().err


def test_the_module_is_a_program(weights):
    run = [sys.executable, "-m", "monel.io"]
    done = subprocess.run([*run, "verify", str(weights)], capture_output=True, text=True)
    assert (done.returncode, "ok" in done.stdout) == (0, True)
    done = subprocess.run([*run, "unknown"], capture_output=True, text=True)
    assert done.returncode == 2


# The limit leaves 32 MiB beyond what the interpreter has mapped once everything is imported.
LIMITED = """
import resource, sys
import numpy, ml_dtypes, gguf.quants, tempfile
import monel.io.__main__ as cli
from monel.io import gguf, gguf_packing, npy, npz, safetensors
import monel.core as mx
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (32 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits memory as Linux does")
@pytest.mark.parametrize(
    ("source", "out", "options"),
    [
        ("npy", "safetensors", []),
        ("npy", "gguf", ["--quantize", "q8_0"]),
        ("npy", "safetensors", ["--quantize", "q4_0"]),
        ("npy", "npz", ["--dtype", "bf16"]),
        ("npz", "npy", ["--dtype", "f64"]),
        ("gguf", "safetensors", ["--dtype", "bf16"]),
        ("q4_0.gguf", "again.gguf", []),
    ],
)
def test_one_array_that_is_larger_than_memory_converts(tmp_path, source, out, options):
    """64 MiB of float32 in one array, converted in 32 MiB."""
    rows, first = 256, np.arange(65536, dtype=np.float32)
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (rows, 65536))[:] = first
    path = tmp_path / f"a.{source}"
    if source != "npy":
        start = ["--quantize", "q4_0"] if source == "q4_0.gguf" else []
        assert main(["convert", str(tmp_path / "a.npy"), str(path), *start]) == 0
    made = tmp_path / f"b.{out}"
    run = [sys.executable, "-c", LIMITED, "convert", str(path), str(made), *options]
    done = subprocess.run(run, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr.count("\n") <= 1) == (0, True), done.stderr
    assert main(["verify", str(made)]) == 0
    got = mx.load(made)
    assert (got if out == "npy" else got["array"]).shape[0] == rows
