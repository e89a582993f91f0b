"""Common subexpressions: the same pure primitive of the same operands is computed once."""

from __future__ import annotations

from typing import Any

from ..base.program import Program
from .rewrite import Rewriter

# depends exists to order work and to be computed apart from its twin.
_APART = {"depends"}


def merge_common(program: Program) -> Program:
    """Return ``program`` with equal equations merged."""
    rewriter = Rewriter(program)
    seen: dict[Any, tuple[int, ...]] = {}
    for equation in program.equations:
        primitive, operands, outputs = equation
        named = tuple([rewriter.env[v] for v in operands])
        key = (type(primitive), key_of(primitive), named)
        known = None if primitive.effect or primitive.name in _APART else seen.get(key)
        if known is not None:
            rewriter.env.update(zip(outputs, known, strict=True))
            continue
        rewriter.copy(equation)
        seen[key] = tuple([rewriter.env[v] for v in outputs])
    return rewriter.finish()


def key_of(primitive: Any) -> Any:
    """Parameters by value and type; by identity where they can't be hashed."""
    try:
        parameters = tuple(primitive.parameters.values())
        hash(parameters)
    except TypeError:
        return id(primitive)
    return tuple([(type(p), p) for p in parameters])
