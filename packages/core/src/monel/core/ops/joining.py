"""Arrays put together and taken apart: concatenate, stack, split, tile, repeat, roll, flip."""

from __future__ import annotations

from typing import Any

from ..base.avals import check_shape
from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import (
    canonical_axes,
    canonical_axis,
    describe,
    flag,
    integer,
    integer_or_integers,
    operand,
    operands,
    promoted,
    speaking_as,
    stays_open,
)
from ..primitives.flatten import flatten_axes, part
from ..primitives.shape import (
    Broadcast,
    Concatenate,
    ExpandDims,
    Reshape,
    Select,
    reshape_like,
    turned,
)

__all__ = [
    "concat",
    "concatenate",
    "flip",
    "meshgrid",
    "repeat",
    "roll",
    "split",
    "stack",
    "tile",
    "unstack",
]


def concatenate(arrays: Any, axis: int | None = 0, *, stream: Any = None) -> array:
    """Return arrays joined along an axis.

    Args:
      arrays: List or tuple of arrays that agree in every other axis; they are promoted.
      axis: The axis, or None to join the flattened arrays.
    Returns:
      The joined array.
    Raises:
      ShapeError: There is no array, or shapes do not fit.
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.concatenate([mx.array([1, 2]), mx.array([3])])
      array([1, 2, 3], dtype=int32)
    """
    return _joined("concatenate", arrays, axis, stream)


def concat(arrays: Any, axis: int | None = 0, *, stream: Any = None) -> array:
    """Return arrays joined along an axis; see ``concatenate``.

    Args:
      arrays: List or tuple of arrays that agree in every other axis; they are promoted.
      axis: The axis, or None to join the flattened arrays.
    Returns:
      The joined array.
    Raises:
      ShapeError: There is no array, or shapes do not fit.
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.concat([mx.zeros((1, 2)), mx.zeros((3, 2))]).shape
      (4, 2)
    """
    return _joined("concat", arrays, axis, stream)


def _joined(function: str, arrays: Any, axis: int | None, stream: Any) -> Any:
    xs = operands(function, arrays)
    if not xs:
        raise ShapeError(f"{function}: No arrays provided for concatenation")
    if axis is None:
        xs = [flatten_axes(x, 0, x.ndim - 1, stream) for x in xs]
    place = canonical_axis(function, axis or 0, xs[0])
    for x in xs[1:]:
        if x.ndim != xs[0].ndim:
            raise ShapeError(
                f"{function}: All the input arrays must have the same number of dimensions, got "
                f"{describe(xs[0])} and {describe(x)}"
            )
    if len(xs) == 1:
        return wrap(xs[0].value)
    with speaking_as(function):
        return Concatenate(place).bind(*promoted(xs, stream), stream=stream)


def stack(arrays: Any, axis: int | None = 0, *, stream: Any = None) -> array:
    """Return arrays joined along a new axis.

    Args:
      arrays: List or tuple of arrays of one shape; they are promoted.
      axis: The place of the new axis in the result; None means 0.
    Returns:
      Array with one more axis.
    Raises:
      ShapeError: There is no array, or shapes differ.
      AxisError: The axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.stack([mx.array([1, 2]), mx.array([3, 4])], axis=1)
      array([[1, 3],
             [2, 4]], dtype=int32)
    """
    xs = operands("stack", arrays)
    if not xs:
        raise ShapeError("stack: No arrays provided for stacking")
    place = canonical_axis("stack", axis or 0, xs[0], 1)
    for x in xs[1:]:
        if x.shape != xs[0].shape:
            raise ShapeError(
                f"stack: All arrays must have the same shape, got {describe(xs[0])} and "
                f"{describe(x)}"
            )
    expand = ExpandDims((place,))
    rows = [expand.bind(x, stream=stream) for x in promoted(xs, stream)]
    return rows[0] if len(rows) == 1 else Concatenate(place).bind(*rows, stream=stream)


