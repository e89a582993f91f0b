"""Effects: each runs at most once, and in the order in which its stream recorded them.

An effect belongs to the innermost trace that is open when it is recorded. A trace of placeholders
hands its effects to its Program, or records others in their place; what a trace still holds when
it ends goes to the trace around it. Without one, an effect waits for its evaluation, or for that
of a later effect of its stream; one that returns nothing runs at once.
"""

from __future__ import annotations

import threading
from typing import Any

from . import value as graph


class _Open(threading.local):
    """The open traces of a thread, outermost first."""

    def __init__(self) -> None:
        self.traces: list[Any] = []


opened = _Open()

_lock = threading.Lock()
_pending: dict[Any, list[Any]] = {}


def announce(value: Any) -> None:
    """Take note of a Value with an effect that has just been recorded."""
    traces = opened.traces
    if traces:
        traces[-1].effects.append(value)
    else:
        with _lock:
            _pending.setdefault(value.stream, []).append(value)
    if value.primitive.eager and all(trace.concrete for trace in traces):
        graph.evaluate(value)


def hand_over(effects: list[Any]) -> None:
    """Announce again the effects of a trace that has ended."""
    for value in effects:
        if value.buffer is None and value.state is None:
            announce(value)


def run_earlier(value: Any) -> None:
    """Evaluate the effects that were recorded on the stream of ``value`` before it."""
    with _lock:
        waiting = _pending.pop(value.stream, [])
        later = [v for v in waiting if v.serial > value.serial]
        if later:
            _pending[value.stream] = later
    earlier = [v for v in waiting if v.serial < value.serial]
    for trace in opened.traces:
        earlier += [
            v
            for v in trace.effects
            if v.serial < value.serial and v.stream is value.stream and v.state is None
        ]
    for v in sorted(earlier, key=lambda v: v.serial):
        graph.evaluate(v)


graph.install(order=run_earlier)
