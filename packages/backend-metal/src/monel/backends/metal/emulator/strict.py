"""The strict check of types and address spaces: clang reads the MSL as C++ for OpenCL.

Clang then refuses what would leave its address space. A pointer or reference that names none is
"generic" to clang and an error in MSL: those are found in clang's syntax tree.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .compiler import clang, errors
from .text import blanked
from .translate import Entry, instances_erased, rewritten_variables, without_attributes

__all__ = ["check"]

HERE = Path(__file__).parent
FLAGS = (
    *("-x", "clcpp", "-cl-std=clc++2021", "-cl-no-stdinc", "-fsyntax-only"),
    *("-Xclang", "-cl-ext=-all,+cl_khr_fp16,+__opencl_c_generic_address_space"),
    *("-target", "spirv64-unknown-unknown", "-isystem", str(HERE / "strict")),
    *(
        "-Xclang",
        "-ast-dump",
        "-Wno-everything",
        "-fno-color-diagnostics",
        "-fno-caret-diagnostics",
        "-ferror-limit=50",
    ),
)
SPELLED = {
    "device": "__global",
    "threadgroup": "__local",
    "constant": "__constant",
    "thread": "__private",
    "kernel": "",
}


def check(source: str, entries: list[Entry]) -> list[str]:
    """Return clang's complaints about ``source`` and its instances, each with file and line."""
    body = without_attributes(instances_erased(source))
    body = rewritten_variables(
        body, lambda name, kind, site: f"threadgroup {kind}& {name} = *monel_shared<{kind}>();"
    )
    text = blanked(body)
    out, at = [], 0
    for found in re.finditer(r"\b(device|constant|threadgroup|thread|kernel)\b", text):
        out += [body[at : found.start()], SPELLED[found[1]]]
        at = found.end()
    functions = [e.function for e in entries if "<" in e.function]
    instances = [f"template decltype({f}) {f};" for f in functions]
    program = "\n".join(["".join([*out, body[at:]]), '#line 1 "entries"', *instances, ""])
    command = (clang(), *FLAGS, "-")
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=False)
    return [*errors(done.stderr), *_generic(done.stdout)]


# Implicit members have parameters without a name: those are no one's mistake.
_DECLARATION = re.compile(
    r"(?:Parm)?VarDecl 0x\w+ (?:prev 0x\w+ )?<[^>]*> \S+ (?:used |referenced )?"
    r"((?!used\b|referenced\b)\w+) '([^']*)'"
)
_LOCATION = re.compile(r"(?:([^\s<>,:]+):(\d+):\d+|line:(\d+):\d+)")


def _generic(tree: str) -> list[str]:
    """Return the declarations of pointers and references without an address space."""
    found: dict[str, None] = {}
    file, line = "", 0
    for text in tree.splitlines():
        for place in _LOCATION.finditer(text.split(" '")[0]):
            file = place[1] if place[1] and place[1] != "line" else file
            line = int(place[2] or place[3])
        declared = _DECLARATION.search(text)
        if declared and "__generic" in declared[2] and "metal_stdlib" not in file:
            kind = declared[2].replace("__generic ", "").replace("__private", "").strip()
            found[f"{file}:{line}: error: {declared[1]!r} ({kind}) names no address space"] = None
    return list(found)
