"""Layers whose parameters are split over a group of processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import monel.core as mx
from monel.utils import tree_map_with_path

from ..module import Module
from .linear import Linear
from .quantized import QuantizedLinear
from .sharded import FullyShardedModule, fully_shard

__all__ = [
    "AllToShardedLinear",
    "FullyShardedModule",
    "QuantizedAllToShardedLinear",
    "QuantizedShardedToAllLinear",
    "ShardedToAllLinear",
    "fully_shard",
    "shard_inplace",
    "shard_linear",
    "sum_gradients",
]

if TYPE_CHECKING:
    from monel.core.distributed import Group

Segments = int | list[Any]
# Says of a parameter the axis it is split along, or that and its segments, or None: not at all.
Predicate = Callable[[str, mx.array], int | tuple[int, Segments] | None]


def sum_gradients(group: Group) -> Callable[[mx.array], Any]:
    """Return the identity whose gradient is summed over ``group``.

    Args:
      group: The processes that each use the value in another way.
    Example:
      >>> nn.layers.distributed.sum_gradients(mx.distributed.init())(mx.array([1.0]))
      array([1], dtype=float32)
    """
    if group.size() == 1:
        return lambda x: x

    @mx.custom_function
    def identity(x: mx.array) -> mx.array:
        return x

    @identity.vjp
    def identity_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
        return mx.distributed.all_sum(cotangent, group=group)

    return identity


def _shard(x: mx.array, axis: int, segments: Segments, group: Group) -> mx.array:
    """This process's part of each segment of ``x`` along ``axis``, joined again."""
    if isinstance(segments, int):
        pieces = mx.split(x, segments, axis=axis)
    else:
        # Fractions of the length, or indices, as in `mx.split`.
        length = x.shape[axis]
        ends = [int(s * length) if isinstance(s, float) else s for s in segments]
        pieces = mx.split(x, ends, axis=axis)
    size, rank = group.size(), group.rank()
    parts = [mx.split(piece, size, axis=axis)[rank] for piece in pieces]
    return mx.contiguous(mx.concatenate(parts, axis=axis))


def _all_to_sharded(segments: Segments) -> Predicate:
    """Split outputs: the first axis of a weight, the only one of a bias."""
    return lambda path, weight: (max(weight.ndim - 2, 0), segments)


def _sharded_to_all(segments: Segments) -> Predicate:
    """Split inputs: the last axis of a weight; a bias stays whole, as it is added once."""
    return lambda path, weight: None if path.endswith("bias") else (-1, segments)


def _predicate(sharding: str, segments: Segments) -> Predicate:
    if sharding == "all-to-sharded":
        return _all_to_sharded(segments)
    if sharding == "sharded-to-all":
        return _sharded_to_all(segments)
    raise ValueError(
        f"Sharding type {sharding=} not supported, choose one of 'all-to-sharded' or "
        "'sharded-to-all'"
    )


def _shard_parameters(parameters: Any, predicate: Predicate, group: Group) -> Any:
    def part(path: str, weight: Any) -> Any:
        choice = predicate(path, weight) if isinstance(weight, mx.array) else None
        if choice is None:
            return weight
        axis, segments = choice if isinstance(choice, tuple) else (choice, 1)
        return _shard(weight, axis, segments, group)

    return tree_map_with_path(part, parameters)


def shard_inplace(
    module: Module,
    sharding: str | Predicate,
    *,
    segments: Segments = 1,
    group: Group | None = None,
) -> None:
    """Replace the parameters of ``module`` by this process's parts of them.

    The module itself does not communicate; its call has to be made for that.

    Args:
      module: Any module, which is changed.
      sharding: ``"all-to-sharded"``, ``"sharded-to-all"``, or a function of path and parameter
        that returns the axis to split, or it and the segments, or None.
      segments: With a string: how many weights are fused into one, each to be split.
      group: The group; by default that of all processes.
    Raises:
      ValueError: Another string, or an axis that the group does not divide.
    """
    group = group or mx.distributed.init()
    predicate = sharding if callable(sharding) else _predicate(sharding, segments)
    module.update(_shard_parameters(module.parameters(), predicate, group))


