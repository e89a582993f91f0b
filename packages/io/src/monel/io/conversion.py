"""Conversion of a file of arrays into another one, holding a few MiB of it at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monel.core.plugin import (
    Format,
    HostTensor,
    LazyTensor,
    Progress,
    dtype_named,
    format_for_path,
    open_target,
)

from .gguf_blocks import GROUP, QUANTIZED, parts_of
from .gguf_packing import BlockTensor, quantized, regrouped
from .inspection import open_file
from .reading import CHUNK

__all__ = ["DTYPES", "QUANTIZATIONS", "convert"]

DTYPES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64"}
QUANTIZATIONS = {kind.name.lower(): kind for kind in QUANTIZED.values()}
_NEXT = {"float16": "bf16", "bfloat16": "f32", "float32": "f64"}

Tensor = HostTensor | BlockTensor


def convert(
    path: str,
    out: str,
    name: str | None = None,
    *,
    dtype: str | None = None,
    quantize: str | None = None,
) -> None:
    """Write the arrays and metadata of the file ``path`` to ``out``, whose extension says how.

    Args:
      path: The file to read.
      out: The file to write; it is replaced as a whole at the end, and may be ``path`` itself.
      name: The format of ``path``, where its extension and first bytes do not say.
      dtype: Cast floating arrays: ``"f16"``, ``"bf16"``, ``"f32"`` or ``"f64"``.
      quantize: Quantize floating arrays of two or more axes whose last is a multiple of 32:
        ``"q4_0"``, ``"q4_1"`` or ``"q8_0"``. Other formats than GGUF get them as words, scales and
        biases, which is how ``mx.load`` reads them from GGUF.
    Raises:
      FormatError: The file is malformed.
      ValueError: The other format cannot hold an array, or ``dtype`` not a value.
    """
    target = format_for_path("convert", out)
    opened = open_file(path, name, "convert")
    tensors = converted(opened.tensors, target, dtype, quantize)
    options: dict[str, Any] = {}
    if target.metadata:
        options["metadata"] = _metadata(opened.metadata, target)
    elif opened.metadata:
        _note(f"{target.name} has no metadata: left out {_listed(opened.metadata)}")
    bar = None
    if sys.stderr.isatty():
        total = sum(tensor.nbytes for tensor in tensors.values())
        bar = Progress(f"convert {os.path.basename(path)}", total)
        tensors = {key: _counted(tensor, bar) for key, tensor in tensors.items()}
    try:
        _write(target, out, tensors, options)
    finally:
        if bar is not None:
            bar.close()


def converted(
    tensors: Mapping[str, LazyTensor], target: Format, dtype: str | None, quantize: str | None
) -> dict[str, Tensor]:
    """Return what is to be written for each array."""
    kept = _quantized_already(tensors)
    found: dict[str, Tensor] = {}
    done = 0
    for name, tensor in tensors.items():
        floating = tensor.dtype_name in DTYPES.values() and name not in kept
        if quantize and floating and len(tensor.shape) > 1 and tensor.shape[-1] % GROUP == 0:
            made = quantized(QUANTIZATIONS[quantize], tensor.shape, _floats(tensor))
            found |= {name: made} if target.name == "gguf" else _spread(name, made)
            done += 1
        else:
            wanted = DTYPES[dtype] if dtype and floating else tensor.dtype_name
            found[name] = HostTensor(tensor.shape, wanted, _cast(name, tensor, wanted))
    if quantize:
        _note(f"{done} of {len(tensors)} arrays quantized to {quantize}")
    return found


def _quantized_already(tensors: Mapping[str, LazyTensor]) -> set[str]:
    """Return the names of the scales and biases of packed words, which belong to these."""
    stems = [
        name.removesuffix(".weight") for name, t in tensors.items() if t.dtype_name == "uint32"
    ]
    return {f"{stem}.{part}" for stem in stems for part in ("scales", "biases")}


def _cast(name: str, tensor: LazyTensor, wanted: str) -> Callable[[], Iterator[memoryview]]:
    """Return what yields the elements in the dtype ``wanted``."""
    if wanted == tensor.dtype_name:
        return tensor.pieces

    def pieces() -> Iterator[memoryview]:
        import numpy as np

        for piece in tensor.pieces():
            values = np.frombuffer(piece, dtype_named(tensor.dtype_name).numpy)
            with np.errstate(over="ignore", invalid="ignore"):
                cast = values.astype(dtype_named(wanted).numpy)
            if not np.array_equal(np.isinf(cast), np.isinf(values)):
                raise ValueError(
                    f"{name!r} has values beyond {wanted}; try --dtype {_NEXT[wanted]}"
                )
            yield cast.view(np.uint8).data

    return pieces


def _floats(tensor: LazyTensor) -> Callable[[], Iterator[Any]]:
    """Return what yields the elements as float32, in runs of whole groups."""

    def floats() -> Iterator[Any]:
        import numpy as np

        dtype = dtype_named(tensor.dtype_name)
        for piece in regrouped(tensor.pieces(), CHUNK):
            yield np.frombuffer(piece, dtype.numpy).astype(np.float32)

    return floats


def _spread(name: str, blocks: BlockTensor) -> dict[str, HostTensor]:
    """Return a tensor of blocks as words, scales and biases."""

    def pieces(convert: Callable[..., Any]) -> Callable[[], Iterator[memoryview]]:
        def made() -> Iterator[memoryview]:
            import numpy as np

            size = blocks.kind.size
            for piece in regrouped(blocks.pieces(), CHUNK // size * size):
                rows = convert(np.frombuffer(piece, np.uint8).reshape(-1, size), blocks.kind)
                yield np.ascontiguousarray(rows).view(np.uint8).reshape(-1).data

        return made

    return {
        part: HostTensor(shape, dtype, pieces(convert))
        for part, (shape, dtype, convert) in parts_of(name, blocks.kind, blocks.shape).items()
    }


def _counted(tensor: Tensor, bar: Progress) -> Tensor:
    """Return ``tensor`` with pieces that move the bar."""
    inner = tensor.pieces

    def pieces() -> Iterator[memoryview]:
        for piece in inner():
            yield piece
            bar.advance(piece.nbytes)

    if isinstance(tensor, BlockTensor):
        return BlockTensor(tensor.kind, tensor.shape, pieces)
    return HostTensor(tensor.shape, tensor.dtype_name, pieces)


def _metadata(metadata: Mapping[str, Any], target: Format) -> dict[str, Any]:
    """Return the metadata that the other format holds: GGUF all of it, others text."""
    if target.name == "gguf":
        return dict(metadata)
    kept = {key: value for key, value in metadata.items() if isinstance(value, str)}
    if len(kept) < len(metadata):
        rest = [key for key in metadata if key not in kept]
        _note(f"{target.name} has metadata of text only: left out {_listed(rest)}")
    return kept


def _write(
    target: Format, out: str, tensors: Mapping[str, Tensor], options: dict[str, Any]
) -> None:
    save: Callable[..., None] = target.save  # type: ignore[assignment]
    if target.several:
        save(out, tensors, **options)
        return
    given: Any = tensors
    if target.single:
        if len(tensors) != 1:
            raise ValueError(f"{target.name} holds one array, and there are {len(tensors)}")
        (given,) = tensors.values()
    with open_target(out, "convert") as file:
        save(file, given, **options)


def _note(text: str) -> None:
    print(f"convert: {text}", file=sys.stderr)


def _listed(keys: Any, most: int = 5) -> str:
    names = [repr(key) for key in keys]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
