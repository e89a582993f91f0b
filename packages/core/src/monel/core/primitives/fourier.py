"""Discrete Fourier transforms of one axis: complex, and of real numbers and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes
from ..base.avals import AbstractArray
from ..base.errors import AxisError, DTypeError, ShapeError
from ..graph.primitive import Primitive, Sample, call
from .arguments import stays_open
from .convert import cast
from .create import Iota
from .flatten import flatten_axes, part, unflatten_axis
from .kinds import move_axis, scalar_like
from .matrix import numbers
from .scan import places
from .shape import Pad, flip_axes, shift
from .triangles import first_columns, swapped
from .unary import complex_of

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


def factor(scaling: str, n: int) -> float:
    """Return what a sum of n terms is multiplied by."""
    return {"none": 1.0, "full": 1 / n, "root": 1 / math.sqrt(n)}[scaling]


class Transform(Primitive):
    """A linear map of the lines along ``axis``; no parameter holds their length."""

    linear: ClassVar[str | None] = "joint"
    takes: ClassVar[tuple[Any, ...]] = (dtypes.complex64,)
    axis: int
    scaling: str = "none"

    def length(self, x: Any) -> int:
        """Return the length of the axis of ``x``, checked."""
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"{self.name}: axis {self.axis} is out of bounds for {x}")
        if x.dtype not in self.takes:
            raise DTypeError(f"{self.name}: expected {self.takes[0].name}, got {x}")
        n = int(x.shape[self.axis])
        if n < 1:
            raise ShapeError(f"{self.name}: Invalid FFT output size requested ({n}), got {x}")
        return n

    def resized(self, x: Any, n: int, dtype: Any) -> AbstractArray:
        """Return the aval of ``x`` with length ``n`` along the axis."""
        return AbstractArray((*x.shape[: self.axis], n, *x.shape[self.axis + 1 :]), dtype)

    def moved(self, axis: int) -> Transform:
        """Return the same transform of another axis."""
        return type(self)(**{**self.parameters, "axis": axis})

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return self.moved(shift(self.axis, d)).bind(x), d


class Fft(Transform, name="fft", export_name="FFT"):
    """``y[k] = sum_j x[j] exp(-2 pi i j k / n)``, or with ``+`` for the inverse, times a factor."""

    inverse: bool = False

    def abstract(self, x: Any) -> AbstractArray:
        return self.resized(x, self.length(x), dtypes.complex64)

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        n = x.shape[self.axis]
        function = np.fft.ifft if self.inverse else np.fft.fft
        made = function(x.astype(np.complex128), axis=self.axis)
        return (made * ((n if self.inverse else 1) * factor(self.scaling, n))).astype(np.complex64)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return Fft(axis=self.axis, scaling=self.scaling, inverse=not self.inverse).bind(ct)

    def decompose(self, x: Any) -> Any:
        last = x.ndim - 1
        made = transformed(move_axis(x, self.axis, last), self.inverse)
        return move_axis(scaled(made, self.scaling, x.shape[self.axis]), last, self.axis)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in [((8,), 0), ((2, 6), 1), ((5, 2), 0), ((1,), 0), ((0, 4), 1)]:
            x = numbers(rng, shape, "complex64")
            yield Sample(cls(axis=axis, inverse=False), (x,))
            yield Sample(cls(axis=axis, inverse=True, scaling="full"), (x,))
        yield Sample(cls(axis=1, scaling="root"), (numbers(rng, (2, 4, 3), "complex64"),))


class Rfft(Transform, name="rfft", export_name="RFFT"):
    """The first ``n // 2 + 1`` entries of the transform of real numbers."""

    takes: ClassVar[tuple[Any, ...]] = (dtypes.float32, dtypes.float64)

    def abstract(self, x: Any) -> AbstractArray:
        return self.resized(x, self.length(x) // 2 + 1, dtypes.complex64)

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        made = np.fft.rfft(x.astype(np.float64), axis=self.axis)
        return (made * factor(self.scaling, x.shape[self.axis])).astype(np.complex64)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        (x,) = operands
        odd = bool(x.shape[self.axis] % 2)
        weighted = inner_weighted(ct, self.axis, odd, 0.5)
        made = Irfft(axis=self.axis, scaling=self.scaling, odd=odd).bind(weighted)
        if stays_open(x):
            # Lengths of both parities have as many entries: a replay at the other is refused.
            made = call("reshape_like", made, x)
        return cast(made, x.dtype)

    def decompose(self, x: Any) -> Any:
        whole = Fft(axis=self.axis, scaling=self.scaling).bind(cast(x, dtypes.complex64))
        return part(whole, self.axis, 0, x.shape[self.axis] // 2 + 1)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in REAL_SAMPLES:
            yield Sample(cls(axis=axis), (numbers(rng, shape),))
            yield Sample(cls(axis=axis, scaling="root"), (numbers(rng, shape),))


REAL_SAMPLES = [((8,), 0), ((2, 6), 1), ((5, 2), 0), ((1,), 0), ((2,), 0), ((0, 4), 1)]


class Irfft(Transform, name="irfft", export_name="IRFFT"):
    """The real numbers of which ``n // 2 + 1`` entries are the transform, without its factor.

    ``odd`` says which of two lengths n is meant. Imaginary parts are not read where a real line
    has none: at 0 and, for an even n, at the end.
    """

    shape_dependent = True
    odd: bool = False

    def lines(self, m: int) -> int:
        """Return the length of the real lines."""
        return 2 * (m - 1) + self.odd

    def abstract(self, x: Any) -> AbstractArray:
        n = self.lines(self.length(x))
        if n < 1:
            raise ShapeError(f"irfft: Invalid FFT output size requested ({n}), got {x}")
        return self.resized(x, n, dtypes.float32)

    def replayed(self, old: Any, new: Any) -> Irfft:
        if old[0].shape[self.axis] != new[0].shape[self.axis]:
            raise ShapeError(
                f"irfft: whether the length of axis {self.axis} is odd was recorded for {old[0]} "
                f"and is not known for {new[0]}; compile without shapeless=True"
            )
        return self

    def reference(self, x: np.ndarray) -> Any:
        import numpy as np

        n = self.lines(x.shape[self.axis])
        made = np.fft.irfft(x.astype(np.complex128), n, self.axis)
        return (made * (n * factor(self.scaling, n))).astype(np.float32)

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        made = Rfft(axis=self.axis, scaling=self.scaling).bind(ct)
        return inner_weighted(made, self.axis, self.odd, 2.0)

    def decompose(self, x: Any) -> Any:
        m, axis = x.shape[self.axis], self.axis
        inner = part(x, axis, 1, m if self.odd else m - 1)
        rows = [_without_imaginary(part(x, axis, 0, 1)), inner]
        if not self.odd:
            rows.append(_without_imaginary(part(x, axis, m - 1, m)))
        rows.append(call("conj", flip_axes(inner, (axis,))))
        whole = call("concatenate", *rows, axis=axis)
        return call("real", Fft(axis=axis, scaling=self.scaling, inverse=True).bind(whole))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in REAL_SAMPLES:
            n = shape[axis]
            half = tuple([n // 2 + 1 if i == axis else k for i, k in enumerate(shape)])
            x = numbers(rng, half, "complex64")
            yield Sample(cls(axis=axis, odd=n % 2 == 1), (x,))
            yield Sample(cls(axis=axis, odd=n % 2 == 1, scaling="full"), (x,))


def _without_imaginary(x: Any) -> Any:
    return cast(call("real", x), dtypes.complex64)


def inner_weighted(x: Any, axis: int, odd: bool, weight: float) -> Any:
    """Multiply what stands for two entries of a whole transform, itself and its mirror image."""
    place = places(x, axis)
    edge = call("equal", place, scalar_like(0, place))
    if not odd:
        last = scalar_like(x.shape[axis] - 1, place)
        edge = call("logical_or", edge, call("equal", place, last))
    return call("where", edge, x, call("mul", x, scalar_like(weight, x)))


def scaled(x: Any, scaling: str, n: int) -> Any:
    """Multiply by the factor of ``scaling``."""
    if scaling == "none" or n == 1:
        return x
    return call("mul", x, scalar_like(factor(scaling, n), x))


# The longest transform that is one product with a matrix.
LARGEST_MATRIX = 64


def transformed(x: Any, inverse: bool) -> Any:
    """Transform the last axis by products with small matrices: Cooley and Tukey's algorithm.

    j = j1 b + j2 and k = k1 + a k2 for n = a b: a transform of length a over j1, factors, and one
    of length b over j2.
    """
    n, last = x.shape[-1], x.ndim - 1
    if n == 1:
        return x
    a = max((a for a in range(2, min(n, LARGEST_MATRIX) + 1) if n % a == 0), default=0)
    if not a:
        return chirp_transformed(x, inverse)
    rows = unflatten_axis(x, last, (a, n // a))
    rows = call("matmul", roots(a, a, a, inverse), rows)
    if a < n:
        rows = transformed(call("mul", rows, roots(a, n // a, n, inverse)), inverse)
    return flatten_axes(swapped(rows), last, last + 1)


def roots(rows: int, columns: int, n: int, inverse: bool) -> Any:
    """Return the matrix of ``exp(-+ 2 pi i j k / n)``."""
    j = Iota(shape=(rows, 1), dtype=dtypes.int64, axis=0).bind()
    k = Iota(shape=(1, columns), dtype=dtypes.int64, axis=1).bind()
    return turned(call("mul", j, k), n, inverse)


def turned(steps: Any, n: int, inverse: bool) -> Any:
    """Return ``exp(-+ 2 pi i steps / n)`` for integers, reduced before they are rounded."""
    steps = call("rem", steps, scalar_like(n, steps))
    angle = cast(steps, dtypes.float32)
    angle = call("mul", angle, scalar_like((2 if inverse else -2) * math.pi / n, angle))
    return complex_of(call("cos", angle), call("sin", angle))


def chirp_transformed(x: Any, inverse: bool) -> Any:
    """Transform the last axis as a convolution: L. Bluestein's algorithm, for any length.

    With ``2 j k = j^2 + k^2 - (k - j)^2`` the transform is a product with a chirp, a convolution
    with its conjugate, by transforms of a power of two, and a product again.
    """
    n, last = x.shape[-1], x.ndim - 1
    m = 1 << (2 * n - 2).bit_length()
    steps = Iota(shape=(n,), dtype=dtypes.int64, axis=0).bind()
    chirp = turned(call("mul", steps, steps), 2 * n, inverse)
    mirror = call("conj", chirp)
    zero = scalar_like(0, chirp)
    around = Pad((0,), (m - 2 * n + 1,), (0,)).bind(mirror, zero)
    around = call("concatenate", around, flip_axes(part(mirror, 0, 1, n), (0,)), axis=0)
    line = fitted(call("mul", x, chirp), last, m)
    product = call("mul", transformed(line, False), transformed(around, False))
    made = first_columns(scaled(transformed(product, True), "full", m), n)
    return call("mul", made, chirp)


def fitted(x: Any, axis: int, n: int) -> Any:
    """Return ``x`` with ``axis`` cut, or filled with zeros, to length ``n``."""
    m = x.shape[axis]
    if m >= n:
        return part(x, axis, 0, n)
    none = (0,) * x.ndim
    behind = tuple([n - m if i == axis else 0 for i in range(x.ndim)])
    return Pad(none, behind, none).bind(x, scalar_like(0, x))


# The factor of a transform by ``norm``: of the one with the minus sign, and of its inverse.
NORMS = {"backward": ("none", "full"), "ortho": ("root", "root"), "forward": ("full", "none")}


def scaling_of(function: str, norm: Any, inverse: bool) -> str:
    """Return the scaling that a public function's ``norm`` asks for."""
    if not isinstance(norm, str):
        raise TypeError(f"{function}: norm must be a str, got {type(norm).__name__}")
    if norm not in NORMS:
        raise ShapeError(
            f"{function}: Invalid norm {norm!r}. Expected one of 'backward', 'ortho', 'forward'."
        )
    return NORMS[norm][inverse]
