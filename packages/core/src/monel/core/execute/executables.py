"""Executable: a Program made ready for one device; a call of it runs the whole Program.

What no kernel takes runs as one, too: as the Program that it decomposes into, else on the host.
"""

from __future__ import annotations

from typing import Any

from ..base.program import Equation, Program
from ..contract.backend import AdaptedKernel, Backend
from ..graph import value as graph
from ..graph.primitive import record_values
from ..passes.cse import merge_common
from ..passes.decompose import decompose, without_passing
from ..passes.fold import fold_constants
from ..passes.fuse import fuse_program
from . import fallback
from .kernels import (
    CORE_KERNELS,
    decomposition,
    expansion_for,
    find_kernel,
    kernel_for,
    note,
)


class Step:
    """One equation made ready: the kernel, where its operands lie, what dies with it."""

    avals: tuple[Any, ...]
    context: graph.Context
    freed: tuple[int, ...]
    kernel: Any
    operands: tuple[int, ...]
    out: Any
    outputs: tuple[int, ...]
    primitive: Any
    single: bool

    __slots__ = (
        "avals", "context", "freed", "kernel", "operands", "out", "outputs", "primitive", "single",
    )  # fmt: skip


class Executable:
    """Runs a Program kernel by kernel on one Target, reusing what dies on the way."""

    __slots__ = ("__weakref__", "constants", "count", "inputs", "outputs", "steps", "target")

    def __init__(self, program: Program, target: Any, donated: int = 0) -> None:
        self.target = target
        self.inputs = program.inputs
        self.outputs = program.outputs
        self.count = len(program.avals)
        self.constants = [constant_buffer(c, target) for c in program.constants]
        last = last_uses(program)
        reusable = _Reusable(program, last, donated)
        self.steps = []
        for number, (primitive, operands, outputs) in enumerate(program.equations):
            step = Step()
            step.primitive = primitive
            step.operands = operands
            step.outputs = outputs
            step.avals = tuple([program.avals[v] for v in operands])
            outs = tuple([program.avals[v] for v in outputs])
            # A primitive whose number of outputs is a parameter may give a tuple of one.
            step.out = primitive.abstract(*step.avals)
            step.single = type(step.out) is not tuple
            step.kernel = resolve_kernel(target, primitive, step.avals, outs)
            step.freed = tuple([v for v in set(operands) if last[v] == number])
            mask = 0
            for i, v in enumerate(operands):
                if reusable.after(v, number):
                    mask |= 1 << i
            step.context = graph.Context(target, mask)
            self.steps.append(step)

    def __call__(self, inputs: Any) -> list[Any]:
        """Return the output buffers for the input buffers."""
        return self.run(inputs)

    def run(self, inputs: Any) -> list[Any]:
        """Call the kernels in order; a register is emptied when what it holds dies."""
        registers = list(inputs)
        registers.extend(self.constants)
        registers.extend([None] * (self.count - len(registers)))
        if graph.slots.around is not None:
            return self._watched(registers)
        try:
            for step in self.steps:
                places = step.operands
                count = len(places)
                operands = [registers[v] for v in places]
                for v in step.freed:
                    registers[v] = None
                if count == 2:
                    result = step.kernel(step.context, step.primitive, operands[0], operands[1])
                elif count == 1:
                    result = step.kernel(step.context, step.primitive, operands[0])
                else:
                    result = step.kernel(step.context, step.primitive, *operands)
                if result is NotImplemented:
                    result = self._missing(step, operands)
                first = step.outputs[0]
                if step.single:
                    registers[first] = result
                else:
                    registers[first : first + len(step.outputs)] = result
        except Exception as error:
            note(error, step.primitive, step.avals)
            raise
        return [registers[v] for v in self.outputs]

    def _watched(self, registers: list[Any]) -> list[Any]:
        """Do what ``run`` does under the eyes of whoever watches; nothing is donated."""
        for step in self.steps:
            operands = [registers[v] for v in step.operands]
            try:
                result = watched(self, step, operands)
            except Exception as error:
                note(error, step.primitive, step.avals)
                raise
            for v, buffer in zip(step.outputs, [result] if step.single else result, strict=True):
                registers[v] = buffer
        return [registers[v] for v in self.outputs]

    def _missing(self, step: Any, operands: Any) -> Any:
        """Run a step whose kernel declined; later calls go the same way at once."""
        if isinstance(step.kernel, AdaptedKernel):
            result = step.kernel.run(step.context, step.primitive, operands, step.avals, step.out)
            if result is not NotImplemented:
                return result
        return compute(self.target, step.primitive, step.avals, operands)

    @staticmethod
    def of(program: Program, target: Any, optimise: bool = True, donated: int = 0) -> Any:
        """Return the executable of ``program`` for ``target``, made once.

        ``optimise`` is for Programs that run often; ``donated`` has a bit for each input that the
        executable may consume.
        """
        per_target = _executables.setdefault(id(program), (program, {}))[1]
        found = per_target.get((target, donated))
        if found is None:
            found = Executable.native(program, target, donated)
            if found is None:
                found = Executable(lower(program, target, optimise), target, donated)
            per_target[target, donated] = found
            if len(_executables) > _LARGEST_TABLE:
                _executables.pop(next(iter(_executables)))
        return found

    @staticmethod
    def native(program: Program, target: Any, donated: int = 0) -> Any:
        """Return what the backend's own compiler makes of ``program``, or None.

        It is made once for all Programs of one fingerprint, and told at each call which inputs it
        may consume.
        """
        backend = target.backend
        if type(backend).compile is Backend.compile:
            return None
        key = (program.fingerprint, target)
        found = _compiled.get(key)
        if found is None:
            supported = in_supported(program, backend)
            made = None if supported is None else backend.compile(supported)
            if len(_compiled) >= _LARGEST_TABLE:
                _compiled.clear()
            # With the Program, whose parameters the fingerprint may know by identity alone.
            found = _compiled[key] = (program, made)
        compiled = found[1]
        if compiled is None:
            return None
        stream = backend.current_stream(target.device)
        return lambda inputs: list(compiled(list(inputs), donated, stream))


