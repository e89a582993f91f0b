"""What core and a file format agree on: how a plugin reads and writes arrays.

A format is declared by the hook ``monel_formats``. Its ``load`` parses headers only and answers
with lazy tensors; core makes arrays of them whose data are read when they are evaluated. Its
``save`` gets data that are already computed and a file that core replaces atomically.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..base.dtypes import dtype_named
from ..base.storage import FormatError, Source

__all__ = ["Format", "FormatError", "HostTensor", "LazyTensor", "Source"]

# Bytes that a writer holds at a time where the data come piece by piece.
PIECE = 16 << 20

Bytes: TypeAlias = bytes | bytearray | memoryview


class LazyTensor(NamedTuple):
    """An array in a file, known by shape and dtype and read on demand.

    Attributes:
      shape: Dimensions.
      dtype_name: Name of a dtype, such as ``"float32"`` or ``"bfloat16"``.
      reader: Fills a writable one-dimensional view of bytes, exactly as long as the array, with its
        elements in C order and the machine's byte order. It may be called again, and from any
        thread; it raises ``FormatError`` where the file does not hold the data. It may have two
        methods more. ``mapped(nbytes)`` returns memory that holds the elements already, writable
        and private, or ``None``. ``pieces(nbytes)`` yields the elements in turn, in runs that are
        whole multiples of 1,024 bytes but for the last, so that a large array is never held whole.
      stored: What the file calls the type of the elements, where that is another: ``"Q4_K"``.
    """

    shape: tuple[int, ...]
    dtype_name: str
    reader: Callable[[memoryview], None]
    stored: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * dtype_named(self.dtype_name).size

    def pieces(self) -> Iterator[memoryview]:
        """Yield the elements in turn; the whole array at once where the reader has no pieces."""
        made = getattr(self.reader, "pieces", None)
        if made is not None:
            yield from made(self.nbytes)
        elif self.nbytes:
            out = memoryview(bytearray(self.nbytes))
            self.reader(out)
            yield out


class HostTensor:
    """Array data in host memory: shape, name of the dtype, and C-contiguous bytes.

    ``data`` may be given as a function without arguments; it is then called each time ``data`` is
    read, so that a writer holds the bytes of one array at a time. The function may return an
    iterator of pieces instead, so that a writer holds one of these. bfloat16 data are the raw
    two-byte values.

    Raises:
      TypeError: ``shape`` is not a tuple of integers.
    Example:
      >>> HostTensor((2,), "uint8", b"ab").nbytes
      2
    """

    __slots__ = ("_data", "dtype_name", "shape")

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype_name: str,
        data: Bytes | Callable[[], Bytes | Iterator[Bytes]],
    ) -> None:
        self.shape = shape
        self.dtype_name = dtype_name
        self._data = data

    @property
    def data(self) -> memoryview:
        """The elements as a one-dimensional view of bytes."""
        data = self._data() if callable(self._data) else self._data
        return _flat(b"".join(data) if isinstance(data, Iterator) else data)

    @property
    def nbytes(self) -> int:
        """Bytes that the shape and the dtype take."""
        return math.prod(self.shape) * dtype_named(self.dtype_name).size

    def pieces(self) -> Iterator[memoryview]:
        """Yield the elements in turn, as views of bytes that together are ``data``."""
        data = self._data() if callable(self._data) else self._data
        if isinstance(data, Iterator):
            yield from map(_flat, data)
            return
        view = _flat(data)
        for at in range(0, view.nbytes, PIECE):
            yield view[at : at + PIECE]

    def __repr__(self) -> str:
        return f"HostTensor({self.dtype_name}{list(self.shape)})"


def _flat(data: Bytes) -> memoryview:
    view = memoryview(data)
    if not view.nbytes:
        return memoryview(b"")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


Tensors: TypeAlias = LazyTensor | Mapping[str, LazyTensor]


class Format(NamedTuple):
    """A file format that a plugin provides.

    Attributes:
      name: What ``mx.load(..., format=name)`` calls it.
      extensions: File endings with their dot, such as ``(".npy",)``; the first is added by the
        ``mx.save*`` functions to a path that lacks it.
      magic: Bytes at the start of each file, or pairs of an offset and the bytes there. Used where
        the extension is missing, unknown, or contradicted.
      load: ``load(source, *, return_metadata, **options)`` returns a ``LazyTensor`` or a dict of
        them; with ``return_metadata=True`` a pair of that and a dict whose values are str,
        ``HostTensor``, or lists of these.
      save: ``save(target, arrays, **options)`` writes a ``HostTensor`` or a dict of them to a
        seekable binary file; ``None`` where the format can only be read.
      metadata: Whether ``load`` knows metadata.
      several: Whether ``save`` takes the path instead of a file, because it writes several files,
        each through ``open_target``.
      single: Whether a file holds one array without a name: ``save`` takes a ``HostTensor``.
    Example:
      >>> from monel.core.plugin import Format, hookimpl
      >>> @hookimpl
      ... def monel_formats():
      ...     return [Format("raw", (".raw",), (), load, save)]
    """

    name: str
    extensions: tuple[str, ...]
    magic: tuple[bytes | tuple[int, bytes], ...]
    load: Callable[..., Any]
    save: Callable[..., None] | None = None
    metadata: bool = False
    several: bool = False
    single: bool = False

    def matches(self, head: bytes) -> bool:
        """Return whether a file that begins with ``head`` bears one of the magic numbers."""
        pairs = (entry if isinstance(entry, tuple) else (0, entry) for entry in self.magic)
        return any(head[at : at + len(word)] == word for at, word in pairs)
