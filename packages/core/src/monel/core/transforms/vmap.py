"""Vectorisation: vmap. The walk itself is ``primitives.derive.batched``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..base.errors import AxisError, DTypeError, ShapeError
from ..base.tree import flatten, unflatten
from ..graph.handle import array, wrap
from ..primitives.derive import placeholder
from ..primitives.kinds import move_axis, repeated
from .tracing import (
    batched_with_effects,
    call_swapped,
    check_callable,
    open_trace,
    take_effects,
)

__all__ = ["vmap"]


def vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """Return ``fun`` applied to each entry along an axis of its arguments, all at once.

    Args:
      fun: A function of trees of arrays that returns a tree of arrays.
      in_axes: The axis of each argument that is mapped: an int for all, or a tuple with an entry
        an argument, each an int, None (not mapped) or a tree of them.
      out_axes: Where the mapped axis stands in the outputs; likewise.
    Returns:
      The vectorised function; it takes positional arguments only.
    Raises:
      ValueError: Mapped axes differ in length, or an argument holds no arrays.
      IndexError: An axis is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.vmap(lambda x, y: x @ y, in_axes=(0, None))(mx.ones((2, 3)), mx.ones(3))
      array([3, 3], dtype=float32)
    """
    check_callable("vmap", fun)
    for what, axes in (("in_axes", in_axes), ("out_axes", out_axes)):
        if axes is None or isinstance(axes, bool | float | str):
            raise TypeError(f"vmap: {what} must be an int or a tree of ints and None, got {axes!r}")

    # One output may have its axis in a tuple of one.
    lone = out_axes[0] if isinstance(out_axes, tuple) and len(out_axes) == 1 else out_axes

    def vectorised(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise TypeError(
                f"vmap: keyword arguments are not supported, got {', '.join(sorted(kwargs))}; "
                f"pass them by position or bind them with functools.partial"
            )
        return _vectorise(fun, args, in_axes, out_axes, lone)

    return functools.wraps(fun, updated=())(vectorised) if hasattr(fun, "__name__") else vectorised


def _vectorise(fun: Any, args: tuple[Any, ...], in_axes: Any, out_axes: Any, lone: Any) -> Any:
    leaves: list[Any] = []
    flatten(args, array, leaves)
    axes = _leaf_axes("in_axes", args, in_axes)
    dims = [_axis("in_axes", d, leaf.shape) for leaf, d in zip(leaves, axes, strict=True)]
    size = _batch_size(leaves, dims)
    with open_trace("vmap") as trace:
        inputs, arrays, mapped = [], [], []
        supply = iter(dims)

        def replace(leaf: array) -> array:
            d = next(supply)
            if d is None:
                return wrap(leaf.value)
            shape = leaf.shape[:d] + leaf.shape[d + 1 :]
            v = placeholder(shape, leaf.dtype, trace, leaf.value.stream)
            inputs.append(v)
            arrays.append(leaf)
            mapped.append(d)
            return wrap(v)

        result = call_swapped(fun, args, {}, replace)
        outputs: list[Any] = []
        out_structure = flatten(result, array, outputs)
        out = _leaf_axes("out_axes", result, lone if type(result) is array else out_axes)
        values = [o.value for o in outputs]
        pairs = batched_with_effects(values, inputs, arrays, mapped, take_effects(trace))
    placed = [
        _place(a, d, o, size, arrays[0], mapped[0]) for (a, d), o in zip(pairs, out, strict=True)
    ]
    return unflatten(out_structure, iter(placed))


def _leaf_axes(what: str, tree: Any, axes: Any) -> list[Any]:
    """Return the axis of each leaf of ``tree``; ``axes`` is a prefix of it."""
    found: list[Any] = []
    _match(what, tree, axes, found)
    return found


def _match(what: str, tree: Any, axes: Any, found: list[Any]) -> None:
    if isinstance(tree, array):
        if axes is not None and (isinstance(axes, bool) or not isinstance(axes, int)):
            raise ShapeError(f"vmap: axis must be int or None in {what}, got {axes!r}")
        found.append(axes)
    elif isinstance(tree, dict):
        if isinstance(axes, dict) and set(axes) != set(tree):
            raise ShapeError(f"vmap: {what} has keys {sorted(axes)}, the tree {sorted(tree)}")
        for key, child in tree.items():
            _match(what, child, axes[key] if isinstance(axes, dict) else axes, found)
    elif isinstance(tree, list | tuple):
        if isinstance(axes, dict) and len(tree) == 1:
            # MLX's short form: the tree of axes of a function's only argument.
            axes = (axes,)
        if isinstance(axes, list | tuple) and len(axes) != len(tree):
            raise ShapeError(f"vmap: {what} has {len(axes)} entries for {len(tree)}")
        for i, child in enumerate(tree):
            _match(what, child, axes[i] if isinstance(axes, list | tuple) else axes, found)
    elif axes is not None or what == "out_axes":
        raise DTypeError(
            f"vmap: expected only arrays where {what} is {axes!r}, got {type(tree).__name__}; "
            f"give it the axis None or wrap it with mx.array"
        )


def _axis(what: str, d: Any, shape: tuple[int, ...]) -> Any:
    if d is None:
        return None
    if not -len(shape) <= d < len(shape):
        raise AxisError(f"vmap: axis {d} in {what} is out of bounds for an array of shape {shape}")
    return d % len(shape)


def _batch_size(leaves: list[Any], dims: list[Any]) -> int:
    sizes = [leaf.shape[d] for leaf, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ShapeError("vmap: at least one array must be mapped, but in_axes is None for all")
    for n in sizes:
        if n != sizes[0]:
            raise ShapeError(f"vmap: the mapped axes differ in length: {sizes[0]} and {n}")
    return sizes[0]


def _place(x: Any, d: Any, out: Any, size: int, like: Any, axis: int) -> Any:
    """Return an output with its mapped axis where ``out`` wants it.

    Where it has none it is repeated ``size`` times: as long as ``axis`` of the argument ``like``.
    """
    if out is None:
        if d is not None:
            raise ShapeError("vmap: an output that depends on the mapped axis has out_axes None")
        return x
    if d is None:
        x, d = repeated(x, size, like, axis), 0
    return move_axis(x, d, _axis("out_axes", out, x.shape))
