"""Orthogonal factorisations and spectra of matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base.dtypes import finfo
from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..graph.primitive import call
from ..primitives.arguments import flag, on_stream, operand
from ..primitives.convert import cast
from ..primitives.create import scalar_constant
from ..primitives.matrix import matrices, real_dtype
from ..primitives.spectral import Eig, Eigh, Pinv, Qr, Svd
from ..primitives.triangles import column_of

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "matrix_rank",
    "pinv",
    "qr",
    "svd",
    "svdvals",
]


class EighResult(NamedTuple):
    """Eigenvalues, and eigenvectors in columns."""

    eigenvalues: array
    eigenvectors: array


class QRResult(NamedTuple):
    """The factors of a QR factorisation."""

    Q: array
    R: array


class SVDResult(NamedTuple):
    """The factors of a singular value decomposition."""

    U: array
    S: array
    Vh: array


def qr(a: Any, *, mode: str = "reduced", stream: Any = None) -> QRResult:
    """Return the QR factors of matrices: ``a = Q R``.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
      mode: ``"reduced"``, or ``"complete"`` for a square Q.
    Returns:
      Named tuple of Q (..., m, k) with orthonormal columns and the upper triangular R (..., k, n);
      k is the smaller of m and n, or m.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
      ValueError: Another mode.
    Example:
      >>> import monel.core as mx
      >>> q, r = mx.linalg.qr(mx.array([[0.0, 2.0], [3.0, 4.0]]))
      >>> q @ r
      array([[0, 2],
             [3, 4]], dtype=float32)
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}")
    x = matrices("qr", a, square=False)
    return QRResult(*Qr(complete=mode == "complete").bind(x, stream=stream))


def svd(a: Any, compute_uv: bool = True, *, full_matrices: bool = True, stream: Any = None) -> Any:
    """Return the singular value decomposition of matrices: ``a = U diag(S) Vh``.

    Vectors of equal singular values have no derivative of their own; what depends on the space
    that they span has one.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
      compute_uv: Return all three factors, else S alone.
      full_matrices: Return square U and Vh; else only the first k columns and rows.
    Returns:
      Named tuple of U (..., m, m), S (..., k), real and descending, and Vh (..., n, n), where k is
      the smaller of m and n; or S.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
      LinAlgError: The iteration did not converge; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.svd(mx.array([[3.0, 0.0], [0.0, -4.0]]), compute_uv=False)
      array([4, 3], dtype=float32)
    """
    wanted = flag("svd", "compute_uv", compute_uv)
    full = flag("svd", "full_matrices", full_matrices) or not wanted
    x = matrices("svd", a, square=False)
    made = Svd(compute_uv=wanted, full_matrices=full).bind(x, stream=stream)
    return SVDResult(*made) if wanted else made


def svdvals(a: Any, /, *, stream: Any = None) -> array:
    """Return the singular values of matrices in descending order.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
    Returns:
      Real array of shape (..., min(m, n)).
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.svdvals(mx.array([[3.0, 0.0], [0.0, -4.0]]))
      array([4, 3], dtype=float32)
    """
    return Svd(compute_uv=False).bind(matrices("svdvals", a, square=False), stream=stream)


def _triangle(function: str, uplo: Any) -> str:
    if uplo not in ("L", "U"):
        raise ValueError(f"{function}: UPLO must be 'L' or 'U', got {uplo!r}")
    return str(uplo)


def eigh(a: Any, UPLO: str = "L", *, stream: Any = None) -> EighResult:
    """Return eigenvalues and eigenvectors of symmetric or Hermitian matrices.

    The derivative is that of the function of the triangle that is read. Vectors of equal
    eigenvalues have none of their own; what depends on the space that they span has one.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n).
      UPLO: The triangle that is read: ``"L"``, lower, or ``"U"``, upper.
    Returns:
      Named tuple of the eigenvalues (..., n), real and ascending, and the eigenvectors (..., n, n)
      in columns.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      ValueError: Another ``UPLO``.
      LinAlgError: The iteration did not converge; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> w, v = mx.linalg.eigh(mx.array([[1.0, 0.0], [0.0, -2.0]]))
      >>> w
      array([-2, 1], dtype=float32)
    """
    primitive = Eigh(uplo=_triangle("eigh", UPLO), compute_vectors=True)
    return EighResult(*primitive.bind(matrices("eigh", a, square=True), stream=stream))


