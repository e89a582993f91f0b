"""Convolution functions of one, two and three spatial axes, plain, transposed and general."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import promote
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..primitives.arguments import call_on, flag, integer, operand, speaking_as
from ..primitives.conv import Window
from ..primitives.conv import convolve as windowed
from ..primitives.convert import cast
from ..primitives.shape import flip_axes

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_general",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve",
]


def _sizes(function: str, name: str, sizes: Any, count: int) -> tuple[int, ...]:
    """Return an int for each of ``count`` spatial axes: one int stands for all."""
    if not isinstance(sizes, tuple | list):
        return (_word(function, name, sizes),) * count
    if len(sizes) == 1:
        return (_word(function, name, sizes[0]),) * count
    if len(sizes) != count:
        raise ShapeError(
            f"{function}: Invalid {name} {tuple(sizes)} for {count}D convolution; give one int or "
            f"{count}"
        )
    return tuple([_word(function, name, n) for n in sizes])


def _word(function: str, name: str, given: Any) -> int:
    """Return an int that kernels can take."""
    number = integer(function, name, given)
    if number.bit_length() > 63:
        raise TypeError(f"{function}: {name} must be an int of 64 bits, got {number}")
    return number


def _positive(function: str, name: str, sizes: tuple[int, ...]) -> None:
    if min(sizes) < 1:
        raise ShapeError(f"{function}: {name} must be positive. Got {sizes}")


def _operands(function: str, x: Any, w: Any, spatial: int | None, stream: Any) -> tuple[Any, Any]:
    """Return input and weight in one floating dtype, with the number of axes checked."""
    x, w = operand(function, x), operand(function, w)
    ndim = x.ndim if spatial is None else spatial + 2
    if x.ndim != ndim or w.ndim != ndim or not 3 <= ndim <= 5:
        what = "1 to 3" if spatial is None else spatial
        raise ShapeError(
            f"{function}: expected an input (N, ..., C_in) and a weight (C_out, ..., C_in) with "
            f"{what} spatial axes, got {x.value} and {w.value}"
        )
    dtype = promote(x.dtype, w.dtype)
    if not (x.dtype.floating and dtype.floating):
        raise DTypeError(
            f"{function}: Invalid input array {x.value} with weight {w.value}: convolution takes "
            f"floating point types; cast with astype(mx.float32)"
        )
    return cast(x, dtype, stream), cast(w, dtype, stream)


def _general(
    function: str,
    x: Any,
    w: Any,
    windows: list[Window],
    groups: Any,
    flip: bool,
    stream: Any,
) -> Any:
    for name in ("stride", "kernel_dilation", "input_dilation"):
        _positive(function, name, tuple([getattr(v, name) for v in windows]))
    count, turned = integer(function, "groups", groups), flag(function, "flip", flip)
    with speaking_as(function):
        return windowed(x, w, windows, count, turned, stream)


def _plain(
    function: str,
    input: Any,
    weight: Any,
    spatial: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    stream: Any,
) -> Any:
    x, w = _operands(function, input, weight, spatial, stream)
    steps = _sizes(function, "stride", stride, spatial)
    pads = _sizes(function, "padding", padding, spatial)
    dilations = _sizes(function, "dilation", dilation, spatial)
    windows = [Window(s, p, p, d) for s, p, d in zip(steps, pads, dilations)]
    return _general(function, x, w, windows, groups, False, stream)


def _transposed(
    function: str,
    input: Any,
    weight: Any,
    spatial: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    output_padding: Any,
    groups: Any,
    stream: Any,
) -> Any:
    x, w = _operands(function, input, weight, spatial, stream)
    steps = _sizes(function, "stride", stride, spatial)
    pads = _sizes(function, "padding", padding, spatial)
    dilations = _sizes(function, "dilation", dilation, spatial)
    extra = _sizes(function, "output_padding", output_padding, spatial)
    windows = []
    for s, p, d, e, k in zip(steps, pads, dilations, extra, w.shape[1:-1]):
        low = d * (k - 1) - p
        windows.append(Window(1, low, low + e, d, s))
    return _general(function, x, w, windows, groups, True, stream)


def conv1d(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    stream: Any = None,
) -> array:
    """Convolve over one spatial axis, channels last; the kernel is not reversed.

    Args:
      input: Floating array of shape (N, length, C_in).
      weight: Floating array of shape (C_out, kernel length, C_in / groups).
      stride: Step of the kernel. An int.
      padding: Zeros on both sides of each axis. An int.
      dilation: Distance of the kernel's elements. An int.
      groups: How many parts of the channels are convolved apart.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit, or the kernel is larger than the input.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.conv1d(mx.ones((1, 5, 2)), mx.ones((4, 3, 2)), stride=2).shape
      (1, 2, 4)
    """
    return _plain("conv1d", input, weight, 1, stride, padding, dilation, groups, stream)


def conv2d(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    stream: Any = None,
) -> array:
    """Convolve over two spatial axes, channels last; the kernel is not reversed.

    Args:
      input: Floating array of shape (N, height, width, C_in).
      weight: Floating array of shape (C_out, kernel height, kernel width, C_in / groups).
      stride: Step of the kernel. An int, or one for each axis.
      padding: Zeros on both sides of each axis. An int, or one for each axis.
      dilation: Distance of the kernel's elements. An int, or one for each axis.
      groups: How many parts of the channels are convolved apart.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit, or the kernel is larger than the input.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.conv2d(mx.ones((1, 5, 5, 2)), mx.ones((4, 3, 3, 2)), stride=2).shape
      (1, 2, 2, 4)
    """
    return _plain("conv2d", input, weight, 2, stride, padding, dilation, groups, stream)


def conv3d(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    stream: Any = None,
) -> array:
    """Convolve over three spatial axes, channels last; the kernel is not reversed.

    Args:
      input: Floating array of shape (N, depth, height, width, C_in).
      weight: Floating array of shape (C_out, *kernel, C_in / groups).
      stride: Step of the kernel. An int, or one for each axis.
      padding: Zeros on both sides of each axis. An int, or one for each axis.
      dilation: Distance of the kernel's elements. An int, or one for each axis.
      groups: How many parts of the channels are convolved apart.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit, or the kernel is larger than the input.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.conv3d(mx.ones((1, 5, 5, 5, 2)), mx.ones((4, 3, 3, 3, 2)), stride=2).shape
      (1, 2, 2, 2, 4)
    """
    return _plain("conv3d", input, weight, 3, stride, padding, dilation, groups, stream)


def conv_transpose1d(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    output_padding: Any = 0,
    groups: int = 1,
    *,
    stream: Any = None,
) -> array:
    """Apply the transpose of ``conv1d``, which takes results back to the size of inputs.

    Args:
      input: Floating array of shape (N, length, C_in).
      weight: Floating array of shape (C_out, kernel length, C_in / groups).
      stride: Step of the kernel in the result. An int.
      padding: What is cut off on both sides of each axis. An int.
      dilation: Distance of the kernel's elements. An int.
      output_padding: What is added at the end of each axis. An int.
      groups: How many parts of the channels are convolved apart.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.conv_transpose1d(mx.ones((1, 5, 2)), mx.ones((4, 3, 2)), stride=2).shape
      (1, 11, 4)
    """
    return _transposed(
        "conv_transpose1d",
        input,
        weight,
        1,
        stride,
        padding,
        dilation,
        output_padding,
        groups,
        stream,
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    output_padding: Any = 0,
    groups: int = 1,
    *,
    stream: Any = None,
) -> array:
    """Apply the transpose of ``conv2d``, which takes results back to the size of inputs.

    Args:
      input: Floating array of shape (N, height, width, C_in).
      weight: Floating array of shape (C_out, kernel height, kernel width, C_in / groups).
      stride: Step of the kernel in the result. An int, or one for each axis.
      padding: What is cut off on both sides of each axis. An int, or one for each axis.
      dilation: Distance of the kernel's elements. An int, or one for each axis.
      output_padding: What is added at the end of each axis. An int, or one for each axis.
      groups: How many parts of the channels are convolved apart.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.conv_transpose2d(mx.ones((1, 5, 5, 2)), mx.ones((4, 3, 3, 2)), stride=2).shape
      (1, 11, 11, 4)
    """
    return _transposed(
        "conv_transpose2d",
        input,
        weight,
        2,
        stride,
        padding,
        dilation,
        output_padding,
        groups,
        stream,
    )


def conv_transpose3d(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    output_padding: Any = 0,
    groups: int = 1,
    *,
    stream: Any = None,
) -> array:
    """Apply the transpose of ``conv3d``, which takes results back to the size of inputs.

    Args:
      input: Floating array of shape (N, depth, height, width, C_in).
      weight: Floating array of shape (C_out, *kernel, C_in / groups).
      stride: Step of the kernel in the result. An int, or one for each axis.
      padding: What is cut off on both sides of each axis. An int, or one for each axis.
      dilation: Distance of the kernel's elements. An int, or one for each axis.
      output_padding: What is added at the end of each axis. An int, or one for each axis.
      groups: How many parts of the channels are convolved apart.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> mx.conv_transpose3d(mx.ones((1, 5, 5, 5, 2)), mx.ones((4, 3, 3, 3, 2)), stride=2).shape
      (1, 11, 11, 11, 4)
    """
    return _transposed(
        "conv_transpose3d",
        input,
        weight,
        3,
        stride,
        padding,
        dilation,
        output_padding,
        groups,
        stream,
    )


def conv_general(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    kernel_dilation: Any = 1,
    input_dilation: Any = 1,
    groups: int = 1,
    flip: bool = False,
    *,
    stream: Any = None,
) -> array:
    """Convolve over one to three spatial axes, with everything that can be chosen.

    Args:
      input: Floating array of shape (N, ..., C_in).
      weight: Floating array of shape (C_out, ..., C_in / groups).
      stride: Step of the kernel. An int, or one for each axis.
      padding: Zeros around the dilated input: an int, one for each axis, or a pair of sequences,
        before and after. Negative padding crops.
      kernel_dilation: Distance of the kernel's elements. An int, or one for each axis.
      input_dilation: Distance of the input's elements. An int, or one for each axis.
      groups: How many parts of the channels are convolved apart.
      flip: Reverse the kernel, as a convolution in the sense of signal processing does.
    Returns:
      Array of shape (N, ..., C_out) and the promoted dtype.
    Raises:
      ValueError: Shapes, dtypes or channels do not fit, or the kernel is larger than the input.
      TypeError: A size is no int.
    Example:
      >>> import monel.core as mx
      >>> x, w = mx.array([1.0, 2.0, 3.0]), mx.array([1.0, 10.0])
      >>> mx.conv_general(x.reshape(1, 3, 1), w.reshape(1, 2, 1), flip=True).flatten()
      array([12, 23], dtype=float32)
    """
    name = "conv_general"
    x, w = _operands(name, input, weight, None, stream)
    spatial = x.ndim - 2
    low = high = padding
    if isinstance(padding, tuple) and len(padding) == 2:
        if all(isinstance(p, tuple | list) for p in padding):
            low, high = padding
    windows = [
        Window(*sizes)
        for sizes in zip(
            _sizes(name, "stride", stride, spatial),
            _sizes(name, "padding", low, spatial),
            _sizes(name, "padding", high, spatial),
            _sizes(name, "kernel_dilation", kernel_dilation, spatial),
            _sizes(name, "input_dilation", input_dilation, spatial),
        )
    ]
    return _general(name, x, w, windows, groups, flip, stream)


def convolve(a: Any, v: Any, /, mode: str = "full", *, stream: Any = None) -> array:
    """Return the discrete convolution of two sequences; the longer one is slid over.

    Args:
      a: Floating array of one axis.
      v: Floating array of one axis.
      mode: ``"full"``: wherever they overlap; ``"same"``: as long as the longer;
        ``"valid"``: where they overlap entirely.
    Returns:
      Array of one axis and the promoted dtype.
    Raises:
      ValueError: An operand is empty or has other than one axis, or the mode is unknown.
    Example:
      >>> import monel.core as mx
      >>> mx.convolve(mx.array([1.0, 2.0, 3.0]), mx.array([0.0, 1.0, 0.5]))
      array([0, 1, 2.5, 4, 1.5], dtype=float32)
    """
    x, w = operand("convolve", a), operand("convolve", v)
    if x.ndim != 1 or w.ndim != 1:
        raise ShapeError(f"convolve: Inputs must be 1D, got {x.value} and {w.value}")
    if not x.size or not w.size:
        raise ShapeError(f"convolve: Inputs cannot be empty, got {x.value} and {w.value}")
    if x.size < w.size:
        x, w = w, x
    k = w.size
    pads = {"full": (k - 1, k - 1), "same": (k // 2, (k - 1) // 2), "valid": (0, 0)}
    if mode not in pads:
        raise ShapeError(f"convolve: Invalid mode {mode!r}; expected full, same or valid")
    signal = call_on(stream, "expand_dims", x, axes=(0, 2))
    kernel = call_on(stream, "expand_dims", flip_axes(w, (0,)), axes=(0, 2))
    signal, kernel = _operands("convolve", signal, kernel, 1, stream)
    made = windowed(signal, kernel, [Window(1, *pads[mode])], 1, False, stream)
    return call_on(stream, "squeeze", made, axes=(0, 2))
