"""Functions that pack arrays into a few bits, unpack them, and multiply with what is packed."""

from __future__ import annotations

import math
from typing import Any

from ..base import dtypes
from ..base.dtypes import Dtype
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..primitives import packing
from ..primitives.arguments import describe, dtype_or, flag, integer, operand
from ..primitives.convert import cast
from ..primitives.create import Iota
from ..primitives.elementwise import divide, multiply
from ..primitives.quantized_matmul import (
    GatherQMM,
    QuantizedMatmul,
    dequantizer,
    quantizer,
)
from ..primitives.shape import ExpandDims, Reshape, Squeeze
from .gathering import take_axis
from .selection import as_index

__all__ = ["dequantize", "gather_qmm", "quantize", "quantized_matmul"]


def settings_of(function: str, mode: Any, group_size: Any, bits: Any) -> tuple[int, int, str]:
    """Return the group size, the bits and the mode, with the defaults of the mode."""
    if not isinstance(mode, str):
        raise TypeError(f"{function}: mode must be a str, got {type(mode).__name__}")
    if mode not in packing.MODES:
        raise ShapeError(
            f"{function}: Invalid quantization mode {mode!r}. Valid modes are "
            f"{', '.join(packing.MODES)}."
        )
    default = packing.MODES[mode]
    size = default.group_size if group_size is None else integer(function, "group_size", group_size)
    width = default.bits if bits is None else integer(function, "bits", bits)
    if mode == "affine":
        if width not in packing.AFFINE_BITS:
            raise ShapeError(
                f"{function}: The requested number of bits {width} is not supported. The supported "
                f"bits are 1, 2, 3, 4, 5, 6 and 8."
            )
        if size not in packing.AFFINE_GROUPS:
            raise ShapeError(
                f"{function}: The requested group size {size} is not supported. The supported "
                f"group sizes are 32, 64, and 128."
            )
        return size, width, mode
    if size != default.group_size:
        raise ShapeError(
            f"{function}: {mode} quantization requires group size {default.group_size} but got "
            f"{size}."
        )
    if width != default.bits:
        raise ShapeError(
            f"{function}: {mode} quantization requires bits to be {default.bits} but got {width}."
        )
    return size, width, mode


def global_scale_of(function: str, mode: str, given: Any) -> tuple[Any, ...]:
    """Return a global scale as operands: none or one."""
    if given is None:
        return ()
    scale = operand(function, given)
    if mode != "nvfp4":
        raise ShapeError(
            f"{function}: Global scale is only supported for 'nvfp4' quantization mode."
        )
    if scale.dtype is not dtypes.float32:
        raise DTypeError(
            f"{function}: Global scale must have dtype float32 but got {describe(scale)}"
        )
    if scale.size != 1:
        raise ShapeError(f"{function}: Global scale must be a scalar but got {describe(scale)}")
    return (scale,)


def packed_parts(
    function: str, w: Any, scales: Any, biases: Any, mode: str, stream: Any
) -> tuple[Any, ...]:
    """Return the words, scales and biases, the latter two in the dtype in which they meet."""
    words, factors = operand(function, w), operand(function, scales)
    if words.dtype is not dtypes.uint32:
        raise DTypeError(
            f"{function}: The matrix should be given as a uint32, got {describe(words)}"
        )
    if words.ndim < 2:
        raise ShapeError(
            f"{function}: The matrix must have at least 2 dimensions, got {describe(words)}"
        )
    if mode != "affine":
        if biases is not None:
            raise ShapeError(f"{function}: Biases must be null for quantization mode {mode!r}.")
        if factors.dtype is not dtypes.uint8:
            raise DTypeError(
                f"{function}: Scale type must be uint8 but received {describe(factors)}"
            )
        parts: tuple[Any, ...] = (words, factors)
    else:
        if biases is None:
            raise ShapeError(f"{function}: Biases must be provided for affine quantization.")
        offsets = operand(function, biases)
        dtype = dtypes.promote(factors.dtype, offsets.dtype)
        if not dtype.floating:
            raise DTypeError(
                f"{function}: Only real floating types are supported, got scales "
                f"{describe(factors)} and biases {describe(offsets)}"
            )
        parts = (words, cast(factors, dtype, stream), cast(offsets, dtype, stream))
    if any(v.shape[:-1] != words.shape[:-1] for v in parts):
        raise ShapeError(
            f"{function}: Shape of scales and biases does not match the matrix, got "
            f"{' and '.join([describe(v) for v in parts])}"
        )
    return parts


