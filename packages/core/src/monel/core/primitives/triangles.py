"""Parts of matrices, the last two axes: triangles, diagonals, adjoints."""

from __future__ import annotations

from typing import Any

from ..base import dtypes
from ..graph.handle import wrap
from ..graph.primitive import call
from .arguments import call_on, stays_open
from .create import Iota, scalar_constant
from .flatten import part
from .kinds import scalar_like
from .scan import places

__all__: list[str] = []


def grid(comparison: str, rows: int, columns: int, k: int, stream: Any = None) -> Any:
    """Return the bool matrix of ``comparison(column, row + k)``."""
    row = Iota(shape=(rows, 1), dtype=dtypes.int64, axis=0).bind(stream=stream)
    column = Iota(shape=(1, columns), dtype=dtypes.int64, axis=1).bind(stream=stream)
    return call_on(stream, comparison, column, _shifted(row, k, stream))


def _shifted(row: Any, k: int, stream: Any) -> Any:
    if not k:
        return row
    return call_on(stream, "add", row, wrap(scalar_constant("eye", k, row.dtype)))


def where_grid(comparison: str, x: Any, k: int = 0, stream: Any = None) -> Any:
    """Return ``grid`` for the matrices of ``x``, whose shape stays open in a shapeless trace."""
    if not stays_open(x):
        return grid(comparison, x.shape[-2], x.shape[-1], k, stream)
    rows, columns = places(x, x.ndim - 2), places(x, x.ndim - 1)
    return call_on(stream, comparison, columns, _shifted(rows, k, stream))


def kept(comparison: str, x: Any, k: int = 0, stream: Any = None) -> Any:
    """Return ``x`` with zeros where ``comparison(column, row + k)`` is false."""
    mask = where_grid(comparison, x, k, stream)
    return call_on(stream, "where", mask, x, scalar_like(0, x))


def lower(x: Any, k: int = 0) -> Any:
    """Return ``x`` with zeros above diagonal ``k``."""
    return kept("less_equal", x, k)


def upper(x: Any, k: int = 0) -> Any:
    """Return ``x`` with zeros below diagonal ``k``."""
    return kept("greater_equal", x, k)


def triangle(x: Any, is_upper: bool) -> Any:
    """Return the upper or the lower triangle of ``x``, its diagonal included."""
    return upper(x) if is_upper else lower(x)


def eye_like(x: Any) -> Any:
    """Return the identity of the size and dtype of the matrices of ``x``, without their batch."""
    return call("cast", where_grid("equal", x), dtype=x.dtype)


def diagonal_of(x: Any) -> Any:
    """Return the main diagonals of square matrices."""
    return call("sum", kept("equal", x), axes=(x.ndim - 1,))


def on_diagonal(x: Any, like: Any) -> Any:
    """Return matrices of the size of ``like`` with the vectors ``x`` on their main diagonals."""
    return call("where", where_grid("equal", like), row_of(x), scalar_like(0, x))


def row_of(x: Any) -> Any:
    """Return vectors as rows: ``x[..., None, :]``."""
    return call("expand_dims", x, axes=(x.ndim - 1,))


def column_of(x: Any) -> Any:
    """Return vectors as columns: ``x[..., :, None]``."""
    return call("expand_dims", x, axes=(x.ndim,))


def swapped(x: Any) -> Any:
    """Return the transposed matrices."""
    return call("transpose", x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def conjugate(x: Any) -> Any:
    """Return the complex conjugate; ``x`` itself where it is real."""
    return call("conj", x) if x.dtype is dtypes.complex64 else x


def real_part(x: Any) -> Any:
    """Return the real part; ``x`` itself where it is real."""
    return call("real", x) if x.dtype is dtypes.complex64 else x


def adjoint(x: Any) -> Any:
    """Return the conjugated transposed matrices."""
    return conjugate(swapped(x))


def hermitian(x: Any, is_upper: bool) -> Any:
    """Return the Hermitian matrices of which ``x`` gives the upper or the lower triangle."""
    strict = upper(x, 1) if is_upper else lower(x, -1)
    middle = kept("equal", x)
    if x.dtype is dtypes.complex64:
        middle = call("cast", call("real", middle), dtype=x.dtype)
    return strict + adjoint(strict) + middle


def first_columns(x: Any, n: int) -> Any:
    """Return the first ``n`` columns."""
    return part(x, x.ndim - 1, 0, n)


def columns_from(x: Any, n: int) -> Any:
    """Return the columns from ``n`` on."""
    return part(x, x.ndim - 1, n, x.shape[-1])


def first_rows(x: Any, n: int) -> Any:
    """Return the first ``n`` rows."""
    return part(x, x.ndim - 2, 0, n)


def rows_from(x: Any, n: int) -> Any:
    """Return the rows from ``n`` on."""
    return part(x, x.ndim - 2, n, x.shape[-2])


def beside(a: Any, b: Any) -> Any:
    """Return the columns of ``a``, then those of ``b``."""
    return call("concatenate", a, b, axis=a.ndim - 1)


def above(a: Any, b: Any) -> Any:
    """Return the rows of ``a``, then those of ``b``."""
    return call("concatenate", a, b, axis=a.ndim - 2)


def safe_reciprocal(x: Any) -> Any:
    """Return ``1 / x``, and 0 where ``x`` is 0."""
    zero = scalar_like(0, x)
    there = call("not_equal", x, zero)
    one = scalar_like(1, x)
    return call("where", there, call("div", one, call("where", there, x, one)), zero)
