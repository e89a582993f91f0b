"""GGUF, versions 2 and 3: typed metadata, tensor descriptions, then aligned data.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source

from .gguf_blocks import TensorType, lazy, tensor_type
from .gguf_writer import save
from .reading import Budget, sized

__all__ = ["load", "save"]

ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 20
MAX_DEPTH = 4
MAX_TENSOR_DIMENSIONS = 4
BUFFER = 256 << 10

_STRING, _ARRAY = 8, 9
_DTYPES = {
    0: "uint8", 1: "int8", 2: "uint16", 3: "int16", 4: "uint32", 5: "int32", 6: "float32",
    7: "bool", 10: "uint64", 11: "int64", 12: "float64",
}  # fmt: skip
_LENGTH = struct.Struct("<Q").unpack_from
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class _Info(NamedTuple):
    name: str
    kind: TensorType
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    at: int


def load(source: Source, *, return_metadata: bool = False) -> Any:
    """Return the tensors of a file by name, and with ``return_metadata`` its metadata.

    Metadata are str, scalar or one-dimensional ``HostTensor``, or lists of these. A Q4_0, Q4_1 or
    Q8_0 tensor ``x.weight`` becomes ``x.weight``, ``x.scales`` and ``x.biases``; other
    quantizations are dequantized.

    Raises:
      FormatError: The file is malformed, big-endian, or holds a tensor type that cannot be read.
    """
    cursor = _Cursor(source)
    tensors, pairs = _preamble(cursor)
    metadata: dict[str, Any] = {}
    alignment = ALIGNMENT
    for _ in range(pairs):
        at = cursor.at
        key = cursor.string("key")
        cursor.budget.take(300, at, "metadata")
        if key in metadata:
            raise cursor.fail(at, f"metadata {key!r}", "given twice")
        code = cursor.integer(4, f"type of metadata {key!r}")
        metadata[key] = cursor.value(code, f"metadata {key!r}")
        if key == "general.alignment":
            alignment = _alignment(cursor, at, code, metadata[key])
    infos = [_info(cursor) for _ in range(tensors)]
    start = -(-cursor.at // alignment) * alignment
    _check_layout(source, infos, start, alignment)
    arrays = _arrays(source, infos, start)
    return (arrays, metadata) if return_metadata else arrays


def _preamble(cursor: _Cursor) -> tuple[int, int]:
    """Check magic and version; return the numbers of tensors and of metadata."""
    magic = cursor.take(4, "magic")
    if magic != b"GGUF":
        raise cursor.fail(0, "magic", f"expected b'GGUF', got {magic!r}")
    version = cursor.integer(4, "version")
    if version not in (2, 3):
        big = version & 0xFFFF == 0
        got = "a big-endian file" if big else f"version {version}"
        raise cursor.fail(4, "version", f"expected 2 or 3, little-endian; got {got}")
    tensors, pairs = cursor.integer(8, "tensor count"), cursor.integer(8, "metadata count")
    # The shortest tensor description takes 24 bytes and the shortest metadata 13.
    cursor.counted(tensors, 24, 8, "tensor count")
    cursor.counted(pairs, 13, 16, "metadata count")
    return tensors, pairs


def _alignment(cursor: _Cursor, at: int, code: int, value: Any) -> int:
    number = int.from_bytes(value.data, "little") if code == 4 else 0
    if not 0 < number <= MAX_ALIGNMENT or number & (number - 1):
        got = number if code == 4 else f"a value of type {code}"
        reason = f"expected a uint32 power of two up to {MAX_ALIGNMENT}, got {got}"
        raise cursor.fail(at, "general.alignment", reason)
    return number


class _Cursor:
    """Reads a file from its start through a buffer, checking each length before it is used."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""
        self._start = 0
        self.at = 0
        self.budget = Budget(source)

    def fail(self, offset: int, field: str, reason: str) -> FormatError:
        """Return the error for a field at ``offset``."""
        return FormatError(self._source.path, offset, field, reason)

    def take(self, count: int, field: str) -> bytes:
        """Return the next ``count`` bytes."""
        begin = self.at - self._start
        if begin + count > len(self._buffer):
            remain = self._source.size - self.at
            if count > remain:
                raise self.fail(self.at, field, f"{count} bytes are needed and {remain} remain")
            self._buffer = self._source.pread(self.at, min(remain, max(count, BUFFER)))
            self._start, begin = self.at, 0
        self.at += count
        return self._buffer[begin : begin + count]

    def integer(self, width: int, field: str) -> int:
        """Return an unsigned integer of ``width`` bytes."""
        return int.from_bytes(self.take(width, field), "little")

    def counted(self, count: int, least: int, at: int, field: str) -> None:
        """Refuse a number of items, each of ``least`` bytes or more, that the file cannot hold."""
        remain = self._source.size - self.at
        if count > remain // least:
            reason = f"{count} of at least {least} bytes each, and {remain} bytes remain"
            raise self.fail(at, field, reason)

    def string(self, field: str) -> str:
        """Return a string, which must be UTF-8."""
        at = self.at
        length = self.integer(8, field)
        self.counted(length, 1, at, f"length of {field}")
        self.budget.take(64 + 2 * length, at, field)
        raw = self.take(length, field)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self.fail(at + 8 + error.start, field, f"not UTF-8: {error.reason}") from None

    def _strings(self, count: int, field: str) -> list[str]:
        """Return ``count`` strings; vocabularies have hundreds of thousands of them."""
        out: list[str] = []
        while len(out) < count:
            # One string the careful way, which refills the buffer; then those that lie in it whole.
            out.append(self.string(field))
            known, at = len(out), self.at
            out += self._buffered(count - known, field)
            self.budget.take(64 * (len(out) - known) + 2 * (self.at - at), at, field)
        return out

    def _buffered(self, most: int, field: str) -> list[str]:
        """Return up to ``most`` strings that the buffer holds whole."""
        out: list[str] = []
        buffer, at, end = self._buffer, self.at - self._start, len(self._buffer)
        try:
            while len(out) < most and at + 8 <= end:
                stop = at + 8 + _LENGTH(buffer, at)[0]
                if stop > end:
                    break
                out.append(buffer[at + 8 : stop].decode())
                at = stop
        except UnicodeDecodeError as error:
            where = self._start + at + 8 + error.start
            raise self.fail(where, field, f"not UTF-8: {error.reason}") from None
        self.at = self._start + at
        return out

    def value(self, code: int, field: str) -> Any:
        """Return a value of metadata of the type ``code``."""
        if code == _STRING:
            return self.string(field)
        if code == _ARRAY:
            return self._array(field)
        return self._numbers(code, None, field)

    def _numbers(self, code: int, count: int | None, field: str) -> HostTensor:
        """Return a scalar, or ``count`` numbers."""
        at = self.at
        dtype = _DTYPES.get(code)
        if dtype is None:
            raise self.fail(at, field, f"unknown type {code}")
        nbytes = (1 if count is None else count) * _WIDTHS[code]
        self.counted(nbytes, 1, at, field)
        self.budget.take(250 + 2 * nbytes, at, field)
        data = self.take(nbytes, field)
        if dtype == "bool" and data.translate(None, b"\x00\x01"):
            raise self.fail(at, field, "a bool other than 0 or 1")
        return HostTensor(() if count is None else (count,), dtype, data)

    def _array(self, field: str) -> Any:
        """Return an array: numbers, strings, or arrays again, without recursion."""
        root: list[Any] = []
        unfilled = [(root, 1)]
        while unfilled:
            out, wanted = unfilled[-1]
            if len(out) == wanted:
                unfilled.pop()
                continue
            at = self.at
            code, count = self.integer(4, field), self.integer(8, field)
            if code == _ARRAY:
                if len(unfilled) == MAX_DEPTH:
                    raise self.fail(at, field, f"arrays nest deeper than {MAX_DEPTH}")
                self.counted(count, 12, at, field)
                self.budget.take(120, at, field)
                child: list[Any] = []
                out.append(child)
                unfilled.append((child, count))
            elif code == _STRING:
                self.counted(count, 8, at, field)
                out.append(self._strings(count, field))
            else:
                out.append(self._numbers(code, count, field))
        return root[0]


