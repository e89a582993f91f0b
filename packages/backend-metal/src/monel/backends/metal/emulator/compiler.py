"""Compiling translated kernels and the emulator's runtime with clang, cached by content."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["CompileError", "EmulatorMissing", "build", "cache_folder", "clang", "runtime"]

HERE = Path(__file__).parent
WARNINGS = ("-Wno-everything", "-Werror=return-type")
COMMON = ("-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv")
MSL = (
    *("-x", "c++", "-std=c++14", "-isystem", str(HERE / "shim"), "-fno-exceptions"),
    *("-fno-builtin", "-gdwarf-4", "-g1", "-gno-column-info", "-fdebug-compilation-dir=."),
    # A literal without a suffix is a float in MSL.
    *("-Xclang", "-cl-single-precision-constant"),
)
PLAIN = ("-O2",)
# The runtime brings what kernels call; without the standard libraries linking takes half the time.
LINK = ("-nostdlib", "-Wl,--as-needed,-lgcc")
# Vectorised accesses of 32 bytes would pass the sanitizer's hooks unseen: the last options win.
CHECKED = (
    *("-O1", "-fsanitize=thread,bounds,integer-divide-by-zero", "-fno-sanitize-trap=all"),
    *("-fno-vectorize", "-fno-slp-vectorize"),
)


class EmulatorMissing(RuntimeError):
    """The emulator cannot run here; says what is missing."""


class CompileError(ValueError):
    """Text that clang refuses; the message is clang's, with file and line."""


@functools.cache
def clang() -> str:
    """Return the path of clang++ 19 or newer.

    Raises:
      EmulatorMissing: There is none, or this is no system that the emulator knows.
    """
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in ("x86_64", "aarch64"):
        raise EmulatorMissing(
            f"the Metal emulator runs on Linux on x86_64 and aarch64; this is "
            f"{platform.system()} on {machine}"
        )
    for name in (os.environ.get("MONEL_CLANG", ""), "clang++-19", "clang++-20", "clang++"):
        path = shutil.which(name) if name else None
        if path and _version(path) >= 19:
            return path
    raise EmulatorMissing(
        "the Metal emulator needs clang 19 or newer: apt-get install clang-19, or name one in "
        "MONEL_CLANG"
    )


def _version(path: str) -> int:
    out = subprocess.run([path, "-dumpversion"], capture_output=True, text=True, check=False)
    found = re.match(r"(\d+)\.", out.stdout)
    return int(found[1]) if found else 0


def cache_folder() -> Path:
    """Return where compiled libraries are kept: MONEL_EMULATOR_CACHE, else the user's cache."""
    named = os.environ.get("MONEL_EMULATOR_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(named) if named else Path(base) / "monel" / "metal-emulator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def _support() -> bytes:
    """What every library depends on, besides its own text."""
    files = [HERE / "abi.h", *sorted((HERE / "shim").iterdir())]
    return b"".join(path.read_bytes() for path in files) + clang().encode()


def _machine() -> tuple[str, ...]:
    return ("-march=x86-64-v3",) if platform.machine() == "x86_64" else ()


def build(text: str, *, checked: bool) -> Path:
    """Return a shared library made of translated MSL; compiled once for each text.

    Raises:
      CompileError: clang refuses the text.
      EmulatorMissing: There is no clang.
    """
    flags = (*COMMON, *MSL, *_machine(), *WARNINGS, *(CHECKED if checked else PLAIN))
    return _cached("kernels", text.encode(), (*flags, *LINK, "-"), text)


@functools.cache
def runtime() -> Path:
    """Return the runtime as a shared library, built once for each version of its source."""
    source = HERE / "runtime.cc"
    flags = (*COMMON, *_machine(), "-std=c++20", "-O2", str(source), "-lm")
    return _cached("runtime", source.read_bytes(), flags, "")


def _cached(kind: str, content: bytes, flags: tuple[str, ...], stdin: str) -> Path:
    digest = hashlib.sha256(b"\0".join([content, _support(), *(f.encode() for f in flags)]))
    path = cache_folder() / f"{kind}-{digest.hexdigest()[:24]}.so"
    if path.exists():
        return path
    # Moved into place whole: another process may be building, or loading, the same.
    handle, made = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        run_clang((clang(), *flags, "-o", made), stdin)
        os.replace(made, path)
    finally:
        if os.path.exists(made):
            os.unlink(made)
    return path


def run_clang(command: tuple[str, ...], stdin: str) -> str:
    """Run a compiler on text; return what it prints.

    Raises:
      CompileError: It fails; the message holds its errors.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError("\n".join(errors(done.stderr)) or done.stderr)
    return done.stdout


# A copy of a struct from constant memory is legal MSL, and not C++ for OpenCL.
_LEGAL_COPY = re.compile(r"implicit copy constructor.* address space '__constant'")
_ASKED_HERE = re.compile(r"^(?!\S*metal_stdlib)(\S+:\d+:\d+): note: in instantiation", re.MULTILINE)


def errors(stderr: str) -> list[str]:
    """Return the errors among clang's messages, without notes and without the code quoted.

    An error inside of the stand-in header is told of the line that led to it.
    """
    groups = re.split(r"^(?=.*: (?:fatal )?error: )", stderr, flags=re.MULTILINE)
    out = []
    for group in groups:
        if " error: " not in group or _LEGAL_COPY.search(group):
            continue
        line = group.splitlines()[0]
        asked = _ASKED_HERE.search(group)
        if "metal_stdlib:" in line.split(" ")[0] and asked:
            line = f"{asked[1]}: error: {line.split('error: ', 1)[1]}"
        out.append(line)
    return out
