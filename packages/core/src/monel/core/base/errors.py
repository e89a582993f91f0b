"""Every exception that monel raises on purpose.

Each class is also the builtin that a caller would expect, so ``except ValueError`` keeps working
for code written against MLX.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AxisError",
    "BackendError",
    "DTypeError",
    "DimensionError",
    "MissingKernelError",
    "MissingRuleError",
    "MonelError",
    "NotANumberError",
    "OperandError",
    "OutOfBoundsError",
    "ShapeError",
    "StreamError",
    "TraceError",
]


class MonelError(Exception):
    """Base of every error that monel raises on purpose."""


class ShapeError(MonelError, ValueError):
    """Shapes that do not fit together or do not fit the operation."""


class DTypeError(MonelError, ValueError):
    """A dtype that an operation or a device does not take."""


class OperandError(DTypeError, TypeError):
    """Something else given where an array is due: a list, a string, None."""


class AxisError(MonelError, ValueError, IndexError):
    """An axis outside the dimensions of an array, or named twice."""


class DimensionError(MonelError, OverflowError):
    """A shape whose dimensions or size cannot be represented."""


class TraceError(MonelError, ValueError):
    """A traced value used where a concrete one is needed, or after its trace has ended."""


class StreamError(MonelError, RuntimeError):
    """A stream used in a thread that it does not belong to."""


class MissingRuleError(MonelError, ValueError):
    """A primitive has no rule for the transform that was asked for."""


class MissingKernelError(MonelError, RuntimeError):
    """No backend can run a primitive, and neither decomposition nor the host may stand in."""


class BackendError(MonelError, RuntimeError, ValueError):
    """A backend or plugin that is missing, broken or of another contract version."""


class NotANumberError(MonelError, FloatingPointError):
    """A nan that was computed while ``mx.debug(nans=True)`` looks for one."""


class OutOfBoundsError(MonelError, IndexError, RuntimeError):
    """An index found outside its axis when a gather or scatter ran."""


def __getattr__(name: str) -> Any:
    """Make ``LinAlgError`` at first need: one of its bases is NumPy's class of that name."""
    if name != "LinAlgError":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np

    class LinAlgError(MonelError, RuntimeError, np.linalg.LinAlgError):
        """A matrix that cannot be inverted or factored, found when the operation ran."""

    LinAlgError.__qualname__ = "LinAlgError"
    globals()["LinAlgError"] = LinAlgError
    return LinAlgError
