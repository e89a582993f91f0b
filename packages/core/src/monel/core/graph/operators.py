"""Operators of array: the fast paths, and the one table that installs them.

A few attribute reads decide the common binary case: two arrays of one dtype and shape, or an array
and a Python scalar. Everything else goes through promotion and ``abstract``.
"""

from __future__ import annotations

from typing import Any

from ..base.dtypes import DTYPES
from ..base.errors import ShapeError
from . import value as graph
from .exporter import tracked, untrack
from .handle import array, wrap
from .primitive import record_values


def broadcast_shapes(function: str, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that ``a`` and ``b`` broadcast to (NumPy's rule)."""
    if len(a) < len(b):
        a, b = b, a
    shape = list(a)
    offset = len(a) - len(b)
    for i, n in enumerate(b):
        m = a[offset + i]
        if m != n:
            if m == 1:
                shape[offset + i] = n
            elif n != 1:
                raise ShapeError(
                    f"{function}: shapes {a} and {b} cannot be broadcast: "
                    f"axis {i - len(b)} has {m} and {n}"
                )
    return tuple(shape)


def binary(primitive: Any, function: str, kind: str, a: Any, b: Any, stream: Any = None) -> Any:
    """Record a binary elementwise primitive on two operands, of which one may be a scalar.

    ``kind`` says how dtypes meet: ``"same"`` (promote), ``"compare"`` (promote, bool result),
    ``"float"`` (promote to at least floating), ``"bool"`` (cast to bool), ``"checked"`` (promote;
    the primitive's ``abstract`` decides whether it takes the dtype).
    """
    if type(a) is array:
        handle = a
        va = handle.value
        if type(b) is array:
            handle = b
            vb = handle.value
        else:
            vb = operand_beside(function, b, va.dtype, stream)
    elif type(b) is array:
        handle = b
        vb = handle.value
        va = operand_beside(function, a, vb.dtype, stream)
    else:
        va = graph._slots.coerce(function, a, None)
        vb = operand_beside(function, b, va.dtype, stream)
    dtype = va.dtype
    if kind != "same" and (kind == "bool" or (kind == "float" and not dtype.inexact)):
        va, vb = graph._slots.promote(function, kind, va, vb, stream)
    elif dtype is not vb.dtype:
        va, vb = graph._slots.promote(function, kind, va, vb, stream)
    if stream is not None or (kind != "same" and kind != "float"):
        return wrap(record_values(primitive, (va, vb), stream))
    dtype = va.dtype
    shape = va.shape
    size = va.size
    other = vb.shape
    if shape is not other and shape != other and other:
        if shape:
            shape = broadcast_shapes(function, shape, other)
            size = 1
            for n in shape:
                size *= n
        else:
            shape = other
            size = vb.size
    stream = graph._slots.stream
    if stream is None:
        stream = graph._slots.current_stream()
    operands = (va, vb)
    trace = None
    if va.trace is not None or vb.trace is not None:
        trace = graph.outermost(operands)
    value = graph.record(primitive, operands, shape, dtype, size, stream, trace)
    if trace is None and not tracked(va) and not tracked(vb):
        # What is made of such Values by a plain primitive is in no cycle either.
        untrack(value)
    if graph._slots.listeners is not None:
        graph._slots.listeners(value)
    # ``wrap`` spelled out: a call less on the hottest path.
    result = array.__new__(array)
    result.value = value
    return result


# Scalars beside arrays are few and recur: one Value each, by dtype and number, bounded. Zeros are
# left out, since 0.0 and -0.0 are equal.
_floats: list[dict[float, Any]] = [{} for _ in DTYPES]
_ints: list[dict[int, Any]] = [{} for _ in DTYPES]
_LARGEST_TABLE = 4096


def operand_beside(function: str, other: Any, dtype: Any, stream: Any) -> Any:
    """Return the Value of what stands beside an array of ``dtype``: a scalar is weakly typed."""
    kind = type(other)
    if kind is float or kind is int:
        table = _floats[dtype.code] if kind is float else _ints[dtype.code]
        value = table.get(other)
        if value is not None and value.state is None:
            return value
        value = graph._slots.scalar(function, other, dtype)
        if other:
            if len(table) >= _LARGEST_TABLE:
                table.clear()
            table[other] = value
        return value
    if kind is bool or kind is complex:
        return graph._slots.scalar(function, other, dtype)
    return graph._slots.coerce(function, other, dtype)


def is_literal(value: Any) -> bool:
    """Return whether ``value`` is a scalar that stood beside an array, and may do so again."""
    code = value.dtype.code
    tables: tuple[Any, ...] = (_floats[code], _ints[code])
    return any(known is value for table in tables for known in table.values())


def _forward(primitive: Any, function: str, kind: str) -> Any:
    def operator(a: Any, b: Any) -> Any:
        return binary(primitive, function, kind, a, b)

    return operator


def _reflected(primitive: Any, function: str, kind: str) -> Any:
    def operator(a: Any, b: Any) -> Any:
        return binary(primitive, function, kind, b, a)

    return operator


def _in_place(primitive: Any, function: str, kind: str) -> Any:
    def operator(a: Any, b: Any) -> Any:
        result = binary(primitive, function, kind, a, b)
        if kind == "float":
            result = graph._slots.keep_dtype(function, a, result)
        a.value = result.value
        return a

    return operator


def install_operators(rows: Any) -> None:
    """Install operators onto array from rows of (symbol, primitive, function, kind, in_place).

    ``symbol`` is the stem of the special methods: ``"add"`` gives ``__add__``, ``__radd__`` and,
    where ``in_place`` is true, ``__iadd__``.
    """
    for symbol, primitive, function, kind, in_place in rows:
        setattr(array, f"__{symbol}__", _forward(primitive, function, kind))
        if kind != "compare":
            setattr(array, f"__r{symbol}__", _reflected(primitive, function, kind))
        if in_place:
            setattr(array, f"__i{symbol}__", _in_place(primitive, function, kind))
