"""Orthogonal factorisations and spectra: QR, singular values, eigenvalues, pseudo-inverse.

Where singular values or eigenvalues coincide their vectors have no derivative. Terms divided by a
difference of exactly zero are left out there: what depends on the vectors only through invariant
subspaces (a nuclear norm, a projector) keeps the right derivative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.errors import DTypeError
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from .derive import zeros_like
from .kinds import batch_first, scalar_like
from .matrix import Factorization, check_matrices, numbers, real_dtype, well_conditioned
from .solve import SQUARE_SAMPLES, Solve, solve_right
from .triangles import (
    above,
    adjoint,
    beside,
    column_of,
    columns_from,
    conjugate,
    diagonal_of,
    first_columns,
    first_rows,
    hermitian,
    lower,
    on_diagonal,
    real_part,
    row_of,
    rows_from,
    safe_reciprocal,
)

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []

OBLONG_SAMPLES: list[tuple[int, ...]] = [
    (3, 3),
    (4, 2),
    (2, 4),
    (2, 3, 2),
    (1, 1),
    (0, 0),
    (3, 0),
    (0, 2, 3),
]


class Qr(Factorization, name="qr", export_name="QRF"):
    """Q (..., m, k) with orthonormal columns and upper R (..., k, n), k the smaller of m and n.

    ``complete``: Q (..., m, m) and R (..., m, n).
    """

    square: ClassVar[bool] = False
    outputs: ClassVar[int] = 2
    complete: bool = False

    def abstract(self, a: Any) -> tuple[AbstractArray, ...]:
        self.check(a)
        *lead, m, n = a.shape
        k = m if self.complete else min(m, n)
        return AbstractArray((*lead, m, k), a.dtype), AbstractArray((*lead, k, n), a.dtype)

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        mode: Any = "complete" if self.complete else "reduced"
        return self.compute(lambda x: tuple(np.linalg.qr(x, mode)), a)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions".

        The columns that complete Q turn with the others as little as possible.
        """
        (q, r), (da,) = outputs, tangents
        m, n = primals[0].shape[-2:]
        k = min(m, n)
        square = first_rows(first_columns(r, k), k)
        scaled = solve_right(first_columns(da, k), square, True)
        inner = adjoint(q) @ scaled
        head = first_rows(inner, k)
        strict = lower(head, -1)
        turn = strict - adjoint(strict) + imaginary_diagonal(head)
        dr = (head - turn) @ square
        if q.shape[-1] > k:
            rest = rows_from(inner, k)
            corner = zeros_like(rest @ adjoint(rest))
            whole = above(beside(turn, -adjoint(rest)), beside(rest, corner))
            return q @ whole, above(dr, zeros_like(rows_from(r, k)))
        dq = scaled - q @ (inner - turn)
        if n > k:
            rest = columns_from(da, k) - dq @ columns_from(r, k)
            dr = beside(dr, adjoint(q) @ rest)
        return dq, dr

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in OBLONG_SAMPLES:
            yield Sample(cls(complete=False), (numbers(rng, shape),))
        yield Sample(cls(complete=True), (numbers(rng, (2, 3)),))
        yield Sample(cls(complete=True), (numbers(rng, (0, 3, 2)),))
        yield Sample(cls(complete=False), (well_conditioned(rng, (3, 3), "complex64"),))


def imaginary_diagonal(x: Any) -> Any:
    """Return i times the imaginary part of the diagonals, as matrices; zero where ``x`` is real."""
    if x.dtype is not dtypes.complex64:
        return zeros_like(x)
    middle = diagonal_of(x)
    return on_diagonal(middle - call("cast", call("real", middle), dtype=x.dtype), x)


