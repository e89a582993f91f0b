"""What public functions do with their arguments before they bind: arrays, axes, shapes, dtypes."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from ..base import dtypes
from ..base.avals import check_shape
from ..base.dtypes import Dtype
from ..base.errors import AxisError, MonelError, OperandError
from ..graph import value as graph
from ..graph.handle import array
from ..graph.primitive import REGISTRY
from .convert import cast

__all__: list[str] = []


def operand(function: str, a: Any) -> Any:
    """Return ``a`` as an array where MLX takes arrays only: scalars and lists are refused."""
    if isinstance(a, array):
        return a
    if not isinstance(a, bool | int | float | complex | str):
        if hasattr(a, "__array__") or hasattr(a, "__dlpack__"):
            return array(a)
    raise OperandError(
        f"{function}: expected an array, got {type(a).__name__}; convert it with mx.array"
    )


def operands(function: str, arrays: Any) -> list[Any]:
    """Return the items of a list or tuple (or the rows of an array) as arrays."""
    if not _iterable(arrays):
        raise OperandError(
            f"{function}: expected a list or tuple of arrays, got {type(arrays).__name__}"
        )
    return [operand(function, a) for a in arrays]


def integer(function: str, name: str, number: Any) -> int:
    """Return ``number`` as an int; a float or a string is a ``TypeError``."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{function}: {name} must be an int, got {type(number).__name__}") from None


def integers(function: str, name: str, numbers: Any) -> tuple[int, ...]:
    """Return a sequence of ints as a tuple."""
    if not _iterable(numbers):
        raise TypeError(
            f"{function}: {name} must be a sequence of ints, got {type(numbers).__name__}"
        )
    return tuple([n if type(n) is int else integer(function, name, n) for n in numbers])


def integer_or_integers(function: str, name: str, numbers: Any) -> tuple[int, ...]:
    """Return one int, or a sequence of ints, as a tuple."""
    if type(numbers) is int:
        return (numbers,)
    if _iterable(numbers):
        return tuple([n if type(n) is int else integer(function, name, n) for n in numbers])
    return (integer(function, name, numbers),)


def _iterable(given: Any) -> bool:
    """Return whether ``given`` has items: a 0-d array has none, those of a string do not count."""
    if isinstance(given, array):
        return given.ndim > 0
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | dict | set)


def number(function: str, name: str, given: Any) -> float:
    """Return a real number, or an array of one, as a float; anything else is a ``TypeError``."""
    if type(given) is float:
        return given
    if isinstance(given, array) and given.size == 1 and given.dtype.name != "complex64":
        return float(given)
    if not isinstance(given, array | str | bytes) and hasattr(type(given), "__float__"):
        with suppress(TypeError, ValueError):  # NumPy arrays of several elements, and of objects
            return float(given)
    kind = "complex" if isinstance(given, complex) else type(given).__name__
    raise TypeError(f"{function}: {name} must be a float, got {kind}")


def flag(function: str, name: str, given: Any) -> bool:
    """Return a bool argument, NumPy's too; another number in its place is likely a mistake."""
    if type(given).__name__ in ("bool", "bool_"):
        return bool(given)
    raise TypeError(f"{function}: {name} must be a bool, got {type(given).__name__}")


def on_device(function: str, device: Any, stream: Any) -> Any:
    """Return the stream that ``device=``, the array API standard's word, and ``stream=`` name."""
    if device is None:
        return stream
    if stream is not None:
        raise TypeError(f"{function}: give device or stream, not both")
    return device


def either(function: str, name: str, given: Any, other_name: str, other: Any) -> Any:
    """Return an argument that has two names; TypeError unless one of them is given."""
    if (given is None) == (other is None):
        word = "one of" if given is None else "only one of"
        raise TypeError(f"{function}: give {word} {name} and {other_name}")
    return other if given is None else given


def shape_of(function: str, shape: Any) -> tuple[int, ...]:
    """Return a ``shape`` argument, which may be one int, as a checked tuple."""
    dimensions = integer_or_integers(function, "shape", shape)
    check_shape(function, dimensions)
    return dimensions


def canonical_axis(function: str, axis: Any, x: Any, extra: int = 0) -> int:
    """Return ``axis`` as a non-negative place among those of ``x`` (and ``extra`` new ones)."""
    place = axis if type(axis) is int else integer(function, "axis", axis)
    ndim = len(x.shape) + extra
    if not -ndim <= place < ndim:
        raise AxisError(
            f"{function}: axis {place} is out of bounds for array with {ndim} dimensions, "
            f"{describe(x)}"
        )
    return place + ndim if place < 0 else place


def canonical_axes(function: str, axis: Any, x: Any, keepdims: Any = False) -> tuple[int, ...]:
    """Return an ``axis`` argument, None, one or several, as ascending places.

    The ``keepdims`` that comes with it is checked, too.
    """
    if keepdims is not False and keepdims is not True:
        flag(function, "keepdims", keepdims)
    if axis is None:
        return tuple(range(len(x.shape)))
    if type(axis) is int or not _iterable(axis):
        return (canonical_axis(function, axis, x),)
    axes = tuple(sorted([canonical_axis(function, a, x) for a in axis]))
    if len(set(axes)) < len(axes):
        raise AxisError(f"{function}: duplicate axes in {tuple(axis)} of {describe(x)}")
    return axes


def dtype_or(function: str, dtype: Any, default: Dtype) -> Dtype:
    """Return a ``dtype=`` argument, ``default`` where it is None."""
    if dtype is None:
        return default
    if not isinstance(dtype, Dtype):
        raise TypeError(f"{function}: dtype must be a Dtype, got {type(dtype).__name__}")
    return dtype


def promoted(arrays: list[Any], stream: Any = None) -> list[Any]:
    """Cast arrays to the dtype in which they meet."""
    dtype = dtypes.promote_all([a.dtype for a in arrays])
    return [cast(a, dtype, stream) for a in arrays]


class speaking_as:
    """A block whose errors name ``function``, which users called, not what it is made of."""

    def __init__(self, function: str) -> None:
        self.function = function

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, MonelError | TypeError):
            found = re.match(r"\w+: ", str(error))
            if found:
                text = str(error)[found.end() :]
                raise type(error)(f"{self.function}: {text}") from None


def describe(x: Any) -> str:
    """Return an array's aval for an error: ``float32[2,3]``."""
    return str(x.value) if isinstance(x, array) else str(x)


def stays_open(x: Any) -> bool:
    """Return whether ``x`` is traced with open shapes, so that no parameter may hold one."""
    trace = x.value.trace
    return trace is not None and trace.open and trace.shapeless


def call_on(stream: Any, name: str, *operands: Any, **parameters: Any) -> Any:
    """Bind the primitive ``name`` on ``stream``."""
    return REGISTRY[name](**parameters).bind(*operands, stream=stream)


def on_stream(stream: Any) -> AbstractContextManager[Any]:
    """Return a block in which operations run on ``stream``; None changes nothing."""
    return nullcontext() if stream is None else graph.slots.on_stream(stream)
