"""The primitives of loops that run while a condition holds: the loop, and its derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..base.errors import MissingRuleError, ShapeError
from ..base.program import Program
from ..execute.kernels import core_kernel
from ..execute.loops import run_while, run_while_reverse
from ..graph.capture import inline
from ..graph.handle import wrap
from ..graph.primitive import Primitive, Sample, apply, call
from ..passes.effects import silenced
from ..passes.shapes import with_shapes
from ..primitives.derive import backward, tracer, zeros_like
from ..primitives.effects import after
from . import closures
from .closures import Recording, as_tuple, captured_by, choose, pull, push, settle, spread
from .cond import cond
from .scan import scan_arrays

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class While(Primitive, name="while_loop", export_name="While"):
    """A body applied to its own results as long as a condition on them holds.

    Attributes:
      cond, body: Their inputs are what is the same in all steps, then the carries.
      consts, carry: How many operands are of either kind.
      max_steps: The most steps that it takes, or None.
    """

    interned = False
    fails = True
    shape_dependent = True
    cond: Program
    body: Program
    consts: int
    carry: int
    max_steps: int | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = self.carry
        self.__dict__["effect"] = self.cond.effect or self.body.effect

    def __str__(self) -> str:
        return f"{self.export_name} [{len(self.body.equations)} equations]"

    def abstract(self, *operands: Any) -> Any:
        return self.body.out_avals[0] if self.outputs == 1 else self.body.out_avals

    def replayed(self, old: Any, new: Any) -> Any:
        n = self.consts + self.carry
        body = with_shapes(self.body, new[:n])
        for old_carry, carry in zip(new[self.consts : n], body.out_avals, strict=True):
            if old_carry.shape != carry.shape:
                raise ShapeError(
                    f"while_loop: a carry of {old_carry} becomes {carry} at these shapes"
                )
        return self._but(cond=with_shapes(self.cond, new[:n]), body=body)

    def _but(self, **changes: Any) -> Any:
        return type(self)(**{**self.parameters, **changes})

    def quiet(self) -> While:
        """Return the same without effects, of which nothing may be asked."""
        programs = [silenced(program, self.name) for program in (self.cond, self.body)]
        return self._but(cond=programs[0], body=programs[1])

    def _steps(self, consts: Any, carry: Any, kept: list[Any] | None = None) -> Any:
        count = 0
        while count != self.max_steps and self.cond.reference(*consts, *carry)[0]:
            if kept is not None:
                kept.append(carry)
            carry = self.body.reference(*consts, *carry)
            count += 1
        return carry

    def reference(self, *operands: np.ndarray) -> Any:
        made = self._steps(operands[: self.consts], operands[self.consts :])
        return made[0] if self.outputs == 1 else tuple(made)

    def _moving(self, given: Any) -> set[int]:
        return settle(self.body, set(given), self.consts, self.carry, True)

    def _computed_again(self, primals: Any, outputs: Any) -> Any:
        """Return what computes the loop again; its effects have run before that."""
        return (self.quiet(), after(primals, outputs)) if self.effect else (self, primals)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        moving = self._moving(i for i, t in enumerate(tangents) if t is not None)
        quiet, primals = self._computed_again(primals, outputs)
        joint = _Joint(quiet, primals, tangents, moving)
        made = while_arrays(joint.cond, joint.body, joint.consts, joint.carry, self.max_steps)
        return joint.tangents_of(made)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        quiet, primals = self._computed_again(primals, outputs)
        if self.max_steps is not None:
            return quiet._vjp_of_scan(self.max_steps, primals, cotangents, wanted)
        n = self.consts
        wanted = [i for i in wanted if primals[i].dtype.inexact]
        moving = self._moving(wanted)
        consts = [i for i in wanted if i < n]
        carries = [i for i in range(n, n + self.carry) if i in moving]

        def back(fixed: Any, state: Any, carry: Any) -> Any:
            given: list[Any] = [None] * self.carry
            for i, ct in zip(carries, state, strict=False):
                given[i - n] = ct
            found = pull(quiet.body, [*fixed, *carry], given, [*carries, *consts])
            cts, more = found[: len(carries)], found[len(carries) :]
            return [*cts, *[a + b for a, b in zip(state[len(carries) :], more, strict=True)]]

        state = [
            zeros_like(primals[i]) if cotangents[i - n] is None else cotangents[i - n]
            for i in carries
        ]
        state += [zeros_like(primals[i]) for i in consts]
        loop = (*as_functions(quiet), primals[:n], primals[n:])
        made = reverse_of(loop, back, state, None)
        found: list[Any] = [None] * len(primals)
        for i, ct in zip([*carries, *consts], made, strict=True):
            found[i] = ct if i in wanted else None
        return tuple(found)

    def _vjp_of_scan(self, steps: int, primals: Any, cotangents: Any, wanted: Any) -> Any:
        """Walk back through a scan of so many steps, each of which may do nothing."""
        inputs, replaced = [], list(primals)
        for i in wanted:
            inputs.append(tracer(primals[i].value, None))
            replaced[i] = wrap(inputs[-1])

        def step(consts: Any, carry: Any, xs: Any) -> Any:
            (on,) = inline(self.cond, [*consts, *carry])
            body = lambda *c: inline(self.body, [*consts, *c])  # noqa: E731
            return cond(on, body, lambda *c: list(c), *carry), []

        with closures.reversing():
            made, _ = scan_arrays(
                step, replaced[: self.consts], replaced[self.consts :], [], steps, False
            )
        found: list[Any] = [None] * len(primals)
        cts = backward([m.value for m in made], cotangents, inputs)
        for i, ct in zip(wanted, cts, strict=True):
            found[i] = ct
        return tuple(found)

    def _mapped(self, dims: Any) -> tuple[set[int], bool]:
        """Return which operands get a batch axis, and whether rows end at different steps."""
        given = {i for i, d in enumerate(dims) if d is not None}
        mapped = settle(self.body, given, self.consts, self.carry, False)
        (apart,) = closures.reached(self.cond, mapped)
        if apart:
            mapped |= set(range(self.consts, self.consts + self.carry))
        return mapped, apart

    def batch(self, operands: Any, dims: Any) -> Any:
        rows = _Rows(self, operands, dims)
        if rows.apart and self.effect:
            # A row that has ended must not repeat its effects with the others.
            return NotImplemented
        n = self.consts
        made = while_arrays(rows.cond, rows.body, rows.moved[:n], rows.moved[n:], self.max_steps)
        axes = tuple([0 if n + i in rows.mapped else None for i in range(self.carry)])
        return (made[0], axes[0]) if self.outputs == 1 else (tuple(made), axes)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for max_steps in (None, 6):
            w = rng.uniform(0.5, 0.9, 3).astype("float32")
            x = rng.uniform(2, 3, 3).astype("float32")
            yield Sample(cls(*_sample_programs(w, x), 1, 1, max_steps), (w, x))


def _sample_programs(*operands: Any) -> tuple[Program, Program]:
    likes = closures.examples(*operands)
    asks = Recording("while_loop", lambda w, x: (x * x).sum() > 1.5, likes)
    does = Recording("while_loop", lambda w, x: x * w.sin() + 0.1 * x * x, likes)
    return asks.close([]), does.close([])


class _Joint:
    """A loop together with its tangents: the functions and operands of the loop of both."""

    def __init__(self, p: Any, primals: Any, tangents: Any, moving: set[int]) -> None:
        self.p = p
        n, end = p.consts, p.consts + p.carry
        self.fixed = [i for i in range(n) if i in moving]
        self.carried = [i for i in range(n, end) if i in moving]

        def pushed(places: Any) -> list[Any]:
            return [zeros_like(primals[i]) if tangents[i] is None else tangents[i] for i in places]

        self.consts = [*primals[:n], *pushed(self.fixed)]
        self.carry = [*primals[n:end], *pushed(self.carried)]

    def cond(self, consts: Any, carry: Any) -> Any:
        """Return the condition, on the loop's own carries."""
        p = self.p
        return inline(p.cond, [*consts[: p.consts], *carry[: p.carry]])

    def given(self, consts: Any, carry: Any) -> tuple[list[Any], dict[int, Any]]:
        """Return the primals and the tangents by place."""
        p = self.p
        ts = [*consts[p.consts :], *carry[p.carry :]]
        primals = [*consts[: p.consts], *carry[: p.carry]]
        return primals, dict(zip([*self.fixed, *self.carried], ts, strict=True))

    def body(self, consts: Any, carry: Any) -> Any:
        """Return the carries after a step, and their tangents."""
        made, found = push(self.p.body, *self.given(consts, carry))
        return [*made, *[found[i - self.p.consts] for i in self.carried]]

    def tangents_of(self, made: Any) -> tuple[Any, ...]:
        """Return the tangents among the results of the loop."""
        found: list[Any] = [None] * self.p.carry
        for i, t in zip(self.carried, made[self.p.carry :], strict=True):
            found[i - self.p.consts] = t
        return tuple(found)


