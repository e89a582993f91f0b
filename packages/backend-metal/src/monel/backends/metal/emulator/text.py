"""Reading MSL as text: comments out of the way, brackets matched, lines counted."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPEN = {"(": ")", "[": "]", "{": "}", "<": ">"}
_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def blanked(source: str) -> str:
    """Return ``source`` with comments and the insides of strings as spaces, lengths kept.

    Example:
      >>> blanked('x = "a;b"; // y')
      'x = "   ";     '
    """

    def blank(match: re.Match[str]) -> str:
        text = match.group()
        if text[0] in "\"'":
            return text[0] + " " * (len(text) - 2) + text[-1]
        return re.sub(r"[^\n]", " ", text)

    return _NOISE.sub(blank, source)


def erased(text: str) -> str:
    """Return as many spaces as ``text`` has characters, line breaks kept."""
    return re.sub(r"[^\n]", " ", text)


def closing(text: str, start: int) -> int:
    """Return the index past the bracket that closes the one at ``start``; -1 if none does.

    Angle brackets count only where the first bracket is one.
    """
    angles = text[start] == "<"
    stack = []
    for i in range(start, len(text)):
        c = text[i]
        if c in "([{" or (angles and c == "<"):
            stack.append(_OPEN[c])
        elif c in ")]}" or (angles and c == ">"):
            if c != stack[-1]:
                if c == ">":
                    continue
                return -1
            stack.pop()
            if not stack:
                return i + 1
    return -1


def split_commas(text: str) -> list[str]:
    """Split at the commas outside of every bracket, angle brackets included.

    Example:
      >>> split_commas("a<b, c> d, e[f(1, 2)]")
      ['a<b, c> d', 'e[f(1, 2)]']
    """
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{<":
            depth += 1
        elif c in ")]}>":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last or parts else []


def line_of(source: str, index: int) -> tuple[str, int]:
    """Return file and line of an index into ``source``, as its ``#line`` directives say."""
    file, line = "", 1
    for text in source[:index].split("\n")[:-1]:
        found = re.match(r'\s*#\s*line\s+(\d+)(?:\s+"([^"]*)")?', text)
        if found:
            line, file = int(found[1]), found[2] or file
        else:
            line += 1
    return file, line


def statements(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the statements of function bodies that begin with ``word``."""
    for found in re.finditer(rf"[;{{}}]\s*({word})\b", text):
        start = found.start(1)
        if text.count("{", 0, start) <= text.count("}", 0, start):
            continue
        end = text.find(";", start)
        if end > 0:
            yield start, end + 1