class Svd(Factorization, name="svd", export_name="SVD"):
    """U (..., m, m), singular values (..., k) in descending order and V^H (..., n, n).

    Without ``full_matrices`` U has k columns and V^H k rows, k the smaller of m and n; without
    ``compute_uv`` the singular values alone.
    """

    square: ClassVar[bool] = False
    iterative: ClassVar[bool] = True
    up_to_phase = (0, 2)
    compute_uv: bool = True
    full_matrices: bool = True

    @property
    def outputs(self) -> int:  # type: ignore[override]
        """Three, or one without vectors."""
        return 3 if self.compute_uv else 1

    def abstract(self, a: Any) -> Any:
        self.check(a)
        *lead, m, n = a.shape
        k = min(m, n)
        values = AbstractArray((*lead, k), real_dtype(a.dtype))
        if not self.compute_uv:
            return values
        left, right = ((m, m), (n, n)) if self.full_matrices else ((m, k), (k, n))
        u, vt = (AbstractArray((*lead, *sides), a.dtype) for sides in (left, right))
        return u, values, vt

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        if not self.compute_uv:
            return self.compute(lambda x: np.linalg.svd(x, compute_uv=False), a)
        return self.compute(lambda x: tuple(np.linalg.svd(x, self.full_matrices)), a)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """J. Townsend, "Differentiating the singular value decomposition" (2016)."""
        (a,), (da,) = primals, tangents
        if not self.compute_uv:
            u, _, vt = Svd(compute_uv=True, full_matrices=False).bind(a)
            return (real_part(diagonal_of(adjoint(u) @ da @ adjoint(vt))),)
        u, s, vt = outputs
        k = s.shape[-1]
        u1, v1 = first_columns(u, k), first_columns(adjoint(vt), k)
        inner = adjoint(u1) @ da @ v1
        across, down, inverse = row_of(s), column_of(s), row_of(safe_reciprocal(s))
        gaps = safe_reciprocal((across - down) * (across + down))
        mirrored = adjoint(inner)
        turn_u = gaps * (inner * across + down * mirrored) + imaginary_diagonal(inner) * inverse
        turn_v = gaps * (down * inner + mirrored * across)
        du, dv = u1 @ turn_u, v1 @ turn_v
        du = _completed(u, du, (da @ v1 - u1 @ inner) * inverse)
        dv = _completed(adjoint(vt), dv, (adjoint(da) @ u1 - v1 @ mirrored) * inverse)
        return du, real_part(diagonal_of(inner)), adjoint(dv)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in OBLONG_SAMPLES:
            x = numbers(rng, shape)
            yield Sample(cls(compute_uv=False), (x,))
            yield Sample(cls(compute_uv=True, full_matrices=False), (x,))
        yield Sample(cls(compute_uv=True, full_matrices=True), (numbers(rng, (3, 3)),))
        yield Sample(cls(compute_uv=False), (numbers(rng, (3, 2), "complex64"),))


def _completed(basis: Any, moved: Any, rest: Any) -> Any:
    """Return the tangent of ``basis`` from that of its first columns inside their span.

    ``rest`` is their tangent outside of the span; the other columns turn only as far as the first
    ones do.
    """
    moved = moved + rest
    k = moved.shape[-1]
    if basis.shape[-1] == k:
        return moved
    others = columns_from(basis, k)
    return beside(moved, -(first_columns(basis, k) @ adjoint(adjoint(others) @ rest)))


class Eigh(Factorization, name="eigh"):
    """Eigenvalues (..., n) in ascending order and eigenvectors, in columns, of Hermitian matrices.

    The lower (``"L"``) or upper (``"U"``) triangle is read; without ``compute_vectors`` the
    eigenvalues alone.
    """

    iterative: ClassVar[bool] = True
    uplo: str = "L"
    up_to_phase = (1,)
    compute_vectors: bool = True

    @property
    def outputs(self) -> int:  # type: ignore[override]
        """Two, or one without vectors."""
        return 2 if self.compute_vectors else 1

    def abstract(self, a: Any) -> Any:
        self.check(a)
        values = AbstractArray(a.shape[:-1], real_dtype(a.dtype))
        return (values, AbstractArray(a.shape, a.dtype)) if self.compute_vectors else values

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        triangle: Any = self.uplo
        if not self.compute_vectors:
            return self.compute(lambda x: np.linalg.eigvalsh(x, triangle), a)
        return self.compute(lambda x: tuple(np.linalg.eigh(x, triangle)), a)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """M. Giles, "An extended collection of matrix derivative results" (2008), section 3.1."""
        moved = hermitian(tangents[0], self.uplo == "U")
        if self.compute_vectors:
            w, v = outputs
        else:
            w, v = Eigh(uplo=self.uplo, compute_vectors=True).bind(primals[0])
        inner = adjoint(v) @ moved @ v
        dw = real_part(diagonal_of(inner))
        if not self.compute_vectors:
            return (dw,)
        return dw, v @ (safe_reciprocal(row_of(w) - column_of(w)) * inner)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype in SQUARE_SAMPLES:
            a = well_conditioned(rng, shape, dtype)
            yield Sample(cls(uplo="L", compute_vectors=False), (a,))
            yield Sample(cls(uplo="U", compute_vectors=False), (a,))
            if dtype != "complex64":
                yield Sample(cls(uplo="L", compute_vectors=True), (a,))
                yield Sample(cls(uplo="U", compute_vectors=True), (a,))


