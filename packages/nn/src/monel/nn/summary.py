"""The tree of a model as a table."""

from __future__ import annotations

from typing import Any

import monel.core as mx
from monel.utils import tree_flatten

from .module import Module

__all__ = ["summary"]


def _own(module: Module) -> list[tuple[str, mx.array]]:
    """The parameters of a module that are in no module below it."""
    own = module.filter_and_map(
        lambda m, key, value: (
            not isinstance(value, Module) and Module.valid_parameter_filter(m, key, value)
        )
    )
    return [(name, value) for name, value in tree_flatten(own) if isinstance(value, mx.array)]


def _shapes(module: Module, trainable: set[str]) -> str:
    texts = []
    for name, value in _own(module):
        dtype = str(value.dtype).rsplit(".", 1)[-1]
        sizes = ",".join(map(str, value.shape))
        frozen = "" if name in trainable else " frozen"
        texts.append(f"{name} {dtype}[{sizes}]{frozen}")
    return "; ".join(texts)


def _arrays(tree: Any) -> dict[str, mx.array]:
    return {name: x for name, x in tree_flatten(tree) if isinstance(x, mx.array)}


def _rows(module: Module, name: str, depth: int) -> list[tuple[str, str, str, str]]:
    below = _arrays(module.parameters())
    count = sum(value.size for value in below.values())
    title = f"{'  ' * depth}{name}: {type(module).__name__}" if name else type(module).__name__
    shapes = _shapes(module, set(_arrays(module.trainable_parameters())))
    rows = [(title, f"{count:,}", f"{sum(v.nbytes for v in below.values()):,}", shapes)]
    for child_name, child in tree_flatten(module.children(), is_leaf=Module.is_module):
        if isinstance(child, Module):
            rows += _rows(child, child_name, depth + 1)
    return rows


def described(model: Module) -> str:
    """Return the text that :func:`summary` prints."""
    rows = [("module", "parameters", "bytes", "own parameters"), *_rows(model, "", 0)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"{title:<{widths[0]}}  {count:>{widths[1]}}  {size:>{widths[2]}}  {shapes}".rstrip()
        for title, count, size, shapes in rows
    ]
    trainable = sum(value.size for value in _arrays(model.trainable_parameters()).values())
    total = sum(value.size for value in _arrays(model.parameters()).values())
    return "\n".join([*lines, f"{total:,} parameters, {trainable:,} of them trainable"])


def summary(model: Module) -> None:
    """Print the tree of a model with shapes, numbers of parameters and bytes.

    Numbers of a module count the modules below it.

    Args:
      model: Any module.
    Example:
      >>> nn.summary(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).freeze(keys="bias"))
      module              parameters  bytes  own parameters
      Sequential                   9     36
        layers.0: Linear           9     36  weight float32[3,2]; bias float32[3] frozen
        layers.1: ReLU             0      0
      9 parameters, 6 of them trainable
    """
    print(described(model))
