"""Matrix products of chosen matrices, of blocks, and of segments."""

from __future__ import annotations

from typing import Any

from ..base import dtypes
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..primitives.arguments import call_on, describe, integer, operand
from ..primitives.convert import cast
from ..primitives.create import Iota
from ..primitives.dot import contraction_dtype, product
from ..primitives.flatten import part
from ..primitives.indexing import Gather
from ..primitives.kinds import scalar_like
from ..primitives.shape import ExpandDims, Reshape, Squeeze
from .joining import repeat
from .products import arranged

__all__ = ["block_masked_mm", "gather_mm", "segmented_mm"]


def gather_mm(
    a: Any,
    b: Any,
    /,
    lhs_indices: Any = None,
    rhs_indices: Any = None,
    *,
    sorted_indices: bool = False,
    stream: Any = None,
) -> array:
    """Return the matrix products of chosen matrices of two batches.

    Args:
      a: Array of shape ``(..., m, k)`` or ``(k,)``.
      b: Array of shape ``(..., k, n)`` or ``(k,)``.
      lhs_indices: Integers that count the matrices of ``a`` in row-major order; by default all, in
        the shape of its batch.
      rhs_indices: The same for ``b``. Both index arrays broadcast.
      sorted_indices: Accepted for MLX's sake.
    Returns:
      Array of the broadcast shape of the indices, then ``(m, n)``, in the promoted dtype.
    Raises:
      ShapeError: The contracted axes differ, or the indices do not broadcast.
      DTypeError: The indices are no integers, or the promoted dtype is not floating or complex.
    Example:
      >>> import monel.core as mx
      >>> a, b = mx.ones((4, 2, 3)), mx.ones((5, 3, 6))
      >>> mx.gather_mm(a, b, mx.array([0, 3]), mx.array([4, 1])).shape
      (2, 2, 6)
    """
    x, y = operand("gather_mm", a), operand("gather_mm", b)
    if not x.shape or not y.shape:
        raise ShapeError(f"gather_mm: expected matrices, got {describe(x)} and {describe(y)}")
    row, column = x.ndim == 1, y.ndim == 1
    x = ExpandDims(axes=(0,)).bind(x, stream=stream) if row else x
    y = ExpandDims(axes=(1,)).bind(y, stream=stream) if column else y
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            f"gather_mm: Last dimension of the left {describe(x)} must match second to last "
            f"dimension of the right {describe(y)}"
        )
    dtype = contraction_dtype("gather_mm", x, y)
    x = _chosen(cast(x, dtype, stream), lhs_indices, stream)
    y = _chosen(cast(y, dtype, stream), rhs_indices, stream)
    out = product("gather_mm", x, y, stream)
    ones = ((out.ndim - 2,) if row else ()) + ((out.ndim - 1,) if column else ())
    return Squeeze(axes=ones).bind(out, stream=stream) if ones else out


