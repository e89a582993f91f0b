"""scan: a loop over the leading axis of arrays that carries a state along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.errors import ShapeError
from ..base.program import Program
from ..base.tree import flatten, unflatten
from ..execute.kernels import core_kernel
from ..execute.loops import run_scan
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, apply
from ..passes.effects import effect_results, with_effect_results, without_effects
from ..passes.shapes import with_shapes
from ..primitives.derive import placeholder, zeros_like
from ..primitives.kinds import move_axis
from . import closures
from .closures import Recording, as_tuple, captured_by, pull, push, settle, spread
from .tracing import check_callable

if TYPE_CHECKING:
    import numpy as np

__all__ = ["scan"]


class Scan(Primitive, name="scan"):
    """A body applied to the entries of its operands, one after another, with a carry.

    Attributes:
      body: Its inputs are what is the same in all steps, the carries, and an entry of each operand
        that is scanned; its outputs the carries, and an entry of each result that is stacked.
      consts, carry: How many operands are the same in all steps, and how many are carries.
      asked: How many outputs the body has besides the results of the effects in it.
      length: The number of steps.
      reverse: Whether the last entry comes first.
      saved: Whether the last of the asked outputs are the carries at the start of each step.
    """

    interned = False
    fails = True
    shape_dependent = True
    body: Program
    consts: int
    carry: int
    asked: int
    length: int
    reverse: bool
    saved: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = len(self.body.outputs)
        self.__dict__["effect"] = self.body.effect

    def __str__(self) -> str:
        return f"Scan [{self.length} steps, {len(self.body.equations)} equations]"

    def abstract(self, *operands: Any) -> Any:
        outs = self.body.out_avals
        stacked = [AbstractArray((self.length, *a.shape), a.dtype) for a in outs[self.carry :]]
        made = (*outs[: self.carry], *stacked)
        return made[0] if self.outputs == 1 else made

    def replayed(self, old: Any, new: Any) -> Scan:
        first = self.consts + self.carry
        entries = [AbstractArray(x.shape[1:], x.dtype) for x in new[first:]]
        body = with_shapes(self.body, [*new[:first], *entries])
        for before, after in zip(new[self.consts : first], body.out_avals, strict=False):
            if before.shape != after.shape:
                raise ShapeError(f"scan: a carry of {before} becomes {after} at these shapes")
        length = new[first].shape[0] if entries else self.length
        return self._but(body=body, length=length)

    def _but(self, **changes: Any) -> Scan:
        return Scan(**{**self.parameters, **changes})

    def quiet(self) -> Scan:
        """Return the same without effects; it scans their results, too."""
        return self._but(body=without_effects(self.body, self.asked))

    def reference(self, *operands: np.ndarray) -> Any:
        import numpy as np

        first = self.consts + self.carry
        consts, carry, xs = operands[: self.consts], operands[self.consts : first], operands[first:]
        rows: list[list[Any]] = [[] for _ in self.body.outputs[self.carry :]]
        for k in range(self.length):
            at = self.length - 1 - k if self.reverse else k
            made = self.body.reference(*consts, *carry, *[x[at] for x in xs])
            carry = made[: self.carry]
            for row, y in zip(rows, made[self.carry :], strict=True):
                row.append(y)
        stacked = [
            np.stack(row[::-1] if self.reverse else row)
            if row
            else np.empty((0, *a.shape), a.dtype.numpy)
            for row, a in zip(rows, self.body.out_avals[self.carry :], strict=True)
        ]
        made = (*carry, *stacked)
        return made[0] if self.outputs == 1 else made

    def _pure(self, outputs: Any) -> tuple[Program, list[Any]]:
        """Return a body without effects, and what it scans besides: the results of those."""
        if not self.effect:
            return self.body, []
        return without_effects(self.body, self.asked), list(outputs[self.asked :])

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        body, more = self._pure(outputs)
        n, first = self.consts, self.consts + self.carry
        moving = {i for i, t in enumerate(tangents) if t is not None}
        moving = settle(body, moving, n, self.carry, True)
        groups = [range(n), range(n, first), range(first, len(primals))]
        moves = [[i for i in group if i in moving] for group in groups]
        pushed = [
            [zeros_like(primals[i]) if tangents[i] is None else tangents[i] for i in group]
            for group in moves
        ]

        def step(consts: Any, carry: Any, xs: Any) -> Any:
            split = [n, self.carry, len(primals) - first + len(more)]
            parts = [part[:k] for part, k in zip((consts, carry, xs), split, strict=True)]
            ts = [part[k:] for part, k in zip((consts, carry, xs), split, strict=True)]
            given = dict(
                zip([i for g in moves for i in g], [t for g in ts for t in g], strict=True)
            )
            made, found = push(body, [x for part in parts for x in part], given)
            carried = [found[i - n] for i in moves[1]]
            return [*made[: self.carry], *carried], [*made[self.carry :], *found[self.carry :]]

        carry, ys = scan_arrays(
            step,
            [*primals[:n], *pushed[0]],
            [*primals[n:first], *pushed[1]],
            [*primals[first:], *more, *pushed[2]],
            self.length,
            self.reverse,
        )
        found: list[Any] = [None] * self.outputs
        for i, t in zip(moves[1], carry[self.carry :], strict=True):
            found[i - n] = t
        stacked = self.asked - self.carry
        depends = closures.reached(body, moving)
        for i, t in enumerate(ys[stacked:], self.carry):
            found[i] = t if depends[i] else None
        return tuple(found)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        if not self.saved:
            return self._saving(primals, cotangents, outputs, wanted)
        body, more = self._pure(outputs)
        n, first = self.consts, self.consts + self.carry
        wanted = [i for i in wanted if primals[i].dtype.inexact]
        moving = settle(body, set(wanted), n, self.carry, True)
        consts = [i for i in wanted if i < n]
        carries = [i for i in range(n, first) if i in moving]
        scanned = [i for i in wanted if i >= first]
        depends = closures.reached(body, moving)
        # Which stacked outputs bring cotangents; zeros elsewhere.
        arriving = [
            i
            for i in range(self.carry, self.asked)
            if cotangents[i] is not None and depends[i] and outputs[i].dtype.inexact
        ]
        saved = outputs[self.asked - self.carry : self.asked]

        def back(fixed: Any, state: Any, xs: Any) -> Any:
            carry, xs = xs[: self.carry], xs[self.carry :]
            entries, cts = xs[: len(xs) - len(arriving)], xs[len(xs) - len(arriving) :]
            given: list[Any] = [None] * self.asked
            for i, ct in zip(carries, state, strict=False):
                given[i - n] = ct
            for i, ct in zip(arriving, cts, strict=True):
                given[i] = ct
            places = [*consts, *carries, *scanned]
            found = pull(body, [*fixed, *carry, *entries], given, places)
            sums = [a + b for a, b in zip(state[len(carries) :], found, strict=False)]
            found = found[len(consts) :]
            return [*found[: len(carries)], *sums], found[len(carries) :]

        state = [
            zeros_like(primals[i]) if cotangents[i - n] is None else cotangents[i - n]
            for i in carries
        ]
        state += [zeros_like(primals[i]) for i in consts]
        xs = [*saved, *primals[first:], *more, *[cotangents[i] for i in arriving]]
        carry, ys = scan_arrays(back, primals[:n], state, xs, self.length, not self.reverse)
        found: list[Any] = [None] * len(primals)
        for i, ct in zip([*carries, *consts, *scanned], [*carry, *ys], strict=True):
            found[i] = ct if i in wanted else None
        return tuple(found)

    def _saving(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        """Scan again, keeping the carries: when it was recorded no gradient was in sight."""
        body, more = self._pure(outputs)
        kept = _with_carries(body, self.consts, self.carry, self.asked)
        again = Scan(
            kept, self.consts, self.carry, len(kept.outputs), self.length, self.reverse, True
        )
        made = as_tuple(apply(again, (*primals, *more)))
        cts = [*cotangents[: self.asked], *[None] * self.carry]
        return again.vjp((*primals, *more), cts, made, wanted)[: len(primals)]

    def batch(self, operands: Any, dims: Any) -> Any:
        size = closures.batch_size(operands, dims)
        n, first = self.consts, self.consts + self.carry
        mapped = {i for i, d in enumerate(dims) if d is not None}
        mapped = settle(self.body, mapped, n, self.carry, False)
        want = closures.reached(self.body, mapped)
        moved = [
            move_axis(x, d, 1)
            if i >= first and d is not None
            else closures.in_front(x, d, size)
            if i in mapped
            else x
            for i, (x, d) in enumerate(zip(operands, dims, strict=True))
        ]

        def step(consts: Any, carry: Any, xs: Any) -> Any:
            made = spread(self.body, [*consts, *carry, *xs], mapped, size, want)
            return made[: self.carry], made[self.carry :]

        if self.effect and effect_results(self.body):
            return NotImplemented
        carry, ys = scan_arrays(
            step, moved[:n], moved[n:first], moved[first:], self.length, self.reverse
        )
        made = (*carry, *ys[: self.outputs - self.carry])
        axes = tuple([None if not w else 0 if i < self.carry else 1 for i, w in enumerate(want)])
        return (made[0], axes[0]) if self.outputs == 1 else (made, axes)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        def body(w: Any, c: Any, x: Any) -> Any:
            made = (c * w + x).sin()
            return made, made * x

        x = rng.standard_normal(3).astype("float32")
        likes = closures.examples(x, x, x)
        program = Recording("scan", body, likes).close([])
        for length, reverse in [(4, False), (3, True), (0, False)]:
            operands = [rng.standard_normal(s).astype("float32") for s in ((3,), (3,), (length, 3))]
            yield Sample(cls(program, 1, 1, 2, length, reverse, False), tuple(operands))


@core_kernel("scan")
def _scan_kernel(target: Any) -> Callable[..., Any]:
    def kernel(ctx: Any, p: Any, *operands: Any) -> Any:
        made = run_scan(target, p, operands)
        return made[0] if p.outputs == 1 else tuple(made)

    return kernel


def _with_carries(body: Program, consts: int, carry: int, asked: int) -> Program:
    """Return ``body`` with its carries as the last of the outputs that are asked for."""
    outputs = body.outputs
    kept = (*outputs[:asked], *range(consts, consts + carry), *outputs[asked:])
    return closures.shared(Program(body.inputs, body.constants, body.equations, kept, body.avals))


def scan_arrays(
    fun: Callable[..., Any],
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    length: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    """Scan ``fun(consts, carry, entries) -> (carry, results)``, all flat lists of arrays.

    Returns the last carries, and the stacked results; the results of effects are not among them.
    """
    likes = [like(x.shape[1:], x.dtype, x) for x in xs]
    recording = Recording("scan", fun, [list(consts), list(carry), likes])
    return bind_scan(recording, consts, carry, xs, length, reverse)


def bind_scan(
    recording: Recording,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    length: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    """Record the loop over a body that was traced."""
    captured = captured_by(recording)
    body = recording.close(captured)
    fixed = len(captured) + len(consts)
    asked = len(body.outputs)
    saved = closures.reverse_mode()
    if saved:
        body = _with_carries(body, fixed, len(carry), asked)
    if recording.effects:
        body = closures.shared(with_effect_results(body))
    everything = asked + (len(carry) if saved else 0)
    primitive = Scan(body, fixed, len(carry), everything, length, reverse, saved)
    operands = (*[wrap(v) for v in captured], *consts, *carry, *xs)
    made = list(as_tuple(apply(primitive, operands)))
    return made[: len(carry)], made[len(carry) : asked]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Apply ``f`` to the entries of ``xs`` one after another, carrying a state along.

    As if written::

        carry, ys = init, []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, mx.stack(ys)

    but ``f`` is traced once and recorded as one operation, inside and outside of ``compile``. All
    derivatives and ``vmap`` go through it; a gradient keeps the carry of each step and computes
    the rest of the step again.

    Args:
      f: ``(carry, x) -> (carry, y)``, of trees of arrays. The carry must keep its structure,
        shapes and dtypes.
      init: The first carry; numbers in it become arrays.
      xs: A tree of arrays whose first axes have the same length, or None; ``f`` then gets None.
      length: The number of steps, needed where ``xs`` holds no array.
      reverse: Begin with the last entry; results stay at their entries' places.
    Returns:
      The last carry, and the tree of results stacked along a new first axis.
    Raises:
      ValueError: The carry changes its structure, shapes or dtypes, the lengths differ or are not
        given, or a value is asked for inside ``f``.
    Example:
      >>> import monel.core as mx
      >>> mx.scan(lambda total, x: (total + x, total), mx.array(0), mx.array([1, 2, 3]))
      (array(6, dtype=int32), array([0, 1, 3], dtype=int32))
    Source: ``jax.lax.scan``.
    """
    check_callable("scan", f)
    init, xs = closures.with_arrays(init), closures.with_arrays(xs)
    carry: list[Any] = []
    entries: list[Any] = []
    carry_tree = flatten(init, array, carry)
    xs_tree = flatten(xs, array, entries)
    steps = _steps(entries, length)
    results: list[Any] = []

    def step(consts: Any, carried: Any, given: Any) -> Any:
        made = f(unflatten(carry_tree, iter(carried)), unflatten(xs_tree, iter(given)))
        if not isinstance(made, tuple) or len(made) != 2:
            raise ShapeError(
                f"scan: the function must return a pair (carry, y), got {type(made).__name__}"
            )
        after: list[Any] = []
        structure = flatten(closures.with_arrays(made[0]), array, after)
        closures.check_same(
            "scan",
            "carry",
            (carry_tree, [x.value for x in carry]),
            (structure, [x.value for x in after]),
            ("at first", "after a step"),
        )
        ys: list[Any] = []
        results.append(flatten(closures.with_arrays(made[1]), array, ys))
        return after, ys

    likes = [like(x.shape[1:], x.dtype, x) for x in entries]
    recording = Recording("scan", step, [[], carry, likes])
    if not recording.outputs and not recording.effects:
        return init, unflatten(results[0], iter(()))
    last, ys = bind_scan(recording, [], carry, entries, steps, reverse)
    return unflatten(carry_tree, iter(last)), unflatten(results[0], iter(ys))


def like(shape: tuple[int, ...], dtype: Any, x: Any) -> array:
    """Return an array of which only shape, dtype and stream are looked at."""
    return wrap(placeholder(shape, dtype, None, x.value.stream))


def _steps(xs: list[Any], length: Any) -> int:
    if length is not None and (isinstance(length, bool) or not isinstance(length, int)):
        raise TypeError(f"scan: length must be an int, got {type(length).__name__}")
    for x in xs:
        if x.ndim == 0:
            raise ShapeError(f"scan: xs must have a first axis to scan, got {x.value}")
    found = {x.shape[0] for x in xs}
    if length is not None:
        found.add(length)
    if len(found) > 1:
        raise ShapeError(f"scan: xs and length disagree about the number of steps: {sorted(found)}")
    if not found:
        raise ShapeError("scan: give length= where xs holds no array")
    (steps,) = found
    if steps < 0:
        raise ShapeError(f"scan: length must not be negative, got {steps}")
    return int(steps)
