"""MSL to C++: address spaces and attributes go, threadgroup variables and entries are made.

The text keeps its lines, so that whatever a compiler or a finding says names the MSL's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .text import blanked, closing, erased, line_of, split_commas, statements

__all__ = ["Entry", "Kernel", "MslError", "Parameter", "parse", "translate"]

# What a kernel may ask of its thread: attribute -> expression of the C++ entry.
VECTORS = {
    "thread_position_in_grid": "position_in_grid",
    "thread_position_in_threadgroup": "position_in_group",
    "threadgroup_position_in_grid": "group_in_grid",
    "threads_per_threadgroup": "threads_per_group",
    "dispatch_threads_per_threadgroup": "dispatch_threads_per_group",
    "threads_per_grid": "threads_per_grid",
    "threadgroups_per_grid": "groups_per_grid",
}
SCALARS = {
    "thread_index_in_threadgroup": "monel_thread->index_in_group",
    "thread_index_in_simdgroup": "monel_thread->lane",
    "simdgroup_index_in_threadgroup": "monel_thread->simdgroup",
    "simdgroups_per_threadgroup": "monel_thread->simdgroups",
    "dispatch_simdgroups_per_threadgroup": "monel_thread->simdgroups",
    "threads_per_simdgroup": "32",
    "thread_execution_width": "32",
    "thread_index_in_quadgroup": "monel_thread->lane % 4",
    "quadgroup_index_in_threadgroup": "monel_thread->index_in_group / 4",
}

_KERNEL = re.compile(r"(?:\[\[\s*kernel\s*\]\]|\bkernel\b)\s*void\s+(\w+)\s*\(")
_INSTANCE = re.compile(r"\btemplate\s*\[\[\s*host_name\s*\(\s*\"")
_INSIDE_ATTRIBUTE = re.compile(r"\s*\w+(\s*\([^\[\]]*\))?(\s*,\s*\w+(\([^\[\]]*\))?)*\s*$")
_ATTRIBUTE = re.compile(r"\[\[\s*(\w+)\s*(?:\(\s*(\w+)\s*\))?\s*\]\]")


class MslError(ValueError):
    """The text is no MSL that the emulator understands; says file and line."""


class Parameter(NamedTuple):
    """A parameter of a kernel: ``kind`` is buffer, threadgroup or a grid attribute."""

    name: str
    text: str
    kind: str
    number: int


class Kernel(NamedTuple):
    """A kernel function: its parameters, where it stands, and whether it is a template."""

    name: str
    parameters: tuple[Parameter, ...]
    place: tuple[str, int]
    template: bool

    @property
    def buffers(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.kind == "buffer")


class Entry(NamedTuple):
    """What a host can call: its name, the kernel behind it, and the expression that names it."""

    host_name: str
    kernel: Kernel
    function: str


def parse(source: str) -> tuple[dict[str, Kernel], list[Entry]]:
    """Return the kernels of MSL text by name, and its entries.

    Raises:
      MslError: A kernel's head cannot be read.
    """
    text = blanked(source)
    kernels = {}
    for found in _KERNEL.finditer(text):
        end = closing(text, found.end() - 1)
        body = re.match(r"\s*\{", text[end:]) if end > 0 else None
        if body is None:
            continue
        place = line_of(source, found.start())
        template = _is_template(text, found.start())
        parameters = tuple(
            _parameter(part, place, found[1]) for part in split_commas(text[found.end() : end - 1])
        )
        kernels[found[1]] = Kernel(found[1], _numbered(parameters), place, template)
    entries = [Entry(k.name, k, k.name) for k in kernels.values() if not k.template]
    for host_name, function, start, _ in _instances(source, text):
        name = function.split("<")[0].strip()
        if name not in kernels:
            file, line = line_of(source, start)
            raise MslError(f"{file}:{line}: an instance of {name!r}, which is no kernel here")
        entries.append(Entry(host_name, kernels[name], function))
    return kernels, entries


def _is_template(text: str, start: int) -> bool:
    """Whether what stands before a kernel is the head of a template, which may hold others."""
    before = text[:start].rstrip()
    heads = [m.end() - 1 for m in re.finditer(r"\btemplate\s*<", before[-400:])]
    shift = max(len(before) - 400, 0)
    return any(closing(before, shift + head) == len(before) for head in heads)


def _parameter(text: str, place: tuple[str, int], kernel: str) -> Parameter:
    attributes = _ATTRIBUTE.findall(text)
    bare = _ATTRIBUTE.sub("", text).strip()
    found = re.search(r"(\w+)\s*$", bare)
    where = f"{place[0]}:{place[1]}: kernel {kernel}"
    if found is None:
        raise MslError(f"{where}: a parameter without a name: {text!r}")
    for kind, index in attributes:
        if kind in ("buffer", "threadgroup"):
            if not index.isdigit():
                raise MslError(f"{where}: [[{kind}({index})]] of {found[1]} is not a number")
            return Parameter(found[1], bare, kind, int(index))
        if kind in VECTORS or kind in SCALARS:
            return Parameter(found[1], bare, kind, 0)
    if attributes:
        raise MslError(f"{where}: the emulator does not know [[{attributes[0][0]}]]")
    if "*" in bare or "&" in bare:
        return Parameter(found[1], bare, "threadgroup" if "threadgroup" in bare else "buffer", -1)
    raise MslError(f"{where}: parameter {found[1]!r} has no attribute")


def _numbered(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Give buffers without ``[[buffer(n)]]`` the free numbers in order, as Metal does."""
    used = {(p.kind, p.number) for p in parameters}
    out = []
    for p in parameters:
        if p.number < 0:
            number = next(i for i in range(len(parameters)) if (p.kind, i) not in used)
            used.add((p.kind, number))
            p = p._replace(number=number)
        out.append(p)
    return tuple(out)


