"""Fusion: runs of elementwise operations become one ``fused`` equation.

In a Program, and at evaluation, where a Value that is about to run absorbs the operands that only
it needs. Fusing never changes bits: each operation rounds as it would alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, ClassVar

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, float32
from ..base.errors import DTypeError
from ..base.program import Program
from ..graph import value as graph
from ..graph.primitive import REGISTRY, Primitive, Sample, apply
from .rewrite import Rewriter

Node = tuple[str, tuple[int, ...], Dtype]


class Fused(Primitive, name="fused", export_name="Compiled"):
    """A chain of elementwise operations, and perhaps one reduction, run as one.

    Attributes:
      nodes: ``(name, refs, dtype)`` in order; a ref below the number of operands is an operand,
        the others are earlier nodes. All have the shape to which the operands broadcast.
      results: The nodes (as refs) that are returned; one.
      reduce: None or ``(name, axes)``, applied to the output.
    """

    nodes: tuple[Node, ...]
    results: tuple[int, ...]
    reduce: tuple[str, tuple[int, ...]] | None = None
    nondifferentiable: ClassVar[str | None] = "it is made after all transforms"

    def __str__(self) -> str:
        names = [n[0] for n in self.nodes] + ([self.reduce[0]] if self.reduce else [])
        return f"Compiled [{' '.join(names)}]"

    def _run(self, operands: Any, bind: Any) -> Any:
        env = list(operands)
        for name, refs, dtype in self.nodes:
            parameters = {"dtype": dtype} if name == "cast" else {}
            env.append(bind(REGISTRY[name](**parameters), [env[r] for r in refs]))
        out = env[self.results[0]]
        if self.reduce is not None:
            name, axes = self.reduce
            reduction: Any = REGISTRY[name]
            out = bind(reduction(axes=axes), [out])
        return out

    def abstract(self, *operands: Any) -> AbstractArray:
        made = [o.aval for o in operands]

        def infer(p: Any, xs: Any) -> AbstractArray:
            made.append(p.abstract(*xs))
            return made[-1]

        out: AbstractArray = self._run(operands, infer)
        for (name, _, dtype), aval in zip(self.nodes, made[len(operands) :], strict=False):
            if aval.dtype is not dtype:
                raise DTypeError(f"fused: {name} gives {aval}, and {dtype.name} was recorded")
        return out

    def reference(self, *operands: Any) -> Any:
        return self._run(operands, lambda p, xs: p.reference(*xs))

    def decompose(self, *operands: Any) -> Any:
        return self._run(operands, lambda p, xs: apply(p, tuple(xs)))

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        x, y = (rng.standard_normal(s).astype("float32") for s in ((3, 4), (4,)))
        nodes: tuple[Node, ...] = (("mul", (0, 1), float32), ("exp", (2,), float32))
        yield Sample(cls(nodes, (3,)), (x, y))
        yield Sample(cls(nodes, (3,), ("sum", (1,))), (x, y))


def build(nodes: list[Any], operands: list[Any], reduce: Any) -> Fused:
    """Return the Fused of ``nodes``, each (key, primitive, operand keys, dtype), oldest first."""
    count = len(operands)
    place = {key: i for i, key in enumerate(operands)}
    place.update({key: count + i for i, (key, *_) in enumerate(nodes)})
    body = tuple([(p.name, tuple([place[o] for o in ops]), dt) for _, p, ops, dt in nodes])
    return Fused(body, (count + len(nodes) - 1,), reduce)


def fuse_value(value: Any, target: Any) -> None:
    """Let ``value`` absorb the elementwise operands that only it needs; called before it runs.

    A candidate is taken once every consumer that it has is in the group: operands are always older
    than their consumers, so visiting by falling serial number has counted them all.
    """
    fusion = target.fusible
    primitive = value.primitive
    root, reduce = value, None
    if primitive.name in fusion.reductions:
        (root,) = value.operands
        reduce = (primitive.name, primitive.axes)
        # Its owners are the reduction's tuple and the name above.
        if root.buffer is not None or graph.sole_owners(value.operands, 0) != 1:
            return
    if not _takes(root, root, fusion) or root.state is not None:
        return
    members: list[Any] = []
    uses: dict[int, list[Any]] = {}
    heap: list[int] = []
    _absorb(root, members, uses, heap)
    operands: dict[int, Any] = {}
    while heap:
        serial = -heapq.heappop(heap)
        entry = uses.pop(serial)
        count, candidate, holder, index = entry
        entry[1] = entry[2] = None
        fits = (
            len(members) < fusion.max_nodes
            and len(operands) + len(heap) + len(candidate.operands) <= fusion.max_operands
            and _takes(candidate, root, fusion)
        )
        # Owners: the consumers' tuples (counted) and this function's own name for it.
        if fits:
            candidate = None
            fits = graph.sole_owners(holder, index) == count - 1
            candidate = holder[index]
        if fits:
            _absorb(candidate, members, uses, heap)
        else:
            operands[serial] = candidate
    if len(members) < (2 if reduce is None else 1) or len(operands) > fusion.max_operands:
        return
    nodes = [
        (v.serial, v.primitive, [o.serial for o in v.operands], v.dtype) for v in reversed(members)
    ]
    value.primitive = build(nodes, list(operands), reduce)
    value.operands = tuple(operands.values())


def _absorb(v: Any, members: list[Any], uses: Any, heap: Any) -> None:
    members.append(v)
    for i, operand in enumerate(v.operands):
        entry = uses.get(operand.serial)
        if entry is None:
            uses[operand.serial] = [1, operand, v.operands, i]
            heapq.heappush(heap, -operand.serial)
        else:
            entry[0] += 1


def _takes(v: Any, root: Any, fusion: Any) -> bool:
    """Whether ``v`` may stand in a body with the shape of ``root``."""
    return (
        v.buffer is None
        and v.state is None
        and (v.trace is None or not v.trace.open)
        and v.primitive.name in fusion.operations
        and v.shape == root.shape
        and v.stream is root.stream
        and v.size >= fusion.min_size
        and bool(v.operands)
    )


graph.install(fuse=fuse_value)


def fuse_program(program: Program, fusion: Any) -> Program:
    """Return ``program`` with runs of large elementwise equations fused."""
    groups = _Groups(program, fusion)
    fused: dict[int, tuple[Fused, list[int]]] = {}
    for number in range(len(program.equations) - 1, -1, -1):
        found = None if number in groups.taken else groups.ending_at(number)
        if found is not None:
            fused[number] = found
    if not fused:
        return program
    rewriter = Rewriter(program)
    for number, equation in enumerate(program.equations):
        if number in fused:
            primitive, operands = fused[number]
            named = tuple([rewriter.env[v] for v in operands])
            (out,) = equation.outputs
            (rewriter.env[out],) = rewriter.add(primitive, named, [program.avals[out]])
        elif number not in groups.taken:
            rewriter.copy(equation)
    return rewriter.finish()


class _Groups:
    """Finds runs of equations to fuse, from the last equation back."""

    def __init__(self, program: Program, fusion: Any) -> None:
        self.program = program
        self.fusion = fusion
        self.outputs = set(program.outputs)
        self.consumers: dict[int, list[int]] = {}
        self.maker: dict[int, int] = {}
        self.taken: set[int] = set()
        for number, equation in enumerate(program.equations):
            for v in equation.operands:
                self.consumers.setdefault(v, []).append(number)
            for v in equation.outputs:
                self.maker[v] = number

    def ending_at(self, number: int) -> tuple[Fused, list[int]] | None:
        """Return the fused equation that ends with ``number`` and its operands, or None."""
        root, reduce = self._root(number)
        if root is None:
            return None
        limit = self.fusion.max_nodes
        while limit > 0:
            order = self._members(root, limit)
            inputs = self._inputs(order)
            if len(inputs) <= self.fusion.max_operands:
                break
            limit = len(order) // 2
        if limit == 0 or len(order) < (2 if reduce is None else 1):
            return None
        nodes = []
        for n in order:
            p, ops, (out,) = self.program.equations[n]
            nodes.append((out, p, ops, self.program.avals[out].dtype))
        self.taken.update(order, [number])
        return build(nodes, inputs, reduce), inputs

    def _root(self, number: int) -> tuple[int | None, Any]:
        """Return the last elementwise equation and the reduction that follows it, if any."""
        primitive, operands, _ = self.program.equations[number]
        if primitive.name not in self.fusion.reductions or len(operands) != 1:
            return (number if self._takes(number, None) else None), None
        inner = self.maker.get(operands[0])
        alone = operands[0] not in self.outputs and self.consumers[operands[0]] == [number]
        if inner is None or not alone or not self._takes(inner, None):
            return None, None
        return inner, (primitive.name, primitive.axes)

    def _takes(self, n: int, shape: Any) -> bool:
        primitive, operands, outs = self.program.equations[n]
        aval = self.program.avals[outs[0]]
        return (
            n not in self.taken
            and len(outs) == 1
            and bool(operands)
            and primitive.name in self.fusion.operations
            and (shape is None or aval.shape == shape)
            and aval.size >= self.fusion.min_size
        )

    def _members(self, root: int, limit: int) -> list[int]:
        """Return the group of ``root``, oldest first: what only members consume may join."""
        shape = self.program.avals[self.program.equations[root].outputs[0]].shape
        members, pending = {root}, {root}
        while pending:
            n = max(pending)
            pending.discard(n)
            for v in self.program.equations[n].operands:
                m = self.maker.get(v)
                if m is None or m in members or v in self.outputs or len(members) >= limit:
                    continue
                if self._takes(m, shape) and all(c in members for c in self.consumers[v]):
                    members.add(m)
                    pending.add(m)
        return sorted(members)

    def _inputs(self, order: list[int]) -> list[int]:
        made = {self.program.equations[n].outputs[0] for n in order}
        used = [v for n in order for v in self.program.equations[n].operands if v not in made]
        return list(dict.fromkeys(used))
