"""Functions with rules of their own (custom_function) and functions computed again (checkpoint).

Both record one node that holds the traced body. Bodies are closure-converted: what they capture
from an enclosing open trace becomes a further operand, so that it is batched and differentiated
like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..base.errors import MissingRuleError, ShapeError
from ..base.tree import LEAF, Constant, flatten, unflatten
from ..execute.executables import Executable
from ..execute.kernels import core_kernel
from ..graph.capture import capture, inline
from ..graph.handle import array, wrap
from ..graph.primitive import apply, call
from ..passes.effects import with_effect_results, without_effects
from ..primitives.derive import (
    backward,
    forward,
    tracer,
    zeros_like,
)
from ..primitives.effects import after
from . import closures
from .tracing import (
    Traced,
    batched_program,
    call_swapped,
    check_callable,
    open_trace,
    take_effects,
    tracing,
    tracing_into,
)

__all__ = ["checkpoint", "custom_function"]


class Body(Traced):
    """A traced function as one node: ``program`` on the arguments and what they captured.

    Attributes:
      program: The body; its inputs are the arguments' leaves, then the captured arrays; its outputs
        the results, then those of the effects in it.
      explicit: How many of the operands are arguments.
      asked: How many of the outputs are results.
      rules: The call's own rules, or None.
    """

    explicit: int
    asked: int
    rules: Any

    def __str__(self) -> str:
        return f"{self.export_name} [{len(self.program.equations)} equations]"

    def quiet(self) -> Body:
        """Return the same without effects; it takes their results as further operands."""
        return type(self)(
            without_effects(self.program, self.asked), self.explicit, self.asked, self.rules
        )

    def _through_body(
        self, operands: Any, wanted: Any, outputs: Any
    ) -> tuple[list[Any], list[Any]]:
        """Record the body again on fresh tracers of the ``wanted`` operands; its effects are not.

        Returns the tracers and the results as Values.
        """
        inputs, replaced = [], list(operands)
        for i in wanted:
            v = tracer(operands[i].value, None)
            inputs.append(v)
            replaced[i] = wrap(v)
        program = self.program
        if self.effect:
            program = self.quiet().program
            replaced += outputs[self.asked :]
        return inputs, [m.value for m in inline(program, replaced)]

    def _vjp_of_body(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        inputs, made = self._through_body(primals, wanted, outputs)
        found: list[Any] = [None] * len(primals)
        cts = backward(made, cotangents[: self.asked], inputs)
        for i, ct in zip(wanted, cts, strict=True):
            found[i] = ct
        return found

    def _jvp_of_body(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        moving = [i for i, t in enumerate(tangents) if t is not None]
        inputs, made = self._through_body(primals, moving, outputs)
        return self._filled(forward(made, inputs, [tangents[i] for i in moving]))

    def _batch_of_body(self, operands: Any, dims: Any) -> Any:
        made, axes = zip(*batched_program(self.program, operands, dims), strict=True)
        return (made[0], axes[0]) if self.outputs == 1 else (made, axes)

    def _filled(self, tangents: Any) -> Any:
        """Return tangents of all outputs, given those of the results."""
        return (*tangents, *[None] * (self.outputs - self.asked))


class CustomFunction(Body, name="custom_function"):
    """A call of a ``mx.custom_function``; ``rules`` is the call's ``_Call``."""

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        if self.rules.owner.vjp_rule is None:
            return self._vjp_of_body(primals, cotangents, outputs, wanted)
        found: list[Any] = [None] * len(primals)
        if all(i >= self.explicit for i in wanted):
            return found
        asked = cotangents[: self.asked], outputs[: self.asked]
        for i, ct in enumerate(self.rules.vjp(primals[: self.explicit], *asked)):
            found[i] = ct
        return found

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        if self.rules.owner.jvp_rule is not None:
            if all(t is None for t in tangents[: self.explicit]):
                return (None,) * self.outputs
            pushed = self.rules.jvp(primals[: self.explicit], tangents[: self.explicit])
            return self._filled(pushed)
        return self._jvp_of_body(primals, tangents, outputs)

    def batch(self, operands: Any, dims: Any) -> Any:
        explicit = dims[: self.explicit]
        if self.rules.owner.vmap_rule is not None and any(d is not None for d in explicit):
            made, axes = self.rules.vmap(operands[: self.explicit], explicit)
            for aval in self.program.out_avals[self.asked :]:
                # The rule stands for the body, so no effect of the body runs.
                made.append(call("full", shape=aval.shape, dtype=aval.dtype, value=0))
                axes.append(None)
        else:
            return self._batch_of_body(operands, dims)
        return (made[0], axes[0]) if self.outputs == 1 else (tuple(made), tuple(axes))


