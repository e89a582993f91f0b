"""What the array API standard asks a namespace about its dtypes and devices."""

from __future__ import annotations

from typing import Any

from .base.devices import Device
from .base.dtypes import (
    DTYPES,
    Dtype,
    bfloat16,
    complex64,
    float16,
    float32,
    int32,
    promote,
    promote_all,
)
from .base.errors import DTypeError
from .execute.placement import default_device
from .graph.handle import array

__all__ = ["__array_namespace_info__", "can_cast", "isdtype", "result_type"]

_UNSIGNED = tuple(d for d in DTYPES if d.integral and not d.signed)
_SIGNED = tuple(d for d in DTYPES if d.signed)
_REAL = tuple(d for d in DTYPES if d.floating)
_BOOL = tuple(d for d in DTYPES if d.name == "bool")

KINDS = {
    "bool": _BOOL,
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": _SIGNED + _UNSIGNED,
    "real floating": _REAL,
    "complex floating": (complex64,),
    "numeric": _SIGNED + _UNSIGNED + _REAL + (complex64,),
}


def isdtype(dtype: Dtype, kind: Any) -> bool:
    """Return whether ``dtype`` is of a kind, or of one of several.

    Args:
      dtype: The dtype in question.
      kind: A dtype, ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``,
        ``"real floating"``, ``"complex floating"``, ``"numeric"``, or a tuple of these.
    Raises:
      TypeError: ``dtype`` is no Dtype.
      ValueError: An unknown kind.
    Example:
      >>> import monel.core as mx
      >>> mx.isdtype(mx.uint8, ("bool", "integral"))
      True
    """
    if not isinstance(dtype, Dtype):
        raise TypeError(f"isdtype: expected a Dtype, got {type(dtype).__name__}")
    if isinstance(kind, tuple):
        return any(isdtype(dtype, each) for each in kind)
    if isinstance(kind, Dtype):
        return dtype is kind
    if not isinstance(kind, str):
        raise DTypeError(
            f"isdtype: `kind` must be a dtype, a string, or a tuple of dtypes and strings, "
            f"got {type(kind).__name__}"
        )
    if kind not in KINDS:
        raise DTypeError(f"isdtype: Unknown data type kind: {kind!r}; known: {', '.join(KINDS)}")
    return dtype in KINDS[kind]


def _dtype_of(function: str, given: Any) -> Dtype:
    if isinstance(given, Dtype):
        return given
    if isinstance(given, array):
        return given.dtype
    raise DTypeError(f"{function}: expected an array or a Dtype, got {type(given).__name__}")


def can_cast(from_: Any, to: Dtype) -> bool:
    """Return whether promotion of ``from_`` and ``to`` gives ``to``.

    Args:
      from_: An array or a dtype.
      to: A dtype.
    Raises:
      ValueError: ``from_`` is neither array nor dtype.
      TypeError: ``to`` is no dtype.
    Example:
      >>> import monel.core as mx
      >>> mx.can_cast(mx.int32, mx.float16)
      True
    """
    if not isinstance(to, Dtype):
        raise TypeError(f"can_cast: `to` must be a Dtype, got {type(to).__name__}")
    return promote(_dtype_of("can_cast", from_), to) is to


def result_type(*arrays_and_dtypes: Any) -> Dtype:
    """Return the dtype in which arrays and dtypes meet.

    Raises:
      ValueError: Nothing was given, or something else than arrays and dtypes.
    Example:
      >>> import monel.core as mx
      >>> mx.result_type(mx.array(1), mx.float16)
      monel.core.float16
    """
    if not arrays_and_dtypes:
        raise DTypeError("result_type: At least one array or dtype is required")
    return promote_all([_dtype_of("result_type", given) for given in arrays_and_dtypes])


class ArrayNamespaceInfo:
    """Answers of the array API standard about dtypes, devices and what depends on data."""

    def capabilities(self) -> dict[str, Any]:
        """Return what the namespace can do that depends on values, and its limits."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 16}

    def default_device(self) -> Device:
        """Return the device on which arrays are made by default."""
        return default_device()

    def default_dtypes(self, *, device: Device | None = None) -> dict[str, Dtype]:
        """Return the dtypes that Python numbers and indices get."""
        return {
            "real floating": float32,
            "complex floating": complex64,
            "integral": int32,
            "indexing": int32,
        }

    def devices(self) -> tuple[Device, ...]:
        """Return the devices that can be named."""
        return (default_device(),)

    def dtypes(self, *, device: Device | None = None, kind: Any = None) -> dict[str, Dtype]:
        """Return the standard's dtypes by name, all or those of a kind.

        Raises:
          ValueError: An unknown kind.
        """
        standard = [d for d in DTYPES if d not in (float16, bfloat16)]
        return {d.name: d for d in standard if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """Return the answers that the array API standard asks a namespace for.

    Example:
      >>> import monel.core as mx
      >>> mx.__array_namespace_info__().default_dtypes()["integral"]
      monel.core.int32
    """
    return ArrayNamespaceInfo()
