"""The directory of a zip archive, and its members as bytes; only what ``.npz`` needs of zip.

The standard library's reader trusts declared sizes, accepts overlapping members and reads whole
directories; this one checks each range against the file first and reads members by position.

Source: APPNOTE.TXT 6.3.10, "ZIP File Format Specification".
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from monel.core.plugin import FormatError, Source

from .reading import CHUNK, Budget

__all__ = ["Content", "Member", "read_directory"]

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

# A deflated stream grows by at most 1032 on inflation; anything beyond is a false size.
MAX_RATIO = 1032
BLOCK = 32 << 10
# Compressed bytes in a row that may yield nothing: a stream of empty blocks is no data.
MAX_IDLE = 1 << 20


class _End(NamedTuple):
    members: int
    size: int
    offset: int
    limit: int


def read_directory(source: Source) -> list[Member]:
    """Return the members of the archive in the order of its directory.

    Raises:
      FormatError: The archive is truncated, encrypted, split, or its members overlap.
    """
    end = _find_end(source)
    if end.size > end.limit - end.offset or end.offset > end.limit:
        reason = f"{end.size} bytes at {end.offset}, beyond its own end record at {end.limit}"
        raise FormatError(source.path, end.limit, "directory", reason)
    budget = Budget(source)
    budget.take(end.size, end.offset, "directory")
    if end.members > end.size // _ENTRY.size:
        reason = f"{end.members} members do not fit into {end.size} bytes"
        raise FormatError(source.path, end.limit, "directory", reason)
    data = source.pread(end.offset, end.size)
    members, at = [], 0
    for _ in range(end.members):
        budget.take(600, end.offset + at, "directory")
        member, at = _entry(source, data, at, end.offset)
        members.append(member)
    _check_overlap(source, members, end.offset)
    return members


def _find_end(source: Source) -> _End:
    start = max(0, source.size - _END.size - 0xFFFF)
    tail = source.pread(start, source.size - start)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            _, disk, other, here, count, size, offset, note = _END.unpack_from(tail, at)
            if at + _END.size + note == len(tail):
                break
        at = tail.rfind(b"PK\x05\x06", 0, at)
    else:
        raise FormatError(source.path, start, "end record", "no zip directory: a truncated file?")
    limit = start + at
    if disk or other or here != count:
        raise FormatError(source.path, limit, "end record", "an archive of several parts")
    if count == 0xFFFF or 0xFFFFFFFF in (size, offset):
        return _find_end64(source, limit)
    return _End(count, size, offset, limit)


def _find_end64(source: Source, limit: int) -> _End:
    at = limit - _LOCATOR.size
    if at < 0:
        raise FormatError(source.path, limit, "zip64 locator", "missing")
    mark, _, offset, _ = _LOCATOR.unpack(source.pread(at, _LOCATOR.size))
    if mark != b"PK\x06\x07" or offset > at - _END64.size:
        raise FormatError(source.path, at, "zip64 locator", "missing or beyond the file")
    mark, _, _, _, disk, other, here, count, size, start = _END64.unpack(
        source.pread(offset, _END64.size)
    )
    if mark != b"PK\x06\x06" or disk or other or here != count:
        raise FormatError(source.path, offset, "zip64 end record", "malformed, or several parts")
    return _End(count, size, start, offset)


def _entry(source: Source, data: bytes, at: int, base: int) -> tuple[Member, int]:
    """Parse the directory entry at ``at`` and return its member and the next position."""

    def fail(field: str, reason: str) -> FormatError:
        return FormatError(source.path, base + at, field, reason)

    if at + _ENTRY.size > len(data):
        raise fail("directory", "it ends within an entry")
    fields = _ENTRY.unpack_from(data, at)
    mark, flags, method, crc = fields[0], fields[3], fields[4], fields[7]
    packed, size, name_size, extra_size, note_size, offset = *fields[8:13], fields[16]
    end = at + _ENTRY.size + name_size + extra_size + note_size
    if mark != b"PK\x01\x02" or end > len(data):
        raise fail("directory", "malformed entry")
    raw = data[at + _ENTRY.size :][:name_size]
    try:
        name = raw.decode("utf-8" if flags & 0x800 else "cp437")
    except UnicodeDecodeError:
        raise fail("member name", f"{raw[:40]!r} is not UTF-8") from None
    if flags & 0x2041:
        raise fail(f"member {name!r}", "it is encrypted")
    if method not in (0, 8):
        raise fail(f"member {name!r}", f"compression method {method}; 0 and 8 are read")
    extra = data[end - note_size - extra_size : end - note_size]
    wide = [value == 0xFFFFFFFF for value in (size, packed, offset)]
    if any(wide):
        values = _zip64(extra)
        if len(values) < sum(wide):
            raise fail(f"member {name!r}", "its 64-bit sizes are missing")
        narrow = zip(wide, (size, packed, offset), strict=True)
        size, packed, offset = (values.pop(0) if is_wide else value for is_wide, value in narrow)
    return Member(source, name, raw, method == 8, crc, packed, size, offset), end


def _zip64(extra: bytes) -> list[int]:
    """Return the 64-bit values of an entry's extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + min(size, 24)]
            return [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
        at += 4 + size
    return []


def _check_overlap(source: Source, members: list[Member], limit: int) -> None:
    end, before = 0, ""
    for member in sorted(members, key=lambda m: m.offset):
        member.locate(limit)
        if member.offset < end:
            reason = f"it overlaps member {before!r}"
            raise FormatError(source.path, member.offset, f"member {member.name!r}", reason)
        end, before = member.start + member.packed, member.name


class Member:
    """One file of an archive, its sizes checked against the archive and each other.

    Attributes:
      name: Its name; never used as a path.
      deflated: Whether it is compressed.
      crc: CRC-32 of its content, as the directory declares.
      packed: Bytes that it takes in the archive.
      size: Bytes of its content, as the directory declares.
      offset: Position of its local header.
      start: Position of its stored bytes.
    """

    __slots__ = (
        "_raw_name", "crc", "deflated", "name", "offset", "packed", "size", "source", "start",
    )  # fmt: skip

    def __init__(
        self,
        source: Source,
        name: str,
        raw_name: bytes,
        deflated: bool,
        crc: int,
        packed: int,
        size: int,
        offset: int,
    ) -> None:
        self.source, self.name, self._raw_name = source, name, raw_name
        self.deflated, self.crc = deflated, crc
        self.packed, self.size, self.offset, self.start = packed, size, offset, offset

    def fail(self, offset: int, field: str, reason: str) -> FormatError:
        """Return the error for a field of this member, ``offset`` bytes into its stored bytes."""
        return FormatError(
            self.source.path, self.start + offset, f"member {self.name!r}: {field}", reason
        )

    def locate(self, limit: int) -> None:
        """Find where the stored bytes begin, and check that they end before ``limit``."""
        if self.offset > limit - _LOCAL.size:
            self.start, reason = limit, f"declared at {self.offset}, beyond the members' end"
            raise self.fail(0, "local header", reason)
        fields = _LOCAL.unpack(self.source.pread(self.offset, _LOCAL.size))
        start = self.offset + _LOCAL.size + fields[9] + fields[10]
        if fields[0] != b"PK\x03\x04" or start > limit:
            raise self.fail(0, "local header", "malformed")
        if self.source.pread(self.offset + _LOCAL.size, fields[9]) != self._raw_name:
            raise self.fail(0, "local header", "its name differs from that in the directory")
        if self.packed > limit - start:
            raise self.fail(0, "size", f"{self.packed} bytes, beyond the members' end")
        self.start = start
        largest = self.packed * MAX_RATIO if self.deflated else self.packed
        if self.size > largest or (not self.deflated and self.size != self.packed):
            reason = f"{self.packed} stored bytes cannot be {self.size} bytes of content"
            raise self.fail(0, "size", reason)

    def prefix(self, count: int) -> bytes:
        """Return the first ``count`` bytes of the content, or all of it if it is shorter."""
        data = bytearray(min(count, self.size))
        Content(self).preadinto(0, memoryview(data))
        return bytes(data)


class Content:
    """One pass over the content of a member, from its start to its end.

    The sum and the true size are checked as soon as the last declared byte has been read.
    """

    __slots__ = ("_inflate", "_member", "_pending", "_position", "_sum", "_taken")

    def __init__(self, member: Member) -> None:
        self._member = member
        self._inflate = zlib.decompressobj(-15) if member.deflated else None
        self._pending = b""
        self._position = self._taken = self._sum = 0

    def preadinto(self, offset: int, out: memoryview) -> None:
        """Fill ``out`` from ``offset``, which is never before the end of the last read."""
        size = self._member.size
        if offset < self._position or out.nbytes > size - offset:
            raise self._member.fail(
                0, "content", f"bytes {offset} to {offset + out.nbytes} of {size} are out of reach"
            )
        while self._position < offset:
            self._read(memoryview(bytearray(min(CHUNK, offset - self._position))))
        self._read(out)
        if self._position == size:
            self._finish()

    def _read(self, out: memoryview) -> None:
        done = 0
        while done < out.nbytes:
            part = self._some(out[done : done + CHUNK])
            self._sum = zlib.crc32(part, self._sum)
            done += part.nbytes
        self._position += done

    def _some(self, part: memoryview) -> memoryview:
        """Fill the start of ``part``, at least one byte of it, and return what was filled."""
        member = self._member
        if self._inflate is None:
            member.source.preadinto(member.start + self._taken, part)
            self._taken += part.nbytes
            return part
        data = self._inflated(part.nbytes)
        if not data:
            raise member.fail(self._taken, "content", "it is shorter than declared")
        part = part[: len(data)]
        part[:] = data
        return part

    def _inflated(self, most: int) -> bytes:
        """Inflate up to ``most`` bytes; none at the end of the stream."""
        member, inflate, idle = self._member, self._inflate, 0
        while inflate is not None and not inflate.eof:
            if not self._pending:
                step = min(BLOCK, member.packed - self._taken)
                self._pending = member.source.pread(member.start + self._taken, step)
                self._taken += step
                idle += step
            ended = not self._pending
            try:
                data = inflate.decompress(self._pending, most)
            except zlib.error as error:
                raise member.fail(self._taken, "content", f"not deflated: {error}") from None
            self._pending = inflate.unconsumed_tail
            if data or ended:
                return data
            if idle > MAX_IDLE:
                raise member.fail(self._taken, "content", f"{idle} bytes inflate to nothing")
        return b""

    def _finish(self) -> None:
        member = self._member
        if self._inflate is not None and self._inflated(1):
            raise member.fail(self._taken, "content", "it is longer than declared")
        if self._sum != member.crc:
            raise member.fail(
                0, "content", f"its CRC-32 is {self._sum:08x}, declared as {member.crc:08x}"
            )
