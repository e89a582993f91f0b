"""Scaled dot-product attention and rotary position encoding: each one primitive."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import bool_, finfo, float32, int32
from ..base.errors import DTypeError, ShapeError
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from . import derive
from .arguments import stays_open
from .combined import wide_of
from .conv import divided
from .convert import cast
from .elementwise import add, multiply, subtract
from .exponential import exp
from .flatten import flatten_axes, unflatten_axis
from .kinds import broadcast_like, move_axis, scalar_like
from .reduce import size_of
from .trigonometric import cos, sin
from .unary import negative, reciprocal

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class Attention(Primitive, name="sdpa", export_name="ScaledDotProductAttention"):
    """softmax(scale * q k^T + mask) v for each head; the softmax is computed in float32.

    Operands: q (B, H, L, D), k (B, G, S, D), v (B, G, S, E) with H a multiple of G, each key head
    serving H / G neighbouring query heads; optionally a mask that broadcasts to (B, H, L, S), of
    bool (False is left out) or of the dtype of q (added). ``causal`` leaves out key j for query i
    where j > i + S - L. What is left out has the least finite score, so that a row in which
    nothing is left averages all values, as in MLX.
    """

    scale: float
    causal: bool = False

    def abstract(self, q: Any, k: Any, v: Any, *mask: Any) -> AbstractArray:
        for x in (q, k, v):
            if x.ndim != 4:
                raise ShapeError(f"sdpa: expected q, k and v of rank 4, got {x}")
            if x.dtype is not q.dtype or not x.dtype.floating:
                raise DTypeError(f"sdpa: expected one floating dtype, got {q}, {k} and {v}")
        b, heads, rows, d = q.shape
        if (
            k.shape[0] != b
            or k.shape[3] != d
            or k.shape[:3] != v.shape[:3]
            or heads % max(k.shape[1], 1)
        ):
            raise ShapeError(f"sdpa: q, k and v do not fit: {q}, {k} and {v}")
        scores = (b, heads, rows, k.shape[2])
        for m in mask:
            if m.dtype is not bool_ and m.dtype is not q.dtype:
                raise DTypeError(f"sdpa: the mask must be bool or of the dtype of q, got {m}")
            if broadcast_shapes("sdpa", scores, m.shape) != scores:
                raise ShapeError(f"sdpa: the mask must broadcast to {scores}, got {m}")
        return AbstractArray((b, heads, rows, v.shape[3]), q.dtype)

    def reference(self, q: Any, k: Any, v: Any, *mask: Any) -> np.ndarray:
        import numpy as np

        wide = "float64" if q.dtype.itemsize == 8 else "float32"
        q, k, v, dtype = q.astype(wide), k.astype(wide), v.astype(wide), q.dtype
        group = q.shape[1] // max(k.shape[1], 1)
        k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
        scores = (q * np.asarray(self.scale, wide)) @ np.swapaxes(k, -1, -2)
        least = np.finfo(np.float32).min
        if self.causal:
            rows, columns = scores.shape[-2:]
            seen = np.arange(columns) <= np.arange(rows)[:, None] + columns - rows
            scores = np.where(seen, scores, least)
        for m in mask:
            scores = np.where(m, scores, least) if m.dtype.kind == "b" else scores + m.astype(wide)
        if not scores.size:
            return np.zeros((*q.shape[:3], v.shape[3]), dtype)
        with np.errstate(all="ignore"):
            grown = np.exp(scores - scores.max(-1, keepdims=True))
            return (grown / grown.sum(-1, keepdims=True) @ v).astype(dtype)

    def decompose(self, q: Any, k: Any, v: Any, *mask: Any) -> Any:
        grouped = q.shape[1] != k.shape[1]
        if grouped:
            # Without query heads nothing could be inferred from them.
            shape = (-1, q.shape[1] // k.shape[1]) if q.shape[1] else (k.shape[1], 0)
            q = unflatten_axis(q, 1, shape)
            k, v = (call("expand_dims", x, axes=(2,)) for x in (k, v))
            mask = tuple([_grouped(m, shape) for m in mask])
        n = k.ndim
        turned = call("transpose", k, axes=(*range(n - 2), n - 1, n - 2))
        scores = wide_of(call("matmul", multiply(q, scalar_like(self.scale, q)), turned))
        least = scalar_like(finfo(float32).min, scores)
        if self.causal:
            scores = call("where", causal_mask(scores), scores, least)
        for m in mask:
            if m.dtype is bool_:
                scores = call("where", m, scores, least)
            else:
                scores = add(scores, cast(m, scores.dtype))
        weights = call("softmax", scores, axis=scores.ndim - 1, precise=True)
        out = call("matmul", cast(weights, v.dtype), v)
        return flatten_axes(out, 1, 2) if grouped else out

    def batch(self, operands: Any, dims: Any) -> Any:
        if any(d is None for d in dims[:3]) or any(
            d is not None or x.ndim == 4 for x, d in zip(operands[3:], dims[3:])
        ):
            return NotImplemented
        moved = [move_axis(x, d, 0) for x, d in zip(operands[:3], dims)]
        out = self.bind(*[flatten_axes(x, 0, 1) for x in moved], *operands[3:])
        return divided(out, moved[0]), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype("float32")

        for q, k in [((1, 2, 3, 4), (1, 2, 5, 4)), ((2, 4, 3, 2), (2, 2, 3, 2))]:
            operands = (normal(*q), normal(*k), normal(*k))
            yield Sample(cls(scale=0.5), operands)
            yield Sample(cls(scale=0.5, causal=True), operands)
            yield Sample(cls(scale=0.5), (*operands, normal(q[2], k[2])))
            seen = rng.integers(0, 2, (q[0], 1, q[2], k[2])).astype(bool)
            yield Sample(cls(scale=0.5), (*operands, seen))
        yield Sample(cls(scale=1.0), (normal(2, 4, 1, 2), normal(2, 1, 3, 2), normal(2, 1, 3, 5)))


def _grouped(mask: Any, shape: tuple[int, int]) -> Any:
    """Divide the axis of heads of a mask, as that of the queries is divided."""
    if mask.ndim < 3:
        return mask
    if mask.shape[-3] == 1:
        return call("expand_dims", mask, axes=(mask.ndim - 3,))
    return unflatten_axis(mask, mask.ndim - 3, shape)


def positions(x: Any, axis: int) -> Any:
    """Return 0, 1, 2, ... as int32, as many as ``x`` is long along ``axis``."""
    if not stays_open(x):
        return call("iota", shape=(x.shape[axis],), dtype=int32, axis=0)
    row = cast(x, int32)
    for i in reversed(range(x.ndim)):
        if i != axis:
            row = call("sum", row, axes=(i,))
    ones = broadcast_like(scalar_like(1, row), row)
    return call("cumsum", ones, axis=0, reverse=False, inclusive=False)


def causal_mask(scores: Any) -> Any:
    """Return which key each query sees, of shape (L, S)."""
    n = scores.ndim
    rows = call("expand_dims", positions(scores, n - 2), axes=(1,))
    lengths = [cast(size_of(scores, (i,), float32), int32) for i in (n - 1, n - 2)]
    return call("less_equal", positions(scores, n - 1), add(rows, subtract(*lengths)))


class Rope(Primitive, name="rope", export_name="RoPE"):
    """Pairs of features turned by angles that grow with the position.

    Operands: x (B, ..., T, D), an integer offset of positions, () or (B,), and, where ``base`` is
    None, the periods of the first ``dims`` / 2 pairs over 2 pi. Pair i turns by
    ``(t + offset) * scale * base**(-2 i / dims)`` at position t. Pairs are neighbours where
    ``traditional``, else features i and i + dims / 2; features from ``dims`` on stay. ``inverse``
    turns back.
    """

    dims: int
    traditional: bool
    base: float | None
    scale: float
    inverse: bool = False

    def abstract(self, x: Any, offset: Any, *freqs: Any) -> AbstractArray:
        if x.ndim < 3:
            raise ShapeError(f"rope: Input must have at least 3 dimensions but got {x}")
        if not x.dtype.floating:
            raise DTypeError(f"rope: Input must be a floating type but got {x}")
        if self.dims <= 0 or self.dims % 2 or self.dims > x.shape[-1]:
            raise ShapeError(
                f"rope: dims must be positive, even and not exceed the input's last dimension "
                f"({x.shape[-1]}) but got {self.dims}"
            )
        if offset.dtype.inexact or offset.shape not in ((), x.shape[:1]):
            raise ShapeError(
                f"rope: offset must be an integer scalar or vector with {x.shape[0]} elements but "
                f"is {offset}"
            )
        for f in freqs:
            if f.shape != (self.dims // 2,):
                raise ShapeError(
                    f"rope: freqs must be one dimensional with size {self.dims // 2} but got {f}"
                )
        return AbstractArray(x.shape, x.dtype)

    def reference(self, x: Any, offset: Any, *freqs: Any) -> np.ndarray:
        import numpy as np

        wide = np.float64 if x.dtype.itemsize == 8 else np.float32
        half = self.dims // 2
        if freqs:
            slopes = 1 / freqs[0].astype(wide)
        else:
            slopes = np.exp(np.arange(half) * (-math.log(self.base or 1.0) / half)).astype(wide)
        places = np.arange(x.shape[-2]) + np.reshape(offset, (-1, 1))
        angles = (places * self.scale).astype(wide)[..., None] * slopes
        angles = angles.reshape(angles.shape[0], *(1,) * (x.ndim - 3), *angles.shape[1:])
        c, s = np.cos(angles), np.sin(-angles if self.inverse else angles)
        out = x.astype(wide)
        first, second = (
            (slice(0, self.dims, 2), slice(1, self.dims, 2))
            if self.traditional
            else (slice(0, half), slice(half, self.dims))
        )
        a, b = out[..., first].copy(), out[..., second].copy()
        out[..., first], out[..., second] = a * c - b * s, a * s + b * c
        return out.astype(x.dtype)

    def _angles(self, x: Any, offset: Any, freqs: Any, wide: Any) -> Any:
        """Return angles of shape (T, half), or (B, 1, ..., T, half)."""
        half = self.dims // 2
        if freqs:
            slopes = reciprocal(cast(freqs[0], wide))
        else:
            pairs = cast(call("iota", shape=(half,), dtype=int32, axis=0), wide)
            slopes = exp(multiply(pairs, -math.log(self.base or 1.0) / half))
        places = positions(x, x.ndim - 2)
        offset = cast(offset, int32)
        if offset.ndim:
            middle = tuple(range(1, x.ndim - 1))
            offset = call("expand_dims", offset, axes=middle)
        places = multiply(cast(add(places, offset), wide), self.scale)
        return multiply(call("expand_dims", places, axes=(places.ndim,)), slopes)

    def decompose(self, x: Any, offset: Any, *freqs: Any) -> Any:
        y = wide_of(x)
        angles = self._angles(x, offset, freqs, y.dtype)
        c, s = cos(angles), sin(negative(angles) if self.inverse else angles)
        last, half = x.ndim - 1, self.dims // 2
        turned = _features(y, 0, self.dims)
        if self.traditional:
            pairs = unflatten_axis(turned, last, (half, 2))
            a, b = (call("select", pairs, axis=last + 1, index=i) for i in (0, 1))
        else:
            a, b = _features(turned, 0, half), _features(turned, half, self.dims)
        left = subtract(multiply(a, c), multiply(b, s))
        right = add(multiply(a, s), multiply(b, c))
        if self.traditional:
            ends = [call("expand_dims", p, axes=(last + 1,)) for p in (left, right)]
            made = flatten_axes(call("concatenate", *ends, axis=last + 1), last, last + 1)
        else:
            made = call("concatenate", left, right, axis=last)
        if self.dims < x.shape[-1]:
            rest = _features(y, self.dims, x.shape[-1])
            made = call("concatenate", made, rest, axis=last)
        return cast(made, x.dtype)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        moving = tuple([i for i in (0, 2) if i < len(tangents) and tangents[i] is not None])
        if not moving:
            return (None,)
        if moving == (0,):
            return (self.bind(tangents[0], *primals[1:]),)
        return derive.jvp_from_decompose(self, primals, tangents, moving)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        found: list[Any] = [None] * len(primals)
        if 0 in wanted:
            back = Rope(self.dims, self.traditional, self.base, self.scale, not self.inverse)
            found[0] = back.bind(cotangents[0], *primals[1:])
        if 2 in wanted:
            found[2] = derive.vjp_from_decompose(self, primals, cotangents, (2,))[2]
        return tuple(found)

    def batch(self, operands: Any, dims: Any) -> Any:
        x, offset = operands[:2]
        if dims[0] is None or any(d is not None for d in dims[2:]):
            return NotImplemented
        if dims[1] is None:
            # Behind the batch axis that offsets may name, any further axis is as good.
            return self.bind(move_axis(x, dims[0], 1), *operands[1:]), 1
        if offset.ndim > 1:
            return NotImplemented
        return self.bind(move_axis(x, dims[0], 0), *operands[1:]), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x = rng.standard_normal((2, 3, 4, 6)).astype("float32")
        three = np.array(3, "int32")
        for traditional in (False, True):
            yield Sample(cls(6, traditional, 100.0, 1.0), (x, three))
            yield Sample(cls(4, traditional, 100.0, 0.5), (x, np.array([0, 5], "int32")))
            freqs = (1 + rng.random(3)).astype("float32")
            yield Sample(cls(6, traditional, None, 1.0), (x[:, 0], three, freqs))


def _features(x: Any, start: int, stop: int) -> Any:
    if (start, stop) == (0, x.shape[-1]):
        return x
    low, high = (0,) * (x.ndim - 1), x.shape[:-1]
    return call("slice", x, start=(*low, start), stop=(*high, stop), step=(1,) * x.ndim)
