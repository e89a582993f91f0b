"""Plain data as bytes: the deterministic core of CBOR (RFC 8949), read without trust.

Maps have text keys, lengths are definite, numbers have at most 64 bits, and floats are of 64 bits.
The reader never recurses, compares every length with the bytes that remain before it allocates, and
leaves long byte strings where they lie.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ..base.storage import FormatError, Source

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _OTHER = 0, 1, 2, 3, 4, 5, 7
_SIMPLE = {20: False, 21: True, 22: None}
_FLOAT = 27
_WIDTHS = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}

DEEPEST = 256
MOST_ITEMS = 1 << 21
_WINDOW = 1 << 16


class Span:
    """A byte string that stays in its file."""

    __slots__ = ("length", "offset", "source")

    def __init__(self, source: Source, offset: int, length: int) -> None:
        self.source = source
        self.offset = offset
        self.length = length

    def __len__(self) -> int:
        return self.length

    def read(self, out: memoryview) -> None:
        """Fill ``out``, which is as long as the span."""
        self.source.preadinto(self.offset, out)


class Node(dict[str, Any]):
    """A map, and the byte at which it began."""

    __slots__ = ("offset",)
    offset: int


def write(data: Any, put: Callable[[Any], Any]) -> None:
    """Give the encoding of ``data`` to ``put`` piece by piece; byte strings as they are."""
    if data is None or isinstance(data, bool):
        put(bytes([_OTHER << 5 | {False: 20, True: 21, None: 22}[data]]))
    elif isinstance(data, int):
        put(_head(_UNSIGNED, data) if data >= 0 else _head(_NEGATIVE, -1 - data))
    elif isinstance(data, float):
        put(struct.pack(">Bd", _OTHER << 5 | _FLOAT, data))
    elif isinstance(data, str):
        text = data.encode()
        put(_head(_TEXT, len(text)) + text)
    elif isinstance(data, bytes | memoryview):
        put(_head(_BYTES, len(data)))
        put(data)
    elif isinstance(data, list):
        put(_head(_LIST, len(data)))
        for item in data:
            write(item, put)
    else:
        put(_head(_MAP, len(data)))
        for key, item in data.items():
            write(key, put)
            write(item, put)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for info, form in _WIDTHS.items():
        if number < 1 << 8 * struct.calcsize(form):
            return bytes([major << 5 | info]) + struct.pack(form, number)
    raise ValueError(f"the number {number} has more than 64 bits")


class _Open:
    """A list or map of which items are still to come."""

    __slots__ = ("holder", "key", "left")

    def __init__(self, holder: Any, left: int) -> None:
        self.holder = holder
        self.left = left
        self.key: str | None = None


class Reader:
    """Reads one item from ``source``, from ``offset`` to its very end."""

    def __init__(self, source: Source, offset: int) -> None:
        self.source = source
        self.offset = offset
        self._window = b""
        self._from = 0
        self._items = 0

    def read(self) -> Any:
        """Return the item: dicts are ``Node``, byte strings ``Span``."""
        stack: list[_Open] = []
        while True:
            item = self._item()
            if isinstance(item, _Open):
                if len(stack) == DEEPEST:
                    raise self.refuse("nesting", f"more than {DEEPEST} deep")
                stack.append(item)
                if item.left:
                    continue
                item = stack.pop().holder
            while stack and (item := self._enter(stack[-1], item)) is not _PENDING:
                stack.pop()
            if not stack:
                break
        if self.offset != self.source.size:
            raise self.refuse("end", f"{self.source.size - self.offset} bytes follow the data")
        return item

    def refuse(self, field: str, reason: str, offset: int | None = None) -> FormatError:
        """Return the error for what stands at ``offset``, by default where the reader is."""
        return FormatError(
            self.source.path, self.offset if offset is None else offset, field, reason
        )

    def _enter(self, place: _Open, item: Any) -> Any:
        """Put ``item`` into its holder; return the holder once it is full, else ``_PENDING``."""
        if isinstance(place.holder, list):
            place.holder.append(item)
        elif place.key is None:
            if type(item) is not str:
                raise self.refuse("key", f"a key must be text, got {type(item).__name__}")
            if item in place.holder:
                raise self.refuse("key", f"{item!r} stands twice")
            place.key = item
        else:
            place.holder[place.key] = item
            place.key = None
        place.left -= 1
        return _PENDING if place.left else place.holder

    def _item(self) -> Any:
        start = self.offset
        self._items += 1
        if self._items > MOST_ITEMS:
            raise self.refuse("data", f"more than {MOST_ITEMS} items")
        major, info = divmod(self._take(1)[0], 32)
        if major == _OTHER:
            if info == _FLOAT:
                return struct.unpack(">d", self._take(8))[0]
            if info in _SIMPLE:
                return _SIMPLE[info]
            raise self.refuse("type", f"an item of kind 7, {info}", start)
        number = self._number(info, start)
        if major == _UNSIGNED:
            return number
        if major == _NEGATIVE:
            return -1 - number
        if major not in (_BYTES, _TEXT, _LIST, _MAP):
            raise self.refuse("type", f"an item of kind {major}", start)
        return self._sized(major, number, start)

    def _sized(self, major: int, number: int, start: int) -> Any:
        """Return what has a length, which is compared with what the file can hold."""
        remain = self.source.size - self.offset
        if major == _MAP:
            number *= 2
        if major in (_LIST, _MAP) and number > MOST_ITEMS - self._items:
            raise self.refuse("length", f"more than {MOST_ITEMS} items", start)
        if number > remain:
            raise self.refuse(
                "length", f"{number} items or bytes, and {remain} bytes remain", start
            )
        if major == _BYTES:
            self.offset += number
            return Span(self.source, self.offset - number, number)
        if major == _TEXT:
            try:
                return self._take(number).decode()
            except UnicodeDecodeError as error:
                raise self.refuse("text", f"it is not UTF-8: {error.reason}", start) from None
        if major == _LIST:
            return _Open([], number)
        node = Node()
        node.offset = start
        return _Open(node, number)

    def _number(self, info: int, start: int) -> int:
        if info < 24:
            return info
        form = _WIDTHS.get(info)
        if form is None:
            raise self.refuse("length", "lengths must be definite", start)
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        if number < _SMALLEST[info]:
            raise self.refuse("number", "it is not in its shortest form", start)
        return int(number)

    def _take(self, count: int) -> bytes:
        at = self.offset - self._from
        if at < 0 or at + count > len(self._window):
            size = min(max(count, _WINDOW), self.source.size - self.offset)
            self._window = self.source.pread(self.offset, max(count, size))
            self._from, at = self.offset, 0
        self.offset += count
        return self._window[at : at + count]


_PENDING = object()
