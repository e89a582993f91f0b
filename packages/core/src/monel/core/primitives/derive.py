"""Rules that follow from others, and the three walks over a recorded graph that use all rules.

A walk is bounded by the inputs it was given: what does not descend from them is a constant, and no
Value older than the oldest input is entered.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from ..base.avals import AbstractArray
from ..base.errors import MissingRuleError
from ..graph import value as graph
from ..graph.handle import wrap
from ..graph.primitive import Output, Primitive, apply, call, record_values
from .kinds import View, broadcast_like, scalar_like


class Identity(View, name="identity"):
    """A concrete tracer: the same array as its operand, but a Value of its own."""

    def abstract(self, x: Any) -> Any:
        return x.aval

    def reference(self, x: Any) -> Any:
        return x

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        return ct

    def batch(self, operands: Any, dims: Any) -> Any:
        return operands[0], dims[0]


class Placeholder(Primitive, name="placeholder"):
    """An input of a trace, ``transform``, of which only shape and dtype are known."""

    placeholder = True
    transform: str


def tracer(value: Any, trace: Any) -> Any:
    """Return a concrete tracer of ``value``: an identity, buffer and all."""
    stream = value.stream or graph.slots.current_stream()
    mark = trace
    if value.trace is not None and value.trace.open:
        mark = value.trace
    made = graph.record(Identity(), (value,), value.shape, value.dtype, value.size, stream, mark)
    if value.buffer is not None and value.stream is stream:
        made.buffer = value.buffer
        if mark is not None:
            mark.evaluated.append(ref(made))
    return made


def placeholder(shape_: Any, dtype: Any, trace: Any, stream: Any = None) -> Any:
    """Return a fresh input of ``trace``."""
    size = 1
    for n in shape_:
        size *= n
    stream = stream or graph.slots.current_stream()
    made = Placeholder("a rule" if trace is None else trace.name)
    return graph.record(made, (), tuple(shape_), dtype, size, stream, trace)


def reachable(outputs: Any, inputs: Any, *, moving: bool = False) -> list[Any]:
    """Return the Values from which ``outputs`` are made and that descend from ``inputs``.

    ``moving`` leaves out what descends from them through stop_gradient only.
    Oldest first, inputs excluded. Serial numbers are a topological order, since operands are
    always older than what is made of them.
    """
    if not inputs:
        return []
    oldest = min(v.serial for v in inputs)
    roots = {v.serial for v in inputs}
    seen: dict[int, Any] = {}
    stack = [v for v in outputs if v.serial > oldest and v.serial not in roots]
    while stack:
        v = stack.pop()
        if v.serial in seen:
            continue
        seen[v.serial] = v
        for o in v.operands:
            s = o.serial
            if s > oldest and s not in roots and s not in seen:
                stack.append(o)
    descends = set(roots)
    found = []
    for serial in sorted(seen):
        v = seen[serial]
        if moving and v.primitive.stops:
            continue
        for o in v.operands:
            if o.serial in descends:
                descends.add(serial)
                found.append(v)
                break
    return found


class _Scope:
    """Makes the stream of a Value current while its rule runs; costs nothing where it is."""

    __slots__ = ("manager",)

    def __init__(self, stream: Any) -> None:
        default = graph.slots.stream
        same = stream is None or stream is default
        if not same and default is None:
            same = stream is graph.slots.current_stream()
        self.manager = None if same else graph.slots.on_stream(stream)

    def __enter__(self) -> None:
        if self.manager is not None:
            self.manager.__enter__()

    def __exit__(self, *error: Any) -> None:
        if self.manager is not None:
            self.manager.__exit__(*error)


def outputs_of(value: Any) -> tuple[Any, ...]:
    """Return the outputs of ``value`` as arrays; those that died are recorded again."""
    if value.outputs is None:
        return (wrap(value),)
    found = []
    avals = value.primitive.abstract(*value.operands)
    for i, reference in enumerate(value.outputs):
        output = reference()
        if output is None:
            aval = avals[i]
            output = graph.record(
                Output(i), (value,), aval.shape, aval.dtype, aval.size, value.stream, value.trace
            )
            if value.buffer is not None:
                output.buffer = value.buffer[i]
            value.outputs[i] = ref(output)
        found.append(wrap(output))
    return tuple(found)


def backward(outputs: Any, cotangents: Any, inputs: Any) -> list[Any]:
    """Walk back from ``outputs`` (Values) with ``cotangents`` (arrays or None) to ``inputs``.

    Returns an array for each input, or None where its cotangent is zero everywhere.
    """
    order = reachable(outputs, inputs, moving=True)
    live = {v.serial for v in order} | {v.serial for v in inputs}
    cts: dict[int, Any] = {}
    for v, ct in zip(outputs, cotangents, strict=True):
        if ct is not None and v.serial in live:
            _accumulate(cts, v.serial, ct)
    parts: dict[int, list[Any]] = {}
    for v in reversed(order):
        if v.outputs is not None:
            arriving = parts.pop(v.serial, None)
        else:
            ct = cts.pop(v.serial, None)
            arriving = None if ct is None else [ct]
        if arriving is None:
            continue
        if type(v.primitive) is Output:
            (whole,) = v.operands
            slots = parts.setdefault(whole.serial, [None] * len(whole.outputs))
            slots[v.primitive.index] = arriving[0]
            continue
        wanted = tuple(i for i, o in enumerate(v.operands) if o.serial in live)
        with _Scope(v.stream):
            found = vjp_of(v, arriving, wanted)
        for i in wanted:
            if found[i] is not None:
                _accumulate(cts, v.operands[i].serial, found[i])
    return [cts.get(v.serial) for v in inputs]


def _accumulate(cts: dict[int, Any], key: int, ct: Any) -> None:
    known = cts.get(key)
    cts[key] = ct if known is None else call("add", known, ct)


def vjp_of(value: Any, cotangents: Any, wanted: Any) -> Any:
    """Return the cotangents of the wanted operands of ``value``, by the best rule there is."""
    p = value.primitive
    operands = tuple([wrap(o) for o in value.operands])
    outputs = outputs_of(value)
    cotangents = tuple(cotangents)
    if p.vjp is not None:
        return p.vjp(operands, cotangents, outputs, wanted)
    if p.linear is not None:
        return _vjp_linear(p, operands, cotangents, wanted)
    if p.zero_in and all(i in p.zero_in for i in wanted):
        return (None,) * len(operands)
    if p.jvp is not None:
        return _vjp_from_jvp(p, operands, cotangents, outputs, wanted)
    _check_differentiable(p)
    return vjp_from_decompose(p, operands, cotangents, wanted)


def _vjp_linear(p: Any, operands: Any, cotangents: Any, wanted: Any) -> Any:
    found: list[Any] = [None] * len(operands)
    for i in wanted:
        if p.linear_in is not None and i not in p.linear_in:
            if i not in p.zero_in:
                raise MissingRuleError(f"{p.name}: Cannot calculate VJP with respect to indices")
            continue
        ct = cotangents[0] if p.outputs == 1 else cotangents
        found[i] = p.transpose(ct, i, operands)
    return found


def _vjp_from_jvp(p: Any, operands: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
    """Transpose the primitive's own jvp: it is linear in the tangents, so walk it back.

    The operands stand for the tangents, so that what only borrows their shape can be computed.
    """
    tangents: list[Any] = [None] * len(operands)
    inputs = []
    for i in wanted:
        v = record_values(Identity(), (operands[i].value,), operands[i].value.stream)
        inputs.append(v)
        tangents[i] = wrap(v)
    pushed = p.jvp(operands, tuple(tangents), outputs)
    pairs = [
        (t.value, ct)
        for t, ct in zip(pushed, cotangents, strict=True)
        if t is not None and ct is not None
    ]
    found = backward([t for t, _ in pairs], [ct for _, ct in pairs], inputs)
    result: list[Any] = [None] * len(operands)
    for i, ct in zip(wanted, found, strict=True):
        result[i] = ct
    return result


def _traced_decompose(p: Any, operands: Any, wanted: Any) -> tuple[list[Any], tuple[Any, ...]]:
    inputs = []
    replaced = list(operands)
    for i in wanted:
        v = record_values(Identity(), (operands[i].value,), operands[i].value.stream)
        inputs.append(v)
        replaced[i] = wrap(v)
    made = p.decompose(*replaced)
    return inputs, made if isinstance(made, tuple) else (made,)


def vjp_from_decompose(p: Any, operands: Any, cotangents: Any, wanted: Any) -> Any:
    """Walk back through the decomposition of ``p``."""
    inputs, made = _traced_decompose(p, operands, wanted)
    found = backward([m.value for m in made], cotangents, inputs)
    result: list[Any] = [None] * len(operands)
    for i, ct in zip(wanted, found, strict=True):
        result[i] = ct
    return result


def _check_differentiable(p: Any) -> None:
    if p.nondifferentiable is not None:
        raise MissingRuleError(f"{p.name} has no derivative: {p.nondifferentiable}")
    if p.decompose is None:
        raise MissingRuleError(f"{p.name} has no jvp, no vjp and no decomposition")


def forward(outputs: Any, inputs: Any, tangents: Any) -> list[Any]:
    """Walk from ``inputs`` (Values) with ``tangents`` (arrays or None); a tangent an output."""
    order = reachable(outputs, inputs, moving=True)
    ts: dict[int, Any] = {
        v.serial: t for v, t in zip(inputs, tangents, strict=True) if t is not None
    }
    parts: dict[int, Any] = {}
    for v in order:
        if type(v.primitive) is Output:
            whole = parts.get(v.operands[0].serial)
            if whole is not None and whole[v.primitive.index] is not None:
                ts[v.serial] = whole[v.primitive.index]
            continue
        arriving = [ts.get(o.serial) for o in v.operands]
        if all(t is None for t in arriving):
            continue
        with _Scope(v.stream):
            found = jvp_of(v, arriving)
        if v.outputs is not None:
            parts[v.serial] = found
        elif found[0] is not None:
            ts[v.serial] = found[0]
    return [ts.get(v.serial) for v in outputs]


def jvp_of(value: Any, tangents: Any) -> Any:
    """Return a tangent for each output of ``value``, by the best rule there is."""
    p = value.primitive
    operands = tuple([wrap(o) for o in value.operands])
    tangents = tuple(tangents)
    if p.jvp is not None:
        return p.jvp(operands, tangents, outputs_of(value))
    if p.linear is not None:
        return _jvp_linear(p, operands, tangents)
    moving = tuple(i for i, t in enumerate(tangents) if t is not None)
    if p.zero_in and all(i in p.zero_in for i in moving):
        return (None,) * p.outputs
    _check_differentiable(p)
    if p.decompose is None:
        raise MissingRuleError(f"{p.name} has no jvp and no decomposition")
    return jvp_from_decompose(p, operands, tangents, moving)


def jvp_from_decompose(p: Any, operands: Any, tangents: Any, moving: Any) -> Any:
    """Walk through the decomposition of ``p`` with the tangents of the operands ``moving``."""
    inputs, made = _traced_decompose(p, operands, moving)
    return forward([m.value for m in made], inputs, [tangents[i] for i in moving])


def _jvp_linear(p: Any, operands: Any, tangents: Any) -> Any:
    places = range(len(operands)) if p.linear_in is None else p.linear_in
    for i, t in enumerate(tangents):
        if t is not None and i not in places and i not in p.zero_in:
            raise MissingRuleError(f"{p.name}: Cannot calculate JVP with respect to indices")
    moving = [i for i in places if tangents[i] is not None]
    if not moving:
        return (None,) * p.outputs
    if p.linear == "joint":
        replaced = list(operands)
        for i in places:
            t = tangents[i]
            replaced[i] = zeros_like(operands[i]) if t is None else t
        return _as_tuple(apply(p, tuple(replaced)))
    total: Any = None
    for i in moving:
        replaced = list(operands)
        replaced[i] = tangents[i]
        made = _as_tuple(apply(p, tuple(replaced)))
        total = (
            made
            if total is None
            else tuple(call("add", a, b) for a, b in zip(total, made, strict=True))
        )
    return total


def zeros_like(x: Any) -> Any:
    """Return zeros of the shape and dtype of ``x``; the shape stays open in a shapeless trace."""
    return broadcast_like(scalar_like(0, x), x)


def _as_tuple(made: Any) -> tuple[Any, ...]:
    return made if isinstance(made, tuple) else (made,)


def batched(
    outputs: Any, inputs: Any, arrays: Any, dims: Any, anew: Any = ()
) -> list[tuple[Any, Any]]:
    """Walk from ``inputs`` (Values), which stand for ``arrays`` batched along ``dims``.

    Values in ``anew`` are recorded again in their place though they do not depend on the batch.
    Returns (array, axis) for each output; the axis is None where it does not depend on the batch.
    """
    order = reachable(outputs, inputs)
    if anew:
        order = sorted({*order, *anew}, key=lambda v: v.serial)
    env: dict[int, tuple[Any, Any]] = {
        v.serial: (a, d) for v, a, d in zip(inputs, arrays, dims, strict=True)
    }
    parts: dict[int, Any] = {}
    for v in order:
        if type(v.primitive) is Output:
            whole = v.operands[0].serial
            if whole in parts:
                env[v.serial] = parts[whole][v.primitive.index]
            continue
        pairs = [env.get(o.serial) or (wrap(o), None) for o in v.operands]
        operands = tuple([a for a, _ in pairs])
        axes = tuple([d for _, d in pairs])
        with _Scope(v.stream):
            if all(d is None for d in axes):
                found = apply(v.primitive, operands)
                d = (None,) * len(found) if isinstance(found, tuple) else None
            else:
                found, d = batch_of(v.primitive, operands, axes)
        if v.outputs is not None:
            ds = d if isinstance(d, tuple) else (d,) * len(found)
            parts[v.serial] = list(zip(found, ds, strict=True))
            # Whoever asks for the whole (an effect is wanted for itself) learns that it was mapped.
            env[v.serial] = parts[v.serial][0]
        else:
            env[v.serial] = (found, d)
    return [env.get(v.serial) or (wrap(v), None) for v in outputs]


def batch_of(p: Any, operands: Any, dims: Any) -> Any:
    """Apply ``p`` to batched operands, by its rule, its decomposition, or a loop."""
    if p.batch is not None:
        found = p.batch(operands, dims)
        if found is not NotImplemented:
            return found
    if p.decompose is not None:
        inputs = []
        trace = graph.outermost(tuple([x.value for x in operands]))
        # Only where shapes must stay open does the decomposition have to know its trace.
        mark = trace if trace is not None and trace.shapeless else None
        for x, d in zip(operands, dims, strict=True):
            shape_ = x.shape if d is None else x.shape[:d] + x.shape[d + 1 :]
            inputs.append(placeholder(shape_, x.dtype, mark, x.value.stream))
        made = _as_tuple(p.decompose(*[wrap(v) for v in inputs]))
        pairs = batched([m.value for m in made], inputs, operands, dims)
        if p.outputs == 1:
            return pairs[0]
        return tuple(a for a, _ in pairs), tuple(d for _, d in pairs)
    return batch_by_loop(p, operands, dims)


def batch_by_loop(p: Any, operands: Any, dims: Any) -> Any:
    """Apply ``p`` once a batch entry and stack the results: correct for any primitive."""
    count = next(x.shape[d] for x, d in zip(operands, dims, strict=True) if d is not None)
    if graph.slots.notice is not None:
        operands_text = ", ".join([str(x.value) for x in operands])
        text = f"vmap runs {p} of ({operands_text}) once for each of {count} rows"
        graph.slots.notice("loops", text)
    if count == 0:
        return _no_rows(p, operands, dims)
    trace = graph.outermost(tuple([x.value for x in operands]))
    if trace is not None and trace.shapeless:
        # The number of rows is written down: a replay with another must be refused, not cut short.
        operands = [
            x if d is None else call("unflatten", x, axis=d, shape=(count,))
            for x, d in zip(operands, dims, strict=True)
        ]
    rows = []
    for k in range(count):
        row = [
            x if d is None else call("select", x, axis=d, index=k)
            for x, d in zip(operands, dims, strict=True)
        ]
        rows.append(_as_tuple(apply(p, tuple(row))))
    made = tuple(_stack(column) for column in zip(*rows, strict=True))
    return (made[0], 0) if p.outputs == 1 else (made, (0,) * len(made))


def _no_rows(p: Any, operands: Any, dims: Any) -> Any:
    """Return the results of ``p`` for a batch of length 0: empty, of the shapes of a row's."""
    rows = [
        AbstractArray(x.shape if d is None else x.shape[:d] + x.shape[d + 1 :], x.dtype)
        for x, d in zip(operands, dims, strict=True)
    ]
    out = p.abstract(*rows)
    avals = (out,) if p.outputs == 1 else out
    made = tuple([call("full", shape=(0, *a.shape), dtype=a.dtype, value=0) for a in avals])
    return (made[0], 0) if p.outputs == 1 else (made, (0,) * len(made))


def _stack(arrays: Any) -> Any:
    rows = [call("expand_dims", a, axes=(0,)) for a in arrays]
    return call("concatenate", *rows, axis=0)
