"""Value, one vertex of the recorded graph, and the loop that evaluates it.

A Value never changes except that evaluation fills its buffer and drops its operands. Walks are
iterative, so that a chain of 100,000 operations needs no deep recursion.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from sys import getrefcount
from typing import Any
from weakref import ref

from ..base.avals import AbstractArray
from ..base.errors import TraceError
from .doors import Door
from .exporter import track

_serial = 0

# Below this many elements neither donation nor fusion is worth deciding.
DONATION_SIZE = 1024
FUSION_SIZE = 8192

# Kernels are found by the dtypes of at most 13 operands, four bits each below a leading one.
_LARGEST_KEY = 1 << 52


def dtype_key(operands: tuple[Any, ...], value: Any) -> int:
    """Return the key under which the kernel for ``operands`` is kept; ``run`` computes the same."""
    key = 1 if len(operands) else 16 + value.dtype.code
    for operand in operands:
        if key < _LARGEST_KEY:
            key = key * 16 + operand.dtype.code
    return key


# Which module fills which slot.
OWNERS = {
    "annotate": "execute.kernels",
    "array": "graph.handle",
    "coerce": "primitives.create",
    "current_stream": "execute.placement",
    "fuse": "passes.fuse",
    "keep_dtype": "primitives.convert",
    "missing": "execute.executables",
    "on_stream": "execute.placement",
    "promote": "primitives.convert",
    "resolve": "execute.placement",
    "scalar": "primitives.create",
    "to_stream": "execute.placement",
    "transfer": "execute.kernels",
}


class Slots:
    """What the hot floor calls in the modules above it: doors, until these are loaded.

    Attributes:
      stream: The default stream while no thread has chosen another, else None.
      current_stream: () -> Stream: the calling thread's default stream.
      to_stream: Any user's ``stream=`` argument -> Stream.
      resolve: Stream -> Target, at the first evaluation on a stream.
      order: (value) -> None: runs the effects that come before ``value``'s on its stream.
      missing: (target, value, operands, buffers) -> buffer: no kernel took the primitive.
      transfer: (value, target) -> buffer of ``value`` on ``target``'s device.
      fuse: (value, target) -> None: rewrites ``value`` into one fused operation where it pays.
      scalar: (number, dtype) -> Value, weakly typed beside ``dtype``.
      coerce: (function, x, other) -> Value of whatever else may stand beside an array.
      promote: (function, kind, a, b) -> (a, b) in one dtype.
      annotate: (error, value, operands) -> None: adds the operation's name to an error.
      keep_dtype: (function, target, result) -> result of an in-place operation in target's dtype.
      on_stream: (stream) -> context manager that makes it the thread's default.
      listeners: Called with every recorded Value while something listens, else None.
      around: (call, target, primitive, operands, out, buffers) -> result of ``call()``, in place of
        every call of a kernel while something watches, else None.
      notice: (kind, text) -> None: something happened that mx.debug may tell of, else None.
      whole: (value) -> bool: computes it with all that it needs as one Program, where its backend
        wants that; None while no such backend is loaded.
    """

    annotate: Callable[..., Any]
    array: Callable[..., Any]
    coerce: Callable[..., Any]
    current_stream: Callable[..., Any]
    fuse: Callable[..., Any]
    keep_dtype: Callable[..., Any]
    missing: Callable[..., Any]
    on_stream: Callable[..., Any]
    order: Callable[..., Any]
    promote: Callable[..., Any]
    resolve: Callable[..., Any]
    scalar: Callable[..., Any]
    to_stream: Callable[..., Any]
    transfer: Callable[..., Any]
    listeners: Callable[..., Any] | None
    around: Callable[..., Any] | None
    notice: Callable[..., Any] | None
    whole: Callable[..., Any] | None
    stream: Any

    __slots__ = (
        "annotate",
        "around",
        "array",
        "coerce",
        "current_stream",
        "fuse",
        "keep_dtype",
        "listeners",
        "missing",
        "notice",
        "on_stream",
        "order",
        "promote",
        "resolve",
        "scalar",
        "stream",
        "to_stream",
        "transfer",
        "whole",
    )

    def __init__(self) -> None:
        self.stream = None
        self.listeners = None
        self.around = None
        self.notice = None
        self.whole = None
        for name, module in OWNERS.items():
            setattr(self, name, Door(self, name, module))


# Two names for one object: compiled code reads ``_slots`` as a C variable.
slots = _slots = Slots()


def install(**functions: Any) -> None:
    """Fill slots by name; called once by each module of ``OWNERS``."""
    for name, function in functions.items():
        setattr(slots, name, function)


class Value:
    """One vertex of the recorded graph.

    Attributes:
      primitive: The operation that makes it.
      operands: The Values it is made of; dropped once it has run.
      shape, dtype, size: Of the array; of the first output for a Value of several.
      stream: Where it runs; None for a constant that no one has used yet.
      buffer: The backend's storage once computed.
      serial: Rises process-wide: operands are always older than their consumer.
      trace: The outermost open trace that it descends from, or None.
      state: None; the claim of an evaluation that runs it; or the error it failed with.
      outputs: Of a Value of several outputs: weak references to its ``Output`` Values.
      origin: Where in the user's code it was recorded, of operations that can fail when they run.
    """

    buffer: Any
    dtype: Any
    operands: tuple[Any, ...]
    origin: Any
    outputs: list[Any] | None
    primitive: Any
    serial: int
    shape: tuple[int, ...]
    size: int
    state: Any
    stream: Any
    trace: Any

    __slots__ = (
        "__weakref__",
        "buffer",
        "dtype",
        "operands",
        "origin",
        "outputs",
        "primitive",
        "serial",
        "shape",
        "size",
        "state",
        "stream",
        "trace",
    )

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        return str(AbstractArray(self.shape, self.dtype))

    @property
    def aval(self) -> AbstractArray:
        return AbstractArray(self.shape, self.dtype)


class Trace:
    """One run of a user's function under a transform, open until its walk has ended.

    Attributes:
      name: The transform, for errors.
      depth: How many traces were open in this thread before it; the outermost has the least.
      serial: Values older than this can't descend from it.
      evaluated: Weak references to Values that ran while it was open and kept their operands.
      shapeless: Whether shapes must stay open in what is recorded.
      concrete: Whether its tracers have values; placeholders have none.
      effects: Values whose primitives have effects, in the order in which they were recorded.
    """

    __slots__ = ("concrete", "depth", "effects", "evaluated", "name", "open", "serial", "shapeless")

    def __init__(
        self, name: str, depth: int, shapeless: bool = False, concrete: bool = False
    ) -> None:
        self.name = name
        self.depth = depth
        self.concrete = concrete
        self.open = True
        self.serial = _serial
        self.evaluated: list[Any] = []
        self.effects: list[Any] = []
        self.shapeless = shapeless

    def close(self) -> None:
        """End the trace and let go of the operands of everything that has been evaluated."""
        self.open = False
        for reference in self.evaluated:
            value = reference()
            if value is not None and value.buffer is not None:
                value.operands = ()
        self.evaluated = []


def outermost(operands: tuple[Any, ...]) -> Any:
    """Return the outermost open trace that ``operands`` descend from."""
    found = None
    for operand in operands:
        trace = operand.trace
        if trace is None:
            continue
        if trace.open:
            if found is None or trace.depth < found.depth:
                found = trace
        elif operand.buffer is None:
            check_live(operand)
    return found


def check_live(value: Any) -> None:
    """Raise ``TraceError`` if ``value`` is, or needs, a placeholder whose trace has ended.

    A Value that only captured such a trace's mark is given a new one, so this walks once.
    """
    stack = [value]
    seen = set()
    while stack:
        v = stack.pop()
        if v.serial in seen or v.buffer is not None or v.trace is None or v.trace.open:
            continue
        seen.add(v.serial)
        if v.primitive.placeholder:
            raise TraceError(
                f"{v.trace.name}: an array of {v} that was traced by {v.trace.name} is used after "
                f"its trace has ended; return it from the function instead of keeping it"
            )
        stack.extend(v.operands)
    value.trace = None


def record(
    primitive: Any,
    operands: tuple[Any, ...],
    shape: tuple[int, ...],
    dtype: Any,
    size: int,
    stream: Any,
    trace: Any,
) -> Any:
    """Make the Value of ``primitive`` applied to ``operands``; everything has been checked."""
    global _serial
    _serial += 1
    value = Value.__new__(Value)
    value.primitive = primitive
    value.operands = operands
    value.shape = shape
    value.dtype = dtype
    value.size = size
    value.stream = stream
    value.serial = _serial
    value.trace = trace
    value.buffer = None
    value.state = None
    value.outputs = None
    value.origin = None
    return value


def last_serial() -> int:
    """Return the serial number of the newest Value."""
    return _serial


class Target:
    """Where the work of one stream runs: a backend's device with its resolved kernels.

    Attributes:
      backend: The ``Backend``.
      device: The backend's own name of the device.
      context: The ``Context`` of kernels that may not reuse an operand.
      kernels: Primitive class -> {key of dtypes -> kernel}.
      fusible: The backend's ``Fusion``, or None.
      roots: Names of primitives that may end a fused equation.
      stream: A stream that resolved to this target.
      views: Whether the backend's memory has views, so that one costs nothing.
      last_primitive, last_key, last_kernel: The latest look-up.
      view_type, view_code, view_kernel: The latest look-up of a view's kernel, by class and dtype.
      find: (primitive, operands) -> kernel, at the first use of each (class, dtypes).
    """

    __slots__ = (
        "backend",
        "context",
        "device",
        "find",
        "fusible",
        "kernels",
        "last_kernel",
        "last_key",
        "last_primitive",
        "roots",
        "stream",
        "view_code",
        "view_kernel",
        "view_type",
        "views",
    )

    def __init__(self, backend: Any, device: str, find: Any) -> None:
        self.backend = backend
        self.device = device
        self.find = find
        self.kernels: dict[Any, Any] = {}
        self.fusible: Any = None
        self.roots: Any = frozenset()
        self.stream: Any = None
        self.views = False
        self.last_primitive: Any = None
        self.last_key = 0
        self.last_kernel: Any = None
        self.view_type: Any = None
        self.view_code = 0
        self.view_kernel: Any = None
        self.context: Any = Context(self, 0)


class Context:
    """What a kernel may ask of the evaluation that calls it.

    Attributes:
      dying: Bit i is set when operand i has no other owner; its memory may be reused for the
        output if nothing else shares the storage.
    """

    __slots__ = ("dying", "target")

    def __init__(self, target: Any, dying: int) -> None:
        self.target = target
        self.dying = dying

    @property
    def stream(self) -> Any:
        return self.target.backend.current_stream(self.target.device)

    @property
    def device(self) -> str:
        return self.target.device

    def empty(self, shape: Any, dtype: Any) -> Any:
        """Return fresh storage for an output."""
        return self.target.backend.allocate(tuple(shape), dtype, self.target.device)


def _owners(operands: tuple[Any, ...], i: int) -> int:
    operand = operands[i]
    return getrefcount(operand)


def _buffer_owners(operands: tuple[Any, ...], i: int) -> int:
    operand = operands[i]
    buffer = operand.buffer
    return getrefcount(buffer)


def _sole_buffer_owners() -> int:
    value = Value.__new__(Value)
    value.buffer = object()
    return _buffer_owners((value,), 0)


# What ``_owners`` answers for a Value that only the tuple holds: it differs between compiled and
# interpreted code, so it is measured. A Value's death is its last reference going away; asking for
# the count before the kernel runs is the same question one instant earlier. A tracer shares the
# buffer object of its primal, hence the second count. Whether the memory behind the buffer may be
# reused is decided by the backend, from the storage's own count.
_SOLE = _owners((Value.__new__(Value),), 0)
_SOLE_BUFFER = _sole_buffer_owners()


def sole_owners(operands: tuple[Any, ...], i: int) -> int:
    """Return how many owners ``operands[i]`` has besides one reference by the tuple itself."""
    return _owners(operands, i) - _SOLE


def dying_operands(operands: tuple[Any, ...]) -> int:
    """Return the bit mask of the operands that die with their only consumer."""
    mask = 0
    for i in range(len(operands)):
        extra = _owners(operands, i) - _SOLE
        if extra == 0 or (extra < len(operands) and extra == _repeats(operands, i)):
            if _buffer_owners(operands, i) == _SOLE_BUFFER:
                mask |= 1 << i
    return mask


def _repeats(operands: tuple[Any, ...], i: int) -> int:
    count = -1
    for operand in operands:
        if operand is operands[i]:
            count += 1
    return count


# A Value that another thread runs is waited for; the wait is rare, so one condition serves all.
_finished = threading.Condition()
_waiting = 0


def _wait_for(value: Any) -> None:
    global _waiting
    with _finished:
        _waiting += 1
        try:
            while isinstance(value.state, list):
                _finished.wait(0.05)
        finally:
            _waiting -= 1


# The claim of an evaluation that has no stack.
_CLAIMED: list[Any] = []


def evaluate(root: Any) -> None:
    """Compute ``root`` and all that it needs, one kernel call a Value, on the calling thread."""
    if root.buffer is not None:
        return
    stream = root.stream
    if stream is not None and stream.target is None:
        slots.resolve(stream)
    if _slots.whole is not None and _slots.whole(root):
        return
    if root.state is None and root.size < FUSION_SIZE and _run_alone(root):
        return
    stack = [root]
    while stack:
        value = stack[-1]
        if value.buffer is not None:
            stack.pop()
            continue
        operands = value.operands
        if value.state is not None:
            _settle(value, stack)
            continue
        if value.size >= FUSION_SIZE or (operands and operands[0].size >= FUSION_SIZE):
            operands = _try_fuse(value, operands)
        ready = True
        for operand in operands:
            if operand.buffer is None:
                if operand.stream is None:
                    operand.stream = value.stream
                stack.append(operand)
                ready = False
        operand = None  # a loop variable is an owner, too
        if ready:
            stack.pop()
            if value.buffer is None:
                run(value, operands, stack)


def _run_alone(root: Any) -> bool:
    """Run one small operation on operands that are there, which needs no walk."""
    operands = root.operands
    for operand in operands:
        if operand.buffer is None or operand.size >= FUSION_SIZE:
            return False
    operand = None
    run(root, operands, _CLAIMED)
    return True


def _settle(value: Any, stack: list[Any]) -> None:
    """A Value that failed raises again; one that another thread runs is waited for."""
    state = value.state
    if isinstance(state, BaseException):
        raise state
    if isinstance(state, list) and state is not stack:
        _wait_for(value)


def _try_fuse(value: Any, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    if value.stream is None or not operands or _slots.around is not None:
        return operands
    target = value.stream.target
    if target is None:
        target = slots.resolve(value.stream)
    if value.primitive.name in target.roots and (value.trace is None or not value.trace.open):
        slots.fuse(value, target)
        return value.operands
    return operands


def run(value: Any, operands: tuple[Any, ...], stack: list[Any]) -> None:
    """Call the kernel of ``value``, whose operands are all computed."""
    stream = value.stream
    primitive = value.primitive
    if stream is None:
        # A constant that is evaluated for its own sake lives on the default stream.
        stream = value.stream = slots.current_stream()
    target = stream.target
    if target is None:
        target = slots.resolve(stream)
    value.state = stack
    try:
        count = len(operands)
        key = 1 if count else 16 + value.dtype.code
        for operand in operands:
            if key < _LARGEST_KEY:
                key = key * 16 + operand.dtype.code
            if operand.stream is not stream and operand.stream.target is not target:
                _run_across(value, operands, target)
                return
        operand = None
        if primitive is target.last_primitive and key == target.last_key:
            kernel = target.last_kernel
        else:
            kernel = _look_up(target, primitive, key, value, operands)
        context = target.context
        keep = value.trace is not None and value.trace.open
        if value.size >= DONATION_SIZE and not keep:
            context = _donating(value, operands, target)
        if _slots.around is not None:
            finish(value, _watched(value, kernel, target, operands), keep)
            return
        if count == 1:
            result = kernel(context, primitive, operands[0].buffer)
        elif count == 2:
            result = kernel(context, primitive, operands[0].buffer, operands[1].buffer)
        else:
            result = kernel(context, primitive, *[o.buffer for o in operands])
        if result is NotImplemented:
            result = slots.missing(target, value, operands, [o.buffer for o in operands])
        finish(value, result, keep)
    except BaseException as error:
        fail(value, error, operands)
        raise


def _watched(value: Any, kernel: Any, target: Any, operands: tuple[Any, ...]) -> Any:
    """Call the kernel of ``value`` under the eyes of whoever watches; nothing is donated."""
    primitive = value.primitive
    buffers = [o.buffer for o in operands]

    def call() -> Any:
        result = kernel(target.context, primitive, *buffers)
        if result is NotImplemented:
            result = slots.missing(target, value, operands, buffers)
        return result

    out = value if value.outputs is None else primitive.abstract(*operands)
    assert _slots.around is not None
    return _slots.around(call, target, primitive, operands, out, buffers)


def _look_up(target: Any, primitive: Any, key: int, value: Any, operands: tuple[Any, ...]) -> Any:
    """Return the kernel, and remember it: the same operation often runs many times in a row."""
    table = target.kernels.get(type(primitive))
    kernel = None if table is None else table.get(key)
    if kernel is None:
        kernel = target.find(target, primitive, value, operands)
    if primitive.interned:
        # Others may hold data or an open file, which must go when their Value does. Threads change
        # hands at calls only: none lies between these three, nor where they are read.
        target.last_key = key
        target.last_kernel = kernel
        target.last_primitive = primitive
    elif primitive.effect:
        slots.order(value)
    return kernel


def _donating(value: Any, operands: tuple[Any, ...], target: Any) -> Any:
    # The recorded operands are let go of first, so that only the local tuple owns them.
    value.operands = ()
    mask = dying_operands(operands)
    return Context(target, mask) if mask else target.context


def _run_across(value: Any, operands: tuple[Any, ...], target: Any) -> None:
    """Run ``value`` with copies of the operands that live on other devices."""
    buffers = []
    for operand in operands:
        other = operand.stream.target
        buffers.append(operand.buffer if other is target else slots.transfer(operand, target))
    if value.primitive.effect:
        slots.order(value)
    kernel = target.find(target, value.primitive, value, operands)
    result = kernel(target.context, value.primitive, *buffers)
    if result is NotImplemented:
        result = slots.missing(target, value, operands, buffers)
    finish(value, result, value.trace is not None and value.trace.open)


def finish(value: Any, result: Any, keep: bool) -> None:
    """Fill ``value`` with its ``result`` and let go of what it was made of."""
    value.buffer = result
    value.state = None
    if keep:
        value.trace.evaluated.append(ref(value))
    else:
        value.operands = ()
    if value.outputs is not None:
        _fill_outputs(value, result)
    if _waiting:
        with _finished:
            _finished.notify_all()


def _fill_outputs(value: Any, results: Any) -> None:
    for reference in value.outputs:
        output = reference()
        if output is not None and output.buffer is None:
            output.buffer = results[output.primitive.index]
            if output.trace is not None and output.trace.open:
                output.trace.evaluated.append(ref(output))
            else:
                output.operands = ()


def fail(value: Any, error: BaseException, operands: tuple[Any, ...]) -> None:
    """Mark ``value`` as failed: it raises ``error`` again, and so does what depends on it."""
    if isinstance(error, Exception):
        slots.annotate(error, value, operands)
        # The error knows frames, and these may know the Value.
        track(value)
        value.state = error
    else:
        # An interrupt is no property of the Value: evaluating it again may succeed.
        value.state = None
        value.operands = operands
    if _waiting:
        with _finished:
            _finished.notify_all()
