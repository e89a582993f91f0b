"""safetensors: a JSON header of names, dtypes, shapes and offsets, then the data.

The header is read by a parser of its one possible form instead of a JSON parser: nothing nests, so
nothing recurses, and no object is built that is not kept.

Source: https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source

from .reading import ITEM_SIZES, MAX_DIMENSIONS, Budget, Plain, sized, write_all, write_tensor

__all__ = ["load", "save"]

# The limit of the format's own library.
MAX_HEADER = 100_000_000
MAX_STRING = 16 << 20

_CODES = {
    "bool": "BOOL", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "complex64": "C64",
}  # fmt: skip
# monel has no 8-bit floats: their bytes are handed over, as in MLX.
_F8 = ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
_NAMES = {code: name for name, code in _CODES.items()} | dict.fromkeys(_F8, "uint8")

_STRING = re.compile(rb'[ \t\n\r]*+"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrtu])*+)"')
_MARK = re.compile(rb"[ \t\n\r]*+([{}:,]|null)")
_SPACE = re.compile(rb"[ \t\n\r]*")
# Possessive, so that no text is tried in more than one way.
_INTEGER = rb"-?+(?:0|[1-9][0-9]{0,19}+)[ \t\n\r]*+"
_INTEGERS = re.compile(
    rb"[ \t\n\r]*+\[[ \t\n\r]*+((?:%b(?:,[ \t\n\r]*+%b){0,%d}+)?+)\]"
    % (_INTEGER, _INTEGER, MAX_DIMENSIONS - 1)
)


class _Entry(NamedTuple):
    name: str
    dtype_name: str
    shape: tuple[int, ...]
    begin: int
    end: int
    offset: int


def load(source: Source, *, return_metadata: bool = False, strict: bool = True) -> Any:
    """Return the tensors of a file by name, and with ``return_metadata`` its map of strings.

    F8 dtypes are read as uint8.

    Args:
      source: The file.
      return_metadata: Return a pair of the tensors and the metadata.
      strict: Refuse bytes after the last tensor, which a few files in the wild have.
    Raises:
      FormatError: The header is malformed, or the tensors do not cover the data exactly.
    """
    if source.size < 8:
        raise FormatError(source.path, 0, "header length", f"the file has {source.size} bytes")
    length = int.from_bytes(source.pread(0, 8), "little")
    limit = min(MAX_HEADER, source.size - 8)
    if not 2 <= length <= limit:
        reason = f"{length} bytes, where 2 to {limit} are possible"
        raise FormatError(source.path, 0, "header length", reason)
    parser = _Parser(source, length)
    parser.run()
    data = 8 + length
    _check_layout(source, parser.entries, data, strict)
    arrays = {
        entry.name: LazyTensor(
            entry.shape, entry.dtype_name, Plain(source, data + entry.begin, entry.dtype_name)
        )
        for entry in parser.entries
    }
    return (arrays, parser.metadata) if return_metadata else arrays


class _Parser:
    """Reads the header from left to right; every step either advances or raises."""

    def __init__(self, source: Source, length: int) -> None:
        self._source = source
        self._text = source.pread(8, length)
        self._at = 0
        self._budget = Budget(source)
        self._seen: set[str] = set()
        self.entries: list[_Entry] = []
        self.metadata: dict[str, str] = {}

    def fail(self, offset: int, field: str, reason: str) -> FormatError:
        """Return the error for a position in the header."""
        return FormatError(self._source.path, 8 + offset, field, reason)

    def run(self) -> None:
        """Parse the whole header into ``entries`` and ``metadata``."""
        if self._text[:1] != b"{":
            raise self.fail(0, "header", "expected a JSON object")
        self._mark(b"{")
        more = not self._take(b"}")
        while more:
            offset, name = self._at, self._string("name of a tensor")
            self._budget.take(600 + 2 * len(name), 8 + offset, "header")
            if name in self._seen:
                raise self.fail(offset, f"tensor {name!r}", "given twice")
            self._seen.add(name)
            self._mark(b":")
            if name == "__metadata__":
                self._read_metadata()
            else:
                self.entries.append(self._entry(name, offset))
            more = self._mark(b",", b"}") == b","
        end = _SPACE.match(self._text, self._at)
        if end is None or end.end() != len(self._text):
            raise self.fail(self._at, "header", "bytes after the JSON object")

    def _read_metadata(self) -> None:
        if self._mark(b"{", b"null", field="__metadata__") == b"null" or self._take(b"}"):
            return
        more = True
        while more:
            offset, key = self._at, self._string("key in __metadata__")
            self._mark(b":", field="__metadata__")
            value = self._string(f"__metadata__[{key!r}]")
            self._budget.take(320 + 4 * (len(key) + len(value)), 8 + offset, "__metadata__")
            if key in self.metadata:
                raise self.fail(offset, f"__metadata__[{key!r}]", "given twice")
            self.metadata[key] = value
            more = self._mark(b",", b"}", field="__metadata__") == b","

    def _entry(self, name: str, offset: int) -> _Entry:
        field = f"tensor {name!r}"
        self._mark(b"{", field=field)
        values: dict[str, Any] = {}
        while len(values) < 3:
            if values:
                self._mark(b",", field=field)
            key = self._string(field)
            if key not in ("dtype", "shape", "data_offsets") or key in values:
                raise self.fail(
                    offset, field, f"unexpected {key!r}; it has dtype, shape, data_offsets"
                )
            self._mark(b":", field=field)
            part = f"{field}: {key}"
            values[key] = self._string(part) if key == "dtype" else self._integers(part)
        self._mark(b"}", field=field)
        return self._checked(name, offset, values)

    def _checked(self, name: str, offset: int, values: dict[str, Any]) -> _Entry:
        field = f"tensor {name!r}"
        dtype = _NAMES.get(values["dtype"])
        if dtype is None:
            raise self.fail(
                offset, f"{field}: dtype", f"monel has no dtype for {values['dtype']!r}"
            )
        shape, offsets = values["shape"], values["data_offsets"]
        nbytes = sized(shape, ITEM_SIZES[dtype], offset, f"{field}: shape", self.fail)
        if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1] < 1 << 63:
            reason = f"expected two rising offsets below 2**63, got {list(offsets)}"
            raise self.fail(offset, f"{field}: data_offsets", reason)
        if offsets[1] - offsets[0] != nbytes:
            reason = f"{offsets[1] - offsets[0]} bytes for {dtype}{list(shape)}, {nbytes} bytes"
            raise self.fail(offset, f"{field}: data_offsets", reason)
        return _Entry(name, dtype, shape, offsets[0], offsets[1], 8 + offset)

    def _mark(self, *wanted: bytes, field: str = "header") -> bytes:
        found = _MARK.match(self._text, self._at)
        if found is None or found[1] not in wanted:
            got = self._text[self._at : self._at + 20]
            expected = " or ".join(word.decode() for word in wanted)
            raise self.fail(self._at, field, f"expected {expected}, got {got!r}")
        self._at = found.end()
        return found[1]

    def _take(self, mark: bytes) -> bool:
        found = _MARK.match(self._text, self._at)
        if found is None or found[1] != mark:
            return False
        self._at = found.end()
        return True

    def _string(self, field: str) -> str:
        found = _STRING.match(self._text, self._at, self._at + MAX_STRING)
        if found is None:
            got = self._text[self._at : self._at + 20]
            raise self.fail(
                self._at, field, f"expected a string below {MAX_STRING >> 20} MiB, got {got!r}"
            )
        raw, offset = found[1], self._at
        self._at = found.end()
        # Decoded text takes up to four bytes a character.
        self._budget.take(0 if len(raw) < 1 << 16 else 5 * len(raw), 8 + offset, field)
        try:
            text = raw.decode()
            return str(json.loads(f'"{text}"')) if "\\" in text else text
        except ValueError:
            raise self.fail(offset, field, "a string that is not valid UTF-8 or JSON") from None

    def _integers(self, field: str) -> tuple[int, ...]:
        found = _INTEGERS.match(self._text, self._at)
        if found is None:
            got = self._text[self._at : self._at + 40]
            reason = f"expected a list of at most {MAX_DIMENSIONS} integers, got {got!r}"
            raise self.fail(self._at, field, reason)
        self._at = found.end()
        return tuple(int(part) for part in found[1].split(b",")) if found[1] else ()


def _check_layout(source: Source, entries: list[_Entry], data: int, strict: bool) -> None:
    """Make sure that the tensors lie one after another without overlap or hole."""
    end, total = 0, source.size - data
    for entry in sorted(entries, key=lambda e: (e.begin, e.end)):
        field = f"tensor {entry.name!r}: data_offsets"
        if entry.begin != end:
            kind = "overlaps the tensor before it" if entry.begin < end else "leaves a hole"
            reason = f"{kind}: it begins at {entry.begin}, where {end} is due"
            raise FormatError(source.path, entry.offset, field, reason)
        end = entry.end
        if end > total:
            reason = f"it ends at {end} of {total} bytes of data"
            raise FormatError(source.path, entry.offset, field, reason)
    if strict and end != total:
        reason = f"{total - end} bytes follow the last tensor; strict=False reads such a file"
        raise FormatError(source.path, data + end, "data", reason)


def save(
    target: BinaryIO,
    arrays: Mapping[str, HostTensor],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write ``arrays``, larger items first and then by name, so that each lies aligned.

    Args:
      target: Binary file.
      arrays: Names to arrays.
      metadata: A map of strings, kept in the header.
    Raises:
      ValueError: A name or metadata cannot be written.
    """
    _check_names(arrays, metadata or {})
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    order = sorted(arrays, key=lambda name: (-ITEM_SIZES[arrays[name].dtype_name], name))
    position = 0
    for name in order:
        tensor = arrays[name]
        end = position + sized(tensor.shape, ITEM_SIZES[tensor.dtype_name], 0, name, _too_large)
        header[name] = {
            "dtype": _CODES[tensor.dtype_name],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    if len(text) > MAX_HEADER:
        raise ValueError(f"save_safetensors: a header of {len(text)} bytes; at most {MAX_HEADER}")
    write_all(target, len(text).to_bytes(8, "little") + text)
    for name in order:
        write_tensor(target, name, arrays[name])


def _check_names(arrays: Mapping[str, HostTensor], metadata: Mapping[str, str]) -> None:
    if "__metadata__" in arrays:
        raise ValueError("save_safetensors: no array can be named '__metadata__'")
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(
                f"save_safetensors: metadata must be a dictionary with string keys and values, "
                f"got {key!r}: {value!r}"
            )
    for text in (*arrays, *metadata, *metadata.values()):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"save_safetensors: {text!r} cannot be written as UTF-8") from None


def _too_large(offset: int, field: str, reason: str) -> FormatError:
    return FormatError(None, offset, f"tensor {field!r}", reason)