class _Rows:
    """A loop over all rows of a batch at once: the functions and operands of that loop."""

    def __init__(self, p: Any, operands: Any, dims: Any) -> None:
        self.p = p
        self.size = closures.batch_size(operands, dims)
        self.mapped, self.apart = p._mapped(dims)
        self.moved = [
            closures.in_front(x, d, self.size) if i in self.mapped else x
            for i, (x, d) in enumerate(zip(operands, dims, strict=True))
        ]

    def asks(self, consts: Any, carry: Any) -> Any:
        """Return the condition, of each row where rows end at different steps."""
        (on,) = spread(self.p.cond, [*consts, *carry], self.mapped, self.size, [self.apart])
        return on

    def cond(self, consts: Any, carry: Any) -> Any:
        """Return whether any row goes on."""
        on = self.asks(consts, carry)
        return [call("any", on, axes=(0,)) if self.apart else on]

    def body(self, consts: Any, carry: Any) -> Any:
        """Return the carries after a step; those of rows that have ended stay."""
        n = self.p.consts
        want = [n + i in self.mapped for i in range(self.p.carry)]
        made = spread(self.p.body, [*consts, *carry], self.mapped, self.size, want)
        if not self.apart:
            return made
        on = self.asks(consts, carry)
        return [choose(on, new, old) for new, old in zip(made, carry, strict=True)]


