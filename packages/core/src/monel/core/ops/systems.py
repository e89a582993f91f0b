"""Linear systems: factorisations that solve them, inverses, determinants, powers."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base import dtypes
from ..base.errors import ShapeError
from ..graph.handle import array
from ..graph.primitive import call
from ..primitives.arguments import call_on, describe, flag, integer, on_stream, operand, promoted
from ..primitives.convert import cast
from ..primitives.kinds import broadcast_like
from ..primitives.matrix import check_matrices, matrices
from ..primitives.operands import as_floating
from ..primitives.solve import (
    Cholesky,
    Det,
    Inv,
    Lu,
    Solve,
    SolveTriangular,
    Solving,
    permutation_sign,
    unit_lower,
)
from ..primitives.triangles import (
    above,
    adjoint,
    column_of,
    diagonal_of,
    eye_like,
    first_columns,
    first_rows,
    rows_from,
    triangle,
)
from ..primitives.triangles import (
    upper as upper_triangle,
)

__all__ = [
    "SlogdetResult",
    "cholesky",
    "cholesky_inv",
    "det",
    "inv",
    "lu",
    "lu_factor",
    "matrix_power",
    "slogdet",
    "solve",
    "solve_triangular",
    "tri_inv",
]


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the absolute value of a determinant."""

    sign: array
    logabsdet: array


def cholesky(a: Any, upper: bool = False, *, stream: Any = None) -> array:
    """Return the Cholesky factors of Hermitian positive definite matrices.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n), of which only the triangle that
        is returned is read.
      upper: Return U with ``a = U^H U`` instead of L with ``a = L L^H``.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      LinAlgError: A matrix is not positive definite; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.cholesky(mx.array([[4.0, 2.0], [2.0, 5.0]]))
      array([[2, 0],
             [1, 2]], dtype=float32)
    """
    x = matrices("cholesky", a, square=True)
    return Cholesky(upper=flag("cholesky", "upper", upper)).bind(x, stream=stream)


def cholesky_inv(a: Any, upper: bool = False, *, stream: Any = None) -> array:
    """Return the inverses of the matrices of which ``a`` holds the Cholesky factors.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n): lower factors.
      upper: The factors are upper ones.
    Returns:
      Array of the shape and dtype of ``a``: the inverse of ``a a^H``, or of ``a^H a``.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      LinAlgError: A factor has a zero on its diagonal; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.cholesky_inv(mx.array([[2.0, 0.0], [0.0, 4.0]]))
      array([[0.25, 0],
             [0, 0.0625]], dtype=float32)
    """
    with on_stream(stream):
        inverse = _triangular_inverse("cholesky_inv", a, upper)
        return inverse @ adjoint(inverse) if upper else adjoint(inverse) @ inverse


def _triangular_inverse(function: str, a: Any, is_upper: bool) -> Any:
    x = matrices(function, a, square=True)
    inverse = SolveTriangular(upper=flag(function, "upper", is_upper)).bind(x, eye_like(x))
    return triangle(inverse, is_upper)


def tri_inv(a: Any, upper: bool = False, *, stream: Any = None) -> array:
    """Return the inverses of triangular matrices.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n); the other triangle is not read.
      upper: The matrices are upper triangular.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      LinAlgError: A diagonal holds a zero; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.tri_inv(mx.array([[2.0, 0.0], [2.0, 1.0]]))
      array([[0.5, 0],
             [-1, 1]], dtype=float32)
    """
    with on_stream(stream):
        return _triangular_inverse("tri_inv", a, upper)


def inv(a: Any, *, stream: Any = None) -> array:
    """Return the inverses of square matrices.

    Args:
      a: float32, float64 or complex64 array of shape (..., n, n).
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: Another dtype.
      LinAlgError: A matrix is singular; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.inv(mx.array([[2.0, 1.0], [2.0, 2.0]]))
      array([[1, -0.5],
             [-1, 1]], dtype=float32)
    """
    return Inv().bind(matrices("inv", a, square=True), stream=stream)


