"""Computing on the host by the NumPy definition of a primitive."""

from __future__ import annotations

from typing import Any


def run_reference(ctx: Any, p: Any, *operands: Any) -> Any:
    """Compute ``p`` by its NumPy definition."""
    out = p.reference(*operands)
    if p.outputs == 1 and not isinstance(out, tuple):
        return _own(out, p.view, operands)
    return tuple([_own(o, p.view, operands) for o in out])


def _own(out: Any, view: bool, operands: Any) -> Any:
    """Return an array of its own memory, writable; a view stays one, whatever NumPy says of it."""
    import numpy as np

    found = np.asarray(out)
    if view:
        return found
    shared = found.base is not None and any(np.may_share_memory(found, x) for x in operands)
    return found.copy() if shared or not found.flags.writeable else found