def shard_linear(
    module: Module, sharding: str, *, segments: Segments = 1, group: Group | None = None
) -> Module:
    """Return a layer that computes with this process's part of a linear layer, and communicates.

    Args:
      module: A `Linear` or `QuantizedLinear`, which is not changed.
      sharding: ``"all-to-sharded"`` splits the outputs, ``"sharded-to-all"`` the inputs.
      segments: How many weights are fused into one, each to be split.
      group: The group; by default that of all processes.
    Raises:
      ValueError: Another ``sharding``, or sizes that the group does not divide.
    """
    _predicate(sharding, segments)
    outputs = sharding == "all-to-sharded"
    if isinstance(module, QuantizedLinear):
        quantized = QuantizedAllToShardedLinear if outputs else QuantizedShardedToAllLinear
        return quantized.from_quantized_linear(module, segments=segments, group=group)
    plain = AllToShardedLinear if outputs else ShardedToAllLinear
    return plain.from_linear(module, segments=segments, group=group)


def _check_divides(what: str, size: int, group: Group) -> None:
    if size % group.size() != 0:
        raise ValueError(f"Cannot shard the {what} of size {size} across {group.size()} devices.")


class _Sharded(Module):
    """What the four layers share: the group, and copying from a whole layer."""

    _outputs: bool

    def _take(self, layer: Module, segments: Segments, group: Group | None) -> None:
        self.group = group or mx.distributed.init()
        predicate = (_all_to_sharded if self._outputs else _sharded_to_all)(segments)
        for name, value in _shard_parameters(layer.parameters(), predicate, self.group).items():
            self[name] = value

    def _start(self, input_dims: int, output_dims: int, group: Group | None) -> tuple[int, int]:
        """Set the group; return the sizes of this process's part."""
        self.group = group or mx.distributed.init()
        size = self.group.size()
        if self._outputs:
            _check_divides("output", output_dims, self.group)
            return input_dims, output_dims // size
        _check_divides("input", input_dims, self.group)
        return input_dims // size, output_dims

    def _whole(self, inputs: int, outputs: int) -> str:
        size = self.group.size()
        inputs, outputs = (inputs, outputs * size) if self._outputs else (inputs * size, outputs)
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}"

    def _joined(self, product: Callable[[mx.array], mx.array], x: mx.array) -> mx.array:
        """The product with the communication and the bias around it."""
        if self._outputs:
            y = product(sum_gradients(self.group)(x))
        else:
            y = product(x)
            if self.group.size() > 1:
                y = mx.distributed.all_sum(y, group=self.group)
        return y + self["bias"] if "bias" in self else y


class _ShardedLinear(_Sharded):
    """A linear layer of which each process has a part.

    Args:
      input_dims: Size of the whole input.
      output_dims: Size of the whole output.
      bias: Whether to add a bias.
      group: The group; by default that of all processes.
    Raises:
      ValueError: The group does not divide the size that is split.
    """

    def __init__(
        self, input_dims: int, output_dims: int, bias: bool = True, group: Group | None = None
    ) -> None:
        super().__init__()
        bound = input_dims**-0.5
        inputs, outputs = self._start(input_dims, output_dims, group)
        self.weight = mx.random.uniform(-bound, bound, (outputs, inputs))
        if bias:
            self.bias = mx.random.uniform(-bound, bound, (outputs,))

    def _extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return self._whole(inputs, outputs)

    def __call__(self, x: mx.array) -> mx.array:
        return self._joined(lambda part: part @ self["weight"].T, x)

    @classmethod
    def from_linear(
        cls, linear_layer: Module, *, segments: Segments = 1, group: Group | None = None
    ) -> _ShardedLinear:
        """Make one of a `Linear`, taking this process's part of its parameters.

        Args:
          linear_layer: The layer, which is not changed.
          segments: How many weights are fused into one, each to be split.
          group: The group; by default that of all processes.
        Raises:
          ValueError: What is split cannot be split evenly.
        """
        if not isinstance(linear_layer, (Linear, _ShardedLinear)):
            raise ValueError(f"{cls.__name__}.from_linear: expected a Linear, got {linear_layer!r}")
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._take(linear_layer, segments, group)
        return layer


class AllToShardedLinear(_ShardedLinear):
    """A `Linear` of which each process computes a part of the outputs.

    Every process is given the whole input; gradients of the input are summed over the group.

    Args:
      input_dims: Size of the whole input.
      output_dims: Size of the whole output.
      bias: Whether to add a bias.
      group: The group; by default that of all processes.
    Raises:
      ValueError: The group does not divide ``output_dims``.
    Example:
      >>> nn.AllToShardedLinear(3, 4)(mx.ones((2, 3))).shape
      (2, 4)
    """

    _outputs = True