def _chosen(x: Any, indices: Any, stream: Any) -> Any:
    """Return the matrices of ``x`` that ``indices`` name, in their shape."""
    if indices is None:
        return x
    chosen = _integers("gather_mm", "indices", indices, stream)
    m, n = x.shape[-2:]
    line = arranged(x, tuple(range(x.ndim)), (x.size // (m * n) if m * n else 1, m, n), stream)
    gather = Gather((0,), (1, m, n), "gather_mm")
    found = gather.bind(line, chosen, stream=stream)
    return Squeeze(axes=(chosen.ndim,)).bind(found, stream=stream)


def _integers(function: str, name: str, indices: Any, stream: Any) -> Any:
    chosen = operand(function, indices)
    if not chosen.dtype.integral:
        raise DTypeError(
            f"{function}: Got {name} with invalid dtype. They must be integral, got "
            f"{describe(chosen)}"
        )
    if chosen.dtype in (dtypes.int32, dtypes.uint32, dtypes.int64):
        return chosen
    return cast(chosen, dtypes.int64, stream)


def block_masked_mm(
    a: Any,
    b: Any,
    /,
    block_size: int = 64,
    mask_out: Any = None,
    mask_lhs: Any = None,
    mask_rhs: Any = None,
    *,
    stream: Any = None,
) -> array:
    """Return a matrix product whose operands and result are masked or scaled in square blocks.

    Args:
      a: Array of shape ``(..., m, k)``.
      b: Array of shape ``(..., k, n)``.
      block_size: The side of a block.
      mask_out: bool or numbers, one for each block of the result; false means zero.
      mask_lhs, mask_rhs: The same for ``a`` and ``b``.
    Returns:
      Array of shape ``(..., m, n)`` in the promoted dtype of ``a`` and ``b``.
    Raises:
      ShapeError: The contracted axes differ, or a mask does not fit its blocks.
      DTypeError: The promoted dtype is neither floating nor complex.
    Example:
      >>> import monel.core as mx
      >>> mask = mx.array([[True, False]])
      >>> mx.block_masked_mm(mx.ones((1, 2)), mx.ones((2, 2)), 1, mask_out=mask)
      array([[2, 0]], dtype=float32)
    """
    x, y = operand("block_masked_mm", a), operand("block_masked_mm", b)
    side = integer("block_masked_mm", "block_size", block_size)
    if side < 1:
        raise ShapeError(f"block_masked_mm: block_size must be positive, got {side}")
    if x.ndim < 2 or y.ndim < 2:
        raise ShapeError(f"block_masked_mm: expected matrices, got {describe(x)}, {describe(y)}")
    dtype = contraction_dtype("block_masked_mm", x, y)
    x, y = cast(x, dtype, stream), cast(y, dtype, stream)
    x, y = _masked(x, mask_lhs, side, stream), _masked(y, mask_rhs, side, stream)
    return _masked(product("block_masked_mm", x, y, stream), mask_out, side, stream)


def _masked(x: Any, mask: Any, side: int, stream: Any) -> Any:
    if mask is None:
        return x
    blocks = operand("block_masked_mm", mask)
    rows, columns = x.shape[-2:]
    wanted = (-(-rows // side), -(-columns // side))
    if blocks.shape[-2:] != wanted:
        raise ShapeError(
            f"block_masked_mm: a mask of blocks of {side} for {describe(x)} must have the last "
            f"axes {wanted}, got {describe(blocks)}"
        )
    for axis, n in ((blocks.ndim - 2, rows), (blocks.ndim - 1, columns)):
        blocks = part(repeat(blocks, side, axis, stream=stream), axis, 0, n, stream)
    if blocks.dtype is dtypes.bool_:
        return call_on(stream, "where", blocks, x, scalar_like(0, x))
    return call_on(stream, "mul", x, cast(blocks, x.dtype, stream))


def segmented_mm(a: Any, b: Any, /, segments: Any, *, stream: Any = None) -> array:
    """Return the matrix products of segments of the contracted axis.

    Args:
      a: Array of shape ``(m, k)``.
      b: Array of shape ``(k, n)``.
      segments: Integers of shape ``(..., 2)``: first position and one past the last.
    Returns:
      Array of shape ``segments.shape[:-1] + (m, n)``; zeros where a segment is empty.
    Raises:
      ShapeError: The operands are no matrices that fit, or ``segments`` no pairs.
      DTypeError: ``segments`` are no integers, or the promoted dtype is not floating or complex.
    Example:
      >>> import monel.core as mx
      >>> mx.segmented_mm(mx.ones((1, 3)), mx.ones((3, 1)), mx.array([[0, 2], [2, 3]]))
      array([[[2]],
             [[1]]], dtype=float32)
    """
    x, y = operand("segmented_mm", a), operand("segmented_mm", b)
    if x.ndim != 2 or y.ndim != 2:
        raise ShapeError(f"segmented_mm: expected matrices, got {describe(x)} and {describe(y)}")
    if x.shape[1] != y.shape[0]:
        raise ShapeError(
            f"segmented_mm: Last dimension of the left {describe(x)} must match the first of the "
            f"right {describe(y)}"
        )
    pairs = cast(_integers("segmented_mm", "segments", segments, stream), dtypes.int64, stream)
    if not pairs.shape or pairs.shape[-1] != 2:
        raise ShapeError(
            f"segmented_mm: The segments should have shape (..., 2), got {describe(pairs)}"
        )
    dtype = contraction_dtype("segmented_mm", x, y)
    x, y = cast(x, dtype, stream), cast(y, dtype, stream)
    last = pairs.ndim - 1
    # The bounds are (..., 1, 1), the positions (1, k): where a position lies inside, a stays.
    low, high = (
        Reshape(shape=(*pairs.shape[:-1], 1, 1)).bind(
            part(pairs, last, i, i + 1, stream), stream=stream
        )
        for i in (0, 1)
    )
    place = Iota(shape=(1, x.shape[1]), dtype=dtypes.int64, axis=1).bind(stream=stream)
    inside = call_on(
        stream,
        "logical_and",
        call_on(stream, "less_equal", low, place),
        call_on(stream, "less", place, high),
    )
    kept = call_on(stream, "where", inside, x, scalar_like(0, x))
    return product("segmented_mm", kept, y, stream)