# Programs are kept by identity with their executables; the oldest go when there are too many.
_executables: dict[int, Any] = {}
# Program and what the compiler of a backend made of it, by fingerprint and target.
_compiled: dict[Any, tuple[Program, Any]] = {}
_LARGEST_TABLE = 16_384


def in_supported(program: Program, backend: Backend) -> Program | None:
    """Return ``program`` in primitives that ``backend`` says it compiles, or None."""

    def supports(primitive: Any, avals: Any) -> bool:
        return backend.supports(primitive, tuple([a.dtype for a in avals]))

    def expansion(primitive: Any, avals: Any) -> Program | None:
        if not avals or supports(primitive, avals):
            return None
        body = getattr(primitive, "program", None)
        if isinstance(body, Program):
            return body
        return None if primitive.decompose is None else decomposition(primitive, avals)

    program = without_passing(decompose(program, expansion))
    for primitive, operands, outputs in program.equations:
        if not supports(primitive, [program.avals[v] for v in operands or outputs]):
            return None
    return program


def resolve_kernel(target: Any, primitive: Any, avals: Any, outs: Any) -> Any:
    """Return the kernel of one equation."""
    dtypes = tuple([a.dtype for a in avals]) or (outs[0].dtype,)
    return kernel_for(target, primitive, dtypes)


def lower(program: Program, target: Any, optimise: bool) -> Program:
    """Return ``program`` in primitives that ``target`` has kernels for, merged and fused."""
    program = decompose(program, expansion_for(target))
    if not optimise:
        return program
    program = fold_constants(merge_common(program), lambda p, xs: _compute(p, xs, target))
    if target.fusible is not None:
        program = fuse_program(program, target.fusible)
    return program


def _compute(primitive: Any, values: Any, target: Any) -> Any:
    """Evaluate one primitive of constants now."""
    with graph.slots.on_stream(target.stream):
        made = record_values(primitive, tuple(values))
    graph.evaluate(made)
    return made


