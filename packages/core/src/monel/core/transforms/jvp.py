"""Forward mode: jvp. The walk itself is ``primitives.derive.forward``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.errors import ShapeError
from ..graph.capture import capture, inline
from ..graph.handle import array, wrap
from ..primitives.convert import cast
from ..primitives.derive import forward, placeholder, reachable, tracer, zeros_like
from .tracing import array_list, check_callable, open_trace, output_list

__all__ = ["jvp", "linearize"]


def jvp(
    fun: Callable[..., Any], primals: list[array], tangents: list[array]
) -> tuple[list[array], list[array]]:
    """Return the outputs of ``fun`` and the products of its Jacobian with ``tangents``.

    Args:
      fun: Takes ``len(primals)`` arrays, returns an array or a list or tuple of arrays.
      primals: Where to differentiate.
      tangents: One for each primal, of its shape.
    Returns:
      The outputs, and for each an array of its shape and dtype.
    Raises:
      ValueError: Numbers or shapes of primals and tangents differ.
    Example:
      >>> import monel.core as mx
      >>> mx.jvp(mx.sin, [mx.array(0.0)], [mx.array(2.0)])
      ([array(0, dtype=float32)], [array(2, dtype=float32)])
    """
    check_callable("jvp", fun)
    primals = array_list("jvp", "primals", primals)
    tangents = _tangents("jvp", primals, tangents)
    with open_trace("jvp", concrete=True) as trace:
        tracers = [tracer(p.value, trace) for p in primals]
        outputs = output_list("jvp", fun(*[wrap(v) for v in tracers]))
        found = forward([o.value for o in outputs], tracers, tangents)
    return outputs, _of_outputs(found, outputs)


def _tangents(function: str, primals: list[array], tangents: Any) -> list[array]:
    """Return tangents given by the user in the dtypes of their primals."""
    tangents = array_list(function, "tangents", tangents)
    if len(primals) != len(tangents):
        raise ShapeError(
            f"{function}: the number of primals ({len(primals)}) does not match the number of "
            f"tangents ({len(tangents)})"
        )
    for p, t in zip(primals, tangents, strict=True):
        if p.shape != t.shape:
            raise ShapeError(
                f"{function}: the shape of a primal {p.shape} does not match its tangent's "
                f"{t.shape}"
            )
    return [cast(t, p.dtype) for t, p in zip(tangents, primals, strict=True)]


def _of_outputs(found: list[Any], outputs: list[array]) -> list[array]:
    """Return tangents in the dtypes of their outputs; zeros where nothing flowed."""
    return [
        zeros_like(o) if t is None else cast(t, o.dtype)
        for t, o in zip(found, outputs, strict=True)
    ]


def linearize(
    fun: Callable[..., Any], primals: list[array]
) -> tuple[list[array], Callable[[list[array]], list[array]]]:
    """Return the outputs of ``fun`` and the linear function that is its derivative there.

    The same as ``jvp`` with the tangents left open: ``fun`` is called once, and what the derivative
    needs of it is computed once, however often the linear function is called.

    Args:
      fun: Takes ``len(primals)`` arrays, returns an array or a list or tuple of arrays.
      primals: Where to differentiate.
    Returns:
      The outputs, and a function from a list of tangents, one for each primal, to the list of
      tangents of the outputs.
    Raises:
      ValueError: Numbers or shapes of primals and tangents differ.
    Example:
      >>> import monel.core as mx
      >>> outputs, push = mx.linearize(mx.sin, [mx.array(0.0)])
      >>> push([mx.array(2.0)]), push([mx.array(3.0)])
      ([array(2, dtype=float32)], [array(3, dtype=float32)])
    Source: ``jax.linearize``.
    """
    check_callable("linearize", fun)
    primals = array_list("linearize", "primals", primals)
    with open_trace("linearize", concrete=True) as trace:
        tracers = [tracer(p.value, trace) for p in primals]
        outputs = output_list("linearize", fun(*[wrap(v) for v in tracers]))
        with open_trace("linearize") as inner:
            inputs = [placeholder(p.shape, p.dtype, inner, p.value.stream) for p in primals]
            pushed = forward([o.value for o in outputs], tracers, [wrap(v) for v in inputs])
            found = [t.value for t in _of_outputs(pushed, outputs)]
        # What does not depend on the tangents is computed once: it is given to the Program.
        steps = reachable(found, inputs)
        moving = {v.serial for v in (*inputs, *steps)}
        needed = [*found, *[o for v in steps for o in v.operands]]
        fixed = list({v.serial: v for v in needed if v.serial not in moving}.values())
        program = capture([*inputs, *fixed], found, inner.serial)

    def push(tangents: list[array]) -> list[array]:
        given = _tangents("linearize", primals, tangents)
        return inline(program, [*given, *[wrap(v) for v in fixed]])

    return outputs, push
