"""The emulator as a tool for anyone's kernels: read how to run them, run them, report."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..source import instance
from . import strict
from .library import MAX_THREADS, ORDERS, Finding, LaunchError, Library
from .lint import lint
from .text import closing, split_commas
from .translate import parse

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CheckError", "Plan", "Report", "check_file", "plans"]

_LINE = re.compile(r"^\s*//\s*check:\s*(.*?)\s*$")
_ARRAY = re.compile(r"(\w+)\[([\d,\s]*)\](:zeros)?$")
_SCALAR = re.compile(r"(\w+):(\S+)$")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"[ \t]*$', re.MULTILINE)
_DTYPES = {
    "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "float16",
    "float32": "float32",
    "bfloat16": "bfloat16",
    "half": "float16",
    "float": "float32",
    "int": "int32",
    "uint": "uint32",
    "bfloat": "bfloat16",
    "char": "int8",
    "uchar": "uint8",
    "short": "int16",
    "ushort": "uint16",
    "long": "int64",
    "ulong": "uint64",
    "complex64": "complex64",
}


class CheckError(ValueError):
    """A file or a check line that cannot be understood; says file and line."""


class Argument(NamedTuple):
    """A buffer of a plan: its elements are random, zeros, or one value."""

    dtype: str
    shape: tuple[int, ...]
    fill: str


class Plan(NamedTuple):
    """How to run a kernel, as one check line says."""

    kernel: str
    grid: tuple[int, ...]
    group: tuple[int, ...]
    arguments: dict[str, Argument]
    place: str


class Run(NamedTuple):
    """A plan that was run, in one order."""

    plan: Plan
    order: str
    findings: list[Finding]


class Report(NamedTuple):
    """What a check found.

    Attributes:
      file: The file.
      complaints: Of the lint and of the check of address spaces, each with file and line.
      runs: Kernels that were run.
      not_run: Kernels without a check line: compiled only.
    """

    file: str
    complaints: list[str]
    runs: list[Run]
    not_run: list[str]

    @property
    def found(self) -> bool:
        return bool(self.complaints) or any(run.findings for run in self.runs)

    def __str__(self) -> str:
        lines = list(self.complaints)
        merged: dict[str, list[str]] = {}
        for run in self.runs:
            for finding in run.findings:
                merged.setdefault(str(finding), []).append(run.order)
        lines += [f"{text} [{', '.join(dict.fromkeys(o))}]" for text, o in merged.items()]
        for name in self.not_run:
            lines.append(f"{name}: compiled and checked for address spaces; no check line runs it")
        kernels = len(dict.fromkeys(run.plan.kernel for run in self.runs))
        count = len(self.complaints) + len(merged)
        found = f"{count} finding{'s' if count != 1 else ''}" if self.found else "nothing found"
        lines.append(f"{self.file}: {found}; {kernels} kernel(s) run, {len(self.not_run)} not")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "file": self.file,
            "complaints": self.complaints,
            "findings": [
                {**finding._asdict(), "order": run.order, "text": str(finding)}
                for run in self.runs
                for finding in run.findings
            ],
            "run": list(dict.fromkeys(run.plan.kernel for run in self.runs)),
            "not_run": self.not_run,
        }


def plans(source: str, file: str) -> list[Plan]:
    """Return the check lines of a file.

    Raises:
      CheckError: One cannot be read.
    """
    found = []
    for number, line in enumerate(source.splitlines(), 1):
        match = _LINE.match(line)
        if match:
            found.append(_plan(match[1], f"{file}:{number}"))
    return found


def _plan(text: str, place: str) -> Plan:
    name = re.match(r"\w+\s*", text)
    if name is None:
        raise CheckError(f"{place}: expected '// check: NAME grid=... group=...', got {text!r}")
    end = name.end()
    if end < len(text) and text[end] == "<":
        end = closing(text, end)
        if end < 0:
            raise CheckError(f"{place}: the template arguments of {text!r} do not close")
    kernel = text[:end].strip()
    sizes: dict[str, tuple[int, ...]] = {}
    arguments = {}
    for part in text[end:].split():
        key, equals, value = part.partition("=")
        if not equals:
            raise CheckError(f"{place}: expected NAME=..., got {part!r}")
        if key in ("grid", "group"):
            sizes[key] = _sizes(value, part, place)
        else:
            arguments[key] = _argument(value, part, place)
    for key in ("grid", "group"):
        if key not in sizes:
            raise CheckError(f"{place}: {kernel} has no {key}=")
    if math.prod(sizes["group"]) > MAX_THREADS:
        raise CheckError(f"{place}: a group has at most {MAX_THREADS} threads")
    return Plan(kernel, sizes["grid"], sizes["group"], arguments, place)


def _sizes(value: str, part: str, place: str) -> tuple[int, ...]:
    sizes = value.split(",")
    if not 1 <= len(sizes) <= 3 or not all(s.isdigit() and int(s) > 0 for s in sizes):
        raise CheckError(f"{place}: {part}: expected one to three positive numbers")
    return tuple(map(int, sizes))


def _argument(value: str, part: str, place: str) -> Argument:
    array, scalar = _ARRAY.match(value), _SCALAR.match(value)
    found = array or scalar
    if found is None or found[1] not in _DTYPES:
        known = ", ".join(sorted(set(_DTYPES.values())))
        raise CheckError(
            f"{place}: {part}: expected dtype[shape], dtype[shape]:zeros or dtype:VALUE, "
            f"with a dtype of {known}"
        )
    dtype = _DTYPES[found[1]]
    if array is None:
        return Argument(dtype, (1,), found[2])
    shape = tuple(int(n) for n in split_commas(array[2]))
    return Argument(dtype, shape, "zeros" if array[3] else "random")


def read(path: Path, seen: set[Path] | None = None) -> str:
    """Return a file with what it includes in quotes put in, and ``#line`` directives."""
    seen = set() if seen is None else seen
    seen.add(path.resolve())
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^[ \t]*#[ \t]*pragma[ \t]+once[ \t]*$", "", text, flags=re.MULTILINE)
    parts, at = [f'#line 1 "{path}"\n'], 0
    for found in _INCLUDE.finditer(text):
        other = path.parent / found[1]
        parts.append(text[at : found.start()])
        at = found.end()
        if not other.exists():
            line = text.count("\n", 0, found.start()) + 1
            raise CheckError(f"{path}:{line}: no file {found[1]!r} to include")
        if other.resolve() not in seen:
            parts.append(read(other, seen))
        parts.append(f'\n#line {text.count(chr(10), 0, at) + 1} "{path}"')
    return "".join([*parts, text[at:], "\n"])


