"""safetensors: a JSON header of names, dtypes, shapes and offsets, then the data.

Source: https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source

from .json_text import JsonText
from .reading import ITEM_SIZES, Budget, Plain, sized, write_all, write_tensor

__all__ = ["MAX_HEADER", "load", "read", "save"]

# The limit of the format's own library.
MAX_HEADER = 100_000_000

_CODES = {
    "bool": "BOOL", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "complex64": "C64",
}  # fmt: skip
# monel has no 8-bit floats: their bytes are handed over, as in MLX.
_F8 = ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
_NAMES = {code: name for name, code in _CODES.items()} | dict.fromkeys(_F8, "uint8")


class _Entry(NamedTuple):
    name: str
    dtype_name: str
    code: str
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
    arrays, metadata = read(source, Budget(source), strict)
    return (arrays, metadata) if return_metadata else arrays


def read(
    source: Source, budget: Budget, strict: bool
) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """Return tensors and metadata as ``load`` does, charging what they take to ``budget``."""
    if source.size < 8:
        raise FormatError(source.path, 0, "header length", f"the file has {source.size} bytes")
    length = int.from_bytes(source.pread(0, 8), "little")
    limit = min(MAX_HEADER, source.size - 8)
    if not 2 <= length <= limit:
        reason = f"{length} bytes, where 2 to {limit} are possible"
        raise FormatError(source.path, 0, "header length", reason)
    header = _Header(JsonText(source, 8, length, budget))
    header.run()
    data = 8 + length
    _check_layout(source, header.entries, data, strict)
    arrays = {
        entry.name: LazyTensor(
            entry.shape,
            entry.dtype_name,
            Plain(source, data + entry.begin, entry.dtype_name),
            entry.code if entry.code in _F8 else "",
        )
        for entry in header.entries
    }
    return arrays, header.metadata


class _Header:
    """Reads the header from left to right; every step either advances or raises."""

    def __init__(self, text: JsonText) -> None:
        self._text = text
        self.entries: list[_Entry] = []
        self.metadata: dict[str, str] = {}

    def run(self) -> None:
        """Parse the whole header into ``entries`` and ``metadata``."""
        text = self._text
        if not text.starts_with(b"{"):
            raise text.fail(0, "header", "expected a JSON object")
        for offset, name in text.members("tensor", 600):
            if name == "__metadata__":
                if not text.null():
                    self._read_metadata()
            else:
                self.entries.append(self._entry(name, offset))
        text.end()

    def _read_metadata(self) -> None:
        text = self._text
        for offset, key in text.members("__metadata__", 320):
            value = text.string(f"__metadata__[{key!r}]")
            text.charge(4 * len(value), offset, "__metadata__")
            self.metadata[key] = value

    def _entry(self, name: str, offset: int) -> _Entry:
        text, field = self._text, f"tensor {name!r}"
        values: dict[str, Any] = {}
        for _, key in text.members(field):
            if key not in ("dtype", "shape", "data_offsets"):
                reason = f"unexpected {key!r}; it has dtype, shape, data_offsets"
                raise text.fail(offset, field, reason)
            part = f"{field}: {key}"
            values[key] = text.string(part) if key == "dtype" else text.integers(part)
        if len(values) < 3:
            raise text.fail(offset, field, f"it has only {', '.join(values) or 'nothing'}")
        return self._checked(name, offset, values)

    def _checked(self, name: str, offset: int, values: dict[str, Any]) -> _Entry:
        field = f"tensor {name!r}"
        dtype = _NAMES.get(values["dtype"])
        if dtype is None:
            raise self._text.fail(
                offset, f"{field}: dtype", f"monel has no dtype for {values['dtype']!r}"
            )
        shape, offsets = values["shape"], values["data_offsets"]
        nbytes = sized(shape, ITEM_SIZES[dtype], offset, f"{field}: shape", self._text.fail)
        if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1] < 1 << 63:
            reason = f"expected two rising offsets below 2**63, got {list(offsets)}"
            raise self._text.fail(offset, f"{field}: data_offsets", reason)
        if offsets[1] - offsets[0] != nbytes:
            reason = f"{offsets[1] - offsets[0]} bytes for {dtype}{list(shape)}, {nbytes} bytes"
            raise self._text.fail(offset, f"{field}: data_offsets", reason)
        begin, end = offsets
        return _Entry(name, dtype, values["dtype"], shape, begin, end, 8 + offset)


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
