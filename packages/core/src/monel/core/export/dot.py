"""export_to_dot: the graph behind arrays as a picture, in the language of Graphviz."""

from __future__ import annotations

import os
from typing import Any

from ..base.errors import DTypeError
from ..base.program import Program, variable_name
from ..base.storage import open_target
from ..graph.capture import capture
from ..graph.handle import array
from ..transforms.tracing import only_arrays

__all__ = ["export_to_dot"]

# Operations that the name of a compiled function lists.
_NAMED = 24


def export_to_dot(file: Any, *args: Any, **kwargs: Any) -> None:
    """Write the graph from which arrays will be computed in the DOT language.

    Arrays that are computed already, and those given by the user, are the sources. A compiled
    function is one node ``Compiled...`` that names its operations.

    Args:
      file: Path, which is replaced as a whole, or a file object opened for text.
      args: Arrays, trees of arrays, or one ``Program``.
      kwargs: Arrays to show under these names.
    Raises:
      ValueError: Neither path nor file object, or something that is no array.
    Source: https://graphviz.org/doc/info/lang.html
    Example:
      >>> import sys, monel.core as mx
      >>> x, y = mx.array(1.0), mx.array(2.0)
      >>> mx.export_to_dot(sys.stdout, mx.exp(x) + y, x=x, y=y)
      digraph {
      { rank=source; "x"; }
      { e0 [label="Exp", shape=rectangle]; }
      "x" -> e0
      { "B"; }
      e0 -> "B"
      { rank=source; "y"; }
      { e1 [label="Add", shape=rectangle]; }
      "B" -> e1
      "y" -> e1
      { rank=sink; "D"; }
      e1 -> "D"
      }
    """
    if len(args) == 1 and isinstance(args[0], Program):
        text = _draw(args[0], {})
    else:
        text = _draw(*_program_of(args, kwargs))
    if isinstance(file, str | os.PathLike):
        with open_target(file, "export_to_dot") as target:
            target.write(text.encode())
    elif hasattr(file, "write"):
        file.write(text)
    else:
        raise DTypeError(
            f"[export_to_dot] Accepts file-like objects or strings to be used as filenames, "
            f"got {type(file).__name__}"
        )


def _program_of(args: Any, kwargs: Any) -> tuple[Program, dict[int, str]]:
    """Return the Program that makes the arrays in ``args``, and the names of its variables."""
    outputs = [a.value for a in only_arrays("export_to_dot", "arguments", list(args))]
    names: list[str] = []
    values: list[Any] = []
    for name, tree in kwargs.items():
        found = only_arrays("export_to_dot", name, tree)
        values += [a.value for a in found]
        names += [name] if isinstance(tree, array) else [f"{name}[{i}]" for i in range(len(found))]
    both = capture([], [*outputs, *values], 0)
    program = Program(0, both.constants, both.equations, both.outputs[: len(outputs)], both.avals)
    return program, dict(zip(both.outputs[len(outputs) :], names, strict=True))


def _draw(program: Program, named: dict[int, str]) -> str:
    needed = set(program.outputs)
    for _, operands, outputs in reversed(program.equations):
        if not needed.isdisjoint(outputs):
            needed.update(operands)
    names: dict[int, str] = {}
    taken = set(named.values())

    def name(v: int) -> str:
        if v not in names:
            number = len(names)
            found = named.get(v) or variable_name(number).upper()
            while v not in named and found in taken:
                number += 1
                found = variable_name(number).upper()
            taken.add(found)
            names[v] = _quoted(found)
        return names[v]

    lines = ["digraph {"]
    drawn: set[int] = set()
    for number, (primitive, operands, outputs) in enumerate(program.equations):
        if needed.isdisjoint(outputs):
            continue
        for v in operands:
            if v not in drawn:
                drawn.add(v)
                lines.append(f"{{ rank=source; {name(v)}; }}")
        lines.append(f"{{ e{number} [label={_quoted(_label(primitive))}, shape=rectangle]; }}")
        lines += [f"{name(v)} -> e{number}" for v in operands]
        for v in outputs:
            drawn.add(v)
            rank = "rank=sink; " if v in program.outputs else ""
            lines += [f"{{ {rank}{name(v)}; }}", f"e{number} -> {name(v)}"]
    lines += [f"{{ rank=source; {name(v)}; }}" for v in program.outputs if v not in drawn]
    return "\n".join([*dict.fromkeys(lines), "}", ""])


def _label(primitive: Any) -> str:
    if primitive.name != "call":
        return str(primitive)
    operations = [e.primitive.export_name for e in primitive.program.equations]
    more = "..." if len(operations) > _NAMED else ""
    return "Compiled" + "".join(operations[:_NAMED]) + more


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
