"""Optimizers and schedules, with MLX's names and results."""

from __future__ import annotations

from .adafactor import Adafactor
from .adam import Adam, Adamax, AdamW
from .base import MultiOptimizer, Optimizer, clip_grad_norm
from .muon import Muon
from .scaled import AdaDelta, Adagrad, RMSprop
from .schedules import (
    cosine_decay,
    exponential_decay,
    join_schedules,
    linear_schedule,
    step_decay,
)
from .sgd import SGD, Lion

__all__ = [
    "SGD",
    "AdaDelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "MultiOptimizer",
    "Muon",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm",
    "cosine_decay",
    "exponential_decay",
    "join_schedules",
    "linear_schedule",
    "step_decay",
]