class Checkpoint(Body, name="checkpoint"):
    """A call of a ``mx.checkpoint`` function: its inside is computed again for the derivative."""

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        # Recomputation waits for the cotangents; else all blocks would be recomputed at once.
        arriving = [ct for ct in cotangents if ct is not None]
        held = after(primals, arriving)
        return self._vjp_of_body(held, cotangents, outputs, wanted)

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return self._jvp_of_body(primals, tangents, outputs)

    def batch(self, operands: Any, dims: Any) -> Any:
        if self.effect:
            return self._batch_of_body(operands, dims)
        # The batch is computed again as a whole, too.
        size = closures.batch_size(operands, dims)
        mapped = {i for i, d in enumerate(dims) if d is not None}
        want = closures.reached(self.program, mapped)
        moved = [
            x if d is None else closures.in_front(x, d, size)
            for x, d in zip(operands, dims, strict=True)
        ]
        recording = closures.Recording(
            "checkpoint", lambda xs: closures.spread(self.program, xs, mapped, size, want), [moved]
        )
        captured = closures.captured_by(recording)
        program = recording.close(captured)
        node = Checkpoint(program, len(program.in_avals), self.outputs, None)
        made = apply(node, (*[wrap(v) for v in captured], *moved))
        axes = tuple([0 if w else None for w in want])
        return made, axes[0] if self.outputs == 1 else axes


@core_kernel("custom_function")
@core_kernel("checkpoint")
def _body_kernel(target: Any) -> Callable[..., Any]:
    def kernel(ctx: Any, p: Any, *operands: Any) -> Any:
        results = Executable.of(p.program, target, optimise=False)(operands)
        return results[0] if p.outputs == 1 else tuple(results)

    return kernel


def record_body(
    cls: type[Body], name: str, fun: Any, args: Any, kwargs: Any, make_rules: Any
) -> Any:
    """Trace ``fun`` on concrete tracers and record its call as one node of class ``cls``."""
    leaves: list[Any] = []
    structure = flatten((args, kwargs), array, leaves)
    with open_trace(name, concrete=True) as trace:
        tracers: list[Any] = []
        result = call_swapped(fun, args, kwargs, tracing_into(tracers, trace))
        made: list[Any] = []
        out_structure = flatten(result, array, made)
        if not made:
            return result
        outputs = [m.value for m in made]
        effects = take_effects(trace)
        program = capture(tracers, outputs, trace.serial, effects)
        captured = [c for c in program.constants if c.trace is not None and c.trace.open]
        if captured:
            program = capture([*tracers, *captured], outputs, trace.serial, effects)
        if effects:
            program = with_effect_results(program)
        node = cls(program, len(leaves), len(made), make_rules(structure, out_structure))
        operands = (*leaves, *[wrap(c) for c in captured])
        recorded = apply(node, operands)
    if not isinstance(recorded, tuple):
        recorded = (recorded,)
    return unflatten(out_structure, iter(recorded))