def _instances(source: str, text: str) -> list[tuple[str, str, int, int]]:
    """Return host name, function and range of each explicit instance with a host name."""
    out = []
    for found in _INSTANCE.finditer(text):
        quote = text.find('"', found.end())
        host_name = source[found.end() : quote]
        end = text.find(";", quote)
        head = re.compile(r"\s*\)\s*\]\]\s*(?:\[\[\s*kernel\s*\]\]|kernel)\s*").match(
            text, quote + 1
        )
        if head is None or end < 0:
            file, line = line_of(source, found.start())
            raise MslError(f"{file}:{line}: expected template [[host_name(...)]] [[kernel]] ...;")
        rest = source[head.end() : end]
        if rest.startswith("decltype"):
            function = rest[closing(rest, rest.index("(")) :].strip()
        else:
            function = re.sub(r"^\s*void\s+", "", rest)
            angle = function.find("<")
            stop = closing(function, angle) if angle >= 0 else function.find("(")
            function = function[:stop].strip()
        out.append((host_name, function, found.start(), end + 1))
    return out


def translate(source: str, entries: list[Entry]) -> str:
    """Return C++ with the function ``monel_entry_<i>`` for each of ``entries``."""
    body = without_attributes(instances_erased(source))
    body = rewritten_variables(
        body, lambda name, kind, site: f'{kind}& {name} = monel::shared<{kind}, {site}>("{name}");'
    )
    body = _without_address_spaces(body)
    made = [_entry(i, entry) for i, entry in enumerate(entries)]
    return "\n".join([body, '#line 1 "entries"', *made, ""])


def instances_erased(source: str) -> str:
    """Return the text without its explicit instances."""
    for _, _, start, end in reversed(_instances(source, blanked(source))):
        source = source[:start] + erased(source[start:end]) + source[end:]
    return source


def without_attributes(source: str) -> str:
    """Return the text with each ``[[attribute]]`` as spaces."""
    text = blanked(source)
    for found in reversed(list(re.finditer(r"\[\[", text))):
        end = text.find("]]", found.start())
        inside = text[found.start() + 2 : end]
        if end > 0 and re.match(
            r"\s*\w+(\s*\([^\[\]]*\))?(\s*,\s*\w+(\([^\[\]]*\))?)*\s*$", inside
        ):
            stop = end + 2
            source = source[: found.start()] + erased(source[found.start() : stop]) + source[stop:]
    return source


