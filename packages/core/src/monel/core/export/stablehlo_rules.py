"""What each primitive is in StableHLO: the required ones, and others that it has itself.

A rule is called as ``rule(writer, primitive, operands, aval)`` and returns the result, or a list
for several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, bool_, complex64, float32, int64, uint8, uint32
from ..base.program import ProgramError
from .stablehlo import Tensor, Writer, numbers, scalar

Rule = Callable[[Writer, Any, list[Tensor], AbstractArray], Any]

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Return a decorator that enters a rule for the primitives ``names``."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return enter


# -- elementwise ------------------------------------------------------------------------------

_UNARY = {
    "neg": "negate",
    "exp": "exponential",
    "expm1": "exponential_minus_one",
    "log": "log",
    "log1p": "log_plus_one",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "sin": "sine",
    "cos": "cosine",
    "tan": "tan",
    "tanh": "tanh",
    "sigmoid": "logistic",
}
_ROUNDING = {"floor": "floor", "ceil": "ceil", "round": "round_nearest_even"}
_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "pow": "power",
    "maximum": "maximum",
    "minimum": "minimum",
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
    "shift_left": "shift_left",
    "arctan2": "atan2",
}
_COMPARISONS = {
    "equal": "EQ",
    "not_equal": "NE",
    "less": "LT",
    "less_equal": "LE",
    "greater": "GT",
    "greater_equal": "GE",
}


def _aligned(w: Writer, operands: list[Tensor], aval: AbstractArray) -> list[Tensor]:
    return [w.broadcast(x, aval.shape) for x in operands]


@rule(*_UNARY)
def _unary(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.op(_UNARY[p.name], operands, aval)


@rule(*_ROUNDING)
def _rounding(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    if aval.dtype is complex64:
        parts = [w.op(part, operands, AbstractArray(aval.shape, float32)) for part in _PARTS]
        return w.op("complex", [w.op(_ROUNDING[p.name], [x], x.aval) for x in parts], aval)
    return w.op(_ROUNDING[p.name], operands, aval) if aval.dtype.floating else operands[0]


_PARTS = ("real", "imag")


@rule(*_BINARY)
def _binary(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    if aval.dtype is complex64 and p.name in ("maximum", "minimum"):
        raise ProgramError(f"{p.name} of complex numbers has no form in StableHLO")
    return w.op(_BINARY[p.name], _aligned(w, operands, aval), aval)


@rule("div")
def _div(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.op("divide", _aligned(w, operands, aval), aval)


@rule("rem")
def _rem(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """The remainder with the sign of the divisor; StableHLO's has that of the dividend."""
    x, y = _aligned(w, operands, aval)
    r = w.op("remainder", [x, y], aval)
    zero = w.full(0, aval)
    predicate = AbstractArray(aval.shape, bool_)
    signs = [w.compare("LT", t, zero) for t in (r, y)]
    apart = w.op("xor", signs, predicate)
    wrong = w.op("and", [apart, w.compare("NE", r, zero)], predicate)
    return w.op("select", [wrong, w.op("add", [r, y], aval), r], aval)


