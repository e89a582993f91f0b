"""npy, npz, safetensors, its shards and gguf for ``mx.load`` and ``mx.save*``, as format plugins.

This module only declares; a format's code is imported when a file of that format is first used.
"""

from __future__ import annotations

from typing import Any

from monel.core.plugin import Format, hookimpl

__all__ = ["monel_formats"]


def _function(module: str, name: str) -> Any:
    """Return a function that imports ``module`` of this package when it is first called."""

    def call(*args: Any, **options: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{module}"), name)(*args, **options)

    call.__name__ = call.__qualname__ = f"{module}.{name}"
    return call


def _format(
    name: str,
    magic: tuple[Any, ...],
    *,
    module: str = "",
    extension: str = "",
    metadata: bool = False,
    several: bool = False,
    single: bool = False,
) -> Format:
    load, save = _function(module or name, "load"), _function(module or name, "save")
    return Format(name, (extension or f".{name}",), magic, load, save, metadata, several, single)


@hookimpl
def monel_formats() -> list[Format]:
    """Declare the formats of this distribution."""
    return [
        _format("npy", (b"\x93NUMPY",), single=True),
        _format("npz", (b"PK\x03\x04", b"PK\x05\x06")),
        _format("safetensors", ((8, b"{"),), metadata=True),
        _format("gguf", (b"GGUF",), metadata=True),
        _format(
            "safetensors-index",
            (b"{",),
            module="sharded",
            extension=".safetensors.index.json",
            metadata=True,
            several=True,
        ),
    ]
