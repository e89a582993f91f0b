"""Arithmetic of two operands, element by element, and the bases of elementwise families."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.dtypes import bool_, float32
from ..base.errors import DTypeError
from ..graph.handle import array
from ..graph.operators import binary
from ..graph.primitive import Sample, call
from .arguments import speaking_as
from .convert import cast
from .kinds import Elementwise, broadcast_like, scalar_like
from .operands import check_real, meeting

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "add",
    "divide",
    "divmod",
    "floor_divide",
    "maximum",
    "minimum",
    "multiply",
    "pow",
    "power",
    "remainder",
    "subtract",
]


def widen(x: Any) -> Any:
    """Return a NumPy array in the dtype that a reference computes in.

    Half types are computed in float32 and rounded once; bool counts as 0 and 1.
    """
    if x.dtype.kind == "b":
        return x.astype("int8")
    return x.astype("float32") if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


class Unary(Elementwise):
    """One operand; ``numpy_name`` names the function that defines it."""

    numpy_name: ClassVar[str] = ""
    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)

    def reference(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        with np.errstate(all="ignore"):
            return np.asarray(getattr(np, self.numpy_name)(widen(x))).astype(x.dtype, copy=False)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        low, high = cls.domain
        for shape in [(5,), (2, 3), (), (0,)]:
            x = (low + (high - low) * rng.random(shape)).astype("float32")
            yield Sample(cls(), (x,))


class Binary(Elementwise):
    """Two operands that broadcast."""

    numpy_name: ClassVar[str] = ""
    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        with np.errstate(all="ignore"):
            made = getattr(np, self.numpy_name)(widen(x), widen(y))
            return np.asarray(made).astype(x.dtype, copy=False)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        low, high = cls.domain
        for a, b in [((5,), (5,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (4,)), ((0,), (0,))]:
            x, y = ((low + (high - low) * rng.random(s)).astype("float32") for s in (a, b))
            yield Sample(cls(), (x, y))


class RealFloating(Elementwise):
    """Defined for floating dtypes only."""

    def check_dtype(self, operand: Any) -> None:
        if not operand.dtype.floating:
            raise DTypeError(f"{self.name}: expected a floating dtype, got {operand}")


def in_float32(primitive: Any, operands: Any) -> Any:
    """Apply ``primitive`` to operands of a half type in float32; round the result to that type."""
    wide = [cast(x, float32) for x in operands]
    return cast(primitive.bind(*wide), operands[0].dtype)


class Add(Binary, name="add"):
    """x + y; of bool: x or y."""

    numpy_name = "add"
    required = True

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return ct


class Sub(Binary, name="sub", export_name="Subtract"):
    """x - y; unsigned integers wrap, of bool: x != y."""

    numpy_name = "subtract"
    public = "subtract"
    required = True

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return call("neg", ct) if i else ct


class Mul(Binary, name="mul", export_name="Multiply"):
    """x * y; of bool: x and y."""

    numpy_name = "multiply"
    public = "multiply"
    required = True

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return multiply(ct, operands[1 - i])


class Div(Binary, name="div", export_name="Divide"):
    """x / y, of floating or complex operands."""

    numpy_name = "divide"
    public = "divide"
    required = True
    takes = "inexact"
    domain = (0.5, 2.0)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        scaled = divide(ct, operands[1])
        return call("neg", multiply(scaled, out)) if i else scaled


class Rem(Binary, name="rem", export_name="Remainder"):
    """x - floor(x / y) * y, with the sign of y; of integers by 0: x."""

    numpy_name = "remainder"
    public = "remainder"
    required = True
    takes = "real"
    domain = (0.6, 2.9)

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        made = super().reference(x, y)
        return made if x.dtype.kind not in "iub" else np.where(y == 0, x, made)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return call("neg", multiply(ct, floor_divide(*operands))) if i else ct


class FloorDivide(Binary, name="floor_divide"):
    """floor(x / y); integers round down, too, and by 0 give 0."""

    takes = "real"
    domain = (0.6, 2.9)

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        x, y, dtype = widen(x), widen(y), x.dtype
        with np.errstate(all="ignore"):
            found = np.floor_divide(x, y) if x.dtype.kind in "iu" else np.floor(x / y)
            return np.asarray(found).astype(dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        return None

    def decompose(self, x: Any, y: Any) -> Any:
        if x.dtype is bool_:
            return call("bitwise_and", x, y)
        if x.dtype.size == 2 and x.dtype.floating:
            return in_float32(self, (x, y))
        if x.dtype.floating:
            return call("floor", divide(x, y))
        return _divide_exactly(subtract(x, remainder(x, y)), y)


def _divide_exactly(m: Any, y: Any) -> Any:
    """Divide the multiple ``m`` of ``y`` by estimates in float32, each 20 bits nearer.

    Estimates but the last stay below in magnitude, and products wrap, so that the result is exact
    modulo the width of the integer; the last is rounded from a quotient below 2**20.
    """
    divisor = call("cast", y, dtype=float32)
    total = broadcast_like(scalar_like(0, m), m)
    for _ in range({1: 0, 2: 0, 4: 1, 8: 3}[m.dtype.size]):
        estimate = divide(call("cast", m, dtype=float32), divisor)
        part = call("cast", multiply(estimate, 1 - 2.0**-20), dtype=m.dtype)
        total, m = add(total, part), subtract(m, multiply(part, y))
    last = call("round", divide(call("cast", m, dtype=float32), divisor))
    total = add(total, call("cast", last, dtype=m.dtype))
    zero = scalar_like(0, y)
    return call("where", call("equal", y, zero), zero, total)


class Pow(Binary, name="pow", export_name="Power"):
    """x ** y; of integers with wrapping products, 0 where 1 / x ** -y is no integer."""

    numpy_name = "power"
    public = "power"
    required = True
    domain = (0.5, 2.0)

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import numpy as np

        if x.dtype.kind != "i":
            return super().reference(x, y)
        x, y = np.broadcast_arrays(x, y)
        # Of 1 and -1, which alone have integer inverses, only the parity of the power matters.
        made = np.power(x, np.where(y < 0, y & 1, y))
        unit = np.isin(x, (1, -1))
        return np.where((y < 0) & ~unit, 0, made).astype(x.dtype)

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        x, y = operands
        zero, one = scalar_like(0, x), scalar_like(1, x)
        if i == 0:
            # Where y is 0 the factor y makes the term 0, whatever the power: take 1 for it, so
            # that no infinity arises at x = 0.
            less = call("where", call("equal", y, zero), one, subtract(y, one))
            return multiply(ct, multiply(y, power(x, less)))
        if not x.dtype.inexact:
            slope = multiply(out, call("log", call("cast", x, dtype=float32)))
            return call("cast", multiply(ct, slope), dtype=y.dtype)
        # 0 ** y does not move with y > 0, though log(0) is infinite.
        base = call("where", call("equal", x, zero), one, x)
        return multiply(ct, multiply(out, call("log", base)))


class Extreme(Binary):
    """The greater or the smaller of two; nan where either is; complex by real part, then imaginary.

    Where the operands are equal the derivative belongs to the second, as in MLX.
    """

    required = True
    beyond: ClassVar[str] = ""

    def partial(self, i: int, ct: Any, out: Any, operands: Any) -> Any:
        first = call(self.beyond, *operands)
        zero = scalar_like(0, ct)
        return call("where", first, ct, zero) if i == 0 else call("where", first, zero, ct)


class Maximum(Extreme, name="maximum"):
    """The greater of x and y; nan where either is."""

    numpy_name = "maximum"
    beyond = "greater"


class Minimum(Extreme, name="minimum"):
    """The smaller of x and y; nan where either is."""

    numpy_name = "minimum"
    beyond = "less"


_ADD = Add()
_SUB = Sub()
_MUL = Mul()
_DIV = Div()
_FLOOR_DIVIDE = FloorDivide()
_REM = Rem()
_POW = Pow()
_MAXIMUM = Maximum()
_MINIMUM = Minimum()


def add(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a + b``; of bool: whether either holds.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.add(mx.array([1, 2]), 0.5)
      array([1.5, 2.5], dtype=float32)
    """
    return binary(_ADD, "add", "same", a, b, stream)


