"""while_loop and fori_loop: loops that carry a state until a condition fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.dtypes import int32
from ..base.errors import DTypeError, ShapeError
from ..base.tree import flatten, unflatten
from ..graph.handle import array
from ..graph.primitive import call
from . import closures
from .loops import while_arrays
from .scan import scan
from .tracing import check_callable

__all__ = ["fori_loop", "while_loop"]


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    max_steps: int | None = None,
) -> Any:
    """Apply ``body_fun`` to its own result as long as ``cond_fun`` of it is true.

    As if written::

        val = init_val
        while cond_fun(val):
            val = body_fun(val)
        return val

    but both functions are traced once and recorded as one operation, inside and outside of
    ``compile``. ``jvp`` and ``vmap`` go through it; under ``vmap`` it runs until all rows have
    ended. A gradient keeps the value before each step. A gradient of a gradient needs
    ``max_steps``.

    Args:
      cond_fun: Takes the value, returns a scalar, true while the loop goes on.
      body_fun: Takes the value, a tree of arrays, and returns one of the same structure, shapes
        and dtypes.
      init_val: The first value; numbers in it become arrays.
      max_steps: End after so many steps, whatever the condition says.
    Returns:
      The first value for which the condition is false.
    Raises:
      ValueError: The value changes its structure, shapes or dtypes, the condition is no scalar, or
        a value is asked for inside the functions.
    Example:
      >>> import monel.core as mx
      >>> mx.while_loop(lambda x: x < 100, lambda x: x * 2, mx.array(3))
      array(192, dtype=int32)
    Source: ``jax.lax.while_loop``.
    """
    check_callable("while_loop", cond_fun)
    check_callable("while_loop", body_fun)
    if max_steps is not None and (isinstance(max_steps, bool) or not isinstance(max_steps, int)):
        raise TypeError(f"while_loop: max_steps must be an int, got {type(max_steps).__name__}")
    if max_steps is not None and max_steps < 0:
        raise ShapeError(f"while_loop: max_steps must not be negative, got {max_steps}")
    init_val = closures.with_arrays(init_val)
    carry: list[Any] = []
    tree = flatten(init_val, array, carry)
    if not carry:
        raise ShapeError("while_loop: init_val holds no array, so the loop could not change it")

    def asks(consts: Any, held: Any) -> Any:
        return [as_condition("while_loop: cond_fun", cond_fun(unflatten(tree, iter(held))))]

    def does(consts: Any, held: Any) -> Any:
        after: list[Any] = []
        made = closures.with_arrays(body_fun(unflatten(tree, iter(held))))
        closures.check_same(
            "while_loop",
            "value",
            (tree, [x.value for x in carry]),
            (flatten(made, array, after), [x.value for x in after]),
            ("at first", "after a step"),
        )
        return after

    return unflatten(tree, iter(while_arrays(asks, does, [], carry, max_steps)))


def as_condition(who: str, made: Any) -> array:
    """Return what a function gave as a scalar condition."""
    made = closures.with_arrays(made)
    if not isinstance(made, array):
        raise DTypeError(f"{who} must return a scalar array, got {type(made).__name__}")
    if made.shape:
        raise ShapeError(f"{who} must return a scalar, got {made.value}")
    return made


def fori_loop(
    lower: int | array, upper: int | array, body_fun: Callable[[Any, Any], Any], init_val: Any
) -> Any:
    """Apply ``body_fun(i, val)`` for ``i`` from ``lower`` to ``upper - 1``.

    As if written::

        val = init_val
        for i in range(lower, upper):
            val = body_fun(i, val)
        return val

    but ``body_fun`` is traced once. With ints as bounds it is a ``scan`` and has all derivatives;
    with arrays as bounds it is a ``while_loop``.

    Args:
      lower, upper: Ints, or integer scalar arrays.
      body_fun: Takes the index, an int32 scalar array, and the value, a tree of arrays; returns a
        value of the same structure, shapes and dtypes.
      init_val: The first value; numbers in it become arrays.
    Returns:
      The last value.
    Raises:
      TypeError: A bound is neither int nor array.
      ValueError: The value changes its structure, shapes or dtypes; a bound is no scalar integer.
    Example:
      >>> import monel.core as mx
      >>> mx.fori_loop(1, 5, lambda i, x: x * i, mx.array(1))
      array(24, dtype=int32)
    Source: ``jax.lax.fori_loop``.
    """
    check_callable("fori_loop", body_fun)
    bounds = [_bound(what, b) for what, b in (("lower", lower), ("upper", upper))]
    if isinstance(bounds[0], int) and isinstance(bounds[1], int):
        count = max(0, bounds[1] - bounds[0])
        first = bounds[0]
        steps = call("iota", shape=(count,), dtype=int32, axis=0)

        def step(val: Any, k: Any) -> Any:
            return body_fun(k + first if first else k, val), None

        return scan(step, init_val, steps)[0]
    low, high = (b if isinstance(b, array) else closures.with_arrays(b) for b in bounds)
    start = (low.astype(int32), closures.with_arrays(init_val))
    return while_loop(
        lambda state: state[0] < high,
        lambda state: (state[0] + 1, body_fun(*state)),
        start,
    )[1]


def _bound(what: str, bound: Any) -> Any:
    if isinstance(bound, array):
        if bound.shape or not bound.dtype.integral:
            raise DTypeError(f"fori_loop: {what} must be an integer scalar, got {bound.value}")
        return bound
    if isinstance(bound, bool) or not hasattr(bound, "__index__"):
        raise TypeError(f"fori_loop: {what} must be an int or array, got {type(bound).__name__}")
    return bound.__index__()
