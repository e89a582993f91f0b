"""eval and async_eval: the user's demands for values."""

from __future__ import annotations

from typing import Any

from ..base.errors import TraceError
from ..base.tree import flatten
from ..graph import value as graph
from ..graph.handle import array
from .placement import asynchronous

__all__ = ["async_eval", "eval"]


def eval(*args: Any) -> None:
    """Compute every array in the trees ``args``; what is no array is ignored.

    It returns when they are computed, on a device that works on its own, too.

    Raises:
      ValueError: An array is traced by compile or vmap, where it has no value.
    Example:
      >>> import monel.core as mx
      >>> a = mx.ones(2) + 1
      >>> mx.eval(a)
    """
    for argument in args:
        if type(argument) is array:
            handle = argument
            graph.evaluate(handle.value)
        else:
            eval_tree(argument)
    if asynchronous:
        wait_for(args)


def wait_for(tree: Any) -> None:
    """Wait for the arrays in ``tree`` that lie on a backend whose kernels run on their own."""
    leaves: list[Any] = []
    flatten(tree, array, leaves)
    for leaf in leaves:
        value = leaf.value
        target = value.stream.target
        if target is not None and target.backend in asynchronous:
            target.backend.wait(value.buffer)


def eval_tree(tree: Any) -> None:
    """Compute every array in ``tree``, which is no array itself."""
    children = tree
    if isinstance(tree, dict):
        children = list(tree.values())
    elif not isinstance(tree, list | tuple):
        return
    for child in children:
        if type(child) is array:
            handle = child
            graph.evaluate(handle.value)
        else:
            eval_tree(child)


def async_eval(*args: Any) -> None:
    """Start to compute every array in the trees ``args`` and return.

    Raises:
      ValueError: An array is being traced by a transform.
    Example:
      >>> import monel.core as mx
      >>> a = mx.ones(2) + 1
      >>> mx.async_eval(a)
      >>> a
      array([2, 2], dtype=float32)
    """
    leaves: list[Any] = []
    flatten(args, array, leaves)
    for leaf in leaves:
        trace = leaf.value.trace
        if trace is not None and trace.open:
            raise TraceError(f"async_eval: not allowed inside {trace.name}")
    for leaf in leaves:
        graph.evaluate(leaf.value)