def subtract(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a - b``; unsigned integers wrap.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.subtract(mx.array([3, 2]), mx.array([1, 5]))
      array([2, -3], dtype=int32)
    """
    return binary(_SUB, "subtract", "same", a, b, stream)


def multiply(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a * b``; of bool: whether both hold.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.multiply(mx.array([1.5, 2.0]), 2)
      array([3, 4], dtype=float32)
    """
    return binary(_MUL, "multiply", "same", a, b, stream)


def divide(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a / b``; integers are divided as float32.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape: floating or complex as promoted, float32 for integers.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.divide(mx.array([1, 3]), 2)
      array([0.5, 1.5], dtype=float32)
    """
    return binary(_DIV, "divide", "float", a, b, stream)


def floor_divide(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a / b`` rounded down; integers divided by 0 give 0.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: An operand is complex, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.floor_divide(mx.array([7, -7]), 2)
      array([3, -4], dtype=int32)
    """
    return binary(_FLOOR_DIVIDE, "floor_divide", "checked", a, b, stream)


def remainder(a: Any, b: Any, stream: Any = None) -> array:
    """Return ``a - floor(a / b) * b``, which has the sign of ``b``; integers by 0 stay.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: An operand is complex, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.remainder(mx.array([7, -7]), 3)
      array([1, 2], dtype=int32)
    """
    return binary(_REM, "remainder", "checked", a, b, stream)


def divmod(a: Any, b: Any, stream: Any = None) -> Any:
    """Return the quotient rounded down and the remainder.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      List of two arrays: ``a // b`` and ``a % b``.
    Raises:
      ValueError: An operand is complex, a list or no array at all, or the shapes do not
        broadcast.
    Example:
      >>> import monel.core as mx
      >>> mx.divmod(mx.array([7, -7]), 3)
      [array([2, -3], dtype=int32), array([1, 2], dtype=int32)]
    """
    x, y = meeting("divmod", a, b, stream=stream)
    check_real("divmod", x)
    with speaking_as("divmod"):
        return [floor_divide(x, y, stream), remainder(x, y, stream)]


def power(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return ``a`` to the power of ``b``; integers stay integers.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.power(mx.array([2, 3]), 2)
      array([4, 9], dtype=int32)
    """
    return binary(_POW, "power", "same", a, b, stream)


def maximum(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return the greater of each pair; nan where either is.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.maximum(mx.array([1.0, 5.0]), 3)
      array([3, 5], dtype=float32)
    """
    return binary(_MAXIMUM, "maximum", "same", a, b, stream)


def minimum(a: Any, b: Any, /, *, stream: Any = None) -> array:
    """Return the smaller of each pair; nan where either is.

    Args:
      a: Array or scalar.
      b: Array or scalar; shapes broadcast and dtypes are promoted.
    Returns:
      Array of the common shape and dtype.
    Raises:
      ValueError: The shapes do not broadcast, or an operand is a list or no array at all.
    Example:
      >>> import monel.core as mx
      >>> mx.minimum(mx.array([1.0, 5.0]), 3)
      array([1, 3], dtype=float32)
    """
    return binary(_MINIMUM, "minimum", "same", a, b, stream)


pow = power
