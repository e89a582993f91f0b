"""Layers made of layers in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import monel.core as mx

from ..module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Call layers or plain functions one after the other.

    Args:
      modules: Modules and functions of one array.
    Example:
      >>> model = nn.Sequential(nn.Linear(2, 3), nn.relu, nn.Linear(3, 1))
      >>> model(mx.ones((5, 2))).shape
      (5, 1)
    """

    def __init__(self, *modules: Callable[..., Any]) -> None:
        super().__init__()
        self.layers = list(modules)

    def __call__(self, x: mx.array) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x
