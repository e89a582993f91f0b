"""Linear systems and what solves them: triangular solves, LU, Cholesky, inverse, determinant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.errors import DTypeError, ShapeError
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from .arguments import stays_open
from .flatten import flatten_axes, unflatten_axis
from .kinds import batch_first, broadcast_like, move_axis, scalar_like, unbroadcast
from .matrix import Factorization, check_matrices, numbers, well_conditioned
from .triangles import (
    above,
    adjoint,
    beside,
    column_of,
    columns_from,
    diagonal_of,
    eye_like,
    first_columns,
    first_rows,
    hermitian,
    kept,
    lower,
    on_diagonal,
    rows_from,
    triangle,
    upper,
)

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class Solving(Factorization):
    """The x of ``a x = b`` for a (..., n, n) and b (..., n, k), whose leading axes broadcast."""

    failure: ClassVar[str] = "the matrix is singular"

    def abstract(self, a: Any, b: Any) -> AbstractArray:
        self.check(a)
        check_matrices(self.name, b, False)
        if a.dtype is not b.dtype:
            raise DTypeError(f"{self.name}: expected one dtype, got {a} and {b}")
        if a.shape[-1] != b.shape[-2]:
            raise ShapeError(
                f"{self.name}: the last axis of the matrix {a} ({a.shape[-1]}) must equal the "
                f"second-to-last of the right side {b} ({b.shape[-2]})"
            )
        lead = broadcast_shapes(self.name, a.shape[:-2], b.shape[:-2])
        return AbstractArray((*lead, *b.shape[-2:]), b.dtype)

    def part_of(self, a: Any) -> Any:
        """Return the part of ``a`` that is read."""
        return a

    def adjoint_solve(self, a: Any, ct: Any) -> Any:
        """Solve with the adjoint of ``a``."""
        return self.bind(adjoint(a), ct)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (a, _), (da, db), (x,) = primals, tangents, outputs
        right = db
        if da is not None:
            moved = call("matmul", self.part_of(da), x)
            right = -moved if right is None else right - moved
        return (broadcast_like(self.bind(a, right), x),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        (a, b), (x,) = primals, outputs
        back = self.adjoint_solve(a, cotangents[0])
        found: list[Any] = [None, None]
        if 0 in wanted:
            found[0] = unbroadcast(self.part_of(-call("matmul", back, adjoint(x))), a)
        if 1 in wanted:
            found[1] = unbroadcast(back, b)
        return tuple(found)

    def batch(self, operands: Any, dims: Any) -> Any:
        (a, b), (da, db) = operands, dims
        if da is None and a.ndim == 2 and b.ndim == 3 and not stays_open(b):
            return self.shared(a, move_axis(b, db, 0)), 0
        return self.bind(*batch_first(operands, dims)), 0

    def shared(self, a: Any, b: Any) -> Any:
        """Solve for a batch of right sides with one matrix: they become columns of one."""
        count, _, k = b.shape
        columns = flatten_axes(move_axis(b, 0, 1), 1, 2)
        made = unflatten_axis(self.bind(a, columns), 1, (count, k))
        return move_axis(made, 1, 0)

    @classmethod
    def sampled(cls, rng: np.random.Generator, **parameters: Any) -> Iterator[Sample]:
        for lead, n, others, k in [
            ((), 3, (), 2),
            ((2,), 3, (2,), 1),
            ((2, 1), 2, (3,), 2),
            ((), 2, (3,), 2),
            ((), 0, (), 2),
            ((), 3, (), 0),
        ]:
            for dtype in ("float32", "complex64")[: 2 if lead == () and n == 3 else 1]:
                a = well_conditioned(rng, (*lead, n, n), dtype)
                yield Sample(cls(**parameters), (a, numbers(rng, (*others, n, k), dtype)))


class Solve(Solving, name="solve"):
    """The solution for any invertible matrix, by LU with partial pivoting."""

    def reference(self, a: np.ndarray, b: np.ndarray) -> Any:
        import numpy as np

        return self.compute(np.linalg.solve, a, b)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield from cls.sampled(rng)


class SolveTriangular(Solving, name="solve_triangular"):
    """The solution for the lower, or upper, triangle of a matrix; the rest is not read."""

    upper: bool = False

    def part_of(self, a: Any) -> Any:
        return triangle(a, self.upper)

    def adjoint_solve(self, a: Any, ct: Any) -> Any:
        return SolveTriangular(upper=not self.upper).bind(adjoint(a), ct)

    def reference(self, a: np.ndarray, b: np.ndarray) -> Any:
        import numpy as np

        def by_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            n = a.shape[-1]
            if not np.diagonal(a, axis1=-2, axis2=-1).all():
                raise np.linalg.LinAlgError
            x = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), b.dtype)
            for i in reversed(range(n)) if self.upper else range(n):
                known = slice(i + 1, n) if self.upper else slice(0, i)
                row = a[..., i : i + 1, known] @ x[..., known, :]
                x[..., i : i + 1, :] = (b[..., i : i + 1, :] - row) / a[..., i : i + 1, i : i + 1]
            return x

        return self.compute(by_rows, np.triu(a) if self.upper else np.tril(a), b)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield from cls.sampled(rng, upper=False)
        yield from cls.sampled(rng, upper=True)


def solve_right(b: Any, a: Any, is_upper: bool) -> Any:
    """Return ``b a^-1`` for the lower or upper triangle of ``a``."""
    return adjoint(SolveTriangular(upper=not is_upper).bind(adjoint(a), adjoint(b)))


class Inv(Factorization, name="inv", export_name="Inverse"):
    """The inverses of matrices."""

    failure: ClassVar[str] = "the matrix is singular"

    def abstract(self, a: Any) -> AbstractArray:
        self.check(a)
        return AbstractArray(a.shape, a.dtype)

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        return self.compute(np.linalg.inv, a)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (x,) = outputs
        return (-(x @ tangents[0] @ x),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype in SQUARE_SAMPLES:
            yield Sample(cls(), (well_conditioned(rng, shape, dtype),))


SQUARE_SAMPLES: list[tuple[tuple[int, ...], str]] = [
    ((3, 3), "float32"),
    ((2, 2, 2), "float32"),
    ((1, 1), "float32"),
    ((0, 0), "float32"),
    ((0, 2, 2), "float32"),
    ((3, 3), "complex64"),
]


class Cholesky(Factorization, name="cholesky"):
    """The lower factor L of ``a = L L^H``, or the upper U of ``a = U^H U``.

    Only that triangle of ``a`` is read.
    """

    failure: ClassVar[str] = "the matrix is not positive definite"
    upper: bool = False

    def abstract(self, a: Any) -> AbstractArray:
        self.check(a)
        return AbstractArray(a.shape, a.dtype)

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        if not self.upper:
            return self.compute(np.linalg.cholesky, a)
        found = self.compute(np.linalg.cholesky, np.conj(np.swapaxes(a, -1, -2)))
        return np.conj(np.swapaxes(found, -1, -2))

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527."""
        factor = adjoint(outputs[0]) if self.upper else outputs[0]
        moved = hermitian(tangents[0], self.upper)
        inner = SolveTriangular(upper=False).bind(factor, moved)
        inner = solve_right(inner, adjoint(factor), True)
        half = lower(inner) - kept("equal", inner) * scalar_like(0.5, inner)
        tangent = factor @ half
        return (adjoint(tangent) if self.upper else tangent,)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        # Positive definite with rows in either order, as far as the lower triangle is read.
        a = np.array([[1, 0.5, 2], [0.5, 10, 0.5], [2, 0.5, 9]])
        turned = a + 0.1j * (np.tri(3) - np.tri(3).T)
        for x in (a, a[None, :2, :2] + [[[0, 2], [2, 0]]], a[:1, :1], a[:0, :0], turned):
            x = x.astype("complex64" if x.dtype.kind == "c" else "float32")
            yield Sample(cls(upper=False), (x,))
            yield Sample(cls(upper=True), (x[..., ::-1, ::-1].copy(),))


