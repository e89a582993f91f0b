"""Running the bodies of control flow from the host, on buffers: nothing is traced or recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from sys import getrefcount
from typing import Any

from ..base.avals import AbstractArray
from ..base.program import Equation, Program
from ..contract.backend import AdaptedKernel
from ..graph import value as graph
from ..graph.primitive import REGISTRY
from ..passes.rewrite import Rewriter
from .executables import Executable, compute
from .kernels import kernel_for

# So many entries are joined at once, so that no kernel is called with an operand for each of
# 100,000 steps.
CHUNK = 512


class Applied:
    """Calls one primitive after another of a class on operands of the same avals."""

    def __init__(self, target: graph.Target, avals: Sequence[AbstractArray]) -> None:
        self.target = target
        self.avals = tuple(avals)
        self.kernels: dict[Any, Any] = {}

    def __call__(self, primitive: Any, *buffers: Any) -> Any:
        target, cls = self.target, type(primitive)
        kernel = self.kernels.get(cls)
        if kernel is None:
            kernel = kernel_for(target, primitive, tuple([a.dtype for a in self.avals]))
            self.kernels[cls] = kernel
        result = kernel(target.context, primitive, *buffers)
        if result is NotImplemented and isinstance(kernel, AdaptedKernel):
            out = primitive.abstract(*self.avals)
            result = kernel.run(target.context, primitive, buffers, self.avals, out)
        if result is NotImplemented:
            result = compute(target, primitive, self.avals, buffers)
        return result


def entries(target: graph.Target, buffer: Any, aval: AbstractArray) -> Callable[[int], Any]:
    """Return what gives entry k along the first axis of ``buffer``."""
    select: Any = REGISTRY["select"]
    apply = Applied(target, (aval,))
    return lambda k: apply(select(0, k), buffer)


class Stack:
    """Collects arrays of shape (1, ...) and joins them along that axis."""

    def __init__(self, target: graph.Target, aval: AbstractArray) -> None:
        self.target = target
        self.aval = aval
        # Level n holds buffers of CHUNK**n entries.
        self.levels: list[list[tuple[Any, int]]] = [[]]

    def add(self, buffer: Any) -> None:
        """Append an entry."""
        self._put(0, buffer, 1)

    def _put(self, level: int, buffer: Any, count: int) -> None:
        if level == len(self.levels):
            self.levels.append([])
        held = self.levels[level]
        held.append((buffer, count))
        if len(held) == CHUNK:
            self.levels[level] = []
            self._put(level + 1, *self._joined(held))

    def _joined(self, parts: list[tuple[Any, int]]) -> tuple[Any, int]:
        if len(parts) == 1:
            return parts[0]
        avals = [AbstractArray((n, *self.aval.shape[1:]), self.aval.dtype) for _, n in parts]
        join = REGISTRY["concatenate"](axis=0)
        whole = Applied(self.target, avals)(join, *[b for b, _ in parts])
        return whole, sum(n for _, n in parts)

    def finish(self, reverse: bool) -> Any:
        """Return all entries as one buffer, last first if ``reverse``."""
        parts = [part for level in reversed(self.levels) for part in level]
        if not parts:
            shape = (0, *self.aval.shape[1:])
            return self.target.backend.allocate(shape, self.aval.dtype, self.target.device)
        whole, count = self._joined(parts)
        if not reverse or count == 1:
            return whole
        shape = (count, *self.aval.shape[1:])
        flip = REGISTRY["slice"](
            (count - 1, *[0] * (len(shape) - 1)), (-1, *shape[1:]), (-1, *[1] * (len(shape) - 1))
        )
        return Applied(self.target, (AbstractArray(shape, self.aval.dtype),))(flip, whole)


# Bodies are kept by identity with what is made of them; all go when there are too many.
_expanded: dict[tuple[int, int], tuple[Program, Program]] = {}
_LARGEST_TABLE = 4096


def with_leading_axis(program: Program, first: int) -> Program:
    """Return ``program`` with a leading axis of length 1 for each output from ``first`` on."""
    found = _expanded.get((id(program), first))
    if found is None:
        if len(_expanded) >= _LARGEST_TABLE:
            _expanded.clear()
        found = _expanded[id(program), first] = (program, _with_leading_axis(program, first))
    return found[1]


def _with_leading_axis(program: Program, first: int) -> Program:
    rewriter = Rewriter(program)
    for equation in program.equations:
        rewriter.copy(equation)
    made = rewriter.finish()
    avals, equations, outputs = list(made.avals), list(made.equations), list(made.outputs)
    expand: Any = REGISTRY["expand_dims"](axes=(0,))
    for i in range(first, len(outputs)):
        v = outputs[i]
        outputs[i] = len(avals)
        equations.append(Equation(expand, (v,), (outputs[i],)))
        avals.append(AbstractArray((1, *avals[v].shape), avals[v].dtype))
    return Program(made.inputs, made.constants, tuple(equations), tuple(outputs), tuple(avals))


def _owners(buffers: list[Any], i: int) -> int:
    return getrefcount(buffers[i])


_SOLE = _owners([object()], 0)


class Step:
    """A body that takes fixed operands, carries and further operands; called again and again.

    Carries that nothing else holds are given away to it, once it has made carries of its own.
    """

    def __init__(
        self, target: graph.Target, program: Program, fixed: Sequence[Any], carries: int
    ) -> None:
        self.target = target
        self.program = program
        self.fixed = list(fixed)
        self.given = ((1 << carries) - 1) << len(self.fixed)
        self.ready: dict[int, Any] = {}

    def __call__(self, carry: list[Any], more: Iterable[Any] = ()) -> list[Any]:
        """Return the outputs; ``carry`` is emptied."""
        donated = self.given
        for i in range(len(carry)):
            if _owners(carry, i) != _SOLE:
                donated = 0
                break
        executable = self.ready.get(donated)
        if executable is None:
            executable = Executable.of(self.program, self.target, True, donated)
            self.ready[donated] = executable
        inputs = [*self.fixed, *carry, *more]
        carry.clear()
        found: list[Any] = executable(inputs)
        return found


def truth(target: graph.Target, buffer: Any, aval: AbstractArray) -> bool:
    """Return the value of a condition."""
    found = target.backend.item(buffer, aval.dtype)
    if found is NotImplemented:
        found = any(bytes(target.backend.to_host(buffer, aval.shape, aval.dtype)))
    return bool(found)


def run_scan(target: graph.Target, p: Any, operands: Sequence[Any]) -> list[Any]:
    """Run a ``scan`` primitive."""
    first, rest = p.consts, p.consts + p.carry
    program = with_leading_axis(p.body, p.carry)
    avals = p.body.avals
    step = Step(target, program, operands[:first], p.carry)
    carry = list(operands[first:rest])
    xs = [
        entries(target, x, AbstractArray((p.length, *avals[rest + i].shape), avals[rest + i].dtype))
        for i, x in enumerate(operands[rest:])
    ]
    stacks = [Stack(target, aval) for aval in program.out_avals[p.carry :]]
    order = range(p.length - 1, -1, -1) if p.reverse else range(p.length)
    del operands
    for k in order:
        made = step(carry, [x(k) for x in xs])
        carry = made[: p.carry]
        for stack, y in zip(stacks, made[p.carry :], strict=True):
            stack.add(y)
        del made
        y = None
    return [*carry, *[stack.finish(p.reverse) for stack in stacks]]


def run_while(target: graph.Target, p: Any, operands: Sequence[Any]) -> list[Any]:
    """Run a ``while_loop`` primitive."""
    fixed = operands[: p.consts]
    carry = list(operands[p.consts :])
    del operands
    return while_loop(target, p, fixed, carry, None)


def while_loop(
    target: graph.Target, p: Any, fixed: Sequence[Any], carry: list[Any], kept: list[Any] | None
) -> list[Any]:
    """Run body while cond; the carries before each step are appended to ``kept``."""
    asked = Executable.of(p.cond, target)
    (aval,) = p.cond.out_avals
    step = Step(target, p.body, fixed, len(carry))
    left = p.max_steps
    while left != 0 and truth(target, asked([*fixed, *carry])[0], aval):
        if kept is not None:
            kept.append(tuple(carry))
        carry = step(carry)
        if left is not None:
            left -= 1
    return carry


def run_while_reverse(target: graph.Target, p: Any, operands: Sequence[Any]) -> list[Any]:
    """Run a loop keeping the carries of each step, then the steps of its derivative backwards."""
    fixed = operands[: p.consts]
    rest = p.consts + p.carry
    kept: list[Any] = []
    while_loop(target, p, fixed, list(operands[p.consts : rest]), kept)
    state = list(operands[rest:])
    # The states are the carries of this loop, so they come right behind what is fixed.
    back = Step(target, p.back, fixed, len(state))
    while kept:
        state = back(state, kept.pop())
    return state


def run_branch(target: graph.Target, p: Any, operands: Sequence[Any]) -> list[Any]:
    """Run one branch of a ``cond`` primitive."""
    chosen = p.yes if truth(target, operands[0], p.pred) else p.no
    found: list[Any] = Executable.of(chosen, target)(list(operands[1:]))
    return found