def _product_operands(
    function: str, x: Any, packed: tuple[Any, ...], mode: str, stream: Any
) -> tuple[Any, ...]:
    """Return x and the packed matrix in the dtype of their product."""
    dtype = x.dtype
    if mode == "affine":
        dtype = dtypes.promote(dtype, packed[1].dtype)
        packed = (packed[0], *[cast(v, dtype, stream) for v in packed[1:]])
    if not dtype.floating:
        raise DTypeError(f"{function}: Only real floating types are supported, got x {describe(x)}")
    return (cast(x, dtype, stream), *packed)


def as_matrix(function: str, x: Any, stream: Any) -> Any:
    """Return a vector as a row."""
    if not x.shape:
        raise ShapeError(f"{function}: expected a vector or matrices, got {describe(x)}")
    return ExpandDims(axes=(0,)).bind(x, stream=stream) if x.ndim == 1 else x


def quantize(
    w: Any,
    /,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    *,
    global_scale: Any = None,
    stream: Any = None,
) -> tuple[array, ...]:
    """Pack the rows of ``w`` into a few bits an element, in groups that share a scale.

    Modes, with group size and bits (defaults first):

    - ``"affine"``: 64, 32 or 128; 4, 1, 2, 3, 5, 6 or 8. Integers c with ``w = scale * c + bias``;
      scales and biases have the dtype of ``w``.
    - ``"mxfp4"``: 32; 4. Floats of kind E2M1, scales that are powers of two (E8M0).
    - ``"mxfp8"``: 32; 8. Floats of kind E4M3, scales as before.
    - ``"nvfp4"``: 16; 4. Floats of kind E2M1, scales of kind E4M3.

    Args:
      w: Floating array of shape ``(..., rows, n)``; n is a multiple of the group size.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: One of those above.
      global_scale: For ``"nvfp4"``, the largest magnitude in ``w``, a float32 scalar; the scales
        of the groups are then relative to it.
    Returns:
      uint32 array of shape ``(..., rows, n * bits / 32)``, the first element in the lowest bits;
      the scales ``(..., rows, n / group_size)``, uint8 codes except for ``"affine"``; and for
      ``"affine"`` the biases.
    Raises:
      DTypeError: ``w`` is not real floating.
      ShapeError: ``w`` has less than two axes or no whole groups, or the mode is unknown or lacks
        the group size, the bits or a global scale.
    Example:
      >>> import monel.core as mx
      >>> w_q, scales, biases = mx.quantize(mx.arange(64, dtype=mx.float32).reshape(1, 64), bits=8)
      >>> w_q.shape, scales.shape
      ((1, 16), (1, 1))
      >>> w_q[0, :2]
      array([4093115391, 3823627247], dtype=uint32)
    Source: Open Compute Project, "OCP Microscaling Formats (MX) Specification", version 1.0.
    """
    x = operand("quantize", w)
    size, width, mode = settings_of("quantize", mode, group_size, bits)
    if x.ndim < 2:
        raise ShapeError(
            f"quantize: The matrix to be quantized must have at least 2 dimensions, got "
            f"{describe(x)}"
        )
    scale = global_scale_of("quantize", mode, global_scale)
    found: tuple[array, ...] = quantizer(mode, size, width).bind(x, *scale, stream=stream)
    return found


