"""The Walsh-Hadamard transform along the last axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array
from ..graph.primitive import Primitive, Sample, call
from .arguments import describe, number, operand
from .combined import wide_of
from .convert import cast
from .elementwise import multiply
from .flatten import flatten_axes, unflatten_axis
from .kinds import move_axis, scalar_like
from .operands import as_floating

if TYPE_CHECKING:
    import numpy as np

__all__ = ["hadamard_transform"]

# First rows of the circulant blocks of the matrices of order 20 and 28 (Williamson's construction).
_BLOCKS = {
    20: (
        "+---- +---- ++--+ +-++-",
        "-++++ +---- -+--+ ++--+",
        "--++- +-++- +---- -++++",
        "-+--+ --++- +---- +----",
    ),
    28: (
        "+------ ++----+ +-+--+- +--++--",
        "--++++- +------ -++--++ +-+--+-",
        "-+-++-+ +--++-- +------ --++++-",
        "-++--++ -+-++-+ ++----+ +------",
    ),
}
_ORDERS = (1, 12, 20, 28)


def factors(n: int) -> tuple[int, int]:
    """Return m of 1, 12, 20, 28 and k with ``n = m * 2**k``, or (0, 0)."""
    for m in _ORDERS:
        if n > 0 and n % m == 0 and (n // m) & (n // m - 1) == 0:
            return m, (n // m).bit_length() - 1
    return 0, 0


def matrix(m: int) -> list[list[float]]:
    """Return the Hadamard matrix of order ``m``: 1, 12, 20 or 28."""
    if m == 12:
        return _paley()
    if m == 1:
        return [[1.0]]
    rows = []
    for line in _BLOCKS[m]:
        firsts = line.split()
        p = len(firsts[0])
        for r in range(p):
            signs = [first[(c - r) % p] for first in firsts for c in range(p)]
            rows.append([1.0 if s == "+" else -1.0 for s in signs])
    return rows


def _paley() -> list[list[float]]:
    """Return the matrix of order 12 from the squares modulo 5 (Paley's second construction)."""
    rows = []
    for i in range(12):
        row = []
        for j in range(12):
            a, b = i // 2, j // 2
            inner = i % 2, j % 2
            if a == b:
                row.append(1.0 if inner == (0, 0) else -1.0)
            else:
                square = 1.0 if a == 0 or b == 0 or (a - b) % 5 in (1, 4) else -1.0
                row.append(-square if inner == (1, 1) else square)
        rows.append(row)
    return rows


class Hadamard(Primitive, name="hadamard"):
    """Rows times the Hadamard matrix of their length m * 2**k, times ``scale``.

    The matrix is that of order m (see ``matrix``) by that of order 2**k (Sylvester's). ``scale``
    None makes it orthonormal. ``turned`` takes the transpose. The arithmetic is in float32 for half
    types.
    """

    linear: ClassVar[str | None] = "joint"
    scale: float | None = None
    turned: bool = False

    def abstract(self, x: Any) -> AbstractArray:
        if not x.dtype.floating:
            raise DTypeError(f"hadamard_transform: expected a floating dtype, got {x}")
        if x.ndim < 1 or not factors(x.shape[-1])[0]:
            raise ShapeError(
                f"hadamard_transform: Only supports n = m*2^k where m in (1, 12, 20, 28), got {x}"
            )
        return AbstractArray(x.shape, x.dtype)

    def factor(self, n: int) -> float:
        """Return what rows of length ``n`` are scaled by."""
        return 1 / math.sqrt(n) if self.scale is None else self.scale

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        n = x.shape[-1]
        m, k = factors(n)
        y = x.astype("float32") if x.dtype.itemsize == 2 else x
        for i in range(k):
            pairs = y.reshape(*x.shape[:-1], n // 2 ** (i + 1), 2, 2**i)
            a, b = pairs[..., 0, :], pairs[..., 1, :]
            y = np.stack([a + b, a - b], -2)
        own = np.array(matrix(m), y.dtype)
        y = (own.T if self.turned else own) @ y.reshape(*x.shape[:-1], m, 2**k)
        return (y.reshape(x.shape) * y.dtype.type(self.factor(n))).astype(x.dtype)

    def decompose(self, x: Any) -> Any:
        last, n = x.ndim - 1, x.shape[-1]
        m, k = factors(n)
        y = wide_of(x)
        if m > 1:
            rows = matrix(m)
            own = array([list(c) for c in zip(*rows, strict=True)] if self.turned else rows)
            inner = Hadamard(1.0).bind(unflatten_axis(y, last, (m, -1)))
            y = flatten_axes(call("matmul", cast(own, y.dtype), inner), last, last + 1)
            k = 0
        for i in range(k):
            pairs = unflatten_axis(y, last, (-1, 2, 2**i))
            a, b = (call("select", pairs, axis=last + 1, index=j) for j in (0, 1))
            halves = [
                call("expand_dims", half, axes=(last + 1,))
                for half in (call("add", a, b), call("sub", a, b))
            ]
            y = flatten_axes(call("concatenate", *halves, axis=last + 1), last, last + 2)
        return cast(call("mul", y, scalar_like(self.factor(n), y)), x.dtype)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return Hadamard(self.scale, not self.turned).bind(ct)

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(move_axis(operands[0], dims[0], 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in [(8,), (3, 12), (2, 40), (2, 1, 56), (0, 4), (2, 1), (3, 128)]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(cls(), (x,))
            yield Sample(cls(scale=0.5, turned=True), (x,))
        yield Sample(cls(), (x.astype("float16"),))


def hadamard_transform(a: Any, scale: float | None = None, stream: Any = None) -> array:
    """Return the Walsh-Hadamard transform along the last axis.

    The vectors of length n are multiplied with the Hadamard matrix of order n, whose entries are 1
    and -1: Sylvester's for a power of two, else its Kronecker product with one of order 12, 20, 28.

    Args:
      a: Array of shape ``(..., n)``, n = m * 2**k with m of 1, 12, 20 and 28; integers and bool are
        cast to float32.
      scale: Factor of the result; by default 1 / sqrt(n), which makes the transform orthonormal.
    Returns:
      Floating array of the shape of ``a``.
    Raises:
      ShapeError: The last axis has another length.
      DTypeError: ``a`` is complex.
    Example:
      >>> import monel.core as mx
      >>> mx.hadamard_transform(mx.array([1.0, 2.0, 3.0, 4.0]), scale=1.0)
      array([10, -2, -4, 0], dtype=float32)
    Source: Sylvester, 1867; Paley, "On orthogonal matrices", 1933; Williamson, "Hadamard's
    determinant theorem and the sum of four squares", 1944.
    """
    x = as_floating(operand("hadamard_transform", a), stream)
    factor = None if scale is None else number("hadamard_transform", "scale", scale)
    if not x.shape:
        own = 1.0 if factor is None else factor
        return multiply(x, own, stream)
    if x.dtype.name == "complex64":
        raise DTypeError(f"hadamard_transform: complex64 is not supported, got {describe(x)}")
    return Hadamard(factor).bind(x, stream=stream)
