"""Programs in a chosen set of primitives, for formats that know only these."""

from __future__ import annotations

from typing import Any

from ..base.program import Program, ProgramError
from ..execute.kernels import decomposition
from ..passes.cse import merge_common
from ..passes.decompose import decompose


def reduced_to(program: Program, known: frozenset[str], target: str) -> Program:
    """Return ``program`` with every primitive outside ``known`` decomposed, and merged again.

    Raises:
      ProgramError: A primitive outside ``known`` that does not decompose.
    """

    def expansion(primitive: Any, avals: Any) -> Program | None:
        if primitive.name in known:
            return None
        body = getattr(primitive, "program", None)
        if isinstance(body, Program):
            return body
        if primitive.effect or primitive.decompose is None:
            raise ProgramError(f"{primitive.name} has no form in {target} and does not decompose")
        return decomposition(primitive, avals)

    return merge_common(decompose(program, expansion))
