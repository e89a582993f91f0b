"""How quantized numbers lie in uint32 words, and the narrow floats that hold them.

The codes of a row are one stream of bits, the lowest bits of the first word first, so that a code
of 3, 5 or 6 bits may lie across two words. All layouts are MLX's, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.dtypes import float16, float32, uint8, uint16, uint32
from ..graph.primitive import call
from .convert import cast
from .flatten import flatten_axes, unflatten_axis
from .fp8 import LARGEST, FromFP8, ToFP8
from .kinds import scalar_like

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []

AFFINE_BITS = (1, 2, 3, 4, 5, 6, 8)
AFFINE_GROUPS = (32, 64, 128)
WORD = 32


class Mode(NamedTuple):
    """The group size and bits of a mode, which all but affine are bound to."""

    group_size: int
    bits: int


MODES = {
    "affine": Mode(64, 4),
    "mxfp4": Mode(32, 4),
    "mxfp8": Mode(32, 8),
    "nvfp4": Mode(16, 4),
}

# The numbers of E2M1: bit 3 is the sign. Between two lies the bound from which on the greater is
# nearer; a number on the bound goes to the smaller.
FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
FP4_BOUNDS = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)
LARGEST_FP4 = 6.0
# What a global scale is divided by: the largest number times the largest scale of nvfp4.
LARGEST_NVFP4 = LARGEST_FP4 * LARGEST


def packed_length(n: int, bits: int) -> int:
    """Return how many words hold ``n`` codes."""
    return n * bits // WORD


def unpacked_length(words: int, bits: int) -> int:
    """Return how many codes ``words`` words hold."""
    return words * WORD // bits


# ---- Words ------------------------------------------------------------------------------------


def numpy_pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Return uint32 words that hold the low ``bits`` bits of each of ``codes``."""
    import numpy as np

    places = np.arange(bits, dtype="uint32")
    stream = (codes.astype("uint32")[..., None] >> places & 1).astype("uint8")
    stream = stream.reshape(*codes.shape[:-1], codes.shape[-1] * bits)
    found = np.ascontiguousarray(np.packbits(stream, -1, bitorder="little")).view("<u4")
    return found.astype("uint32", copy=False)


def numpy_unpack(words: np.ndarray, bits: int) -> np.ndarray:
    """Return the codes that ``words`` hold, as uint32."""
    import numpy as np

    octets = np.ascontiguousarray(words.astype("<u4", copy=False)).view("uint8")
    stream = np.unpackbits(octets, -1, bitorder="little")
    shape = (*words.shape[:-1], unpacked_length(words.shape[-1], bits), bits)
    places = np.arange(bits, dtype="uint32")
    return np.asarray((stream.reshape(shape).astype("uint32") << places).sum(-1, dtype="uint32"))


