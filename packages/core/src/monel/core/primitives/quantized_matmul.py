"""Products of arrays with matrices that are packed into a few bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, from_numpy_dtype
from ..base.errors import DTypeError, MissingRuleError, ShapeError
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, Sample, call
from . import derive, packing
from .convert import cast
from .dot import Matmul, swapped
from .flatten import flatten_axes
from .indexing import Gather
from .kinds import move_axis, unbroadcast
from .quantized import (
    AffineDequantize,
    AffineQuantize,
    FloatDequantize,
    FloatQuantize,
    check_matrix,
    leading,
    unpacked_shape,
)

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


def quantizer(mode: str, group_size: int, bits: int) -> Any:
    """Return the primitive that packs a matrix."""
    return AffineQuantize(group_size, bits) if mode == "affine" else FloatQuantize(mode)


def dequantizer(mode: str, group_size: int, bits: int, dtype: Dtype) -> Any:
    """Return the primitive that unpacks a matrix to ``dtype``, which its scales have if affine."""
    return AffineDequantize(group_size, bits) if mode == "affine" else FloatDequantize(mode, dtype)


class _PackedProduct(Primitive):
    """What products with a packed matrix share: how it is packed, and on which side it is turned.

    A matrix is given by its words, scales and, where the mode is affine, biases; their leading
    axes broadcast. The result has the dtype of x.
    """

    group_size: int
    bits: int
    mode: str
    transpose_w: bool

    def unpacking(self, dtype: Dtype) -> Any:
        """Return the primitive that unpacks the matrix."""
        return dequantizer(self.mode, self.group_size, self.bits, dtype)

    def turned(self) -> Any:
        """Return the product with the matrix turned the other way."""
        return type(self)(self.group_size, self.bits, self.mode, not self.transpose_w)

    def matrix(self, function: str, x: Any, packed: Any) -> tuple[int, ...]:
        """Return the shape of the unpacked matrix, oriented as x is multiplied with it."""
        if not x.dtype.floating:
            raise DTypeError(f"{function}: Only real floating types are supported, got x {x}")
        if self.mode == "affine" and any(v.dtype is not x.dtype for v in packed[1:]):
            raise DTypeError(
                f"{function}: x, scales and biases must have one dtype, got {x} with {packed[1]} "
                f"and {packed[2]}"
            )
        shape = unpacked_shape(function, self.group_size, self.bits, *packed)
        if len(shape) < 2 or x.ndim < 2:
            raise ShapeError(f"{function}: expected matrices, got {x} and {packed[0]}")
        *lead, rows, columns = shape
        inner, outer = (columns, rows) if self.transpose_w else (rows, columns)
        if x.shape[-1] != inner:
            raise ShapeError(
                f"{function}: Last dimension of first input {x} does not match the expanded "
                f"quantized matrix ({inner}, {outer}) computed from {packed[0]} with "
                f"group_size={self.group_size}, bits={self.bits} and transpose={self.transpose_w}"
            )
        return (*lead, inner, outer)


class QuantizedMatmul(_PackedProduct, name="quantized_matmul"):
    """x (..., m, k) times a packed matrix (..., k, n), or (..., n, k) where that is transposed."""

    def abstract(self, x: Any, *packed: Any) -> AbstractArray:
        shape = self.matrix("quantized_matmul", x, packed)
        lead = broadcast_shapes("quantized_matmul", x.shape[:-2], shape[:-2])
        return AbstractArray((*lead, x.shape[-2], shape[-1]), x.dtype)

    def reference(self, x: np.ndarray, *packed: np.ndarray) -> Any:
        w = self.unpacking(from_numpy_dtype(x.dtype)).reference(*packed)
        return Matmul().reference(x, w.swapaxes(-1, -2) if self.transpose_w else w)

    def decompose(self, x: Any, *packed: Any) -> Any:
        w = self.unpacking(x.dtype).bind(*packed)
        return call("matmul", x, swapped(w) if self.transpose_w else w)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        packed, (moving, *others) = primals[1:], tangents
        _refuse_codes(self, "JVP", [i for i, t in enumerate(tangents) if t is not None])
        total = None if moving is None else self.bind(moving, *packed)
        if any(t is not None for t in others):
            places = tuple(i for i, t in enumerate(tangents) if i and t is not None)
            (part,) = derive.jvp_from_decompose(self, primals, tangents, places)
            total = part if total is None else call("add", total, part)
        return (total,)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        (x, *packed), (ct,) = primals, cotangents
        _refuse_codes(self, "VJP", wanted)
        others = tuple(i for i in wanted if i)
        found = [None] * len(primals)
        if others:
            found = derive.vjp_from_decompose(self, primals, cotangents, others)
        if 0 in wanted:
            found[0] = unbroadcast(self.turned().bind(ct, *packed), x)
        return tuple(found)

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(*leading(operands, dims)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for mode, group, bits in [
            ("affine", 32, 4),
            ("affine", 64, 8),
            ("affine", 32, 3),
            ("affine", 128, 5),
            ("mxfp4", 32, 4),
            ("mxfp8", 32, 8),
            ("nvfp4", 16, 4),
        ]:
            for transpose, k, n in [(True, 128, 6), (False, 6, 128)]:
                packed = packed_sample(rng, (n if transpose else k, 128), mode, group, bits)
                x = rng.standard_normal((3, k)).astype("float32")
                yield Sample(cls(group, bits, mode, transpose), (x, *packed))
        affine = cls(32, 4, "affine", True)
        packed = packed_sample(rng, (2, 5, 64), "affine", 32, 4)
        for shape in [(2, 1, 64), (3, 1, 4, 64), (0, 64)]:
            x = rng.standard_normal(shape).astype("float32")
            yield Sample(affine, (x, *packed))


def packed_sample(
    rng: np.random.Generator, shape: tuple[int, ...], mode: str, group_size: int, bits: int
) -> tuple[Any, ...]:
    """Return a packed random matrix, for samples."""
    w = rng.standard_normal(shape).astype("float32")
    return tuple(quantizer(mode, group_size, bits).reference(w))


def _refuse_codes(p: Any, rule: str, wanted: Any) -> None:
    if 1 in wanted or (p.mode != "affine" and 2 in wanted):
        raise MissingRuleError(f"{p.name}: no {rule} with respect to the quantized weights")


class GatherQMM(_PackedProduct, name="gather_qmm"):
    """Products of chosen matrices of x with chosen packed matrices.

    Operands: x, the packed matrices, and two arrays of integers that broadcast: which matrix of x
    and which packed one, counted in row-major order over the leading axes.
    """

    def abstract(self, x: Any, *others: Any) -> AbstractArray:
        *packed, left, right = others
        for index in (left, right):
            if not index.dtype.integral:
                raise DTypeError(f"gather_qmm: Indices must be integral, got {index}")
        if any(v.shape[:-1] != packed[0].shape[:-1] for v in packed):
            raise ShapeError(
                f"gather_qmm: Weight and scales should have the same batch shape, got {packed[0]} "
                f"with {packed[1]}"
            )
        *_, columns = self.matrix("gather_qmm", x, packed)
        lead = broadcast_shapes("gather_qmm", left.shape, right.shape)
        return AbstractArray((*lead, x.shape[-2], columns), x.dtype)

    def product(self) -> QuantizedMatmul:
        """Return the product of the matrices once they are chosen."""
        return QuantizedMatmul(self.group_size, self.bits, self.mode, self.transpose_w)

    def reference(self, x: np.ndarray, *others: np.ndarray) -> Any:
        *packed, left, right = others

        def chosen(v: np.ndarray, index: np.ndarray) -> Any:
            line = v.reshape(-1, *v.shape[-2:]) if v.size else v.reshape(v.shape[-3:])
            found = Gather((0,), (1, *v.shape[-2:])).reference(line, index)
            return found.reshape(*index.shape, *v.shape[-2:])

        return self.product().reference(chosen(x, left), *[chosen(v, right) for v in packed])

    def decompose(self, x: Any, *others: Any) -> Any:
        *packed, left, right = others

        def chosen(v: Any, index: Any) -> Any:
            stack = call("expand_dims", v, axes=(0,)) if v.ndim == 2 else v
            line = flatten_axes(stack, 0, stack.ndim - 3)
            found = call("gather", line, index, axes=(0,), slice_sizes=(1, *v.shape[-2:]))
            return call("squeeze", found, axes=(index.ndim,))

        return self.product().bind(chosen(x, left), *[chosen(v, right) for v in packed])

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        moving = tuple(i for i, t in enumerate(tangents) if t is not None)
        _refuse_codes(self, "JVP", moving)
        return tuple(derive.jvp_from_decompose(self, primals, tangents, moving))

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        _refuse_codes(self, "VJP", wanted)
        return derive.vjp_from_decompose(self, primals, cotangents, wanted)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        left, right = np.array([0, 2, 1, 0], "uint32"), np.array([[3], [1]], "int32")
        x = rng.standard_normal((3, 2, 64)).astype("float32")
        for mode, group, bits in [("affine", 32, 4), ("nvfp4", 16, 4)]:
            packed = packed_sample(rng, (4, 5, 64), mode, group, bits)
            yield Sample(cls(group, bits, mode, True), (x, *packed, left, right))
        packed = packed_sample(rng, (2, 2, 64, 32), "affine", 32, 8)
        yield Sample(cls(32, 8, "affine", False), (x, *packed, left, right))


class QQMatmul(Primitive, name="qqmm"):
    """x (..., m, k) times the transpose of w (..., n, k), both rounded to what their codes say.

    Operands: x; w, or its words and the codes of its scales where it is ``packed``; and, where the
    scales are ``spread``, the largest numbers of x and w. The derivative is that of the product,
    with rounding taken for the identity, so that scales have none.

    Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons
    for conditional computation", arXiv:1308.3432 (the straight-through estimator).
    """

    surrogate = "rounding is differentiated as the identity"
    zero_in: ClassVar[tuple[int, ...]] = (2, 3, 4)
    mode: str
    packed: bool = False
    spread: bool = False

    def parts(self, operands: Any) -> tuple[Any, Any, Any]:
        """Return w as a tuple of operands, and the global scales of x and w as tuples."""
        end = 3 if self.packed else 2
        return operands[1:end], operands[end : end + 1], operands[end + 1 :]

    def abstract(self, *operands: Any) -> AbstractArray:
        x, (w, *_) = operands[0], operands[1:]
        group, bits = packing.MODES[self.mode]
        for v in (x,) if self.packed else (x, w):
            check_matrix("qqmm", v, group)
        shape = unpacked_shape("qqmm", group, bits, w, operands[2]) if self.packed else w.shape
        if len(shape) < 2 or x.ndim < 2:
            raise ShapeError(f"qqmm: expected matrices, got {x} and {w}")
        if x.shape[-1] != shape[-1]:
            raise ShapeError(
                f"qqmm: Last dimension of first input {x} must match that of the second, "
                f"{shape[-1]} of {w}"
            )
        lead = broadcast_shapes("qqmm", x.shape[:-2], shape[:-2])
        return AbstractArray((*lead, x.shape[-2], shape[-2]), x.dtype)

    def reference(self, *operands: np.ndarray) -> Any:
        x, (w, of_x, of_w) = operands[0], self.parts(operands)
        code = FloatQuantize(self.mode)
        number = FloatDequantize(self.mode, from_numpy_dtype(x.dtype))
        left = number.reference(*code.reference(x, *of_x), *of_x)
        right = number.reference(*(w if self.packed else code.reference(w[0], *of_w)), *of_w)
        return Matmul().reference(left, right.swapaxes(-1, -2))

    def rounded(self, operands: Any) -> tuple[Any, Any]:
        """Return what the codes of x and w stand for, in the dtype of x."""
        x, (w, of_x, of_w) = operands[0], self.parts(operands)
        code, number = FloatQuantize(self.mode), FloatDequantize(self.mode, x.dtype)
        left = number.bind(*code.bind(x, *of_x), *of_x)
        return left, number.bind(*(w if self.packed else code.bind(w[0], *of_w)), *of_w)

    def decompose(self, *operands: Any) -> Any:
        left, right = self.rounded(operands)
        return call("matmul", left, swapped(right))

    def _refuse(self, rule: str, wanted: Any) -> None:
        if self.packed and 1 in wanted:
            raise MissingRuleError(f"qqmm: no {rule} with respect to the quantized weights")

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        self._refuse("JVP", [i for i, t in enumerate(tangents) if t is not None])
        left, right = self.rounded(primals)
        total = None if tangents[0] is None else call("matmul", tangents[0], swapped(right))
        if tangents[1] is not None:
            part = call("matmul", left, swapped(cast(tangents[1], left.dtype)))
            total = part if total is None else call("add", total, part)
        return (total,)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        self._refuse("VJP", wanted)
        (ct,), (left, right) = cotangents, self.rounded(primals)
        found: list[Any] = [None] * len(primals)
        if 0 in wanted:
            found[0] = unbroadcast(call("matmul", ct, right), primals[0])
        if 1 in wanted:
            w = primals[1]
            found[1] = unbroadcast(cast(call("matmul", swapped(ct), left), w.dtype), w)
        return tuple(found)

    def batch(self, operands: Any, dims: Any) -> Any:
        if any(d is not None for d in dims[1:]):
            # Row by row: the decomposition has not the derivative of the whole.
            return derive.batch_by_loop(self, operands, dims)
        return self.bind(move_axis(operands[0], dims[0], 0), *operands[1:]), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        for mode in ("mxfp8", "nvfp4"):
            x, w = (rng.standard_normal(s).astype("float32") for s in ((2, 3, 64), (5, 64)))
            words, scales = FloatQuantize(mode).reference(w)
            yield Sample(cls(mode=mode), (x, w))
            yield Sample(cls(mode=mode, packed=True), (x, words, scales))
            yield Sample(cls(mode=mode), (x, np.stack([w, -w])))
        most = [np.array(3, "float32"), np.array([4], "float32")]
        yield Sample(cls(mode=mode, spread=True), (x, w, *most))
