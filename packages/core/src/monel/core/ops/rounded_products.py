"""Products of which both operands are rounded to few bits."""

from __future__ import annotations

from typing import Any

from ..base import dtypes
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..primitives.arguments import describe, flag, operand
from ..primitives.flatten import flatten_axes
from ..primitives.quantized_matmul import QQMatmul
from ..primitives.shape import Squeeze
from .gathering import take_axis
from .quantization import as_matrix, global_scale_of, matrix_numbers, packed_parts, settings_of

__all__ = ["gather_qqmm", "qqmm"]


def _product(
    function: str,
    mode: Any,
    settings: tuple[Any, Any],
    left: Any,
    right: Any,
    scales: Any,
    global_scales: tuple[Any, Any],
    stream: Any,
) -> tuple[QQMatmul, tuple[Any, ...], list[Any]]:
    """Return the primitive, the right operand's parts, and the global scales, all checked."""
    _, _, mode = settings_of(function, mode, *settings)
    if mode not in ("nvfp4", "mxfp8"):
        raise ShapeError(f"{function}: mode must be 'nvfp4' or 'mxfp8', got {mode!r}")
    for v in (left,) if right.dtype is dtypes.uint32 else (left, right):
        if not v.dtype.floating or v.dtype is dtypes.float64:
            raise DTypeError(
                f"{function}: Only real floating types except float64 are supported, got "
                f"{describe(v)}"
            )
    if (global_scales[0] is None) != (global_scales[1] is None):
        raise ShapeError(
            f"{function}: For nvfp4 mode, either both global_scale_x and global_scale_w must be "
            "provided, or neither."
        )
    spread = [s for given in global_scales for s in global_scale_of(function, mode, given)]
    packed = right.dtype is dtypes.uint32
    if packed and scales is None:
        raise ShapeError(f"{function}: Scales must be provided if second argument is quantized.")
    parts = packed_parts(function, right, scales, None, mode, stream) if packed else (right,)
    return QQMatmul(mode, packed, bool(spread)), parts, spread


def qqmm(
    x: Any,
    w: Any,
    scales: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: Any = None,
    global_scale_w: Any = None,
    *,
    stream: Any = None,
) -> array:
    """Return ``x @ w.T`` with both operands quantized: ``x`` here, ``w`` here or before.

    Its derivative is that of the product of the rounded operands, with rounding taken for the
    identity; packed weights have none.

    Args:
      x: float32, float16 or bfloat16 array of shape ``(..., m, k)`` or ``(k,)``.
      w: Array of such a dtype and of shape ``(n, k)``; or what ``quantize`` returns for it.
      scales: The scales of ``w`` where it is packed.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: ``"nvfp4"`` or ``"mxfp8"``.
      global_scale_x, global_scale_w: For ``"nvfp4"``, the largest magnitudes in ``x`` and ``w``,
        float32 scalars; both or neither.
    Returns:
      Array of shape ``(..., m, n)``, without m for a vector, in the dtype of ``x``.
    Raises:
      DTypeError: A dtype is not one of those above.
      ShapeError: The shapes do not fit, the scales are missing, or the mode is another.
    Example:
      >>> import monel.core as mx
      >>> mx.qqmm(mx.full((1, 16), 6.0), mx.full((2, 16), 3.0))
      array([[288, 288]], dtype=float32)
    Source: Bengio et al., arXiv:1308.3432, for the derivative.
    """
    left, right = operand("qqmm", x), operand("qqmm", w)
    scaled = (global_scale_x, global_scale_w)
    product, parts, spread = _product(
        "qqmm", mode, (group_size, bits), left, right, scales, scaled, stream
    )
    if right.ndim != 2:
        raise ShapeError(f"qqmm: w must be a matrix, got {describe(right)}")
    row = left.ndim == 1
    left = as_matrix("qqmm", left, stream)
    out = product.bind(left, *parts, *spread, stream=stream)
    return Squeeze(axes=(out.ndim - 2,)).bind(out, stream=stream) if row else out


def gather_qqmm(
    x: Any,
    w: Any,
    /,
    scales: Any = None,
    lhs_indices: Any = None,
    rhs_indices: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: Any = None,
    global_scale_w: Any = None,
    *,
    sorted_indices: bool = False,
    stream: Any = None,
) -> array:
    """Return the products of chosen matrices of ``x`` and ``w``, both rounded as by ``qqmm``.

    Args:
      x: float32, float16 or bfloat16 array of shape ``(..., m, k)``.
      w: Array of such a dtype and of shape ``(..., n, k)``; or what ``quantize`` returns for it.
      scales: The scales of ``w`` where it is packed.
      lhs_indices: Integers that count the matrices of ``x`` in row-major order; by default all, in
        the shape of its leading axes.
      rhs_indices: The same for ``w``. Both index arrays broadcast.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: ``"nvfp4"`` or ``"mxfp8"``.
      global_scale_x, global_scale_w: For ``"nvfp4"``, the largest magnitudes in ``x`` and ``w``,
        float32 scalars; both or neither.
      sorted_indices: Accepted for MLX's sake.
    Returns:
      Array of the broadcast shape of the indices, then ``(m, n)``, in the dtype of ``x``.
    Raises:
      DTypeError: A dtype is not one of those above, or the indices are no integers.
      ShapeError: The shapes do not fit, the scales are missing, or the mode is another.
      IndexError: An index is out of bounds; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> experts = mx.full((4, 3, 16), 3.0)
      >>> mx.gather_qqmm(mx.full((2, 1, 16), 6.0), experts, rhs_indices=mx.array([3, 0])).shape
      (2, 1, 3)
    """
    flag("gather_qqmm", "sorted_indices", sorted_indices)
    left, right = operand("gather_qqmm", x), operand("gather_qqmm", w)
    scaled = (global_scale_x, global_scale_w)
    product, parts, spread = _product(
        "gather_qqmm", mode, (group_size, bits), left, right, scales, scaled, stream
    )
    for v in (left, *parts):
        if v.ndim < 2:
            raise ShapeError(f"gather_qqmm: expected matrices, got {describe(v)}")
    chosen = [
        _chosen(v, matrix_numbers("gather_qqmm", given, v, stream), stream)
        for v, given in ((left, lhs_indices), *[(part, rhs_indices) for part in parts])
    ]
    return product.bind(*chosen, *spread, stream=stream)


def _chosen(x: Any, numbers: Any, stream: Any) -> Any:
    """Return the matrices of ``x`` with these numbers; a lone matrix is number 0."""
    if x.ndim == 2:
        return x
    return take_axis(flatten_axes(x, 0, x.ndim - 3, stream), numbers, 0, stream)
