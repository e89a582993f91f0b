"""Trees of dict, list and tuple: flattening, rebuilding, and leaves exchanged in place.

Every walk takes ``leaf``, the class whose instances are leaves, because the words below ``array``
can't name it. Recursion follows the user's own nesting, which Python bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["flatten", "restore", "rebuild", "structure_of", "swap", "tree_map", "unflatten"]


class _Leaf:
    """The place of a leaf in a structure."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "*"


LEAF = _Leaf()


class Structure:
    """The shape of a tree: the container's class, its keys, its children; hashable.

    What is neither a container nor a leaf is a constant; it is kept and compared by type and value
    (by identity where it can't be hashed).
    """

    __slots__ = ("children", "cls", "keys", "_hash")

    def __init__(self, cls: Any, keys: Any, children: tuple[Any, ...]) -> None:
        self.cls = cls
        self.keys = keys
        self.children = children
        self._hash = hash((cls, keys, children))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure) or self._hash != other._hash:
            return False
        return (self.cls, self.keys, self.children) == (other.cls, other.keys, other.children)

    def __repr__(self) -> str:
        return f"{self.cls.__name__}({self.keys or ''}{list(self.children)})"


class Constant:
    """A value in a structure that is no leaf: equal by type and value."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        try:
            return hash((type(self.value), self.value))
        except TypeError:
            return id(self.value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant) or type(self.value) is not type(other.value):
            return False
        if self.value is other.value:
            return True
        try:
            hash(self.value)
        except TypeError:
            return False
        return bool(self.value == other.value) and repr(self.value) == repr(other.value)

    def __repr__(self) -> str:
        return repr(self.value)


def flatten(tree: Any, leaf: type, leaves: list[Any]) -> Any:
    """Append the leaves of ``tree`` to ``leaves``; return its structure."""
    if isinstance(tree, leaf):
        leaves.append(tree)
        return LEAF
    if isinstance(tree, dict):
        keys = tuple(tree)
        return Structure(type(tree), keys, tuple(flatten(tree[k], leaf, leaves) for k in keys))
    if isinstance(tree, list | tuple):
        return Structure(type(tree), None, tuple(flatten(t, leaf, leaves) for t in tree))
    return Constant(tree)


def structure_of(tree: Any, leaf: type) -> Any:
    """Return the structure of ``tree`` alone."""
    return flatten(tree, leaf, [])


def unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    """Rebuild a tree of ``structure`` from an iterator over its leaves."""
    if structure is LEAF:
        return next(leaves)
    if isinstance(structure, Constant):
        return structure.value
    children = [unflatten(child, leaves) for child in structure.children]
    if structure.keys is not None:
        return rebuild_dict(structure.cls, zip(structure.keys, children, strict=True))
    return rebuild(structure.cls, children)


def rebuild(cls: Any, children: list[Any]) -> Any:
    """Make a list, tuple, named tuple or tuple subclass of ``children``."""
    if cls is list:
        return children
    if cls is tuple:
        return tuple(children)
    if hasattr(cls, "_fields"):
        return cls(*children)
    return cls(children)


def rebuild_dict(cls: Any, items: Any) -> Any:
    """Make a dict of ``items``; a subclass (such as a Module) skips its constructor."""
    if cls is dict:
        return dict(items)
    made = cls.__new__(cls)
    dict.update(made, items)
    return made


def tree_map(function: Callable[[Any], Any], tree: Any, leaf: type) -> Any:
    """Rebuild ``tree`` with ``function`` applied to each leaf.

    Lists and tuples keep their types; a subclass of dict, such as a Module, becomes a dict.
    """
    if isinstance(tree, leaf):
        return function(tree)
    if isinstance(tree, dict):
        return {k: tree_map(function, v, leaf) for k, v in list(tree.items())}
    if isinstance(tree, list | tuple):
        return rebuild(type(tree), [tree_map(function, t, leaf) for t in tree])
    return tree


def swap(tree: Any, leaf: type, replace: Callable[[Any], Any], undo: list[Any]) -> Any:
    """Replace the leaves of ``tree``, inside its own dicts and lists; tuples are rebuilt.

    Each exchange is entered in ``undo`` for ``restore``. A function under a transform so receives
    the caller's own containers: what it writes into them persists, and identity is kept.
    """
    if isinstance(tree, leaf):
        return replace(tree)
    if isinstance(tree, dict):
        for key, old in list(tree.items()):
            new = swap(old, leaf, replace, undo)
            if new is not old:
                dict.__setitem__(tree, key, new)
                undo.append((tree, key, old, new))
        return tree
    if isinstance(tree, list):
        for key, old in enumerate(tree):
            new = swap(old, leaf, replace, undo)
            if new is not old:
                tree[key] = new
                undo.append((tree, key, old, new))
        return tree
    if isinstance(tree, tuple):
        children = [swap(t, leaf, replace, undo) for t in tree]
        if all(new is old for new, old in zip(children, tree, strict=True)):
            return tree
        return rebuild(type(tree), children)
    return tree


def restore(undo: list[Any]) -> None:
    """Put back what ``swap`` exchanged, but for entries that were replaced since."""
    for container, key, old, new in reversed(undo):
        if isinstance(container, dict):
            if container.get(key) is new:
                dict.__setitem__(container, key, old)
        elif key < len(container) and container[key] is new:
            container[key] = old
