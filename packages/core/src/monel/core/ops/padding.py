"""Padding by a constant, the edge, or a reflection."""

from __future__ import annotations

from typing import Any

from ..base.errors import ShapeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..primitives.arguments import describe, integer, operand
from ..primitives.convert import cast
from ..primitives.flatten import part
from ..primitives.operands import to_array
from ..primitives.shape import Broadcast, Concatenate, Pad, Reshape
from .joining import flip

__all__ = ["pad"]


def pad(
    a: Any,
    pad_width: Any,
    mode: str = "constant",
    constant_values: Any = 0,
    *,
    stream: Any = None,
) -> array:
    """Return ``a`` with entries added at both ends of its axes.

    Args:
      a: Array of any shape and dtype.
      pad_width: How many entries: an int for all ends, ``(before, after)`` for all axes, or one
        such pair for each axis.
      mode: ``"constant"``; ``"edge"``: the last entry; ``"reflect"``: mirrored at the last entry;
        ``"symmetric"``: mirrored with the last entry repeated.
      constant_values: What ``"constant"`` adds, cast to the dtype of ``a``.
    Returns:
      Array of the dtype of ``a``.
    Raises:
      ShapeError: A width is negative, there are too many pairs, the mode is unknown, or an empty
        axis can't be mirrored.
    Example:
      >>> import monel.core as mx
      >>> mx.pad(mx.array([1, 2]), (1, 2))
      array([0, 1, 2, 0, 0], dtype=int32)
    """
    x = operand("pad", a)
    pairs = _pairs(pad_width, x)
    if mode == "constant":
        return _constant(x, pairs, constant_values, stream)
    if mode not in _MODES:
        raise ShapeError(
            f"pad: Invalid padding mode ({mode}); expected constant, edge, reflect or symmetric"
        )
    for axis, (low, high) in enumerate(pairs):
        if low or high:
            x = _MODES[mode](x, axis, low, high, stream)
    return wrap(x.value)


def _pairs(pad_width: Any, x: Any) -> list[tuple[int, int]]:
    """Return (before, after) for each axis of ``x``."""
    ndim = x.ndim
    if not isinstance(pad_width, tuple | list):
        width = integer("pad", "pad_width", pad_width)
        pairs = [(width, width)] * ndim
    elif pad_width and isinstance(pad_width[0], tuple | list):
        pairs = [_pair(p) for p in pad_width]
        if len(pairs) == 1:
            pairs = pairs * ndim
    else:
        pairs = [_pair(pad_width)] * ndim
    if len(pairs) != ndim:
        raise ShapeError(
            f"pad: Invalid number of padding sizes, {len(pairs)} pairs for the {ndim} axes of "
            f"{describe(x)}"
        )
    for axis, pair in enumerate(pairs):
        if min(pair) < 0:
            raise ShapeError(
                f"pad: Invalid padding size {pair} for axis {axis}. Padding sizes must be "
                f"non-negative"
            )
    return pairs


def _pair(widths: Any) -> tuple[int, int]:
    numbers = [integer("pad", "pad_width", w) for w in widths]
    if len(numbers) not in (1, 2):
        raise TypeError(
            f"pad: pad_width must be an int, a pair, or a list of pairs, got {widths!r}"
        )
    return numbers[0], numbers[-1]


def _constant(x: Any, pairs: list[tuple[int, int]], number: Any, stream: Any) -> Any:
    if isinstance(number, bool | int | float | complex):
        fill = wrap(graph.slots.scalar("pad", number, x.dtype))
    else:
        fill = to_array("pad", number)
        if fill.size != 1:
            raise ShapeError(f"pad: constant_values must be a scalar, got {describe(fill)}")
        if fill.shape:
            fill = Reshape(shape=()).bind(fill, stream=stream)
    low, high = tuple([p[0] for p in pairs]), tuple([p[1] for p in pairs])
    padding = Pad(low, high, (0,) * x.ndim)
    return padding.bind(x, cast(fill, x.dtype, stream), stream=stream)


def _edge(x: Any, axis: int, low: int, high: int, stream: Any) -> Any:
    n = x.shape[axis]
    if not n:
        return _constant(
            x, [(low, high) if i == axis else (0, 0) for i in range(x.ndim)], 0, stream
        )
    pieces = []
    for width, start in ((low, 0), (high, n - 1)):
        shape = tuple([width if i == axis else m for i, m in enumerate(x.shape)])
        entry = part(x, axis, start, start + 1, stream)
        pieces.append(Broadcast(shape=shape).bind(entry, stream=stream))
    return Concatenate(axis=axis).bind(pieces[0], x, pieces[1], stream=stream)


def _mirrored(repeat_edge: bool) -> Any:
    def extend(x: Any, axis: int, low: int, high: int, stream: Any) -> Any:
        n = x.shape[axis]
        mode = "symmetric" if repeat_edge else "reflect"
        if not n:
            raise ShapeError(
                f"pad: Cannot pad empty axis {axis} of {describe(x)} using mode {mode!r}"
            )
        if n == 1:
            return _edge(x, axis, low, high, stream)
        # One period goes there and back; what is needed on either side is cut from repetitions.
        back = flip(x if repeat_edge else part(x, axis, 1, n - 1, stream), axis, stream=stream)
        period = n + back.shape[axis]
        before, after = -(-low // period), -(-high // period)
        copies = [x, back] * (before + after + 1)
        line = Concatenate(axis=axis).bind(*copies, stream=stream)
        start = before * period - low
        return part(line, axis, start, start + low + n + high, stream)

    return extend


_MODES = {"edge": _edge, "reflect": _mirrored(False), "symmetric": _mirrored(True)}