class WhileReverse(While, name="while_reverse"):
    """A loop whose carries are kept, and the steps of its derivative, last first.

    ``back`` takes what is the same in all steps, the states, and the carries before a step, and
    returns the states; these are further operands, and the result.
    """

    back: Program

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = len(self.back.outputs)

    def abstract(self, *operands: Any) -> Any:
        return self.back.out_avals[0] if self.outputs == 1 else self.back.out_avals

    def replayed(self, old: Any, new: Any) -> Any:
        n, end = self.consts, self.consts + self.carry
        again = super().replayed(old, new)
        return again._but(back=with_shapes(self.back, [*new[:n], *new[end:], *new[n:end]]))

    def reference(self, *operands: np.ndarray) -> Any:
        n, end = self.consts, self.consts + self.carry
        kept: list[Any] = []
        self._steps(operands[:n], operands[n:end], kept)
        state: Any = operands[end:]
        for carry in reversed(kept):
            state = self.back.reference(*operands[:n], *state, *carry)
        return state[0] if self.outputs == 1 else tuple(state)

    def _places(self, places: Any) -> Any:
        """Return where the inputs of ``back`` stand among the operands."""
        n, end = self.consts, self.consts + self.carry
        order = [*range(n), *range(end, end + self.outputs), *range(n, end)]
        return [k for k, place in enumerate(order) if place in places]

    def _settled(self, given: Any, inexact: bool) -> tuple[set[int], set[int]]:
        """Return ``given`` with the carries, and with the states, that depend on it."""
        n, end = self.consts, self.consts + self.carry
        forth = settle(self.body, {i for i in given if i < end}, n, self.carry, inexact)
        known = {*forth, *given}
        states = settle(self.back, set(self._places(known)), n, self.outputs, inexact)
        moving = {end + k - n for k in states if n <= k < n + self.outputs}
        return forth, moving

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        n, end = self.consts, self.consts + self.carry
        forth, states = self._settled([i for i, t in enumerate(tangents) if t is not None], True)
        joint = _Joint(self, primals, tangents, forth)
        moving = sorted(states)
        pushed = [zeros_like(primals[i]) if tangents[i] is None else tangents[i] for i in moving]

        def back(consts: Any, state: Any, carry: Any) -> Any:
            given, ts = joint.given(consts, carry)
            count = self.outputs
            places = {i if i < n else i + count: t for i, t in ts.items()}
            places.update({n + i - end: t for i, t in zip(moving, state[count:], strict=True)})
            arrays = [*given[:n], *state[:count], *given[n:]]
            made, found = push(self.back, arrays, places)
            return [*made, *[found[i - end] for i in moving]]

        loop = (joint.cond, joint.body, joint.consts, joint.carry)
        made = reverse_of(loop, back, [*primals[end:], *pushed], self.max_steps)
        found: list[Any] = [None] * self.outputs
        for i, t in zip(moving, made[self.outputs :], strict=True):
            found[i - end] = t
        return tuple(found)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        raise MissingRuleError(
            "while_loop: a reverse-mode derivative of a reverse-mode derivative needs a bound on "
            "the number of steps; give while_loop max_steps=, or take one of the two with mx.jvp"
        )

    def batch(self, operands: Any, dims: Any) -> Any:
        n, end, count = self.consts, self.consts + self.carry, self.outputs
        given = [i for i, d in enumerate(dims) if d is not None]
        rows = _Rows(self, operands[:end], dims[:end]) if any(i < end for i in given) else None
        forth = set() if rows is None else rows.mapped
        _, states = self._settled({*forth, *given}, False)
        if rows is not None and rows.apart:
            states = set(range(end, end + count))
        size = closures.batch_size(operands, dims)
        moved = list(operands[:end]) if rows is None else rows.moved
        state = [
            closures.in_front(x, d, size) if i in states else x
            for i, (x, d) in enumerate(zip(operands[end:], dims[end:], strict=True), end)
        ]
        want = [i in states for i in range(end, end + count)]
        mapped = set(self._places({*forth, *states}))

        def back(consts: Any, held: Any, carry: Any) -> Any:
            made = spread(self.back, [*consts, *held, *carry], mapped, size, want)
            if rows is None or not rows.apart:
                return made
            # A row that had ended before this step has nothing to undo in it.
            on = rows.asks(consts, carry)
            return [choose(on, new, old) for new, old in zip(made, held, strict=True)]

        functions = as_functions(self) if rows is None else (rows.cond, rows.body)
        loop = (*functions, moved[:n], moved[n:])
        made = reverse_of(loop, back, state, self.max_steps)
        axes = tuple([0 if w else None for w in want])
        return (made[0], axes[0]) if count == 1 else (tuple(made), axes)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        w = rng.uniform(0.5, 0.9, 3).astype("float32")
        x = rng.uniform(2, 3, 3).astype("float32")
        ct = rng.standard_normal(3).astype("float32")
        likes = closures.examples(w, ct, x)
        back = Recording("while_loop", lambda w, ct, x: ct * w + x.cos() * ct, likes).close([])
        yield Sample(cls(*_sample_programs(w, x), 1, 1, None, back), (w, x, ct))


