"""What the command line says about a file: its arrays and metadata, and whether it is whole."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from monel.core.plugin import (
    Format,
    HostTensor,
    LazyTensor,
    Source,
    dtype_named,
    format_named,
    open_source,
    recognised,
)

__all__ = ["ARRAY", "Opened", "numbers", "open_file", "show", "verify"]

# What the only array of a file without names is called.
ARRAY = "array"
# Characters of metadata, and elements of a list, that a table shows.
_WIDTH, _ITEMS = 200, 6


class Opened(NamedTuple):
    """A file of arrays: where it is read, its format, its arrays by name and its metadata."""

    source: Source
    format: Format
    tensors: dict[str, LazyTensor]
    metadata: dict[str, Any]


def open_file(path: str, name: str | None, command: str) -> Opened:
    """Read the headers of a file, of the format ``name`` where that is given.

    Raises:
      FormatError: The file is malformed or of no known format.
    """
    chosen = format_named(command, name) if name else None
    source = open_source(path, command)
    chosen = chosen or recognised(command, source)
    answer = chosen.load(source, return_metadata=chosen.metadata)
    found, metadata = answer if chosen.metadata else (answer, {})
    tensors = {ARRAY: found} if isinstance(found, LazyTensor) else dict(found)
    return Opened(source, chosen, tensors, metadata)


def verify(path: str, name: str | None = None) -> None:
    """Read every byte of every array, and print what there was.

    Raises:
      FormatError: Something is malformed.
    """
    opened = open_file(path, name, "verify")
    total = 0
    for tensor in opened.tensors.values():
        total += sum(piece.nbytes for piece in tensor.pieces())
    count = len(opened.tensors)
    print(f"{path}: {opened.format.name}, {count} arrays of {total} bytes: ok")


def show(path: str, name: str | None = None, as_json: bool = False) -> None:
    """Print names, dtypes, shapes, sizes and metadata, as a table or as JSON.

    Raises:
      FormatError: The file is malformed.
      ModuleNotFoundError: rich, which prints tables, is not installed.
    """
    opened = open_file(path, name, "show")
    if as_json:
        json.dump(_described(path, opened), sys.stdout, indent=1, allow_nan=False)
        print()
    else:
        _print_tables(path, opened)


def _described(path: str, opened: Opened) -> dict[str, Any]:
    return {
        "file": path,
        "format": opened.format.name,
        "bytes": opened.source.size,
        "arrays": {
            name: {
                "dtype": tensor.dtype_name,
                "shape": tensor.shape,
                "bytes": tensor.nbytes,
                "stored": tensor.stored or tensor.dtype_name,
            }
            for name, tensor in opened.tensors.items()
        },
        "metadata": {key: _plain(value) for key, value in opened.metadata.items()},
    }


def _plain(value: Any) -> Any:
    """Return a value of metadata as what JSON has; numbers that are none as text."""
    if isinstance(value, HostTensor):
        return _plain(numbers(value).tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def numbers(tensor: HostTensor) -> Any:
    """Return the elements as a NumPy array."""
    import numpy as np

    return np.frombuffer(tensor.data, dtype_named(tensor.dtype_name).numpy).reshape(tensor.shape)


def _print_tables(path: str, opened: Opened) -> None:
    try:
        from rich.console import Console
        from rich.table import Table
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "tables need rich: python -m pip install 'monel-io[cli]'; --json does without"
        ) from None
    tensors = opened.tensors
    total = sum(tensor.nbytes for tensor in tensors.values())
    arrays = Table(title=f"{_visible(path)}: {opened.format.name}, {_size(opened.source.size)}")
    for column, side in (("name", "left"), ("dtype", "left"), ("shape", "right"), ("size", "right"),
                         ("stored as", "left")):  # fmt: skip
        arrays.add_column(column, justify=side, overflow="fold")  # type: ignore[arg-type]
    for name, tensor in tensors.items():
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        cells = (_visible(name), tensor.dtype_name, shape, _size(tensor.nbytes), tensor.stored)
        arrays.add_row(*cells)
    arrays.caption = f"{len(tensors)} arrays of {_size(total)}"
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(arrays)
    if opened.metadata:
        table = Table("key", "value", title="metadata")
        for key, value in opened.metadata.items():
            table.add_row(_visible(key), _brief(value))
        console.print(table)


def _brief(value: Any) -> str:
    """Return a value of metadata in one short line."""
    if isinstance(value, HostTensor) and value.shape:
        return _brief(numbers(value).tolist())
    if isinstance(value, HostTensor):
        return f"{numbers(value).item()}"
    if isinstance(value, list | tuple):
        rest = f", ... ({len(value)} in all)" if len(value) > _ITEMS else ""
        return f"[{', '.join(_items(value[:_ITEMS]))}{rest}]"
    text = _visible(str(value))
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text)} characters)"


def _items(values: Any) -> Iterator[str]:
    for value in values:
        yield repr(value) if isinstance(value, str) else _brief(value)


def _visible(text: str) -> str:
    """Return ``text`` with what would move the cursor of a terminal, or hide there, escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _size(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