class Lu(Factorization, name="lu", export_name="LUF"):
    """Packed factors (..., m, n), pivots (..., min(m, n)) and row order (..., m).

    Row ``order[i]`` of the matrix is row i of the product of the unit lower and the upper factor;
    step i swapped row i with row ``pivots[i]``. A singular matrix is no failure.
    """

    square: ClassVar[bool] = False
    outputs: ClassVar[int] = 3

    def abstract(self, a: Any) -> tuple[AbstractArray, ...]:
        self.check(a)
        *lead, m, n = a.shape
        return (
            AbstractArray(a.shape, a.dtype),
            AbstractArray((*lead, min(m, n)), dtypes.uint32),
            AbstractArray((*lead, m), dtypes.uint32),
        )

    def reference(self, a: np.ndarray) -> Any:
        return self.compute(_numpy_lu, a)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        packed, _, order = outputs
        m, n = packed.shape[-2:]
        k = min(m, n)
        moved = reordered(tangents[0], order)
        square = first_rows(first_columns(packed, k), k)
        unit, top = unit_lower(square), upper(square)
        inner = SolveTriangular(upper=False).bind(unit, first_rows(first_columns(moved, k), k))
        inner = solve_right(inner, top, True)
        d_lower, d_upper = unit @ lower(inner, -1), upper(inner) @ top
        made = d_lower + d_upper
        if m > k:
            below = rows_from(packed, k)
            rest = rows_from(moved, k) - below @ d_upper
            made = above(made, solve_right(rest, top, True))
        if n > k:
            rest = columns_from(moved, k) - d_lower @ columns_from(packed, k)
            made = beside(made, SolveTriangular(upper=False).bind(unit, rest))
        return made, None, None

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in [(3, 3), (2, 4), (4, 2), (2, 3, 3), (1, 1), (0, 0), (3, 0), (0, 2, 2)]:
            yield Sample(cls(), (numbers(rng, shape),))
        yield Sample(cls(), (numbers(rng, (3, 3), "complex64"),))


