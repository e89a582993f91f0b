"""Files of mlx are read by monel and files of monel by mlx, with the same values and metadata."""

from __future__ import annotations

import io
import pathlib

import numpy as np
import pytest

import monel.core as mx

mlx = pytest.importorskip("mlx.core")

DTYPES = (
    "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 "
    "complex64"
).split()
# What mlx cannot save, or reads back as another dtype.
MLX_LACKS = {
    "safetensors": {"float64"},
    "gguf": {"bool_", "uint8", "uint16", "uint32", "uint64", "int64", "bfloat16", "float64",
             "complex64"},
}  # fmt: skip
MLX_CANNOT_READ = {"safetensors": {"float64"}, "gguf": {"int64", "float64"}}
MONEL_LACKS = {"gguf": {"bool_", "uint8", "uint16", "uint32", "uint64", "complex64"}}
VALUES = np.array([[0, 1, 2], [3, 4, 250]])
SHAPES = [(6,), (2, 3), (1, 2, 3), (1,)]


def arrays(library, dtype):
    """Arrays of several shapes by name, in one of the libraries."""
    with library.stream(library.cpu):
        made = library.array(VALUES.tolist()).astype(getattr(library, dtype))
        shaped = {f"a{i}": made[:1, :1].reshape(s) if s == (1,) else made.reshape(s)
                  for i, s in enumerate(SHAPES)}  # fmt: skip
        library.eval(shaped)
    return shaped


def plain(library, a):
    """dtype, shape and values, in terms that both libraries share."""
    return str(a.dtype).rpartition(".")[2], tuple(a.shape), a.tolist()


def save(library, kind, path, given, metadata=None):
    if kind == "npz":
        library.savez(path, **given)
    elif kind == "npz-compressed":
        library.savez_compressed(path, **given)
    elif kind == "safetensors":
        library.save_safetensors(path, given, metadata)
    else:
        library.save_gguf(path, given, metadata or {})


