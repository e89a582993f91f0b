"""Comparison, logic, predicates and choice, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray
from ..base.dtypes import bool_
from ..base.errors import DTypeError
from ..graph.handle import array
from ..graph.operators import binary, broadcast_shapes
from ..graph.primitive import Sample, call
from .arguments import speaking_as
from .elementwise import Binary, Unary, widen
from .kinds import Elementwise, broadcast_like, scalar_like, unary
from .operands import as_bool, to_array
from .unary import abs

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


class Comparison(Binary):
    """A bool from two operands of one dtype; it has no slope, so its derivative is zero."""

    result = bool_

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.asarray(getattr(np, self.numpy_name)(x, y))

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for dtype in ("float32", "int32", "uint8", "bool"):
            for a, b in [((5,), (5,)), ((2, 3), (3,)), ((), (4,)), ((0,), (0,))]:
                x, y = (rng.integers(0, 3, s).astype(dtype) for s in (a, b))
                yield Sample(cls(), (x, y))


class Equal(Comparison, name="equal"):
    """x == y; nan equals nothing."""

    numpy_name = "equal"
    required = True


class NotEqual(Comparison, name="not_equal"):
    """x != y."""

    numpy_name = "not_equal"

    def decompose(self, x: Any, y: Any) -> Any:
        return call("logical_not", call("equal", x, y))


class Less(Comparison, name="less"):
    """x < y; complex numbers by real part, then imaginary."""

    numpy_name = "less"
    required = True


class LessEqual(Comparison, name="less_equal"):
    """x <= y."""

    numpy_name = "less_equal"

    def decompose(self, x: Any, y: Any) -> Any:
        return call("bitwise_or", call("less", x, y), call("equal", x, y))


class Greater(Comparison, name="greater"):
    """x > y."""

    numpy_name = "greater"

    def decompose(self, x: Any, y: Any) -> Any:
        return call("less", y, x)


class GreaterEqual(Comparison, name="greater_equal"):
    """x >= y."""

    numpy_name = "greater_equal"

    def decompose(self, x: Any, y: Any) -> Any:
        return call("less_equal", y, x)


class Logical(Comparison):
    """A bool from two bools."""

    def check_dtype(self, operand: Any) -> None:
        if operand.dtype is not bool_:
            raise DTypeError(f"{self.name}: expected bool, got {operand}")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for a, b in [((5,), (5,)), ((2, 3), (3,)), ((), (4,)), ((0,), (0,))]:
            yield Sample(cls(), tuple(rng.integers(0, 2, s).astype(bool) for s in (a, b)))


class LogicalAnd(Logical, name="logical_and"):
    """x and y."""

    numpy_name = "logical_and"

    def decompose(self, x: Any, y: Any) -> Any:
        return call("bitwise_and", x, y)


class LogicalOr(Logical, name="logical_or"):
    """x or y."""

    numpy_name = "logical_or"

    def decompose(self, x: Any, y: Any) -> Any:
        return call("bitwise_or", x, y)


class Predicate(Unary):
    """A bool from one operand."""

    result = bool_

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.asarray(getattr(np, self.numpy_name)(widen(x)))

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        yield Sample(cls(), (np.array([0, 1, -2.5, np.nan, np.inf, -np.inf], "float32"),))
        yield Sample(cls(), (np.array([[0, 3], [2, 0]], "int32"),))
        yield Sample(cls(), (np.array(0.5, "float32"),))


class LogicalNot(Predicate, name="logical_not"):
    """Whether x is zero."""

    numpy_name = "logical_not"
    required = True


class IsNan(Predicate, name="isnan"):
    """Whether x is no number."""

    numpy_name = "isnan"

    def decompose(self, x: Any) -> Any:
        return call("not_equal", x, x)


class IsInf(Predicate, name="isinf"):
    """Whether x is infinite; a complex number: in either part."""

    numpy_name = "isinf"

    def decompose(self, x: Any) -> Any:
        if not x.dtype.inexact:
            return call("not_equal", x, x)
        size = abs(x)
        return call("equal", size, scalar_like(float("inf"), size))


class IsFinite(Predicate, name="isfinite"):
    """Whether x is a number and not infinite."""

    numpy_name = "isfinite"

    def decompose(self, x: Any) -> Any:
        if not x.dtype.inexact:
            return call("equal", x, x)
        # The absolute value of nan is not below anything.
        size = abs(x)
        return call("less", size, scalar_like(float("inf"), size))


class Where(Elementwise, name="where", export_name="Select"):
    """x where the condition holds, else y; linear in x and y together."""

    required = True
    dtype_operand: ClassVar[int] = 1

    def abstract(self, condition: Any, x: Any, y: Any) -> Any:
        if condition.dtype is not bool_:
            raise DTypeError(f"where: the condition must be bool, got {condition}")
        if x.dtype is not y.dtype:
            raise DTypeError(f"where: x and y must have one dtype, got {x} and {y}")
        shape = broadcast_shapes("where", condition.shape, x.shape)
        return AbstractArray(broadcast_shapes("where", shape, y.shape), x.dtype)

    def reference(self, condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.where(condition, x, y)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        _, dx, dy = tangents
        if dx is None and dy is None:
            return (None,)
        zero = scalar_like(0, outputs[0])
        made = self.bind(primals[0], zero if dx is None else dx, zero if dy is None else dy)
        return (broadcast_like(made, outputs[0]),)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        if i == 0:
            return None
        zero = scalar_like(0, ct)
        return self.bind(operands[0], ct, zero) if i == 1 else self.bind(operands[0], zero, ct)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for shapes in [((4,), (4,), (4,)), ((2, 1), (3,), ()), ((), (2,), (2,)), ((0,), (0,), ())]:
            x, y = (rng.standard_normal(s).astype("float32") for s in shapes[1:])
            yield Sample(cls(), (rng.integers(0, 2, shapes[0]).astype(bool), x, y))


_EQUAL = Equal()
_NOT_EQUAL = NotEqual()
_LESS = Less()
_LESS_EQUAL = LessEqual()
_GREATER = Greater()
_GREATER_EQUAL = GreaterEqual()
_LOGICAL_AND = LogicalAnd()
_LOGICAL_OR = LogicalOr()
_LOGICAL_NOT = LogicalNot()
_IS_NAN = IsNan()
_IS_INF = IsInf()
_IS_FINITE = IsFinite()


def _is_infinity(function: str, a: Any, infinity: float, stream: Any) -> Any:
    x = to_array(function, a)
    if not x.dtype.inexact:
        return _IS_INF.bind(x, stream=stream)
    return _EQUAL.bind(x, scalar_like(infinity, x), stream=stream)


def equal(a: Any, b: Any, stream: Any = None) -> array:
    """Return whether ``a == b``; nan equals nothing.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.equal(mx.array([1, 2, 3]), 2)
      array([False, True, False], dtype=bool)
    """
    return binary(_EQUAL, "equal", "compare", a, b, stream)


def not_equal(a: Any, b: Any, stream: Any = None) -> array:
    """Return whether ``a != b``.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.not_equal(mx.array([1, 2, 3]), 2)
      array([True, False, True], dtype=bool)
    """
    return binary(_NOT_EQUAL, "not_equal", "compare", a, b, stream)


def less(a: Any, b: Any, stream: Any = None) -> array:
    """Return whether ``a < b``; complex numbers by real part, then imaginary.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.less(mx.array([1, 2, 3]), 2)
      array([True, False, False], dtype=bool)
    """
    return binary(_LESS, "less", "compare", a, b, stream)


def less_equal(a: Any, b: Any, stream: Any = None) -> array:
    """Return whether ``a <= b``.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.less_equal(mx.array([1, 2, 3]), 2)
      array([True, True, False], dtype=bool)
    """
    return binary(_LESS_EQUAL, "less_equal", "compare", a, b, stream)


def greater(a: Any, b: Any, stream: Any = None) -> array:
    """Return whether ``a > b``.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.greater(mx.array([1, 2, 3]), 2)
      array([False, False, True], dtype=bool)
    """
    return binary(_GREATER, "greater", "compare", a, b, stream)


def greater_equal(a: Any, b: Any, stream: Any = None) -> array:
    """Return whether ``a >= b``.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.greater_equal(mx.array([1, 2, 3]), 2)
      array([False, True, True], dtype=bool)
    """
    return binary(_GREATER_EQUAL, "greater_equal", "compare", a, b, stream)


def _truth(x: Any) -> Any:
    """Return a Python number as a bool: its dtype does not matter, nor whether it fits one."""
    return bool(x) if isinstance(x, int | float | complex) else x


def logical_and(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return whether both are not zero.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.logical_and(mx.array([True, False]), True)
      array([True, False], dtype=bool)
    """
    return binary(_LOGICAL_AND, "logical_and", "bool", _truth(a), _truth(b), stream)


