"""Abstract values: what is known of an array before it is computed."""

from __future__ import annotations

import math
from typing import NamedTuple

from .dtypes import Dtype
from .errors import DimensionError, ShapeError

__all__ = ["AbstractArray", "check_shape"]

_LARGEST = 2**63 - 1


class AbstractArray(NamedTuple):
    """Shape and dtype of an array; prints as ``float32[2,3]``."""

    shape: tuple[int, ...]
    dtype: Dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def aval(self) -> AbstractArray:
        """Itself: what ``abstract`` asks of a Value, it may ask of its aval at replay."""
        return self

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def check_shape(function: str, shape: tuple[int, ...], itemsize: int = 8) -> None:
    """Raise ``ShapeError`` for a negative dimension, ``DimensionError`` past 2**63 bytes."""
    size = itemsize
    for n in shape:
        if n < 0:
            raise ShapeError(f"{function}: negative dimension {n} in shape {shape}")
        size *= n
        if n > _LARGEST:
            raise DimensionError(f"{function}: dimension {n} of shape {shape} exceeds 2**63 - 1")
    if size > _LARGEST:
        raise DimensionError(f"{function}: shape {shape} has more than 2**63 - 1 bytes")
