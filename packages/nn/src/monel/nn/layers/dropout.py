"""Dropout of elements and of whole channels."""

from __future__ import annotations

import monel.core as mx

from ..module import Module

__all__ = ["Dropout", "Dropout2d", "Dropout3d"]


class Dropout(Module):
    """In training, set each element to zero with probability p and divide the others by 1 - p.

    Outside training mode the input is returned as it is.

    Args:
      p: The probability, in ``[0, 1)``.
    Raises:
      ValueError: ``p`` is not in ``[0, 1)``.
    Example:
      >>> nn.Dropout(0.5).eval()(mx.array([1.0, 2.0]))
      array([1, 2], dtype=float32)

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
      Overfitting", JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"The dropout probability {p} is not in [0, 1)")
        self._p_1 = 1 - p

    def _extra_repr(self) -> str:
        return f"p={1 - self._p_1}"

    def _mask_shape(self, x: mx.array) -> tuple[int, ...]:
        return tuple(x.shape)

    def __call__(self, x: mx.array) -> mx.array:
        shape = self._mask_shape(x)
        if self._p_1 == 1 or not self.training:
            return x
        keep = mx.random.bernoulli(self._p_1, shape)
        return (1 / self._p_1) * keep.astype(x.dtype) * x


class _ChannelDropout(Dropout):
    """Drops whole channels: one draw for each sample (if there is a batch) and channel."""

    _spatial: int

    def _mask_shape(self, x: mx.array) -> tuple[int, ...]:
        n = self._spatial
        if x.ndim not in (n + 1, n + 2):
            raise ValueError(
                f"Received input with {x.ndim} dimensions. Expected {n + 1} or {n + 2} dimensions."
            )
        return (*x.shape[: -n - 1], *(1,) * n, x.shape[-1])


class Dropout2d(_ChannelDropout):
    """In training, drop whole channels of images, of shape (N, H, W, C) or (H, W, C).

    Args:
      p: The probability that a channel is set to zero, in ``[0, 1)``.
    Raises:
      ValueError: ``p`` is not in ``[0, 1)``, or the input has not 3 or 4 axes.
    Example:
      >>> nn.Dropout2d(0.5)(mx.ones((2, 4, 4, 3))).shape
      (2, 4, 4, 3)

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks",
      arXiv:1411.4280.
    """

    _spatial = 2


class Dropout3d(_ChannelDropout):
    """In training, drop whole channels of volumes, of shape (N, D, H, W, C) or (D, H, W, C).

    Args:
      p: The probability that a channel is set to zero, in ``[0, 1)``.
    Raises:
      ValueError: ``p`` is not in ``[0, 1)``, or the input has not 4 or 5 axes.
    Example:
      >>> nn.Dropout3d(0.5)(mx.ones((2, 4, 4, 4, 3))).shape
      (2, 4, 4, 4, 3)
    """

    _spatial = 3