def eigvalsh(a: Any, UPLO: str = "L", *, stream: Any = None) -> array:
    """Return the eigenvalues of symmetric or Hermitian matrices in ascending order.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n).
      UPLO: The triangle that is read: ``"L"``, lower, or ``"U"``, upper.
    Returns:
      Real array of shape (..., n).
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      ValueError: Another ``UPLO``.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.eigvalsh(mx.array([[1.0, 0.0], [0.0, -2.0]]))
      array([-2, 1], dtype=float32)
    """
    primitive = Eigh(uplo=_triangle("eigvalsh", UPLO), compute_vectors=False)
    return primitive.bind(matrices("eigvalsh", a, square=True), stream=stream)


def eig(a: Any, *, stream: Any = None) -> EighResult:
    """Return eigenvalues and right eigenvectors of square matrices.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n).
    Returns:
      Named tuple of the eigenvalues (..., n), in no order, and the eigenvectors (..., n, n) in
      columns of norm 1; both complex64.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      LinAlgError: The iteration did not converge; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> w, v = mx.linalg.eig(mx.array([[3.0, 0.0], [0.0, -1.0]]))
      >>> w
      array([3+0j, -1+0j], dtype=complex64)
    """
    x = matrices("eig", a, square=True)
    return EighResult(*Eig(compute_vectors=True).bind(x, stream=stream))


def eigvals(a: Any, *, stream: Any = None) -> array:
    """Return the eigenvalues of square matrices.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n).
    Returns:
      complex64 array of shape (..., n), in no order.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.eigvals(mx.array([[0.0, 1.0], [-1.0, 0.0]]))
      array([0+1j, 0-1j], dtype=complex64)
    """
    return Eig(compute_vectors=False).bind(matrices("eigvals", a, square=True), stream=stream)


def _tolerance(function: str, rtol: Any, factor: float, a: Any) -> Any:
    """Return ``rtol`` as a real array of shape (..., 1); by default from the size of ``a``."""
    dtype = real_dtype(a.dtype)
    if rtol is None:
        rtol = factor * max(a.shape[-2:]) * finfo(dtype).eps
    if isinstance(rtol, int | float):
        found = wrap(scalar_constant(function, float(rtol), dtype))
    else:
        found = cast(operand(function, rtol), dtype)
    if not dtype.floating or found.ndim > max(a.ndim - 2, 0):
        raise ShapeError(
            f"{function}: rtol must fit the batch axes of {a.value}, got {found.value}"
        )
    return column_of(found)


def pinv(a: Any, *, rtol: Any = None, stream: Any = None) -> array:
    """Return the Moore-Penrose pseudo-inverses of matrices.

    The gradient holds where the rank does not change.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
      rtol: Singular values up to ``rtol`` times the greatest count as zero: a number, or an array
        of the batch axes; ``10 * max(m, n) * eps`` by default.
    Returns:
      Array of shape (..., n, m) and the dtype of ``a``.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.pinv(mx.array([[2.0, 0.0], [0.0, 0.0]]))
      array([[0.5, 0],
             [0, 0]], dtype=float32)
    """
    x = matrices("pinv", a, square=False)
    with on_stream(stream):
        return Pinv().bind(x, column_of(_tolerance("pinv", rtol, 10, x)))


def matrix_rank(a: Any, /, *, rtol: Any = None, stream: Any = None) -> array:
    """Return how many singular values of each matrix are not negligible.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
      rtol: Singular values up to ``rtol`` times the greatest are negligible: a number, or an array
        of the batch axes; ``max(m, n) * eps`` by default.
    Returns:
      int32 array of shape (...).
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.matrix_rank(mx.array([[1.0, 2.0], [2.0, 4.0]]))
      array(1, dtype=int32)
    """
    x = matrices("matrix_rank", a, square=False)
    with on_stream(stream):
        s = Svd(compute_uv=False).bind(x)
        axes = (s.ndim - 1,)
        greater = s > s
        if s.shape[-1]:
            limit = call("expand_dims", call("max", s, axes=axes), axes=axes)
            greater = s > limit * _tolerance("matrix_rank", rtol, 1, x)
        return greater.sum(axis=-1)
