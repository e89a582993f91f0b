"""GGUF: files of the gguf package are read and written; hostile files are refused."""

from __future__ import annotations

import struct

import gguf as reference
import ml_dtypes
import numpy as np
import pytest
from gguf.quants import dequantize, quantize

from monel.core.plugin import FormatError, HostTensor
from monel.io import gguf

Q, T = reference.GGMLQuantizationType, reference.GGUFValueType
U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
DTYPES = "float32 float16 float64 bfloat16 int8 int16 int32 int64".split()


def string(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def info(name="t", dims=(4,), kind=0, offset=0) -> bytes:
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def crafted(pairs=(), infos=(), data=b"", version=3, counts=None, alignment=32) -> bytes:
    counts = counts or (len(infos), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join((*pairs, *infos))
    return head + bytes(-len(head) % alignment) + data


def numbers(kind: int, fmt: str, *values) -> bytes:
    return struct.pack("<IQ", kind, len(values)) + struct.pack(f"<{len(values)}{fmt}", *values)


@pytest.fixture
def written(tmp_path):
    """The bytes of a file that the gguf package writes."""

    def written(fill) -> bytes:
        path = tmp_path / "reference.gguf"
        writer = reference.GGUFWriter(path, "llama")
        fill(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()

    return written


def scalar(tensor: HostTensor) -> tuple[str, object]:
    assert isinstance(tensor, HostTensor)
    return tensor.dtype_name, np.frombuffer(tensor.data, tensor.dtype_name).reshape(
        tensor.shape
    ).tolist()


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "float64", "int8", "int16", "int32", "int64"]
)
def test_plain_tensors_of_the_package_are_read(source, values, written, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    got = gguf.load(source(written(lambda w: w.add_tensor("a.weight", array))))["a.weight"]
    assert (got.shape, got.dtype_name) == ((2, 3, 4), dtype)
    np.testing.assert_array_equal(values(got), array)


def test_bfloat16_is_not_narrowed(source, values, written):
    array = np.array([1e30, -1e-30, 1, 2], "float32")
    data = written(lambda w: w.add_tensor("a", quantize(array, Q.BF16), raw_dtype=Q.BF16))
    got = gguf.load(source(data))["a"]
    assert got.dtype_name == "bfloat16"
    np.testing.assert_array_equal(values(got), array.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 3), (2, 3, 4, 5), (2, 0, 3)])
def test_plain_tensors_make_the_round_trip(source, values, saved, host, dtype, shape):
    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(numpy_dtype)
    got = gguf.load(source(saved(gguf.save, {"b": host(array), "a": host(array)})))
    assert list(got) == ["a", "b"]
    assert (got["b"].shape, got["b"].dtype_name) == (shape, dtype)
    np.testing.assert_array_equal(values(got["b"]), array)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int32", "float64"])