def regroup(x: Any, old: int, new: int) -> Any:
    """Return the bits of the last axis, ``old`` in each uint32 of ``x``, as ``new`` in each."""
    last = x.ndim - 1
    if old == new:
        return x
    if new % old == 0:
        parts = unflatten_axis(x, last, (-1, new // old))
        return call("sum", call("shift_left", parts, _steps(new // old, old)), axes=(last + 1,))
    if old % new == 0:
        parts = call("shift_right", over_group(x), _steps(old // new, new))
        codes = call("bitwise_and", parts, scalar_like(2**new - 1, x))
        return flatten_axes(codes, last, last + 1)
    return regroup(regroup(x, old, 1), 1, new)


def _steps(n: int, step: int) -> Any:
    steps = call("iota", shape=(n,), dtype=uint32, axis=0)
    return call("mul", steps, scalar_like(step, steps))


def numpy_grouped(x: np.ndarray, group_size: int) -> np.ndarray:
    """Divide the last axis into groups: (..., n) becomes (..., n / g, g)."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // group_size, group_size)


def numpy_ungrouped(x: np.ndarray) -> np.ndarray:
    """Make the last two axes one again."""
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def grouped(x: Any, group_size: int) -> Any:
    """``numpy_grouped`` as a rule."""
    return unflatten_axis(x, x.ndim - 1, (-1, group_size))


def ungrouped(x: Any) -> Any:
    """``numpy_ungrouped`` as a rule."""
    return flatten_axes(x, x.ndim - 2, x.ndim - 1)


def over_group(x: Any) -> Any:
    """Give what there is one of for each group an axis for its elements."""
    return call("expand_dims", x, axes=(x.ndim,))


# ---- E2M1, 4 bits -----------------------------------------------------------------------------


def numpy_fp4_code(y: np.ndarray) -> np.ndarray:
    """Return the codes of the nearest numbers; what is not finite, and what is zero, has code 0."""
    import numpy as np

    size = np.searchsorted(np.array(FP4_BOUNDS, y.dtype), np.abs(y), side="left")
    size = np.where(np.isfinite(y), size, 0)
    return np.where((size > 0) & (y < 0), size + 8, size).astype("uint32")


def fp4_code(y: Any) -> Any:
    """The same as a rule: uint32 codes of a float32 array."""
    size = call("abs", y)
    code = None
    for bound in FP4_BOUNDS:
        above = cast(call("less", scalar_like(bound, y), size), uint32)
        code = above if code is None else call("add", code, above)
    zero = scalar_like(0, code)
    code = call("where", call("isfinite", y), code, zero)
    below = call("logical_and", call("less", y, scalar_like(0, y)), call("less", zero, code))
    return call("add", code, call("shift_left", cast(below, uint32), scalar_like(3, code)))


def numpy_fp4(codes: np.ndarray) -> np.ndarray:
    """Return the numbers of E2M1 codes, as float32."""
    import numpy as np

    return np.array(FP4 + tuple(-v for v in FP4), "float32")[codes]


def fp4(codes: Any) -> Any:
    """The same as a rule."""
    code = cast(codes, uint16)
    # Exponent and mantissa moved into those of float16, whose bias is larger by 14.
    size = call("shift_left", call("bitwise_and", code, scalar_like(7, code)), scalar_like(9, code))
    sign = call("bitwise_and", code, scalar_like(8, code))
    bits = call("bitwise_or", size, call("shift_left", sign, scalar_like(12, code)))
    wide = cast(call("bitcast", bits, dtype=float16), float32)
    return call("mul", wide, scalar_like(2.0**14, wide))


# ---- E8M0, the shared exponent ----------------------------------------------------------------


def numpy_e8m0_code(ratio: np.ndarray) -> np.ndarray:
    """Return the biased exponent of the least power of two that is not below ``ratio``, uint8.

    Zero has that of 1. What is not finite has 255, the nan of E8M0.
    """
    import numpy as np

    bits = np.ascontiguousarray(ratio, "float32").view("uint32") & np.uint32(0x7FFFFFFF)
    code = np.minimum((bits + np.uint32(0x7FFFFF)) >> np.uint32(23), np.uint32(255))
    return np.where(ratio == 0, 127, code).astype("uint8")


def e8m0_code(ratio: Any) -> Any:
    """The same as a rule, for a float32 array."""
    bits = call("bitcast", ratio, dtype=uint32)
    bits = call("bitwise_and", bits, scalar_like(0x7FFFFFFF, bits))
    above = call("add", bits, scalar_like(0x7FFFFF, bits))
    code = call("shift_right", above, scalar_like(23, bits))
    code = call("minimum", code, scalar_like(255, bits))
    zero = call("equal", ratio, scalar_like(0, ratio))
    return cast(call("where", zero, scalar_like(127, bits), code), uint8)


def numpy_e8m0(codes: np.ndarray) -> np.ndarray:
    """Return the powers of two of biased exponents, as float32; 255 gives infinity."""
    import numpy as np

    bits = codes.astype("uint32") << np.uint32(23)
    return np.where(codes == 0, np.uint32(1 << 22), bits).astype("uint32").view("float32")


def e8m0(codes: Any) -> Any:
    """The same as a rule."""
    code = cast(codes, uint32)
    bits = call("shift_left", code, scalar_like(23, code))
    least = call("equal", code, scalar_like(0, code))
    bits = call("where", least, scalar_like(1 << 22, code), bits)
    return call("bitcast", bits, dtype=float32)


# ---- Scales of the modes whose numbers are floats ---------------------------------------------


def largest_of(mode: str) -> float:
    """Return the largest number that a code of ``mode`` stands for, without its scale."""
    return LARGEST if MODES[mode].bits == 8 else LARGEST_FP4


def numpy_scale_code(mode: str, ratio: np.ndarray) -> Any:
    """Return the codes of the scales for the float32 ``ratio`` of largest numbers."""
    return ToFP8().reference(ratio) if mode == "nvfp4" else numpy_e8m0_code(ratio)


def scale_code(mode: str, ratio: Any) -> Any:
    """The same as a rule."""
    return ToFP8().bind(ratio) if mode == "nvfp4" else e8m0_code(ratio)


def numpy_scale(mode: str, codes: np.ndarray) -> Any:
    """Return the scales of codes, as float32."""
    return FromFP8(float32).reference(codes) if mode == "nvfp4" else numpy_e8m0(codes)


def scale(mode: str, codes: Any) -> Any:
    """The same as a rule."""
    return FromFP8(float32).bind(codes) if mode == "nvfp4" else e8m0(codes)
