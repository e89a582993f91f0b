"""Quantization: groups of numbers as small codes, with a scale for each group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, float32, uint8, uint32
from ..base.errors import DTypeError, ShapeError
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from . import packing
from .convert import cast
from .fp8 import ToFP8
from .kinds import broadcast_like, move_axis, scalar_like, unbroadcast
from .packing import (
    grouped,
    numpy_grouped,
    numpy_ungrouped,
    over_group,
    regroup,
    ungrouped,
)

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []

_EPSILON = 1e-7


def check_matrix(function: str, w: Any, group_size: int) -> None:
    """Raise unless ``w`` is a floating array of whole groups."""
    if not w.dtype.floating:
        raise DTypeError(f"{function}: Only real floating types can be quantized, got {w}")
    if w.ndim < 1 or w.shape[-1] % group_size:
        raise ShapeError(
            f"{function}: The last dimension of the matrix needs to be divisible by the "
            f"quantization group size {group_size}, got {w}"
        )


def packed_avals(w: Any, group_size: int, bits: int, scale: Dtype) -> list[AbstractArray]:
    """Return the avals of the words and of one number for each group of ``w``."""
    *lead, n = w.shape
    words = AbstractArray((*lead, packing.packed_length(n, bits)), uint32)
    return [words, AbstractArray((*lead, n // group_size), scale)]


def unpacked_shape(function: str, group_size: int, bits: int, w: Any, *groups: Any) -> Any:
    """Return the shape of what ``w`` and its scales, whose leading axes broadcast, stand for."""
    if w.dtype is not uint32:
        raise DTypeError(f"{function}: The matrix should be given as a uint32, got {w}")
    n = packing.unpacked_length(w.shape[-1], bits) if w.shape else 0
    lead = w.shape[:-1]
    for x in groups:
        if not x.shape or not w.shape or x.shape[-1] * group_size != n:
            raise ShapeError(
                f"{function}: Shape of scales and biases does not match the matrix given the "
                f"quantization parameters, got matrix {w} and scales or biases {x} with "
                f"group_size={group_size} and bits={bits}"
            )
        lead = broadcast_shapes(function, lead, x.shape[:-1])
    return (*lead, n)


def leading(operands: Any, dims: Any) -> list[Any]:
    """Move batch axes to the front and fill ranks behind them, the last axes kept apart."""
    rank = max(x.ndim - (d is not None) for x, d in zip(operands, dims, strict=True))
    moved = []
    for x, d in zip(operands, dims, strict=True):
        if d is not None:
            x = move_axis(x, d, 0)
            if missing := rank - (x.ndim - 1):
                x = call("expand_dims", x, axes=tuple(range(1, 1 + missing)))
        moved.append(x)
    return moved


class AffineQuantize(Primitive, name="affine_quantize"):
    """Each group of a row as codes c of ``bits`` bits with w = c * scale + bias, nearly.

    Outputs: the words, scales, biases. The one of the extremes that is farther from zero is
    exact, and so is zero where it lies between them; of codes of one bit, 0 is the minimum and 1
    the maximum. The arithmetic is that of float32.
    """

    outputs = 3
    group_size: int
    bits: int

    def abstract(self, w: Any) -> tuple[AbstractArray, ...]:
        check_matrix("quantize", w, self.group_size)
        words, scales = packed_avals(w, self.group_size, self.bits, w.dtype)
        return words, scales, scales

    def reference(self, w: np.ndarray) -> tuple[Any, ...]:
        import numpy as np

        x = numpy_grouped(w.astype("float32"), self.group_size)
        top = np.float32(2**self.bits - 1)
        with np.errstate(all="ignore"):
            high = np.fmax.reduce(x, -1, initial=-np.inf)
            low = np.fmin.reduce(x, -1, initial=np.inf)
            scale = np.maximum((high - low) / top, np.float32(_EPSILON))
            bias = low
            if self.bits > 1:
                below = np.abs(low) > np.abs(high)
                scale = np.where(below, scale, -scale)
                edge = np.where(below, low, high)
                steps = np.rint(edge / scale)
                scale = np.where(steps != 0, edge / steps, scale)
                bias = np.where(steps != 0, edge, np.float32(0))
            codes = np.rint((x - bias[..., None]) / scale[..., None])
            codes = np.where(codes > 0, np.minimum(codes, top), np.float32(0))
            words = packing.numpy_pack(codes.reshape(w.shape), self.bits)
            return words, scale.astype(w.dtype), bias.astype(w.dtype)

    def decompose(self, w: Any) -> Any:
        x = cast(grouped(w, self.group_size), float32)
        last = x.ndim - 1
        top = scalar_like(2**self.bits - 1, x)

        def extreme(name: str, least: float) -> Any:
            known = call("where", call("isnan", x), scalar_like(least, x), x)
            return over_group(call(name, known, axes=(last,)))

        high, low = extreme("max", float("-inf")), extreme("min", float("inf"))
        scale = call("div", call("sub", high, low), top)
        scale = call("maximum", scale, scalar_like(_EPSILON, x))
        bias = low
        if self.bits > 1:
            below = call("less", call("abs", high), call("abs", low))
            scale = call("where", below, scale, call("neg", scale))
            edge = call("where", below, low, high)
            steps = call("round", call("div", edge, scale))
            zero = call("equal", steps, scalar_like(0, steps))
            divisor = call("where", zero, scalar_like(1, steps), steps)
            scale = call("where", zero, scale, call("div", edge, divisor))
            bias = call("where", zero, scalar_like(0, edge), edge)
        codes = call("round", call("div", call("sub", x, bias), scale))
        known = call("less", scalar_like(0, codes), codes)
        codes = call("where", known, call("minimum", codes, top), scalar_like(0, codes))
        words = regroup(cast(ungrouped(codes), uint32), self.bits, packing.WORD)
        found = [call("squeeze", cast(v, w.dtype), axes=(last,)) for v in (scale, bias)]
        return words, *found

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(move_axis(operands[0], dims[0], 0)), (0, 0, 0)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for bits in packing.AFFINE_BITS:
            w = rng.standard_normal((2, 128)).astype("float32")
            yield Sample(cls(group_size=32, bits=bits), (w,))
        yield Sample(cls(group_size=64, bits=4), (w.astype("float16").reshape(2, 2, 64),))
        yield Sample(cls(group_size=128, bits=2), (abs(w),))
        yield Sample(cls(group_size=32, bits=4), (w[:0],))
        constant = w[:1] * 0 + rng.integers(-1, 2, (1, 128)).repeat(32, 0)[:1].astype("float32")
        yield Sample(cls(group_size=32, bits=3), (constant,))


class AffineDequantize(Primitive, name="affine_dequantize"):
    """The numbers ``code * scale + bias``, multiplied and added in the dtype of the scales.

    Operands: words, scales and biases, whose axes but the last broadcast. The codes are no smooth
    function of anything: what they descend from has no derivative here.
    """

    dtype_operand = 1
    linear: ClassVar[str | None] = "joint"
    linear_in: ClassVar[tuple[int, ...] | None] = (1, 2)
    zero_in: ClassVar[tuple[int, ...]] = (0,)
    group_size: int
    bits: int

    def abstract(self, w: Any, scales: Any, biases: Any) -> AbstractArray:
        if scales.dtype is not biases.dtype or not scales.dtype.floating:
            raise DTypeError(
                f"dequantize: expected scales and biases of one floating dtype, got {scales} and "
                f"{biases}"
            )
        shape = unpacked_shape("dequantize", self.group_size, self.bits, w, scales, biases)
        return AbstractArray(shape, scales.dtype)

    def reference(self, w: np.ndarray, scales: np.ndarray, biases: np.ndarray) -> Any:
        import numpy as np

        codes = packing.numpy_unpack(w, self.bits)
        codes = numpy_grouped(codes.astype(scales.dtype), self.group_size)
        with np.errstate(all="ignore"):
            return numpy_ungrouped(codes * scales[..., None] + biases[..., None])

    def decompose(self, w: Any, scales: Any, biases: Any) -> Any:
        codes = cast(regroup(w, packing.WORD, self.bits), scales.dtype)
        out = call("mul", grouped(codes, self.group_size), over_group(scales))
        return ungrouped(call("add", out, over_group(biases)))

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        w, scales, biases = operands
        parts = ct
        if i == 1:
            one, none = scalar_like(1, scales), scalar_like(0, biases)
            codes = self.bind(w, broadcast_like(one, scales), broadcast_like(none, biases))
            parts = call("mul", ct, codes)
        parts = grouped(parts, self.group_size)
        return unbroadcast(call("sum", parts, axes=(parts.ndim - 1,)), operands[i])

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(*leading(operands, dims)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for bits in packing.AFFINE_BITS:
            words = rng.integers(0, 2**32, (3, 4 * bits), dtype="uint32")
            yield Sample(cls(group_size=64, bits=bits), (words, *_groups(rng, (3, 2))))
        words = rng.integers(0, 2**32, (2, 1, 4), dtype="uint32")
        yield Sample(cls(group_size=32, bits=4), (words, *_groups(rng, (2, 3, 1))))
        halves = [x.astype("float16") for x in _groups(rng, (2, 1, 1))]
        yield Sample(cls(group_size=32, bits=4), (words, *halves))
        yield Sample(cls(group_size=32, bits=4), (words[:0], *_groups(rng, (0, 1, 1))))


def _groups(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Any]:
    """Return scales and biases for a sample."""
    return [rng.standard_normal(shape).astype("float32") for _ in range(2)]


class FloatQuantize(Primitive, name="fp_quantize"):
    """Each group of a row as 4-bit or 8-bit floats with a shared scale, an 8-bit float too.

    Outputs: the words and the codes of the scales. The scale makes the largest number of a group
    the largest of its format: for the ``mx`` modes a power of two that is not below the ratio of
    the two, for ``nvfp4`` the E4M3 number nearest to it. A second operand, for ``nvfp4``, is the
    largest number of the whole array, which spreads the scales over the range of theirs.

    Open Compute Project, "OCP Microscaling Formats (MX) Specification", version 1.0.
    """

    outputs = 2
    nondifferentiable = "a code is no smooth function of the number that it stands for"
    mode: str

    @property
    def group_size(self) -> int:
        """How many elements share a scale."""
        return packing.MODES[self.mode].group_size

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return packing.MODES[self.mode].bits

    def abstract(self, w: Any, *largest: Any) -> tuple[AbstractArray, ...]:
        check_matrix("quantize", w, self.group_size)
        for x in largest:
            _check_global_scale("quantize", self.mode, x)
        words, scales = packed_avals(w, self.group_size, self.bits, uint8)
        return words, scales

    def reference(self, w: np.ndarray, *largest: np.ndarray) -> tuple[Any, ...]:
        import numpy as np

        x = numpy_grouped(w, self.group_size)
        bound = np.asarray(packing.largest_of(self.mode), w.dtype)
        with np.errstate(all="ignore"):
            ratio = (np.abs(x).max(-1, initial=0) / bound).astype(w.dtype).astype("float32")
            spread = np.float32(1)
            if largest:
                spread = np.float32(packing.LARGEST_NVFP4) / _numpy_scalar(largest[0])
            codes = packing.numpy_scale_code(self.mode, ratio * spread)
            factor = packing.numpy_scale(self.mode, codes)[..., None]
            wide = w.dtype if self.mode == "nvfp4" else np.float32
            y = (x.astype(wide) / factor.astype(wide)).astype(wide).astype("float32") * spread
            y = y.reshape(w.shape)
            if self.bits == 8:
                return np.ascontiguousarray(ToFP8().reference(y)).view("uint32"), codes
            return packing.numpy_pack(packing.numpy_fp4_code(y), 4), codes

    def decompose(self, w: Any, *largest: Any) -> Any:
        x = grouped(w, self.group_size)
        last = x.ndim - 1
        most = over_group(call("max", call("abs", x), axes=(last,)))
        ratio = call("div", most, scalar_like(packing.largest_of(self.mode), most))
        ratio = cast(ratio, float32)
        spread = None
        for scale in largest:
            most = _scalar(scale)
            spread = call("div", scalar_like(packing.LARGEST_NVFP4, most), most)
            ratio = call("mul", ratio, spread)
        codes = packing.scale_code(self.mode, ratio)
        wide = w.dtype if self.mode == "nvfp4" else float32
        factor = cast(packing.scale(self.mode, codes), wide)
        y = cast(call("div", cast(x, wide), factor), float32)
        if spread is not None:
            y = call("mul", y, spread)
        y = ungrouped(y)
        scales = call("squeeze", codes, axes=(last,))
        if self.bits == 8:
            return call("bitcast", ToFP8().bind(y), dtype=uint32), scales
        return regroup(packing.fp4_code(y), 4, packing.WORD), scales

    def batch(self, operands: Any, dims: Any) -> Any:
        if any(d is not None for d in dims[1:]):
            return NotImplemented
        return self.bind(move_axis(operands[0], dims[0], 0), *operands[1:]), (0, 0)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        for mode in ("mxfp4", "mxfp8", "nvfp4"):
            w = rng.standard_normal((3, 64)) * np.exp2(rng.integers(-6, 6, (3, 1)))
            w[0, :32] = 0
            yield Sample(cls(mode=mode), (w.astype("float32"),))
            yield Sample(cls(mode=mode), (w.astype("float16").reshape(3, 1, 64),))
            yield Sample(cls(mode=mode), (w[:0].astype("float32"),))
        yield Sample(cls(mode="nvfp4"), (w.astype("float32"), np.array(60, "float32")))


def _check_global_scale(function: str, mode: str, x: Any) -> None:
    if mode != "nvfp4":
        raise ShapeError(
            f"{function}: Global scale is only supported for 'nvfp4' quantization mode, not "
            f"{mode!r}"
        )
    if x.size != 1:
        raise ShapeError(f"{function}: Global scale must be a scalar, got {x}")
    if not x.dtype.floating:
        raise DTypeError(f"{function}: Global scale must be floating, got {x}")


def _numpy_scalar(x: np.ndarray) -> Any:
    return x.reshape(()).astype("float32")


def _scalar(x: Any) -> Any:
    """Return an array of one element as a float32 scalar."""
    return cast(call("squeeze", x, axes=tuple(range(x.ndim))), float32)


class FloatDequantize(Primitive, name="fp_dequantize"):
    """The numbers that 4-bit or 8-bit floats with a shared scale stand for, in ``dtype``.

    Operands: words and codes of scales, whose axes but the last broadcast, and for ``nvfp4``
    perhaps the largest number of the whole array, in which the result is linear.
    """

    linear: ClassVar[str | None] = "each"
    linear_in: ClassVar[tuple[int, ...] | None] = (2,)
    mode: str
    dtype: Dtype

    @property
    def group_size(self) -> int:
        """How many elements share a scale."""
        return packing.MODES[self.mode].group_size

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return packing.MODES[self.mode].bits

    def abstract(self, w: Any, scales: Any, *largest: Any) -> AbstractArray:
        if not self.dtype.floating:
            raise DTypeError(
                f"dequantize: Only real floating types are supported, got dtype={self.dtype.name}"
            )
        if scales.dtype is not uint8:
            raise DTypeError(f"dequantize: Scale type must be uint8 but received type {scales}")
        for x in largest:
            _check_global_scale("dequantize", self.mode, x)
        shape = unpacked_shape("dequantize", self.group_size, self.bits, w, scales)
        return AbstractArray(shape, self.dtype)

    def reference(self, w: np.ndarray, scales: np.ndarray, *largest: np.ndarray) -> Any:
        import numpy as np

        if self.bits == 8:
            octets = np.ascontiguousarray(w).view("uint8")
            numbers = packing.numpy_scale("nvfp4", octets)
        else:
            numbers = packing.numpy_fp4(packing.numpy_unpack(w, 4))
        numbers = numpy_grouped(numbers.astype(self.dtype.numpy), self.group_size)
        factor = packing.numpy_scale(self.mode, scales)
        with np.errstate(all="ignore"):
            for x in largest:
                factor = factor * (_numpy_scalar(x) / np.float32(packing.LARGEST_NVFP4))
            return numpy_ungrouped(numbers * factor.astype(numbers.dtype)[..., None])

    def decompose(self, w: Any, scales: Any, *largest: Any) -> Any:
        if self.bits == 8:
            numbers = packing.scale("nvfp4", call("bitcast", w, dtype=uint8))
        else:
            numbers = packing.fp4(regroup(w, packing.WORD, 4))
        factor = packing.scale(self.mode, scales)
        for x in largest:
            share = call("div", _scalar(x), scalar_like(packing.LARGEST_NVFP4, factor))
            factor = call("mul", factor, share)
        numbers = grouped(cast(numbers, self.dtype), self.group_size)
        return ungrouped(call("mul", numbers, over_group(cast(factor, self.dtype))))

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        w, scales, largest = operands
        one = broadcast_like(scalar_like(1, largest), largest)
        products = cast(call("mul", ct, self.bind(w, scales, one)), float32)
        total = call("sum", products, axes=tuple(range(products.ndim)))
        return broadcast_like(cast(total, largest.dtype), largest)

    def batch(self, operands: Any, dims: Any) -> Any:
        if any(d is not None for d in dims[2:]):
            return NotImplemented
        return self.bind(*leading(operands[:2], dims[:2]), *operands[2:]), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        for mode, (group, bits) in packing.MODES.items():
            if mode == "affine":
                continue
            words = rng.integers(0, 2**32, (3, 2 * bits), dtype="uint32") & np.uint32(0x7B7B7B7B)
            scales = rng.integers(40, 60, (3, 64 // group)).astype("uint8")
            scales += np.uint8(0 if mode == "nvfp4" else 77)
            yield Sample(cls(mode=mode, dtype=float32), (words, scales))
            yield Sample(cls(mode=mode, dtype=float32), (words[:0], scales[:0]))
            yield Sample(cls(mode=mode, dtype=float32), (words[:, None], scales))
        largest = np.array(3, "float32")
        yield Sample(cls(mode="nvfp4", dtype=float32), (words, scales, largest))
