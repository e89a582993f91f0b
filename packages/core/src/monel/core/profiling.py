"""mx.profile: how long each operation takes, as a table and as a trace for a viewer."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

from .debugging import watch

__all__ = ["profile"]


class Event(NamedTuple):
    """One call of a kernel: nanoseconds since the profile began, and what it was called with."""

    name: str
    begin: int
    end: int
    thread: int
    device: str
    operands: str
    bytes: int


class profile:
    """Measure every kernel that runs within a ``with`` block.

    Each kernel is waited for before the next one begins, and operations are not fused at
    evaluation, so that the figures are those of the operations; the sum is more than a run without
    a profile takes.

    Example:
      >>> import monel.core as mx
      >>> with mx.profile() as p:
      ...     mx.eval(mx.exp(mx.ones(3)) + 1)
      >>> [event.name for event in p.events][-1]
      'add'
      >>> str(p).split()[:3]
      ['primitive', 'calls', 'total']
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._start = perf_counter_ns()

    def __enter__(self) -> profile:
        self._start = perf_counter_ns()
        watch(self._measure, True)
        return self

    def __exit__(self, *error: Any) -> None:
        watch(self._measure, False)

    def _measure(
        self, call: Any, target: Any, primitive: Any, operands: Any, out: Any, buffers: Any
    ) -> Any:
        begin = perf_counter_ns()
        result = call()
        target.backend.synchronize(target.device)
        end = perf_counter_ns()
        outs = out if type(out) is tuple else (out,)
        moved = sum(a.size * a.dtype.size for a in (*operands, *outs))
        shown = ", ".join([f"{o.dtype.name}[{','.join(map(str, o.shape))}]" for o in operands])
        times = begin - self._start, end - self._start
        event = Event(primitive.name, *times, threading.get_ident(), target.device, shown, moved)
        self.events.append(event)
        return result

    def table(self) -> list[dict[str, Any]]:
        """Return calls, nanoseconds and bytes by primitive, the longest first."""
        rows: dict[str, dict[str, Any]] = {}
        for event in self.events:
            new = {"primitive": event.name, "calls": 0, "ns": 0, "bytes": 0}
            row = rows.setdefault(event.name, new)
            row["calls"] += 1
            row["ns"] += event.end - event.begin
            row["bytes"] += event.bytes
        return sorted(rows.values(), key=lambda row: -row["ns"])

    def __str__(self) -> str:
        rows = self.table()
        total = sum(row["ns"] for row in rows) or 1
        width = max([len("primitive"), *[len(row["primitive"]) for row in rows]])
        lines = [f"{'primitive':{width}}   calls   total ms   mean us   share         bytes"]
        for row in rows:
            lines.append(
                f"{row['primitive']:{width}} {row['calls']:7} {row['ns'] / 1e6:10.3f} "
                f"{row['ns'] / 1e3 / row['calls']:9.1f} {row['ns'] / total:7.1%} {row['bytes']:13}"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the events for Perfetto or ``chrome://tracing``.

        Source: the Trace Event Format, "complete events".
        """
        events = [
            {
                "name": e.name,
                "cat": "kernel",
                "ph": "X",
                "ts": e.begin / 1e3,
                "dur": (e.end - e.begin) / 1e3,
                "pid": os.getpid(),
                "tid": e.thread,
                "args": {"operands": e.operands, "bytes": e.bytes, "device": e.device},
            }
            for e in self.events
        ]
        text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"})
        Path(file).write_text(text, encoding="utf-8")