def split(a: Any, /, indices_or_sections: Any, axis: int = 0, *, stream: Any = None) -> list[array]:
    """Return the parts of ``a`` along an axis.

    Args:
      a: Array of any dtype with at least one axis.
      indices_or_sections: The number of equal parts, or the positions at which to cut; negative
        positions count from the end.
      axis: The axis to divide.
    Returns:
      List of arrays.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: The axis can't be divided into that many equal parts.
    Example:
      >>> import monel.core as mx
      >>> mx.split(mx.array([1, 2, 3, 4]), [1, 3])
      [array([1], dtype=int32), array([2, 3], dtype=int32), array([4], dtype=int32)]
    """
    x = operand("split", a)
    place = canonical_axis("split", axis, x)
    n = x.shape[place]
    if isinstance(indices_or_sections, tuple | list):
        given = [integer("split", "an index", i) for i in indices_or_sections]
        cuts = [min(max(i + n if i < 0 else i, 0), n) for i in given]
    else:
        sections = integer("split", "indices_or_sections", indices_or_sections)
        if sections <= 0:
            raise ShapeError(f"split: the number of parts must be positive, got {sections}")
        if n % sections:
            raise ShapeError(
                f"split: attempting {sections} splits along axis {place} of {describe(x)}, which "
                f"is not an equal division; give the positions of the cuts instead"
            )
        cuts = [i * (n // sections) for i in range(1, sections)]
    starts, stops = [0, *cuts], [*cuts, n]
    return [part(x, place, i, max(i, j), stream) for i, j in zip(starts, stops, strict=True)]


def unstack(x: Any, /, *, axis: int = 0, stream: Any = None) -> tuple[array, ...]:
    """Return the entries of ``x`` along an axis, which disappears: the inverse of ``stack``.

    Args:
      x: Array of any dtype with at least one axis.
      axis: The axis to take apart.
    Returns:
      Tuple of arrays, one for each entry.
    Raises:
      AxisError: ``axis`` is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.unstack(mx.array([[1, 2], [3, 4]]))
      (array([1, 2], dtype=int32), array([3, 4], dtype=int32))
    """
    a = operand("unstack", x)
    place = canonical_axis("unstack", axis, a)
    return tuple([Select(place, i).bind(a, stream=stream) for i in range(a.shape[place])])


def tile(a: Any, reps: Any, /, *, stream: Any = None) -> array:
    """Return ``a`` repeated as a block.

    Args:
      a: Array of any shape and dtype.
      reps: How often along each axis, aligned with the last; an int is for the last axis.
    Returns:
      The tiled array.
    Raises:
      ShapeError: A number is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.tile(mx.array([1, 2]), 2)
      array([1, 2, 1, 2], dtype=int32)
    """
    x = operand("tile", a)
    counts = integer_or_integers("tile", "reps", reps)
    if min(counts, default=0) < 0:
        raise ShapeError(f"tile: reps must not be negative, got {counts}")
    rank = max(x.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - x.ndim) + x.shape
    if all(n == 1 for n in counts):
        return Reshape(shape).bind(x, stream=stream) if rank > x.ndim else wrap(x.value)
    if all(counts) and stays_open(x):
        new = tuple(range(rank - x.ndim))
        x = ExpandDims(new).bind(x, stream=stream) if new else x
        for axis, n in enumerate(counts):
            x = Concatenate(axis).bind(*[x] * n, stream=stream) if n > 1 else x
        return x
    pairs = [d for n, m in zip(counts, shape, strict=True) for d in (n, m)]
    check_shape("tile", tuple(pairs))
    ones = [d for m in shape for d in (1, m)]
    blocks = Reshape(tuple(ones)).bind(x, stream=stream)
    whole = Broadcast(tuple(pairs)).bind(blocks, stream=stream)
    tiled = tuple([n * m for n, m in zip(counts, shape, strict=True)])
    return Reshape(tiled).bind(whole, stream=stream)


def repeat(array: Any, repeats: int, axis: int | None = None, *, stream: Any = None) -> array:
    """Return ``array`` with each entry of an axis repeated.

    Args:
      array: Array of any shape and dtype.
      repeats: How often each entry occurs.
      axis: The axis, or None for the flattened array.
    Returns:
      Array whose axis is ``repeats`` times as long.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ShapeError: ``repeats`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.repeat(mx.array([1, 2]), 2)
      array([1, 1, 2, 2], dtype=int32)
    """
    x = operand("repeat", array)
    count = integer("repeat", "repeats", repeats)
    if axis is None:
        x, axis = flatten_axes(x, 0, x.ndim - 1, stream), 0
    place = canonical_axis("repeat", axis, x)
    if count < 0:
        raise ShapeError(f"repeat: Number of repeats cannot be negative, got {count}")
    if count == 1:
        return wrap(x.value)
    before, after = x.shape[: place + 1], x.shape[place + 1 :]
    entries = ExpandDims((place + 1,)).bind(x, stream=stream)
    if count and stays_open(x):
        copies = Concatenate(place + 1).bind(*[entries] * count, stream=stream)
        return flatten_axes(copies, place, place + 1, stream)
    check_shape("repeat", (*before, count, *after))
    whole = Broadcast((*before, count, *after)).bind(entries, stream=stream)
    shape = (*x.shape[:place], x.shape[place] * count, *after)
    return Reshape(shape).bind(whole, stream=stream)


def flip(a: Any, /, axis: Any = None, *, stream: Any = None) -> array:
    """Return ``a`` with the order of entries reversed along axes.

    Args:
      a: Array of any shape and dtype.
      axis: The axis or axes; all by default.
    Returns:
      Array of the shape of ``a``.
    Raises:
      AxisError: An axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.flip(mx.array([[1, 2], [3, 4]]), axis=1)
      array([[2, 1],
             [4, 3]], dtype=int32)
    """
    x = operand("flip", a)
    if axis is None:
        axes = canonical_axes("flip", None, x)
    else:
        given = integer_or_integers("flip", "axis", axis)
        axes = tuple({canonical_axis("flip", i, x) for i in given})
    return turned(x, axes, stream)


def roll(a: Any, /, shift: Any, axis: Any = None, *, stream: Any = None) -> array:
    """Return ``a`` with its entries moved along axes; what leaves at one end enters at the other.

    Args:
      a: Array of any shape and dtype.
      shift: By how many places, to the right if positive; one for each axis or one for all.
      axis: The axis or axes; None rolls the flattened array.
    Returns:
      Array of the shape of ``a``.
    Raises:
      AxisError: An axis is out of bounds.
      ShapeError: There are fewer shifts than axes.
    Example:
      >>> import monel.core as mx
      >>> mx.roll(mx.array([1, 2, 3]), 1)
      array([3, 1, 2], dtype=int32)
    """
    x = operand("roll", a)
    shifts = integer_or_integers("roll", "shift", shift)
    if axis is None:
        flat = flatten_axes(x, 0, x.ndim - 1, stream)
        return reshape_like(_rolled(flat, sum(shifts), 0, stream), x)
    places = [canonical_axis("roll", i, x) for i in integer_or_integers("roll", "axis", axis)]
    if not isinstance(axis, tuple | list):
        shifts = (sum(shifts),)
    elif not isinstance(shift, tuple | list):
        shifts = shifts * len(places)
    if len(shifts) < len(places):
        raise ShapeError(
            f"roll: At least one shift value per axis is required, {len(shifts)} provided for "
            f"{len(places)} axes"
        )
    for by, place in zip(shifts, places, strict=False):
        x = _rolled(x, by, place, stream)
    return wrap(x.value)


def _rolled(x: Any, by: int, axis: int, stream: Any) -> Any:
    n = x.shape[axis]
    by = by % n if n else 0
    if not by:
        return x
    ends = part(x, axis, n - by, n, stream), part(x, axis, 0, n - by, stream)
    return Concatenate(axis).bind(*ends, stream=stream)


def meshgrid(
    *arrays: Any, sparse: bool | None = False, indexing: str | None = "xy", stream: Any = None
) -> tuple[array, ...]:
    """Return coordinate grids of vectors of coordinates.

    Args:
      arrays: Arrays of coordinates; others than vectors are flattened.
      sparse: Leave the grids with axes of length 1 instead of broadcasting them.
      indexing: ``"xy"``: the first two axes are exchanged; ``"ij"``: one axis for each array.
    Returns:
      Tuple of as many arrays as were given.
    Raises:
      ShapeError: ``indexing`` is neither.
    Example:
      >>> import monel.core as mx
      >>> mx.meshgrid(mx.array([1, 2]), mx.array([3, 4]))[0]
      array([[1, 2],
             [1, 2]], dtype=int32)
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(
            f"meshgrid: Invalid indexing value {indexing!r}. Valid values are 'xy' and 'ij'."
        )
    vectors = []
    for a in arrays:
        x = operand("meshgrid", a)
        vectors.append(x if x.ndim == 1 else flatten_axes(x, 0, x.ndim - 1, stream))
    rank = len(vectors)
    places = list(range(rank))
    if indexing == "xy" and rank > 1:
        places[0], places[1] = 1, 0
    grids = []
    for place, x in zip(places, vectors, strict=True):
        others = tuple([i for i in range(rank) if i != place])
        grids.append(ExpandDims(others).bind(x, stream=stream) if others else wrap(x.value))
    if sparse is not None and flag("meshgrid", "sparse", sparse):
        return tuple(grids)
    shape = [0] * rank
    for place, x in zip(places, vectors, strict=True):
        shape[place] = x.size
    whole = Broadcast(tuple(shape))
    return tuple([g if g.shape == whole.shape else whole.bind(g, stream=stream) for g in grids])
