"""Attention with several heads."""

from __future__ import annotations

import monel.core as mx

from ..module import Module
from .linear import Linear

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Module):
    """Scaled dot-product attention with several heads and linear maps around it.

    Args:
      dims: Size of queries and keys, all heads together; the default of the sizes below.
      num_heads: Number of heads, which divides ``dims``.
      query_input_dims: Size of the queries given.
      key_input_dims: Size of the keys given.
      value_input_dims: Size of the values given; by default that of the keys.
      value_dims: Size of the values, all heads together.
      value_output_dims: Size of the output.
      bias: Whether the four linear maps have a bias.
    Raises:
      ValueError: ``num_heads`` does not divide ``dims``.
    Example:
      >>> x = mx.ones((1, 5, 8))
      >>> nn.MultiHeadAttention(8, 2)(x, x, x).shape
      (1, 5, 8)

    Source: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        query_input_dims: int | None = None,
        key_input_dims: int | None = None,
        value_input_dims: int | None = None,
        value_dims: int | None = None,
        value_output_dims: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if dims % num_heads != 0:
            raise ValueError(
                "The input feature dimensions should be divisible by the number of heads "
                f"({dims} % {num_heads}) != 0"
            )
        query_input_dims = query_input_dims or dims
        key_input_dims = key_input_dims or dims
        value_input_dims = value_input_dims or key_input_dims
        value_dims = value_dims or dims
        value_output_dims = value_output_dims or dims
        self.num_heads = num_heads
        self.query_proj = Linear(query_input_dims, dims, bias=bias)
        self.key_proj = Linear(key_input_dims, dims, bias=bias)
        self.value_proj = Linear(value_input_dims, value_dims, bias=bias)
        self.out_proj = Linear(value_dims, value_output_dims, bias=bias)

    def _split(self, x: mx.array) -> mx.array:
        """(N, L, heads * d) to (N, heads, L, d)."""
        return mx.unflatten(x, -1, (self.num_heads, -1)).transpose(0, 2, 1, 3)

    def __call__(
        self,
        queries: mx.array,
        keys: mx.array,
        values: mx.array,
        mask: mx.array | None = None,
    ) -> mx.array:
        """Attend to ``values``.

        Args:
          queries: Shape ``(N, L, query_input_dims)``.
          keys: Shape ``(N, S, key_input_dims)``.
          values: Shape ``(N, S, value_input_dims)``.
          mask: Added to the scores, or boolean and true where to attend; it broadcasts with
            ``(N, num_heads, L, S)``.
        Returns:
          Shape ``(N, L, value_output_dims)``.
        """
        q = self._split(self.query_proj(queries))
        k = self._split(self.key_proj(keys))
        v = self._split(self.value_proj(values))
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5, mask=mask)
        return self.out_proj(mx.flatten(y.transpose(0, 2, 1, 3), -2, -1))

    @staticmethod
    def create_additive_causal_mask(N: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """Return the mask of shape (N, N) that lets position i attend to positions up to i.

        Its entries above the diagonal are the lowest finite number of ``dtype``.

        Example:
          >>> nn.MultiHeadAttention.create_additive_causal_mask(2) < 0
          array([[False, True],
                 [False, False]], dtype=bool)
        """
        positions = mx.arange(N)
        later = positions[:, None] < positions[None]
        return later.astype(dtype) * mx.finfo(dtype).min
