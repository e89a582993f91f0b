"""Kernels in plain C: the capsule of monel/kernel.h, read and called through ctypes.

A capsule is trusted as any native code is; what can be checked of it, is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base import names
from ..base.dtypes import DTYPES
from ..base.errors import BackendError
from .backend import AdaptedKernel, is_capsule
from .parameters import flatten_parameters

if TYPE_CHECKING:
    from ..base.dtypes import Dtype

__all__ = ["get_include"]

CAPSULE = "monel.kernels.v1"
ABI = 1
STRIDED, BROADCASTS, OVERRIDE = 1, 2, 4

_CPU = 1
_ERROR_BYTES = 1024
# Bounds of what a table can be, so that one that is something else is refused, not read.
_LARGEST_ENTRY, _LARGEST_COUNT = 4096, 65_536
_CODES = {"signedinteger": 0, "unsignedinteger": 1, "floating": 2, "complexfloating": 5, "bool": 6}
_BFLOAT = 4


def get_include() -> str:
    """Return the folder to give to a C compiler that includes ``monel/kernel.h``.

    Example:
      >>> import os
      >>> import monel.core as mx
      >>> os.path.exists(os.path.join(mx.get_include(), "monel", "kernel.h"))
      True
    """
    return str(Path(__file__).parent.parent / "include")


class _Tensor(ctypes.Structure):
    """DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Kernel(ctypes.Structure):
    """monel_kernel."""

    _fields_ = (
        ("primitive", ctypes.c_char_p),
        ("dtypes", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("run", ctypes.c_void_p),
    )


class _Table(ctypes.Structure):
    """monel_kernels."""

    _fields_ = (
        ("abi", ctypes.c_uint32),
        ("struct_size", ctypes.c_uint32),
        ("count", ctypes.c_uint64),
        ("entries", ctypes.c_void_p),
    )


# A function of this type is called without the GIL.
_RUN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(_Tensor),
    ctypes.c_int,
    ctypes.POINTER(_Tensor),
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_int64),
    ctypes.POINTER(ctypes.c_double),
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_size_t,
)


class NativeEntry(NamedTuple):
    """One kernel of a capsule.

    Attributes:
      primitive: The primitive's name.
      dtypes: Names of the dtypes that the deciding operand may have; None: any.
      kernel: What core runs.
    """

    primitive: str
    dtypes: frozenset[str] | None
    kernel: NativeKernel


def read_capsule(capsule: Any, owner: str) -> list[NativeEntry]:
    """Return the kernels of a capsule; BackendError names ``owner`` where it is malformed."""

    def wrong(reason: str) -> BackendError:
        return BackendError(f"{owner}: the capsule of native kernels is refused: {reason}")

    table = _table_of(capsule, wrong)
    found = []
    for i in range(table.count):
        raw = _Kernel.from_address(table.entries + i * table.struct_size)
        if not raw.primitive:
            raise wrong(f"entry {i} names no primitive")
        try:
            name = raw.primitive.decode("ascii")
        except UnicodeDecodeError:
            raise wrong(f"entry {i} has the name {raw.primitive!r}, which is not ASCII") from None
        if name not in names.HOMES and "::" not in name:
            raise wrong(f"entry {i} is for {name!r}, and there is no such primitive")
        if not raw.run:
            raise wrong(f"entry {i}, {name!r}, has no function")
        if raw.dtypes >> len(DTYPES):
            raise wrong(f"entry {i}, {name!r}, has unknown dtypes: {raw.dtypes:#x}")
        if raw.flags & ~(STRIDED | BROADCASTS | OVERRIDE):
            raise wrong(f"entry {i}, {name!r}, has unknown flags: {raw.flags:#x}")
        dtypes = frozenset(d.name for d in DTYPES if raw.dtypes >> d.code & 1) or None
        kernel = NativeKernel(_RUN(raw.run), raw.flags, owner, capsule)
        found.append(NativeEntry(name, dtypes, kernel))
    return found