def reordered(x: Any, order: Any) -> Any:
    """Return the rows of ``x`` in ``order``."""
    rows = broadcast_like(column_of(call("stop_gradient", order)), x)
    return call("take_along_axis", x, rows, axis=x.ndim - 2)


def unit_lower(packed: Any) -> Any:
    """Return the unit lower factor that is packed below the diagonal of square matrices."""
    return lower(packed, -1) + eye_like(packed)


def _numpy_lu(a: np.ndarray) -> tuple[np.ndarray, ...]:
    import numpy as np

    packed = a.copy()
    *lead, m, n = a.shape
    k = min(m, n)
    order = np.broadcast_to(np.arange(m), (*lead, m)).copy()
    pivots = np.zeros((*lead, k), np.int64)
    for j in range(k):
        column = packed[..., j:, j]
        pivot = np.argmax(np.abs(column.real) + np.abs(column.imag), -1) + j
        pivots[..., j] = pivot
        swap = np.broadcast_to(np.arange(m), (*lead, m)).copy()
        np.put_along_axis(swap, pivot[..., None], j, -1)
        swap[..., j] = pivot
        order = np.take_along_axis(order, swap, -1)
        packed = np.take_along_axis(packed, swap[..., None], -2)
        head = packed[..., j : j + 1, j : j + 1]
        packed[..., j + 1 :, j : j + 1] /= np.where(head == 0, np.asarray(1, head.dtype), head)
        packed[..., j + 1 :, j + 1 :] -= (
            packed[..., j + 1 :, j : j + 1] * packed[..., j : j + 1, j + 1 :]
        )
    return packed, pivots.astype(np.uint32), order.astype(np.uint32)


def permutation_sign(pivots: Any, dtype: Any) -> Any:
    """Return 1 or -1, by whether the number of true swaps is even."""
    step = call("iota", shape=pivots.shape[-1:], dtype=pivots.dtype, axis=0)
    swaps = call("cast", call("not_equal", pivots, step), dtype=dtypes.int32)
    count = call("sum", swaps, axes=(pivots.ndim - 1,))
    odd = call("rem", count, scalar_like(2, count))
    return call("cast", scalar_like(1, odd) - odd - odd, dtype=dtype)


class Det(Primitive, name="det", export_name="Det"):
    """The determinants of square matrices."""

    def abstract(self, a: Any) -> AbstractArray:
        check_matrices("det", a, True)
        return AbstractArray(a.shape[:-2], a.dtype)

    def reference(self, a: np.ndarray) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            return np.asarray(np.linalg.det(a)).astype(a.dtype)

    def decompose(self, a: Any) -> Any:
        packed, pivots, _ = Lu().bind(a)
        made = call("prod", diagonal_of(packed), axes=(a.ndim - 2,))
        return made * permutation_sign(pivots, a.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        """Jacobi's formula: the trace of the adjugate times the tangent.

        The adjugate is det(a) a^-1. Zero pivots are replaced by epsilon, which keeps it exact but
        for rounding where the rank is n - 1 (it has rank one) or less (it is zero).
        """
        (a,), (da,) = primals, tangents
        packed, pivots, order = Lu().bind(a)
        pivot = diagonal_of(packed)
        zero = scalar_like(0, pivot)
        tiny = scalar_like(dtypes.finfo(a.dtype).eps, pivot)
        pivot = call("where", call("equal", pivot, zero), tiny, pivot)
        top = upper(packed, 1) + on_diagonal(pivot, packed)
        inner = SolveTriangular(upper=False).bind(unit_lower(packed), reordered(da, order))
        inner = SolveTriangular(upper=True).bind(top, inner)
        trace = call("sum", diagonal_of(inner), axes=(a.ndim - 2,))
        product = call("prod", pivot, axes=(a.ndim - 2,))
        return (product * permutation_sign(pivots, a.dtype) * trace,)

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(move_axis(operands[0], dims[0], 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, dtype in SQUARE_SAMPLES:
            yield Sample(cls(), (numbers(rng, shape, dtype),))
