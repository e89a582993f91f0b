"""array's named methods and properties, from one table: each is the public function of its name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .graph.handle import array
from .interchange import item, tolist
from .ops import creation, diagonals, joining, manipulation, reductions
from .ops.indexing import ArrayAt
from .primitives import (
    argreduce,
    combined,
    convert,
    elementwise,
    exponential,
    reduce,
    scan,
    trigonometric,
    unary,
)

# Where the functions behind the methods live.
FAMILIES = (
    argreduce,
    combined,
    convert,
    creation,
    diagonals,
    elementwise,
    exponential,
    joining,
    manipulation,
    reduce,
    reductions,
    scan,
    trigonometric,
    unary,
)

# ``a.mean(axis=0)`` is ``mean(a, axis=0)``, and so on.
NAMES = (
    "abs",
    "all",
    "any",
    "argmax",
    "argmin",
    "conj",
    "cos",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "diag",
    "diagonal",
    "exp",
    "flatten",
    "log",
    "log10",
    "log1p",
    "log2",
    "logcumsumexp",
    "logsumexp",
    "max",
    "mean",
    "min",
    "moveaxis",
    "prod",
    "reciprocal",
    "round",
    "rsqrt",
    "sin",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "var",
    "view",
)


def astype(self: Any, dtype: Any, stream: Any = None) -> Any:
    """Return the array converted to ``dtype``."""
    return convert.astype(self, dtype, stream=stream)


def reshape(self: Any, *shape: Any, stream: Any = None) -> Any:
    """Return the elements under another shape: ``a.reshape(2, 3)`` or ``a.reshape((2, 3))``."""
    return manipulation.reshape(self, _one_or_many(shape), stream=stream)


def transpose(self: Any, *axes: Any, stream: Any = None) -> Any:
    """Return the array with its axes reversed, or in the order ``axes``."""
    order = _one_or_many(axes) if axes else None
    return manipulation.transpose(self, order, stream=stream)


def _one_or_many(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 and not hasattr(given[0], "__index__") else given


def array_namespace(self: Any, api_version: str | None = None) -> ModuleType:
    """Return ``monel.core``, as the array API standard asks.

    Raises:
      ValueError: A version of the standard is asked for.
    """
    if api_version is not None:
        raise ValueError("array.__array_namespace__: no version of the array API can be asked for")
    return importlib.import_module(__package__)


PROPERTIES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "T": (lambda self: manipulation.transpose(self), "The array with its axes reversed."),
    "mT": (lambda self: manipulation.matrix_transpose(self), "The last two axes swapped."),
    "real": (lambda self: unary.real(self), "The real part."),
    "imag": (lambda self: unary.imag(self), "The imaginary part."),
    "at": (ArrayAt, "Updates that count repeated indices: ``a.at[index].add(value)``."),
}

METHODS = {
    "__array_namespace__": array_namespace,
    "astype": astype,
    "item": item,
    "reshape": reshape,
    "tolist": tolist,
    "transpose": transpose,
}


def install() -> None:
    """Give array its methods and properties."""
    functions = {name: getattr(m, name) for m in FAMILIES for name in m.__all__}
    for name in NAMES:
        setattr(array, name, functions[name])
    for name, method in METHODS.items():
        setattr(array, name, method)
    for name, (getter, text) in PROPERTIES.items():
        setattr(array, name, property(getter, doc=text))


install()