def solve(a: Any, b: Any, *, stream: Any = None) -> array:
    """Return the solution x of ``a x = b``.

    Args:
      a: Array of shape (..., n, n).
      b: Array of shape (n,), or of matrices (..., n, k); leading axes broadcast.
    Returns:
      Array of shape (..., n) or (..., n, k) in the promoted dtype, which must be float32, float64
      or complex64.
    Raises:
      ShapeError: ``a`` is not square or the shapes do not fit.
      DTypeError: Another dtype.
      LinAlgError: A matrix is singular; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.solve(mx.array([[2.0, 0.0], [0.0, 4.0]]), mx.array([1.0, 2.0]))
      array([0.5, 0.5], dtype=float32)
    """
    return _solved(Solve(), a, b, stream)


def solve_triangular(a: Any, b: Any, *, upper: bool = False, stream: Any = None) -> array:
    """Return the solution x of ``a x = b`` for triangular matrices.

    Args:
      a: Array of shape (..., n, n); the other triangle is not read.
      b: Array of shape (n,), or of matrices (..., n, k); leading axes broadcast.
      upper: The matrices are upper triangular.
    Returns:
      Array of shape (..., n) or (..., n, k) in the promoted dtype, which must be float32, float64
      or complex64.
    Raises:
      ShapeError: ``a`` is not square or the shapes do not fit.
      DTypeError: Another dtype.
      LinAlgError: A diagonal holds a zero; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> a = mx.array([[2.0, 0.0], [2.0, 1.0]])
      >>> mx.linalg.solve_triangular(a, mx.array([1.0, 2.0]))
      array([0.5, 1], dtype=float32)
    """
    primitive = SolveTriangular(upper=flag("solve_triangular", "upper", upper))
    return _solved(primitive, a, b, stream)


def _solved(primitive: Solving, a: Any, b: Any, stream: Any) -> Any:
    name = primitive.name
    x, y = promoted([operand(name, a), operand(name, b)], stream)
    primitive.check(x.value)
    if not y.ndim:
        raise ShapeError(f"{name}: Second input must have >= 1 dimensions, got {describe(y)}")
    with on_stream(stream):
        if y.ndim == 1:
            made = primitive.bind(x, column_of(y))
            return call("squeeze", made, axes=(made.ndim - 1,))
        if x.ndim == 2 and y.ndim == 3:
            primitive.abstract(x.value, y.value)
            return primitive.shared(x, y)
        return primitive.bind(x, y)


def lu_factor(a: Any, *, stream: Any = None) -> tuple[array, array]:
    """Return the LU factors of matrices in one array, with the pivots.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
    Returns:
      Array of the shape of ``a``: the upper factor, and below its diagonal the unit lower one; and
      a uint32 array (..., min(m, n)): step i swapped row i with row ``pivots[i]``.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
    Example:
      >>> import monel.core as mx
      >>> packed, pivots = mx.linalg.lu_factor(mx.array([[1.0, 2.0], [2.0, 8.0]]))
      >>> packed
      array([[2, 8],
             [0.5, -2]], dtype=float32)
      >>> pivots
      array([1, 1], dtype=uint32)
    """
    packed, pivots, _ = Lu().bind(matrices("lu_factor", a, square=False), stream=stream)
    return packed, call_on(stream, "stop_gradient", pivots)


def lu(a: Any, *, stream: Any = None) -> tuple[array, array, array]:
    """Return the permutation and the factors L and U of matrices, with ``a = L[p] @ U``.

    Args:
      a: float32, float64 or complex64 array of shape (..., m, n).
    Returns:
      The row indices p (..., m), uint32; L (..., m, k) with ones on its diagonal; U (..., k, n);
      k is the smaller of m and n.
    Raises:
      ShapeError: ``a`` has fewer than two axes.
      DTypeError: Another dtype.
    Example:
      >>> import monel.core as mx
      >>> a = mx.array([[1.0, 2.0], [2.0, 8.0]])
      >>> p, l, u = mx.linalg.lu(a)
      >>> l[p] @ u
      array([[1, 2],
             [2, 8]], dtype=float32)
    """
    with on_stream(stream):
        packed, _, order = Lu().bind(matrices("lu", a, square=False))
        k = min(packed.shape[-2:])
        left = first_columns(packed, k)
        unit = unit_lower(first_rows(left, k))
        if packed.shape[-2] > k:
            unit = above(unit, rows_from(left, k))
        rows = call("argsort", call("stop_gradient", order), axis=order.ndim - 1)
        return rows, unit, upper_triangle(first_rows(packed, k))


