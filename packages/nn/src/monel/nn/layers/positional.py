"""Positional encodings."""

from __future__ import annotations

import math

import monel.core as mx

from ..module import Module

__all__ = ["ALiBi", "RoPE", "SinusoidalPositionalEncoding"]


class RoPE(Module):
    """Rotate pairs of features by angles that grow with the position.

    Args:
      dims: Number of features to rotate; those beyond are left as they are.
      traditional: Pair neighbouring features; otherwise feature i with feature i + dims / 2.
      base: The angle of pair i is ``position * base ** (-2 * i / dims)``.
      scale: Factor of the positions.
    Example:
      >>> nn.RoPE(4)(mx.ones((1, 3, 4))).shape
      (1, 3, 4)

    Source: Su et al., "RoFormer", arXiv:2104.09864.
    """

    def __init__(
        self, dims: int, traditional: bool = False, base: float = 10000, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def _extra_repr(self) -> str:
        return f"{self.dims}, traditional={self.traditional}"

    def __call__(self, x: mx.array, offset: int = 0) -> mx.array:
        """Rotate ``x`` of shape (..., L, D), whose first position is ``offset``."""
        return mx.fast.rope(
            x,
            self.dims,
            traditional=self.traditional,
            base=self.base,
            scale=self.scale,
            offset=offset,
        )


class SinusoidalPositionalEncoding(Module):
    """Encode positions as sines and cosines, of frequencies from ``max_freq`` to ``min_freq``.

    Args:
      dims: Size of the encoding, even.
      min_freq: The lowest frequency.
      max_freq: The highest frequency; those between are spaced evenly in their logarithm.
      scale: Factor of the encoding, by default ``sqrt(2 / dims)``.
      cos_first: Put the cosines before the sines.
      full_turns: Multiply the frequencies by two pi.
    Raises:
      ValueError: ``dims`` is not positive and even.
    Example:
      >>> nn.SinusoidalPositionalEncoding(4)(mx.arange(3)).shape
      (3, 4)

    Source: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: float | None = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ) -> None:
        super().__init__()
        if dims <= 0 or dims % 2 != 0:
            raise ValueError(
                f"[SinusoidalPositionalEncoding] dims must be positive and even but got {dims}."
            )
        # From 1 down to 0, where 1 stands for the highest frequency.
        share = 1 - mx.arange(0, dims // 2) / max(dims // 2 - 1, 1)
        low, high = math.log(min_freq), math.log(max_freq)
        frequencies = mx.exp(share * (high - low) + low)
        # The underscore keeps it out of the parameters.
        self._sigmas = frequencies * (2 * math.pi) if full_turns else frequencies
        self.scale = scale or math.sqrt(2 / dims)
        self.cos_first = cos_first

    def __call__(self, x: mx.array) -> mx.array:
        """Encode positions ``x`` of any shape; the result has one more axis, of size ``dims``."""
        angles = mx.expand_dims(x, -1) * self._sigmas
        parts = [mx.sin(angles), mx.cos(angles)]
        y = mx.concatenate(parts[::-1] if self.cos_first else parts, axis=-1)
        return y if self.scale == 1 else y * self.scale


class ALiBi(Module):
    """Add to attention scores a penalty that grows with the distance, at another rate each head.

    Example:
      >>> nn.ALiBi()(mx.zeros((1, 2, 3, 3)))[0, 0]
      array([[0, -0.0625, -0.125],
             [-0.0625, 0, -0.0625],
             [-0.125, -0.0625, 0]], dtype=float32)

    Source: Press, Smith and Lewis, "Train Short, Test Long", arXiv:2108.12409.
    """

    @staticmethod
    def create_alibi_slope(num_heads: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """Return the rates of the heads, of shape (num_heads, 1, 1).

        For n heads, n a power of two, they are ``2 ** (-8 * k / n)`` for k from 1 to n; for other
        numbers those of the next lower power come first, then every second one of the next higher.
        """
        lower = 2 ** math.floor(math.log2(num_heads))
        slopes = [2 ** (-8 * k / lower) for k in range(1, lower + 1)]
        slopes += [2 ** (-8 * k / (2 * lower)) for k in range(1, 2 * (num_heads - lower), 2)]
        return mx.array(slopes, dtype).reshape(num_heads, 1, 1)

    @staticmethod
    def create_alibi_matrix(
        q_sequence_length: int,
        k_sequence_length: int,
        num_heads: int,
        offset: int = 0,
        dtype: mx.Dtype = mx.float32,
    ) -> mx.array:
        """Return the penalties, of shape (1, num_heads, q_sequence_length - offset, k_...).

        Args:
          q_sequence_length: One more than the last position of the queries.
          k_sequence_length: Number of keys.
          num_heads: Number of heads.
          offset: Position of the first query.
          dtype: The dtype of the result.
        """
        queries = mx.arange(offset, q_sequence_length)
        keys = mx.arange(0, k_sequence_length)
        distances = mx.abs(queries[:, None] - keys[None])
        return -distances[None, None].astype(dtype) * ALiBi.create_alibi_slope(num_heads, dtype)

    def __call__(
        self, attention_scores: mx.array, offset: int = 0, mask: mx.array | None = None
    ) -> mx.array:
        """Add the penalties, and ``mask`` if given, to scores of shape (N, heads, L, S).

        Args:
          attention_scores: The scores.
          offset: Position of the first query.
          mask: Broadcasts with the scores.
        """
        penalties = ALiBi.create_alibi_matrix(
            q_sequence_length=attention_scores.shape[-2] + offset,
            k_sequence_length=attention_scores.shape[-1],
            num_heads=attention_scores.shape[1],
            offset=offset,
            dtype=attention_scores.dtype,
        )
        return attention_scores + (penalties if mask is None else penalties + mask)
