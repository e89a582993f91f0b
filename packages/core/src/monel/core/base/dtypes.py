"""Dtypes: their identity, promotion, categories and limits.

No module of NumPy is imported here; ``Dtype.numpy`` does so at first use.
"""

from __future__ import annotations

import enum
from typing import Any

from .errors import DTypeError

__all__ = [
    "Dtype", "DtypeCategory", "bfloat16", "bool_", "complex64", "complexfloating", "finfo",
    "float16", "float32", "float64", "floating", "generic", "iinfo", "inexact", "int16", "int32",
    "int64", "int8", "integer", "issubdtype", "number", "signedinteger", "uint16", "uint32",
    "uint64", "uint8", "unsignedinteger",
]  # fmt: skip


class Dtype:
    """The type of an array's elements; one object for each, compared by identity.

    Attributes:
      name: ``"float32"`` and so on.
      code: Position in ``DTYPES``; stable, part of the native kernel table.
      size: Bytes of one element.
      format: PEP 3118 format character, or ``None`` where there is none (bfloat16).
      category: The leaf ``DtypeCategory``.
    Example:
      >>> import monel.core as mx
      >>> mx.float32.size
      4
    """

    __slots__ = (
        "category",
        "code",
        "floating",
        "format",
        "inexact",
        "integral",
        "name",
        "signed",
        "size",
    )

    def __init__(
        self, name: str, code: int, size: int, format: str | None, category: DtypeCategory
    ) -> None:
        self.name = name
        self.code = code
        self.size = size
        self.format = format
        self.category = category
        self.integral = category.value in ("signedinteger", "unsignedinteger")
        self.signed = category.value == "signedinteger"
        self.floating = category.value == "floating"
        self.inexact = category.value in ("floating", "complexfloating")

    @property
    def numpy(self) -> Any:
        """The NumPy dtype; bfloat16 comes from ml_dtypes."""
        found = _numpy_dtypes.get(self.code)
        if found is None:
            found = _numpy_dtypes[self.code] = _make_numpy(self.name)
        return found

    def __repr__(self) -> str:
        return "monel.core." + self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return (dtype_named, (self.name,))

    def __copy__(self) -> Dtype:
        return self

    def __deepcopy__(self, memo: Any) -> Dtype:
        return self


class DtypeCategory(enum.Enum):
    """A set of dtypes: ``mx.issubdtype`` asks whether one holds another.

    Example:
      >>> import monel.core as mx
      >>> mx.issubdtype(mx.float32, mx.inexact)
      True
    """

    complexfloating = "complexfloating"
    floating = "floating"
    inexact = "inexact"
    signedinteger = "signedinteger"
    unsignedinteger = "unsignedinteger"
    integer = "integer"
    number = "number"
    generic = "generic"
    bool_ = "bool"

    def __repr__(self) -> str:
        return f"DtypeCategory.{self.name}"


_PARENTS = {
    DtypeCategory.complexfloating: DtypeCategory.inexact,
    DtypeCategory.floating: DtypeCategory.inexact,
    DtypeCategory.inexact: DtypeCategory.number,
    DtypeCategory.signedinteger: DtypeCategory.integer,
    DtypeCategory.unsignedinteger: DtypeCategory.integer,
    DtypeCategory.integer: DtypeCategory.number,
    DtypeCategory.number: DtypeCategory.generic,
    DtypeCategory.bool_: DtypeCategory.generic,
}

complexfloating = DtypeCategory.complexfloating
floating = DtypeCategory.floating
inexact = DtypeCategory.inexact
signedinteger = DtypeCategory.signedinteger
unsignedinteger = DtypeCategory.unsignedinteger
integer = DtypeCategory.integer
number = DtypeCategory.number
generic = DtypeCategory.generic

_UNSIGNED, _SIGNED = DtypeCategory.unsignedinteger, DtypeCategory.signedinteger
_FLOATING = DtypeCategory.floating

bool_ = Dtype("bool", 0, 1, "?", DtypeCategory.bool_)
uint8 = Dtype("uint8", 1, 1, "B", _UNSIGNED)
uint16 = Dtype("uint16", 2, 2, "H", _UNSIGNED)
uint32 = Dtype("uint32", 3, 4, "I", _UNSIGNED)
uint64 = Dtype("uint64", 4, 8, "Q", _UNSIGNED)
int8 = Dtype("int8", 5, 1, "b", _SIGNED)
int16 = Dtype("int16", 6, 2, "h", _SIGNED)
int32 = Dtype("int32", 7, 4, "i", _SIGNED)
int64 = Dtype("int64", 8, 8, "q", _SIGNED)
float16 = Dtype("float16", 9, 2, "e", _FLOATING)
bfloat16 = Dtype("bfloat16", 10, 2, None, _FLOATING)
float32 = Dtype("float32", 11, 4, "f", _FLOATING)
float64 = Dtype("float64", 12, 8, "d", _FLOATING)
complex64 = Dtype("complex64", 13, 8, "Zf", DtypeCategory.complexfloating)

complexfloating = DtypeCategory.complexfloating
floating = DtypeCategory.floating
inexact = DtypeCategory.inexact
signedinteger = DtypeCategory.signedinteger
unsignedinteger = DtypeCategory.unsignedinteger
integer = DtypeCategory.integer
number = DtypeCategory.number
generic = DtypeCategory.generic

DTYPES = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64, complex64,
)  # fmt: skip

_BY_NAME = {d.name: d for d in DTYPES}
_numpy_dtypes: dict[int, Any] = {}


