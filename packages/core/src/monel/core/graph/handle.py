"""array: the user's handle, which points at a Value.

An in-place update computes a new Value and points the same handle at it, so that every reference
to the array sees the update and what was recorded before stays intact.
"""

from __future__ import annotations

from typing import Any

from . import value as graph
from .doors import Door
from .exporter import Exporter, untrack

__all__ = ["array"]


# Which module fills which attribute of Upper.
OWNERS = {
    "asarray": "construct",
    "buffer": "interchange",
    "dlpack": "interchange",
    "dlpack_device": "interchange",
    "getitem": "ops.indexing",
    "numpy": "interchange",
    "repr": "printing",
    "selection": "ops.indexing",
    "setitem": "ops.indexing",
    "state": "interchange",
    "to_scalar": "interchange",
}


class Upper:
    """What the handle calls in the modules above it: doors, until these are loaded."""

    __slots__ = (
        "asarray",
        "buffer",
        "dlpack",
        "dlpack_device",
        "getitem",
        "numpy",
        "repr",
        "selection",
        "setitem",
        "state",
        "to_scalar",
    )

    def __init__(self) -> None:
        for name, module in OWNERS.items():
            setattr(self, name, Door(self, name, module))


upper = Upper()


def install(**functions: Any) -> None:
    """Fill the doors of ``Upper`` by name; called once by each module of ``OWNERS``."""
    for name, function in functions.items():
        setattr(upper, name, function)


