"""NumPy's ``.npz``: a zip archive of ``.npy`` members, stored or deflated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import BinaryIO

from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source

from .npy import Header, read_header, tensor, write_header
from .reading import CHUNK, checked_pieces, write_all
from .zip import Content, Member, read_directory

__all__ = ["load", "save"]

# 1980-01-01, the first day that zip knows: the same arrays give the same bytes on any day.
_DATE = 33
_LARGE = 0xFFFFFFFF - (1 << 20)


def load(source: Source, *, return_metadata: bool = False) -> dict[str, LazyTensor]:
    """Return the arrays of an archive by name, without the ending ``.npy`` of their members.

    Raises:
      FormatError: The archive or a member is malformed, or two members have one name.
    """
    arrays: dict[str, LazyTensor] = {}
    for member in read_directory(source):
        name = member.name.removesuffix(".npy")
        if name in arrays:
            raise member.fail(0, "name", "given twice")
        arrays[name] = _lazy(member)
    return arrays


def _lazy(member: Member) -> LazyTensor:
    def fail(offset: int, field: str, reason: str) -> FormatError:
        return member.fail(offset, field, reason)

    header = read_header(member.prefix, member.size, fail)
    if header.start + header.nbytes != member.size:
        reason = f"{header.nbytes} bytes of data and {member.size - header.start} bytes declared"
        raise member.fail(0, "size", reason)
    return LazyTensor(header.shape, header.dtype_name, _MemberReader(member, header))


class _MemberReader:
    """Reader of a member: each call is a pass of its own over it, so it may be called again."""

    __slots__ = ("header", "member")

    def __init__(self, member: Member, header: Header) -> None:
        self.member, self.header = member, header

    def __call__(self, out: memoryview) -> None:
        tensor(Content(self.member), self.header).reader(out)

    def pieces(self, nbytes: int) -> Iterator[memoryview]:
        """Yield the elements in runs, but all at once where they are in Fortran order."""
        yield from tensor(Content(self.member), self.header).pieces()


def save(target: BinaryIO, arrays: Mapping[str, HostTensor], *, compressed: bool = False) -> None:
    """Write ``arrays`` sorted by name, each as the member ``name.npy``.

    Args:
      target: Seekable binary file, written from its present position.
      arrays: Names to arrays; names may hold any character.
      compressed: Deflate the members, else store them.
    Raises:
      ValueError: A name is longer than 65,000 bytes of UTF-8 or cannot be encoded.
    """
    writer = _Writer(target)
    for name in sorted(arrays):
        writer.add(name, arrays[name], compressed)
    writer.close()


class _Writer:
    """Writes members one after another, then the directory."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._base = target.tell()
        self._directory: list[bytes] = []
        self._position = 0

    def _write(self, data: bytes | memoryview) -> int:
        count = write_all(self._target, data)
        self._position += count
        return count

    def add(self, name: str, array: HostTensor, compressed: bool) -> None:
        """Write one member; the sum and the size go into its header once they are known."""
        raw = _encoded(name + ".npy")
        header = write_header(array)
        size, offset = len(header) + array.nbytes, self._position
        wide = size > _LARGE
        self._write(_local(raw, compressed, wide, 0, 0, 0))
        start, total = self._position, 0
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15) if compressed else None
        for part in chain([memoryview(header)], checked_pieces(name, array)):
            for at in range(0, part.nbytes, CHUNK):
                block = part[at : at + CHUNK]
                total = zlib.crc32(block, total)
                self._write(deflate.compress(block) if deflate else block)
        if deflate:
            self._write(deflate.flush())
        packed, end = self._position - start, self._position
        self._target.seek(self._base + offset)
        write_all(self._target, _local(raw, compressed, wide, total, packed, size))
        self._target.seek(self._base + end)
        self._directory.append(_entry(raw, compressed, total, packed, size, offset))

    def close(self) -> None:
        """Write the directory and the end record."""
        start = self._position
        for entry in self._directory:
            self._write(entry)
        self._write(_end(len(self._directory), self._position - start, start))


def _encoded(name: str) -> bytes:
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"savez: the name {name!r} cannot be written as UTF-8") from None
    if len(raw) > 65_000:
        raise ValueError(f"savez: a name of {len(raw)} bytes is too long; at most 65000")
    return raw


def _common(raw: bytes, compressed: bool, wide: bool) -> tuple[int, int, int, int, int]:
    """Version needed, flags (UTF-8 where the name needs it), method, time, date."""
    return 45 if wide else 20, 0 if raw.isascii() else 0x800, 8 if compressed else 0, 0, _DATE


def _local(raw: bytes, compressed: bool, wide: bool, crc: int, packed: int, size: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, size, packed) if wide else b""
    sizes = (0xFFFFFFFF, 0xFFFFFFFF) if wide else (packed, size)
    fields = (*_common(raw, compressed, wide), crc, *sizes, len(raw), len(extra))
    return struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + raw + extra


def _entry(raw: bytes, compressed: bool, crc: int, packed: int, size: int, offset: int) -> bytes:
    # The 64-bit extra field holds exactly the values that do not fit, in this order.
    narrow = [value if value <= _LARGE else 0xFFFFFFFF for value in (size, packed, offset)]
    large = [value for value in (size, packed, offset) if value > _LARGE]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    fields = (*_common(raw, compressed, bool(large)), crc, narrow[1], narrow[0])
    tail = (len(raw), len(extra), 0, 0, 0, 0o600 << 16, narrow[2])
    # 0x31E: made by version 3.0 on Unix, which is where the mode bits mean something.
    return struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0x31E, *fields, *tail) + raw + extra


def _end(count: int, size: int, start: int) -> bytes:
    wide = b""
    if count >= 0xFFFF or max(size, start) > _LARGE:
        end64 = (44, 45, 45, 0, 0, count, count, size, start)
        wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *end64)
        wide += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
    count, size, start = min(count, 0xFFFF), min(size, 0xFFFFFFFF), min(start, 0xFFFFFFFF)
    return wide + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, start, 0)
