"""Resampling of the spatial axes."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import monel.core as mx

from ..module import Module

__all__ = ["Upsample"]

# For one axis: which input elements (a row for each tap, an entry for each output element), and
# the weights of each; no weights where every output is one input.
Taps = tuple[tuple[tuple[int, ...], ...], tuple[tuple[float, ...], ...] | None]


def _triangle(t: float) -> float:
    return max(0.0, 1.0 - abs(t))


def _cubic(a: float) -> Callable[[float], float]:
    """The cubic convolution kernel with slope ``a`` at distance 1 (Keys, 1981)."""

    def kernel(t: float) -> float:
        t = abs(t)
        if t <= 1:
            return ((a + 2) * t - (a + 3)) * t * t + 1
        return a * (((t - 5) * t + 8) * t - 4) if t < 2 else 0.0

    return kernel


def _position(i: int, n: int, m: int, scale: float, align_corners: bool) -> float:
    """Where output element i of m lies between the n elements of the input."""
    if align_corners:
        return i * (n - 1) / (m - 1) if m > 1 else 0.0
    # The centres of input and output fall together, also where n * scale was rounded down.
    return (n - 1) / 2 + (i - (m - 1) / 2) / scale


def _nearest(i: int, n: int, m: int) -> int:
    """The input element for output element i: by the left edge when shrinking, else by centre."""
    return i * n // m if m < n else round(Fraction((2 * i + 1) * n - m, 2 * m))


@functools.lru_cache(maxsize=256)
def _taps(n: int, scale: float, mode: str, align_corners: bool, antialias: bool) -> Taps:
    m = int(n * scale)
    if mode == "nearest":
        return (tuple(_nearest(i, n, m) for i in range(m)),), None
    kernel: Callable[[float], float]
    if mode == "linear":
        reach, kernel = 1, _triangle
    else:
        # The constants of PyTorch's interpolate.
        reach, kernel = 2, _cubic(-0.5 if antialias else -0.75)
    # A filter for antialiasing is as much wider as the output is coarser.
    squeeze = min(scale, 1.0) if antialias else 1.0
    count = math.ceil(2 * reach / squeeze) + (1 if antialias else 0)
    indices, weights = [], []
    for i in range(m):
        at = _position(i, n, m, scale, align_corners)
        if mode == "linear" and not antialias:
            at = min(max(at, 0.0), n - 1.0)
        first = math.floor(at - reach / squeeze) + 1
        near = range(first, first + count)
        heights = [kernel((j - at) * squeeze) for j in near]
        if antialias:
            heights = [h if 0 <= j < n else 0.0 for j, h in zip(near, heights, strict=True)]
        total = sum(heights) if antialias else 1.0
        indices.append([min(max(j, 0), n - 1) for j in near])
        weights.append([h / total for h in heights])
    return tuple(zip(*indices, strict=True)), tuple(zip(*weights, strict=True))


def _resample(x: mx.array, axis: int, taps: Taps) -> mx.array:
    indices, weights = taps
    if not indices or not indices[0]:
        empty = mx.take(x, mx.array([], mx.int32), axis=axis)
        return empty if weights is None else empty.astype(mx.float32)
    parts = [mx.take(x, mx.array(row), axis=axis) for row in indices]
    if weights is None:
        return parts[0]
    shape = [1] * x.ndim
    shape[axis] = -1
    scaled = [
        part * mx.array(row, mx.float32).reshape(shape)
        for part, row in zip(parts, weights, strict=True)
    ]
    return functools.reduce(operator.add, scaled)


class Upsample(Module):
    """Change the size of the spatial axes: all between the first (batch) and the last (channels).

    An axis of n elements gets ``int(n * scale)``.

    Args:
      scale_factor: One number, or one for each spatial axis.
      mode: ``"nearest"``, ``"linear"`` or ``"cubic"``.
      align_corners: Let the first and the last elements of input and output fall together;
        otherwise their outer edges do.
      antialias: With linear and cubic, widen the filter where the output is coarser.
    Raises:
      ValueError: Another mode, antialiasing with "nearest" or with ``align_corners``, no spatial
        axis, or another number of scales than of spatial axes.
    Example:
      >>> nn.Upsample(2)(mx.array([1.0, 2.0]).reshape(1, 2, 1)).flatten()
      array([1, 1, 2, 2], dtype=float32)
    """

    def __init__(
        self,
        scale_factor: float | tuple[float, ...],
        mode: Literal["nearest", "linear", "cubic"] = "nearest",
        align_corners: bool = False,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(f"[Upsample] Got unsupported upsampling algorithm: {mode}")
        if antialias and mode == "nearest":
            raise ValueError(
                "[Upsample] Antialiasing is not supported for nearest neighbor upsampling"
            )
        if antialias and align_corners:
            raise ValueError(
                "[Upsample] antialias=True with align_corners=True is not supported. Use "
                "align_corners=False for antialiased interpolation."
            )
        self.scale_factor: float | tuple[float, ...]
        if isinstance(scale_factor, (list, tuple)):
            self.scale_factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def _extra_repr(self) -> str:
        shown = (
            f"scale_factor={self.scale_factor}, mode={self.mode!r}, "
            f"align_corners={self.align_corners}"
        )
        return f"{shown}, antialias=True" if self.antialias else shown

    def __call__(self, x: mx.array) -> mx.array:
        spatial = x.ndim - 2
        if spatial <= 0:
            raise ValueError(
                "[Upsample] The input should have at least 1 spatial dimension which means it "
                f"should be at least 3D but {x.ndim}D was provided"
            )
        scales = self.scale_factor
        if not isinstance(scales, tuple):
            scales = (scales,) * spatial
        if len(scales) != spatial:
            raise ValueError(
                "[Upsample] One scale per spatial dimension is required but "
                f"scale_factor={scales} and the number of spatial dimensions were {spatial}"
            )
        for axis, scale in enumerate(scales, start=1):
            taps = _taps(x.shape[axis], scale, self.mode, self.align_corners, self.antialias)
            x = _resample(x, axis, taps)
        return x
