"""Convolutions and transposed convolutions; channels are the last axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import monel.core as mx

from ..module import Module

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Sizes = int | Sequence[int]


def _sizes(name: str, what: str, value: Sizes, n: int) -> tuple[Any, ...]:
    """Return ``value`` as a tuple of n integers."""
    sizes = (value,) * n if isinstance(value, int) else tuple(value)
    if len(sizes) != n:
        raise ValueError(f"{name}: {what} must be an integer or {n} integers, got {value}")
    return sizes


class _Conv(Module):
    """The parameters that convolutions of all kinds have: ``weight`` and perhaps ``bias``.

    ``weight`` has shape ``(out_channels, *kernel_size, in_channels / groups)`` and starts uniform
    between plus and minus one over the root of the inputs of one output; ``bias`` starts at zero.
    """

    def _parameters(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, ...],
        bias: bool,
        groups: int = 1,
    ) -> None:
        shape = (out_channels, *kernel, in_channels // groups)
        bound = math.sqrt(1 / math.prod(shape[1:]))
        self.weight = mx.random.uniform(-bound, bound, shape)
        if bias:
            self.bias = mx.zeros((out_channels,))

    def _shown(self, *names: str) -> str:
        """The fields of ``repr``: channels, kernel, then the attributes named."""
        out_channels, *kernel, channels = self.weight.shape
        fields: dict[str, Any] = {"kernel_size": kernel[0] if len(kernel) == 1 else tuple(kernel)}
        fields.update((name, getattr(self, name)) for name in names)
        fields["bias"] = "bias" in self
        texts = (f"{name}={value}" for name, value in fields.items())
        return f"{channels * getattr(self, 'groups', 1)}, {out_channels}, {', '.join(texts)}"

    def _biased(self, y: mx.array) -> mx.array:
        return y + self["bias"] if "bias" in self else y


def _check_groups(in_channels: int, groups: int) -> None:
    if in_channels % groups != 0:
        raise ValueError(
            f"The number of input channels ({in_channels}) must be divisible by the number of "
            f"groups ({groups})"
        )


class Conv1d(_Conv):
    """Convolve sequences of shape (N, L, in_channels).

    Args:
      in_channels: Channels of the input.
      out_channels: Channels of the output.
      kernel_size: Length of the filters.
      stride: Step of the filters.
      padding: Zeros added on both sides.
      dilation: Distance between the elements of a filter.
      groups: The channels are split into so many parts that do not mix.
      bias: Whether to add a bias.
    Raises:
      ValueError: ``groups`` does not divide ``in_channels``.
    Example:
      >>> nn.Conv1d(4, 6, 3)(mx.ones((2, 10, 4))).shape
      (2, 8, 6)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _check_groups(in_channels, groups)
        kernel = _sizes("Conv1d", "kernel_size", kernel_size, 1)
        self._parameters(in_channels, out_channels, kernel, bias, groups)
        self.padding = padding
        self.dilation: Any = dilation
        self.stride = stride
        self.groups = groups

    def _extra_repr(self) -> str:
        return self._shown("stride", "padding", "dilation", "groups")

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv1d(x, self["weight"], self.stride, self.padding, self.dilation, self.groups)
        return self._biased(y)


class Conv2d(_Conv):
    """Convolve images of shape (N, H, W, in_channels).

    Args:
      in_channels: Channels of the input.
      out_channels: Channels of the output.
      kernel_size: Size of the filters, one integer or two.
      stride: Step of the filters, one integer or two.
      padding: Zeros added on both sides of each axis, one integer or two.
      dilation: Distance between the elements of a filter, one integer or two.
      groups: The channels are split into so many parts that do not mix.
      bias: Whether to add a bias.
    Raises:
      ValueError: ``groups`` does not divide ``in_channels``, or a tuple has not two integers.
    Example:
      >>> nn.Conv2d(3, 8, 3, padding=1)(mx.ones((1, 6, 6, 3))).shape
      (1, 6, 6, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _check_groups(in_channels, groups)
        kernel = _sizes("Conv2d", "kernel_size", kernel_size, 2)
        self._parameters(in_channels, out_channels, kernel, bias, groups)
        self.padding = _sizes("Conv2d", "padding", padding, 2)
        self.stride = _sizes("Conv2d", "stride", stride, 2)
        self.dilation: Any = dilation
        self.groups = groups

    def _extra_repr(self) -> str:
        return self._shown("stride", "padding", "dilation", "groups")

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv2d(x, self["weight"], self.stride, self.padding, self.dilation, self.groups)
        return self._biased(y)


class Conv3d(_Conv):
    """Convolve volumes of shape (N, D, H, W, in_channels).

    Args:
      in_channels: Channels of the input.
      out_channels: Channels of the output.
      kernel_size: Size of the filters, one integer or three.
      stride: Step of the filters, one integer or three.
      padding: Zeros added on both sides of each axis, one integer or three.
      dilation: Distance between the elements of a filter, one integer or three.
      bias: Whether to add a bias.
    Raises:
      ValueError: A tuple has not three integers.
    Example:
      >>> nn.Conv3d(1, 2, 2)(mx.ones((1, 4, 4, 4, 1))).shape
      (1, 3, 3, 3, 2)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kernel = _sizes("Conv3d", "kernel_size", kernel_size, 3)
        self._parameters(in_channels, out_channels, kernel, bias)
        self.padding = _sizes("Conv3d", "padding", padding, 3)
        self.stride = _sizes("Conv3d", "stride", stride, 3)
        self.dilation: Any = dilation

    def _extra_repr(self) -> str:
        return self._shown("stride", "padding", "dilation")

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv3d(x, self["weight"], self.stride, self.padding, self.dilation)
        return self._biased(y)


