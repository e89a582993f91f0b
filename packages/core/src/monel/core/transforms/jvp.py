"""Forward mode: jvp. The walk itself is ``primitives.derive.forward``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.errors import ShapeError
from ..graph.handle import array, wrap
from ..primitives.convert import cast
from ..primitives.derive import forward, tracer, zeros_like
from .tracing import array_list, check_callable, open_trace, output_list

__all__ = ["jvp"]


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
    tangents = array_list("jvp", "tangents", tangents)
    if len(primals) != len(tangents):
        raise ShapeError(
            f"jvp: the number of primals ({len(primals)}) does not match the number of tangents "
            f"({len(tangents)})"
        )
    for p, t in zip(primals, tangents, strict=True):
        if p.shape != t.shape:
            raise ShapeError(
                f"jvp: the shape of a primal {p.shape} does not match its tangent's {t.shape}"
            )
    with open_trace("jvp", concrete=True) as trace:
        tracers = [tracer(p.value, trace) for p in primals]
        outputs = output_list("jvp", fun(*[wrap(v) for v in tracers]))
        pushed = [cast(t, p.dtype) for t, p in zip(tangents, primals, strict=True)]
        found = forward([o.value for o in outputs], tracers, pushed)
    return outputs, [
        zeros_like(o) if t is None else cast(t, o.dtype)
        for t, o in zip(found, outputs, strict=True)
    ]
