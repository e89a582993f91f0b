"""JSON of one known form, read from left to right: what safetensors has in its headers.

No JSON parser: what nests is what the caller asks for, so nothing recurses on input, and no object
is built that is not kept.

Source: RFC 8259, "The JavaScript Object Notation (JSON) Data Interchange Format".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from monel.core.plugin import FormatError, Source

from .reading import MAX_DIMENSIONS, Budget

__all__ = ["JsonText"]

MAX_STRING = 16 << 20

_STRING = re.compile(rb'[ \t\n\r]*+"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrtu])*+)"')
_MARK = re.compile(rb"[ \t\n\r]*+([{}:,]|null)")
_SPACE = re.compile(rb"[ \t\n\r]*")
# Possessive, so that no text is tried in more than one way.
_INTEGER = rb"-?+(?:0|[1-9][0-9]{0,19}+)[ \t\n\r]*+"
_INTEGERS = re.compile(
    rb"[ \t\n\r]*+\[[ \t\n\r]*+((?:%b(?:,[ \t\n\r]*+%b){0,%d}+)?+)\]"
    % (_INTEGER, _INTEGER, MAX_DIMENSIONS - 1)
)
_SCALAR = re.compile(rb"[ \t\n\r]*+(true|false|null|-?[0-9][0-9.eE+-]{0,63}+)(?=[ \t\n\r,}])")


class JsonText:
    """Some bytes of a file as JSON, and the place up to which they have been read.

    Args:
      source: The file.
      start: Where the text begins in it.
      length: Bytes of the text, which are read at once.
      budget: What the parsed form is charged to.
    """

    def __init__(self, source: Source, start: int, length: int, budget: Budget) -> None:
        self._path = source.path
        self._start = start
        self._text = source.pread(start, length)
        self._at = 0
        self._budget = budget

    def fail(self, offset: int, field: str, reason: str) -> FormatError:
        """Return the error for a position in the text."""
        return FormatError(self._path, self._start + offset, field, reason)

    def charge(self, count: int, offset: int, field: str) -> None:
        """Charge ``count`` bytes to the budget."""
        self._budget.take(count, self._start + offset, field)

    def starts_with(self, word: bytes) -> bool:
        """Return whether the text begins with ``word``."""
        return self._text.startswith(word)

    def members(self, field: str, each: int = 0) -> Iterator[tuple[int, str]]:
        """Read an object: yield offset and key of each member, whose value the caller reads.

        Args:
          field: What the object is, for errors.
          each: Bytes that a member takes in memory, beside its key.
        """
        self._mark(b"{", field=field)
        seen: set[str] = set()
        more = not self._take(b"}")
        while more:
            offset, key = self._at, self.string(f"name in {field}")
            self.charge(each + 4 * len(key), offset, field)
            if key in seen:
                raise self.fail(offset, f"{field} {key!r}", "given twice")
            seen.add(key)
            self._mark(b":", field=field)
            yield offset, key
            more = self._mark(b",", b"}", field=field) == b","

    def null(self) -> bool:
        """Read ``null`` if it comes next, and return whether it did."""
        return self._take(b"null")

    def end(self) -> None:
        """Make sure that nothing but white space is left."""
        found = _SPACE.match(self._text, self._at)
        if found is None or found.end() != len(self._text):
            raise self.fail(self._at, "header", "bytes after the JSON object")

    def scalar(self, field: str) -> str:
        """Read a string, a number, a bool or null, and return its text."""
        found = _SCALAR.match(self._text, self._at)
        if found is None:
            return self.string(field)
        self._at = found.end()
        return found[1].decode()

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

    def string(self, field: str) -> str:
        """Read a string."""
        found = _STRING.match(self._text, self._at, self._at + MAX_STRING)
        if found is None:
            got = self._text[self._at : self._at + 20]
            raise self.fail(
                self._at, field, f"expected a string below {MAX_STRING >> 20} MiB, got {got!r}"
            )
        raw, offset = found[1], self._at
        self._at = found.end()
        # Decoded text takes up to four bytes a character.
        self._budget.take(0 if len(raw) < 1 << 16 else 5 * len(raw), self._start + offset, field)
        try:
            text = raw.decode()
            return str(json.loads(f'"{text}"')) if "\\" in text else text
        except ValueError:
            raise self.fail(offset, field, "a string that is not valid UTF-8 or JSON") from None

    def integers(self, field: str) -> tuple[int, ...]:
        """Read a list of at most 64 integers."""
        found = _INTEGERS.match(self._text, self._at)
        if found is None:
            got = self._text[self._at : self._at + 40]
            reason = f"expected a list of at most {MAX_DIMENSIONS} integers, got {got!r}"
            raise self.fail(self._at, field, reason)
        self._at = found.end()
        return tuple(int(part) for part in found[1].split(b",")) if found[1] else ()
