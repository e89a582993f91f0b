"""mx.linalg: linear algebra on the matrices in the last two axes."""

from __future__ import annotations

from typing import Any

from .base import errors
from .base.dtypes import Dtype
from .graph.handle import array
from .ops import diagonals
from .ops.manipulation import matrix_transpose
from .ops.norms import (
    cross,
    matrix_norm,
    norm,
    vector_norm,
)
from .ops.products import outer, tensordot, vecdot
from .ops.spectra import (
    EighResult,
    QRResult,
    SVDResult,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    matrix_rank,
    pinv,
    qr,
    svd,
    svdvals,
)
from .ops.systems import (
    SlogdetResult,
    cholesky,
    cholesky_inv,
    det,
    inv,
    lu,
    lu_factor,
    matrix_power,
    slogdet,
    solve,
    solve_triangular,
    tri_inv,
)
from .primitives.dot import matmul

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cholesky_inv",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lu",
    "lu_factor",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "tri_inv",
    "vecdot",
    "vector_norm",
]


def diagonal(a: Any, /, *, offset: int = 0, stream: Any = None) -> array:
    """Return the diagonals of matrices, in the last two axes; ``mx.diagonal`` takes the first two.

    Args:
      a: Array of shape (..., m, n).
      offset: The diagonal: positive above the main one, negative below.
    Returns:
      Array of shape (..., length of the diagonal).
    Raises:
      ShapeError: ``a`` has fewer than two axes.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.diagonal(mx.array([[1, 2], [3, 4]]))
      array([1, 4], dtype=int32)
    """
    return diagonals.diagonal(a, offset, -2, -1, stream)


def trace(a: Any, /, *, offset: int = 0, dtype: Dtype | None = None, stream: Any = None) -> array:
    """Return the traces of matrices, in the last two axes; ``mx.trace`` takes the first two.

    Args:
      a: Array of shape (..., m, n).
      offset: The diagonal: positive above the main one, negative below.
      dtype: The dtype of the result; by default as for ``sum``.
    Returns:
      Array of shape (...).
    Raises:
      ShapeError: ``a`` has fewer than two axes.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.trace(mx.array([[1, 2], [3, 4]]))
      array(5, dtype=int32)
    """
    return diagonals.trace(a, offset, -2, -1, dtype, stream=stream)


def __getattr__(name: str) -> Any:
    """Give ``LinAlgError`` on demand: its class needs NumPy."""
    if name == "LinAlgError":
        return errors.LinAlgError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
