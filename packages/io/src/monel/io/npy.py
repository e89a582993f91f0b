"""NumPy's ``.npy``: one array, its header read without evaluating it.

Source: numpy.lib.format, "NPY format", versions 1.0 to 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source

from .reading import CHUNK, ITEM_SIZES, Fail, Plain, settle, sized, write_all, write_tensor

__all__ = ["Header", "load", "read_header", "save", "tensor", "write_header"]

MAGIC = b"\x93NUMPY"
MAX_HEADER = 64 << 10

_KINDS = {
    "b1": "bool", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64",
    "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
    "f2": "float16", "V2": "bfloat16", "f4": "float32", "f8": "float64", "c8": "complex64",
}  # fmt: skip
_CODES = {name: code for code, name in _KINDS.items()}

_TOKEN = re.compile(
    r"""\s*(?: '(?P<single>[^'\\]*)' | "(?P<double>[^"\\]*)" | (?P<word>True|False)
      | (?P<number>-?[0-9]{1,19})[lL]? | (?P<mark>[{}()\[\]:,]) )""",
    re.VERBOSE,
)


class Header(NamedTuple):
    """What the header of an array says, and the offset at which its data begin."""

    shape: tuple[int, ...]
    dtype_name: str
    swapped: bool
    fortran: bool
    start: int
    nbytes: int


def load(source: Source, *, return_metadata: bool = False) -> LazyTensor:
    """Return the array of a ``.npy`` file; bytes after it are left alone, as in NumPy.

    Raises:
      FormatError: The file is no ``.npy`` file, or of a dtype that monel lacks. Object arrays are
        refused: nothing is unpickled.
    """

    def fail(offset: int, field: str, reason: str) -> FormatError:
        return FormatError(source.path, offset, field, reason)

    header = read_header(lambda count: source.pread(0, count), source.size, fail)
    return tensor(source, header)


def save(target: BinaryIO, arrays: HostTensor) -> None:
    """Write one array as version 1.0, in C order; bfloat16 is ``<V2``, as ml_dtypes has it."""
    write_all(target, write_header(arrays))
    write_tensor(target, "array", arrays)


def read_header(prefix: Callable[[int], bytes], total: int, fail: Fail) -> Header:
    """Parse the header of an array in a file or archive member of ``total`` bytes.

    Args:
      prefix: Returns the first so many bytes, never asked for more than ``total``.
      total: Bytes of the header and the data.
      fail: Makes the error from offset, field and reason.
    """
    start, text = _header_text(prefix, total, fail)
    fields = _parse(text, fail)
    if set(fields) != {"descr", "fortran_order", "shape"}:
        raise fail(10, "header", f"expected descr, fortran_order and shape, got {sorted(fields)}")
    name, swapped = _dtype(fields["descr"], fail)
    shape, fortran = fields["shape"], fields["fortran_order"]
    if not isinstance(shape, tuple):
        raise fail(10, "shape", f"expected a tuple of integers, got {shape!r}")
    if not isinstance(fortran, bool):
        raise fail(10, "fortran_order", f"expected True or False, got {fortran!r}")
    nbytes = sized(shape, ITEM_SIZES[name], 10, "shape", fail)
    if nbytes > total - start:
        reason = f"{name}{list(shape)} needs {nbytes} bytes and {total - start} remain"
        raise fail(10, "shape", reason)
    fortran = fortran and len(shape) > 1
    return Header(shape, name, swapped, fortran, start, nbytes)


def _header_text(prefix: Callable[[int], bytes], total: int, fail: Fail) -> tuple[int, str]:
    head = prefix(min(total, 12))
    if not head.startswith(MAGIC):
        raise fail(0, "magic", f"expected {MAGIC!r}, got {head[:6]!r}")
    version = head[6] if len(head) > 6 else 0
    width = {1: 2, 2: 4, 3: 4}.get(version)
    if width is None:
        raise fail(6, "version", f"expected 1, 2 or 3, got {version}")
    if total < 8 + width:
        raise fail(8, "header length", f"the file ends after {total} bytes")
    length = int.from_bytes(head[8 : 8 + width], "little")
    start = 8 + width + length
    if length > MAX_HEADER or start > total:
        limit = min(MAX_HEADER, total - 8 - width)
        raise fail(8, "header length", f"{length} bytes, where at most {limit} are possible")
    raw = prefix(start)[8 + width :]
    try:
        return start, raw.decode("utf-8" if version == 3 else "latin-1")
    except UnicodeDecodeError as error:
        raise fail(8 + width, "header", f"not UTF-8: {error.reason}") from None


def _tokens(text: str, fail: Fail) -> Iterator[Any]:
    """Yield strings as ``("str", value)``, words and numbers as values, and marks as they are."""
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at, end)
        if found is None:
            raise fail(10, "header", f"unexpected {text[at : at + 20]!r}")
        at = found.end()
        kind, value = found.lastgroup, found[found.lastgroup or 0]
        if kind in ("single", "double"):
            yield "str", value
        elif kind == "number":
            yield int(value)
        else:
            yield value if kind == "mark" else value == "True"


def _parse(text: str, fail: Fail) -> dict[str, Any]:
    """Return the fields of the header's dict: strings, bools, and tuples of integers."""
    tokens = _tokens(text, fail)

    def expect(token: Any, *wanted: str) -> Any:
        if token not in wanted:
            raise fail(10, "header", f"expected {' or '.join(wanted)}, got {token!r}")
        return token

    fields: dict[str, Any] = {}
    expect(next(tokens, None), "{")
    token = next(tokens, None)
    while token != "}":
        if not isinstance(token, tuple):
            raise fail(10, "header", f"expected a name, got {token!r}")
        key = token[1]
        if key in fields:
            raise fail(10, "header", f"{key!r} is given twice")
        expect(next(tokens, None), ":")
        fields[key] = _value(key, tokens, fail)
        if expect(next(tokens, None), ",", "}") == "}":
            break
        token = next(tokens, None)
    if (rest := next(tokens, None)) is not None:
        raise fail(10, "header", f"unexpected {rest!r} after the closing brace")
    return fields


