"""What every reader here shares: bounded headers, checked shapes, and readers of plain data.

Each length that a file claims is compared with the bytes that remain before anything is allocated
from it, and what a header grows to in memory is charged to a budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Protocol, TypeAlias

from monel.core.plugin import FormatError, HostTensor, Source

__all__ = ["ITEM_SIZES", "MAX_DIMENSIONS", "Budget", "Fail", "Plain", "sized", "write_all"]

ITEM_SIZES = {
    "bool": 1, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
    "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex64": 8,
}  # fmt: skip

MAX_DIMENSIONS = 64
MAX_EXTRA = 64 << 20
CHUNK = 1 << 20
# Bytes of an array that are held at a time where it is copied from file to file.
PIECE = 4 << 20

Fail: TypeAlias = Callable[[int, str, str], FormatError]


class Budget:
    """Memory that the parsed form of a header may take: 64 MiB.

    A header of short strings grows many times over as Python objects, so the size of the file
    alone bounds nothing.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._limit = self._left = MAX_EXTRA

    def take(self, count: int, offset: int, field: str) -> None:
        """Charge ``count`` bytes for what ``field``, at ``offset`` in the file, becomes."""
        self._left -= count
        if self._left < 0:
            reason = f"what was read up to here needs more than {self._limit >> 20} MiB of memory"
            raise FormatError(self._source.path, offset, field, reason)


def sized(shape: Sequence[int], item_size: int, offset: int, field: str, fail: Fail) -> int:
    """Return the bytes of an array of ``shape``, or raise what ``fail`` makes of a bad shape.

    Dimensions of zero do not hide a product that overflows.
    """
    if len(shape) > MAX_DIMENSIONS:
        raise fail(offset, field, f"{len(shape)} dimensions; at most {MAX_DIMENSIONS} are read")
    if any(size < 0 for size in shape):
        raise fail(offset, field, f"negative dimension in {tuple(shape)}")
    # One factor at a time: the product of 64 large dimensions is itself a large integer.
    total = item_size
    for size in shape:
        total *= size or 1
        if total >= 1 << 63:
            raise fail(offset, field, f"the size of shape {tuple(shape)} is beyond 64 bits")
    return total if 0 not in shape else 0


class _ReadsInto(Protocol):
    def preadinto(self, offset: int, out: memoryview) -> None: ...


class Plain:
    """Reader of an array whose elements lie in the file in C order.

    Args:
      source: Where to read; anything with ``preadinto``.
      offset: Position of the first element.
      dtype_name: Dtype of the elements; bytes of a bool other than 0 become 1.
      swapped: Whether the elements are big-endian.
    """

    __slots__ = ("dtype_name", "offset", "source", "swapped")

    def __init__(
        self, source: _ReadsInto, offset: int, dtype_name: str, swapped: bool = False
    ) -> None:
        self.source, self.offset = source, offset
        self.dtype_name, self.swapped = dtype_name, swapped

    def __call__(self, out: memoryview) -> None:
        self.source.preadinto(self.offset, out)
        settle(out, self.dtype_name, self.swapped)

    def mapped(self, nbytes: int) -> memoryview | None:
        """Return the elements where they lie, if memory holds them as they are to be."""
        if self.swapped or self.dtype_name == "bool" or not isinstance(self.source, Source):
            return None
        return self.source.view(self.offset, nbytes, ITEM_SIZES[self.dtype_name])

    def pieces(self, nbytes: int) -> Iterator[memoryview]:
        """Yield the elements in runs of at most ``PIECE`` bytes."""
        for at in range(0, nbytes, PIECE):
            out = memoryview(bytearray(min(PIECE, nbytes - at)))
            self.source.preadinto(self.offset + at, out)
            settle(out, self.dtype_name, self.swapped)
            yield out


def settle(out: memoryview, dtype_name: str, swapped: bool) -> None:
    """Turn elements as they lie in a file, already in ``out``, into valid native ones."""
    if dtype_name == "bool":
        import numpy as np

        raw = np.frombuffer(out, np.uint8)
        np.not_equal(raw, 0, out=raw.view(np.bool_))
    elif swapped:
        import numpy as np

        part = 4 if dtype_name == "complex64" else ITEM_SIZES[dtype_name]
        np.frombuffer(out, f"u{part}").byteswap(inplace=True)


def write_all(target: BinaryIO, data: bytes | memoryview) -> int:
    """Write ``data`` whole, to unbuffered files too, and return its length."""
    view = memoryview(data)
    done = 0
    while done < view.nbytes:
        count = target.write(view[done : done + (64 << 20)])
        if not count:
            raise OSError(f"the file object wrote nothing of {view.nbytes - done} bytes")
        done += count
    return done


def write_tensor(target: BinaryIO, name: str, tensor: HostTensor) -> int:
    """Write the bytes of ``tensor`` and return how many, which must be what its shape says."""
    return sum(write_all(target, piece) for piece in checked_pieces(name, tensor))


def checked_pieces(name: str, tensor: HostTensor) -> Iterator[memoryview]:
    """Yield the bytes of ``tensor`` in turn; raise where they are not as many as its shape says."""
    expected = math.prod(tensor.shape) * ITEM_SIZES[tensor.dtype_name]
    done = 0
    for piece in tensor.pieces():
        done += piece.nbytes
        if done <= expected:
            yield piece
    if done != expected:
        raise ValueError(
            f"save: {name!r} is {tensor.dtype_name}{list(tensor.shape)}, {expected} bytes, "
            f"but {done} bytes were given"
        )
