"""Arrays on the device: storage with an offset, a shape and strides; and how axes are merged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monel.core.plugin import Dtype

    from .runtime import Storage

__all__ = ["MetalBuffer", "collapse", "row_major"]

Shape = tuple[int, ...]


def row_major(shape: Sequence[int]) -> Shape:
    """Return the strides, in elements, of a contiguous array.

    Example:
      >>> row_major((2, 3, 4))
      (12, 4, 1)
    """
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


class MetalBuffer:
    """A view of storage.

    Attributes:
      storage: The memory; None for an array without elements.
      offset: Of the first element, in elements.
      shape, strides: In elements; strides may be 0 or negative.
      dtype: Of the elements.
    """

    __slots__ = ("__weakref__", "dtype", "offset", "shape", "storage", "strides")

    def __init__(
        self,
        storage: Storage | None,
        dtype: Dtype,
        shape: Shape,
        strides: Shape | None = None,
        offset: int = 0,
    ) -> None:
        self.storage = storage
        self.dtype = dtype
        self.shape = shape
        self.strides = row_major(shape) if strides is None else strides
        self.offset = offset

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie in row-major order; axes of length 1 do not matter."""
        step = 1
        for n, stride in zip(reversed(self.shape), reversed(self.strides)):
            if n != 1 and stride != step:
                return False
            step *= n
        return True

    def view(self, shape: Shape, strides: Shape, offset: int = 0) -> MetalBuffer:
        """Return the same storage under another shape, ``offset`` elements further on."""
        return MetalBuffer(self.storage, self.dtype, shape, strides, self.offset + offset)

    def spread(self, shape: Shape) -> MetalBuffer:
        """Return the view broadcast to ``shape``."""
        if shape == self.shape:
            return self
        missing = len(shape) - len(self.shape)
        strides = [0] * missing
        for n, wanted, stride in zip(self.shape, shape[missing:], self.strides):
            strides.append(stride if n == wanted else 0)
        return self.view(shape, tuple(strides))

    def reshaped(self, shape: Shape) -> MetalBuffer | None:
        """Return the view under another shape, or None where only a copy will do."""
        if self.contiguous:
            return self.view(shape, row_major(shape))
        strides = _reshaped_strides(self.shape, self.strides, shape)
        return None if strides is None else self.view(shape, strides)


def _reshaped_strides(old: Shape, strides: Shape, new: Shape) -> Shape | None:
    """Return strides for ``new``: each run of evenly spaced elements is divided anew."""
    sizes, (steps,) = collapse(old, [strides])
    out: list[int] = []
    at = 0
    for n, step in zip(sizes, steps):
        covered, start = 1, at
        while covered < n:
            covered *= new[at]
            at += 1
        if covered != n:
            return None
        out += [step * s for s in row_major(new[start:at])]
    return (*out, *[0] * (len(new) - at))


def collapse(shape: Shape, layouts: Sequence[Shape]) -> tuple[Shape, list[Shape]]:
    """Merge neighbouring axes that every layout walks as one; axes of length 1 go.

    Example:
      >>> collapse((2, 3, 4), [(12, 4, 1), (4, 0, 1)])
      ((2, 3, 4), [(12, 4, 1), (4, 0, 1)])
      >>> collapse((2, 1, 3, 4), [(12, 7, 4, 1), (0, 0, 0, 0)])
      ((24,), [(1,), (0,)])
    """
    axes = [(n, [s[i] for s in layouts]) for i, n in enumerate(shape) if n != 1]
    merged: list[tuple[int, list[int]]] = []
    for n, strides in axes:
        if merged and all(a == b * n for a, b in zip(merged[-1][1], strides)):
            merged[-1] = (merged[-1][0] * n, strides)
        else:
            merged.append((n, strides))
    return tuple(n for n, _ in merged), [
        tuple(strides[i] for _, strides in merged) for i in range(len(layouts))
    ]
