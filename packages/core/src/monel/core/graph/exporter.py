"""The base class of ``array`` that exports memory; compiled, it has a twin in ``exporter.pyx``.

Python 3.12 and newer call ``__buffer__`` (PEP 688) by themselves. On 3.11 only compiled code can
export memory, so there the pure form has no ``memoryview``.
"""

from __future__ import annotations


class Exporter:
    """Nothing to do here: ``array.__buffer__`` is found by the interpreter."""

    __slots__ = ()