def test_the_package_reads_what_is_written(tmp_path, saved, host, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "written.gguf"
    path.write_bytes(saved(gguf.save, {"x": host(array), "a": host(np.ones(3, "int8"))}))
    tensors = {t.name: t.data for t in reference.GGUFReader(path).tensors}
    np.testing.assert_array_equal(tensors["x"], array)


def test_metadata_of_every_type_is_read(source, written):
    def fill(w):
        for kind in (T.UINT8, T.UINT16, T.UINT32, T.INT8, T.INT16, T.INT32, T.INT64):
            w.add_key_value(kind.name, 3, kind)
        w.add_key_value("FLOAT32", 1.5, T.FLOAT32)
        w.add_key_value("FLOAT64", 1.5e300, T.FLOAT64)
        w.add_key_value("UINT64", 2**63 + 5, T.UINT64)
        w.add_bool("BOOL", True)
        w.add_string("STRING", "hé😀")
        w.add_array("strings", ["a", "", "é"])
        w.add_array("integers", [1, -2])
        w.add_array("bools", [True, False])
        w.add_key_value("doubles", [1e300], T.ARRAY, T.FLOAT64)
        w.add_key_value("nested", [[1, 2], [3]], T.ARRAY)

    got = gguf.load(source(written(fill)), return_metadata=True)[1]
    for name in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"):
        assert scalar(got[name.upper()]) == (name, 3)
    assert scalar(got["FLOAT32"]) == ("float32", 1.5)
    assert scalar(got["FLOAT64"]) == ("float64", 1.5e300)
    assert scalar(got["UINT64"]) == ("uint64", 2**63 + 5)
    assert scalar(got["BOOL"]) == ("bool", True)
    assert got["STRING"] == "hé😀"
    assert got["strings"] == ["a", "", "é"]
    assert scalar(got["integers"]) == ("int32", [1, -2])
    assert scalar(got["bools"]) == ("bool", [True, False])
    assert scalar(got["doubles"]) == ("float64", [1e300])
    assert [scalar(part)[1] for part in got["nested"]] == [[1, 2], [3]]
    assert got["general.architecture"] == "llama"


def test_metadata_makes_the_round_trip(source, saved, host):
    metadata = {
        "text": "é", "words": ["a", ""], "none": [], "flag": host(np.array(True)),
        "number": host(np.float64(1e300)), "wide": host(np.uint64(2**63 + 5)),
        "several": host(np.arange(3, dtype="int8")), "empty": host(np.zeros(0, "int32")),
        "nested": [host(np.ones(2)), host(np.ones(1))],
    }  # fmt: skip
    data = saved(gguf.save, {}, metadata=metadata)
    got = gguf.load(source(data), return_metadata=True)[1]
    assert list(got) == sorted(metadata)
    assert (got["text"], got["words"], got["none"]) == ("é", ["a", ""], [])
    for name in ("flag", "number", "wide", "several", "empty"):
        assert scalar(got[name]) == scalar(metadata[name])
    assert [scalar(part)[1] for part in got["nested"]] == [[1, 1], [1]]


def test_the_order_given_does_not_change_the_bytes(saved, host):
    one, two = host(np.ones(3)), host(np.zeros(2))
    first = saved(gguf.save, {"a": one, "b": two}, metadata={"k": "1", "l": "2"})
    assert first == saved(gguf.save, {"b": two, "a": one}, metadata={"l": "2", "k": "1"})


def test_version_2_is_read(source, values):
    got = gguf.load(source(crafted((), [info()], bytes(16), version=2)))
    assert values(got["t"]).tolist() == [0, 0, 0, 0]


def test_zero_size_tensors_and_odd_names_are_read(source):
    names = ["", "é\u0301\u200d😀\0", "x" * 1000]
    got = gguf.load(source(crafted((), [info(name, (0, 3)) for name in names])))
    assert {name: tensor.shape for name, tensor in got.items()} == dict.fromkeys(names, (3, 0))


def test_arrays_nest_four_deep(source):
    value = numbers(U8, "B", 7)
    for _ in range(3):
        value = struct.pack("<IQ", ARRAY, 1) + value
    got = gguf.load(source(crafted([pair("k", ARRAY, value)])), return_metadata=True)[1]
    assert scalar(got["k"][0][0][0]) == ("uint8", [7])


def test_empty_arrays_are_read(source):
    pairs = [pair("n", ARRAY, numbers(F32, "f")), pair("s", ARRAY, numbers(STRING, "B"))]
    pairs.append(pair("a", ARRAY, numbers(ARRAY, "B")))
    got = gguf.load(source(crafted(pairs)), return_metadata=True)[1]
    assert (scalar(got["n"]), got["s"], got["a"]) == (("float32", []), [], [])


def test_a_vocabulary_is_read(source):
    words = [f"word{i}" for i in range(150_000)]
    value = struct.pack("<IQ", STRING, len(words)) + b"".join(map(string, words))
    got = gguf.load(source(crafted([pair("tokens", ARRAY, value)])), return_metadata=True)[1]
    assert got["tokens"] == words


@pytest.mark.parametrize("alignment", [1, 8, 64, 1 << 20])
def test_alignment_is_obeyed_both_ways(source, values, saved, host, alignment):
    metadata = {"general.alignment": host(np.uint32(alignment))}
    arrays = {"a": host(np.arange(3, dtype="int8")), "b": host(np.arange(2, dtype="int8"))}
    data = saved(gguf.save, arrays, metadata=metadata)
    got = gguf.load(source(data))
    assert values(got["b"]).tolist() == [0, 1]
    assert len(data) % alignment == 0


# Blocks of 32 with the scale 2: elements count up from -8 (4 bits) or -16 (8 bits).
def q4(bias: bytes = b"") -> bytes:
    nibbles = bytes((i % 16) | (i % 16) << 4 for i in range(16))
    return np.float16(2).tobytes() + bias + nibbles


def test_q4_0_becomes_packed_words_scales_and_biases(source, values):
    got = gguf.load(source(crafted((), [info("x.weight", (32, 2), 2)], q4() * 2)))
    assert list(got) == ["x.weight", "x.scales", "x.biases"]
    assert values(got["x.weight"]).tolist() == [[0x76543210, 0xFEDCBA98] * 2] * 2
    assert values(got["x.scales"]).tolist() == [[2], [2]]
    assert values(got["x.biases"]).tolist() == [[-16], [-16]]


def test_q4_1_takes_its_biases_from_the_file(source, values):
    data = q4(np.float16(0.5).tobytes())
    got = gguf.load(source(crafted((), [info("x", (32,), 3)], data)))
    assert list(got) == ["x", "x.scales", "x.biases"]
    assert values(got["x"]).tolist() == [0x76543210, 0xFEDCBA98] * 2
    assert values(got["x.biases"]).tolist() == [0.5]


def test_q8_0_is_offset_to_unsigned(source, values):
    data = np.float16(2).tobytes() + bytes(range(128, 128 + 32))
    got = gguf.load(source(crafted((), [info("x.weight", (32,), 8)], data)))
    assert values(got["x.weight"]).tobytes() == bytes(range(32))
    assert values(got["x.biases"]).tolist() == [-256]


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q8_0"])
def test_packed_tensors_mean_what_the_package_says(source, values, written, name):
    rng = np.random.default_rng(0)
    raw = quantize(rng.standard_normal((3, 128)).astype("float32"), Q[name])
    data = written(lambda w: w.add_tensor("x.weight", raw, raw_dtype=Q[name]))
    got = {key: values(tensor) for key, tensor in gguf.load(source(data)).items()}
    bits = 8 if name == "Q8_0" else 4
    words = got["x.weight"][..., None] >> np.arange(0, 32, bits, dtype="uint32")
    levels = (words & (2**bits - 1)).reshape(3, 4, 32).astype("float32")
    scales, biases = (
        got[f"x.{part}"][..., None].astype("float32") for part in ("scales", "biases")
    )
    np.testing.assert_array_equal(
        (levels * scales + biases).reshape(3, 128), dequantize(raw, Q[name])
    )


@pytest.mark.parametrize(
    "name", ["Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "TQ1_0", "MXFP4"]
)
def test_other_quantizations_are_dequantized(source, values, name):
    block, size = reference.GGML_QUANT_SIZES[Q[name]]
    raw = np.random.default_rng(0).integers(0, 60, (2, 3 * size), dtype="uint8")
    data = crafted((), [info("x.weight", (3 * block, 2), int(Q[name]))], raw.tobytes())
    got = gguf.load(source(data))
    assert list(got) == ["x.weight"]
    with np.errstate(all="ignore"):
        want = dequantize(raw, Q[name]).astype(values(got["x.weight"]).dtype)
    np.testing.assert_array_equal(values(got["x.weight"]), want)


def test_mxfp4_beyond_float16_stays_exact(source, values):
    # Scale 2**100 (an exponent byte of 228, on doubled levels), level 1.0.
    data = bytes([227]) + bytes([0x22]) * 16
    got = gguf.load(source(crafted((), [info("x", (32,), 39)], data)))["x"]
    assert set(values(got).astype("float64").tolist()) == {2.0**100}


def aligned(value: int, kind: int = U32) -> bytes:
    return pair("general.alignment", kind, struct.pack("<I", value))


def deep(depth: int) -> bytes:
    return pair("k", ARRAY, struct.pack("<IQ", ARRAY, 1) * depth + numbers(U8, "B", 1))


HUGE = struct.pack("<Q", 2**62)
LAST = struct.pack("<Q", 2**64 - 1)
SIXTEEN = bytes(16)

HOSTILE = {
    "empty": b"",
    "only magic": b"GGUF",
    "no GGUF": b"GGML" + bytes(40),
    "version 0": crafted(version=0),
    "version 1": crafted(version=1),
    "version 4": crafted(version=4),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "tensor count of 2^62": crafted(counts=(2**62, 0)),
    "tensor count of 2^64-1": crafted(counts=(2**64 - 1, 0)),
    "metadata count of 2^62": crafted(counts=(0, 2**62)),
    "more tensors than the file": crafted((), [info()], SIXTEEN, counts=(2, 0)),
    "alignment 0": crafted([aligned(0)], [info()], SIXTEEN),
    "alignment 24": crafted([aligned(24)], [info()], SIXTEEN),
    "alignment of 2 MiB": crafted([aligned(1 << 21)], [info()], SIXTEEN),
    "alignment of another type": crafted([aligned(32, F32)], [info()], SIXTEEN),
    "alignment a string": crafted([pair("general.alignment", STRING, string("32"))]),
    "alignment an array": crafted([pair("general.alignment", ARRAY, numbers(U32, "I", 32))]),
    "key of 2^62 bytes": crafted([HUGE + b"k"], counts=(0, 1)) + bytes(64),
    "key of 2^64-1 bytes": crafted([LAST + b"k"], counts=(0, 1)) + bytes(64),
    "string of 2^62 bytes": crafted([pair("k", STRING, HUGE)]) + bytes(64),
    "array of 2^62 strings": crafted([pair("k", ARRAY, struct.pack("<I", STRING) + HUGE)]),
    "array of 2^62 numbers": crafted([pair("k", ARRAY, struct.pack("<I", U64) + HUGE)]),
    "array of 2^61 numbers that wrap": crafted([pair("k", ARRAY, struct.pack("<IQ", U64, 2**61))]),
    "array of 2^62 arrays": crafted([pair("k", ARRAY, struct.pack("<I", ARRAY) + HUGE)]),
    "array of an unknown type": crafted([pair("k", ARRAY, numbers(13, "B", 1))]),
    "arrays five deep": crafted([deep(4)]),
    "arrays a million deep": crafted([deep(1_000_000)]),
    "unknown type of metadata": crafted([pair("k", 13, bytes(8))]),
    "bool of 2": crafted([pair("k", BOOL, b"\2")]),
    "bool of 2 in an array": crafted([pair("k", ARRAY, numbers(BOOL, "B", 0, 1, 2))]),
    "key given twice": crafted([pair("k", U8, b"\1"), pair("k", U8, b"\1")]),
    "key not UTF-8": crafted([pair(b"\xff", U8, b"\1")]),
    "string not UTF-8": crafted([pair("k", STRING, string(b"\xc0\x80"))]),
    "name not UTF-8": crafted((), [info(b"\xff")], SIXTEEN),
    "five dimensions": crafted((), [info(dims=(1, 1, 1, 1, 4))], SIXTEEN),
    "2^32-1 dimensions": crafted((), [string("t") + b"\xff" * 4], SIXTEEN),
    "product that wraps": crafted((), [info(dims=(2**32, 2**32))], SIXTEEN),
    "bytes that wrap": crafted((), [info(dims=(2**62,))], SIXTEEN),
    "dimension of 2^64-1": crafted((), [info(dims=(2**64 - 1,))], SIXTEEN),
    "wrap hidden by a zero": crafted((), [info(dims=(2**62, 0, 2**62))]),
    "offset unaligned": crafted((), [info(offset=4)], bytes(64)),
    "offset past the end": crafted((), [info(offset=64)], SIXTEEN),
    "offset that wraps": crafted((), [info(offset=2**64 - 32)], SIXTEEN),
    "data cut": crafted((), [info()], bytes(15)),
    "overlap": crafted((), [info("a", (16,)), info("b", (4,), offset=32)], bytes(64)),
    "alias": crafted((), [info("a"), info("b")], SIXTEEN),
    "tensor given twice": crafted((), [info(), info(offset=32)], bytes(64)),
    "scales given twice": crafted(
        (), [info("x.weight", (32,), 2), info("x.scales", (1,), 0, 32)], bytes(64)
    ),
    "row no multiple of a block": crafted((), [info(dims=(48,), kind=2)], bytes(64)),
    "scalar of blocks": crafted((), [info(dims=(), kind=2)], bytes(64)),
    "removed type Q4_2": crafted((), [info(kind=4)], bytes(64)),
    "removed type Q4_0_4_4": crafted((), [info(kind=31)], bytes(64)),
    "type that only computes": crafted((), [info(dims=(256,), kind=15)], bytes(512)),
    "unknown type 999": crafted((), [info(kind=999)], bytes(64)),
    "unknown type last": crafted((), [info("a"), info("b", kind=999, offset=32)], bytes(64)),
    "unknown type first": crafted((), [info("b", kind=999), info("a", offset=32)], bytes(64)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused(refused, case):
    refused(gguf.load, HOSTILE[case])


def test_strings_that_grow_in_memory_are_refused(small_budget, refused):
    value = struct.pack("<IQ", STRING, 40_000) + bytes(8 * 40_000)
    assert "MiB" in refused(gguf.load, crafted([pair("k", ARRAY, value)])).reason


def test_nested_arrays_that_grow_in_memory_are_refused(small_budget, refused):
    empty = struct.pack("<IQ", ARRAY, 0)
    value = struct.pack("<IQ", ARRAY, 20_000) + empty * 20_000
    assert "MiB" in refused(gguf.load, crafted([pair("k", ARRAY, value)])).reason


def test_tensors_that_grow_in_memory_are_refused(small_budget, refused):
    infos = [info(f"{i}", (0,)) for i in range(2000)]
    assert "MiB" in refused(gguf.load, crafted((), infos)).reason


def test_an_unknown_type_is_refused_by_the_name_of_its_tensor(refused):
    error = refused(gguf.load, HOSTILE["unknown type first"])
    assert "'b'" in error.field
    assert "999" in error.reason


def test_every_truncation_is_refused(refused):
    pairs = [pair("k", STRING, string("value")), pair("a", ARRAY, numbers(I16, "h", 1, 2))]
    data = crafted(pairs, [info()], SIXTEEN)
    for size in range(len(data)):
        refused(gguf.load, data[:size])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint32", "complex64"])
def test_a_dtype_that_the_format_lacks_is_not_written(saved, host, dtype):
    with pytest.raises(ValueError, match="astype"):
        saved(gguf.save, {"a": host(np.ones(2, dtype))})


def test_five_dimensions_are_not_written(saved, host):
    with pytest.raises(ValueError, match="5 dimensions"):
        saved(gguf.save, {"a": host(np.ones((1, 1, 1, 1, 2)))})


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.float16(1), ValueError),
        (np.ones((2, 2)), ValueError),
        (3, TypeError),
        (None, TypeError),
        (["a", 3], TypeError),
        ("\ud800", ValueError),
    ],
)
def test_metadata_that_the_format_lacks_is_not_written(saved, host, value, error):
    value = host(value) if isinstance(value, np.ndarray | np.generic) else value
    with pytest.raises(error, match="save_gguf"):
        saved(gguf.save, {}, metadata={"k": value})


@pytest.mark.parametrize("alignment", [0, 24, 1 << 21])
def test_an_alignment_that_readers_refuse_is_not_written(saved, host, alignment):
    metadata = {"general.alignment": host(np.uint32(alignment))}
    with pytest.raises(ValueError, match="power of two"):
        saved(gguf.save, {}, metadata=metadata)


BITS = {"Q4_0": 4, "Q4_1": 4, "Q8_0": 8}


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("shape", [(32,), (3, 128), (2, 3, 64), (70_000, 64)])
def test_packed_tensors_are_written_as_the_blocks_they_came_from(
    source, values, saved, host, written, name, shape
):
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((int(np.prod(shape[:-1])), shape[-1]), dtype="float32")
    raw = quantize(flat, Q[name])
    blocks = crafted((), [info("x.weight", shape[::-1], int(Q[name]))], raw.tobytes())
    got = {key: host(values(tensor)) for key, tensor in gguf.load(source(blocks)).items()}
    assert saved(gguf.save, got).rstrip(b"\0") == blocks.rstrip(b"\0")


def test_a_packed_tensor_without_elements_makes_the_round_trip(source, saved, host):
    parts = {"x.weight": ("uint32", 4), "x.scales": ("float16", 1), "x.biases": ("float16", 1)}
    given = {name: host(np.zeros((0, n), dtype)) for name, (dtype, n) in parts.items()}
    got = gguf.load(source(saved(gguf.save, given)))
    assert {name: (t.shape, t.dtype_name) for name, t in got.items()} == {
        name: ((0, n), dtype) for name, (dtype, n) in parts.items()
    }


@pytest.fixture
def triple(host):
    """A quantized array of one row of two groups."""

    def triple(bits, scales, biases, dtype="float16", name="x.weight"):
        words = np.arange(2 * bits, dtype="uint32")[None] * 0x01234567
        kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
        stem = name.removesuffix(".weight")
        return {
            name: host(words),
            f"{stem}.scales": host(np.array([scales], kind)),
            f"{stem}.biases": host(np.array([biases], kind)),
        }

    return triple


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    ("bits", "biases", "name"),
    [(4, [-16, 4], "Q4_0"), (4, [-16, 5], "Q4_1"), (8, [-256, 64], "Q8_0")],
)
def test_biases_decide_the_type_of_a_packed_tensor(
    tmp_path, source, values, saved, triple, bits, biases, name, dtype
):
    given = triple(bits, [2, -0.5], biases, dtype)
    path = tmp_path / "written.gguf"
    path.write_bytes(saved(gguf.save, given))
    (tensor,) = reference.GGUFReader(path).tensors
    assert (tensor.name, tensor.tensor_type.name, tensor.shape.tolist()) == (
        "x.weight",
        name,
        [64, 1],
    )
    got = {key: values(t).tolist() for key, t in gguf.load(source(path.read_bytes())).items()}
    words = np.frombuffer(given["x.weight"].data, "uint32").tolist()
    assert got == {"x.weight": [words], "x.scales": [[2, -0.5]], "x.biases": [biases]}


