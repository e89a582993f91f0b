"""The contract: everything a backend, format or primitive plugin may import, besides the kit.

Example:
  >>> from monel.core.plugin import BackendSpec, hookimpl
  >>> @hookimpl
  ... def monel_backends():
  ...     return [BackendSpec(name="toy", load=load, api_version=1)]
"""

from __future__ import annotations

from typing import Any

from .base import errors
from .base.avals import AbstractArray
from .base.dtypes import (
    DTYPES,
    Dtype,
    bfloat16,
    bool_,
    complex64,
    dtype_named,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .base.errors import (
    AxisError,
    BackendError,
    DimensionError,
    DTypeError,
    MissingKernelError,
    MissingRuleError,
    MonelError,
    OutOfBoundsError,
    ShapeError,
    StreamError,
    TraceError,
)
from .base.program import Equation
from .base.storage import open_source, open_target
from .contract.backend import (
    API_VERSION,
    Backend,
    BackendSpec,
    Fusion,
    KernelBackend,
    KernelTable,
)
from .contract.formats import Format, FormatError, HostTensor, LazyTensor, Source
from .contract.hookspecs import hookimpl
from .graph.capture import Program
from .graph.doors import load
from .graph.handle import array
from .graph.primitive import REGISTRY, Primitive, Sample
from .progress import Progress
from .recognition import format_for_path, format_named, recognised

__all__ = [
    "API_VERSION",
    "AbstractArray",
    "AxisError",
    "Backend",
    "BackendError",
    "BackendSpec",
    "DTYPES",
    "DTypeError",
    "DimensionError",
    "Dtype",
    "Equation",
    "Format",
    "FormatError",
    "Fusion",
    "HostTensor",
    "KernelBackend",
    "KernelTable",
    "LazyTensor",
    "MissingKernelError",
    "MissingRuleError",
    "MonelError",
    "OutOfBoundsError",
    "Primitive",
    "Program",
    "Progress",
    "REGISTRY",
    "Sample",
    "ShapeError",
    "Source",
    "StreamError",
    "TraceError",
    "array",
    "bfloat16",
    "bool_",
    "complex64",
    "dtype_named",
    "float16",
    "float32",
    "float64",
    "format_for_path",
    "format_named",
    "hookimpl",
    "int16",
    "int32",
    "int64",
    "int8",
    "open_source",
    "open_target",
    "recognised",
    "to_stablehlo",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
]


def to_stablehlo(program: Program, name: str = "program") -> str:
    """Return the text of a StableHLO module with one function ``main`` that is ``program``.

    For backends that hand Programs to a compiler of MLIR; its writer is loaded when it is used.

    Args:
      program: A Program, such as ``Backend.compile`` gets.
      name: The module's name.
    Raises:
      ProgramError: A primitive that has no form in StableHLO.
    Source: https://openxla.org/stablehlo/spec
    Example:
      >>> import monel.core as mx
      >>> text = to_stablehlo(mx.make_program(mx.exp)(mx.ones(3)))
      >>> [line.split('"')[1] for line in text.splitlines() if " = " in line]
      ['stablehlo.exponential']
    """
    text: str = load("export.stablehlo").to_stablehlo(program, name)
    return text


def __getattr__(name: str) -> Any:
    """Give ``LinAlgError`` on demand: its class needs NumPy."""
    if name == "LinAlgError":
        return errors.LinAlgError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