def _table_of(capsule: Any, wrong: Callable[[str], BackendError]) -> _Table:
    """Return the head of the capsule's table, checked."""
    if not is_capsule(capsule):
        raise wrong(f"expected a capsule named {CAPSULE!r}, got {type(capsule).__name__}")
    valid = ctypes.pythonapi.PyCapsule_IsValid
    valid.restype, valid.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
    if not valid(capsule, CAPSULE.encode()):
        raise wrong(f"expected the name {CAPSULE!r}, got {capsule!r}")
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = _Table.from_address(get(capsule, CAPSULE.encode()))
    if table.abi != ABI:
        raise wrong(f"it speaks version {table.abi} of monel/kernel.h, this core {ABI}")
    least, step = ctypes.sizeof(_Kernel), ctypes.alignment(_Kernel)
    if not least <= table.struct_size <= _LARGEST_ENTRY or table.struct_size % step:
        raise wrong(f"an entry has at least {least} bytes, struct_size says {table.struct_size}")
    if not 0 < table.count <= _LARGEST_COUNT or not table.entries:
        raise wrong(f"expected 1 to {_LARGEST_COUNT} entries, count says {table.count}")
    return table


class NativeKernel(AdaptedKernel):
    """A C function as a kernel: it sees the host memory of the buffers."""

    __slots__ = ("capsule", "owner")

    def __init__(self, function: Any, flags: int, owner: str, capsule: Any) -> None:
        super().__init__(function, "out", bool(flags & STRIDED), bool(flags & BROADCASTS), False)
        self.override = bool(flags & OVERRIDE)
        self.owner = owner
        # The table, and the module of the function, live as long as the capsule.
        self.capsule = capsule

    def run(self, ctx: Any, p: Any, buffers: Sequence[Any], avals: Sequence[Any], out: Any) -> Any:
        # One output of several has its own aval on the Value that asks; the rule knows all.
        outs = (out,) if p.outputs == 1 else p.abstract(*avals)
        prepared = self.prepare(ctx, p, buffers, avals, outs[0])
        made = [ctx.empty(o.shape, o.dtype) for o in outs]
        seen = [self._view(ctx, p, buffer, aval.shape, aval.dtype) for buffer, aval in prepared]
        to = [
            self._view(ctx, p, buffer, o.shape, o.dtype)
            for buffer, o in zip(made, outs, strict=True)
        ]
        self._call(ctx, p, seen, to)
        return made[0] if p.outputs == 1 else tuple(made)

    def _view(self, ctx: Any, p: Any, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> _Memory:
        view = ctx.target.backend.host_view(buffer, shape, dtype)
        if view is None:
            raise BackendError(
                f"{p.name}: the native kernel of {self.owner} needs memory that the host can read; "
                f"Backend.host_view of {ctx.target.backend.name!r} gives none"
            )
        return _Memory(view, shape, dtype)

    def _call(self, ctx: Any, p: Any, seen: list[_Memory], to: list[_Memory]) -> None:
        numbers = flatten_parameters(p)
        stream = ctx.stream
        text = ctypes.create_string_buffer(_ERROR_BYTES)
        code = self.function(
            (_Tensor * len(seen))(*[m.tensor for m in seen]),
            len(seen),
            (_Tensor * len(to))(*[m.tensor for m in to]),
            len(to),
            (ctypes.c_int64 * len(numbers.ints))(*numbers.ints),
            (ctypes.c_double * len(numbers.floats))(*numbers.floats),
            stream if isinstance(stream, int) else None,
            text,
            _ERROR_BYTES,
        )
        if code:
            # A text that fills its memory has lost its zero.
            said = text.raw.partition(b"\0")[0].decode("utf-8", "replace")
            raise BackendError(
                f"{p.name}: the native kernel of {self.owner} failed with code {code}: "
                f"{said or 'it gives no reason'}"
            )


class _Memory:
    """The DLTensor of a buffer, and what keeps it alive."""

    __slots__ = ("keep", "tensor")

    def __init__(self, view: memoryview, shape: tuple[int, ...], dtype: Dtype) -> None:
        import numpy as np

        array = np.asarray(view)
        sizes = (ctypes.c_int64 * len(shape))(*shape)
        strides = (ctypes.c_int64 * len(shape))(*[s // dtype.size for s in array.strides])
        self.keep = (array, sizes, strides)
        code = _BFLOAT if dtype.name == "bfloat16" else _CODES[dtype.category.value]
        self.tensor = _Tensor(
            array.ctypes.data, _CPU, 0, len(shape), code, 8 * dtype.size, 1, sizes, strides, 0
        )