def test_scales_are_rounded_to_float16(source, values, saved, triple):
    given = triple(4, [0.1, 1 / 3], [1.0, 1e-3], "float32")
    got = gguf.load(source(saved(gguf.save, given)))
    want = np.array([0.1, 1 / 3], "float16").tolist()
    assert values(got["x.scales"]).tolist() == [want]


def test_a_packed_tensor_without_the_ending_keeps_its_name(source, saved, triple):
    got = gguf.load(source(saved(gguf.save, triple(4, [1, 1], [0, 0], name="x"))))
    assert list(got) == ["x", "x.scales", "x.biases"]


def test_scales_of_what_is_no_packed_tensor_stay_arrays(source, saved, host):
    given = {name: host(np.ones((1, 2), "float16")) for name in ("x", "x.scales", "x.biases")}
    assert sorted(gguf.load(source(saved(gguf.save, given)))) == sorted(given)


def test_8_bits_with_biases_of_their_own_name_the_way_out(saved, triple):
    with pytest.raises(ValueError, match=r"'x.weight' .* --quantize q8_0"):
        saved(gguf.save, triple(8, [2, 2], [-256, 0]))


def test_groups_of_another_size_are_not_written(saved, triple, host):
    given = triple(4, [2, 2], [0, 0]) | {"x.weight": host(np.ones((1, 32), "uint32"))}
    with pytest.raises(ValueError, match="group_size=32"):
        saved(gguf.save, given)


