"""Norms of vectors and matrices, and the cross product."""

from __future__ import annotations

import math
from typing import Any

from ..base import dtypes
from ..base.errors import AxisError, ShapeError
from ..graph.handle import array
from ..graph.operators import broadcast_shapes
from ..graph.primitive import call
from ..primitives.arguments import (
    canonical_axes,
    canonical_axis,
    describe,
    flag,
    integer_or_integers,
    number,
    on_stream,
    operand,
    promoted,
)
from ..primitives.convert import cast
from ..primitives.flatten import part
from ..primitives.kinds import scalar_like
from ..primitives.operands import as_floating
from ..primitives.reduce import Max, Min, Reduction, Sum, reduction
from ..primitives.shape import Pad
from ..primitives.spectral import Svd

__all__ = ["cross", "matrix_norm", "norm", "vector_norm"]

Axes = tuple[int, ...]


def norm(
    a: Any,
    /,
    ord: Any = None,
    axis: Any = None,
    keepdims: bool = False,
    *,
    stream: Any = None,
) -> array:
    """Return norms of vectors or matrices.

    Of vectors, over one axis: ``sum(abs(a)**ord)**(1/ord)``; 0 counts what is not zero, inf and
    -inf give the greatest and the least absolute value. Of matrices, over two axes: ``"fro"`` the
    root of the sum of squares, ``"nuc"`` the sum of singular values, 2 and -2 the greatest and the
    least of them, 1 and -1 the greatest and the least sum of a column's absolute values, inf and
    -inf of a row's. Half types are computed in float32. The gradient of a norm at zero is zero.

    Args:
      a: Array of any shape; integers are taken as float32.
      ord: One of the above; None: the root of the sum of squares, over any number of axes.
      axis: One axis or two; None: all, of which there must be one or two unless ``ord`` is None.
      keepdims: Keep the axes with length 1.
    Returns:
      Real floating array.
    Raises:
      ShapeError: Too many axes, or an ``ord`` that is not defined for their number.
      AxisError: An axis is out of bounds or named twice.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.norm(mx.array([3.0, -4.0]))
      array(5, dtype=float32)
      >>> mx.linalg.norm(mx.array([[1.0, -2.0], [3.0, 4.0]]), 1)
      array(6, dtype=float32)
    """
    x = operand("norm", a)
    flag("norm", "keepdims", keepdims)
    places = _places("norm", axis, x)
    with on_stream(stream):
        if ord is None:
            return _in_order(x, lambda v: _root_of_squares(v, places, keepdims))
        if len(places) == 1:
            return _vector("norm", x, ord, places, keepdims)
        if len(places) == 2:
            return _matrix("norm", x, ord, places, keepdims)
    raise ShapeError(
        f"norm: Received too many axes for norm: ord={ord!r} takes one or two, got {len(places)} "
        f"of {describe(x)}"
    )


def vector_norm(
    x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2, stream: Any = None
) -> array:
    """Return vector norms over one axis or several together.

    Args:
      x: Array of any shape; integers are taken as float32.
      axis: An int, a sequence of ints, or None for all axes.
      keepdims: Keep the axes with length 1.
      ord: As for vectors in ``norm``.
    Returns:
      Real floating array.
    Raises:
      AxisError: An axis is out of bounds or named twice.
      ShapeError: ``ord`` is no number.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.vector_norm(mx.array([[3.0, -4.0], [0.0, 0.0]]), ord=1)
      array(7, dtype=float32)
    """
    v = operand("vector_norm", x)
    places = canonical_axes("vector_norm", axis, v, keepdims)
    with on_stream(stream):
        return _vector("vector_norm", v, ord, places, keepdims)


def matrix_norm(
    x: Any, /, *, keepdims: bool = False, ord: Any = "fro", stream: Any = None
) -> array:
    """Return matrix norms over the last two axes.

    Args:
      x: Array of shape (..., m, n); integers are taken as float32.
      keepdims: Keep the axes with length 1.
      ord: As for matrices in ``norm``.
    Returns:
      Real floating array.
    Raises:
      ShapeError: Fewer than two axes, or an ``ord`` that is not defined.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.matrix_norm(mx.array([[3.0, 0.0], [0.0, -4.0]]), ord="nuc")
      array(7, dtype=float32)
    """
    a = operand("matrix_norm", x)
    flag("matrix_norm", "keepdims", keepdims)
    if a.ndim < 2:
        raise ShapeError(f"matrix_norm: expected at least 2 dimensions, got {describe(a)}")
    with on_stream(stream):
        return _matrix("matrix_norm", a, ord, (a.ndim - 2, a.ndim - 1), keepdims)


def _places(function: str, axis: Any, x: Any) -> Axes:
    """Return the axes in the order given: rows, then columns."""
    if axis is None:
        return tuple(range(x.ndim))
    given = integer_or_integers(function, "axis", axis)
    places = tuple([canonical_axis(function, a, x) for a in given])
    if len(set(places)) < len(places):
        raise AxisError(f"{function}: duplicate axes in {given} of {describe(x)}")
    return places


def _in_order(x: Any, compute: Any) -> Any:
    """Call ``compute`` in a dtype that is wide enough; return the result in that of ``x``."""
    x = as_floating(x)
    if x.dtype.size > 2:
        return compute(x)
    return cast(compute(cast(x, dtypes.float32)), x.dtype)