def constant_buffer(value: Any, target: Any) -> Any:
    """Return the buffer of a constant Value on ``target``, computing it where it is needed."""
    if value.buffer is None:
        graph.evaluate(value)
    return graph.slots.transfer(value, target)


def last_uses(program: Program) -> list[int]:
    """Return for each variable the number of the last equation that uses it.

    -1: it is never used; the number of equations: it is an output.
    """
    last = [-1] * len(program.avals)
    for number, equation in enumerate(program.equations):
        for v in equation.operands:
            last[v] = number
    for v in program.outputs:
        last[v] = len(program.equations)
    return last


def watched(executable: Executable, step: Step, operands: list[Any]) -> Any:
    """Call one kernel and tell who watches."""
    context = executable.target.context

    def call() -> Any:
        result = step.kernel(context, step.primitive, *operands)
        return executable._missing(step, operands) if result is NotImplemented else result

    around = graph.slots.around
    if around is None:
        return call()
    return around(call, executable.target, step.primitive, step.avals, step.out, operands)


class _Reusable:
    """Says whose memory may be reused, and when.

    Variables that may be one buffer are a group, and its memory may be reused when the last of them
    dies: a view of an operand, and what core's own kernels return, which may be an operand itself.
    """

    def __init__(self, program: Program, last: list[int], donated: int) -> None:
        self.parents = list(range(len(program.avals)))
        for primitive, operands, outputs in program.equations:
            if operands and primitive.name in CORE_KERNELS:
                self._join(*operands, *outputs)
            elif primitive.view:
                self._join(operands[0], *outputs)
        # An input that is not given away, or a constant, keeps its memory for good.
        kept = len(program.equations)
        first = program.inputs + len(program.constants)
        self.last = [-1] * len(last)
        for v, number in enumerate(last):
            given = v >= first or (v < program.inputs and donated >> v & 1)
            group = self._group(v)
            self.last[group] = max(self.last[group], number if given else kept)

    def _join(self, v: int, *others: int) -> None:
        for other in others:
            self.parents[self._group(other)] = self._group(v)

    def _group(self, v: int) -> int:
        parents = self.parents
        while parents[v] != v:
            parents[v] = parents[parents[v]]
            v = parents[v]
        return v

    def after(self, v: int, number: int) -> bool:
        """Return whether nothing after equation ``number`` needs the memory of ``v``."""
        return self.last[self._group(v)] == number


def missing(target: graph.Target, value: Any, operands: Any, buffers: Any) -> Any:
    """Compute ``value``, which no kernel took as it is."""
    primitive = value.primitive
    avals = tuple([o.aval for o in operands])
    kernel = find_kernel(target, primitive, value, operands)
    if isinstance(kernel, AdaptedKernel):
        result = kernel.run(target.context, primitive, buffers, avals, value.aval)
        if result is not NotImplemented:
            return result
    return compute(target, primitive, avals, buffers)


def compute(target: graph.Target, primitive: Any, avals: Any, buffers: Any) -> Any:
    """Run ``primitive`` by whole-program compilation, decomposition, or on the host."""
    if type(target.backend).compile is not Backend.compile:
        executable = _compiled_alone(target, primitive, avals)
        if executable is not None:
            results = executable(buffers)
            return results[0] if primitive.outputs == 1 else tuple(results)
    if primitive.decompose is not None:
        results = Executable.of(decomposition(primitive, avals), target)(buffers)
        return results[0] if primitive.outputs == 1 else tuple(results)
    return fallback.on_host(target, primitive, avals, buffers)


def _compiled_alone(target: graph.Target, primitive: Any, avals: Any) -> Any:
    return Executable.native(single(primitive, avals), target)


def single(primitive: Any, avals: Any) -> Program:
    """Return the Program of one equation: ``primitive`` of operands of ``avals``."""
    out = primitive.abstract(*avals)
    outs = out if type(out) is tuple else (out,)
    n = len(avals)
    variables = tuple(range(n, n + len(outs)))
    equation = Equation(primitive, tuple(range(n)), variables)
    return Program(n, (), (equation,), variables, (*avals, *outs))


graph.install(missing=missing)
