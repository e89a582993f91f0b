"""What needs Python's C API: the base class of ``array`` that exports memory, and a hint to the
garbage collector. Compiled, this module has a twin in ``exporter.pyx``.

Python 3.12 and newer call ``__buffer__`` (PEP 688) by themselves. On 3.11 only compiled code can
export memory, so there the pure form has no ``memoryview``.
"""

from __future__ import annotations


class Exporter:
    """Nothing to do here: ``array.__buffer__`` is found by the interpreter."""

    __slots__ = ()


def untrack(value: object) -> None:
    """Tell the garbage collector that ``value`` is in no cycle; interpreted code has no way."""


def track(value: object) -> None:
    """Take ``untrack`` back."""


def tracked(value: object) -> bool:
    """Whether the garbage collector looks after ``value``."""
    return True
