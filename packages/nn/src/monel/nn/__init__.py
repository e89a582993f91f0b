"""Layers, losses and initializers of neural networks, with MLX's names and results."""

from __future__ import annotations

from . import init, layers, losses, utils
from .layers import *
from .module import Module
from .summary import summary
from .utils import average_gradients, value_and_grad

__all__ = [
    "Module",
    "average_gradients",
    "init",
    "layers",
    "losses",
    "summary",
    "utils",
    "value_and_grad",
]
__all__ += layers.__all__
