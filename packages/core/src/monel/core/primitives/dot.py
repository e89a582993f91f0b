"""Matrix products: the matmul primitive and the functions made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from . import elementwise
from .arguments import describe, number, operand, speaking_as
from .convert import cast
from .kinds import move_axis, unbroadcast
from .shape import ExpandDims, Squeeze

if TYPE_CHECKING:
    import numpy as np

__all__ = ["addmm", "matmul"]


class Matmul(Primitive, name="matmul"):
    """x (..., m, k) times y (..., k, n); leading axes broadcast."""

    required = True
    linear: ClassVar[str | None] = "each"

    def abstract(self, x: Any, y: Any) -> AbstractArray:
        if x.dtype is not y.dtype or not x.dtype.inexact:
            raise DTypeError(f"matmul: expected one floating or complex dtype, got {x} and {y}")
        if x.ndim < 2 or y.ndim < 2:
            raise ShapeError(f"matmul: expected at least two axes, got {x} and {y}")
        a, b = x.shape, y.shape
        if a[-1] != b[-2]:
            raise ShapeError(
                f"matmul: {x} @ {y}: the last axis of the left ({a[-1]}) must equal the "
                f"second-to-last of the right ({b[-2]})"
            )
        lead = a[:-2]
        if lead != b[:-2]:
            lead = broadcast_shapes("matmul", lead, b[:-2])
        return AbstractArray((*lead, a[-2], b[-1]), x.dtype)

    def reference(self, x: np.ndarray, y: np.ndarray) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            if x.dtype.itemsize == 2:
                return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
            return np.matmul(x, y)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        other = swapped(operands[1 - i])
        if other.dtype.name == "complex64":
            other = call("conj", other)
        made = Matmul().bind(other, ct) if i else Matmul().bind(ct, other)
        return unbroadcast(made, operands[i])

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, y), (dx, dy) = operands, dims
        if dx is not None and dy is None and y.ndim == 2:
            # One product over all rows: the batch joins the leading axes of the left operand.
            return Matmul().bind(move_axis(x, dx, 0), y), 0
        rank = max(a.ndim - (d is not None) for a, d in zip(operands, dims, strict=True))
        moved = []
        for a, d in zip(operands, dims, strict=True):
            if d is not None:
                a = move_axis(a, d, 0)
                if missing := rank - (a.ndim - 1):
                    a = ExpandDims(tuple(range(1, 1 + missing))).bind(a)
            moved.append(a)
        return Matmul().bind(*moved), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for a, b in [
            ((2, 3), (3, 4)),
            ((5, 2, 3), (5, 3, 2)),
            ((4, 1, 2, 3), (2, 3, 1)),
            ((2, 0), (0, 3)),
            ((1, 3), (2, 3, 1)),
        ]:
            x, y = (rng.standard_normal(s).astype("float32") for s in (a, b))
            yield Sample(cls(), (x, y))


def swapped(x: Any) -> Any:
    """Return ``x`` with its last two axes exchanged."""
    return call("transpose", x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def contraction_dtype(function: str, *arrays: Any) -> Any:
    """Return the dtype in which a contraction of ``arrays`` runs: floating or complex."""
    dtype = dtypes.promote_all([a.dtype for a in arrays])
    if not dtype.inexact:
        given = " and ".join([describe(a) for a in arrays])
        raise DTypeError(
            f"{function}: Only inexact types are supported, got {given}, which meet in "
            f"{dtype.name}; cast one with astype(mx.float32)"
        )
    return dtype


def product(function: str, x: Any, y: Any, stream: Any = None) -> Any:
    """Record ``x @ y`` as NumPy defines it: vectors count as a row and a column."""
    if x.dtype is not y.dtype or not x.dtype.inexact:
        dtype = contraction_dtype(function, x, y)
        x, y = cast(x, dtype, stream), cast(y, dtype, stream)
    row, column = x.ndim == 1, y.ndim == 1
    if row or column or not x.shape or not y.shape:
        if not x.shape or not y.shape:
            raise ShapeError(
                f"{function}: {describe(x)} @ {describe(y)}: a scalar has no axis to contract; "
                f"multiply with *"
            )
        left = ExpandDims((0,)).bind(x, stream=stream) if row else x
        right = ExpandDims((1,)).bind(y, stream=stream) if column else y
        out = Matmul().bind(left, right, stream=stream)
        ones = ((out.ndim - 2,) if row else ()) + ((out.ndim - 1,) if column else ())
        return Squeeze(ones).bind(out, stream=stream)
    return Matmul().bind(x, y, stream=stream)


def matmul(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return the matrix product ``a @ b``, of batches of matrices where there are more axes.

    Args:
      a: Array of shape ``(..., m, k)`` or ``(k,)``.
      b: Array of shape ``(..., k, n)`` or ``(k,)``. Leading axes broadcast.
    Returns:
      Array of shape ``(..., m, n)``, without the axis that a vector lacks, in the promoted dtype.
    Raises:
      ShapeError: The contracted axes differ, the leading ones do not broadcast, or one operand is
        a scalar.
      DTypeError: The promoted dtype is neither floating nor complex.
    Example:
      >>> import monel.core as mx
      >>> mx.matmul(mx.array([[1.0, 2.0], [3.0, 4.0]]), mx.array([1.0, 1.0]))
      array([3, 7], dtype=float32)
    """
    return product("matmul", operand("matmul", a), operand("matmul", b), stream)


def addmm(
    c: Any, a: Any, b: Any, /, alpha: float = 1.0, beta: float = 1.0, *, stream: Any = None
) -> array:
    """Return ``alpha * (a @ b) + beta * c``.

    Args:
      c: Array that broadcasts to the shape of ``a @ b``.
      a, b: Arrays as in ``matmul``.
      alpha: Factor of the product.
      beta: Factor of ``c``.
    Returns:
      Array of the shape of ``a @ b`` in the promoted dtype of all three.
    Raises:
      ShapeError: ``a`` and ``b`` do not fit, or ``c`` does not broadcast to their product.
      DTypeError: The promoted dtype is neither floating nor complex.
    Example:
      >>> import monel.core as mx
      >>> mx.addmm(mx.array([1.0]), mx.ones((2, 3)), mx.ones((3, 1)), alpha=2.0)
      array([[7],
             [7]], dtype=float32)
    """
    c, a, b = (operand("addmm", x) for x in (c, a, b))
    dtype = contraction_dtype("addmm", c, a, b)
    alpha, beta = number("addmm", "alpha", alpha), number("addmm", "beta", beta)
    with speaking_as("addmm"):
        out = product("addmm", cast(a, dtype, stream), cast(b, dtype, stream), stream)
    bias = cast(c, dtype, stream)
    if c.ndim > out.ndim or broadcast_shapes("addmm", c.shape, out.shape) != out.shape:
        raise ShapeError(
            f"addmm: c {describe(c)} must broadcast to the shape of a @ b, {describe(out)}"
        )
    if alpha != 1:
        out = elementwise.multiply(out, alpha, stream)
    if beta != 1:
        bias = elementwise.multiply(bias, beta, stream)
    return elementwise.add(out, bias, stream)
