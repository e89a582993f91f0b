"""safetensors: files of the reference library are read and written; hostile ones are refused."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

from monel.io import safetensors

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()


@pytest.fixture(scope="module")
def reference():
    """The library of the format, which only tests need."""
    return pytest.importorskip("safetensors.numpy")


def crafted(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def entry(dtype="U8", shape=(4,), begin=0, end=4) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_of_the_library_are_read(reference, source, values, dtype):
    arrays = {"a": np.arange(6).reshape(2, 3).astype(dtype), "é": np.zeros((0, 2), dtype)}
    arrays[""] = np.ones((), dtype)
    got = safetensors.load(source(reference.save(arrays)))
    assert sorted(got) == sorted(arrays)
    for name, array in arrays.items():
        assert values(got[name]).dtype == array.dtype
        np.testing.assert_array_equal(values(got[name]), array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_library_reads_what_is_written(reference, saved, host, dtype):
    arrays = {"a": np.arange(6).reshape(2, 3).astype(dtype), "é": np.zeros((0, 2), dtype)}
    data = saved(safetensors.save, {name: host(array) for name, array in arrays.items()})
    got = reference.load(data)
    for name, array in arrays.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)


def test_written_bytes_are_those_of_the_library(reference, saved, host):
    arrays = {"b": np.ones(3, "int8"), "a": np.ones(2, "float32"), "c": np.ones(1, "float64")}
    data = saved(safetensors.save, {name: host(array) for name, array in arrays.items()})
    assert data == reference.save(arrays)


@pytest.mark.parametrize("dtype", ["bfloat16", "complex64"])
def test_dtypes_that_numpy_lacks_in_the_library_make_the_round_trip(
    source, values, saved, host, dtype
):
    array = np.array([1e30, -2.5, 0], ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    got = safetensors.load(source(saved(safetensors.save, {"a": host(array)})))["a"]
    assert got.dtype_name == dtype
    np.testing.assert_array_equal(values(got), array)


@pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2", "F8_E8M0"])
def test_8_bit_floats_are_read_as_bytes(source, values, code):
    got = safetensors.load(source(crafted({"a": entry(code)}, b"abcd")))["a"]
    assert (got.dtype_name, values(got).tobytes()) == ("uint8", b"abcd")


def test_every_array_lies_aligned(source, saved, host):
    arrays = {str(i): np.ones(i, dtype) for i, dtype in enumerate(DTYPES)}
    data = saved(safetensors.save, {name: host(array) for name, array in arrays.items()})
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    for name, described in json.loads(data[8 : 8 + length]).items():
        assert described["data_offsets"][0] % arrays[name].itemsize == 0


def test_metadata_makes_the_round_trip(source, saved, host):
    metadata = {"format": "mlx", "é": '"quoted" \\ \n \u2028 😀', "": ""}
    data = saved(safetensors.save, {"a": host(np.ones(1))}, metadata=metadata)
    assert safetensors.load(source(data), return_metadata=True)[1] == metadata


def test_metadata_may_be_null(source):
    data = crafted({"__metadata__": None, "a": entry()}, b"abcd")
    arrays, metadata = safetensors.load(source(data), return_metadata=True)
    assert (list(arrays), metadata) == (["a"], {})


def test_metadata_does_not_depend_on_the_order_given(saved, host):
    arrays = {"a": host(np.ones(1))}
    one = saved(safetensors.save, arrays, metadata={"a": "1", "b": "2"})
    assert one == saved(safetensors.save, arrays, metadata={"b": "2", "a": "1"})


@pytest.mark.parametrize("header", [b"{}", b" {}", b"{ }\n\t "])
def test_a_header_without_tensors(source, refused, header):
    if header.startswith(b"{"):
        assert safetensors.load(source(crafted(header))) == {}
    else:
        refused(safetensors.load, crafted(header))


def test_escapes_in_names_are_read(source):
    header = rb'{"a\u00e9\ud83d\ude00\/\"":{"shape":[],"dtype":"U8","data_offsets":[0,1]}}'
    assert list(safetensors.load(source(crafted(header, b"x")))) == ['aé😀/"']


def test_white_space_is_allowed_everywhere(source):
    header = json.dumps({"a": entry(), "__metadata__": {"k": "v"}}, indent=3).encode()
    assert list(safetensors.load(source(crafted(header, b"abcd")))) == ["a"]


def test_trailing_bytes_are_read_when_not_strict(source, values):
    data = crafted({"a": entry()}, b"abcd-and-more")
    got = safetensors.load(source(data), strict=False)
    assert values(got["a"]).tobytes() == b"abcd"


def test_zero_size_tensors_may_share_an_offset(source):
    data = crafted(
        {"a": entry(shape=(0,), end=0), "b": entry(), "c": entry("F64", (2, 0), 4)}, b"abcd"
    )
    assert len(safetensors.load(source(data))) == 3


def two(a: dict, b: dict, data: bytes = bytes(8)) -> bytes:
    return crafted({"a": a, "b": b}, data)


def with_field(text: str) -> bytes:
    return crafted(b'{"a":{' + text.encode() + b"}}", b"abcd")


ONE = '{"dtype":"U8","shape":[4],"data_offsets":[0,4]}'

HOSTILE = {
    "empty": b"",
    "seven bytes": bytes(7),
    "header length 2^64-1": crafted({"a": entry()}, b"abcd", 2**64 - 1),
    "header length 2^63": crafted({"a": entry()}, b"abcd", 2**63),
    "header length 0": crafted({"a": entry()}, b"abcd", 0),
    "header longer than the file": crafted({"a": entry()}, b"abcd", 200),
    "header not JSON": crafted(b"{]"),
    "header not UTF-8": crafted(b'{"\xff\xfe":' + ONE.encode() + b"}", b"abcd"),
    "header a list": crafted([entry()], b"abcd"),
    "header a number": crafted(b"42"),
    "header cut": crafted(b'{"a":{"dtype":"U8"'),
    "10 MB of nested lists": crafted(b"[" * 10_000_000),
    "10 MB of nested objects": crafted(b'{"a":' * 2_000_000),
    "10 MB of nested shapes": crafted(b'{"a":{"shape":' + b"[" * 10_000_000),
    "10 MB of white space": crafted(b"{" + b" " * 10_000_000),
    "10 MB of escapes": crafted(b'{"' + b"\\n" * 5_000_000 + b'"'),
    "10 MB of dimensions": crafted(b'{"a":{"shape":[' + b"1," * 5_000_000 + b"1]"),
    "10 MB of digits": crafted(b'{"a":{"shape":[' + b"1" * 10_000_000 + b"]"),
    "bytes after the object": crafted(b"{}x"),
    "two objects": crafted(b"{}{}"),
    "trailing comma": crafted(b'{"a":' + ONE.encode() + b",}", b"abcd"),
    "comment": crafted(b"{/* */}"),
    "name not a string": crafted(b"{1:" + ONE.encode() + b"}", b"abcd"),
    "control character in a name": crafted(b'{"a\n":' + ONE.encode() + b"}", b"abcd"),
    "half an escape": crafted(b'{"\\u12":' + ONE.encode() + b"}", b"abcd"),
    "duplicate tensor": crafted(f'{{"a":{ONE},"a":{ONE}}}'.encode(), b"abcd"),
    "duplicate metadata": crafted(b'{"__metadata__":{},"__metadata__":{}}'),
    "duplicate key in metadata": crafted(b'{"__metadata__":{"k":"1","k":"2"}}'),
    "duplicate field": with_field('"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]'),
    "unknown field": with_field(ONE[1:-1] + ',"more":1'),
    "field missing": with_field('"dtype":"U8","shape":[4]'),
    "tensor null": crafted(b'{"a":null}'),
    "tensor a string": crafted(b'{"a":"U8"}'),
    "shape null": with_field('"dtype":"U8","shape":null,"data_offsets":[0,4]'),
    "shape of floats": with_field('"dtype":"U8","shape":[4.0],"data_offsets":[0,4]'),
    "shape of exponents": with_field('"dtype":"U8","shape":[4e0],"data_offsets":[0,4]'),
    "shape of strings": with_field('"dtype":"U8","shape":["4"],"data_offsets":[0,4]'),
    "shape with two commas": with_field('"dtype":"U8","shape":[2,,2],"data_offsets":[0,4]'),
    "shape without a comma": with_field('"dtype":"U8","shape":[2 2],"data_offsets":[0,4]'),
    "shape with leading zeros": with_field('"dtype":"U8","shape":[04],"data_offsets":[0,4]'),
    "shape nested": with_field('"dtype":"U8","shape":[[4]],"data_offsets":[0,4]'),
    "overlap": two(entry(), entry(begin=2, end=6), bytes(6)),
    "alias": two(entry(), entry(), bytes(4)),
    "hole": two(entry(), entry(begin=5, end=9), bytes(9)),
    "hole at the start": crafted({"a": entry(begin=1, end=5)}, bytes(5)),
    "trailing bytes": crafted({"a": entry()}, b"abcde"),
    "beyond the file": crafted({"a": entry()}, b"abc"),
    "wrapping offsets": crafted({"a": entry(begin=2**64 - 4, end=2**64)}, b"abcd"),
    "end before begin": crafted({"a": entry(begin=4, end=0)}, b"abcd"),
    "negative offset": crafted({"a": entry(begin=-4, end=0)}, b"abcd"),
    "three offsets": with_field('"dtype":"U8","shape":[4],"data_offsets":[0,4,8]'),
    "size differs from shape": crafted({"a": entry(shape=(3,))}, b"abcd"),
    "size differs from dtype": crafted({"a": entry("U16")}, b"abcd"),
    "negative dimension": crafted({"a": entry(shape=(-4,))}, b"abcd"),
    "two negative dimensions": crafted({"a": entry(shape=(-2, -2))}, b"abcd"),
    "dimension above 2^63": crafted({"a": entry(shape=(2**63,))}, b"abcd"),
    "product that wraps": crafted({"a": entry(shape=(2**32, 2**32, 4))}, b"abcd"),
    "product that wraps to zero bytes": crafted({"a": entry(shape=(2**61,), dtype="F64", end=0)}),
    "wrap hidden by a zero": crafted({"a": entry(shape=(0, 2**62, 2**62), end=0)}),
    "65 dimensions": crafted({"a": entry(shape=[1] * 65, end=1)}, b"a"),
    "metadata a string": crafted({"__metadata__": "x"}),
    "metadata a list": crafted({"__metadata__": []}),
    "metadata of numbers": crafted({"__metadata__": {"k": 1}}),
    "metadata of null": crafted({"__metadata__": {"k": None}}),
    "metadata nested": crafted({"__metadata__": {"k": {}}}),
    "unknown dtype": crafted({"a": entry("Q9")}, b"abcd"),
    "4-bit floats": crafted({"a": entry("F4", (8,))}, b"abcd"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused(refused, case):
    refused(safetensors.load, HOSTILE[case])


def test_metadata_that_grow_in_memory_are_refused(small_budget, refused):
    header = {"__metadata__": {f"{i}": "" for i in range(5000)}}
    assert "MiB" in refused(safetensors.load, crafted(header)).reason


def test_tensors_that_grow_in_memory_are_refused(small_budget, refused):
    header = {f"{i}": entry(shape=(0,), end=0) for i in range(2000)}
    assert "MiB" in refused(safetensors.load, crafted(header)).reason


def test_a_refused_dtype_is_named_with_its_tensor(refused):
    message = str(refused(safetensors.load, HOSTILE["unknown dtype"]))
    assert "'a'" in message
    assert "Q9" in message


def test_every_truncation_is_refused(refused):
    data = crafted({"a": entry(), "__metadata__": {"k": "v"}}, b"abcd")
    for size in range(len(data)):
        refused(safetensors.load, data[:size])


@pytest.mark.parametrize("metadata", [{"k": 1}, {1: "k"}, {"k": None}])
def test_metadata_other_than_strings_is_not_written(saved, host, metadata):
    with pytest.raises(ValueError, match="string keys and values"):
        saved(safetensors.save, {"a": host(np.ones(1))}, metadata=metadata)


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"])
def test_a_name_that_the_format_cannot_hold_is_not_written(saved, host, name):
    with pytest.raises(ValueError, match="save_safetensors"):
        saved(safetensors.save, {name: host(np.ones(1))})
