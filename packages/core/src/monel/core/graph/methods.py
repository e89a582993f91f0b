"""array's named methods and properties, from one table: each is found when it is first used."""

from __future__ import annotations

from typing import Any

from .doors import load
from .handle import array

# ``a.mean(axis=0)`` is ``mean(a, axis=0)`` of this module, and so on.
METHODS = {
    "interchange": ("item", "tolist"),
    "ops.array_methods": ("__array_namespace__", "astype", "reshape", "to_device", "transpose"),
    "ops.diagonals": ("diag", "diagonal"),
    "ops.joining": ("split",),
    "ops.manipulation": ("flatten", "moveaxis", "squeeze", "swapaxes"),
    "ops.reductions": ("mean", "std", "var"),
    "printing": ("_repr_html_",),
    "primitives.argreduce": ("argmax", "argmin"),
    "primitives.combined": ("logsumexp",),
    "primitives.convert": ("view",),
    "primitives.exponential": ("exp", "log", "log10", "log1p", "log2"),
    "primitives.reduce": ("all", "any", "max", "min", "prod", "sum"),
    "primitives.scan": ("cummax", "cummin", "cumprod", "cumsum", "logcumsumexp"),
    "primitives.trigonometric": ("cos", "sin"),
    "primitives.unary": ("abs", "conj", "reciprocal", "round", "rsqrt", "sqrt", "square"),
}

# ``a.T`` is the function of ``a`` alone.
PROPERTIES = {
    "T": ("ops.manipulation", "transpose", "The array with its axes reversed."),
    "mT": ("ops.manipulation", "matrix_transpose", "The last two axes swapped."),
    "device": ("ops.array_methods", "device", "The Device where the array lies."),
    "real": ("primitives.unary", "real", "The real part."),
    "imag": ("primitives.unary", "imag", "The imaginary part."),
    "at": ("ops.indexing", "ArrayAt", "Updates that count repeated indices: ``a.at[i].add(v)``."),
}


class Later:
    """Stands for a member of array until its first use, and then puts the member in its place."""

    __slots__ = ("function", "module", "name", "text")

    def __init__(self, name: str, module: str, function: str, text: str | None = None) -> None:
        self.name = name
        self.module = module
        self.function = function
        self.text = text

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        member: Any = getattr(load(self.module), self.function)
        if self.text is not None:
            member = property(member, doc=self.text)
        setattr(array, self.name, member)
        return getattr(array if instance is None else instance, self.name)


def install() -> None:
    """Give array its methods and properties."""
    for module, names in METHODS.items():
        for name in names:
            setattr(array, name, Later(name, module, name))
    for name, (module, function, text) in PROPERTIES.items():
        setattr(array, name, Later(name, module, function, text))


install()
