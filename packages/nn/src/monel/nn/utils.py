"""Functions of modules: gradients, checkpoints, and averages over a group of processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import monel.core as mx
from monel.utils import tree_flatten, tree_map, tree_unflatten

from .module import Module

__all__ = ["average_gradients", "checkpoint", "clip_grad_norm_sharded", "value_and_grad"]


def _holds_array(tree: Any) -> bool:
    if isinstance(tree, dict):
        return any(map(_holds_array, tree.values()))
    if isinstance(tree, list):
        return any(map(_holds_array, tree))
    return isinstance(tree, mx.array)


def value_and_grad(model: Module, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes ``fn`` and its gradients by the model's parameters.

    Args:
      model: Its trainable parameters are those of the gradient.
      fn: A function that uses the model and returns a scalar, or a tuple that begins with one.
    Returns:
      A function of the arguments of ``fn`` that returns what ``fn`` returns, and the gradients as
      a tree like ``model.trainable_parameters()``.
    Raises:
      ValueError: When called, if the model has no trainable parameter.
    Example:
      >>> model = nn.Linear(2, 1, bias=False)
      >>> step = nn.value_and_grad(model, lambda x: model(x).sum())
      >>> value, grads = step(mx.array([[3.0, 4.0]]))
      >>> grads
      {'weight': array([[3, 4]], dtype=float32)}
    """

    def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        model.update(parameters)
        return fn(*args, **kwargs)

    both = mx.value_and_grad(of_parameters)

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        parameters = model.trainable_parameters()
        if not _holds_array(parameters):
            raise ValueError(
                f"value_and_grad: {type(model).__name__} has no trainable parameters; "
                "call unfreeze() on what is to be trained"
            )
        return both(parameters, *args, **kwargs)

    return wrapped


def checkpoint(module: Module, fn: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return ``fn`` with its intermediate results recomputed, not kept, for the gradient.

    Args:
      module: Gradients flow to its trainable parameters.
      fn: A function that uses the module; by default the module itself.
    Returns:
      A function of the arguments of ``fn``.
    Example:
      >>> layer = nn.Linear(2, 3)
      >>> nn.utils.checkpoint(layer)(mx.ones((1, 2))).shape
      (1, 3)
    """
    call = module if fn is None else fn

    def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        module.update(parameters)
        return call(*args, **kwargs)

    inner = mx.checkpoint(of_parameters)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return inner(module.trainable_parameters(), *args, **kwargs)

    return functools.wraps(fn)(wrapped) if fn is not None else wrapped


def average_gradients(
    gradients: Any,
    group: mx.distributed.Group | None = None,
    all_reduce_size: int = 32 * 1024**2,
    communication_stream: mx.Stream | None = None,
) -> Any:
    """Average a tree of gradients over the processes of a group.

    Args:
      gradients: A tree of arrays, of the same structure in each process.
      group: The group; by default that of all processes.
      all_reduce_size: Small gradients are joined into messages of about so many bytes; with 0 or
        less each travels alone.
      communication_stream: The stream of the communication.
    Returns:
      The tree of averages; ``gradients`` itself in a group of one.
    Example:
      >>> nn.average_gradients({"w": mx.array([1.0, 2.0])})
      {'w': array([1, 2], dtype=float32)}
    """
    group = group or mx.distributed.init()
    members = group.size()
    if members == 1:
        return gradients

    def average(x: mx.array) -> mx.array:
        return mx.distributed.all_sum(x, group=group, stream=communication_stream) / members

    if all_reduce_size <= 0:
        return tree_map(average, gradients)
    flat = tree_flatten(gradients)
    if not flat or any(value.dtype != flat[0][1].dtype for _, value in flat):
        return tree_map(average, gradients)
    means: list[tuple[str, mx.array]] = []
    for message in _messages(flat, all_reduce_size):
        joined = average(mx.concatenate([value.flatten() for _, value in message]))
        start = 0
        for name, value in message:
            part = joined[start : start + value.size]
            means.append((name, part.reshape(value.shape)))
            start += value.size
    return tree_unflatten(means)


def _messages(flat: list[tuple[str, mx.array]], size: int) -> list[list[tuple[str, mx.array]]]:
    """Cut a list of arrays, in order, into runs of at least ``size`` bytes."""
    messages: list[list[tuple[str, mx.array]]] = []
    room = 0
    for name, value in flat:
        if room <= 0:
            messages.append([])
            room = size
        messages[-1].append((name, value))
        room -= value.nbytes
    return messages


def clip_grad_norm_sharded(
    gradients: Any, max_norm: float, group: mx.distributed.Group | None = None
) -> tuple[Any, mx.array]:
    """Scale gradients whose leaves are split over a group so that their norm is at most max_norm.

    Args:
      gradients: A tree of this process's parts of the gradients.
      max_norm: The largest norm.
      group: The group they are split over; by default that of all processes.
    Returns:
      The scaled tree, and the norm that all parts together had.
    Example:
      >>> nn.utils.clip_grad_norm_sharded({"w": mx.array([3.0, 4.0])}, 10.0)[1]
      array(5, dtype=float32)
    """
    leaves = [value for _, value in tree_flatten(gradients)]
    squares = sum((mx.square(value.astype(mx.float32)).sum() for value in leaves), mx.array(0.0))
    norm = mx.sqrt(mx.distributed.all_sum(squares, group=group))
    factor = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda value: (value * factor).astype(value.dtype), gradients), norm
