"""Doors: what the floor calls in the modules above it.

A door names the module that owns the function, and imports it when it is first called; the module
then puts its function in the door's place by ``install``. This is the one place where a low module
names a higher one, and it does so by string: nothing is loaded that a program does not use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

CORE = __package__.rpartition(".")[0]


def load(module: str) -> Any:
    """Import a module of core by its name below ``monel.core``."""
    return import_module(f"{CORE}.{module}")


class Door:
    """Stands in attribute ``name`` of ``owner`` until ``module`` installs the function itself."""

    __slots__ = ("module", "name", "owner")

    def __init__(self, owner: Any, name: str, module: str) -> None:
        self.owner = owner
        self.name = name
        self.module = module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        load(self.module)
        return getattr(self.owner, self.name)(*args, **kwargs)
