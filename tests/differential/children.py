"""Calls in a child process: MLX ends its process for some, and a few would not end at all."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

from .calls import Call
from .comparison import difference, outcome

# How long one call may take before its process is ended.
SECONDS = 20

Numbered = tuple[int, Call]


class Found(NamedTuple):
    """A difference: the function, the number of its call, the call, and what differs."""

    name: str
    number: int
    call: str
    text: str


def compared(theirs: Any, ours: Any, calls: list[Numbered]) -> Iterator[Found]:
    """The differences of calls. After a call that ends the child the rest gets another one."""
    while calls:
        said = in_child(theirs, ours, calls)
        done = 0
        for step in said:
            if step[0] == "differs":
                yield found(calls[done], step[1])
            done += step[0] == "done"
        if done < len(calls):
            who = "monel" if said and said[-1][0] == "ours" else "MLX"
            yield found(calls[done], f"crash: {who} ends the process, or does not return")
        calls = calls[done + 1 :]


def found(call: Numbered, text: str) -> Found:
    return Found(call[1].name, call[0], str(call[1]), text)


def in_child(theirs: Any, ours: Any, calls: list[Numbered]) -> list[list[str]]:
    """The steps that a child got through, as it said them: one line for each."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            with os.fdopen(writer, "w", buffering=1) as out:
                for _, call in calls:
                    signal.alarm(SECONDS)
                    take_steps(theirs, ours, call, out)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = [json.loads(line) for line in lines if line.endswith("\n")]
    os.waitpid(child, 0)
    return said


def take_steps(theirs: Any, ours: Any, call: Call, out: Any) -> None:
    print(json.dumps(["theirs"]), file=out)
    want = outcome(theirs, call)
    print(json.dumps(["ours"]), file=out)
    text = difference(want, outcome(ours, call))
    if text:
        print(json.dumps(["differs", text]), file=out)
    print(json.dumps(["done"]), file=out)
