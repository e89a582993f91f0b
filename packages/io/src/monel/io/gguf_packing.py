"""Quantized arrays as blocks of GGUF: the way back from what ``gguf_blocks`` makes of these.

A quantized array is ``x.weight`` (uint32 words), ``x.scales`` and ``x.biases`` with groups of 32,
as ``mx.quantize(w, group_size=32, bits=4)`` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monel.core.plugin import HostTensor

from .gguf_blocks import GROUP, QUANTIZED, TensorType
from .reading import CHUNK, checked_pieces

__all__ = ["BlockTensor", "packed", "quantized", "regrouped"]

_FLOATS = ("float16", "bfloat16", "float32")


class BlockTensor:
    """A tensor as GGUF stores it: its type, its shape in elements, and its blocks.

    Attributes:
      kind: Type of the blocks.
      shape: Dimensions in elements.
      nbytes: Bytes of all blocks.
      pieces: Returns an iterator over the bytes of the blocks; may be called again.
    """

    __slots__ = ("kind", "nbytes", "pieces", "shape")

    def __init__(
        self, kind: TensorType, shape: tuple[int, ...], pieces: Callable[[], Iterator[memoryview]]
    ) -> None:
        self.kind, self.shape, self.pieces = kind, shape, pieces
        self.nbytes = math.prod(shape) // kind.block * kind.size


def regrouped(pieces: Iterator[memoryview], size: int) -> Iterator[memoryview]:
    """Yield the same bytes in runs of exactly ``size``, but for the last."""
    held = bytearray()
    for piece in pieces:
        at = 0
        if held:
            at = min(size - len(held), piece.nbytes)
            held += piece[:at]
            if len(held) < size:
                continue
            yield memoryview(held)
            held = bytearray()
        while piece.nbytes - at >= size:
            yield piece[at : at + size]
            at += size
        held += piece[at:]
    if held:
        yield memoryview(held)


def packed(
    arrays: Mapping[str, HostTensor | BlockTensor],
) -> dict[str, HostTensor | BlockTensor]:
    """Return ``arrays`` with each quantized array, and its scales and biases, as one tensor.

    Raises:
      ValueError: A quantization for which GGUF has no type.
    """
    found: dict[str, HostTensor | BlockTensor] = {}
    taken: dict[str, str] = {}
    for name, words in arrays.items():
        stem = name.removesuffix(".weight")
        scales, biases = (arrays.get(f"{stem}.{part}") for part in ("scales", "biases"))
        if not (_is_words(words) and _is_scale(scales) and _is_scale(biases)):
            continue
        if stem in taken:
            reason = f"{taken[stem]!r} and {name!r} have the same scales: rename one of them"
            raise ValueError(f"save_gguf: {reason}")
        taken[stem] = name
        found[name] = _joined(name, words, scales, biases)  # type: ignore[arg-type]
    parts = {f"{stem}.{part}" for stem in taken for part in ("scales", "biases")}
    return {k: found.get(k, a) for k, a in arrays.items() if k not in parts}


def _is_words(tensor: HostTensor | BlockTensor | None) -> bool:
    return isinstance(tensor, HostTensor) and tensor.dtype_name == "uint32" and bool(tensor.shape)


def _is_scale(tensor: HostTensor | BlockTensor | None) -> bool:
    return isinstance(tensor, HostTensor) and tensor.dtype_name in _FLOATS and bool(tensor.shape)


def _joined(name: str, words: HostTensor, scales: HostTensor, biases: HostTensor) -> BlockTensor:
    """Return the blocks of one quantized array."""
    groups = scales.shape[-1]
    bits = words.shape[-1] // groups if groups else 0
    whole = (*words.shape[:-1], groups) == scales.shape == biases.shape
    if not whole or bits not in (4, 8) or words.shape[-1] != groups * bits:
        raise ValueError(
            f"save_gguf: {name!r} is uint32{list(words.shape)} with scales{list(scales.shape)} and "
            f"biases{list(biases.shape)}; GGUF holds groups of 32 of 4 or 8 bits: "
            f"quantize with group_size=32"
        )
    if scales.dtype_name != biases.dtype_name:
        raise ValueError(
            f"save_gguf: scales and biases of {name!r} are {scales.dtype_name} and "
            f"{biases.dtype_name}; they must have one dtype"
        )
    kind = QUANTIZED[_code(name, bits, scales, biases)]
    shape = (*words.shape[:-1], groups * GROUP)
    # So many groups at a time that their words take about a MiB.
    step = CHUNK // (4 * bits)

    def pieces() -> Iterator[memoryview]:
        import numpy as np

        parts = [
            regrouped(checked_pieces(name, part), step * size)
            for part, size in ((words, 4 * bits), *((s, _width(s)) for s in (scales, biases)))
        ]
        for raw, scale, bias in zip(*parts, strict=True):
            levels = np.frombuffer(raw, np.uint8).reshape(-1, 4 * bits)
            heads = [_half(name, scale, scales.dtype_name)]
            if kind.name == "Q4_1":
                heads.append(_half(name, bias, biases.dtype_name))
            data = _nibbles(levels) if bits == 4 else levels ^ 0x80
            rows = [head.view(np.uint8).reshape(-1, 2) for head in heads]
            yield np.concatenate([*rows, data], axis=1).reshape(-1).data

    return BlockTensor(kind, shape, pieces)


def _width(tensor: HostTensor) -> int:
    return 4 if tensor.dtype_name == "float32" else 2


def _numbers(data: memoryview, dtype_name: str) -> Any:
    """Return scales as numbers: float16 as they are, bfloat16 widened to float32."""
    import numpy as np

    if dtype_name == "bfloat16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, "<f2" if dtype_name == "float16" else "<f4")


def _half(name: str, data: memoryview, dtype_name: str) -> Any:
    """Return scales as float16, the nearest to what they are."""
    import numpy as np

    values = _numbers(data, dtype_name)
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    if not np.array_equal(np.isinf(half), np.isinf(values)):
        raise ValueError(
            f"save_gguf: a scale or bias of {name!r} is beyond float16, which GGUF has for them"
        )
    return half


def _code(name: str, bits: int, scales: HostTensor, biases: HostTensor) -> int:
    """Return the type for a quantization: whether its biases follow from its scales."""
    import numpy as np

    middle = -8 if bits == 4 else -128
    runs = [regrouped(checked_pieces(name, part), CHUNK) for part in (scales, biases)]
    with np.errstate(over="ignore", invalid="ignore"):
        symmetric = all(
            np.array_equal(
                _numbers(s, scales.dtype_name) * np.float16(middle),
                _numbers(b, biases.dtype_name),
                equal_nan=True,
            )
            for s, b in zip(*runs, strict=True)
        )
    if bits == 4:
        return 2 if symmetric else 3
    if not symmetric:
        raise ValueError(
            f"save_gguf: {name!r} has no form in GGUF: 8 bits in groups of 32 are Q8_0, whose "
            f"biases are -128 scales, and 4 bits must be in groups of 32. Save the array itself "
            f"and run: python -m monel.io convert FILE OUT.gguf --quantize q8_0"
        )
    return 8


def _nibbles(levels: Any) -> Any:
    """Put element i beside element i + 16, where words have it beside its neighbour."""
    import numpy as np

    ordered = np.empty((len(levels), 32), np.uint8)
    ordered[:, ::2], ordered[:, 1::2] = levels & 15, levels >> 4
    return ordered[:, :16] | ordered[:, 16:] << 4


def quantized(
    kind: TensorType, shape: tuple[int, ...], floats: Callable[[], Iterator[Any]]
) -> BlockTensor:
    """Return a tensor of floats as blocks of ``kind``: Q4_0, Q4_1, Q8_0.

    Args:
      floats: Returns an iterator over NumPy arrays of float32, multiples of 32 elements each.
    """

    def pieces() -> Iterator[memoryview]:
        import numpy as np
        from gguf.constants import GGMLQuantizationType
        from gguf.quants import quantize

        for values in floats():
            with np.errstate(all="ignore"):
                rows = quantize(values.reshape(-1, GROUP), GGMLQuantizationType(kind.code))
            yield np.ascontiguousarray(rows).reshape(-1).data

    return BlockTensor(kind, shape, pieces)
