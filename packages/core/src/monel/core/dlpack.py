"""DLPack by way of NumPy's capsules; bfloat16, which NumPy lacks, travels as relabelled uint16."""

from __future__ import annotations

from typing import Any

from .graph import handle

_CPU = (1, 0)

# In a DLTensor the element type follows data pointer, device and ndim; a versioned capsule has
# version, context, deleter and flags before it (dlpack.h).
_TYPE_OFFSET = 20
_VERSIONED_OFFSET = 32
_UINT, _BFLOAT = 1, 4


def no_copy(function: str, copy: bool | None, what: str) -> None:
    """Raise ``ValueError`` where ``copy=False`` was asked of what must be copied."""
    if copy is False:
        raise ValueError(
            f"{function}: Unable to avoid copy while creating an array of {what}, "
            f"which copy=False asks for"
        )


class _Bits:
    """A capsule whose element type is relabelled, as an exporter of its own."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


def _element_type(capsule: Any) -> Any:
    """Return (code, bits, lanes) of a capsule's elements, in place."""
    import ctypes

    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    valid = ctypes.pythonapi.PyCapsule_IsValid
    valid.restype, valid.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
    if valid(capsule, b"dltensor_versioned"):
        address = get(capsule, b"dltensor_versioned") + _VERSIONED_OFFSET
    else:
        address = get(capsule, b"dltensor")
    return (ctypes.c_uint8 * 2).from_address(address + _TYPE_OFFSET)


def dlpack(
    a: Any,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Return the DLPack capsule of an array; it shares memory unless ``copy`` is True."""
    import numpy as np

    if dl_device is not None and tuple(dl_device) != _CPU:
        raise BufferError(f"array.__dlpack__: export to device {dl_device} is not supported")
    made = handle.upper.numpy(a, None, copy)
    bfloat16 = a.dtype.name == "bfloat16"
    if bfloat16:
        made = made.view(np.uint16)
    try:
        capsule = made.__dlpack__(max_version=max_version)
    except TypeError:
        # NumPy before 2.1 knows no versions.
        capsule = made.__dlpack__()
    if bfloat16:
        _element_type(capsule)[0] = _BFLOAT
    return capsule


def dlpack_device(a: Any) -> tuple[int, int]:
    """Return the DLPack device: the host's memory, from which every array is exported."""
    return _CPU


def import_dlpack(function: str, x: Any, copy: bool | None) -> Any:
    """Return a NumPy array of what the exporter ``x`` shares."""
    import numpy as np

    no_copy(function, copy, "another library's memory")
    if isinstance(x, np.ndarray):
        return x
    capsule = _capsule_of(function, x)
    kind = _element_type(capsule)
    bfloat16 = kind[0] == _BFLOAT
    if bfloat16:
        kind[0] = _UINT
    made = np.from_dlpack(_Bits(capsule))
    if bfloat16:
        import ml_dtypes

        return made.view(ml_dtypes.bfloat16)
    return made


def _capsule_of(function: str, x: Any) -> Any:
    """Ask ``x`` for its capsule; what lies on another device is copied to the host by it."""
    import numpy as np

    device = x.__dlpack_device__()
    options: dict[str, Any] = {}
    if device[0] != _CPU[0]:
        options = {"dl_device": _CPU, "copy": True}
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        # Only a versioned capsule can say that memory is read-only.
        options["max_version"] = (1, 0)
    for chosen in (options, {k: v for k, v in options.items() if k != "max_version"}):
        try:
            return x.__dlpack__(**chosen)
        except TypeError:
            continue
    raise ValueError(
        f"{function}: the data of {type(x).__name__} lie on DLPack device {device}; "
        f"copy them to the CPU first"
    )