def dtype_named(name: str) -> Dtype:
    """Return the dtype called ``name``; a ``DTypeError`` lists the known ones."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise DTypeError(f"unknown dtype {name!r}; known: {', '.join(_BY_NAME)}") from None


def _make_numpy(name: str) -> Any:
    import numpy as np

    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def from_numpy_dtype(dtype: Any) -> Dtype:
    """Return the dtype of a NumPy dtype; names that monel lacks raise ``DTypeError``."""
    return dtype_named(dtype.name)


# Promotion. Within a kind the wider wins; an unsigned meets a signed integer in the next wider
# signed one. MLX's exceptions: uint64 with a signed integer, and bfloat16 with float16, give
# float32.

_INTEGER_WIDTHS = {1: int8, 2: int16, 4: int32, 8: int64}


def _promote_pair(a: Dtype, b: Dtype) -> Dtype:
    if a is b:
        return a
    low, high = (a, b) if a.code < b.code else (b, a)
    if high is complex64 or low is bool_:
        return high
    if high.floating:
        return float32 if (low, high) == (float16, bfloat16) else high
    if low.signed == high.signed:
        return high
    unsigned, signed = low, high
    if unsigned is uint64:
        return float32
    return _INTEGER_WIDTHS[max(unsigned.size * 2, signed.size)]


# A flat table, indexed by 16 * code + code: two reads on the path of every mixed operation.
PROMOTION = tuple(
    _promote_pair(DTYPES[i], DTYPES[j]) if i < len(DTYPES) and j < len(DTYPES) else bool_
    for i in range(16)
    for j in range(16)
)


def promote(a: Dtype, b: Dtype) -> Dtype:
    """Return the dtype that operands of dtypes ``a`` and ``b`` are converted to."""
    return PROMOTION[16 * a.code + b.code]


def promote_all(dtypes: Any) -> Dtype:
    """Fold ``promote`` over one or more dtypes."""
    result = None
    for d in dtypes:
        result = d if result is None else PROMOTION[16 * result.code + d.code]
    assert result is not None
    return result


def scalar_dtype(scalar: Any) -> Dtype:
    """Return the dtype of a Python scalar that stands alone."""
    kind = type(scalar)
    if kind is bool or isinstance(scalar, bool):
        return bool_
    if isinstance(scalar, int):
        return int32 if -(2**31) <= scalar < 2**31 else int64
    return complex64 if isinstance(scalar, complex) else float32


def weak_dtype(scalar: Any, other: Dtype) -> Dtype:
    """Return the dtype that a Python scalar takes beside an array of dtype ``other``.

    A scalar raises the kind of the result (bool, integer, floating, complex) but never its width.
    """
    if isinstance(scalar, bool):
        return other
    if isinstance(scalar, int):
        return int32 if other is bool_ else other
    if isinstance(scalar, complex):
        return complex64
    return other if other.inexact else float32


def issubdtype(arg1: Dtype | DtypeCategory, arg2: Dtype | DtypeCategory) -> bool:
    """Return whether ``arg1`` is ``arg2`` or lies in the category ``arg2``.

    Raises:
      TypeError: An argument is neither dtype nor category.
    Example:
      >>> import monel.core as mx
      >>> mx.issubdtype(mx.float16, mx.inexact)
      True
    """
    for position, argument in (("first", arg1), ("second", arg2)):
        if not isinstance(argument, Dtype | DtypeCategory):
            raise TypeError(
                f"issubdtype: the {position} argument must be a Dtype or a DtypeCategory, "
                f"not {type(argument).__name__}"
            )
    if isinstance(arg2, Dtype):
        return arg1 is arg2
    category: DtypeCategory | None = arg1.category if isinstance(arg1, Dtype) else arg1
    while category is not None:
        if category is arg2:
            return True
        category = _PARENTS.get(category)
    return False


class finfo:
    """Limits of a floating or complex dtype: ``min``, ``max``, ``eps``, ``dtype``, ``bits``,
    ``smallest_normal``.

    Raises:
      DTypeError: The dtype is not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.finfo(mx.float16).max
      65504.0
    """

    dtype: Dtype
    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float

    def __init__(self, dtype: Dtype, /) -> None:
        if not isinstance(dtype, Dtype) or not dtype.inexact:
            raise DTypeError(f"finfo: expected a floating or complex dtype, got {dtype!r}")
        real = float32 if dtype is complex64 else dtype
        digits, low, high = _FLOAT_FORMATS[real.name]
        self.dtype = real
        self.bits = 8 * real.size
        self.eps = 2.0 ** (1 - digits)
        self.max = (2.0 - 2.0 ** (1 - digits)) * 2.0 ** (high - 1)
        self.min = -self.max
        self.smallest_normal = 2.0 ** (low - 1)

    def __repr__(self) -> str:
        return f"finfo(min={self.min}, max={self.max}, dtype={self.dtype.name})"


# significand digits, least and greatest exponent as in C's float.h
_FLOAT_FORMATS = {
    "float16": (11, -13, 16),
    "bfloat16": (8, -125, 128),
    "float32": (24, -125, 128),
    "float64": (53, -1021, 1024),
}


class iinfo:
    """Limits of an integer dtype: ``min``, ``max``, ``dtype``, ``bits``.

    Raises:
      DTypeError: The dtype is not an integer.
    Example:
      >>> import monel.core as mx
      >>> mx.iinfo(mx.int8).max
      127
    """

    dtype: Dtype
    bits: int
    max: int
    min: int

    def __init__(self, dtype: Dtype, /) -> None:
        if not isinstance(dtype, Dtype) or not dtype.integral:
            raise DTypeError(f"iinfo: expected an integer dtype, got {dtype!r}")
        self.dtype = dtype
        self.bits = 8 * dtype.size
        self.max = 2 ** (self.bits - dtype.signed) - 1
        self.min = -(2 ** (self.bits - 1)) if dtype.signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype.name})"
