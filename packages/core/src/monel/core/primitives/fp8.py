"""8-bit floats of the E4M3 kind, held in uint8: conversion from and to other floating dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, bfloat16, float16, float32, uint8, uint16, uint32
from ..base.errors import DTypeError
from ..graph.handle import array
from ..graph.primitive import Primitive, Sample, call
from .arguments import dtype_or, operand
from .convert import cast
from .kinds import scalar_like

if TYPE_CHECKING:
    import numpy as np

__all__ = ["from_fp8", "to_fp8"]

LARGEST = 448.0
_NAN = 0x7F


class _Conversion(Primitive):
    """Each element on its own, so batch axes stay where they are."""

    elementwise = True
    nondifferentiable = "the code of a number is no smooth function of it"

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(operands[0]), dims[0]


class ToFP8(_Conversion, name="to_fp8", export_name="ToFP8"):
    """The nearest E4M3 number, ties to even, as its code; beyond 448 the largest, nan stays nan.

    Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433: sign, 4 bits of
    exponent with bias 7, 3 bits of mantissa; no infinities.
    """

    def abstract(self, x: Any) -> AbstractArray:
        if not x.dtype.floating:
            raise DTypeError(f"to_fp8: Only real floating types are supported, got {x}")
        return AbstractArray(x.shape, uint8)

    def reference(self, x: np.ndarray) -> Any:
        import ml_dtypes
        import numpy as np

        bounded = np.clip(x.astype("float32"), -LARGEST, LARGEST)
        with np.errstate(all="ignore"):
            return bounded.astype(ml_dtypes.float8_e4m3fn).view("uint8")

    def decompose(self, x: Any) -> Any:
        def word(number: int) -> Any:
            return scalar_like(number, bits)

        y = cast(x, float32)
        bits = call("bitcast", y, dtype=uint32)
        bounded = call("minimum", call("abs", y), scalar_like(LARGEST, y))
        # The spacing of the codes around a number is 2 to its exponent, at least -6, less 3.
        exponent = call("shift_right", call("bitcast", bounded, dtype=uint32), word(23))
        exponent = call("maximum", exponent, word(121))
        inverse = call("shift_left", call("sub", word(257), exponent), word(23))
        steps = call("mul", bounded, call("bitcast", inverse, dtype=float32))
        low = cast(call("round", steps), uint32)
        high = call("shift_left", call("sub", exponent, word(121)), word(3))
        code = call("where", call("isnan", y), word(_NAN), call("add", high, low))
        sign = call("bitwise_and", call("shift_right", bits, word(24)), word(0x80))
        return cast(call("bitwise_or", sign, code), uint8)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x = (rng.standard_normal((3, 40)) * np.exp2(rng.integers(-12, 10, (3, 40)))).astype("f4")
        yield Sample(cls(), (x,))
        special = [0.0, -0.0, 448.0, 464.0, 1e9, -1e9, np.inf, -np.inf, np.nan, 1.0625, 2.0**-10]
        yield Sample(cls(), (np.array(special, "float32"),))
        yield Sample(cls(), (x.astype("float16"),))
        yield Sample(cls(), (np.zeros((2, 0), "float32"),))


class FromFP8(_Conversion, name="from_fp8", export_name="FromFP8"):
    """The number of an E4M3 code, exact in every floating dtype."""

    dtype: Dtype

    def abstract(self, x: Any) -> AbstractArray:
        if x.dtype is not uint8:
            raise DTypeError(f"from_fp8: Input must have type uint8, got {x}")
        if not self.dtype.floating:
            raise DTypeError(
                f"from_fp8: Only real floating types are supported, got dtype={self.dtype.name}"
            )
        return AbstractArray(x.shape, self.dtype)

    def reference(self, x: np.ndarray) -> Any:
        import ml_dtypes
        import numpy as np

        return np.asarray(x).view(ml_dtypes.float8_e4m3fn).astype("f4").astype(self.dtype.numpy)

    def decompose(self, x: Any) -> Any:
        def word(number: int) -> Any:
            return scalar_like(number, code)

        # Exponent and mantissa moved into those of float16, whose bias is larger by 8.
        code = cast(x, uint16)
        size = call("bitwise_and", code, word(0x7F))
        sign = call("shift_left", call("bitwise_and", code, word(0x80)), word(8))
        bits = call("bitwise_or", sign, call("shift_left", size, word(7)))
        wide = cast(call("bitcast", bits, dtype=float16), float32)
        scaled = call("mul", wide, scalar_like(256.0, wide))
        isnan = call("equal", size, word(_NAN))
        return cast(call("where", isnan, scalar_like(float("nan"), scaled), scaled), self.dtype)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        codes = np.arange(256, dtype="uint8").reshape(2, 128)
        for dtype in (float32, bfloat16, float16):
            yield Sample(cls(dtype=dtype), (codes,))


def to_fp8(x: Any, *, stream: Any = None) -> array:
    """Return the nearest 8-bit floats (E4M3) of an array, ties to even.

    Args:
      x: Floating array of any shape.
    Returns:
      uint8 array of the shape of ``x``: a sign, 4 bits of exponent, 3 of mantissa. What is beyond
      448 becomes 448, nan stays nan.
    Raises:
      DTypeError: ``x`` is not of a real floating dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.from_fp8(mx.to_fp8(mx.array([1.0, 1.1, 1000.0])), mx.float32)
      array([1, 1.125, 448], dtype=float32)
    Source: Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433.
    """
    return ToFP8().bind(operand("to_fp8", x), stream=stream)


def from_fp8(x: Any, dtype: Dtype = bfloat16, *, stream: Any = None) -> array:
    """Return the numbers whose 8-bit floats (E4M3) an array holds.

    Args:
      x: uint8 array of any shape.
      dtype: The floating dtype of the result.
    Returns:
      Array of the shape of ``x``; code 0x7f is nan.
    Raises:
      DTypeError: ``x`` is not uint8, or ``dtype`` not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.from_fp8(mx.array([0x38, 0xB8], dtype=mx.uint8), mx.float32)
      array([1, -1], dtype=float32)
    Source: Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433.
    """
    if dtype is None:
        raise TypeError("from_fp8: dtype must be a Dtype, got None")
    return FromFP8(dtype_or("from_fp8", dtype, bfloat16)).bind(
        operand("from_fp8", x), stream=stream
    )
