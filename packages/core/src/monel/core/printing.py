"""How arrays print: %g with 6 digits, or fixed; long axes show their ends."""

from __future__ import annotations

import math
from typing import Any

from .graph import handle
from .interchange import host_view, nest, numbers_of, target_of, to_numpy

__all__ = ["PrintOptions", "get_printoptions", "printoptions", "set_printoptions"]

# An axis of more than twice this many entries prints that many at each end.
_EDGE = 3

# Arrays up to this size are read whole; of larger ones only what is printed.
_SMALL = 1024


class PrintOptions:
    """How arrays print.

    Attributes:
      precision: Digits after the point; -1 for up to 6 significant digits.
    Raises:
      TypeError: ``precision`` is no int of 32 bits.
    Example:
      >>> import monel.core as mx
      >>> mx.PrintOptions(3)
      PrintOptions(precision=3)
    """

    __slots__ = ("precision",)

    def __init__(self, precision: int = -1) -> None:
        self.precision = _precision("PrintOptions", precision)

    def __repr__(self) -> str:
        return f"PrintOptions(precision={self.precision})"


# What is behind them is 0 in every dtype.
MOST_DIGITS = 1074


def _precision(function: str, precision: Any) -> int:
    if isinstance(precision, bool) or not hasattr(precision, "__index__"):
        raise TypeError(f"{function}: precision must be an int, got {type(precision).__name__}")
    digits = int(precision.__index__())
    if not -(1 << 31) <= digits < 1 << 31:
        raise TypeError(f"{function}: precision must be an int of 32 bits, got {digits}")
    return digits


_options = PrintOptions(-1)


def set_printoptions(precision: int = -1) -> None:
    """Set how arrays print.

    Args:
      precision: Digits after the point; -1: up to 6 significant digits, as in C's ``%g``.
    Raises:
      TypeError: ``precision`` is no int of 32 bits.
    Example:
      >>> import monel.core as mx
      >>> mx.set_printoptions(precision=2)
      >>> mx.array([1, 2.5])
      array([1.00, 2.50], dtype=float32)
      >>> mx.set_printoptions()
    """
    global _options
    _options = PrintOptions(_precision("set_printoptions", precision))


def get_printoptions() -> PrintOptions:
    """Return how arrays print.

    Example:
      >>> import monel.core as mx
      >>> mx.get_printoptions().precision
      -1
    """
    return _options


class _PrintOptionsContext:
    """Sets print options within a ``with`` block; may be nested and used again."""

    def __init__(self, options: PrintOptions) -> None:
        self._options = options
        self._saved: list[PrintOptions] = []

    def __enter__(self) -> PrintOptions:
        global _options
        self._saved.append(_options)
        _options = self._options
        return _options

    def __exit__(self, *error: object) -> None:
        global _options
        _options = self._saved.pop()


def printoptions(precision: int = -1) -> _PrintOptionsContext:
    """Return a context in which arrays print as ``set_printoptions`` says.

    Raises:
      TypeError: ``precision`` is no int of 32 bits.
    Example:
      >>> import monel.core as mx
      >>> with mx.printoptions(precision=1):
      ...     print(mx.array(2.25))
      array(2.2, dtype=float32)
    """
    return _PrintOptionsContext(PrintOptions(_precision("printoptions", precision)))


def format_array(a: Any) -> str:
    """Return the printed form of an array, which is computed for it."""
    value = a.value
    target_of(value)
    rows = _shown(a)
    text = _join(rows, value.shape, len("array(")) if value.shape else _text(rows)
    return f"array({text}, dtype={value.dtype.name})"


def _shown(a: Any) -> Any:
    """Return nested lists of the elements that print; long axes are cut to their ends."""
    value = a.value
    if value.size <= _SMALL or host_view(value) is None:
        flat = numbers_of(value)
        if not value.shape:
            return flat[0]
        return _cut(nest(flat, value.shape), value.shape)
    made = to_numpy(a, None, None)
    for axis, n in enumerate(value.shape):
        if n > 2 * _EDGE:
            made = made.take([*range(_EDGE), *range(n - _EDGE, n)], axis)
    if value.dtype.name == "bfloat16":
        made = made.astype("float32")
    return made.tolist()


def _cut(rows: Any, shape: tuple[int, ...]) -> Any:
    if not shape:
        return rows
    if len(rows) > 2 * _EDGE:
        rows = rows[:_EDGE] + rows[-_EDGE:]
    return [_cut(row, shape[1:]) for row in rows]


def _join(rows: Any, shape: tuple[int, ...], indent: int) -> str:
    """Return ``rows`` in brackets; each further axis stands one column further right."""
    if len(shape) == 1:
        parts = [_text(number) for number in rows]
        separator = ", "
    else:
        parts = [_join(row, shape[1:], indent + 1) for row in rows]
        separator = ",\n" + " " * (indent + 1)
    if shape[0] > 2 * _EDGE:
        parts.insert(_EDGE, "...")
    return f"[{separator.join(parts)}]"


def _text(number: Any) -> str:
    if isinstance(number, complex):
        sign = "+" if number.imag >= 0 or math.isnan(number.imag) else ""
        return f"{_float(number.real)}{sign}{_float(number.imag)}j"
    return _float(number) if isinstance(number, float) else str(number)


def _float(number: float) -> str:
    if math.isnan(number):
        return "-nan" if math.copysign(1.0, number) < 0 else "nan"
    precision = _options.precision
    if precision == -1:
        return f"{number:g}"
    digits = min(precision, MOST_DIGITS) if precision >= 0 else 6
    return f"{number:.{digits}f}"


handle.install(repr=format_array)


def _repr_html_(a: Any) -> str:
    """Return what notebooks show: shape and dtype over the array as it is printed."""
    from html import escape

    return f"<div><small>{escape(str(a.value))}</small><pre>{escape(repr(a))}</pre></div>"