def _kernel_of(run: Callable[..., Any]) -> Callable[..., Any]:
    def make(target: Any) -> Callable[..., Any]:
        def kernel(ctx: Any, p: Any, *operands: Any) -> Any:
            made = run(target, p, operands)
            return made[0] if p.outputs == 1 else tuple(made)

        return kernel

    return make


core_kernel("while_loop")(_kernel_of(run_while))
core_kernel("while_reverse")(_kernel_of(run_while_reverse))


def while_arrays(
    cond_fun: Callable[..., Any],
    body_fun: Callable[..., Any],
    consts: Sequence[Any],
    carry: Sequence[Any],
    max_steps: int | None,
) -> list[Any]:
    """Loop over functions of ``(consts, carry)``, flat lists of arrays."""
    likes = [list(consts), list(carry)]
    asks = Recording("while_loop", cond_fun, likes)
    does = Recording("while_loop", body_fun, likes)
    return bind_while(asks, does, consts, carry, max_steps)


def bind_while(
    asks: Recording, does: Recording, consts: Any, carry: Any, max_steps: int | None
) -> list[Any]:
    """Record the loop over a condition and a body that were traced."""
    captured = captured_by(asks, does)
    fixed = len(captured) + len(consts)
    loop = While(asks.close(captured), does.close(captured), fixed, len(carry), max_steps)
    return list(as_tuple(apply(loop, (*[wrap(v) for v in captured], *consts, *carry))))


def reverse_of(loop: Any, back: Any, state: Any, max_steps: int | None) -> list[Any]:
    """Loop as ``while_arrays(*loop)`` does, then take its steps back.

    ``back(consts, state, carry)`` takes back the step before which the carries were ``carry``.
    """
    cond_fun, body_fun, consts, carry = loop
    likes = [list(consts), list(carry)]
    asks = Recording("while_loop", cond_fun, likes)
    does = Recording("while_loop", body_fun, likes)
    undoes = Recording("while_loop", back, [list(consts), list(state), list(carry)])
    captured = captured_by(asks, does, undoes)
    programs = [recording.close(captured) for recording in (asks, does, undoes)]
    fixed = len(captured) + len(consts)
    again = WhileReverse(programs[0], programs[1], fixed, len(carry), max_steps, programs[2])
    operands = (*[wrap(v) for v in captured], *consts, *carry, *state)
    return list(as_tuple(apply(again, operands)))


def as_functions(p: While) -> tuple[Any, Any]:
    """Return condition and body of ``p`` as functions of ``(consts, carry)``."""
    return (
        lambda consts, carry: inline(p.cond, [*consts, *carry]),
        lambda consts, carry: inline(p.body, [*consts, *carry]),
    )
