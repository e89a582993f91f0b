"""Normalization: over features, groups, instances and batches."""

from __future__ import annotations

from typing import Any

import monel.core as mx

from ..module import Module

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm"]


class LayerNorm(Module):
    """y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias, over the last axis.

    Mean and variance are computed in float32 for any dtype.

    Args:
      dims: Size of the last axis of the input.
      eps: Added to the variance.
      affine: Whether there is a ``weight``.
      bias: Whether there is a ``bias`` too.
    Example:
      >>> nn.LayerNorm(2, eps=0.0)(mx.array([1.0, 3.0]))
      array([-1, 1], dtype=float32)

    Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.
    """

    def __init__(
        self, dims: int, eps: float = 1e-5, affine: bool = True, bias: bool = True
    ) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = eps
        self.dims = dims

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)


class RMSNorm(Module):
    """y = x / sqrt(mean(x**2) + eps) * weight, over the last axis.

    The mean is computed in float32 for any dtype.

    Args:
      dims: Size of the last axis of the input.
      eps: Added under the root.
    Example:
      >>> nn.RMSNorm(2, eps=0.0)(mx.array([3.0, 4.0]))
      array([0.848528, 1.13137], dtype=float32)

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """

    def __init__(self, dims: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = eps

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.rms_norm(x, self["weight"], self.eps)


class InstanceNorm(Module):
    """Normalize each channel of each sample over the axes between the first and the last.

    Args:
      dims: Number of channels, the last axis.
      eps: Added to the variance.
      affine: Whether there are a ``weight`` and a ``bias``.
    Raises:
      ValueError: The input has fewer than 3 axes.
    Example:
      >>> nn.InstanceNorm(1, eps=0.0)(mx.array([[[1.0], [3.0]]])).flatten()
      array([-1, 1], dtype=float32)

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", arXiv:1607.08022.
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            self.bias = mx.zeros((dims,))
        self.dims = dims
        self.eps = eps

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        if x.ndim < 3:
            raise ValueError(
                "InstanceNorm expects inputs with at least 3 dimensions (N, ..., C) "
                f"but the input has {x.ndim} dimensions."
            )
        axes = tuple(range(1, x.ndim - 1))
        mean = mx.mean(x, axis=axes, keepdims=True)
        var = mx.var(x, axis=axes, keepdims=True)
        y = (x - mean) * mx.rsqrt(var + self.eps)
        return self.weight * y + self.bias if "weight" in self else y


class GroupNorm(Module):
    """Normalize each sample over groups of channels and all axes between first and last.

    Args:
      num_groups: Number of groups the last axis is split into.
      dims: Number of channels, the last axis.
      eps: Added to the variance.
      affine: Whether there are a ``weight`` and a ``bias``, one a channel.
      pytorch_compatible: Group neighbouring channels, as PyTorch does; otherwise channel ``c``
        is in group ``c % num_groups``.
    Raises:
      ValueError: ``num_groups`` does not divide ``dims``.
    Example:
      >>> nn.GroupNorm(1, 2, eps=0.0)(mx.array([[1.0, 3.0]]))
      array([[-1, 1]], dtype=float32)

    Source: Wu and He, "Group Normalization", arXiv:1803.08494.
    """

    def __init__(
        self,
        num_groups: int,
        dims: int,
        eps: float = 1e-5,
        affine: bool = True,
        pytorch_compatible: bool = False,
    ) -> None:
        super().__init__()
        if dims % num_groups != 0:
            raise ValueError(
                f"The number of features ({dims}) must be evenly divisible by the number of "
                f"groups ({num_groups})."
            )
        if affine:
            self.bias = mx.zeros((dims,))
            self.weight = mx.ones((dims,))
        self.num_groups = num_groups
        self.dims = dims
        self.eps = eps
        self.pytorch_compatible = pytorch_compatible

    def _extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, affine={'weight' in self}, "
            f"pytorch_compatible={self.pytorch_compatible}"
        )

    def _neighbours(self, x: mx.array) -> mx.array:
        """Group g holds the channels g * size to (g + 1) * size - 1."""
        groups, size = self.num_groups, self.dims // self.num_groups
        samples = x.shape[0]
        split = x.reshape(samples, -1, groups, size).transpose(0, 2, 1, 3)
        flat = mx.fast.layer_norm(split.reshape(samples, groups, -1), None, None, self.eps)
        back = flat.reshape(samples, groups, -1, size).transpose(0, 2, 1, 3)
        return back.reshape(x.shape)

    def _strided(self, x: mx.array) -> mx.array:
        """Group g holds the channels g, g + groups, g + 2 * groups and so on."""
        split = x.reshape(x.shape[0], -1, self.num_groups)
        mean = mx.mean(split, axis=1, keepdims=True)
        var = mx.var(split, axis=1, keepdims=True)
        return ((split - mean) * mx.rsqrt(var + self.eps)).reshape(x.shape)

    def __call__(self, x: mx.array) -> mx.array:
        y = self._neighbours(x) if self.pytorch_compatible else self._strided(x)
        return self.weight * y + self.bias if "weight" in self else y


class BatchNorm(Module):
    """Normalize each channel over the whole batch.

    In training, mean and variance are those of the batch, and running estimates follow them:
    ``running = (1 - momentum) * running + momentum * batch`` (the variance there is the unbiased
    one). Outside training the running estimates are used. They are frozen: no parameter that is
    trained, but saved and loaded with the others.

    Args:
      num_features: Number of channels, the last axis.
      eps: Added to the variance.
      momentum: Weight of the new batch in the running estimates.
      affine: Whether there are a ``weight`` and a ``bias``.
      track_running_stats: Whether to keep running estimates; without them the batch's own
        statistics are used outside training too.
    Raises:
      ValueError: The input has not 2, 3 or 4 axes, or a batch has only one value a channel.
    Example:
      >>> nn.BatchNorm(1, eps=0.0)(mx.array([[1.0], [3.0]])).flatten()
      array([-1, 1], dtype=float32)

    Source: Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = mx.ones((num_features,))
            self.bias = mx.zeros((num_features,))
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args: Any, **kwargs: Any) -> Module:
        """Unfreeze as `Module.unfreeze` does, but never the running estimates."""
        super().unfreeze(*args, **kwargs)
        return self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def _extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={'weight' in self}, track_running_stats={self.track_running_stats}"
        )

    def _follow(self, x: mx.array, mean: mx.array, var: mx.array) -> None:
        """Move the running estimates towards the statistics of this batch."""
        samples = x.size // x.shape[-1]
        unbiased = var * (samples / (samples - 1))
        old, new = 1 - self.momentum, self.momentum
        self.running_mean = old * self.running_mean + new * mean
        self.running_var = old * self.running_var + new * unbiased

    def __call__(self, x: mx.array) -> mx.array:
        if not 2 <= x.ndim <= 4:
            raise ValueError(
                f"Expected input tensor to have 2, 3 or 4 dimensions, but got {x.ndim}"
            )
        if self.training or not self.track_running_stats:
            if x.size <= x.shape[-1]:
                raise ValueError(
                    "BatchNorm training requires more than one value per channel, got an input "
                    f"of shape {x.shape}."
                )
            axes = tuple(range(x.ndim - 1))
            mean, var = mx.mean(x, axis=axes), mx.var(x, axis=axes)
            if self.track_running_stats:
                self._follow(x, mean, var)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) * mx.rsqrt(var + self.eps)
        return self.weight * y + self.bias if "weight" in self else y
