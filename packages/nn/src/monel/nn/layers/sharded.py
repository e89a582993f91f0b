"""A module of whose parameters each process keeps a part, and has the whole only while it runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import monel.core as mx
from monel.utils import tree_flatten, tree_unflatten

from ..module import Module

__all__ = ["FullyShardedModule", "fully_shard"]

if TYPE_CHECKING:
    from monel.core.distributed import Group


def _cut(joined: mx.array, shapes: list[tuple[int, ...]]) -> list[mx.array]:
    """Cut the last axis of (N, total) into one piece for each shape, of N times its rows."""
    ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
    pieces = mx.split(joined, ends[:-1], axis=1)
    return [
        piece.reshape(joined.shape[0] * shape[0], *shape[1:])
        for piece, shape in zip(pieces, shapes, strict=True)
    ]


def _gathering(group: Group, compute_dtype: mx.Dtype | None) -> Callable[..., list[mx.array]]:
    """A function from shards to whole arrays, whose gradient is the mean over the group."""
    size = group.size()

    def together(shards: list[mx.array]) -> list[mx.array]:
        """One message for all shards, which have one dtype."""
        joined = mx.concatenate([shard.flatten() for shard in shards])
        whole = mx.distributed.all_gather(joined, group=group).reshape(size, -1)
        return _cut(whole, [tuple(shard.shape) for shard in shards])

    def apart(whole: list[mx.array], shards: list[mx.array]) -> list[mx.array]:
        joined = mx.concatenate([x.reshape(size, -1) for x in whole], axis=1)
        mine = mx.distributed.sum_scatter(joined, group=group) / size
        parts = _cut(mine, [tuple(shard.shape) for shard in shards])
        return [part.astype(shard.dtype) for part, shard in zip(parts, shards, strict=True)]

    @mx.custom_function
    def gather(shards: list[mx.array]) -> list[mx.array]:
        return together(shards)

    @gather.vjp
    def gather_vjp(primals: Any, cotangents: Any, _: Any) -> Any:
        return apart(list(cotangents), list(primals))

    def gather_all(shards: list[mx.array]) -> list[mx.array]:
        if compute_dtype is not None:
            shards = [
                shard.astype(compute_dtype) if mx.issubdtype(shard.dtype, mx.floating) else shard
                for shard in shards
            ]
        whole: list[Any] = [None] * len(shards)
        parts: Any
        for dtype in dict.fromkeys(shard.dtype for shard in shards):
            places = [i for i, shard in enumerate(shards) if shard.dtype == dtype]
            parts = gather([shards[i] for i in places])
            for i, array in zip(places, parts, strict=True):
                whole[i] = array
        return whole

    return gather_all


class FullyShardedModule(Module):
    """Wrap a module so that each process keeps, and trains, a part of each parameter.

    Parameters are split along their first axis. A call gathers the whole parameters, and its
    gradient gives each process the mean over the group for its part.

    Args:
      module: The module, whose parameters are replaced by this process's parts. Parameters of a
        `FullyShardedModule` below it are left to that.
      group: The group; by default that of all processes.
      compute_dtype: What whole floating parameters are cast to for the call.
    Raises:
      ValueError: The group does not divide the first axis of a parameter.

    Source: Rajbhandari et al., "ZeRO", arXiv:1910.02054.
    """

    def __init__(
        self, module: Module, group: Group | None = None, compute_dtype: mx.Dtype | None = None
    ) -> None:
        super().__init__()
        group = group or mx.distributed.init()
        self.module = module
        self._gather = _gathering(group, compute_dtype)
        theirs = tuple(
            f"{name}." for name, m in module.named_modules() if isinstance(m, FullyShardedModule)
        )
        parts, size, rank = [], group.size(), group.rank()
        for path, value in tree_flatten(module.parameters()):
            if path.startswith(theirs):
                continue
            if value.ndim == 0 or value.shape[0] % size != 0:
                raise ValueError(
                    f"FullyShardedModule: the first axis of parameter {path!r}, of shape "
                    f"{value.shape}, cannot be divided by the size of the group, {size}"
                )
            parts.append((path, mx.contiguous(mx.split(value, size, axis=0)[rank])))
        self._set_names(path for path, _ in parts)
        if parts:
            module.update(tree_unflatten(parts))

    def _set_names(self, names: Any) -> None:
        # Not a list: that would be an item, and so part of the state.
        self._names = frozenset(names)

    def _extra_repr(self) -> str:
        return f"num_sharded_params={len(self._names)}"

    def _with_whole(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call with the whole parameters in place, and put the parts back."""
        parts = [
            (path, value)
            for path, value in tree_flatten(self.module.parameters())
            if path in self._names
        ]
        if not parts:
            return call(*args, **kwargs)
        whole = self._gather([value for _, value in parts])
        names = [path for path, _ in parts]
        self.module.update(tree_unflatten(list(zip(names, whole, strict=True))))
        try:
            return call(*args, **kwargs)
        finally:
            self.module.update(tree_unflatten(parts))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._with_whole(self.module, *args, **kwargs)

    def as_linear(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``as_linear`` of the module, which an `Embedding` has."""
        return self._with_whole(self.module.as_linear, *args, **kwargs)


def fully_shard(
    module: Module, *, group: Group | None = None, compute_dtype: mx.Dtype | None = None
) -> Module:
    """Wrap ``module`` in a `FullyShardedModule`, unless it is one or there is nothing to split.

    Args:
      module: The module.
      group: The group; by default that of all processes.
      compute_dtype: What whole floating parameters are cast to for the call.
    Returns:
      The wrapped module; ``module`` itself in a group of one.
    Raises:
      ValueError: The group does not divide the first axis of a parameter.
    Example:
      >>> nn.fully_shard(nn.Linear(2, 2))
      Linear(input_dims=2, output_dims=2, bias=True)
    """
    group = group or mx.distributed.init()
    if group.size() == 1 or isinstance(module, FullyShardedModule):
        return module
    return FullyShardedModule(module, group, compute_dtype)
