"""Which of the installed file formats a file is of, or is to be."""

from __future__ import annotations

from .base.errors import BackendError
from .base.storage import FormatError, Source
from .contract.formats import Format
from .execute.discovery import plugins

# Bytes at the start of a file within which a magic number may lie.
_HEAD = 64


def installed_formats(function: str) -> list[Format]:
    """Return the formats of all plugins; a core without any says how to get them.

    Raises:
      BackendError: No format is installed, or those of monel-io are broken.
    """
    found = plugins()
    if not found.formats:
        broken = found.broken.get("io")
        reason = f"monel-io is broken ({broken})" if broken else "no file format is installed"
        raise BackendError(f"{function}: {reason}; install it with: pip install monel-io")
    return list(found.formats)


def format_named(function: str, name: str) -> Format:
    """Return the format called ``name``.

    Raises:
      ValueError: There is none; the error lists those that there are.
    """
    known = installed_formats(function)
    for candidate in known:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in known)
    raise ValueError(f"{function}: Unknown file format {name!r}; known are {names}")


def recognised(function: str, source: Source) -> Format:
    """Return the format by the file's extension, unless its first bytes are another format's.

    Raises:
      FormatError: Neither says what the file is.
    """
    known = installed_formats(function)
    head = source.pread(0, min(source.size, _HEAD))
    path = source.path or ""
    named = _by_extension(path, known)
    if named is not None and (not named.magic or named.matches(head)):
        return named
    found = next((fmt for fmt in known if fmt.matches(head)), named)
    if found is None:
        names = ", ".join(fmt.name for fmt in known)
        ending = path.rpartition(".")[2] if "." in path else ""
        reason = (
            f"Unknown file format {ending!r}: neither extension nor first bytes "
            f"are those of {names}; format= names one"
        )
        raise FormatError(source.path, 0, "format", reason)
    return found


def format_for_saving(function: str, name: str, path: str | None) -> Format:
    """Return the format ``name``, or the one of its variants whose extension ``path`` has.

    Variants of a format ``x`` are called ``x-...``; of a format of one array, all such formats.

    Raises:
      ValueError: The format cannot be written.
    """
    known = installed_formats(function)
    named = format_named(function, name)
    variants = [
        fmt
        for fmt in known
        if fmt.name.startswith(f"{name}-") or (named.single and fmt.single and fmt.save)
    ]
    found = _by_extension(path or "", variants) or named
    if found.save is None:
        raise ValueError(f"{function}: the installed format {found.name!r} can only be read")
    return found


def format_for_path(function: str, path: str) -> Format:
    """Return the format that a file of this name is to be written in.

    Raises:
      ValueError: The extension is of no format that can be written.
    """
    known = [fmt for fmt in installed_formats(function) if fmt.save is not None]
    found = _by_extension(path, known)
    if found is None:
        endings = ", ".join(ending for fmt in known for ending in fmt.extensions)
        raise ValueError(f"{function}: {path!r} ends with none of {endings}")
    return found


def _by_extension(path: str, known: list[Format]) -> Format | None:
    """Return the format with the longest extension that ends ``path``."""
    lowered = path.lower()
    pairs = [
        (len(ending), -i)
        for i, fmt in enumerate(known)
        for ending in fmt.extensions
        if lowered.endswith(ending)
    ]
    return known[-max(pairs)[1]] if pairs else None
