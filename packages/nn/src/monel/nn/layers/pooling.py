"""Pooling over windows; channels are the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import monel.core as mx

from ..module import Module

__all__ = ["AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d"]

Sizes = int | Sequence[int]


def _along(x: mx.array, axis: int, part: slice) -> mx.array:
    return x[(slice(None),) * axis + (part,)]


def _windows(x: mx.array, axis: int, size: int, stride: int) -> mx.array:
    """Replace ``axis`` by two: the windows along it, and the elements of each."""
    count = max(0, (x.shape[axis] - size) // stride + 1)
    if size == stride and count > 0:
        # Windows that do not overlap are a view.
        return mx.unflatten(_along(x, axis, slice(0, count * size)), axis, (-1, size))
    length = (count - 1) * stride + 1 if count else 0
    parts = [_along(x, axis, slice(i, i + length, stride)) for i in range(size)]
    return mx.stack(parts, axis=axis + 1)


class _Pool(Module):
    """What the six layers share; a subclass says the number of axes and how to reduce."""

    _axes_count: ClassVar[int]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        self._kernel_size = self._sizes("kernel_size", kernel_size)
        self._stride = self._kernel_size if stride is None else self._sizes("stride", stride)
        self._padding = self._sizes("padding", padding)

    def _sizes(self, what: str, value: Any) -> tuple[int, ...]:
        n = self._axes_count
        sizes = (value,) * n if isinstance(value, int) else value
        if (
            not isinstance(sizes, (tuple, list))
            or len(sizes) != n
            or not all(isinstance(size, int) for size in sizes)
        ):
            raise ValueError(
                f"[{type(self).__name__}] '{what}' must be an integer or a tuple containing {n} "
                f"integers, got {value!r}"
            )
        return tuple(sizes)

    def _extra_repr(self) -> str:
        return f"kernel_size={self._kernel_size}, stride={self._stride}, padding={self._padding}"

    def _pad_value(self, dtype: mx.Dtype) -> Any:
        raise TypeError(f"{type(self).__name__} has no value to pad with")

    def _reduce(self, x: mx.array, axes: list[int]) -> mx.array:
        raise TypeError(f"{type(self).__name__} has no reduction")

    def __call__(self, x: mx.array) -> mx.array:
        n = self._axes_count
        if x.ndim != n + 2:
            raise ValueError(
                f"{type(self).__name__}: expected {n + 2} axes (batch, {n} spatial, channels), "
                f"got {x.ndim}: {x.shape}"
            )
        if any(self._padding):
            widths = [(0, 0), *((p, p) for p in self._padding), (0, 0)]
            x = mx.pad(x, widths, constant_values=mx.array(self._pad_value(x.dtype), x.dtype))
        # From the last axis on, so that the axes before it keep their numbers.
        for i in reversed(range(n)):
            x = _windows(x, i + 1, self._kernel_size[i], self._stride[i])
        return self._reduce(x, [2 + 2 * i for i in range(n)])


class _MaxPool(_Pool):
    def _pad_value(self, dtype: mx.Dtype) -> Any:
        if mx.issubdtype(dtype, mx.integer):
            return mx.iinfo(dtype).min
        return False if dtype == mx.bool_ else -float("inf")

    def _reduce(self, x: mx.array, axes: list[int]) -> mx.array:
        return mx.max(x, axis=axes)


class _AvgPool(_Pool):
    def _pad_value(self, dtype: mx.Dtype) -> Any:
        return 0

    def _reduce(self, x: mx.array, axes: list[int]) -> mx.array:
        return mx.mean(x, axis=axes)


class MaxPool1d(_MaxPool):
    """The largest element of each window over sequences of shape (N, L, C).

    Args:
      kernel_size: Length of the windows.
      stride: Distance of the windows, by default their length.
      padding: Elements added on both sides, which never win.
    Raises:
      ValueError: A size is no integer, or the input has not 3 axes.
    Example:
      >>> nn.MaxPool1d(2)(mx.array([1.0, 3.0, 2.0, 0.0]).reshape(1, 4, 1)).flatten()
      array([3, 2], dtype=float32)
    """

    _axes_count = 1


class MaxPool2d(_MaxPool):
    """The largest element of each window over images of shape (N, H, W, C).

    Args:
      kernel_size: Size of the windows, one integer or two.
      stride: Distance of the windows, one integer or two, by default their size.
      padding: Elements added on both sides of each axis, which never win.
    Raises:
      ValueError: A size is neither an integer nor two, or the input has not 4 axes.
    Example:
      >>> nn.MaxPool2d(2)(mx.arange(16.0).reshape(1, 4, 4, 1)).flatten()
      array([5, 7, 13, 15], dtype=float32)
    """

    _axes_count = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window over volumes of shape (N, D, H, W, C).

    Args:
      kernel_size: Size of the windows, one integer or three.
      stride: Distance of the windows, one integer or three, by default their size.
      padding: Elements added on both sides of each axis, which never win.
    Raises:
      ValueError: A size is neither an integer nor three, or the input has not 5 axes.
    Example:
      >>> nn.MaxPool3d(2)(mx.arange(8.0).reshape(1, 2, 2, 2, 1)).flatten()
      array([7], dtype=float32)
    """

    _axes_count = 3


class AvgPool1d(_AvgPool):
    """The mean of each window over sequences of shape (N, L, C).

    Args:
      kernel_size: Length of the windows.
      stride: Distance of the windows, by default their length.
      padding: Zeros added on both sides, which count.
    Raises:
      ValueError: A size is no integer, or the input has not 3 axes.
    Example:
      >>> nn.AvgPool1d(2)(mx.array([1.0, 3.0, 2.0, 0.0]).reshape(1, 4, 1)).flatten()
      array([2, 1], dtype=float32)
    """

    _axes_count = 1


class AvgPool2d(_AvgPool):
    """The mean of each window over images of shape (N, H, W, C).

    Args:
      kernel_size: Size of the windows, one integer or two.
      stride: Distance of the windows, one integer or two, by default their size.
      padding: Zeros added on both sides of each axis, which count.
    Raises:
      ValueError: A size is neither an integer nor two, or the input has not 4 axes.
    Example:
      >>> nn.AvgPool2d(2)(mx.arange(16.0).reshape(1, 4, 4, 1)).flatten()
      array([2.5, 4.5, 10.5, 12.5], dtype=float32)
    """

    _axes_count = 2


class AvgPool3d(_AvgPool):
    """The mean of each window over volumes of shape (N, D, H, W, C).

    Args:
      kernel_size: Size of the windows, one integer or three.
      stride: Distance of the windows, one integer or three, by default their size.
      padding: Zeros added on both sides of each axis, which count.
    Raises:
      ValueError: A size is neither an integer nor three, or the input has not 5 axes.
    Example:
      >>> nn.AvgPool3d(2)(mx.arange(8.0).reshape(1, 2, 2, 2, 1)).flatten()
      array([3.5], dtype=float32)
    """

    _axes_count = 3
