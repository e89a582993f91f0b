"""Writing GGUF, version 3."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from monel.core.plugin import HostTensor

from .gguf_blocks import CODES
from .gguf_packing import BlockTensor, packed
from .reading import checked_pieces, write_all

__all__ = ["save"]

_TYPES = {
    "uint8": 0, "int8": 1, "uint16": 2, "int16": 3, "uint32": 4, "int32": 5, "float32": 6,
    "bool": 7, "uint64": 10, "int64": 11, "float64": 12,
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MAX_DEPTH = 4
_ALIGNMENT = 32


def save(
    target: BinaryIO,
    arrays: Mapping[str, HostTensor | BlockTensor],
    *,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write ``arrays`` and ``metadata``, both sorted by name.

    A quantized array, which is ``x.weight``, ``x.scales`` and ``x.biases``, becomes one tensor.

    Args:
      target: Binary file.
      arrays: Names to arrays of at most 4 dimensions, of a floating dtype or int8 to int64.
      metadata: Names to str, ``HostTensor`` of at most one dimension, or lists of these;
        ``general.alignment`` is obeyed.
    Raises:
      ValueError: A dtype, shape or value that GGUF cannot hold.
    """
    metadata, arrays = dict(sorted((metadata or {}).items())), packed(arrays)
    alignment = _alignment(metadata)
    header = [b"GGUF", struct.pack("<IQQ", 3, len(arrays), len(metadata))]
    for key, value in metadata.items():
        header += [_string(key, "metadata"), _typed(key, value)]
    names, offset = sorted(arrays), 0
    for name in names:
        tensor = arrays[name]
        code, nbytes = _check_tensor(name, tensor)
        rank = len(tensor.shape)
        fields = (rank, *reversed(tensor.shape), code, offset)
        header += [_string(name, "arrays"), struct.pack(f"<I{rank}QIQ", *fields)]
        offset += nbytes + -nbytes % alignment
    _pad(target, write_all(target, b"".join(header)), alignment)
    for name in names:
        tensor = arrays[name]
        if isinstance(tensor, BlockTensor):
            pieces = tensor.pieces()
        else:
            pieces = checked_pieces(name, tensor)
        _pad(target, sum(write_all(target, piece) for piece in pieces), alignment)


def _pad(target: BinaryIO, count: int, alignment: int) -> None:
    write_all(target, bytes(-count % alignment))


def _alignment(metadata: Mapping[str, Any]) -> int:
    value = metadata.get("general.alignment")
    if value is None:
        return _ALIGNMENT
    if isinstance(value, HostTensor) and (value.shape, value.dtype_name) == ((), "uint32"):
        number = int.from_bytes(value.data, "little")
        if 0 < number <= 1 << 20 and not number & (number - 1):
            return number
    raise ValueError(
        "save_gguf: general.alignment must be a uint32 scalar, a power of two up to 1048576"
    )


def _check_tensor(name: str, tensor: HostTensor | BlockTensor) -> tuple[int, int]:
    """Return type and bytes of a tensor that GGUF can hold."""
    if len(tensor.shape) > 4:
        raise ValueError(
            f"save_gguf: {name!r} has {len(tensor.shape)} dimensions, GGUF at most 4: reshape it"
        )
    if isinstance(tensor, BlockTensor):
        return tensor.kind.code, tensor.nbytes
    if tensor.dtype_name not in CODES:
        raise ValueError(
            f"save_gguf: {name!r} is {tensor.dtype_name}, which GGUF has no type for; "
            f"it has {', '.join(CODES)}: convert with astype"
        )
    return CODES[tensor.dtype_name], tensor.nbytes


def _string(text: str, field: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"save_gguf: {field}: expected a str, got {type(text).__name__}")
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"save_gguf: {text!r} cannot be written as UTF-8") from None
    return len(raw).to_bytes(8, "little") + raw


def _typed(key: str, value: Any) -> bytes:
    """Return the type and the bytes of a value of metadata."""
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value, key)
    if isinstance(value, HostTensor) and not value.shape:
        return struct.pack("<I", _number_type(key, value)) + bytes(value.data)
    return struct.pack("<I", _ARRAY) + _array(key, value, 1)


def _array(key: str, value: Any, depth: int) -> bytes:
    """Return element type, count and elements of an array."""
    if isinstance(value, HostTensor):
        if len(value.shape) != 1:
            raise ValueError(
                f"save_gguf: metadata {key!r} has shape {value.shape}; a scalar or one dimension "
                f"is possible"
            )
        return struct.pack("<IQ", _number_type(key, value), value.shape[0]) + bytes(value.data)
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"save_gguf: metadata {key!r} must be an array, a str or a list of str, "
            f"got {type(value).__name__}"
        )
    if all(isinstance(item, str) for item in value):
        strings = b"".join(_string(item, key) for item in value)
        return struct.pack("<IQ", _STRING, len(value)) + strings
    if depth == _MAX_DEPTH:
        raise ValueError(f"save_gguf: metadata {key!r} nests deeper than {_MAX_DEPTH} lists")
    parts = b"".join(_array(key, item, depth + 1) for item in value)
    return struct.pack("<IQ", _ARRAY, len(value)) + parts


def _number_type(key: str, value: HostTensor) -> int:
    code = _TYPES.get(value.dtype_name)
    if code is None:
        raise ValueError(
            f"save_gguf: metadata {key!r} is {value.dtype_name}, which GGUF metadata cannot hold; "
            f"it holds {', '.join(_TYPES)}"
        )
    return code
