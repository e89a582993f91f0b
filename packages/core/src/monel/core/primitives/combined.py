"""Softmax, log-sum-exp and normalisations: each one primitive, so that a backend may fuse it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import complex64, float32
from ..base.errors import AxisError, DTypeError, ShapeError
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, call
from .arguments import call_on, canonical_axes, flag, operand
from .convert import cast
from .elementwise import add, divide, multiply, subtract
from .exponential import exp, log
from .flatten import flatten_axes
from .kinds import broadcast_like, move_axis, scalar_like
from .operands import as_floating, to_array
from .reduce import size_of
from .shape import reshape_like, shift
from .unary import conj, real, rsqrt, square

if TYPE_CHECKING:
    import numpy as np

__all__ = ["logsumexp", "softmax"]


def wide_of(x: Any) -> Any:
    """Return ``x`` in the dtype in which sums of it are formed: half types in float32."""
    return cast(x, float32) if x.dtype.size == 2 else x


def _numpy_precise(x: Any) -> Any:
    return x.astype("float32") if x.dtype.itemsize == 2 else x


def _kept_sum(x: Any, axis: int) -> Any:
    return call("expand_dims", call("sum", x, axes=(axis,)), axes=(axis,))


def _kept_max(x: Any, axis: int) -> Any:
    """Return the greatest real part along ``axis``, which stays with length 1."""
    size = real(x) if x.dtype is complex64 else x
    return call("expand_dims", call("max", size, axes=(axis,)), axes=(axis,))


class AlongAxis(Primitive):
    """One operand and one axis of it, in a floating or complex dtype."""

    axis: int

    def check(self, x: Any) -> None:
        """Raise unless the axis lies in ``x`` and its dtype fits."""
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"{self.name}: axis {self.axis} is out of bounds for {x}")
        if not x.dtype.inexact:
            raise DTypeError(f"{self.name}: expected a floating or complex dtype, got {x}")


class Softmax(AlongAxis, name="softmax"):
    """exp(x) over its sum along ``axis``, without overflow.

    ``precise`` asks a backend to sum half types in float32; the reference always does.
    """

    precise: bool = False

    def abstract(self, x: Any) -> AbstractArray:
        self.check(x)
        return AbstractArray(x.shape, x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        if not x.size:
            return x.copy()
        wide = _numpy_precise(x)
        with np.errstate(all="ignore"):
            grown = np.exp(wide - wide.real.max(self.axis, keepdims=True))
            return (grown / grown.sum(self.axis, keepdims=True)).astype(x.dtype)

    def decompose(self, x: Any) -> Any:
        if not x.size:
            return call("copy", x)
        wide = wide_of(x)
        grown = exp(subtract(wide, _kept_max(wide, self.axis)))
        return cast(divide(grown, _kept_sum(grown, self.axis)), x.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (self._turn(outputs[0], tangents[0]),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        y = outputs[0]
        return (self._turn(conj(y) if y.dtype is complex64 else y, cotangents[0]),)

    def _turn(self, y: Any, t: Any) -> Any:
        """Multiply ``t`` by the Jacobian diag(y) - y y^T, which is symmetric."""
        weighted = multiply(y, t)
        return subtract(weighted, multiply(y, _kept_sum(weighted, self.axis)))

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        return Softmax(axis=shift(self.axis, d), precise=self.precise).bind(x), d

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in [((5,), 0), ((2, 3), 1), ((2, 3, 4), 1), ((0, 3), 1)]:
            yield Sample(cls(axis=axis), (rng.standard_normal(shape).astype("float32"),))
        yield Sample(cls(axis=0, precise=True), (rng.standard_normal(4).astype("float16"),))


class LogSumExp(AlongAxis, name="logsumexp"):
    """log(sum(exp(x))) along ``axis``, which is removed; without overflow."""

    def abstract(self, x: Any) -> AbstractArray:
        self.check(x)
        if x.shape[self.axis] == 0:
            raise ShapeError(f"logsumexp: Received empty array, axis {self.axis} of {x}")
        return AbstractArray(x.shape[: self.axis] + x.shape[self.axis + 1 :], x.dtype)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        wide = _numpy_precise(x)
        with np.errstate(all="ignore"):
            high = wide.real.max(self.axis, keepdims=True)
            high = np.where(np.isfinite(high), high, 0)
            total = np.log(np.exp(wide - high).sum(self.axis)) + high.squeeze(self.axis)
            return np.asarray(total).astype(x.dtype)

    def decompose(self, x: Any) -> Any:
        wide = wide_of(x)
        high = _kept_max(wide, self.axis)
        # Where the greatest is infinite, subtracting it would make nan of it.
        high = call("where", call("isfinite", high), high, scalar_like(0.0, high))
        total = log(call("sum", exp(subtract(wide, high)), axes=(self.axis,)))
        return cast(add(total, call("squeeze", high, axes=(self.axis,))), x.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        share = Softmax(axis=self.axis, precise=True).bind(primals[0])
        return (call("sum", multiply(share, tangents[0]), axes=(self.axis,)),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        share = Softmax(axis=self.axis, precise=True).bind(primals[0])
        if share.dtype is complex64:
            share = conj(share)
        return (multiply(call("expand_dims", cotangents[0], axes=(self.axis,)), share),)

    def batch(self, operands: Any, dims: Any) -> Any:
        (x,), (d,) = operands, dims
        axis = shift(self.axis, d)
        return LogSumExp(axis=axis).bind(x), d - (axis < d)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape, axis in [((5,), 0), ((2, 3), 1), ((2, 3, 4), 1), ((0, 3), 1)]:
            yield Sample(cls(axis=axis), (rng.standard_normal(shape).astype("float32"),))


class Norm(Primitive):
    """A normalisation over the last axis, in float32 for half types."""

    eps: float

    def abstract(self, x: Any, *scales: Any) -> AbstractArray:
        if not x.shape:
            raise ShapeError(f"{self.name}: expected at least one axis, got {x}")
        if not x.dtype.floating:
            raise DTypeError(f"{self.name}: expected a floating dtype, got {x}")
        for scale, word in zip(scales, ("weight", "bias")):
            if scale.shape != x.shape[-1:]:
                raise ShapeError(
                    f"{self.name}: {word} must have 1 dimension with the same size as the last "
                    f"dimension of x, {x}, got {scale}"
                )
            if scale.dtype is not x.dtype:
                raise DTypeError(f"{self.name}: {word} must have the dtype of x, {x}, got {scale}")
        return AbstractArray(x.shape, x.dtype)

    def batch(self, operands: Any, dims: Any) -> Any:
        if any(d is not None for d in dims[1:]):
            return NotImplemented
        return self.bind(move_axis(operands[0], dims[0], 0), *operands[1:]), 0


def _mean(x: Any) -> Any:
    """Return the mean over the last axis, which stays with length 1."""
    last = x.ndim - 1
    return divide(_kept_sum(x, last), size_of(x, (last,), x.dtype))


def _over_lead(x: Any) -> Any:
    """Sum over all axes but the last: what a weight or bias receives."""
    return call("sum", x, axes=tuple(range(x.ndim - 1))) if x.ndim > 1 else x


def rms_scale(x: Any, eps: float) -> Any:
    """Return 1 / sqrt(mean(x**2) + eps) over the last axis."""
    return rsqrt(add(_mean(square(x)), eps))


def standardised(x: Any, eps: float) -> tuple[Any, Any]:
    """Return (x - mean) * r over the last axis, and r = 1 / sqrt(variance + eps)."""
    centred = subtract(x, _mean(x))
    scale = rms_scale(centred, eps)
    return multiply(centred, scale), scale


class RmsNorm(Norm, name="rms_norm", export_name="RMSNorm"):
    """x / sqrt(mean(x**2) + eps) * w over the last axis."""

    def reference(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        import numpy as np

        wide = _numpy_precise(x)
        scale = 1 / np.sqrt(np.mean(wide * wide, -1, keepdims=True, dtype=wide.dtype) + self.eps)
        return (wide * scale * w).astype(x.dtype)

    def decompose(self, x: Any, w: Any) -> Any:
        wide = wide_of(x)
        scaled = multiply(multiply(wide, rms_scale(wide, self.eps)), cast(w, wide.dtype))
        return cast(scaled, x.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        x, w = (wide_of(p) for p in primals)
        scale = rms_scale(x, self.eps)
        unit = multiply(x, scale)
        dx, dw = tangents
        terms = []
        if dx is not None:
            t = wide_of(dx)
            moved = subtract(t, multiply(unit, _mean(multiply(unit, t))))
            terms.append(multiply(multiply(moved, scale), w))
        if dw is not None:
            terms.append(multiply(unit, wide_of(dw)))
        total = functools.reduce(add, terms)
        return (cast(total, primals[0].dtype),)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        x, w = (wide_of(p) for p in primals)
        ct = wide_of(cotangents[0])
        scale = rms_scale(x, self.eps)
        unit = multiply(x, scale)
        dx = dw = None
        if 0 in wanted:
            g = multiply(ct, w)
            moved = subtract(g, multiply(unit, _mean(multiply(unit, g))))
            dx = cast(multiply(moved, scale), primals[0].dtype)
        if 1 in wanted:
            dw = cast(_over_lead(multiply(ct, unit)), primals[1].dtype)
        return dx, dw

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in [(4,), (2, 3), (2, 3, 5), (0, 3)]:
            x = rng.standard_normal(shape).astype("float32")
            w = rng.standard_normal(shape[-1:]).astype("float32")
            yield Sample(cls(eps=1e-5), (x, w))


class LayerNorm(Norm, name="layer_norm"):
    """(x - mean) / sqrt(variance + eps) * w + b over the last axis."""

    def reference(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        import numpy as np

        wide = _numpy_precise(x)
        centred = wide - np.mean(wide, -1, keepdims=True, dtype=wide.dtype)
        variance = np.mean(centred * centred, -1, keepdims=True, dtype=wide.dtype)
        return (centred / np.sqrt(variance + self.eps) * w + b).astype(x.dtype)

    def decompose(self, x: Any, w: Any, b: Any) -> Any:
        wide = wide_of(x)
        unit, _ = standardised(wide, self.eps)
        scaled = add(multiply(unit, cast(w, wide.dtype)), cast(b, wide.dtype))
        return cast(scaled, x.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        x, w, _ = (wide_of(p) for p in primals)
        unit, scale = standardised(x, self.eps)
        dx, dw, db = tangents
        terms = []
        if dx is not None:
            terms.append(multiply(self._project(wide_of(dx), unit, scale), w))
        if dw is not None:
            terms.append(multiply(unit, wide_of(dw)))
        if db is not None:
            terms.append(broadcast_like(wide_of(db), unit))
        total = functools.reduce(add, terms)
        return (cast(total, primals[0].dtype),)

    def _project(self, t: Any, unit: Any, scale: Any) -> Any:
        """Multiply ``t`` by the Jacobian of the standardisation, which is symmetric."""
        along = multiply(unit, _mean(multiply(unit, t)))
        return multiply(subtract(subtract(t, _mean(t)), along), scale)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        x, w, _ = (wide_of(p) for p in primals)
        ct = wide_of(cotangents[0])
        dx = dw = db = None
        if 0 in wanted or 1 in wanted:
            unit, scale = standardised(x, self.eps)
            if 0 in wanted:
                dx = cast(self._project(multiply(ct, w), unit, scale), primals[0].dtype)
            if 1 in wanted:
                dw = cast(_over_lead(multiply(ct, unit)), primals[1].dtype)
        if 2 in wanted:
            db = cast(_over_lead(ct), primals[2].dtype)
        return dx, dw, db

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shape in [(4,), (2, 3), (2, 3, 5), (0, 3)]:
            x = rng.standard_normal(shape).astype("float32")
            w, b = (rng.standard_normal(shape[-1:]).astype("float32") for _ in range(2))
            yield Sample(cls(eps=1e-5), (x, w, b))


def softmax(a: Any, /, axis: Any = None, *, precise: bool = False, stream: Any = None) -> array:
    """Return ``exp(a) / sum(exp(a))`` over the given axes, without overflow.

    Args:
      a: Array of any shape; integers and bool count as float32.
      axis: An int, a sequence of ints, or None for all axes.
      precise: Sum half types in float32 on every backend.
    Returns:
      Array of the shape of ``a``, floating or complex.
    Raises:
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.softmax(mx.array([1.0, 2.0]))
      array([0.268941, 0.731059], dtype=float32)
    """
    x = as_floating(to_array("softmax", a), stream)
    axes = canonical_axes("softmax", axis, x)
    precise = flag("softmax", "precise", precise)
    if len(axes) == 1:
        return Softmax(axis=axes[0], precise=precise).bind(x, stream=stream)
    if not axes:
        return exp(subtract(x, x, stream), stream=stream)
    moved, joined, back = _joined(x, axes, stream)
    made = Softmax(axis=joined.ndim - 1, precise=precise).bind(joined, stream=stream)
    return call_on(stream, "transpose", reshape_like(made, moved), axes=back)


def _joined(x: Any, axes: tuple[int, ...], stream: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Move ``axes`` to the end and make them one.

    Returns ``x`` with the axes moved, with them joined, and the order that moves them back.
    """
    order = (*[i for i in range(x.ndim) if i not in axes], *axes)
    moved = call_on(stream, "transpose", x, axes=order)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return moved, flatten_axes(moved, x.ndim - len(axes), x.ndim - 1, stream), back


def logsumexp(a: Any, /, axis: Any = None, keepdims: bool = False, *, stream: Any = None) -> array:
    """Return ``log(sum(exp(a)))`` over the given axes, without overflow.

    Args:
      a: Array of any shape; integers and bool count as float32.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the reduced axes with length 1.
    Returns:
      Array, floating or complex.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: A reduced axis is empty.
    Example:
      >>> import monel.core as mx
      >>> mx.logsumexp(mx.array([1.0, 2.0]))
      array(2.31326, dtype=float32)
    """
    x = as_floating(operand("logsumexp", a), stream)
    axes = canonical_axes("logsumexp", axis, x, keepdims)
    if not axes:
        return wrap(x.value)
    if len(axes) > 1:
        _, joined, _ = _joined(x, axes, stream)
        made = LogSumExp(axis=joined.ndim - 1).bind(joined, stream=stream)
    else:
        made = LogSumExp(axis=axes[0]).bind(x, stream=stream)
    return call_on(stream, "expand_dims", made, axes=axes) if keepdims else made
