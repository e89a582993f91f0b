"""cond: one of two functions, chosen by a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray
from ..base.dtypes import bool_
from ..base.errors import DTypeError, ShapeError
from ..base.program import Program
from ..base.tree import flatten, unflatten
from ..execute.kernels import core_kernel
from ..execute.loops import run_branch
from ..graph.handle import array, wrap
from ..graph.primitive import Primitive, Sample, apply
from ..passes.effects import silenced
from ..passes.shapes import with_shapes
from ..primitives.effects import after
from . import closures
from .closures import Recording, as_tuple, captured_by, choose, pull, push, spread
from .tracing import check_callable

if TYPE_CHECKING:
    import numpy as np

__all__ = ["cond"]


class Cond(Primitive, name="cond"):
    """The results of ``yes`` or of ``no`` for all operands but the first, which chooses.

    Attributes:
      pred: Shape and dtype of the first operand.
      yes, no: The branches; their outputs agree in shape and dtype.
    """

    interned = False
    fails = True
    shape_dependent = True
    zero_in = (0,)
    pred: AbstractArray
    yes: Program
    no: Program

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = len(self.yes.outputs)
        self.__dict__["effect"] = self.yes.effect or self.no.effect

    def __str__(self) -> str:
        return f"Cond [{len(self.yes.equations)} or {len(self.no.equations)} equations]"

    def abstract(self, *operands: Any) -> Any:
        if operands[0].dtype is not self.pred.dtype:
            raise DTypeError(f"cond: expected a condition of {self.pred}, got {operands[0].aval}")
        return self.yes.out_avals[0] if self.outputs == 1 else self.yes.out_avals

    def replayed(self, old: Any, new: Any) -> Cond:
        yes, no = (with_shapes(branch, new[1:]) for branch in (self.yes, self.no))
        if yes.out_avals != no.out_avals:
            raise ShapeError("cond: the branches return different shapes at these shapes")
        return Cond(self.pred, yes, no)

    def quiet(self) -> Cond:
        """Return the same without effects, of which nothing may be asked."""
        return Cond(self.pred, silenced(self.yes, "cond"), silenced(self.no, "cond"))

    def reference(self, pred: np.ndarray, *operands: np.ndarray) -> Any:
        made = (self.yes if pred else self.no).reference(*operands)
        return made[0] if self.outputs == 1 else made

    def _computed_again(self, primals: Any, outputs: Any) -> Any:
        """Return the branches and the operands to compute them again; effects have run before."""
        if not self.effect:
            return (self.yes, self.no), primals
        quiet = self.quiet()
        return (quiet.yes, quiet.no), after(primals, outputs)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        moving = [i - 1 for i, t in enumerate(tangents) if i and t is not None]
        branches, primals = self._computed_again(primals, outputs)
        depends = [any(pair) for pair in zip(*self._reached(moving), strict=True)]
        places = [i for i, moves in enumerate(depends) if moves and outputs[i].dtype.inexact]
        if not places:
            return (None,) * self.outputs

        def pushed(branch: Program) -> Callable[..., Any]:
            def function(operands: Any, ts: Any) -> Any:
                found = push(branch, operands, dict(zip(moving, ts, strict=True)))[1]
                return [found[i] for i in places]

            return function

        given = [list(primals[1:]), [tangents[i + 1] for i in moving]]
        made = cond_arrays(primals[0], [pushed(b) for b in branches], given)
        found: list[Any] = [None] * self.outputs
        for i, t in zip(places, made, strict=True):
            found[i] = t
        return tuple(found)

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        places = [i - 1 for i in wanted if i and primals[i].dtype.inexact]
        arriving = [i for i, ct in enumerate(cotangents) if ct is not None]
        found: list[Any] = [None] * len(primals)
        if not places or not arriving:
            return tuple(found)
        branches, primals = self._computed_again(primals, outputs)

        def pulled(branch: Program) -> Callable[..., Any]:
            def function(operands: Any, cts: Any) -> Any:
                given: list[Any] = [None] * self.outputs
                for i, ct in zip(arriving, cts, strict=True):
                    given[i] = ct
                return pull(branch, operands, given, places)

            return function

        given = [list(primals[1:]), [cotangents[i] for i in arriving]]
        made = cond_arrays(primals[0], [pulled(b) for b in branches], given)
        for i, ct in zip(places, made, strict=True):
            found[i + 1] = ct
        return tuple(found)

    def _reached(self, inputs: Any) -> list[list[bool]]:
        return [closures.reached(branch, inputs) for branch in (self.yes, self.no)]

    def batch(self, operands: Any, dims: Any) -> Any:
        size = closures.batch_size(operands, dims)
        apart = dims[0] is not None
        if apart and self.effect:
            # Both branches would run for each row.
            return NotImplemented
        mapped = {i - 1 for i, d in enumerate(dims) if i and d is not None}
        want = [apart or any(pair) for pair in zip(*self._reached(mapped), strict=True)]
        moved = [
            x if d is None else closures.in_front(x, d, size)
            for x, d in zip(operands, dims, strict=True)
        ]

        def spread_out(branch: Program) -> Callable[..., Any]:
            return lambda xs: spread(branch, xs, mapped, size, want)

        branches = [spread_out(branch) for branch in (self.yes, self.no)]
        if apart:
            results = zip(*[branch(moved[1:]) for branch in branches], strict=True)
            on = moved[0].astype(bool_)
            made = [choose(on, yes, no) for yes, no in results]
        else:
            made = cond_arrays(operands[0], branches, [moved[1:]])
        axes = tuple([0 if w else None for w in want])
        return (made[0], axes[0]) if self.outputs == 1 else (tuple(made), axes)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        import numpy as np

        x, y = (rng.standard_normal(s).astype("float32") for s in ((3,), (2, 3)))
        likes = closures.examples(x, y)
        yes = Recording("cond", lambda x, y: (x * y, x.sin()), likes).close([])
        no = Recording("cond", lambda x, y: (y - 1.0, x), likes).close([])
        for pred in (True, False):
            p = cls(AbstractArray((), bool_), yes, no)
            yield Sample(p, (np.array(pred), x, y))


@core_kernel("cond")
def _cond_kernel(target: Any) -> Callable[..., Any]:
    def kernel(ctx: Any, p: Any, *operands: Any) -> Any:
        made = run_branch(target, p, operands)
        return made[0] if p.outputs == 1 else tuple(made)

    return kernel


def cond_arrays(pred: Any, branches: Sequence[Any], trees: Sequence[Any]) -> list[Any]:
    """Choose between two functions of ``trees`` that return flat lists of arrays, alike."""
    recordings = [Recording("cond", branch, trees) for branch in branches]
    leaves: list[Any] = []
    flatten(trees, array, leaves)
    return bind_cond(pred, recordings, leaves)


def bind_cond(pred: Any, recordings: Sequence[Recording], operands: Sequence[Any]) -> list[Any]:
    """Record the choice between two functions that were traced."""
    captured = captured_by(*recordings)
    yes, no = (recording.close(captured) for recording in recordings)
    given = (pred, *[wrap(v) for v in captured], *operands)
    return list(as_tuple(apply(Cond(pred.value.aval, yes, no), given)))


def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """Return ``true_fun(*operands)`` if ``pred`` is true, else ``false_fun(*operands)``.

    Both functions are traced and recorded as one operation, inside and outside of ``compile``;
    one of them runs. All derivatives and ``vmap`` go through it; where ``vmap`` maps ``pred``,
    both run for all rows and ``mx.where`` chooses.

    Args:
      pred: A scalar array or a number; true if it is not zero.
      true_fun, false_fun: Functions of the operands that return trees of arrays of the same
        structure, shapes and dtypes.
      operands: Trees of arrays; numbers in them become arrays.
    Returns:
      The tree that the chosen function returns.
    Raises:
      ValueError: The functions' results differ, ``pred`` is no scalar, or a value is asked for
        inside of them.
    Example:
      >>> import monel.core as mx
      >>> f = lambda x: mx.cond(x > 0, mx.sqrt, lambda x: -x, x)
      >>> f(mx.array(9.0)), mx.grad(f)(mx.array(-4.0))
      (array(3, dtype=float32), array(-1, dtype=float32))
    Source: ``jax.lax.cond``.
    """
    check_callable("cond", true_fun)
    check_callable("cond", false_fun)
    pred = closures.with_arrays(pred)
    if not isinstance(pred, array):
        raise DTypeError(
            f"cond: pred must be a scalar array or a number, got {type(pred).__name__}"
        )
    if pred.shape:
        raise ShapeError(
            f"cond: pred must be a scalar, got {pred.value}; mx.where chooses by element"
        )
    given = closures.with_arrays(operands)
    recordings = [Recording("cond", branch, given) for branch in (true_fun, false_fun)]
    yes, no = recordings
    closures.check_same(
        "cond",
        "result",
        (yes.structure, yes.outputs),
        (no.structure, no.outputs),
        ("of true_fun", "of false_fun"),
    )
    if not yes.outputs and not (yes.effects or no.effects):
        return unflatten(yes.structure, iter(()))
    leaves: list[Any] = []
    flatten(given, array, leaves)
    return unflatten(yes.structure, iter(bind_cond(pred, recordings, leaves)))
