"""Tensor types of GGUF: plain ones, those that become packed quantized arrays, and the rest.

Q4_0, Q4_1 and Q8_0 become what ``mx.dequantize`` takes with groups of 32: ``uint32`` words,
``float16`` scales and biases. All other quantizations are dequantized by the gguf package when they
are read, to float16; MXFP4, whose scales leave float16, to bfloat16, which holds it exactly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from monel.core.plugin import LazyTensor, Source

from .reading import CHUNK, ITEM_SIZES, Plain

__all__ = ["CODES", "GROUP", "PLAIN", "QUANTIZED", "TensorType", "lazy", "parts_of", "tensor_type"]

PLAIN = {
    0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64",
    28: "float64", 30: "bfloat16",
}  # fmt: skip
CODES = {name: code for code, name in PLAIN.items()}

_MXFP4 = 39
GROUP = 32


class TensorType(NamedTuple):
    """How a tensor type is stored: ``block`` elements take ``size`` bytes."""

    code: int
    name: str
    block: int
    size: int


# Takes blocks as uint8 of shape (n, bytes of one) and their type; returns an array of n rows.
Convert: TypeAlias = Callable[[Any, TensorType], Any]

QUANTIZED = {
    2: TensorType(2, "Q4_0", GROUP, 18),
    3: TensorType(3, "Q4_1", GROUP, 20),
    8: TensorType(8, "Q8_0", GROUP, 34),
}


@functools.cache
def tensor_type(code: int) -> TensorType | None:
    """Return the type of a code, or ``None`` where it is unknown, removed, or cannot be decoded."""
    if code in PLAIN:
        return TensorType(code, PLAIN[code], 1, ITEM_SIZES[PLAIN[code]])
    if code in QUANTIZED:
        return QUANTIZED[code]
    import numpy as np
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        kind = GGMLQuantizationType(code)
        block, size = GGML_QUANT_SIZES[kind]
        dequantize(np.zeros((1, size), np.uint8), kind)
    except (ValueError, KeyError, NotImplementedError):
        return None
    return TensorType(code, kind.name, block, size)


def lazy(
    source: Source, name: str, kind: TensorType, shape: tuple[int, ...], offset: int, nbytes: int
) -> dict[str, LazyTensor]:
    """Return the arrays that a tensor becomes: itself, or its packed weights, scales and biases."""
    if kind.code in PLAIN:
        return {name: LazyTensor(shape, kind.name, Plain(source, offset, kind.name))}
    blocks = nbytes // kind.size
    if kind.code not in QUANTIZED:
        dtype = "bfloat16" if kind.code == _MXFP4 else "float16"
        reader = Blocks(source, offset, blocks, kind, _dequantized)
        return {name: LazyTensor(shape, dtype, reader, kind.name)}
    return {
        part: LazyTensor(size, dtype, Blocks(source, offset, blocks, kind, convert), kind.name)
        for part, (size, dtype, convert) in parts_of(name, kind, shape).items()
    }


def parts_of(
    name: str, kind: TensorType, shape: tuple[int, ...]
) -> dict[str, tuple[tuple[int, ...], str, Convert]]:
    """Return shape, dtype and conversion from blocks of words, scales and biases, by their names.

    Args:
      name: Of the tensor, which its words keep.
      kind: Q4_0, Q4_1 or Q8_0.
      shape: Of the tensor, in elements.
    """
    bits = 8 if kind.name == "Q8_0" else 4
    packed = (*shape[:-1], shape[-1] * bits // 32)
    groups = (*shape[:-1], shape[-1] // GROUP)
    stem = name.removesuffix(".weight")
    return {
        name: (packed, "uint32", _words8 if bits == 8 else _words4),
        f"{stem}.scales": (groups, "float16", _scales),
        f"{stem}.biases": (groups, "float16", _biases),
    }


class Blocks:
    """Reader that converts a tensor block by block, about a MiB at a time.

    Args:
      convert: Takes the blocks as a ``uint8`` array of shape (n, bytes of one) and their type;
        returns a contiguous array with n rows.
    """

    __slots__ = ("blocks", "convert", "kind", "offset", "source")

    def __init__(
        self,
        source: Source,
        offset: int,
        blocks: int,
        kind: TensorType,
        convert: Convert,
    ) -> None:
        self.source, self.offset, self.blocks = source, offset, blocks
        self.kind, self.convert = kind, convert

    def __call__(self, out: memoryview) -> None:
        done = 0
        for piece in self.pieces(out.nbytes):
            out[done : done + piece.nbytes] = piece
            done += piece.nbytes

    def pieces(self, nbytes: int) -> Iterator[memoryview]:
        """Yield the elements in runs, of which each comes from about a MiB of blocks."""
        import numpy as np

        size = self.kind.size
        # A multiple of 1,024 blocks, so that runs end where groups of any use do.
        step = max(1, CHUNK // size // 1024) * 1024
        for at in range(0, self.blocks, step):
            count = min(step, self.blocks - at)
            raw = self.source.pread(self.offset + at * size, count * size)
            rows = self.convert(np.frombuffer(raw, np.uint8).reshape(count, size), self.kind)
            yield np.ascontiguousarray(rows).view(np.uint8).reshape(-1).data


def _words4(blocks: Any, kind: TensorType) -> Any:
    """Nibbles in the order of their elements: a block stores element i beside element i + 16."""
    import numpy as np

    pairs = blocks[:, kind.size - 16 :]
    low, high = pairs & 15, pairs >> 4
    return np.concatenate([half[:, ::2] | half[:, 1::2] << 4 for half in (low, high)], axis=1)


def _words8(blocks: Any, kind: TensorType) -> Any:
    """Signed bytes, offset to unsigned ones; the bias takes the offset back."""
    return blocks[:, 2:] ^ 0x80


def _scales(blocks: Any, kind: TensorType) -> Any:
    import numpy as np

    return np.ascontiguousarray(blocks[:, :2]).view("<f2")


def _biases(blocks: Any, kind: TensorType) -> Any:
    import numpy as np

    if kind.name == "Q4_1":
        return np.ascontiguousarray(blocks[:, 2:4]).view("<f2")
    with np.errstate(over="ignore", invalid="ignore"):
        return _scales(blocks, kind) * np.float16(-128 if kind.name == "Q8_0" else -8)


def _dequantized(blocks: Any, kind: TensorType) -> Any:
    import numpy as np
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    with np.errstate(all="ignore"):
        values = np.ascontiguousarray(dequantize(blocks, GGMLQuantizationType(kind.code)))
        if kind.code == _MXFP4:
            # Four significant bits at most: the upper half of a float32 holds them all.
            return (values.astype("<f4").view("<u4") >> 16).astype("<u2")
        return values.astype("<f2")
