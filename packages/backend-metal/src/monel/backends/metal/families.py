"""Which kernel stands behind which primitive and dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from monel.core.plugin import Fusion

from . import elementwise, indexing, matmul, reduce, rows, sort, views

if TYPE_CHECKING:
    from monel.core.plugin import Dtype

__all__ = ["FUSION", "find"]

Kernel = Callable[..., Any]

FUSION = Fusion(operations=frozenset({*elementwise.OPERATIONS, "cast"}), max_operands=8)

# Of any dtype that the device has.
_PLAIN: dict[str, Kernel] = {
    **views.VIEWS,
    "bitcast": views.bitcast,
    "full": elementwise.full,
    "iota": elementwise.iota,
    "fused": elementwise.fused,
    "pad": indexing.pad,
    "concatenate": indexing.concatenate,
    "gather": indexing.gather,
    "scatter": indexing.scatter,
    "slice_update": indexing.slice_update,
    "argsort": sort.argsort,
    "argmax": reduce.argreduce(True),
    "argmin": reduce.argreduce(False),
    "matmul": matmul.matmul,
    "random_bits": rows.random_bits,
    **{name: reduce.reduction(name) for name in reduce.REDUCTIONS},
    **{name: rows.scan(name) for name in rows.SCANS},
}
# Of floating dtypes.
_FLOATING: dict[str, Kernel] = {
    "softmax": rows.softmax,
    "logsumexp": rows.logsumexp,
    "rms_norm": rows.norm("rms_norm"),
    "layer_norm": rows.norm("layer_norm"),
    "rope": rows.rope,
}


def find(name: str, dtypes: tuple[Dtype, ...]) -> Kernel | None:
    """Return the kernel of a primitive for operands of ``dtypes``, or None."""
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _FLOATING and dtypes[0].floating:
        return _FLOATING[name]
    if elementwise.takes(name, dtypes):
        kernel: Kernel = elementwise.single(name)
        return kernel
    return None