def rewritten_variables(source: str, spell: Callable[[str, str, int], str]) -> str:
    """Replace each ``threadgroup T x[N];`` by a typedef and ``spell(name, type, site)``."""
    text = blanked(source)
    for site, (start, end) in reversed(list(enumerate(statements(text, "threadgroup")))):
        variables = _threadgroup_variables(source, text, start, end)
        made = " ".join(
            f"typedef {base} {name}_monel{size}; " + spell(name, f"{name}_monel", site * 16 + k)
            for k, (base, name, size) in enumerate(variables)
        )
        if variables:
            source = source[:start] + made + "\n" * text.count("\n", start, end) + source[end:]
    return source


def _threadgroup_variables(
    source: str, text: str, start: int, end: int
) -> list[tuple[str, str, str]]:
    """Read a statement that begins with ``threadgroup``: base type, name and size of each."""
    declaration = re.sub(r"\s+", " ", text[start + len("threadgroup") : end - 1])
    declaration = re.sub(r"\balignas\s*\([^)]*\)", "", declaration).strip()
    declarators = split_commas(declaration)
    first = re.match(r"(.*?)(\w+)\s*((?:\[[^=]*\])?)$", declarators[0])
    if first is None or "*" in first[1] or "&" in first[1] or "=" in declaration:
        return []
    variables = [(first[1].strip(), first[2], first[3])]
    for other in declarators[1:]:
        found = re.match(r"(\w+)\s*((?:\[.*\])?)$", other)
        if found is None:
            raise MslError(f"{_where(source, start)}: cannot read {other!r}")
        variables.append((first[1].strip(), found[1], found[2]))
    return variables


def _where(source: str, index: int) -> str:
    file, line = line_of(source, index)
    return f"{file}:{line}"


def _without_address_spaces(source: str) -> str:
    text = blanked(source)
    spelled = {"constant": "const   ", "kernel": "      ", "thread": "      ", "device": "      "}
    out, at = [], 0
    for found in re.finditer(r"\b(device|constant|threadgroup|thread|kernel)\b", text):
        out += [source[at : found.start()], spelled.get(found[1], " " * len(found[1]))]
        at = found.end()
    return "".join([*out, source[at:]])


def _entry(number: int, entry: Entry) -> str:
    arguments = []
    for i, p in enumerate(entry.kernel.parameters):
        kind = f"monel::Parameter<S, {i}>"
        if p.kind == "buffer":
            arguments.append(f"monel::buffer<{kind}>({p.number})")
        elif p.kind == "threadgroup":
            arguments.append(f"monel::threadgroup_parameter<{kind}>({p.number})")
        elif p.kind in VECTORS:
            arguments.append(f"monel::Position<{kind}>::of(monel_thread->{VECTORS[p.kind]})")
        else:
            arguments.append(f"({kind})({SCALARS[p.kind]})")
    buffers = [i for i, p in enumerate(entry.kernel.parameters) if p.kind == "buffer"]
    elements = [f"monel::Memory<monel::Parameter<S, {i}>>::element" for i in buffers]
    granules = ", ".join(f"monel::granule<{e}>()" for e in elements) or "1"
    sizes = ", ".join(f"(unsigned)sizeof({e})" for e in elements) or "1"
    return (
        f'extern "C" {{ namespace entry_{number} {{\n'
        f"typedef decltype({entry.function}) S;\n"
        f"extern const unsigned monel_granules_{number}[] = {{{granules}}};\n"
        f"extern const unsigned monel_sizes_{number}[] = {{{sizes}}};\n"
        f'__attribute__((no_sanitize("thread"))) void monel_entry_{number}() {{\n'
        f"  {entry.function}({', '.join(arguments)});\n"
        "}\n}}"
    )
