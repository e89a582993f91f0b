"""Operands of elementwise functions: the dtype in which they meet, and which dtypes are taken."""

from __future__ import annotations

from typing import Any

from ..base.dtypes import bool_, float32, promote, scalar_dtype, weak_dtype
from ..base.errors import DTypeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from .convert import cast

_SCALARS = (bool, int, float, complex)


def to_array(function: str, a: Any) -> Any:
    """Return ``a``, an array or a Python scalar, as an array; errors name ``function``."""
    return a if type(a) is array else wrap(graph.slots.coerce(function, a, None))


def as_floating(x: Any, stream: Any = None) -> Any:
    """Return ``x`` itself where it is floating or complex, else as float32."""
    return x if x.dtype.inexact else cast(x, float32, stream)


def as_bool(x: Any, stream: Any = None) -> Any:
    """Return whether each element is not zero."""
    return cast(x, bool_, stream)


def meeting(function: str, *operands: Any, stream: Any = None) -> list[Any]:
    """Return ``operands`` as arrays of one dtype; Python scalars among them are weakly typed."""
    values: list[Any] = [None] * len(operands)
    dtype = None
    for i, x in enumerate(operands):
        if not isinstance(x, _SCALARS):
            values[i] = x.value if type(x) is array else graph.slots.coerce(function, x, None)
            dtype = values[i].dtype if dtype is None else promote(dtype, values[i].dtype)
    for x in operands:
        if isinstance(x, _SCALARS):
            dtype = scalar_dtype(x) if dtype is None else weak_dtype(x, dtype)
    for i, x in enumerate(operands):
        if values[i] is None:
            values[i] = graph.slots.coerce(function, x, dtype)
    assert dtype is not None
    return [cast(wrap(v), dtype, stream) for v in values]


def check_real(function: str, *operands: Any) -> None:
    """Raise ``DTypeError`` for complex operands."""
    for x in operands:
        if x.dtype.name == "complex64":
            raise DTypeError(f"{function}: not supported for complex64, got {x.value}")


def check_bits(function: str, *operands: Any) -> None:
    """Raise ``DTypeError`` unless all operands are integers or bool."""
    for x in operands:
        if x.dtype.inexact:
            raise DTypeError(f"{function}: expected integers or bool, got {x.value}")
