"""safetensors in shards: an index in JSON that says which file beside it holds which tensor.

Source: https://huggingface.co/docs/transformers/big_models, "Sharded checkpoints".
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source, open_source, open_target

from . import safetensors
from .json_text import JsonText
from .reading import Budget

__all__ = ["load", "save"]

ENDING = ".safetensors.index.json"
# As the index of a model of two trillion parameters has about 10 MB.
MAX_INDEX = 100_000_000
MAX_SHARDS = 10_000
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}  # fmt: skip


class _Index(NamedTuple):
    """The file of each tensor, the place that says so, and the metadata."""

    files: dict[str, str]
    offsets: dict[str, int]
    metadata: dict[str, str]


def load(source: Source, *, return_metadata: bool = False, strict: bool = True) -> Any:
    """Return the tensors of all shards by name, and with ``return_metadata`` a map of strings.

    Metadata are those of the shards, in the order of their names, and of the index; of a key that
    several give, the first has it. ``total_size``, which the tensors say already, is left out.

    Args:
      source: The index; the shards are read beside it.
      return_metadata: Return a pair of the tensors and the metadata.
      strict: Refuse shards that hold tensors which the index does not name, and bytes after the
        last tensor of a shard.
    Raises:
      FormatError: The index or a shard is malformed, a shard is missing, or holds other tensors
        than the index says.
    """
    budget = Budget(source)
    index = _read_index(source, budget)
    arrays: dict[str, LazyTensor] = {}
    metadata: dict[str, str] = {}
    for file in sorted(set(index.files.values())):
        shard = source.beside(file)
        found, described = safetensors.read(shard, budget, strict)
        metadata = described | metadata
        for name, tensor in found.items():
            if index.files.get(name) == file:
                arrays[name] = tensor
            elif strict:
                reason = (
                    f"the index does not name it here; strict=False leaves it out: {source.path}"
                )
                raise FormatError(shard.path, 8, f"tensor {name!r}", reason)
    for name, file in index.files.items():
        if name not in arrays:
            reason = f"the file does not hold tensor {name!r}"
            raise FormatError(source.path, index.offsets[name], f"file {file!r}", reason)
    arrays = {name: arrays[name] for name in index.files}
    return (arrays, index.metadata | metadata) if return_metadata else arrays


def _read_index(source: Source, budget: Budget) -> _Index:
    if not 2 <= source.size <= MAX_INDEX:
        reason = f"{source.size} bytes, where 2 to {MAX_INDEX} are possible"
        raise FormatError(source.path, 0, "index", reason)
    text = JsonText(source, 0, source.size, budget)
    index, known = _Index({}, {}, {}), False
    for offset, key in text.members("index"):
        if key == "metadata":
            for _, name in text.members("metadata", 320):
                index.metadata[name] = text.scalar(f"metadata {name!r}")
        elif key == "weight_map":
            known = True
            for at, name in text.members("weight_map", 500):
                index.files[name] = text.string(f"file of tensor {name!r}")
                index.offsets[name] = at
        else:
            raise text.fail(offset, "index", f"unexpected {key!r}; it has metadata and weight_map")
    text.end()
    if not known:
        raise text.fail(0, "index", "it has no weight_map")
    if (count := len(set(index.files.values()))) > MAX_SHARDS:
        raise text.fail(0, "weight_map", f"{count} shards, where at most {MAX_SHARDS} are read")
    index.metadata.pop("total_size", None)
    return index


def save(
    path: str,
    arrays: Mapping[str, HostTensor],
    *,
    metadata: Mapping[str, str] | None = None,
    max_shard_size: int | str = "5GB",
) -> None:
    """Write ``arrays``, sorted by name, into as few shards as hold them, and the index at ``path``.

    The index takes its place last, and no shard of an earlier index is replaced: new ones get other
    names where theirs are taken. So the path leads to all the old tensors or to all the new ones at
    every moment. The shards of the earlier index are removed at the end.

    Args:
      path: Name of the index, which ends with ``.safetensors.index.json``.
      arrays: Names to arrays.
      metadata: A map of strings, kept in every shard.
      max_shard_size: Bytes of data of one file, as a number or as in ``"500MB"`` or ``"2GiB"``; an
        array that is larger gets a file of its own.
    Raises:
      ValueError: A name, metadata or a size that cannot be.
    """
    folder, base = os.path.split(path)
    stem = base[: -len(ENDING)]
    shards = _partition(arrays, _bytes_of(max_shard_size))
    names = _claim(folder, stem, len(shards))
    try:
        for name, shard in zip(names, shards, strict=True):
            with open_target(os.path.join(folder, name), "save_safetensors") as target:
                safetensors.save(target, {key: arrays[key] for key in shard}, metadata=metadata)
        files = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        total = sum(tensor.nbytes for tensor in arrays.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))}
        old = _old_shards(path, stem)
        with open_target(path, "save_safetensors") as target:
            target.write(json.dumps(index, ensure_ascii=False, indent=2).encode() + b"\n")
    except BaseException:
        _remove(folder, names)
        raise
    _remove(folder, old - set(names))


def _bytes_of(size: int | str) -> int:
    """Return the bytes that ``"5GB"``, or a number, says."""
    found = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([a-z]*)\s*", str(size), re.I)
    unit = _UNITS.get(found[2].upper()) if found and not isinstance(size, bool) else None
    count = int(float(found[1]) * unit) if found and unit else 0
    if count < 1:
        raise ValueError(
            f"save_safetensors: max_shard_size must be a positive number of bytes, or text as "
            f"'500MB' or '2GiB', got {size!r}"
        )
    return count


def _partition(arrays: Mapping[str, HostTensor], most: int) -> list[list[str]]:
    """Return names in order, cut where the next array would make a shard too large."""
    shards: list[list[str]] = [[]]
    room = most
    for name in sorted(arrays):
        size = arrays[name].nbytes
        if size > room and shards[-1]:
            shards.append([])
            room = most
        shards[-1].append(name)
        room -= size
    return shards


def _claim(folder: str, stem: str, count: int) -> list[str]:
    """Return names for so many shards that no file has, the first of them made already.

    Another process that saves at the same time finds that one taken.
    """
    generation = 0
    while True:
        start = f"{stem}.{generation}" if generation else stem
        names = [f"{start}-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
        if not any(os.path.lexists(os.path.join(folder, name)) for name in names):
            with contextlib.suppress(FileExistsError), open(os.path.join(folder, names[0]), "xb"):
                return names
        generation += 1


def _old_shards(path: str, stem: str) -> set[str]:
    """Return the shards that the index at ``path`` names, so far as ``save`` may have made them."""
    form = re.compile(re.escape(stem) + r"(\.[0-9]+)?-[0-9]{5}-of-[0-9]{5}\.safetensors")
    try:
        source = open_source(path)
        files = set(_read_index(source, Budget(source)).files.values())
    except (OSError, FormatError):
        # There is no index, or none that this can read: nothing of it is removed.
        return set()
    return {file for file in files if form.fullmatch(file)}


def _remove(folder: str, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))
