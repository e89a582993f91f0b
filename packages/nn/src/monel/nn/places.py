"""Where things are in a tree of modules: near matches, replacement, notes on errors."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import monel.core as mx

__all__ = ["Replace", "check_weights", "near", "telling"]


def near(name: str, known: Iterable[str]) -> str:
    """Return the sentence that lists the names like ``name``, or nothing if there are none."""
    alike = difflib.get_close_matches(name, sorted(k for k in known if isinstance(k, str)), n=3)
    return f" Did you mean {' or '.join(repr(match) for match in alike)}?" if alike else ""


class Replace:
    """Puts the leaves of a tree into the same places of a module."""

    def __init__(self, word: str, leaf: type, strict: bool) -> None:
        self.word, self.leaf, self.strict = word, leaf, strict

    def into(self, target: Any, source: Any, path: str = "") -> None:
        """Go through ``source``; ``target`` is the container at ``path`` of the module."""
        if isinstance(source, dict) and isinstance(target, dict):
            for key, value in source.items():
                if key in target:
                    self.put(target, key, value, f"{path}.{key}" if path else f"{key}")
                elif self.strict:
                    place = f" (at {path})" if path else ""
                    raise ValueError(
                        f'Module does not have {self.word} named "{key}"{place}.{near(key, target)}'
                    )
        elif isinstance(source, list) and isinstance(target, list):
            for i, value in enumerate(source):
                if i < len(target):
                    self.put(target, i, value, f"{path}.{i}")
                elif self.strict:
                    raise ValueError(
                        f"List index {i} is out of bounds for destination of length "
                        f"{len(target)} (at {path})."
                    )
        elif self.strict:
            self.refuse(source, target, path)

    def put(self, target: Any, key: Any, value: Any, path: str) -> None:
        """Replace one entry, or go down into it."""
        current = target[key]
        if isinstance(value, self.leaf):
            if isinstance(current, self.leaf):
                target[key] = value
            elif self.strict:
                self.refuse(value, current, path)
        elif isinstance(value, (dict, list)):
            # An empty container says that nothing is replaced here.
            if value:
                self.into(current, value, path)
        elif self.strict:
            self.refuse(value, current, path)

    def refuse(self, value: Any, current: Any, path: str) -> None:
        """Raise the error of a value that does not fit its place."""
        raise ValueError(
            f"Received invalid type: {type(value).__name__} for {path or 'the module'}, "
            f"which holds a value of type {type(current).__name__}."
        )


def check_weights(current: dict[str, mx.array], given: dict[str, mx.array]) -> None:
    """Raise ValueError unless ``given`` has the names and shapes of ``current``."""
    unknown = sorted(given.keys() - current.keys())
    if unknown:
        names = ",\n".join(name + near(name, current) for name in unknown)
        raise ValueError(f"Received {len(unknown)} parameters not in model: \n{names}.")
    missing = sorted(current.keys() - given.keys())
    if missing:
        names = ",\n".join(missing)
        raise ValueError(f"Missing {len(missing)} parameters: \n{names}.")
    for name, value in current.items():
        new = given[name]
        if not isinstance(new, mx.array):
            raise ValueError(f"Expected mx.array but received {type(new)} for parameter {name}")
        if new.shape != value.shape:
            raise ValueError(
                f"Expected shape {value.shape} but received shape {new.shape} for parameter {name}"
            )


def telling(call: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the ``__call__`` of a module class: an error gets a note with its place in the tree."""

    @functools.wraps(call)
    def told(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except Exception as error:
            _note(error, self)
            raise

    return told


# The attribute in which an error carries: the failing layer in words, the outermost module seen
# so far, the path from that to the layer, and the note that says so.
_PLACE = "_monel_place"


def _note(error: Exception, module: Any) -> None:
    seen = getattr(error, _PLACE, None)
    if seen is None:
        label, path, old = repr(module).split("\n", 1)[0], "", None
        label = f"{label}...)" if label.endswith("(") else label
    else:
        label, outermost, path, old = seen
        if outermost is module:
            return
        names = (name for name, below in module.named_modules() if below is outermost)
        step = next(names, None)
        if step is None:
            # Not one of this module's children: a function it holds called another model.
            return
        path = f"{step}.{path}" if path else step
    root = type(module).__name__
    where = f" at {root}.{_indexed(path)}" if path else ""
    note = f"in {label}{where}"
    notes = getattr(error, "__notes__", [])
    if old in notes:
        notes[notes.index(old)] = note
    else:
        error.add_note(note)
    setattr(error, _PLACE, (label, module, path, note))


def _indexed(path: str) -> str:
    """Write ``layers.0.up`` as it is written in Python: ``layers[0].up``."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", path)