def _info(cursor: _Cursor) -> _Info:
    at = cursor.at
    name = cursor.string("name of a tensor")
    cursor.budget.take(1500, at, "tensors")
    field = f"tensor {name!r}"
    rank = cursor.integer(4, f"{field}: dimensions")
    if rank > MAX_TENSOR_DIMENSIONS:
        reason = f"{rank} dimensions; at most {MAX_TENSOR_DIMENSIONS} are possible"
        raise cursor.fail(at, field, reason)
    dims = struct.unpack(f"<{rank}Q", cursor.take(8 * rank, f"{field}: dimensions"))
    code, offset = cursor.integer(4, f"{field}: type"), cursor.integer(8, f"{field}: offset")
    kind = tensor_type(code)
    if kind is None:
        raise cursor.fail(at, f"{field}: type", f"type {code} is unknown or was removed")
    shape = tuple(reversed(dims))
    # Checked as if a block took 8 bytes an element, which no type exceeds.
    sized(shape, 8, at, field, cursor.fail)
    elements = sized(shape, 1, at, field, cursor.fail)
    if kind.block > 1 and (not shape or shape[-1] % kind.block):
        reason = f"{list(shape)} as {kind.name}, whose rows are multiples of {kind.block}"
        raise cursor.fail(at, f"{field}: shape", reason)
    return _Info(name, kind, shape, offset, elements // kind.block * kind.size, at)


def _check_layout(source: Source, infos: list[_Info], start: int, alignment: int) -> None:
    end, before, room = 0, "", source.size - start
    for info in sorted(infos, key=lambda i: (i.offset, i.nbytes)):
        reason = ""
        if info.offset % alignment:
            reason = f"{info.offset} is no multiple of the alignment, {alignment}"
        elif info.nbytes and info.offset < end:
            reason = f"{info.offset} overlaps tensor {before!r}, which ends at {end}"
        elif info.nbytes and info.nbytes > room - info.offset:
            reason = f"{info.nbytes} bytes at {info.offset} of {max(0, room)} bytes of data"
        if reason:
            raise FormatError(source.path, info.at, f"tensor {info.name!r}: offset", reason)
        if info.nbytes:
            end, before = info.offset + info.nbytes, info.name


def _arrays(source: Source, infos: list[_Info], start: int) -> dict[str, LazyTensor]:
    arrays: dict[str, LazyTensor] = {}
    for info in infos:
        made = lazy(source, info.name, info.kind, info.shape, start + info.offset, info.nbytes)
        for name, tensor in made.items():
            if name in arrays:
                raise FormatError(source.path, info.at, f"tensor {name!r}", "given twice")
            arrays[name] = tensor
    return arrays
