"""The kinds of primitives from which most rules follow: elementwise, and views.

An elementwise primitive gives ``partial``; a linear one gives ``transpose`` (see ``derive``).
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..base.avals import AbstractArray
from ..base.dtypes import float32
from ..base.errors import DTypeError
from ..graph import value as graph
from ..graph.handle import array, wrap
from ..graph.operators import broadcast_shapes
from ..graph.primitive import Primitive, call, record_values


class Elementwise(Primitive):
    """Element i of the output depends only on element i of the operands, which broadcast.

    A subclass gives ``partial(i, ct, out, operands)``: ``ct`` times the derivative by operand i,
    or None where that is zero. jvp, vjp and batching follow. ``public`` is the function's name in
    errors where it is not the primitive's.
    """

    elementwise: ClassVar[bool] = True
    partial: ClassVar[Any] = None
    result: ClassVar[Any] = None
    takes: ClassVar[str] = "number"
    public: ClassVar[str] = ""

    @property
    def function(self) -> str:
        """The name under which users call it."""
        return self.public or self.name

    def abstract(self, *operands: Any) -> Any:
        first = operands[0]
        shape_ = first.shape
        for other in operands[1:]:
            if other.dtype is not first.dtype:
                raise DTypeError(
                    f"{self.function}: operands must have one dtype, got {first} and {other}"
                )
            if other.shape != shape_:
                shape_ = broadcast_shapes(self.function, shape_, other.shape)
        self.check_dtype(first)
        if self.result is None and shape_ == first.shape:
            return first if isinstance(first, AbstractArray) else first.aval
        return AbstractArray(shape_, self.result or first.dtype)

    def check_dtype(self, operand: Any) -> None:
        """Raise ``DTypeError`` unless ``takes`` admits the dtype of ``operand``."""
        dtype = operand.dtype
        if self.takes == "inexact" and not dtype.inexact:
            raise DTypeError(
                f"{self.function}: expected a floating or complex dtype, got {operand}"
            )
        if self.takes == "real" and dtype.name == "complex64":
            raise DTypeError(f"{self.function}: complex64 is not ordered, got {operand}")
        if self.takes == "bits" and dtype.inexact:
            raise DTypeError(f"{self.function}: expected integers or bool, got {operand}")

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        (out,) = outputs
        total = None
        for i, tangent in enumerate(tangents):
            if tangent is None:
                continue
            term = self.partial(i, tangent, out, primals)
            if term is not None:
                total = term if total is None else call("add", total, term)
        if total is not None and total.shape != out.shape:
            total = broadcast_like(total, out)
        return (total,)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        (ct,), (out,) = cotangents, outputs
        conjugate = out.dtype.name == "complex64"
        if conjugate:
            ct = call("conj", ct)
        found: list[Any] = [None] * len(primals)
        for i in wanted:
            term = self.partial(i, ct, out, primals)
            if term is None:
                continue
            found[i] = unbroadcast(call("conj", term) if conjugate else term, primals[i])
        return tuple(found)

    def batch(self, operands: Any, dims: Any) -> Any:
        arrays, d = align(operands, dims)
        return self.bind(*arrays), d


def align(operands: Any, dims: Any) -> tuple[list[Any], int]:
    """Give batched operands one batch axis at one place, so that they broadcast element by element.

    Where all batched operands have the same rank and axis, and the others are scalars, nothing
    moves. Else the batch axis comes first and ranks are filled with axes of length 1 behind it.
    """
    batched = {(x.ndim, d) for x, d in zip(operands, dims, strict=True) if d is not None}
    others = [x.ndim for x, d in zip(operands, dims, strict=True) if d is None]
    if len(batched) == 1:
        ((ndim, d),) = batched
        if all(n < ndim - d for n in others):
            return list(operands), d
    return batch_first(operands, dims), 0


def batch_first(operands: Any, dims: Any) -> list[Any]:
    """Move the batch axes first and fill ranks behind them, so that the operands broadcast."""
    rank = max(x.ndim - (d is not None) for x, d in zip(operands, dims, strict=True))
    moved = []
    for x, d in zip(operands, dims, strict=True):
        if d is not None:
            x = move_axis(x, d, 0)
            missing = rank - (x.ndim - 1)
            if missing:
                x = call("expand_dims", x, axes=tuple(range(1, 1 + missing)))
        moved.append(x)
    return moved


def unbroadcast(ct: Any, like: Any) -> Any:
    """Sum ``ct`` over the axes along which ``like`` was broadcast to its shape.

    No dimension is copied into a parameter: which axes are summed depends only on the pattern of
    ones, which is part of every compiled function's key.
    """
    if ct.shape == like.shape:
        return ct
    lead = ct.ndim - like.ndim
    ones = [lead + i for i, n in enumerate(like.shape) if n == 1 and ct.shape[lead + i] != 1]
    summed = call("sum", ct, axes=tuple(range(lead)) + tuple(ones))
    return call("expand_dims", summed, axes=tuple(i - lead for i in ones)) if ones else summed


def move_axis(x: Any, source: int, destination: int) -> Any:
    """Move one axis; returns ``x`` itself where nothing moves."""
    if source == destination:
        return x
    order = [i for i in range(x.ndim) if i != source]
    order.insert(destination, source)
    return call("transpose", x, axes=tuple(order))


def broadcast_like(x: Any, like: Any) -> Any:
    """Broadcast ``x`` to the shape of ``like``, which stays open inside a shapeless trace."""
    if x.shape == like.shape:
        return x
    trace = like.value.trace
    if trace is not None and trace.open and trace.shapeless:
        return call("broadcast_like", x, like)
    return call("broadcast", x, shape=like.shape)


def repeated(x: Any, size: int, like: Any, axis: int) -> Any:
    """Return ``x`` repeated ``size`` times along a new first axis, which is ``axis`` of ``like``.

    Inside a shapeless trace the length stays open: a vector of zeros made from ``like`` lends it.
    """
    x = call("expand_dims", x, axes=(0,))
    trace = like.value.trace
    if trace is None or not trace.open or not trace.shapeless:
        return call("broadcast", x, shape=(size, *x.shape[1:]))
    others = tuple([a for a in range(like.ndim) if a != axis])
    column = call("any", like, axes=others)
    if x.ndim > 1:
        column = call("expand_dims", column, axes=tuple(range(1, x.ndim)))
    return call("where", column, x, x)


class View(Primitive):
    """One operand, linear, and the result may share its storage."""

    view: ClassVar[bool] = True
    linear: ClassVar[str | None] = "joint"


class LocallyConstant(Primitive):
    """The derivative is zero wherever it exists, by every operand."""

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return (None,) * len(outputs)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return (None,) * len(primals)


def scalar_like(number: Any, like: Any) -> Any:
    """Return the scalar array ``number`` of exactly the dtype of ``like``."""
    value = graph.slots.scalar("scalar", number, like.dtype)
    made = wrap(value)
    return made if value.dtype is like.dtype else call("cast", made, dtype=like.dtype)


def unary(primitive: Any, function: str, a: Any, stream: Any = None, floating: bool = False) -> Any:
    """Record a unary elementwise primitive; ``floating`` casts integers and bool to float32."""
    value = a.value if type(a) is array else graph.slots.coerce(function, a, None)
    if floating and not value.dtype.inexact:
        value = call("cast", wrap(value), dtype=float32).value
    return wrap(record_values(primitive, (value,), stream))
