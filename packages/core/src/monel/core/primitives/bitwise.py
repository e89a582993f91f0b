"""Bits of integers and bool, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.dtypes import bool_, uint8
from ..base.errors import DTypeError
from ..graph.handle import array
from ..graph.operators import binary
from ..graph.primitive import Sample, call
from .convert import cast
from .elementwise import Binary, Unary
from .kinds import scalar_like, unary
from .operands import check_bits, meeting

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "left_shift",
    "right_shift",
]


class Bitwise(Binary):
    """Bit by bit, of integers or bool; integers have no derivative in their bits: it is zero."""

    takes = "bits"

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.asarray(getattr(np, self.numpy_name)(x, y)).astype(x.dtype, copy=False)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for dtype in ("int32", "uint8", "uint32", "int64", "bool"):
            for a, b in [((5,), (5,)), ((2, 3), (3,)), ((), (4,)), ((0,), (0,))]:
                x, y = (rng.integers(0, 100, s).astype(dtype) for s in (a, b))
                yield Sample(cls(), (x, y))


class BitwiseAnd(Bitwise, name="bitwise_and"):
    """x & y."""

    numpy_name = "bitwise_and"
    required = True


class BitwiseOr(Bitwise, name="bitwise_or"):
    """x | y."""

    numpy_name = "bitwise_or"
    required = True


class BitwiseXor(Bitwise, name="bitwise_xor"):
    """x ^ y."""

    numpy_name = "bitwise_xor"
    required = True


class Shift(Bitwise):
    """Bits moved by y places, of integers; all of them where y is the width or more."""

    required = True

    def check_dtype(self, operand: Any) -> None:
        if not operand.dtype.integral:
            raise DTypeError(f"{self.function}: expected integers, got {operand}")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for dtype in ("int32", "uint8", "uint32", "int64"):
            for a, b in [((5,), (5,)), ((2, 3), (3,)), ((), (4,)), ((0,), (0,))]:
                x, y = rng.integers(0, 100, a).astype(dtype), rng.integers(0, 8, b).astype(dtype)
                yield Sample(cls(), (x, y))


class ShiftLeft(Shift, name="shift_left", export_name="LeftShift"):
    """x << y; zeros come in."""

    numpy_name = "left_shift"
    public = "left_shift"


class ShiftRight(Shift, name="shift_right", export_name="RightShift"):
    """x >> y; copies of the sign come in."""

    numpy_name = "right_shift"
    public = "right_shift"


class BitwiseInvert(Unary, name="bitwise_invert"):
    """~x; of bool: not x."""

    numpy_name = "invert"
    takes = "bits"

    def reference(self, x: np.ndarray) -> np.ndarray:
        return ~x

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None

    def decompose(self, x: Any) -> Any:
        if x.dtype is bool_:
            return call("logical_not", x)
        ones = -1 if x.dtype.signed else (1 << (8 * x.dtype.size)) - 1
        return call("bitwise_xor", x, scalar_like(ones, x))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for dtype in ("int32", "uint8", "int64", "bool"):
            yield Sample(cls(), (rng.integers(0, 100, (2, 3)).astype(dtype),))


_BITWISE_AND = BitwiseAnd()
_BITWISE_OR = BitwiseOr()
_BITWISE_XOR = BitwiseXor()
_SHIFT_LEFT = ShiftLeft()
_SHIFT_RIGHT = ShiftRight()
_BITWISE_INVERT = BitwiseInvert()


def _shift(primitive: Any, function: str, a: Any, b: Any, stream: Any) -> Any:
    x, y = meeting(function, a, b, stream=stream)
    check_bits(function, x)
    if x.dtype is bool_:
        x, y = cast(x, uint8, stream), cast(y, uint8, stream)
    return primitive.bind(x, y, stream=stream)


def bitwise_and(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a & b``, bit by bit.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: An operand is floating, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.bitwise_and(mx.array([6, 5]), 3)
      array([2, 1], dtype=int32)
    """
    return binary(_BITWISE_AND, "bitwise_and", "checked", a, b, stream)


def bitwise_or(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a | b``, bit by bit.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: An operand is floating, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.bitwise_or(mx.array([6, 5]), 3)
      array([7, 7], dtype=int32)
    """
    return binary(_BITWISE_OR, "bitwise_or", "checked", a, b, stream)


def bitwise_xor(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a ^ b``, bit by bit.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: An operand is floating, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.bitwise_xor(mx.array([6, 5]), 3)
      array([5, 6], dtype=int32)
    """
    return binary(_BITWISE_XOR, "bitwise_xor", "checked", a, b, stream)


def left_shift(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a << b``: bits moved up, zeros coming in.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and integer dtype; uint8 for two bools.
    Raises:
      ValueError: An operand is floating, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.left_shift(mx.array([1, 3]), 2)
      array([4, 12], dtype=int32)
    """
    return _shift(_SHIFT_LEFT, "left_shift", a, b, stream)


def right_shift(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a >> b``: bits moved down, copies of the sign coming in.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and integer dtype; uint8 for two bools.
    Raises:
      ValueError: An operand is floating, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.right_shift(mx.array([8, -8]), 2)
      array([2, -2], dtype=int32)
    """
    return _shift(_SHIFT_RIGHT, "right_shift", a, b, stream)


def bitwise_invert(a: Any, stream: Any = None) -> array:
    """Return ``~a``, bit by bit; of bool: ``not a``.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: ``a`` is floating, a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.bitwise_invert(mx.array([0, 5]))
      array([-1, -6], dtype=int32)
    """
    return unary(_BITWISE_INVERT, "bitwise_invert", a, stream)


bitwise_left_shift = left_shift
bitwise_right_shift = right_shift
