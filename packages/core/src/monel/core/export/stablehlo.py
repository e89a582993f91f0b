"""Programs as StableHLO text, which XLA, IREE and other compilers read.

The text is MLIR in its generic form. What has no rule in ``stablehlo_rules`` is decomposed until
everything has one, so the required primitives cover all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, bool_
from ..base.program import Program
from ..base.storage import open_target
from ..files import contents
from ..graph import value as graph
from ..transforms.program import make_program
from ..transforms.tracing import check_callable
from .packing import portable
from .reduction import reduced_to

__all__ = ["export_stablehlo"]

_TYPES = {
    "bool": "i1",
    "uint8": "ui8",
    "uint16": "ui16",
    "uint32": "ui32",
    "uint64": "ui64",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "complex<f32>",
}


def export_stablehlo(file: Any, fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    """Write ``fun``, traced with example arguments, as StableHLO text.

    The module has one function ``main`` of the arrays in the arguments, in order; what ``fun``
    captures is part of the text. Array indices out of bounds are clamped there instead of raising.

    Args:
      file: Path, which is replaced as a whole, or a file object opened for text.
      fun: A function of trees of arrays that returns a tree of arrays.
      args: Example arguments.
      kwargs: Example arguments by name.
    Raises:
      ValueError: A primitive that has no form in StableHLO, such as linear algebra on the host.
      TypeError: ``file`` is neither path nor file object.
    Source: https://openxla.org/stablehlo/spec
    Example:
      >>> import sys, monel.core as mx
      >>> mx.export_stablehlo(sys.stdout, mx.add, mx.ones(2), mx.ones(2))
      module @add {
        func.func public @main(%0: tensor<2xf32>, %1: tensor<2xf32>) -> tensor<2xf32> {
          %2 = "stablehlo.add"(%0, %1) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
          "func.return"(%2) : (tensor<2xf32>) -> ()
        }
      }
    """
    check_callable("export_stablehlo", fun)
    name = getattr(fun, "__name__", "")
    program = make_program(fun)(*args, **kwargs)
    text = to_stablehlo(program, name if name.isidentifier() else "program")
    if isinstance(file, str | os.PathLike):
        with open_target(file, "export_stablehlo") as target:
            target.write(text.encode())
    elif hasattr(file, "write"):
        file.write(text)
    else:
        raise TypeError(
            f"export_stablehlo: expected a path or a file object, got {type(file).__name__}"
        )


def to_stablehlo(program: Program, name: str = "program") -> str:
    """``plugin.to_stablehlo``, which says more."""
    from .stablehlo_rules import RULES

    program = reduced_to(portable(program), frozenset(RULES), "StableHLO")
    writer = Writer()
    env = [writer.named(aval) for aval in program.in_avals]
    signature = ", ".join(f"{t}: {typed(t.aval)}" for t in env)
    for value in program.constants:
        env.append(writer.data(contents_of(value), value.aval))
    for primitive, operands, outputs in program.equations:
        avals = [program.avals[v] for v in outputs]
        made = RULES[primitive.name](writer, primitive, [env[v] for v in operands], avals[0])
        env.extend(made if isinstance(made, list) else [made])
    outs = [env[v] for v in program.outputs]
    types = ", ".join(typed(t.aval) for t in outs)
    result = types if len(outs) == 1 else f"({types})"
    lines = [
        f"module @{name} {{",
        f"  func.func public @main({signature}) -> {result} {{",
        *[f"    {line}" for line in writer.lines],
        f'    "func.return"({", ".join(map(str, outs))}) : ({types}) -> ()',
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def contents_of(value: Any) -> bytes:
    """Return the elements of a constant Value, computed where it is needed."""
    graph.evaluate(value)
    return bytes(contents(value))


def typed(aval: AbstractArray) -> str:
    """The MLIR type of ``aval``."""
    return f"tensor<{'x'.join([*map(str, aval.shape), _TYPES[aval.dtype.name]])}>"


def numbers(values: Sequence[int]) -> str:
    """An attribute of several integers."""
    return f"array<i64: {', '.join(map(str, values))}>" if values else "array<i64>"


class Tensor(NamedTuple):
    """A name in the text, and what it holds."""

    number: int
    aval: AbstractArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Dtype:
        return self.aval.dtype

    def __str__(self) -> str:
        return f"%{self.number}"


class Writer:
    """Collects the lines of a function; each operation defines fresh names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._next = 0

    def named(self, aval: AbstractArray) -> Tensor:
        """Return a fresh name."""
        self._next += 1
        return Tensor(self._next - 1, aval)

    def op(
        self,
        name: str,
        operands: Sequence[Tensor],
        aval: AbstractArray,
        attributes: str = "",
        body: Callable[[Writer, list[Tensor]], list[Tensor]] | None = None,
    ) -> Tensor:
        """Append ``stablehlo.name`` and return its result."""
        return self.ops(name, operands, [aval], attributes, body)[0]

    def ops(
        self,
        name: str,
        operands: Sequence[Tensor],
        avals: Sequence[AbstractArray],
        attributes: str = "",
        body: Callable[[Writer, list[Tensor]], list[Tensor]] | None = None,
        scalars: Sequence[AbstractArray] = (),
    ) -> list[Tensor]:
        """Append an operation of several results; ``body`` works on ``scalars``."""
        region: list[str] = []
        if body is not None:
            region = self._region(body, scalars or [scalar(o.dtype) for o in operands])
        made = [self.named(aval) for aval in avals]
        names = ", ".join(map(str, made))
        used = ", ".join(map(str, operands))
        given = ", ".join(typed(o.aval) for o in operands)
        results = ", ".join(typed(aval) for aval in avals)
        results = results if len(avals) == 1 else f"({results})"
        tail = f"{f' {{{attributes}}}' if attributes else ''} : ({given}) -> {results}"
        if region:
            self.lines += [f'{names} = "stablehlo.{name}"({used}) ({{', *region, f"}}){tail}"]
        else:
            self.lines.append(f'{names} = "stablehlo.{name}"({used}){tail}')
        return made

    def _region(self, body: Any, scalars: Sequence[AbstractArray]) -> list[str]:
        """Return the lines of a body with its own arguments; names go on."""
        outer, self.lines = self.lines, []
        arguments = [self.named(aval) for aval in scalars]
        made = body(self, arguments)
        inner, self.lines = self.lines, outer
        head = ", ".join(f"{t}: {typed(t.aval)}" for t in arguments)
        types = ", ".join(typed(t.aval) for t in made)
        return [
            f"^bb0({head}):",
            *[f"  {line}" for line in inner],
            f'  "stablehlo.return"({", ".join(map(str, made))}) : ({types}) -> ()',
        ]

    def data(self, data: bytes, aval: AbstractArray) -> Tensor:
        """A constant of raw elements in row-major order."""
        if aval.dtype is bool_ and aval.size > 1:
            from ..base.dtypes import uint8

            held = self.data(data, AbstractArray(aval.shape, uint8))
            return self.op("convert", [held], aval)
        if aval.dtype is bool_ and aval.size:
            text = "true" if data[0] else "false"
        else:
            text = f'"0x{data.hex().upper()}"' if data else ""
        return self.op("constant", [], aval, f"value = dense<{text}> : {typed(aval)}")

    def full(self, number: Any, aval: AbstractArray) -> Tensor:
        """A constant with one number everywhere."""
        import numpy as np

        if not aval.size:
            return self.data(b"", aval)
        if aval.dtype is bool_:
            text = "true" if number else "false"
        else:
            with np.errstate(all="ignore"):
                text = f'"0x{np.asarray(number).astype(aval.dtype.numpy).tobytes().hex().upper()}"'
        return self.op("constant", [], aval, f"value = dense<{text}> : {typed(aval)}")

    def convert(self, x: Tensor, dtype: Dtype) -> Tensor:
        """The elements as another dtype, where that is another."""
        if x.dtype is dtype:
            return x
        return self.op("convert", [x], AbstractArray(x.shape, dtype))

    def reshape(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The elements in another shape, where that is another."""
        if x.shape == shape:
            return x
        return self.op("reshape", [x], AbstractArray(shape, x.dtype))

    def broadcast(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The operand aligned to the right of ``shape``, where that is another."""
        if x.shape == shape:
            return x
        first = len(shape) - len(x.shape)
        dims = numbers(range(first, len(shape)))
        aval = AbstractArray(shape, x.dtype)
        return self.op("broadcast_in_dim", [x], aval, f"broadcast_dimensions = {dims}")

    def iota(self, aval: AbstractArray, axis: int) -> Tensor:
        """The index along ``axis`` everywhere."""
        return self.op("iota", [], aval, f"iota_dimension = {axis} : i64")

    def compare(self, direction: str, x: Tensor, y: Tensor) -> Tensor:
        """Whether each pair compares; numbers by IEEE 754, so NaN differs from all."""
        kind = "FLOAT" if x.dtype.inexact else "SIGNED" if x.dtype.signed else "UNSIGNED"
        attributes = (
            f"comparison_direction = #stablehlo<comparison_direction {direction}>, "
            f"compare_type = #stablehlo<comparison_type {kind}>"
        )
        return self.op("compare", [x, y], AbstractArray(x.shape, bool_), attributes)


def scalar(dtype: Dtype) -> AbstractArray:
    """The aval of one element."""
    return AbstractArray((), dtype)
