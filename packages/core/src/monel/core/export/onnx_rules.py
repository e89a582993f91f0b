"""What each primitive is in ONNX: the required ones, and others that it has itself.

A rule is called as ``rule(builder, primitive, operands, aval)`` and returns the result, or a list
for several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, bool_, dtype_named, int32, int64, uint8
from .onnx import Builder, Tensor

Rule = Callable[[Builder, Any, list[Tensor], AbstractArray], Any]

RULES: dict[str, Rule] = {}

# The set of operators in which BitCast is new; models without one ask for less.
_BITCAST_SINCE = 26

# Past any axis: the way to say "down to the first element" to Slice.
_BEFORE_FIRST = -(2**63)


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Return a decorator that enters a rule for the primitives ``names``."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return enter


# -- elementwise ------------------------------------------------------------------------------

_UNARY = {
    "neg": "Neg",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "erf": "Erf",
}
_ROUNDING = {"floor": "Floor", "ceil": "Ceil", "round": "Round"}
_ARITHMETIC = {
    "add": ("Add", "Or"),
    "sub": ("Sub", "Xor"),
    "mul": ("Mul", "And"),
    "div": ("Div", None),
    "pow": ("Pow", None),
    "maximum": ("Max", "Or"),
    "minimum": ("Min", "And"),
    "bitwise_and": ("BitwiseAnd", "And"),
    "bitwise_or": ("BitwiseOr", "Or"),
    "bitwise_xor": ("BitwiseXor", "Xor"),
}
_COMPARISONS = {
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}


@rule(*_UNARY)
def _unary(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.op(_UNARY[p.name], operands, aval)


@rule(*_ROUNDING)
def _rounding(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.op(_ROUNDING[p.name], operands, aval) if aval.dtype.floating else operands[0]


@rule("abs")
def _abs(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return operands[0] if aval.dtype is bool_ else b.op("Abs", operands, aval)


@rule(*_ARITHMETIC)
def _arithmetic(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    kind, of_truth = _ARITHMETIC[p.name]
    if aval.dtype is bool_ and of_truth is not None:
        kind = of_truth
    return b.op(kind, operands, aval)


@rule("rem")
def _rem(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """The remainder with the sign of the divisor: what Mod is for integers alone."""
    if not aval.dtype.floating:
        return b.op("Mod", operands, aval)
    x, y = (b.broadcast(t, aval.shape) for t in operands)
    r = b.op("Mod", [x, y], aval, fmod=1)
    truth = AbstractArray(aval.shape, bool_)
    zero = b.number(0, aval.dtype)
    signs = [b.op("Less", [t, zero], truth) for t in (r, y)]
    none = b.op("Equal", [r, zero], truth)
    apart = b.op("Xor", signs, truth)
    wrong = b.op("And", [apart, b.op("Not", [none], truth)], truth)
    return b.op("Where", [wrong, b.op("Add", [r, y], aval), r], aval)


@rule("shift_left", "shift_right")
def _shift(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """BitShift takes unsigned numbers; of a negative one the complement is shifted right."""
    direction = "LEFT" if p.name == "shift_left" else "RIGHT"
    if not aval.dtype.signed:
        return b.op("BitShift", operands, aval, direction=direction)
    unsigned = dtype_named("u" + aval.dtype.name)
    x, n = (b.broadcast(t, aval.shape) for t in operands)
    bits = AbstractArray(aval.shape, unsigned)

    def shifted(t: Tensor) -> Tensor:
        given = [b.cast(t, unsigned), b.cast(n, unsigned)]
        return b.cast(b.op("BitShift", given, bits, direction=direction), aval.dtype)

    if direction == "LEFT":
        return shifted(x)
    below = b.op("Less", [x, b.number(0, aval.dtype)], AbstractArray(aval.shape, bool_))
    turned = b.op("BitwiseNot", [shifted(b.op("BitwiseNot", [x], aval))], aval)
    return b.op("Where", [below, turned, shifted(x)], aval)


@rule(*_COMPARISONS)
def _comparison(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    if operands[0].dtype is bool_ and p.name != "equal":
        operands = [b.cast(t, int32) for t in operands]
    return b.op(_COMPARISONS[p.name], operands, aval)


@rule("logical_not")
def _logical_not(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    (x,) = operands
    if x.dtype is bool_:
        return b.op("Not", operands, aval)
    return b.op("Equal", [x, b.number(0, x.dtype)], aval)


@rule("where")
def _where(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.op("Where", operands, aval)


@rule("softmax")
def _softmax(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.op("Softmax", operands, aval, axis=p.axis)


# -- conversion and creation ------------------------------------------------------------------


@rule("cast")
def _cast(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.cast(operands[0], aval.dtype)


@rule("bitcast")
def _bitcast(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """BitCast keeps the width; wholes and parts go through unsigned integers by shifts."""
    (x,) = operands
    if x.dtype is bool_:
        x = b.cast(x, uint8)
    if aval.dtype is bool_:
        return b.cast(_bitcast(b, p, [x], AbstractArray(aval.shape, uint8)), bool_)
    if x.dtype is aval.dtype:
        return x
    if x.dtype.size == aval.dtype.size:
        b.opset = max(b.opset, _BITCAST_SINCE)
        return b.op("BitCast", [x], aval, to=b.kind(aval.dtype))
    old, new = (dtype_named(f"uint{8 * d.size}") for d in (x.dtype, aval.dtype))
    x = _bitcast(b, p, [x], AbstractArray(x.shape, old))
    made = _parts(b, x, new) if old.size > new.size else _wholes(b, x, new)
    return _bitcast(b, p, [made], aval)


def _parts(b: Builder, x: Tensor, new: Dtype) -> Tensor:
    """Return unsigned integers as narrower ones along the last axis, the lowest bits first."""
    count = x.dtype.size // new.size
    places = b.cast(b.integers([8 * new.size * i for i in range(count)]), x.dtype)
    wide = AbstractArray((*x.shape, count), x.dtype)
    whole = b.reshape(x, (*x.shape, 1))
    shifted = b.op("BitShift", [whole, places], wide, direction="RIGHT")
    low = b.op("BitwiseAnd", [shifted, b.number(2 ** (8 * new.size) - 1, x.dtype)], wide)
    return b.reshape(b.cast(low, new), (*x.shape[:-1], x.shape[-1] * count))


def _wholes(b: Builder, x: Tensor, new: Dtype) -> Tensor:
    """Return unsigned integers along the last axis joined to wider ones."""
    count = new.size // x.dtype.size
    shape = (*x.shape[:-1], x.shape[-1] // count)
    places = b.cast(b.integers([8 * x.dtype.size * i for i in range(count)]), new)
    parts = b.cast(b.reshape(x, (*shape, count)), new)
    parts = b.op("BitShift", [parts, places], parts.aval, direction="LEFT")
    pieces = []
    for i in range(count):
        start, stop = [0] * len(parts.shape), list(parts.shape)
        start[-1], stop[-1] = i, i + 1
        pieces.append(_sliced(b, parts, start, stop, [1] * len(start), (*shape, 1)))
    made = pieces[0]
    for piece in pieces[1:]:
        made = b.op("BitwiseOr", [made, piece], made.aval)
    return b.reshape(made, shape)


@rule("copy", "identity", "stop_gradient")
def _same(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return operands[0]


@rule("depends")
def _depends(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> list[Tensor]:
    return operands[: p.count]


@rule("full")
def _full(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.broadcast(b.number(p.value, aval.dtype), aval.shape)


@rule("iota")
def _iota(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.cast(_positions(b, aval.shape, p.axis), aval.dtype)


def _positions(b: Builder, shape: tuple[int, ...], axis: int) -> Tensor:
    """Return the index along ``axis`` everywhere, as int64."""
    n = shape[axis]
    ends = [b.number(k, int64) for k in (0, n, 1)]
    line = b.op("Range", ends, AbstractArray((n,), int64))
    ones = (1,) * (len(shape) - axis - 1)
    return b.broadcast(b.reshape(line, (n, *ones)), shape)


# -- shape ------------------------------------------------------------------------------------


@rule("reshape")
def _reshape(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.reshape(operands[0], aval.shape)


@rule("transpose")
def _transpose(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.transpose(operands[0], p.axes)


@rule("broadcast")
def _broadcast(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.broadcast(operands[0], aval.shape)


@rule("concatenate")
def _concatenate(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.op("Concat", operands, aval, axis=p.axis)


@rule("slice")
def _slice(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    stop = [_BEFORE_FIRST if n < 0 else n for n in p.stop]
    return _sliced(b, operands[0], p.start, stop, p.step, aval.shape)


def _sliced(
    b: Builder,
    x: Tensor,
    start: Sequence[int],
    stop: Sequence[int],
    step: Sequence[int],
    shape: tuple[int, ...],
) -> Tensor:
    if not shape:
        return x
    parts = [b.integers(n) for n in (start, stop, range(len(shape)), step)]
    return b.op("Slice", [x, *parts], AbstractArray(shape, x.dtype))


@rule("pad")
def _pad(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    x, value = operands
    x = _spread(b, x, value, p.interior)
    return _padded(b, x, value, p.low, p.high)


def _padded(
    b: Builder, x: Tensor, value: Tensor, low: Sequence[int], high: Sequence[int]
) -> Tensor:
    if not any((*low, *high)):
        return x
    shape = tuple(n + i + j for n, i, j in zip(x.shape, low, high, strict=True))
    given = [x, b.integers([*low, *high]), value]
    return b.op("Pad", given, AbstractArray(shape, x.dtype), mode="constant")


def _spread(b: Builder, x: Tensor, value: Tensor, interior: Sequence[int]) -> Tensor:
    """Put ``interior`` values between neighbours: pad a new axis after each, and merge the two."""
    for axis, m in enumerate(interior):
        n = x.shape[axis]
        if not m or n < 2:
            continue
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        none = [0] * (len(x.shape) + 1)
        high = [*none]
        high[axis + 1] = m
        wide = _padded(b, b.reshape(x, (*before, n, 1, *after)), value, none, high)
        x = b.reshape(wide, (*before, n * (m + 1), *after))
        shape = (*before, n * (m + 1) - m, *after)
        x = _sliced(b, x, [0] * len(shape), shape, [1] * len(shape), shape)
    return x


# -- reductions -------------------------------------------------------------------------------

_REDUCTIONS = {"sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}


@rule(*_REDUCTIONS)
def _reduce(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    (x,) = operands
    if not p.axes:
        return x
    if aval.dtype is bool_:
        # Of 0 and 1 the maximum says "any" as a sum does, the minimum "all" as a product does.
        x = b.cast(x, int32)
    given = [x, b.integers(p.axes)]
    made = b.op(_REDUCTIONS[p.name], given, AbstractArray(aval.shape, x.dtype), keepdims=0)
    return b.cast(made, aval.dtype)


@rule("argmax", "argmin")
def _arg_reduce(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    kind = "ArgMax" if p.name == "argmax" else "ArgMin"
    found = b.op(kind, operands, AbstractArray(aval.shape, int64), axis=p.axis, keepdims=0)
    return b.cast(found, aval.dtype)


@rule("argsort")
def _argsort(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """Stable, NaN last: sorted by value, then by whether it is a number."""
    (x,) = operands
    if not x.dtype.floating:
        return b.cast(_ascending(b, x, p.axis), aval.dtype)
    strange = b.op("IsNaN", [x], AbstractArray(x.shape, bool_))
    largest = b.number(float("inf"), x.dtype)
    order = _ascending(b, b.op("Where", [strange, largest, x], x.aval), p.axis)
    late = b.cast(b.op("GatherElements", [strange, order], strange.aval, axis=p.axis), int32)
    last = _ascending(b, late, p.axis)
    return b.cast(b.op("GatherElements", [order, last], order.aval, axis=p.axis), aval.dtype)


def _ascending(b: Builder, x: Tensor, axis: int) -> Tensor:
    """Return the order of the elements; of equal ones TopK takes that of the lower index first."""
    count = b.integers([x.shape[axis]])
    values, found = b.fresh(x.aval), b.fresh(AbstractArray(x.shape, int64))
    given, made = [x.name, count.name], [values.name, found.name]
    how = {"axis": axis, "largest": 0, "sorted": 1}
    b.nodes.append(b.package.helper.make_node("TopK", given, made, **how))
    return found


# -- products ---------------------------------------------------------------------------------


@rule("matmul")
def _matmul(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return b.op("MatMul", operands, aval)


@rule("conv")
def _conv(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """Conv has channels second, and neither reversed kernels nor a dilated input."""
    x, weight = operands
    n = len(p.stride)
    first = [0, n + 1, *range(1, n + 1)]
    last = [0, *range(2, n + 2), 1]
    x = _spread(b, x, b.number(0, x.dtype), [0, *[d - 1 for d in p.input_dilation], 0])
    if p.flip:
        shape = weight.shape
        start = [0, *[k - 1 for k in shape[1:-1]], 0]
        stop = [shape[0], *[_BEFORE_FIRST] * n, shape[-1]]
        weight = _sliced(b, weight, start, stop, [1, *[-1] * n, 1], shape)
    made = b.op(
        "Conv",
        [b.transpose(x, first), b.transpose(weight, first)],
        AbstractArray(tuple(aval.shape[a] for a in first), aval.dtype),
        strides=list(p.stride),
        pads=[*p.padding_low, *p.padding_high],
        dilations=list(p.kernel_dilation),
        group=p.groups,
    )
    return b.transpose(made, last)


# -- indexing ---------------------------------------------------------------------------------


class _Places:
    """Where slices of ``sizes`` at ``indices`` along ``axes`` lie in an array of ``shape``.

    GatherND and ScatterND index the leading axes by vectors. So the axes that are indexed, or of
    which only a part is taken, go first; ``vectors`` has one for each element along them.
    """

    def __init__(
        self,
        b: Builder,
        shape: tuple[int, ...],
        sizes: tuple[int, ...],
        axes: tuple[int, ...],
        indices: list[Tensor],
        lead: tuple[int, ...],
    ) -> None:
        by_axis = dict(zip(axes, indices, strict=True))
        parts = [a for a, n in enumerate(shape) if a in by_axis or sizes[a] != n]
        rest = [a for a in range(len(shape)) if a not in parts]
        self.order = [*parts, *rest]
        self.grid = (*lead, *[sizes[a] for a in parts])
        columns = []
        for i, axis in enumerate(parts):
            place = _positions(b, self.grid, len(lead) + i)
            if axis in by_axis:
                index = b.cast(by_axis[axis], int64)
                ones = (1,) * len(parts)
                index = b.reshape(b.broadcast(index, lead), (*lead, *ones))
                place = b.op("Add", [place, index], place.aval)
            columns.append(b.reshape(place, (*self.grid, 1)))
        vectors = AbstractArray((*self.grid, len(parts)), int64)
        self.vectors = b.op("Concat", columns, vectors, axis=len(self.grid)) if columns else None
        window = len(lead)
        # From (lead, parts, rest) to (lead, axes in order), and back.
        forth = [self.order.index(a) for a in range(len(shape))]
        self.in_order = [*range(window), *[window + i for i in forth]]
        self.parts_first = [*range(window), *[window + a for a in self.order]]


@rule("gather")
def _gather(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    x, *indices = operands
    if not aval.size:
        return b.raw(b"", aval)
    lead = aval.shape[: len(aval.shape) - len(x.shape)]
    places = _Places(b, x.shape, p.slice_sizes, p.axes, indices, lead)
    if places.vectors is None:
        return x
    moved = b.transpose(x, places.order)
    shape = tuple(aval.shape[a] for a in places.parts_first)
    found = b.op("GatherND", [moved, places.vectors], AbstractArray(shape, aval.dtype))
    return b.transpose(found, places.in_order)


_COMBINE = {"set": "none", "add": "add", "mul": "mul", "max": "max", "min": "min"}


@rule("scatter")
def _scatter(b: Builder, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    x, updates, *indices = operands
    if not updates.aval.size:
        return x
    lead = updates.shape[: len(updates.shape) - len(x.shape)]
    sizes = updates.shape[len(lead) :]
    places = _Places(b, x.shape, sizes, p.axes, indices, lead)
    if places.vectors is None:
        kinds = {"set": "Identity", "add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}
        given = [updates] if p.mode == "set" else [x, updates]
        return b.op(kinds[p.mode], given, aval)
    given = [b.transpose(x, places.order), places.vectors]
    given.append(b.transpose(updates, places.parts_first))
    made = b.op("ScatterND", given, given[0].aval, reduction=_COMBINE[p.mode])
    return b.transpose(made, [places.order.index(a) for a in range(len(x.shape))])