def _numbers(function: str, a: Any) -> tuple[Any, Any]:
    """Return matrices in a dtype that LAPACK takes, and the dtype of the result."""
    x = as_floating(operand(function, a))
    wide = cast(x, dtypes.float32) if x.dtype.size == 2 else x
    check_matrices(function, wide.value, True)
    return wide, x.dtype


def det(a: Any, *, stream: Any = None) -> array:
    """Return the determinants of square matrices.

    The gradient is exact for singular matrices, too: it is the adjugate.

    Args:
      a: Array of shape (..., n, n); integers are taken as float32.
    Returns:
      Array of shape (...) of the dtype of ``a``; half types are computed in float32.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.det(mx.array([[1.0, 2.0], [3.0, 4.0]]))
      array(-2, dtype=float32)
    """
    with on_stream(stream):
        x, dtype = _numbers("det", a)
        return cast(Det().bind(x), dtype)


def slogdet(a: Any, *, stream: Any = None) -> SlogdetResult:
    """Return sign and logarithm of the absolute value of the determinants of square matrices.

    Args:
      a: Array of shape (..., n, n); integers are taken as float32.
    Returns:
      Named tuple: ``sign`` of shape (...), for complex matrices a complex number of absolute value
      1, and ``logabsdet``, which is real. Of a singular matrix they are 0 and -inf.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
    Example:
      >>> import monel.core as mx
      >>> sign, logabsdet = mx.linalg.slogdet(mx.array([[1.0, 2.0], [3.0, 4.0]]))
      >>> sign
      array(-1, dtype=float32)
      >>> logabsdet
      array(0.693147, dtype=float32)
    """
    with on_stream(stream):
        x, dtype = _numbers("slogdet", a)
        packed, pivots, _ = Lu().bind(x)
        pivot = diagonal_of(packed)
        axes = (pivot.ndim - 1,)
        signs = call("prod", call("sign", pivot), axes=axes)
        sizes = call("sum", call("log", call("abs", pivot)), axes=axes)
        sign = signs * permutation_sign(pivots, x.dtype)
        real = dtypes.float32 if dtype is dtypes.complex64 else dtype
        return SlogdetResult(cast(sign, dtype), cast(sizes, real))


def matrix_power(a: Any, n: int, /, *, stream: Any = None) -> array:
    """Return square matrices raised to an integer power, by repeated squaring.

    Args:
      a: Floating or complex array of shape (..., m, m).
      n: The power; a negative one inverts, 0 gives identities.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ShapeError: ``a`` has fewer than two axes or is not square.
      DTypeError: An integer dtype; with a negative ``n`` also a half type.
      LinAlgError: ``n`` is negative and a matrix singular; raised when it is computed.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.matrix_power(mx.array([[1.0, 1.0], [0.0, 1.0]]), 5)
      array([[1, 5],
             [0, 1]], dtype=float32)
    """
    x, power = operand("matrix_power", a), integer("matrix_power", "n", n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power: only defined for square matrices, got {describe(x)}")
    with on_stream(stream):
        if power < 0:
            check_matrices("matrix_power", x.value, True)
            x, power = Inv().bind(x), -power
        made = None
        while power:
            if power & 1:
                made = x if made is None else call("matmul", made, x)
            power >>= 1
            if power:
                x = call("matmul", x, x)
        return broadcast_like(eye_like(x), x) if made is None else made
