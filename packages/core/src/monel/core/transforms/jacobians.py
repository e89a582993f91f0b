"""Whole matrices of derivatives: jacfwd, jacrev, hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..base.errors import DTypeError, ShapeError
from ..base.tree import flatten, unflatten
from ..graph.handle import array
from ..ops.creation import zeros_like
from ..ops.ranges import eye
from .closures import with_arrays
from .jvp import jvp
from .tracing import check_callable, only_arrays
from .vjp import named_after, vjp
from .vmap import vmap

__all__ = ["hessian", "jacfwd", "jacrev"]


def jacfwd(fun: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of ``fun``, column by column, all at once.

    It pushes each direction of the argument forward, so it suits functions with fewer inputs than
    outputs; ``jacrev`` suits the others.

    Args:
      fun: A function of trees of arrays that returns a tree of arrays.
      argnums: Number of the argument to differentiate by, or a sequence of these.
    Returns:
      A function of the same arguments. For an output of shape ``s`` and an argument of shape ``t``
      it returns an array of shape ``s + t``; for trees, the tree of the output with such arrays in
      trees of the argument at its leaves; for a sequence of numbers, a tuple at each leaf.
    Raises:
      TypeError: ``argnums`` is neither an int nor a sequence of ints.
      ValueError: An argument is missing, or is not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.jacfwd(lambda x: x * x)(mx.array([1.0, 2.0]))
      array([[2, 0],
             [0, 4]], dtype=float32)
    """
    return _jacobian("jacfwd", fun, argnums, _columns)


def jacrev(fun: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of ``fun``, row by row, all at once.

    It pulls each direction of the output back, so it suits functions with fewer outputs than
    inputs; ``jacfwd`` suits the others.

    Args:
      fun: A function of trees of arrays that returns a tree of arrays.
      argnums: Number of the argument to differentiate by, or a sequence of these.
    Returns:
      A function of the same arguments; what it returns is described at ``jacfwd``.
    Raises:
      TypeError: ``argnums`` is neither an int nor a sequence of ints.
      ValueError: An argument is missing, or argument or output are not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.jacrev(lambda x: x[::-1] * x[0])(mx.array([3.0, 2.0]))
      array([[2, 3],
             [6, 0]], dtype=float32)
    """
    return _jacobian("jacrev", fun, argnums, _rows)


def hessian(fun: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that computes the second derivatives of ``fun``.

    The Jacobian, in forward mode, of the Jacobian, in reverse mode.

    Args:
      fun: A function of trees of arrays that returns a tree of arrays, mostly a scalar.
      argnums: Number of the argument to differentiate by, or a sequence of these.
    Returns:
      A function of the same arguments. For an output of shape ``s`` and an argument of shape ``t``
      it returns an array of shape ``s + t + t``; trees nest as in ``jacfwd``.
    Raises:
      TypeError: ``argnums`` is neither an int nor a sequence of ints.
      ValueError: An argument is missing, or argument or output are not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.hessian(lambda x: x[0] ** 2 * x[1])(mx.array([1.0, 2.0]))
      array([[4, 2],
             [2, 0]], dtype=float32)
    """
    check_callable("hessian", fun)
    _positions("hessian", argnums)
    return jacfwd(jacrev(fun, argnums), argnums)


def _positions(function: str, argnums: Any) -> list[int]:
    found = [argnums] if isinstance(argnums, int) else argnums
    if not isinstance(found, list | tuple) or not all(type(n) is int for n in found):
        raise TypeError(
            f"{function}: argnums must be an int or a sequence of ints, got {argnums!r}"
        )
    if not found:
        raise ShapeError(f"{function}: argnums chooses no argument")
    return list(found)


def _jacobian(function: str, fun: Any, argnums: Any, whole: Any) -> Callable[..., Any]:
    check_callable(function, fun)
    positions = _positions(function, argnums)

    @named_after(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        for n in positions:
            if not -len(args) <= n < len(args):
                raise ShapeError(
                    f"{function}: argnums names argument {n}, but the function is called with "
                    f"{len(args)} positional arguments"
                )
        chosen: Any = tuple([args[n] for n in positions])
        if isinstance(argnums, int):
            (chosen,) = chosen
        leaves = only_arrays(function, "the argument", chosen)
        _check_floating(function, "argument", leaves)
        tree = flatten(chosen, array, [])
        structures: list[Any] = []

        def of_leaves(*given: Any) -> list[array]:
            parts = unflatten(tree, iter(given))
            replaced = list(args)
            parts = [parts] if isinstance(argnums, int) else parts
            for n, part in zip(positions, parts, strict=True):
                replaced[n] = part
            made: list[Any] = []
            structures.append(flatten(with_arrays(fun(*replaced, **kwargs)), array, made))
            _check_floating(function, "output", made)
            return made

        blocks = whole(of_leaves, leaves)
        rows = [unflatten(tree, iter(row)) for row in blocks]
        return unflatten(structures[0], iter(rows))

    return jacobian


def _check_floating(function: str, what: str, arrays: list[array]) -> None:
    for x in arrays:
        if not x.dtype.floating:
            raise DTypeError(
                f"{function}: expected a floating {what}, got {x.value}; "
                f"of complex numbers take the real and the imaginary part"
            )


def _basis(x: array) -> array:
    """Return the unit directions of the space of ``x``, stacked."""
    return eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def _columns(fun: Any, leaves: list[array]) -> list[list[array]]:
    """Return a block for each output and leaf, by pushing forward."""
    columns = []
    for i, leaf in enumerate(leaves):

        def push(t: array, i: int = i) -> Any:
            tangents = [t if k == i else zeros_like(x) for k, x in enumerate(leaves)]
            return jvp(fun, leaves, tangents)[1]

        made = vmap(push, out_axes=-1)(_basis(leaf))
        columns.append([m.reshape(*m.shape[:-1], *leaf.shape) for m in made])
    return [list(row) for row in zip(*columns, strict=True)]


def _rows(fun: Any, leaves: list[array]) -> list[list[array]]:
    """Return a block for each output and leaf, by pulling back."""
    outputs = fun(*leaves)
    rows = []
    for i, output in enumerate(outputs):

        def pull(ct: array, i: int = i) -> Any:
            return vjp(lambda *xs: fun(*xs)[i], leaves, [ct])[1]

        made = vmap(pull)(_basis(output))
        rows.append([m.reshape(*output.shape, *m.shape[1:]) for m in made])
    return rows