KINDS = ("npz", "npz-compressed", "safetensors", "gguf")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_monel_reads_what_mlx_writes(tmp_path, kind, dtype):
    if dtype in MLX_LACKS.get(kind, ()):
        with pytest.raises(Exception, match=r"not supported|[Uu]nsupported|dtype"):
            save(mlx, kind, str(tmp_path / "a"), arrays(mlx, dtype))
        return
    path = tmp_path / f"a.{kind.split('-')[0]}"
    save(mlx, kind, str(path), arrays(mlx, dtype))
    got, want = mx.load(path), arrays(mlx, dtype)
    assert sorted(got) == sorted(want)
    for name, a in want.items():
        assert plain(mx, got[name]) == plain(mlx, a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_mlx_reads_what_monel_writes(tmp_path, kind, dtype):
    if dtype in MONEL_LACKS.get(kind, ()):
        with pytest.raises(ValueError, match="no type for"):
            save(mx, kind, tmp_path / "a", arrays(mx, dtype))
        return
    path = tmp_path / f"a.{kind.split('-')[0]}"
    save(mx, kind, path, arrays(mx, dtype))
    want = arrays(mx, dtype)
    with mlx.stream(mlx.cpu):
        if dtype in MLX_CANNOT_READ.get(kind, ()):
            with pytest.raises(RuntimeError, match=r"unsupported dtype|failed"):
                mlx.load(str(path))
            return
        got = mlx.load(str(path))
        seen = "float16" if (kind, dtype) == ("gguf", "bfloat16") else dtype.rstrip("_")
        assert {name: plain(mlx, a) for name, a in got.items()} == {
            name: (seen, *plain(mx, a)[1:]) for name, a in want.items()
        }


@pytest.mark.parametrize("dtype", DTYPES)
def test_npy_goes_both_ways(tmp_path, dtype):
    a, b = arrays(mlx, dtype)["a1"], arrays(mx, dtype)["a1"]
    with mlx.stream(mlx.cpu):
        mlx.save(str(tmp_path / "a.npy"), a)
        mx.save(tmp_path / "b.npy", b)
        assert plain(mx, mx.load(tmp_path / "a.npy")) == plain(mlx, a)
        assert plain(mlx, mlx.load(str(tmp_path / "b.npy"))) == plain(mx, b)


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_metadata_of_strings_go_both_ways(tmp_path, kind):
    metadata = {"format": "mlx", "é": "text of é"}
    for writer, reader in ((mlx, mx), (mx, mlx)):
        path = str(tmp_path / f"{writer.__name__}.{kind}")
        save(writer, kind, path, arrays(writer, "float32"), metadata)
        assert reader.load(path, return_metadata=True)[1] == metadata


def test_gguf_metadata_of_arrays_and_lists_go_both_ways(tmp_path):
    def metadata(library):
        return {"one": library.array(3), "two": library.array([1.5, 2.5]), "words": ["a", "é"]}

    for writer, reader in ((mlx, mx), (mx, mlx)):
        path = str(tmp_path / f"{writer.__name__}.gguf")
        writer.save_gguf(path, arrays(writer, "float32"), metadata(writer))
        got = reader.load(path, return_metadata=True)[1]
        assert got["words"] == ["a", "é"]
        for name in ("one", "two"):
            assert plain(reader, got[name]) == plain(writer, metadata(writer)[name])


@pytest.fixture
def packed():
    """Words, scales and biases of 4 bits (of their own, and symmetric) and of 8 bits."""

    def packed(library, bits, factor):
        words = np.random.default_rng(0).integers(0, 2**32, (4, 2 * bits), "uint32")
        scales = np.array([[0.5, -2], [1, 3], [0.25, 4], [8, -0.125]], "float16")
        biases = np.float16(factor) * scales if factor else np.float16(1) + scales
        named = {"x.weight": words, "x.scales": scales, "x.biases": biases}
        return {name: library.array(a) for name, a in named.items()}

    return packed


@pytest.mark.parametrize(("bits", "factor"), [(4, -8), (4, 0), (8, -128)])
def test_mlx_reads_packed_tensors_as_they_were_saved(tmp_path, packed, bits, factor):
    mx.save_gguf(tmp_path / "a.gguf", packed(mx, bits, factor))
    want, got = packed(mlx, bits, factor), mlx.load(str(tmp_path / "a.gguf"))
    assert {k: plain(mlx, a) for k, a in got.items()} == {k: plain(mlx, a) for k, a in want.items()}
    again = mx.load(tmp_path / "a.gguf")
    assert {k: plain(mx, a) for k, a in again.items()} == {
        k: plain(mlx, a) for k, a in want.items()
    }


# mlx reads every other block of Q4_K with the factors of another: against ggml's own definition
# (ggml-quants.c, get_scale_min_k4) it is off by as much as the values are. It does not read Q5_0
# and Q5_1.
@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q8_0", "Q6_K", "Q2_K"])
def test_both_read_quantizations_of_the_package_alike(tmp_path, kind):
    gguf = pytest.importorskip("gguf")
    code = gguf.GGMLQuantizationType[kind]
    size = gguf.GGML_QUANT_SIZES[code][1]
    raw = np.random.default_rng(0).integers(0, 60, (2, 2 * size), dtype="uint8")
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("x.weight", raw, raw_dtype=code)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    got, want = mx.load(tmp_path / "a.gguf"), mlx.load(str(tmp_path / "a.gguf"))
    assert sorted(got) == sorted(want)
    for name, a in want.items():
        assert plain(mx, got[name])[:2] == plain(mlx, a)[:2]
        ours, theirs = np.array(got[name]), np.array(a)
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_paths_and_file_objects_go_both_ways(tmp_path, kind):
    class Named(io.BytesIO):
        """mlx reads a format by the name of a file object."""

        name = f"a.{kind}"

    for writer, reader in ((mlx, mx), (mx, mlx)):
        file, given = Named(), arrays(writer, "int32")
        save(writer, kind, file, given)
        file.seek(0)
        options = {"format": kind} if reader is mlx else {}
        assert reader.load(file, **options)["a1"].tolist() == VALUES.tolist()
        path = pathlib.Path(tmp_path / f"{writer.__name__}.{kind}")
        save(writer, kind, path, given)
        assert reader.load(path)["a1"].tolist() == VALUES.tolist()
        assert reader.load(path, format=kind, stream=reader.cpu)["a0"].tolist() == [
            0,
            1,
            2,
            3,
            4,
            250,
        ]


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors", "gguf"])
def test_what_mlx_refuses_monel_refuses_as_the_same_class(tmp_path, kind):
    mlx.save(str(tmp_path / "a.npy"), mlx.ones(1))
    mlx.savez(str(tmp_path / "a.npz"), mlx.ones(1))
    bad = tmp_path / f"none.{kind}"
    calls = [
        lambda library: library.load(str(bad)),
        lambda library: library.load(str(tmp_path / "a.npy"), return_metadata=True),
        lambda library: library.load(str(tmp_path / "a.npz"), return_metadata=True),
        lambda library: library.load(str(tmp_path / "a.npy"), format="nothing"),
        lambda library: library.load(3),
    ]
    for call in calls:
        with pytest.raises((ValueError, RuntimeError, TypeError)) as theirs:
            call(mlx)
        with pytest.raises(type(theirs.value)):
            call(mx)