def _reduced(cls: type[Reduction], x: Any, axes: Axes, keepdims: bool) -> Any:
    return reduction(cls, x, tuple(sorted(axes)), keepdims, None)


def _root_of_squares(x: Any, axes: Axes, keepdims: bool) -> Any:
    if x.dtype is dtypes.complex64:
        re, im = call("real", x), call("imag", x)
        squares = re * re + im * im
    else:
        squares = call("square", x)
    return _rooted(_reduced(Sum, squares, axes, keepdims), lambda v: call("sqrt", v))


def _rooted(total: Any, root: Any) -> Any:
    """Return ``root(total)`` with derivative zero, not nan, where ``total`` is zero."""
    zero, one = scalar_like(0, total), scalar_like(1, total)
    nothing = call("equal", total, zero)
    return call("where", nothing, zero, root(call("where", nothing, one, total)))


def _vector(function: str, x: Any, ord: Any, axes: Axes, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ShapeError(
            f"{function}: Norm {ord!r} only supported for matrices, but received {len(axes)} "
            f"axis/axes"
        )
    power = number(function, "ord", ord)
    return _in_order(x, lambda v: _powered(v, power, axes, keepdims))


def _powered(x: Any, power: float, axes: Axes, keepdims: bool) -> Any:
    if power == 2:
        return _root_of_squares(x, axes, keepdims)
    sizes = call("abs", x)
    if power == 0:
        there = cast(call("not_equal", sizes, scalar_like(0, sizes)), sizes.dtype)
        return _reduced(Sum, there, axes, keepdims)
    if math.isinf(power):
        return _reduced(Max if power > 0 else Min, sizes, axes, keepdims)
    if power == 1:
        return _reduced(Sum, sizes, axes, keepdims)
    total = _reduced(Sum, call("pow", sizes, scalar_like(power, sizes)), axes, keepdims)
    inverse = scalar_like(1 / power, total)
    if power < 0:
        return call("pow", total, inverse)
    return _rooted(total, lambda v: call("pow", v, inverse))


def _matrix(function: str, x: Any, ord: Any, axes: Axes, keepdims: bool) -> Any:
    if ord in ("fro", "f"):
        return _in_order(x, lambda v: _root_of_squares(v, axes, keepdims))
    if ord == "nuc":
        return _in_order(x, lambda v: _of_spectrum(Sum, v, axes, keepdims))
    if isinstance(ord, str):
        raise ShapeError(f"{function}: Invalid ord value {ord!r} for matrix norm.")
    power = number(function, "ord", ord)
    extreme = Max if power > 0 else Min
    if abs(power) == 2:
        return _in_order(x, lambda v: _of_spectrum(extreme, v, axes, keepdims))
    if abs(power) != 1 and not math.isinf(power):
        raise ShapeError(f"{function}: Invalid ord {ord} for matrix norm.")
    summed, searched = axes if abs(power) == 1 else axes[::-1]

    def of_sums(v: Any) -> Any:
        sums = _reduced(Sum, call("abs", v), (summed,), True)
        found = _reduced(extreme, sums, (searched,), True)
        return found if keepdims else call("squeeze", found, axes=tuple(sorted(axes)))

    return _in_order(x, of_sums)


def _of_spectrum(cls: type[Reduction], x: Any, axes: Axes, keepdims: bool) -> Any:
    order = (*[i for i in range(x.ndim) if i not in axes], *axes)
    s = Svd(compute_uv=False).bind(call("transpose", x, axes=order))
    found = _reduced(cls, s, (s.ndim - 1,), False)
    return call("expand_dims", found, axes=tuple(sorted(axes))) if keepdims else found


def cross(a: Any, b: Any, axis: int = -1, *, stream: Any = None) -> array:
    """Return the cross product of vectors along an axis.

    Args:
      a, b: Arrays of length 2 or 3 along ``axis``, the third entry of a short one being zero; their
        other axes broadcast.
      axis: The axis of the vectors.
    Returns:
      Array of length 3 along ``axis``, in the promoted dtype.
    Raises:
      ShapeError: Another length, or the other axes do not broadcast.
      AxisError: ``axis`` is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.linalg.cross(mx.array([1, 0, 0]), mx.array([0, 1, 0]))
      array([0, 0, 1], dtype=int32)
    """
    x, y = promoted([operand("cross", a), operand("cross", b)], stream)
    with on_stream(stream):
        u, v = (_components(each, axis) for each in (x, y))
        broadcast_shapes("cross", u[0].shape, v[0].shape)
        rows = [
            call("sub", call("mul", u[i], v[j]), call("mul", u[j], v[i]))
            for i, j in ((1, 2), (2, 0), (0, 1))
        ]
        place = canonical_axis("cross", axis, rows[0])
        return call("concatenate", *rows, axis=place)


def _components(x: Any, axis: Any) -> list[Any]:
    """Return the three entries along ``axis``, which stays with length 1."""
    place = canonical_axis("cross", axis, x)
    n = x.shape[place]
    if n not in (2, 3):
        raise ShapeError(f"cross: The specified axis must have size 2 or 3, got {describe(x)}")
    if n == 2:
        none = (0,) * x.ndim
        behind = tuple([int(i == place) for i in range(x.ndim)])
        x = Pad(none, behind, none).bind(x, scalar_like(0, x))
    return [part(x, place, i, i + 1) for i in range(3)]