@rule("shift_right")
def _shift_right(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    kind = "arithmetic" if aval.dtype.signed else "logical"
    return w.op(f"shift_right_{kind}", _aligned(w, operands, aval), aval)


@rule("abs")
def _abs(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    plain = operands[0].dtype.signed or operands[0].dtype.inexact
    if aval.dtype is complex64:
        size = w.op("abs", operands, AbstractArray(aval.shape, float32))
        return w.convert(size, aval.dtype)
    return w.op("abs", operands, aval) if plain else operands[0]


@rule(*_COMPARISONS)
def _comparison(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    if operands[0].dtype is complex64 and p.name not in ("equal", "not_equal"):
        raise ProgramError(f"{p.name} of complex numbers has no form in StableHLO")
    return w.compare(_COMPARISONS[p.name], *_aligned(w, operands, aval))


@rule("logical_not")
def _logical_not(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    (x,) = operands
    if x.dtype is bool_:
        return w.op("not", operands, aval)
    return w.compare("EQ", x, w.full(0, x.aval))


@rule("where")
def _where(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.op("select", _aligned(w, operands, aval), aval)


@rule("real", "imag")
def _part(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    if operands[0].dtype is complex64:
        return w.convert(w.op(p.name, operands, AbstractArray(aval.shape, float32)), aval.dtype)
    return operands[0] if p.name == "real" else w.full(0, aval)


# -- conversion and creation ------------------------------------------------------------------


@rule("cast")
def _cast(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    (x,) = operands
    if aval.dtype is bool_:
        return x if x.dtype is bool_ else w.compare("NE", x, w.full(0, x.aval))
    if x.dtype is complex64 and aval.dtype is not complex64:
        x = w.op("real", [x], AbstractArray(x.shape, float32))
    return w.convert(x, aval.dtype)


@rule("bitcast")
def _bitcast(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    (x,) = operands
    if aval.dtype is bool_:
        bits = _bitcast(w, p, operands, AbstractArray(aval.shape, uint8))
        return w.compare("NE", bits, w.full(0, bits.aval))
    if x.dtype is bool_:
        x = w.convert(x, uint8)
    old, new = x.dtype.size, aval.dtype.size
    if old == new:
        return w.op("bitcast_convert", [x], aval)
    if old > new:
        split = AbstractArray((*x.shape, old // new), aval.dtype)
        return w.reshape(w.op("bitcast_convert", [x], split), aval.shape)
    return w.op("bitcast_convert", [w.reshape(x, (*aval.shape, new // old))], aval)


@rule("copy", "identity", "stop_gradient")
def _same(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return operands[0]


@rule("depends")
def _depends(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> list[Tensor]:
    return w.ops("optimization_barrier", operands, [x.aval for x in operands])[: p.count]


@rule("full")
def _full(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.full(p.value, aval)


@rule("iota")
def _iota(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    if aval.dtype is bool_:
        return _cast(w, p, [w.iota(AbstractArray(aval.shape, uint8), p.axis)], aval)
    return w.iota(aval, p.axis)


# -- shape ------------------------------------------------------------------------------------


@rule("reshape")
def _reshape(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.reshape(operands[0], aval.shape)


@rule("transpose")
def _transpose(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.op("transpose", operands, aval, f"permutation = {numbers(p.axes)}")


@rule("broadcast")
def _broadcast(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.broadcast(operands[0], aval.shape)


@rule("concatenate")
def _concatenate(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    return w.op("concatenate", operands, aval, f"dimension = {p.axis} : i64")


@rule("pad")
def _pad(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    widths = (
        f"edge_padding_low = {numbers(p.low)}, edge_padding_high = {numbers(p.high)}, "
        f"interior_padding = {numbers(p.interior)}"
    )
    return w.op("pad", operands, aval, widths)


@rule("slice")
def _slice(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """Axes that count down are reversed after the slice of the same elements upwards."""
    starts, limits, steps, down = [], [], [], []
    for axis, (start, step, length) in enumerate(zip(p.start, p.step, aval.shape, strict=True)):
        last = start + (length - 1) * step
        low, high = (start, last + 1) if step > 0 else (last, start + 1)
        starts.append(low if length else 0)
        limits.append(high if length else 0)
        steps.append(abs(step))
        if step < 0:
            down.append(axis)
    where = (
        f"start_indices = {numbers(starts)}, limit_indices = {numbers(limits)}, "
        f"strides = {numbers(steps)}"
    )
    made = w.op("slice", operands, aval, where)
    return w.op("reverse", [made], aval, f"dimensions = {numbers(down)}") if down else made


# -- reductions -------------------------------------------------------------------------------

_REDUCTIONS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}


def _start(name: str, dtype: Dtype) -> Any:
    """The number that changes nothing."""
    if name in ("sum", "prod"):
        return 0 if name == "sum" else 1
    if dtype is bool_:
        return name == "min"
    if dtype.floating:
        return float("-inf") if name == "max" else float("inf")
    bits = 8 * dtype.size - dtype.signed
    if name == "min":
        return 2**bits - 1
    return -(2**bits) if dtype.signed else 0


@rule(*_REDUCTIONS)
def _reduce(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    (x,) = operands
    if not p.axes:
        return x
    if aval.dtype is complex64 and p.name in ("max", "min"):
        raise ProgramError(f"{p.name} of complex numbers has no form in StableHLO")
    narrow = aval.dtype.floating and aval.dtype.size == 2 and p.name in ("sum", "prod")
    dtype = float32 if narrow else aval.dtype
    start = w.full(_start(p.name, dtype), scalar(dtype))

    def body(w: Writer, given: list[Tensor]) -> list[Tensor]:
        return [w.op(_REDUCTIONS[p.name], given, given[0].aval)]

    given = [w.convert(x, dtype), start]
    wide = AbstractArray(aval.shape, dtype)
    return w.convert(
        w.op("reduce", given, wide, f"dimensions = {numbers(p.axes)}", body), aval.dtype
    )


@rule("argmax", "argmin")
def _arg_reduce(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """The first place of the extreme, or of the first NaN."""
    (x,) = operands
    places = w.iota(AbstractArray(x.shape, uint32), p.axis)
    starts = [
        w.full(_start(p.name[3:], x.dtype), scalar(x.dtype)),
        w.full(2**32 - 1, scalar(uint32)),
    ]
    direction = "GT" if p.name == "argmax" else "LT"

    def body(w: Writer, given: list[Tensor]) -> list[Tensor]:
        x, i, y, j = given
        truth = scalar(bool_)

        def either(*choices: Tensor) -> Tensor:
            return w.op("or", choices, truth)

        def both(*conditions: Tensor) -> Tensor:
            return w.op("and", conditions, truth)

        beats = w.compare(direction, x, y)
        ties = w.compare("EQ", x, y)
        if x.dtype.inexact:
            x_nan, y_nan = (w.compare("NE", t, t) for t in (x, y))
            beats = either(beats, both(x_nan, w.op("not", [y_nan], truth)))
            ties = either(ties, both(x_nan, y_nan))
        first = either(beats, both(ties, w.compare("LT", i, j)))
        return [w.op("select", [first, *pair], pair[0].aval) for pair in ((x, y), (i, j))]

    kinds = [scalar(t) for t in (x.dtype, uint32, x.dtype, uint32)]
    avals = [AbstractArray(aval.shape, x.dtype), aval]
    where = f"dimensions = {numbers([p.axis])}"
    return w.ops("reduce", [x, places, *starts], avals, where, body, kinds)[1]


@rule("argsort")
def _argsort(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    """Ascending and stable, NaN last."""
    (x,) = operands
    places = w.iota(aval, p.axis)

    def body(w: Writer, given: list[Tensor]) -> list[Tensor]:
        x, y = given[:2]
        less = w.compare("LT", x, y)
        if x.dtype.inexact:
            truth = scalar(bool_)
            number, other = w.compare("EQ", x, x), w.compare("NE", y, y)
            less = w.op("or", [less, w.op("and", [number, other], truth)], truth)
        return [less]

    kinds = [scalar(t) for t in (x.dtype, x.dtype, uint32, uint32)]
    how = f"dimension = {p.axis} : i64, is_stable = true"
    return w.ops("sort", [x, places], [x.aval, aval], how, body, kinds)[1]


# -- products ---------------------------------------------------------------------------------


@rule("matmul")
def _matmul(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    lead = aval.shape[:-2]
    x, y = (w.broadcast(t, (*lead, *t.shape[-2:])) for t in operands)
    rows = list(range(len(lead)))
    n = len(rows)
    how = (
        f"dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = {rows}, "
        f"rhs_batching_dimensions = {rows}, lhs_contracting_dimensions = [{n + 1}], "
        f"rhs_contracting_dimensions = [{n}]>"
    )
    return w.op("dot_general", [x, y], aval, how)


@rule("conv")
def _conv(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    axes = len(p.stride)
    spatial = ", ".join(map(str, range(axes)))
    pairs = ", ".join(f"[{a}, {b}]" for a, b in zip(p.padding_low, p.padding_high, strict=True))
    flips = ", ".join([str(p.flip).lower()] * axes)
    how = (
        f"dimension_numbers = #stablehlo.conv<[b, {spatial}, f]x[o, {spatial}, i]->"
        f"[b, {spatial}, f]>, window_strides = {numbers(p.stride)}, "
        f"padding = dense<[{pairs}]> : tensor<{axes}x2xi64>, "
        f"lhs_dilation = {numbers(p.input_dilation)}, "
        f"rhs_dilation = {numbers(p.kernel_dilation)}, "
        f"window_reversal = array<i1: {flips}>, "
        f"feature_group_count = {p.groups} : i64, batch_group_count = 1 : i64"
    )
    return w.op("convolution", operands, aval, how)


# -- indexing ---------------------------------------------------------------------------------


def _vectors(
    w: Writer, axes: tuple[int, ...], indices: list[Tensor], x: Tensor, lead: tuple[int, ...]
) -> Tensor:
    """Return the indices as vectors along a last axis; negative ones count from the end."""
    columns = []
    for axis, index in zip(axes, indices, strict=True):
        place = w.broadcast(w.convert(index, int64), lead)
        if index.dtype.signed:
            zero, length = (w.full(n, place.aval) for n in (0, x.shape[axis]))
            wrapped = w.op("add", [place, length], place.aval)
            place = w.op("select", [w.compare("LT", place, zero), wrapped, place], place.aval)
        columns.append(w.reshape(place, (*lead, 1)))
    if len(columns) == 1:
        return columns[0]
    aval = AbstractArray((*lead, len(columns)), int64)
    return w.op("concatenate", columns, aval, f"dimension = {len(lead)} : i64")


@rule("gather")
def _gather(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    x, *indices = operands
    if not aval.size:
        return w.full(0, aval)
    if not indices:
        begin = [0] * len(x.shape)
        where = (
            f"start_indices = {numbers(begin)}, limit_indices = {numbers(p.slice_sizes)}, "
            f"strides = {numbers([1] * len(begin))}"
        )
        return w.op("slice", [x], aval, where)
    lead = aval.shape[: len(aval.shape) - len(x.shape)]
    window = list(range(len(lead), len(aval.shape)))
    how = (
        f"dimension_numbers = #stablehlo.gather<offset_dims = {window}, "
        f"start_index_map = {list(p.axes)}, index_vector_dim = {len(lead)}>, "
        f"slice_sizes = {numbers(p.slice_sizes)}, indices_are_sorted = false"
    )
    return w.op("gather", [x, _vectors(w, p.axes, indices, x, lead)], aval, how)


_COMBINE = {"add": "add", "mul": "multiply", "max": "maximum", "min": "minimum"}


@rule("scatter")
def _scatter(w: Writer, p: Any, operands: list[Tensor], aval: AbstractArray) -> Tensor:
    x, updates, *indices = operands
    lead = updates.shape[: len(updates.shape) - len(x.shape)]
    window = list(range(len(lead), len(updates.shape)))

    def body(w: Writer, given: list[Tensor]) -> list[Tensor]:
        old, new = given
        return [new if p.mode == "set" else w.op(_COMBINE[p.mode], [old, new], old.aval)]

    how = (
        f"scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = {window}, "
        f"scatter_dims_to_operand_dims = {list(p.axes)}, index_vector_dim = {len(lead)}>, "
        f"indices_are_sorted = false, unique_indices = false"
    )
    if indices:
        places = _vectors(w, p.axes, indices, x, lead)
    else:
        places = w.data(b"", AbstractArray((0,), int64))
    kinds = [scalar(x.dtype)] * 2
    return w.ops("scatter", [x, places, updates], [aval], how, body, kinds)[0]
