"""npz: archives of NumPy are read and written; hostile archives are refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pytest

from monel.core.plugin import FormatError, HostTensor
from monel.io import npy, npz


def member(array) -> bytes:
    target = io.BytesIO()
    np.lib.format.write_array(target, np.asarray(array))
    return target.getvalue()


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file as the standard library writes it; duplicate names are written too."""
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", method) as file:
        warnings.simplefilter("ignore")
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return target.getvalue()


def patched(data: bytes, mark: bytes, offset: int, fmt: str, value: int) -> bytes:
    """Overwrite a field at ``offset`` from the last ``mark``."""
    out = bytearray(data)
    struct.pack_into(fmt, out, data.rindex(mark) + offset, value)
    return bytes(out)


ENTRY, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
ONE = archive(("a.npy", member(np.arange(300))))
DEFLATED = archive(("a.npy", member(np.arange(300))), method=zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_archives_of_numpy_are_read(source, values, write):
    target = io.BytesIO()
    arrays = {"a": np.arange(3), "b/c": np.ones((2, 0)), "é ü": np.array(True), "": np.ones(1)}
    arrays["f"] = np.asfortranarray(np.arange(6).reshape(2, 3))
    write(target, **arrays)
    got = npz.load(source(target.getvalue()))
    assert list(got) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(values(got[name]), array)


@pytest.mark.parametrize("compressed", [False, True])
def test_numpy_reads_what_is_written(saved, host, compressed):
    arrays = {"b": np.arange(1000), "a/../x": np.float32(2.5), "é": np.zeros((0, 3), "int8")}
    data = saved(
        npz.save, {name: host(array) for name, array in arrays.items()}, compressed=compressed
    )
    with np.load(io.BytesIO(data)) as got:
        assert got.files == sorted(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(got[name], array)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_compressed_archives_are_smaller(saved, host):
    arrays = {"a": host(np.zeros(10_000))}
    stored, deflated = (saved(npz.save, arrays, compressed=how) for how in (False, True))
    assert len(stored) > 80_000 > 1_000 > len(deflated)


def test_the_same_arrays_give_the_same_bytes_in_any_order(saved, host):
    one, two = host(np.ones(3)), host(np.zeros(2))
    assert saved(npz.save, {"a": one, "b": two}) == saved(npz.save, {"b": two, "a": one})


def test_an_archive_may_begin_in_the_middle_of_a_file(host, source, values):
    target = io.BytesIO(b"before")
    target.seek(6)
    npz.save(target, {"a": host(np.arange(3))}, compressed=True)
    got = npz.load(source(target.getvalue()[6:]))
    assert values(got["a"]).tolist() == [0, 1, 2]


def test_an_empty_archive_is_read(source, saved):
    assert npz.load(source(saved(npz.save, {}))) == {}


def test_what_does_not_fit_32_bits_is_written_in_64(monkeypatch, source, values, saved, host):
    # The limit is lowered, so that small sizes and offsets take the way of large ones.
    monkeypatch.setattr(npz, "_LARGE", 100)
    arrays = {"a": np.arange(300), "b": np.arange(3)}
    data = saved(npz.save, {name: host(array) for name, array in arrays.items()})
    with np.load(io.BytesIO(data)) as theirs:
        ours = npz.load(source(data))
        for name, array in arrays.items():
            np.testing.assert_array_equal(theirs[name], array)
            np.testing.assert_array_equal(values(ours[name]), array)
    assert b"PK\x06\x06" in data


def test_members_that_grow_in_memory_are_refused(small_budget, refused):
    data = archive(*[(f"{i}.npy", b"") for i in range(3000)])
    assert "MiB" in refused(npz.load, data).reason


def test_members_with_64_bit_sizes_are_read(source, values):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file, file.open("a.npy", "w", force_zip64=True) as out:
        out.write(member(np.arange(3)))
    assert values(npz.load(source(target.getvalue()))["a"]).tolist() == [0, 1, 2]


def test_a_compressed_array_is_read_twice(source, values):
    tensor = npz.load(source(DEFLATED))["a"]
    np.testing.assert_array_equal(values(tensor), values(tensor))


def test_names_are_only_names(source):
    data = archive(("../../etc/a.npy", member(np.ones(1))), ("/b.npy", member(np.ones(1))))
    assert list(npz.load(source(data))) == ["../../etc/a", "/b"]


def test_a_comment_after_the_directory_is_read(source):
    target = io.BytesIO(ONE)
    with zipfile.ZipFile(target, "a") as file:
        file.comment = b"PK\x05\x06 is what a directory ends with"
    assert list(npz.load(source(target.getvalue()))) == ["a"]


def test_a_member_that_inflates_to_1_gib_opens_within_the_bound(source):
    size = 1 << 30
    header = npy.write_header(HostTensor((size,), "uint8", b""))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(header) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush blocks stand alone, so one MiB of zeros can be repeated as it is.
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    data = raw_archive(packed + block * 1024 + deflate.flush(), 0, len(header) + size)
    tracemalloc.start()
    got = npz.load(source(data))["a"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.shape == (size,)
    assert peak < 1 << 20


def raw_archive(packed: bytes, crc: int, size: int, method: int = 8, flags: int = 0) -> bytes:
    """An archive of the one member a.npy, with sizes as given."""
    common = struct.pack("<5H3L", 20, flags, method, 0, 33, crc, len(packed), size)
    local = LOCAL + common + struct.pack("<2H", 5, 0) + b"a.npy"
    entry = ENTRY + struct.pack("<H", 20) + common
    entry += struct.pack("<5H2L", 5, 0, 0, 0, 0, 0, 0) + b"a.npy"
    start = len(local) + len(packed)
    end = END + struct.pack("<4H2LH", 0, 0, 1, 1, len(entry), start, 0)
    return local + packed + entry + end


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


BODY = member(np.arange(300))
# Empty stored blocks and no end: 2 MB that inflates to nothing.
IDLE = b"\x00\x00\x00\xff\xff" * 400_000

HOSTILE = {
    "empty": b"",
    "no archive": b"x" * 100,
    "cut in the directory": ONE[:-30],
    "cut in the data": ONE[:500],
    "only an end with a member": END + struct.pack("<4H2LH", 0, 0, 1, 1, 46, 0, 0),
    "end with 65535 members": patched(patched(ONE, END, 8, "<H", 65000), END, 10, "<H", 65000),
    "several parts": patched(ONE, END, 4, "<H", 1),
    "directory beyond the file": patched(ONE, END, 16, "<L", 0xFFFFFFF0),
    "directory of 4 GiB": patched(ONE, END, 12, "<L", 0xFFFFFFF0),
    "zip64 without its record": patched(ONE, END, 16, "<L", 0xFFFFFFFF),
    "encrypted": patched(ONE, ENTRY, 8, "<H", 1),
    "strong encryption": patched(ONE, ENTRY, 8, "<H", 0x41),
    "unknown method": patched(ONE, ENTRY, 10, "<H", 14),
    "name beyond the directory": patched(ONE, ENTRY, 28, "<H", 60_000),
    "name differs locally": patched(ONE, LOCAL, 30, "<B", 98),
    "local header elsewhere": patched(ONE, ENTRY, 42, "<L", 3),
    "local header beyond the file": patched(ONE, ENTRY, 42, "<L", 0x7FFFFFFF),
    "64-bit offset missing": patched(ONE, ENTRY, 42, "<L", 0xFFFFFFFF),
    "stored size beyond the file": patched(ONE, ENTRY, 20, "<L", 0x7FFFFFFF),
    "stored member of another size": patched(ONE, ENTRY, 24, "<L", 2000),
    "declared size beyond any ratio": patched(DEFLATED, ENTRY, 24, "<L", 0x7FFFFFFF),
    "declared size larger than its array": raw_archive(deflated(BODY), 0, len(BODY) + 1),
    "declared size smaller than its array": raw_archive(deflated(BODY), 0, len(BODY) - 1),
    "no deflated stream": raw_archive(b"\xff" * 3000, 0, len(BODY)),
    "stream that yields nothing": raw_archive(IDLE, 0, 1 << 20),
    "duplicate names": archive(("a.npy", BODY), ("a.npy", BODY)),
    "duplicate names but for the ending": archive(("a.npy", BODY), ("a", BODY)),
    "no npy inside": archive(("a.npy", BODY), ("readme.txt", b"hello")),
    "folder inside": archive(("a.npy", BODY), ("b/", b"")),
    "pickle inside": archive(("a.npy", member(np.array([{}], object)))),
    "name that is not UTF-8": patched(patched(ONE, ENTRY, 8, "<H", 0x800), ENTRY, 46, "<B", 0xFF),
    "header longer than its member": archive(("a.npy", BODY[:20])),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused(refused, case):
    refused(npz.load, HOSTILE[case])


def test_overlapping_members_are_refused(refused):
    data = archive(("a.npy", BODY), ("b.npy", BODY))
    second = data.rindex(ENTRY)
    forged = patched(data, ENTRY, 42, "<L", 0)
    forged = forged[: second + 46] + b"a" + forged[second + 47 :]
    assert "overlaps" in refused(npz.load, forged).reason


@pytest.mark.parametrize(
    "data",
    [
        patched(ONE, ENTRY, 16, "<L", 1),
        patched(DEFLATED, ENTRY, 16, "<L", 1),
        raw_archive(deflated(BODY[:-1]), 0, len(BODY)),
        raw_archive(deflated(BODY + b"x"), zlib.crc32(BODY), len(BODY)),
        raw_archive(deflated(BODY)[:-9], zlib.crc32(BODY), len(BODY)),
    ],
    ids=["sum stored", "sum deflated", "short", "long", "cut"],
)
def test_false_content_is_refused_when_it_is_read(source, values, data):
    with pytest.raises(FormatError, match="content"):
        values(npz.load(source(data))["a"])


def test_every_truncation_is_refused(refused):
    for size in range(0, len(DEFLATED), 31):
        refused(npz.load, DEFLATED[:size])