class ShardedToAllLinear(_ShardedLinear):
    """A `Linear` of which each process is given a part of the inputs.

    The outputs are summed over the group, so every process has the whole.

    Args:
      input_dims: Size of the whole input.
      output_dims: Size of the whole output.
      bias: Whether to add a bias.
      group: The group; by default that of all processes.
    Raises:
      ValueError: The group does not divide ``input_dims``.
    Example:
      >>> nn.ShardedToAllLinear(3, 4)(mx.ones((2, 3))).shape
      (2, 4)
    """

    _outputs = False


class _QuantizedSharded(_Sharded):
    """A linear layer with packed weights of which each process has a part; it is frozen.

    Args:
      input_dims: Size of the whole input.
      output_dims: Size of the whole output.
      bias: Whether to add a bias.
      group_size: Elements that share a scale.
      bits: Bits an element.
      mode: A mode of ``mx.quantize``.
      group: The group; by default that of all processes.
    Raises:
      ValueError: The group does not divide the size that is split.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group: Group | None = None,
    ) -> None:
        super().__init__()
        self.group_size, self.bits, self.mode = group_size, bits, mode
        bound = input_dims**-0.5
        inputs, outputs = self._start(input_dims, output_dims, group)
        weight = mx.random.uniform(-bound, bound, (outputs, inputs))
        self.weight, self.scales, *biases = mx.quantize(
            weight, group_size=group_size, bits=bits, mode=mode
        )
        self.biases = biases[0] if biases else None
        if bias:
            self.bias = mx.zeros((outputs,))
        self.freeze()

    def unfreeze(self, *args: Any, **kwargs: Any) -> Module:
        """Unfreeze the modules below, but none of the packed parameters here."""
        super().unfreeze(*args, **kwargs)
        return self.freeze(recurse=False)

    def _extra_repr(self) -> str:
        outputs, packed = self.weight.shape
        whole = self._whole(packed * 32 // self.bits, outputs)
        return f"{whole}, group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    def _product(self, x: mx.array) -> mx.array:
        return mx.quantized_matmul(
            x,
            self["weight"],
            scales=self["scales"],
            biases=self.get("biases"),
            transpose=True,
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    def __call__(self, x: mx.array) -> mx.array:
        return self._joined(self._product, x)

    @classmethod
    def from_quantized_linear(
        cls, quantized_linear_layer: Module, *, segments: Segments = 1, group: Group | None = None
    ) -> _QuantizedSharded:
        """Make one of a `QuantizedLinear`, taking this process's part of its parameters.

        Args:
          quantized_linear_layer: The layer, which is not changed.
          segments: How many weights are fused into one, each to be split.
          group: The group; by default that of all processes.
        Raises:
          ValueError: What is split cannot be split evenly.
        """
        source = quantized_linear_layer
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer.group_size, layer.bits, layer.mode = source.group_size, source.bits, source.mode
        layer.biases = None
        layer._take(source, segments, group)
        if "biases" in layer:
            layer.__dict__.pop("biases")
        layer.freeze()
        return layer


class QuantizedAllToShardedLinear(_QuantizedSharded):
    """An `AllToShardedLinear` with packed weights, all frozen.

    Args:
      input_dims: Size of the whole input.
      output_dims: Size of the whole output.
      bias: Whether to add a bias.
      group_size: Elements that share a scale.
      bits: Bits an element.
      mode: A mode of ``mx.quantize``.
      group: The group; by default that of all processes.
    Raises:
      ValueError: The group does not divide ``output_dims``.
    Example:
      >>> nn.QuantizedAllToShardedLinear(64, 4)(mx.ones((2, 64))).shape
      (2, 4)
    """

    _outputs = True


class QuantizedShardedToAllLinear(_QuantizedSharded):
    """A `ShardedToAllLinear` with packed weights, all frozen.

    Args:
      input_dims: Size of the whole input.
      output_dims: Size of the whole output.
      bias: Whether to add a bias.
      group_size: Elements that share a scale.
      bits: Bits an element.
      mode: A mode of ``mx.quantize``.
      group: The group; by default that of all processes.
    Raises:
      ValueError: The group does not divide ``input_dims``.
    Example:
      >>> nn.QuantizedShardedToAllLinear(64, 4)(mx.ones((2, 64))).shape
      (2, 4)
    """

    _outputs = False
