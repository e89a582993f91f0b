"""Reverse mode: vjp, grad, value_and_grad. The walk itself is ``primitives.derive.backward``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..base.errors import ShapeError
from ..base.tree import tree_map
from ..graph.handle import array, wrap
from ..primitives.convert import cast
from ..primitives.create import scalar_constant
from ..primitives.derive import backward, tracer, zeros_like
from .tracing import (
    array_list,
    call_with_tracers,
    check_callable,
    only_arrays,
    open_trace,
    output_list,
)

__all__ = ["grad", "value_and_grad", "vjp"]


def vjp(
    fun: Callable[..., Any], primals: list[array], cotangents: list[array]
) -> tuple[list[array], list[array]]:
    """Return the outputs of ``fun`` and the products of ``cotangents`` with its Jacobian.

    Args:
      fun: Takes ``len(primals)`` arrays, returns an array or a list or tuple of arrays.
      primals: Where to differentiate.
      cotangents: One for each output, of its shape.
    Returns:
      The outputs, and for each primal an array of its shape and dtype.
    Raises:
      ValueError: Numbers or shapes of outputs and cotangents differ.
    Example:
      >>> import monel.core as mx
      >>> mx.vjp(mx.sin, [mx.array(0.0)], [mx.array(2.0)])
      ([array(0, dtype=float32)], [array(2, dtype=float32)])
    """
    check_callable("vjp", fun)
    primals = array_list("vjp", "primals", primals)
    cotangents = array_list("vjp", "cotangents", cotangents)
    with open_trace("vjp", concrete=True) as trace:
        tracers = [tracer(p.value, trace) for p in primals]
        outputs = output_list("vjp", fun(*[wrap(v) for v in tracers]))
        _check_cotangents(outputs, cotangents)
        found = backward([o.value for o in outputs], cotangents, tracers)
    return outputs, [_gradient(g, p) for g, p in zip(found, primals, strict=True)]


def _check_cotangents(outputs: list[array], cotangents: list[array]) -> None:
    if len(outputs) != len(cotangents):
        raise ShapeError(
            f"vjp: the number of outputs ({len(outputs)}) does not match the number of "
            f"cotangents ({len(cotangents)})"
        )
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output.shape != cotangent.shape:
            raise ShapeError(
                f"vjp: Output shape {output.shape} does not match cotangent shape {cotangent.shape}"
            )


def _gradient(found: Any, primal: array) -> array:
    """Return a cotangent in the dtype of its primal; zeros where nothing flowed."""
    if found is None:
        return zeros_like(primal)
    return cast(found, primal.dtype)


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] = (),
) -> Callable[..., Any]:
    """Return a function that computes the gradient of ``fun``, which returns a scalar array.

    Args:
      fun: The function to differentiate; arguments may be trees of arrays.
      argnums: Positions of the arguments to differentiate by; the first by default.
      argnames: Names of keyword arguments to differentiate by.
    Returns:
      A function with the arguments of ``fun``. It returns the gradient by one argument, a tuple
      for several; with ``argnames`` a pair of those and a dict of gradients by name.
    Raises:
      ValueError: ``fun`` does not return a scalar array, or an argument holds no arrays.
    Example:
      >>> import monel.core as mx
      >>> mx.grad(mx.grad(mx.sin))(mx.array(mx.pi / 2))
      array(-1, dtype=float32)
    """
    chosen = _Chosen("grad", fun, argnums, argnames)

    @named_after(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        def scalar_loss(result: Any) -> Any:
            if not isinstance(result, array):
                raise ShapeError(
                    "grad: The return value of the function whose gradient we want to compute "
                    f"should be a scalar array; but {type(result).__name__} was returned."
                )
            return result

        return _differentiate(chosen, scalar_loss, args, kwargs)[1]

    return gradient


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] = (),
) -> Callable[..., Any]:
    """Return a function that computes the value and the gradient of ``fun``.

    ``fun`` returns a scalar array, or a tuple whose first item is one; the gradient is of that
    item, and the rest is passed on.

    Args:
      fun: The function to differentiate.
      argnums: Numbers of the arguments to differentiate by; the first by default.
      argnames: Names of keyword arguments to differentiate by.
    Returns:
      A function of the same arguments that returns ``(value, gradient)``.
    Raises:
      ValueError: An argument that is differentiated is missing or holds what is no array, or
        ``fun`` does not return a scalar array first.
    Example:
      >>> import monel.core as mx
      >>> mx.value_and_grad(lambda x: x * x)(mx.array(3.0))
      (array(9, dtype=float32), array(6, dtype=float32))
    """
    chosen = _Chosen("value_and_grad", fun, argnums, argnames)

    @named_after(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        def first_output(result: Any) -> Any:
            first = result[0] if isinstance(result, tuple) and result else result
            if not isinstance(first, array):
                raise ShapeError(
                    "value_and_grad: The return value of the function whose gradient we want to "
                    "compute should be either a scalar array or a tuple with the first value "
                    f"being a scalar array; but {type(result).__name__} was returned."
                )
            return first

        return _differentiate(chosen, first_output, args, kwargs)

    return value_and_gradient


def named_after(fun: Any) -> Callable[[Any], Any]:
    """Return a decorator that gives a function the name and docstring of ``fun``, if it has any."""
    return functools.wraps(fun, updated=()) if hasattr(fun, "__name__") else lambda g: g


class _Chosen:
    """Which arguments to differentiate by, checked once."""

    def __init__(self, function: str, fun: Any, argnums: Any, argnames: Any) -> None:
        check_callable(function, fun)
        self.function = function
        self.fun = fun
        self.names = _names(function, argnames)
        if argnums is None:
            argnums = () if self.names else 0
        self.single = isinstance(argnums, int) and not isinstance(argnums, bool)
        self.positions = [argnums] if self.single else _positions(function, argnums)
        if not self.positions and not self.names:
            raise ShapeError(f"{function}: argnums and argnames choose no argument")
        for n in self.positions:
            if n < 0:
                raise ShapeError(
                    f"{function}: Can't compute the gradient of negative argument index {n}"
                )
        both: tuple[list[Any], ...] = (self.positions, self.names)
        for chosen in both:
            for n in chosen:
                if chosen.count(n) > 1:
                    raise ShapeError(f"{function}: Duplicate argument {n!r} is not allowed")

    def check(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Raise unless the call has every argument that is differentiated."""
        for n in self.positions:
            if n >= len(args):
                raise ShapeError(
                    f"{self.function}: Can't compute the gradient of argument index {n} because "
                    f"the function is called with only {len(args)} positional arguments."
                )
        for name in self.names:
            if name not in kwargs:
                raise ShapeError(
                    f"{self.function}: Can't compute the gradient of keyword argument {name!r} "
                    f"because the function is called with the keyword arguments {sorted(kwargs)}"
                )