def logical_or(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return whether either is not zero.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.logical_or(mx.array([True, False]), False)
      array([True, False], dtype=bool)
    """
    return binary(_LOGICAL_OR, "logical_or", "bool", _truth(a), _truth(b), stream)


def logical_xor(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return whether exactly one is not zero.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Bool array of the common shape.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.logical_xor(mx.array([True, False]), True)
      array([False, True], dtype=bool)
    """
    with speaking_as("logical_xor"):
        return binary(_NOT_EQUAL, "logical_xor", "bool", _truth(a), _truth(b), stream)


def logical_not(a: Any, /, *, stream: Any = None) -> array:
    """Return whether each element is zero.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Bool array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.logical_not(mx.array([True, False]))
      array([False, True], dtype=bool)
    """
    x = as_bool(to_array("logical_not", a), stream)
    return _LOGICAL_NOT.bind(x, stream=stream)


def isnan(a: Any, stream: Any = None) -> array:
    """Return whether each element is no number.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Bool array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.isnan(mx.array([1.0, float("nan"), float("-inf")]))
      array([False, True, False], dtype=bool)
    """
    return unary(_IS_NAN, "isnan", a, stream)


def isinf(a: Any, stream: Any = None) -> array:
    """Return whether each element is infinite, in either part of a complex one.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Bool array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.isinf(mx.array([1.0, float("nan"), float("-inf")]))
      array([False, False, True], dtype=bool)
    """
    return unary(_IS_INF, "isinf", a, stream)


def isfinite(a: Any, stream: Any = None) -> array:
    """Return whether each element is a number and not infinite.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Bool array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.isfinite(mx.array([1.0, float("nan"), float("-inf")]))
      array([True, False, False], dtype=bool)
    """
    return unary(_IS_FINITE, "isfinite", a, stream)


def isposinf(a: Any, stream: Any = None) -> array:
    """Return whether each element is positive infinity.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Bool array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.isposinf(mx.array([1.0, float("nan"), float("-inf")]))
      array([False, False, False], dtype=bool)
    """
    return _is_infinity("isposinf", a, float("inf"), stream)


def isneginf(a: Any, stream: Any = None) -> array:
    """Return whether each element is negative infinity.

    Args:
      a: Array of any shape and dtype.
    Returns:
      Bool array of the shape of ``a``.
    Raises:
      ValueError: ``a`` is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.isneginf(mx.array([1.0, float("nan"), float("-inf")]))
      array([False, False, True], dtype=bool)
    """
    return _is_infinity("isneginf", a, float("-inf"), stream)
