"""Pieces of the recorded graph as Programs, for backends whose ``granularity`` is ``"graph"``."""

from __future__ import annotations

from sys import getrefcount
from types import SimpleNamespace
from typing import Any

from ..graph import value as graph
from ..graph.capture import capture
from .executables import Executable


def compute_piece(root: Any) -> bool:
    """Compute ``root`` and all that it needs on its device as one Program; say whether it was done.

    What others hold of it besides is computed by the same Program. Effects, failed Values, those of
    an open trace and those that another thread runs are left to the walk.
    """
    target = _target(root)
    if target is None or target.backend.granularity != "graph" or root.outputs is not None:
        return False
    members, leaves = _collect(root, target)
    if members is None:
        return False
    for leaf in leaves:
        graph.evaluate(leaf)
    outputs = [root, *_held_elsewhere(members, root)]
    program = capture(leaves, outputs, 0)
    executable = Executable.native(program, target, _dying(leaves, members))
    if executable is None:
        return False
    buffers = [graph.slots.transfer(leaf, target) for leaf in leaves]
    claim = [root]
    for v in outputs:
        v.state = claim
    try:
        results = executable(buffers)
    except BaseException as error:
        for v in outputs:
            v.state = None
        graph.fail(root, error, root.operands)
        raise
    for v, result in zip(outputs, results, strict=True):
        graph.finish(v, result, False)
    return True


def _target(value: Any) -> Any:
    stream = value.stream
    if stream is None:
        return None
    return graph.slots.resolve(stream) if stream.target is None else stream.target


def _collect(root: Any, target: Any) -> tuple[Any, list[Any]]:
    """Return the Values to compute, by serial number, and what is at hand that they use.

    None for the first where the piece holds what only the walk can run.
    """
    members: dict[int, Any] = {}
    leaves: dict[int, Any] = {}
    stack = [root]
    while stack:
        v = stack.pop()
        if v.serial in members or v.serial in leaves:
            continue
        if v.buffer is None and v.primitive.name == "constant":
            continue
        if v.buffer is not None or _target(v) is not target:
            leaves[v.serial] = v
            continue
        open_trace = v.trace is not None and v.trace.open
        if v.state is not None or open_trace or v.primitive.effect or v.primitive.placeholder:
            return None, []
        members[v.serial] = v
        stack.extend(v.operands)
    return members, [leaves[serial] for serial in sorted(leaves)]


def _uses(members: dict[int, Any]) -> dict[int, int]:
    """Return how many operands of ``members`` each Value is."""
    found: dict[int, int] = {}
    for member in members.values():
        for operand in member.operands:
            found[operand.serial] = found.get(operand.serial, 0) + 1
    return found


def _owners(held: list[Any]) -> int:
    """Return the references to the first of ``held``, as seen from here."""
    value = held[0]
    return getrefcount(value)


def _buffer_owners(value: Any) -> int:
    """Return the references to the buffer of ``value``, as seen from here."""
    buffer = value.buffer
    return getrefcount(buffer)


# Of a Value that only the list holds, and of a buffer that only its Value holds.
_SOLE = _owners([object()])
_SOLE_BUFFER = _buffer_owners(SimpleNamespace(buffer=object()))


def _held_elsewhere(members: dict[int, Any], root: Any) -> list[Any]:
    """Return the members that something outside of the piece holds; of several outputs each."""
    uses = _uses(members)
    found = []
    for serial in members:
        # Held by the table, by the list below, and by its consumers in the piece.
        if serial == root.serial or _owners([members[serial]]) - _SOLE - 1 <= uses.get(serial, 0):
            continue
        held = members[serial]
        if held.outputs is None:
            found.append(held)
        else:
            alive = [reference() for reference in held.outputs]
            found += [v for v in alive if v is not None and v is not root and v.buffer is None]
    return list({v.serial: v for v in found}.values())


def _dying(leaves: list[Any], members: dict[int, Any]) -> int:
    """Return the bit mask of the leaves that die with the piece."""
    uses = _uses(members)
    mask = 0
    for i in range(len(leaves)):
        # Held by the list of leaves, too.
        dies = _owners([leaves[i]]) - _SOLE - 1 <= uses[leaves[i].serial]
        if dies and _buffer_owners(leaves[i]) == _SOLE_BUFFER:
            mask |= 1 << i
    return mask


graph.install(whole=compute_piece)
