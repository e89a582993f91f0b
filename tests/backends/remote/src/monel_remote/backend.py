"""Two devices, each with two streams: threads that take kernels from a queue.

A buffer is a ticket. What it stands for is held by the device and reached by its threads alone, so
that a missing transfer fails at once: there is nothing that NumPy could mistake for an array.
A kernel waits for the events of its operands, whichever stream they are made on; what it raises
is raised again by whoever reads the result, or waits for the device.
"""

from __future__ import annotations

import itertools
import queue
import threading
from concurrent.futures import Future

import numpy as np

from monel.core.plugin import REGISTRY, Backend

STREAMS = 2


class Ticket:
    """A buffer on a remote device; ``event`` ends when it has been computed."""

    __slots__ = ("_event", "device")

    def __init__(self, device, event):
        self.device = device
        self._event = event

    def __array__(self, *args, **kwargs):
        raise TypeError(f"the host reached for memory of {self.device.name}; a transfer is missing")


class Remote:
    """One device: its threads, and the events that nobody has waited for yet."""

    def __init__(self, name):
        self.name = name
        self.pending = set()
        self.lock = threading.Lock()
        self.queues = [queue.SimpleQueue() for _ in range(STREAMS)]
        self.turn = itertools.cycle(self.queues)
        for work in self.queues:
            threading.Thread(target=serve, args=(work,), daemon=True).start()

    def start(self, function, *operands):
        """Queue ``function`` of the memory behind tickets; return a ticket for the result."""
        for operand in operands:
            if operand.device is not self:
                raise TypeError(f"a kernel of {self.name} was given memory of {operand.device}")
        event = Future()
        with self.lock:
            self.pending.add(event)
            work = next(self.turn)
        event.add_done_callback(self.pending.discard)
        work.put((event, function, [operand._event for operand in operands]))
        return Ticket(self, event)


def serve(work):
    """Run what is queued on one stream, in order, for ever."""
    while True:
        event, function, operands = work.get()
        try:
            event.set_result(function(*[operand.result() for operand in operands]))
        except BaseException as error:
            event.set_exception(error)
        del event, function, operands


class RemoteBackend(Backend):
    """Kernels by definition, started and not waited for."""

    name = "remote"

    def __init__(self):
        self.remotes = {name: Remote(name) for name in ("remote:0", "remote:1")}

    def devices(self):
        return tuple(self.remotes)

    def allocate(self, shape, dtype, device):
        return self.remotes[device].start(lambda: np.empty(shape, dtype.numpy))

    def from_host(self, data, shape, dtype, device):
        made = np.frombuffer(bytearray(data), dtype.numpy).reshape(shape)
        return self.remotes[device].start(lambda: made)

    def to_host(self, buffer, shape, dtype):
        made = buffer._event.result()
        if (made.shape, made.dtype) != (shape, dtype.numpy):
            raise TypeError(f"asked for {dtype.name}{shape}, which is {made.dtype}{made.shape}")
        return made.tobytes()

    def kernel(self, name, dtypes):
        return None if name not in REGISTRY or REGISTRY[name].host else run

    def wait(self, buffer):
        buffer._event.result()

    def synchronize(self, device):
        for event in list(self.remotes[device].pending):
            error = event.exception()
            if error is not None:
                raise error


def run(ctx, p, *operands):
    """Start a primitive by its definition; return before it has run."""
    remote = ctx.target.backend.remotes[ctx.device]
    if p.outputs == 1:
        return remote.start(lambda *xs: np.array(p.reference(*xs), order="C"), *operands)
    whole = remote.start(lambda *xs: p.reference(*xs), *operands)
    return tuple(
        [remote.start(lambda made, i=i: np.array(made[i], order="C"), whole)
         for i in range(p.outputs)]
    )  # fmt: skip