def check_file(path: Path, *, kernel: str | None = None, orders: Sequence[str] = ORDERS) -> Report:
    """Lint a file, check its address spaces, and run what its check lines say.

    Args:
      path: A .metal file.
      kernel: Only this kernel.
      orders: Orders of threads.
    Raises:
      CheckError: A check line cannot be understood, or names no kernel of the file.
      CompileError, MslError: The file does not compile.
      EmulatorMissing: There is no clang here.
    """
    unknown = [order for order in orders if order not in ORDERS]
    if unknown:
        raise CheckError(f"--order: {unknown[0]!r} is none of {', '.join(ORDERS)}")
    wanted = plans(path.read_text(encoding="utf-8"), str(path))
    source = read(path)
    kernels, entries = parse(source)
    named = {entry.host_name for entry in entries}
    for plan in wanted:
        base = plan.kernel.split("<")[0].strip()
        if base not in kernels and plan.kernel not in named:
            raise CheckError(f"{plan.place}: {path} has no kernel {plan.kernel!r}")
        if plan.kernel not in named:
            source += instance(plan.kernel, plan.kernel)
            named.add(plan.kernel)
    if kernel is not None:
        wanted = [p for p in wanted if kernel in (p.kernel, p.kernel.split("<")[0])]
        if not wanted and kernel not in kernels:
            raise CheckError(f"{path} has no kernel {kernel!r}; it has {', '.join(kernels)}")
    library = Library(source, checked=True)
    complaints = [str(c) for c in lint(source)]
    complaints += strict.check(source, list(library.entries.values()))
    runs = [Run(p, order, _run(library, p, order)) for p in wanted for order in orders]
    planned = {library.entries[p.kernel].kernel.name for p in wanted}
    shown = [k for k in kernels if kernel is None or k == kernel]
    return Report(str(path), complaints, runs, [k for k in shown if k not in planned])


def _run(library: Library, plan: Plan, order: str) -> list[Finding]:
    entry = library.entries[plan.kernel]
    names = {p.name for p in entry.kernel.buffers}
    for name in plan.arguments:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise CheckError(f"{plan.place}: {plan.kernel} has no buffer {name!r}, only {known}")
    arrays = {}
    for p in entry.kernel.buffers:
        if p.name not in plan.arguments:
            raise CheckError(f"{plan.place}: {plan.kernel} needs {p.name}=dtype[shape]")
        arrays[p.number] = _array(plan.arguments[p.name], f"{plan.place}: {p.name}", p.number)
    buffers = {number: (a.ctypes.data, a.nbytes) for number, a in arrays.items()}
    try:
        return library.launch(plan.kernel, buffers, plan.grid, plan.group, order=order)
    except LaunchError as error:
        raise CheckError(f"{plan.place}: {error}") from None


def _array(argument: Argument, place: str, seed: int) -> np.ndarray:
    import numpy as np

    from monel.core.plugin import dtype_named

    kind = np.dtype(dtype_named(argument.dtype).numpy)
    if argument.fill == "zeros":
        return np.zeros(argument.shape, kind)
    if argument.fill != "random":
        try:
            return np.array(
                [float(argument.fill) if kind.kind not in "iub" else int(argument.fill, 0)]
            ).astype(kind)
        except ValueError:
            raise CheckError(f"{place}: {argument.fill!r} is no {argument.dtype}") from None
    rng = np.random.default_rng(seed)
    if kind.kind in "iub":
        return rng.integers(0, 2 if kind.kind == "b" else 100, argument.shape).astype(kind)
    return rng.standard_normal(argument.shape).astype(kind)