class custom_function:
    """A function with derivative and vmap rules of its own; use it as a decorator.

    The rules are given by the decorators ``.vjp``, ``.jvp`` and ``.vmap``; each is optional. For
    its own ``.vjp`` and ``.jvp`` the arrays that the function captures are constants.

    - ``f.vjp``: ``(primals, cotangents, outputs) -> gradients``
    - ``f.jvp``: ``(primals, tangents) -> output tangents``; a missing tangent is None
    - ``f.vmap``: ``(inputs, axes) -> (outputs, output axes)``

    With one argument ``primals`` and the like are that argument's, else a tuple of all.

    Example:
      >>> import monel.core as mx
      >>> @mx.custom_function
      ... def f(x, y):
      ...     return mx.sin(x) * y
      >>> @f.vjp
      ... def f_vjp(primals, cotangent, output):
      ...     x, y = primals
      ...     return cotangent * mx.cos(x) * y, cotangent * mx.sin(x)
      >>> mx.grad(f)(mx.array(0.0), mx.array(2.0))
      array(2, dtype=float32)
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        check_callable("custom_function", f)
        self.fun = f
        self.vjp_rule: Callable[..., Any] | None = None
        self.jvp_rule: Callable[..., Any] | None = None
        self.vmap_rule: Callable[..., Any] | None = None
        if hasattr(f, "__name__"):
            functools.update_wrapper(self, f, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not tracing():
            return self.fun(*args, **kwargs)
        return record_body(
            CustomFunction,
            "custom_function",
            self.fun,
            args,
            kwargs,
            lambda structure, out: _Call(self, structure, out),
        )

    def vjp(self, f: Callable[..., Any]) -> custom_function:
        """Define the reverse derivative: ``f(primals, cotangents, outputs)``."""
        check_callable("custom_function.vjp", f)
        self.vjp_rule = f
        return self

    def jvp(self, f: Callable[..., Any]) -> custom_function:
        """Define the forward derivative: ``f(primals, tangents)``."""
        check_callable("custom_function.jvp", f)
        self.jvp_rule = f
        return self

    def vmap(self, f: Callable[..., Any]) -> custom_function:
        """Define the vectorised form: ``f(inputs, axes)`` returns outputs and their axes."""
        check_callable("custom_function.vmap", f)
        self.vmap_rule = f
        return self


class _Call:
    """One call of a custom_function: the trees of its arguments and results."""

    def __init__(self, owner: custom_function, structure: Any, out: Any) -> None:
        self.owner = owner
        self.structure = structure
        self.out = out

    def _arguments(self, leaves: Any) -> Any:
        """Rebuild the arguments' trees; the only one comes alone, several as a tuple."""
        args, kwargs = unflatten(self.structure, iter(leaves))
        if kwargs:
            return (*args, *kwargs.values())
        return args[0] if len(args) == 1 else args

    def vjp(self, primals: Any, cotangents: Any, outputs: Any) -> list[Any]:
        filled = [
            zeros_like(o) if ct is None else ct for ct, o in zip(cotangents, outputs, strict=True)
        ]
        assert self.owner.vjp_rule is not None
        result = self.owner.vjp_rule(
            self._arguments(primals),
            unflatten(self.out, iter(filled)),
            unflatten(self.out, iter(outputs)),
        )
        return self._leaves_for("vjp", result, primals)

    def _leaves_for(self, rule: str, result: Any, primals: Any) -> list[Any]:
        """Match a rule's result to the arguments' arrays; what is missing or None is zero."""
        args, kwargs = self.structure.children
        children = [*args.children, *kwargs.children]
        if len(children) == 1 and not (isinstance(result, tuple) and children[0] is LEAF):
            result = (result,)
        if not isinstance(result, list | tuple):
            result = (result,)
        found: list[Any] = []
        for i, child in enumerate(children):
            part = result[i] if i < len(result) else None
            _match(rule, child, part, found)
        for given, primal in zip(found, primals, strict=True):
            if given is not None and given.shape != primal.shape:
                raise ShapeError(
                    f"custom_function.{rule}: a gradient of shape {given.shape} was returned for "
                    f"an argument of shape {primal.shape}"
                )
        return found

    def jvp(self, primals: Any, tangents: Any) -> tuple[Any, ...]:
        assert self.owner.jvp_rule is not None
        result = self.owner.jvp_rule(self._arguments(primals), self._arguments(tangents))
        found: list[Any] = []
        _match("jvp", self.out, result, found)
        return tuple(found)

    def vmap(self, operands: Any, dims: Any) -> tuple[list[Any], list[Any]]:
        assert self.owner.vmap_rule is not None
        result = self.owner.vmap_rule(self._arguments(operands), self._arguments(dims))
        if not isinstance(result, tuple) or len(result) != 2:
            raise MissingRuleError(
                "custom_function.vmap: the rule must return a tuple (outputs, output axes)"
            )
        made: list[Any] = []
        flatten(result[0], array, made)
        axes: list[Any] = []
        _match("vmap", self.out, result[1], axes)
        for x, d in zip(made, axes, strict=True):
            if d is not None and not -x.ndim <= d < x.ndim:
                raise ShapeError(
                    f"custom_function.vmap: axis {d} is invalid for an output of shape {x.shape}"
                )
        return made, [None if d is None else d % x.ndim for x, d in zip(made, axes, strict=True)]


def _match(rule: str, structure: Any, tree: Any, found: list[Any]) -> None:
    """Append what ``tree`` holds at each leaf of ``structure``; None stands for all below it."""
    if structure is LEAF:
        found.append(tree)
    elif isinstance(structure, Constant):
        return
    elif structure.keys is not None:
        for key, child in zip(structure.keys, structure.children, strict=True):
            _match(rule, child, None if tree is None else tree[key], found)
    else:
        if isinstance(tree, list | tuple) and len(tree) != len(structure.children):
            raise ShapeError(
                f"custom_function.{rule}: expected {len(structure.children)} entries, "
                f"the rule returned {len(tree)}"
            )
        for i, child in enumerate(structure.children):
            part = tree[i] if isinstance(tree, list | tuple) else tree
            _match(rule, child, part, found)


def checkpoint(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``fun`` computed again in the backward pass instead of keeping what it computed.

    Args:
      fun: A function of trees of arrays.
    Returns:
      The same function; under ``grad`` and ``vjp`` only its arguments are kept for the derivative.
    Example:
      >>> import monel.core as mx
      >>> mx.grad(mx.checkpoint(lambda x: mx.sin(x) ** 2))(mx.array(0.0))
      array(0, dtype=float32)
    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.
    """
    check_callable("checkpoint", fun)

    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not tracing():
            return fun(*args, **kwargs)
        return record_body(Checkpoint, "checkpoint", fun, args, kwargs, lambda *_: None)

    return (
        functools.wraps(fun, updated=())(checkpointed) if hasattr(fun, "__name__") else checkpointed
    )