class array(Exporter):
    """A lazy n-dimensional array.

    ``array(val, dtype=None)`` makes one from a Python scalar, a nested list or tuple, a NumPy
    array, bytes or anything with the buffer protocol, DLPack or ``__array__``. Floats give float32,
    ints int32 (int64 where they need it), NumPy's float64 gives float32.

    Operations on arrays record a graph; ``mx.eval``, printing, ``item``, ``tolist`` and conversion
    compute it.

    Args:
      val: What to convert.
      dtype: The dtype of the result; inferred by default.
    Raises:
      ValueError: ``val`` is ragged, or holds what is no number.
    Example:
      >>> import monel.core as mx
      >>> mx.array([1, 2.5])
      array([1, 2.5], dtype=float32)
    """

    __slots__ = ("__weakref__", "value")

    __array_priority__ = 1000

    def __init__(self, val: Any, dtype: Any = None) -> None:
        self.value = upper.asarray("array", val, dtype, True)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions, as a tuple of ints."""
        return self.value.shape

    @property
    def dtype(self) -> Any:
        """The ``Dtype`` of the elements."""
        return self.value.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.value.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.size

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.value.dtype.size

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.value.size * self.value.dtype.size

    def __getitem__(self, index: Any) -> Any:
        if type(index) is int:
            shape = self.value.shape
            if shape:
                n = shape[0]
                if 0 <= index < n:
                    return select(self, 0, index)
                if -n <= index < 0:
                    return select(self, 0, index + n)
        elif type(index) is tuple and len(index) == 2:
            first, second = index
            if type(second) is int and type(first) is slice:
                shape = self.value.shape
                if len(shape) >= 2 and 0 <= second < shape[1] and first.start is None:
                    if first.stop is None and first.step is None:
                        return select(self, 1, second)
        return upper.getitem(self, index)

    def __setitem__(self, index: Any, update: Any) -> None:
        self.value = upper.setitem(self, index, update)

    def __len__(self) -> int:
        if not self.value.shape:
            raise TypeError("len() of a 0-dimensional array")
        return self.value.shape[0]

    def __iter__(self) -> Any:
        if not self.value.shape:
            raise TypeError("iteration over a 0-dimensional array")
        return ArrayIterator(self)

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        return bool(upper.to_scalar(self, "bool"))

    def __int__(self) -> int:
        return int(upper.to_scalar(self, "int"))

    def __float__(self) -> float:
        return float(upper.to_scalar(self, "float"))

    def __complex__(self) -> complex:
        return complex(upper.to_scalar(self, "complex"))

    def __index__(self) -> int:
        return upper.to_scalar(self, "index")

    def __format__(self, spec: str) -> str:
        if self.value.shape:
            if not spec:
                return repr(self)
            raise TypeError(
                f"array.__format__: a format spec ({spec!r}) needs a scalar array, "
                f"this one is {self.value}; convert it with tolist() or index it"
            )
        return format(upper.to_scalar(self, "format"), spec)

    def __repr__(self) -> str:
        return upper.repr(self)

    def __bytes__(self) -> bytes:
        return upper.buffer(self, "bytes").tobytes()

    def __buffer__(self, flags: int) -> memoryview:
        return upper.buffer(self, "memoryview")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return upper.numpy(self, dtype, copy)

    def __dlpack__(self, **options: Any) -> Any:
        return upper.dlpack(self, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return upper.dlpack_device(self)

    def __copy__(self) -> Any:
        return wrap(self.value)

    def __deepcopy__(self, memo: Any) -> Any:
        return wrap(self.value)

    def __reduce__(self) -> tuple[Any, ...]:
        return upper.state(self)


class ArrayIterator:
    """Gives the entries of the first axis of an array, one after the other."""

    __slots__ = ("_array", "_next")

    def __init__(self, a: Any) -> None:
        self._array = a
        self._next = 0

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        index = self._next
        if index >= self._array.shape[0]:
            raise StopIteration
        self._next = index + 1
        return select(self._array, 0, index)


# For each axis (NumPy, too, stops at 64): the primitives that pick an entry, by its index, and the
# last shape that lost the axis with what was left. Loops take many entries of one array.
_selections: list = [[] for _ in range(64)]
_rests: list = [((), ()) for _ in range(64)]
_LARGEST_TABLE = 65_536


def selection(axis: int, index: int) -> Any:
    """Return the primitive that picks entry ``index`` of ``axis``, and remember it."""
    primitive = upper.selection(axis, index)
    if index < _LARGEST_TABLE:
        table = _selections[axis]
        table.extend([None] * (index + 1 - len(table)))
        table[index] = primitive
    return primitive


def select(a: array, axis: int, index: int) -> array:
    """Return the entry at ``index``, which has been checked, of ``axis``; the axis disappears."""
    value = a.value
    shape = value.shape
    table = _selections[axis]
    primitive = table[index] if index < len(table) else None
    if primitive is None:
        primitive = selection(axis, index)
    last = _rests[axis]
    if last[0] is shape:
        rest = last[1]
    else:
        rest = shape[:axis] + shape[axis + 1 :]
        _rests[axis] = (shape, rest)
    length = shape[axis]
    return record_view(primitive, value, rest, value.size // length)


def record_view(primitive: Any, value: Any, shape: tuple[int, ...], size: int) -> array:
    """Record a primitive of one operand that keeps its dtype; everything has been checked."""
    stream = graph._slots.stream
    if stream is None:
        stream = graph._slots.current_stream()
    made = None
    trace = value.trace
    if value.buffer is not None and (trace is None or not trace.open):
        made = _view_now(primitive, value, shape, size, stream)
    if made is None:
        operands = (value,)
        if trace is not None:
            trace = graph.outermost(operands)
        made = graph.record(primitive, operands, shape, value.dtype, size, stream, trace)
    if graph._slots.listeners is not None:
        graph._slots.listeners(made)
    # ``wrap`` spelled out: a call less on the hottest path.
    handle = array.__new__(array)
    handle.value = made
    return handle


def _view_now(primitive: Any, value: Any, shape: tuple, size: int, stream: Any) -> Any:
    """Return the view of a computed Value at once, where that is only shapes and strides.

    It computes nothing that evaluation would not, and saves keeping operands and a visit. None
    where the backend's memory has no views, or its kernel is not known yet.
    """
    target = stream.target
    if target is None or not target.views or value.stream.target is not target:
        return None
    code = value.dtype.code
    if type(primitive) is target.view_type and code == target.view_code:
        kernel = target.view_kernel
    else:
        table = target.kernels.get(type(primitive))
        kernel = None if table is None else table.get(16 + code)
        if kernel is None:
            return None
        target.view_code = code
        target.view_kernel = kernel
        target.view_type = type(primitive)
    buffer = kernel(target.context, primitive, value.buffer)
    if buffer is NotImplemented:
        return None
    made = graph.record(primitive, (), shape, value.dtype, size, stream, None)
    made.buffer = buffer
    # It has no operands and never will: the collector need not visit it.
    untrack(made)
    return made


def wrap(value: Any) -> array:
    """Return a new handle on ``value``."""
    handle = array.__new__(array)
    handle.value = value
    return handle


graph.install(array=wrap)
