"""Computing on the host by the NumPy definition of a primitive."""

from __future__ import annotations

from typing import Any


def run_reference(ctx: Any, p: Any, *operands: Any) -> Any:
    """Compute ``p`` by its NumPy definition."""
    out = p.reference(*operands)
    if p.outputs == 1 and not isinstance(out, tuple):
        return _own(out, p.view)
    return tuple([_own(o, p.view) for o in out])


def _own(out: Any, view: bool) -> Any:
    """Return an array that may be written to; a view stays one, whatever NumPy says of it."""
    import numpy as np

    found = np.asarray(out)
    return found if view or found.flags.writeable else found.copy()