class Eig(Factorization, name="eig"):
    """Eigenvalues (..., n) and eigenvectors, in columns, of square matrices; both complex64.

    Each vector has norm 1 and its greatest entry real; without ``compute_vectors`` the eigenvalues
    alone.
    """

    iterative: ClassVar[bool] = True
    up_to_phase = (1,)
    compute_vectors: bool = True

    @property
    def outputs(self) -> int:  # type: ignore[override]
        """Two, or one without vectors."""
        return 2 if self.compute_vectors else 1

    def abstract(self, a: Any) -> Any:
        self.check(a)
        values = AbstractArray(a.shape[:-1], dtypes.complex64)
        if not self.compute_vectors:
            return values
        return values, AbstractArray(a.shape, dtypes.complex64)

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        if not self.compute_vectors:
            return self.compute(lambda x: np.linalg.eigvals(x).astype(np.complex64), a)
        return self.compute(
            lambda x: tuple([part.astype(np.complex64) for part in np.linalg.eig(x)]), a
        )

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """M. Giles (2008), section 3.1; then each vector keeps its norm and its greatest entry."""
        if self.compute_vectors:
            w, v = outputs
        else:
            w, v = Eig(compute_vectors=True).bind(primals[0])
        moved = call("cast", tangents[0], dtype=dtypes.complex64)
        inner = Solve().bind(v, moved @ v)
        dw = diagonal_of(inner)
        if not self.compute_vectors:
            return (dw,)
        dv = v @ (safe_reciprocal(row_of(w) - column_of(w)) * inner)
        if not v.shape[-1]:
            return dw, dv
        rows = v.ndim - 2
        along = call("real", call("sum", conjugate(v) * dv, axes=(rows,)))
        greatest = row_of(call("argmax", call("abs", call("stop_gradient", v)), axis=rows))
        phase = call("imag", call("div", *[_taken(x, greatest) for x in (dv, v)]))
        imaginary = scalar_like(1j, dv)
        return dw, dv - v * (row_of(along) + imaginary * phase)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype in SQUARE_SAMPLES:
            a = numbers(rng, shape, dtype)
            yield Sample(cls(compute_vectors=True), (a,), tolerance=4)
            yield Sample(cls(compute_vectors=False), (a,), tolerance=4)


def _taken(x: Any, rows: Any) -> Any:
    return call("take_along_axis", x, rows, axis=x.ndim - 2)


class Pinv(Primitive, name="pinv"):
    """The pseudo-inverses (..., n, m) of matrices (..., m, n).

    Singular values up to ``rtol`` (..., 1, 1) times the greatest count as zero.
    """

    zero_in: ClassVar[tuple[int, ...]] = (1,)

    def abstract(self, a: Any, rtol: Any) -> AbstractArray:
        check_matrices("pinv", a, False)
        if not rtol.dtype.floating:
            raise DTypeError(f"pinv: rtol must be floating, got {rtol}")
        lead = broadcast_shapes("pinv", a.shape[:-2], rtol.shape[:-2])
        return AbstractArray((*lead, a.shape[-1], a.shape[-2]), a.dtype)

    def reference(self, a: np.ndarray, rtol: np.ndarray) -> Any:
        import numpy as np

        u, s, vt = Svd(compute_uv=True, full_matrices=False).reference(a)
        cutoff = rtol[..., 0].astype(s.dtype) * s.max(-1, keepdims=True, initial=0)
        with np.errstate(all="ignore"):
            inverse = np.where(s > cutoff, 1 / s, np.where(np.isnan(s), s, 0)).astype(s.dtype)
        return np.matmul(_numpy_adjoint(vt) * inverse[..., None, :], _numpy_adjoint(u))

    def decompose(self, a: Any, rtol: Any) -> Any:
        u, s, vt = Svd(compute_uv=True, full_matrices=False).bind(a)
        if not s.shape[-1]:
            return adjoint(a) * call("cast", rtol, dtype=a.dtype)
        greatest = call("expand_dims", call("max", s, axes=(s.ndim - 1,)), axes=(s.ndim - 1,))
        relative = call("cast", call("squeeze", rtol, axes=(rtol.ndim - 1,)), dtype=s.dtype)
        small = call("less_equal", s, relative * greatest)
        inverse = safe_reciprocal(call("where", small, scalar_like(0, s), s))
        return (adjoint(vt) * row_of(inverse)) @ adjoint(u)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """At fixed rank: G. Golub and V. Pereyra, "The differentiation of pseudo-inverses"."""
        (a, _), (da, _), (p,) = primals, tangents, outputs
        if da is None:
            return (None,)
        moved, across, down = adjoint(da), p @ adjoint(p), adjoint(p) @ p
        first = across @ (moved - moved @ a @ p)
        second = (moved - p @ a @ moved) @ down
        return (first + second - p @ da @ p,)

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(*batch_first(operands, dims)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        rtol = rng.uniform(1e-6, 1e-5, (1, 1)).astype("float32")
        for shape in OBLONG_SAMPLES:
            yield Sample(cls(), (numbers(rng, shape), rtol))
        yield Sample(cls(), (numbers(rng, (2, 3, 2)), rtol * numbers(rng, (2, 1, 1)) ** 2))
        yield Sample(cls(), (numbers(rng, (2, 3), "complex64"), rtol))


def _numpy_adjoint(x: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.conj(np.swapaxes(x, -1, -2))