class ConvTranspose1d(_Conv):
    """Apply the transpose of a convolution to sequences of shape (N, L, in_channels).

    Args:
      in_channels: Channels of the input.
      out_channels: Channels of the output.
      kernel_size: Length of the filters.
      stride: Step of the filters over the output.
      padding: Elements taken from both sides of the output.
      dilation: Distance between the elements of a filter.
      output_padding: Elements added to the end of the output.
      bias: Whether to add a bias.
    Example:
      >>> nn.ConvTranspose1d(4, 6, 3, stride=2)(mx.ones((2, 5, 4))).shape
      (2, 11, 6)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        output_padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kernel = _sizes("ConvTranspose1d", "kernel_size", kernel_size, 1)
        self._parameters(in_channels, out_channels, kernel, bias)
        self.padding = padding
        self.dilation: Any = dilation
        self.stride = stride
        self.output_padding = output_padding

    def _extra_repr(self) -> str:
        return self._shown("stride", "padding", "dilation", "output_padding")

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv_transpose1d(
            x, self["weight"], self.stride, self.padding, self.dilation, self.output_padding
        )
        return self._biased(y)


class ConvTranspose2d(_Conv):
    """Apply the transpose of a convolution to images of shape (N, H, W, in_channels).

    Args:
      in_channels: Channels of the input.
      out_channels: Channels of the output.
      kernel_size: Size of the filters, one integer or two.
      stride: Step of the filters over the output, one integer or two.
      padding: Elements taken from both sides of each axis of the output, one integer or two.
      dilation: Distance between the elements of a filter, one integer or two.
      output_padding: Elements added to the end of each axis of the output, one integer or two.
      bias: Whether to add a bias.
    Raises:
      ValueError: A tuple has not two integers.
    Example:
      >>> nn.ConvTranspose2d(1, 2, 3, stride=2)(mx.ones((1, 4, 4, 1))).shape
      (1, 9, 9, 2)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        output_padding: Sizes = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kernel = _sizes("ConvTranspose2d", "kernel_size", kernel_size, 2)
        self._parameters(in_channels, out_channels, kernel, bias)
        self.padding = _sizes("ConvTranspose2d", "padding", padding, 2)
        self.stride = _sizes("ConvTranspose2d", "stride", stride, 2)
        self.output_padding = _sizes("ConvTranspose2d", "output_padding", output_padding, 2)
        self.dilation: Any = dilation

    def _extra_repr(self) -> str:
        return self._shown("stride", "padding", "dilation", "output_padding")

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv_transpose2d(
            x, self["weight"], self.stride, self.padding, self.dilation, self.output_padding
        )
        return self._biased(y)


class ConvTranspose3d(_Conv):
    """Apply the transpose of a convolution to volumes of shape (N, D, H, W, in_channels).

    Args:
      in_channels: Channels of the input.
      out_channels: Channels of the output.
      kernel_size: Size of the filters, one integer or three.
      stride: Step of the filters over the output, one integer or three.
      padding: Elements taken from both sides of each axis of the output, one integer or three.
      dilation: Distance between the elements of a filter, one integer or three.
      output_padding: Elements added to the end of each axis of the output, one integer or three.
      bias: Whether to add a bias.
    Raises:
      ValueError: A tuple has not three integers.
    Example:
      >>> nn.ConvTranspose3d(1, 2, 2)(mx.ones((1, 3, 3, 3, 1))).shape
      (1, 4, 4, 4, 2)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        output_padding: Sizes = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kernel = _sizes("ConvTranspose3d", "kernel_size", kernel_size, 3)
        self._parameters(in_channels, out_channels, kernel, bias)
        self.padding = _sizes("ConvTranspose3d", "padding", padding, 3)
        self.stride = _sizes("ConvTranspose3d", "stride", stride, 3)
        self.output_padding = _sizes("ConvTranspose3d", "output_padding", output_padding, 3)
        self.dilation: Any = dilation

    def _extra_repr(self) -> str:
        return self._shown("stride", "padding", "dilation", "output_padding")

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv_transpose3d(
            x, self["weight"], self.stride, self.padding, self.dilation, self.output_padding
        )
        return self._biased(y)
