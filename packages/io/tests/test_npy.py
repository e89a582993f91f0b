"""npy: what NumPy writes is read, hostile headers are refused, and NumPy reads what is written."""

from __future__ import annotations

import io
import struct

import ml_dtypes
import numpy as np
import pytest

from monel.io import npy

DTYPES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64"
).split()


def numpy_file(array, **options) -> bytes:
    target = io.BytesIO()
    np.lib.format.write_array(target, array, **options)
    return target.getvalue()


def crafted(header: str | bytes, data: bytes = b"", version: int = 1, length=None) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode()
    length = len(raw) if length is None else length
    packed = struct.pack("<H" if version == 1 else "<I", length)
    return b"\x93NUMPY" + bytes([version, 0]) + packed + raw + data


def described(descr: str = "'<f4'", fortran: str = "False", shape: str = "(2,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_numpy_files_are_read(source, values, dtype, shape):
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    got = values(npy.load(source(numpy_file(array))))
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_numpy_reads_what_is_written(saved, host, dtype, shape):
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    got = np.load(io.BytesIO(saved(npy.save, host(array))))
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


def test_written_bytes_are_those_of_numpy(saved, host):
    array = np.arange(6, dtype="float32").reshape(2, 3)
    assert saved(npy.save, host(array)) == numpy_file(array)


def test_bfloat16_makes_the_round_trip_of_ml_dtypes(source, values, saved, host):
    array = np.array([1e30, -2.5, float("inf")], ml_dtypes.bfloat16)
    data = saved(npy.save, host(array))
    assert data == numpy_file(array)
    np.testing.assert_array_equal(values(npy.load(source(data))), array)


@pytest.mark.parametrize("dtype", [">f4", ">u2", ">i8", ">c8", ">f2"])
def test_big_endian_is_read(source, values, dtype):
    array = np.arange(6).astype(dtype) + (1 if dtype != ">c8" else 1j)
    np.testing.assert_array_equal(values(npy.load(source(numpy_file(array)))), array)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (3, 4), (2, 3, 4), (0, 3), (2, 2, 2, 2)])
def test_fortran_order_is_read(source, values, shape):
    array = np.asfortranarray(np.arange(int(np.prod(shape))).reshape(shape).astype("int32"))
    np.testing.assert_array_equal(values(npy.load(source(numpy_file(array)))), array)


@pytest.mark.parametrize("shape", [(1 << 20, 3), (3, 1 << 20), (2, 1 << 19, 3)])
def test_fortran_order_larger_than_a_block_is_read(source, values, shape):
    array = np.asfortranarray(np.arange(int(np.prod(shape)), dtype=">i4").reshape(shape))
    np.testing.assert_array_equal(values(npy.load(source(numpy_file(array)))), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_is_read(source, values, version):
    array = np.arange(3.0)
    data = numpy_file(array, version=version)
    np.testing.assert_array_equal(values(npy.load(source(data))), array)


def test_header_keys_may_come_in_any_order(source, values):
    header = '{"shape" : (2,), "descr":"<u2", "fortran_order":False}'
    assert values(npy.load(source(crafted(header, b"\1\0\2\0")))).tolist() == [1, 2]


def test_long_integers_of_python_2_are_read(source):
    assert npy.load(source(crafted(described(shape="(2L,)"), bytes(8)))).shape == (2,)


def test_bytes_after_the_array_are_left_alone(source, values):
    data = numpy_file(np.arange(3)) + b"more"
    assert values(npy.load(source(data))).tolist() == [0, 1, 2]


def test_bools_other_than_0_and_1_become_1(source, values):
    got = values(npy.load(source(crafted(described("'|b1'", shape="(3,)"), b"\0\2\xff"))))
    assert got.view("uint8").tolist() == [0, 1, 1]


def test_a_lazy_array_is_read_twice(source, values):
    tensor = npy.load(source(numpy_file(np.arange(3))))
    np.testing.assert_array_equal(values(tensor), values(tensor))


HOSTILE = {
    "empty": b"",
    "not npy": b"NUMPY\x93\1\0",
    "only magic": b"\x93NUMPY",
    "version 0": crafted(described(), bytes(8), version=0),
    "version 4": crafted(described(), bytes(8), version=4),
    "header of 4 GiB": crafted(described(), bytes(8), 2, length=0xFFFFFFFF),
    "header beyond the file": crafted(described(), length=500),
    "header beyond 64 KiB": crafted(described() + " " * 70_000, bytes(8), 2),
    "header of nothing": crafted(""),
    "pickled objects": numpy_file(np.array([{}], object)),
    "code in the header": crafted("__import__('os').abort()", bytes(8)),
    "code in a value": crafted(described(shape="(len('ab'),)"), bytes(8)),
    "structured dtype": numpy_file(np.zeros(2, [("a", "<f4"), ("b", "<i4")])),
    "string dtype": numpy_file(np.array(["ab"])),
    "dates": numpy_file(np.zeros(2, "datetime64[s]")),
    "complex128": numpy_file(np.zeros(2, "complex128")),
    "big-endian void": crafted(described("'>V2'"), bytes(8)),
    "shape beyond the file": crafted(described(shape="(3,)"), bytes(8)),
    "huge shape": crafted(described(shape=f"({2**62},)"), bytes(8)),
    "wrapping shape": crafted(described(shape=f"({2**32}, {2**32})"), bytes(8)),
    "wrap hidden by a zero": crafted(described(shape=f"({2**62}, 0, {2**62})"), bytes(8)),
    "dimension of 30 digits": crafted(described(shape=f"({10**30},)"), bytes(8)),
    "negative dimension": crafted(described(shape="(-1,)"), bytes(8)),
    "two negative dimensions": crafted(described(shape="(-1, -2)"), bytes(8)),
    "65 dimensions": crafted(described(shape=f"({'1, ' * 65})"), bytes(8)),
    "nested tuples": crafted(described(shape="(" * 20_000), bytes(8)),
    "nested lists": crafted("[" * 60_000, bytes(8)),
    "nested dicts": crafted("{'descr': " * 5_000, bytes(8)),
    "shape of one integer": crafted(described(shape="2"), bytes(8)),
    "shape as a string": crafted(described(shape="'2'"), bytes(8)),
    "shape with a float": crafted(described(shape="(2.0,)"), bytes(8)),
    "order as an integer": crafted(described(fortran="1"), bytes(8)),
    "descr as a bool": crafted(described(descr="True"), bytes(8)),
    "key missing": crafted("{'descr': '<f4', 'shape': (2,)}", bytes(8)),
    "key unknown": crafted(described()[:-1] + "'more': True}", bytes(8)),
    "key given twice": crafted(described()[:-1] + "'shape': (1,)}", bytes(8)),
    "text after the dict": crafted(described() + "0", bytes(8)),
    "unclosed dict": crafted(described()[:-1], bytes(8)),
    "unclosed tuple": crafted(described(shape="(2"), bytes(8)),
    "invalid UTF-8 in version 3": crafted(b"\xff" + described().encode(), bytes(8), 3),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused(refused, case):
    refused(npy.load, HOSTILE[case])


def test_refusal_says_that_objects_are_pickles(refused):
    assert "pickle" in refused(npy.load, HOSTILE["pickled objects"]).reason


def test_every_truncation_is_refused(refused):
    data = numpy_file(np.arange(3))
    for size in range(0, len(data), 7):
        refused(npy.load, data[:size])
