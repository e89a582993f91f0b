"""Rules for kernels that no compiler at hand keeps: what MSL lacks, and what must not be relied on.

Each rule takes the text without comments and yields an index into it and a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .text import blanked, closing, line_of, statements
from .translate import Kernel, parse

__all__ = ["Complaint", "lint"]

_WORDS = {
    "goto": "MSL has no goto",
    "double": "MSL has no double",
    "new": "MSL has no new",
    "delete": "MSL has no delete",
    "virtual": "MSL has no virtual functions",
    "throw": "MSL has no exceptions",
    "try": "MSL has no exceptions",
    "dynamic_cast": "MSL has no dynamic_cast",
    "typeid": "MSL has no typeid",
    "std": "MSL has no std library; metal_stdlib is in namespace metal",
}
_FUNCTION = re.compile(r"\b(\w+)\s*\(")
_NO_FUNCTIONS = {
    "if",
    "for",
    "while",
    "switch",
    "return",
    "sizeof",
    "alignof",
    "decltype",
    "alignas",
}
_TOGETHER = re.compile(
    r"\b(threadgroup_barrier|simdgroup_barrier|simd_\w+|quad_\w+|"
    r"simdgroup_(?:load|store|multiply|multiply_accumulate))\s*\("
)
_GRID = (
    "thread_position_in",
    "threadgroup_position_in",
    "threads_per",
    "threadgroups_per",
    "dispatch_threads_per",
)

Hits = Iterator[tuple[int, str]]


class Complaint(NamedTuple):
    """A rule that a line breaks."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def lint(source: str) -> list[Complaint]:
    """Return what breaks the rules for kernels, in the order of the text."""
    text = blanked(source)
    kernels, _ = parse(source)
    found = [hit for rule in _RULES for hit in rule(text)]
    found += _kernel_rules(text, kernels)
    out = []
    for index, sentence in sorted(set(found)):
        file, line = line_of(source, index)
        out.append(Complaint(f"{file}:{line}", sentence))
    return out


def _words(text: str) -> Hits:
    for found in re.finditer(rf"\b({'|'.join(_WORDS)})\b", text):
        yield found.start(), _WORDS[found[1]]


def _lambdas(text: str) -> Hits:
    for found in re.finditer(r"(?:[=(,{;]|\breturn)\s*(\[[\s&=\w,*]*\])\s*(?:\(|\{)", text):
        yield found.start(1), "MSL has no lambdas"


def _statics(text: str) -> Hits:
    for start, end in statements(text, "static"):
        member = re.match(r"static\s+((constexpr|constant)\b|[\w\s:<>,]+\()", text[start:end])
        if not member:
            yield start, "MSL has no static variables in functions"


def _orders(text: str) -> Hits:
    for found in re.finditer(r"\bmemory_order_(\w+)", text):
        if found[1] != "relaxed":
            yield found.start(), f"MSL has only memory_order_relaxed, not {found[1]}"


def _empty_barriers(text: str) -> Hits:
    for found in re.finditer(r"_barrier\s*\(\s*(?:metal::)?mem_flags::mem_none\s*\)", text):
        yield found.start(), "a barrier with mem_none orders no memory"


def _functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield name and body of every function defined."""
    for found in _FUNCTION.finditer(text):
        if found[1] in _NO_FUNCTIONS:
            continue
        end = closing(text, found.end() - 1)
        head = re.match(r"\s*(?:const\s*)?\{", text[end:]) if end > 0 else None
        if head:
            start = end + head.end() - 1
            stop = closing(text, start)
            if stop > 0:
                yield found[1], start, stop


def _recursion(text: str) -> Hits:
    bodies = {name: (start, stop) for name, start, stop in _functions(text)}
    calls = {
        name: {found[1] for found in _FUNCTION.finditer(text, *span)} & bodies.keys()
        for name, span in bodies.items()
    }
    for name in bodies:
        seen, ahead = set(), list(calls[name])
        while ahead:
            callee = ahead.pop()
            if callee not in seen:
                seen.add(callee)
                ahead += calls[callee]
        # An overload or a specialisation calls its namesake: only a template can do so by type.
        if name in seen and not _has_namesake(text, name):
            yield bodies[name][0], f"MSL has no recursion: {name} calls itself"


def _has_namesake(text: str, name: str) -> bool:
    return sum(1 for other, _, _ in _functions(text) if other == name) > 1


def _threadgroup_outside_kernels(text: str) -> Hits:
    kernels = [
        (start, stop)
        for name, start, stop in _functions(text)
        if re.search(
            rf"(?:\[\[\s*kernel\s*\]\]|\bkernel\b)\s*void\s+{name}\s*\($", _head(text, name, start)
        )
    ]
    for start, end in statements(text, "threadgroup"):
        declares = not re.search(r"[*&]", text[start:end].split("=")[0].split("[")[0])
        if declares and not any(low < start < high for low, high in kernels):
            yield start, "threadgroup variables are declared in kernel functions only"


def _head(text: str, name: str, body: int) -> str:
    """The text up to the parenthesis of a function whose body begins at ``body``."""
    found = list(re.finditer(rf"\b{name}\s*\(", text[:body]))
    return text[: found[-1].end()] if found else ""


def _kernel_rules(text: str, kernels: dict[str, Kernel]) -> Hits:
    spans = {name: (start, stop) for name, start, stop in _functions(text) if name in kernels}
    for name, (start, stop) in spans.items():
        yield from _early_returns(text, start, stop)
        widths = {
            _width(p.text)
            for p in kernels[name].parameters
            if p.kind.startswith(_GRID) and not p.kind.startswith("threads_per_simd")
        }
        if len(widths) > 1:
            yield start, f"{name}: the grid attributes of a kernel share one type and width"


def _width(text: str) -> str:
    """Scalar or the number of components: ``uint3 gid`` is 3."""
    found = re.search(r"(\d)\s+\w+$", text)
    return found[1] if found else "1"


def _early_returns(text: str, start: int, stop: int) -> Hits:
    together = [found.start() for found in _TOGETHER.finditer(text, start, stop)]
    for found in re.finditer(r"\breturn\b", text[start:stop]):
        at = start + found.start()
        if together and at < together[-1]:
            what = next(text[i:].split("(")[0] for i in together if i > at)
            yield at, f"a return before {what}: every thread must reach it"


_RULES: tuple[Callable[[str], Hits], ...] = (
    *(_words, _lambdas, _statics, _orders, _empty_barriers),
    *(_recursion, _threadgroup_outside_kernels),
)