def dequantize(
    w: Any,
    /,
    scales: Any,
    biases: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: Any = None,
    dtype: Dtype | None = None,
    *,
    stream: Any = None,
) -> array:
    """Return the numbers that a packed array stands for.

    Args:
      w: uint32 array as ``quantize`` returns it, of shape ``(..., rows, n * bits / 32)``.
      scales: One for each group, ``(..., rows, n / group_size)``.
      biases: For ``"affine"``, of the shape of the scales.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: As given to ``quantize``.
      global_scale: As given to ``quantize``; the result is then float32.
      dtype: Of the result; by default that of the scales, and bfloat16 where these are codes.
    Returns:
      Array of shape ``(..., rows, n)``.
    Raises:
      DTypeError: ``w`` is not uint32, or the scales or ``dtype`` not of a dtype that fits.
      ShapeError: The shapes do not fit, or biases are missing or not due.
    Example:
      >>> import monel.core as mx
      >>> w = mx.arange(64, dtype=mx.float32).reshape(1, 64)
      >>> mx.dequantize(*mx.quantize(w, bits=8), bits=8)[0, -2:]
      array([62.0118, 63], dtype=float32)
    """
    size, width, mode = settings_of("dequantize", mode, group_size, bits)
    packed = packed_parts("dequantize", w, scales, biases, mode, stream)
    scale = global_scale_of("dequantize", mode, global_scale)
    default = packed[1].dtype if mode == "affine" else dtypes.bfloat16
    wanted = dtype_or("dequantize", dtype, default)
    if not wanted.floating:
        raise DTypeError(
            f"dequantize: Only real floating types are supported but output dtype is {wanted.name}"
        )
    if scale:
        wanted = dtypes.promote(wanted, dtypes.float32)
    unpack = dequantizer(mode, size, width, wanted)
    return cast(unpack.bind(*packed, *scale, stream=stream), wanted, stream)


def quantized_matmul(
    x: Any,
    w: Any,
    /,
    scales: Any,
    biases: Any = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    *,
    stream: Any = None,
) -> array:
    """Return the product of ``x`` with a packed matrix, or with its transpose.

    Args:
      x: Array of shape ``(..., m, k)`` or ``(k,)``.
      w: uint32 array as ``quantize`` returns it, of a matrix ``(..., n, k)`` where ``transpose``,
        else ``(..., k, n)``. Leading axes broadcast with those of ``x``.
      scales: The scales of ``w``.
      biases: For ``"affine"``, the biases of ``w``.
      transpose: Whether to multiply with the transpose.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: As given to ``quantize``.
    Returns:
      Array of shape ``(..., m, n)``, without m for a vector, in the dtype in which ``x``, scales
      and biases meet.
    Raises:
      DTypeError: ``w`` is not uint32, or the dtype of the result not real floating.
      ShapeError: The shapes do not fit, or biases are missing or not due.
    Example:
      >>> import monel.core as mx
      >>> w = mx.ones((3, 64))
      >>> mx.quantized_matmul(mx.ones((1, 64)), *mx.quantize(w))
      array([[64, 64, 64]], dtype=float32)
    """
    size, width, mode = settings_of("quantized_matmul", mode, group_size, bits)
    turned = flag("quantized_matmul", "transpose", transpose)
    left = operand("quantized_matmul", x)
    packed = packed_parts("quantized_matmul", w, scales, biases, mode, stream)
    left, *packed_ = _product_operands("quantized_matmul", left, packed, mode, stream)
    row = left.ndim == 1
    left = as_matrix("quantized_matmul", left, stream)
    out = QuantizedMatmul(size, width, mode, turned).bind(left, *packed_, stream=stream)
    return Squeeze(axes=(out.ndim - 2,)).bind(out, stream=stream) if row else out