def test_scales_beyond_float16_are_not_written(saved, triple):
    with pytest.raises(ValueError, match="beyond float16"):
        saved(gguf.save, triple(4, [1e6, 1], [0, 0], "float32"))


def test_two_packed_tensors_with_the_same_scales_are_not_written(saved, triple):
    given = triple(4, [1, 1], [0, 0])
    with pytest.raises(ValueError, match="same scales"):
        saved(gguf.save, given | {"x": given["x.weight"]})


def test_scales_and_biases_of_two_dtypes_are_not_written(saved, triple, host):
    given = triple(4, [1, 1], [0, 0]) | {"x.biases": host(np.zeros((1, 2), "float32"))}
    with pytest.raises(ValueError, match="one dtype"):
        saved(gguf.save, given)


def test_words_alone_are_not_written(saved, host):
    with pytest.raises(ValueError, match="uint32, which GGUF has no type for"):
        saved(gguf.save, {"x.weight": host(np.ones(8, "uint32"))})


@pytest.mark.parametrize("kind", [k for k in Q if k.name.startswith(("IQ", "TQ", "NV", "Q1"))])
def test_every_quantization_that_the_package_decodes_is_read(source, values, kind):
    block, size = reference.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(0).integers(0, 60, (2, 2 * size), dtype="uint8")
    data = crafted((), [info("x", (2 * block, 2), int(kind))], raw.tobytes())
    try:
        with np.errstate(all="ignore"):
            want = dequantize(raw, kind).astype("float16")
    except NotImplementedError:
        with pytest.raises(FormatError, match=f"type {int(kind)} "):
            gguf.load(source(data))
        return
    got = gguf.load(source(data))["x"]
    assert got.stored == kind.name
    np.testing.assert_array_equal(values(got), want)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_metadata_of_every_dtype_make_the_round_trip(source, saved, host, shape):
    dtypes = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64 bool".split()
    given = {dtype: host(np.ones(shape, dtype)) for dtype in dtypes}
    got = gguf.load(source(saved(gguf.save, {}, metadata=given)), return_metadata=True)[1]
    assert {k: scalar(v) for k, v in got.items()} == {k: scalar(v) for k, v in given.items()}


def test_a_vocabulary_makes_the_round_trip(source, saved):
    words = [f"wörd{i}" for i in range(150_000)]
    got = gguf.load(source(saved(gguf.save, {}, metadata={"t": words})), return_metadata=True)[1]
    assert got["t"] == words
