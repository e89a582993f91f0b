"""MSL text as the device's compiler takes it: one text, without includes of our own.

Metal's compiler at run time has no include path, so the headers are put in where they are named,
each once. ``#line`` directives keep file and line of every message.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import resources

__all__ = ["flatten", "instance", "read", "source_of"]

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"[ \t]*$', re.MULTILINE)
_ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[ \t]*$", re.MULTILINE)


@functools.cache
def read(name: str) -> str:
    """Return the text of a file in ``kernels``."""
    return (resources.files(__package__) / "kernels" / name).read_text(encoding="utf-8")


def flatten(name: str, text: str, seen: set[str]) -> str:
    """Return ``text`` of file ``name`` with its own includes put in; ``seen`` is added to."""
    text = _ONCE.sub("", text)
    parts, at = [f'#line 1 "{name}"\n'], 0
    for found in _INCLUDE.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found[1] not in seen:
            seen.add(found[1])
            parts.append(flatten(found[1], read(found[1]), seen))
        line = text.count("\n", 0, at) + 1
        parts.append(f'\n#line {line} "{name}"')
    return "".join([*parts, text[at:], "\n"])


def instance(host_name: str, function: str) -> str:
    """Return the explicit instance of a kernel template under a host name."""
    return f'template [[host_name("{host_name}")]] [[kernel]] decltype({function}) {function};\n'


@functools.cache
def _file(name: str) -> str:
    return flatten(name, read(name), {name})


def source_of(name: str, head: str = "", instances: Sequence[tuple[str, str]] = ()) -> str:
    """Return the text of a kernel file, with instances (host name, function) behind it.

    Args:
      name: File in ``kernels``.
      head: Text to go before the file's own, such as a struct of parameters.
      instances: Which templates to make.
    """
    made = "".join(instance(*pair) for pair in instances)
    behind = f'#line 1 "{name}.instances"\n{made}' if made else ""
    return "#include <metal_stdlib>\nusing namespace metal;\n" + head + _file(name) + behind