def _value(key: str, tokens: Iterator[Any], fail: Fail) -> Any:
    token = next(tokens, None)
    if isinstance(token, tuple):
        return token[1]
    if isinstance(token, bool):
        return token
    if token == "[":
        raise fail(10, key, "structured dtypes have no place in an array of monel")
    if token != "(":
        raise fail(10, key, f"expected a string, a bool or a tuple of integers, got {token!r}")
    numbers: list[int] = []
    while (token := next(tokens, None)) != ")":
        if type(token) is not int:
            raise fail(10, key, f"expected an integer, got {token!r}")
        numbers.append(token)
        token = next(tokens, None)
        if token == ")":
            break
        if token != ",":
            raise fail(10, key, f"expected a comma, got {token!r}")
    return tuple(numbers)


def _dtype(descr: Any, fail: Fail) -> tuple[str, bool]:
    """Return the dtype's name, and whether its bytes are in the other order."""
    if not isinstance(descr, str):
        raise fail(10, "descr", f"expected a string, got {descr!r}")
    order, code = descr[:1], descr[1:]
    if code.startswith("O"):
        raise fail(10, "descr", "an object array is a pickle, which could run code: refused")
    name = _KINDS.get(code)
    if name is None or order not in ("<", ">", "|", "="):
        raise fail(10, "descr", f"monel has no dtype for {descr!r}")
    if order == ">" and name == "bfloat16":
        raise fail(10, "descr", "'>V2' does not say how its bytes are ordered")
    return name, order == ">" and ITEM_SIZES[name] > 1


def tensor(source: Any, header: Header) -> LazyTensor:
    """Return the lazy array that ``header`` describes, its data read from ``source``."""
    kind: Any = Transposed if header.fortran else Plain
    args = (source, header.start, header.dtype_name, header.swapped)
    reader = kind(*args, header.shape) if header.fortran else kind(*args)
    return LazyTensor(header.shape, header.dtype_name, reader)


class Transposed:
    """Reader of an array in Fortran order, transposed block by block as it is read."""

    __slots__ = ("dtype_name", "offset", "shape", "source", "swapped")

    def __init__(
        self, source: Any, offset: int, dtype_name: str, swapped: bool, shape: tuple[int, ...]
    ) -> None:
        self.source, self.offset, self.shape = source, offset, shape
        self.dtype_name, self.swapped = dtype_name, swapped

    def __call__(self, out: memoryview) -> None:
        import numpy as np

        if not out.nbytes:
            return
        # Elements are moved as opaque words; the file holds the transpose in C order.
        word = np.dtype(f"V{ITEM_SIZES[self.dtype_name]}")
        target = np.frombuffer(out, word).reshape(self.shape).T
        offset = self.offset
        for block in _blocks(target):
            raw = memoryview(bytearray(block.nbytes))
            self.source.preadinto(offset, raw)
            settle(raw, self.dtype_name, self.swapped)
            block[...] = np.frombuffer(raw, word).reshape(block.shape)
            offset += block.nbytes


def _blocks(target: Any) -> Iterator[Any]:
    """Cut ``target`` along its first axes into parts of about one chunk, in C order."""
    import numpy as np

    axis, size = 0, target.nbytes
    while axis < target.ndim - 1 and size // target.shape[axis] > CHUNK:
        size //= target.shape[axis]
        axis += 1
    step = max(1, CHUNK * target.shape[axis] // size)
    for index in np.ndindex(*target.shape[:axis]):
        part = target[index]
        for at in range(0, part.shape[0], step):
            yield part[at : at + step]


def write_header(array: HostTensor) -> bytes:
    """Return magic, version and header for ``array``, padded so that data begin at 64 bytes."""
    code = _CODES.get(array.dtype_name)
    if code is None:
        raise ValueError(f"save: npy has no code for {array.dtype_name}")
    order = "|" if ITEM_SIZES[array.dtype_name] == 1 else "<"
    text = f"{{'descr': '{order}{code}', 'fortran_order': False, 'shape': {array.shape}, }}"
    length = -(-(10 + len(text) + 1) // 64) * 64 - 10
    return (
        MAGIC + b"\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"
    )