def _positions(function: str, argnums: Any) -> list[int]:
    if not isinstance(argnums, list | tuple) or not all(type(n) is int for n in argnums):
        raise TypeError(
            f"{function}: argnums must be an int or a sequence of ints, got {argnums!r}"
        )
    return list(argnums)


def _names(function: str, argnames: Any) -> list[str]:
    names = argnames or ()
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise TypeError(f"{function}: argnames must be strings, got {argnames!r}")
    return list(names)


def _differentiate(chosen: _Chosen, loss_of: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    args, kwargs = list(args), dict(kwargs)
    chosen.check(args, kwargs)
    given: dict[Any, Any] = {}
    for n in chosen.positions:
        given[n] = (args[n], only_arrays(chosen.function, f"argument {n}", args[n]))
    for name in chosen.names:
        given[name] = (kwargs[name], only_arrays(chosen.function, f"argument {name}", kwargs[name]))
    if not any(leaves for _, leaves in given.values()):
        raise ShapeError(f"{chosen.function}: the chosen arguments hold no array")
    with open_trace(chosen.function, concrete=True) as trace:
        result, tracers = call_with_tracers(chosen.fun, args, kwargs, list(given), trace)
        loss = loss_of(result)
        if loss.shape:
            raise ShapeError(
                f"{chosen.function}: the function must return a scalar, but its Output shape "
                f"{loss.shape} does not match cotangent shape ()"
            )
        one = wrap(scalar_constant(chosen.function, 1, loss.dtype))
        found = iter(backward([loss.value], [one], tracers))
    grads = {
        place: tree_map(lambda leaf: _gradient(next(found), leaf), tree, array)
        for place, (tree, _) in given.items()
    }
    return result, _arrange(chosen, grads)


def _arrange(chosen: _Chosen, grads: dict[Any, Any]) -> Any:
    positional = [grads[n] for n in chosen.positions]
    first: Any = tuple(positional)
    if len(positional) <= 1:
        first = positional[0] if positional else None
    if chosen.names:
        return first, {name: grads[name] for name in chosen.names}
    return first
