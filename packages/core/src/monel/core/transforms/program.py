"""make_program: the Program of a function, to look at, to keep and to call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base import program as programs
from ..base.errors import DTypeError, ShapeError
from ..base.program import Program
from ..base.tree import flatten
from ..graph.capture import inline
from ..graph.handle import array
from .tracing import call_swapped, check_callable, traced_program

__all__ = ["make_program"]


def make_program(fun: Callable[..., Any], shapeless: bool = False) -> Callable[..., Program]:
    """Return a function that gives the Program of ``fun`` for its arguments, without running it.

    The Program's inputs are the arrays in the arguments, in order, those of keyword arguments
    last; its outputs are the arrays in the result. What ``fun`` captures becomes constants.

    Args:
      fun: A function of trees of arrays and constants.
      shapeless: Record what shapes follow from, so that the Program can be replayed at others.
    Returns:
      A function of the arguments of ``fun`` that returns a ``Program``: it prints, compares and
      serialises, and called with arrays it returns a tuple of arrays.
    Raises:
      TypeError: ``fun`` is not callable.
      ValueError: ``fun`` asks for the value of an argument.
    Example:
      >>> import monel.core as mx
      >>> program = mx.make_program(lambda x, y: mx.exp(x) * y)(mx.ones((2, 3)), mx.ones(3))
      >>> program
      program(a: float32[2,3], b: float32[3]) {
        c: float32[2,3] = Exp a
        d: float32[2,3] = Multiply c b
        return d
      }
      >>> program(mx.zeros((2, 3)), mx.array([1.0, 2.0, 3.0]))[0]
      array([[1, 2, 3],
             [1, 2, 3]], dtype=float32)
    """
    check_callable("make_program", fun)

    def traced(*args: Any, **kwargs: Any) -> Program:
        def run(replace: Callable[[array], array]) -> list[array]:
            made: list[Any] = []
            flatten(call_swapped(fun, args, kwargs, replace), array, made)
            return made

        return traced_program("make_program", run, shapeless)

    return traced


def call_program(program: Program, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Record ``program`` on ``arrays``: what calling a Program does."""
    avals = program.in_avals
    if len(arrays) != len(avals):
        raise ShapeError(f"Program: expected {len(avals)} arrays, got {len(arrays)}")
    for place, (given, aval) in enumerate(zip(arrays, avals, strict=True)):
        if not isinstance(given, array):
            raise DTypeError(
                f"Program: input {place} must be an array, got {type(given).__name__}; "
                f"convert it with mx.array"
            )
        if given.value.aval != aval:
            raise ShapeError(
                f"Program: input {place} must be {aval}, got {given.value}; make a Program for "
                f"these arguments with mx.make_program"
            )
    return tuple(inline(program, arrays))


programs.install(call=call_program)