def gather_qmm(
    x: Any,
    w: Any,
    /,
    scales: Any,
    biases: Any = None,
    lhs_indices: Any = None,
    rhs_indices: Any = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: Any = None,
    *,
    sorted_indices: bool = False,
    stream: Any = None,
) -> array:
    """Return the products of chosen matrices of ``x`` with chosen packed matrices.

    Args:
      x: Array of shape ``(..., m, k)``.
      w: uint32 array as ``quantize`` returns it, of matrices ``(..., n, k)`` where ``transpose``,
        else ``(..., k, n)``.
      scales, biases: Those of ``w``, with its leading axes.
      lhs_indices: Integers that count the matrices of ``x`` in row-major order; by default all, in
        the shape of its leading axes.
      rhs_indices: The same for ``w``. Both index arrays broadcast.
      transpose: Whether to multiply with the transposes.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: As given to ``quantize``.
      global_scale: For ``"nvfp4"``, one float32 for each matrix of ``w``, in the shape of its
        leading axes: the global scale that it was quantized with.
      sorted_indices: Accepted for MLX's sake.
    Returns:
      Array of the broadcast shape of the indices, then ``(m, n)``.
    Raises:
      DTypeError: The indices are no integers, ``w`` is not uint32, or the result not floating.
      ShapeError: The shapes do not fit, or biases are missing or not due.
      IndexError: An index is out of bounds; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> experts = mx.quantize(mx.ones((4, 3, 64)))
      >>> mx.gather_qmm(mx.ones((2, 1, 64)), *experts, rhs_indices=mx.array([3, 0])).shape
      (2, 1, 3)
    """
    size, width, mode = settings_of("gather_qmm", mode, group_size, bits)
    turned = flag("gather_qmm", "transpose", transpose)
    flag("gather_qmm", "sorted_indices", sorted_indices)
    left = operand("gather_qmm", x)
    if left.ndim < 2:
        raise ShapeError(
            f"gather_qmm: Input must have at least two dimensions, got {describe(left)}"
        )
    packed = packed_parts("gather_qmm", w, scales, biases, mode, stream)
    left, *parts = _product_operands("gather_qmm", left, packed, mode, stream)
    indices = [
        matrix_numbers("gather_qmm", given, v, stream)
        for given, v in ((lhs_indices, left), (rhs_indices, parts[0]))
    ]
    out = GatherQMM(size, width, mode, turned).bind(left, *parts, *indices, stream=stream)
    if global_scale is None:
        return out
    return _scaled_experts(out, mode, global_scale, parts[0], indices[1], stream)


def _scaled_experts(
    out: Any, mode: str, global_scale: Any, words: Any, chosen: Any, stream: Any
) -> Any:
    """Multiply each product with the global scale of its packed matrix."""
    if mode != "nvfp4":
        raise ShapeError(
            "gather_qmm: Global scale is only supported for 'nvfp4' quantization mode."
        )
    scale = operand("gather_qmm", global_scale)
    if scale.dtype is not dtypes.float32:
        raise DTypeError(
            f"gather_qmm: Global scale must have dtype float32 but got {describe(scale)}"
        )
    if scale.shape != words.shape[:-2]:
        raise ShapeError(
            f"gather_qmm: Global scale must have one entry per expert with shape "
            f"{words.shape[:-2]} but got {describe(scale)}"
        )
    line = Reshape(shape=(scale.size,)).bind(scale, stream=stream)
    factor = divide(line, packing.LARGEST_NVFP4, stream)
    factor = take_axis(factor, chosen, 0, stream)
    factor = ExpandDims(axes=(chosen.ndim, chosen.ndim + 1)).bind(factor, stream=stream)
    return cast(multiply(cast(out, dtypes.float32, stream), factor, stream), out.dtype, stream)


def matrix_numbers(function: str, given: Any, x: Any, stream: Any) -> Any:
    """Return index arrays as given, or the numbers of all matrices of ``x``."""
    if given is not None:
        return as_index(operand(function, given), function)
    lead = x.shape[:-2]
    line = Iota(shape=(math.prod(lead),), dtype=dtypes.int32, axis=0).bind(stream=stream)
    return Reshape(shape=lead).bind(line, stream=stream)
