"""The Transformer: encoder, decoder, and both together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import monel.core as mx

from ..module import Module
from ..utils import checkpoint as checkpointed
from .attention import MultiHeadAttention
from .dropout import Dropout
from .functions import relu
from .linear import Linear
from .norm import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = Callable[[Any], Any]


class TransformerEncoderLayer(Module):
    """Self-attention and a two-layer perceptron, each with a residual connection.

    Args:
      dims: Size of the last axis.
      num_heads: Number of heads of the attention.
      mlp_dims: Size between the two linear maps, by default ``4 * dims``.
      dropout: Probability of dropout after the attention and the activation.
      activation: Between the two linear maps.
      norm_first: Normalize before each part; otherwise after each residual sum.
    Example:
      >>> nn.TransformerEncoderLayer(8, 2)(mx.ones((1, 5, 8)), None).shape
      (1, 5, 8)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        self.attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def _attend(self, x: mx.array, mask: mx.array | None) -> mx.array:
        return self.dropout1(self.attention(x, x, x, mask))

    def _mlp(self, x: mx.array) -> mx.array:
        return self.linear2(self.dropout2(self.activation(self.linear1(x))))

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        if self.norm_first:
            x = x + self._attend(self.ln1(x), mask)
            return x + self._mlp(self.ln2(x))
        x = self.ln1(x + self._attend(x, mask))
        return self.ln2(x + self._mlp(x))


class TransformerEncoder(Module):
    """Encoder layers one after the other, and a normalization.

    Args:
      num_layers: Number of layers.
      dims: Size of the last axis.
      num_heads: Number of heads of the attention.
      mlp_dims: Size inside the perceptrons, by default ``4 * dims``.
      dropout: Probability of dropout.
      activation: Inside the perceptrons.
      norm_first: Normalize before each part; otherwise after each residual sum.
      checkpoint: Recompute the layers in the backward pass to save memory.
    Example:
      >>> nn.TransformerEncoder(2, 8, 2)(mx.ones((1, 5, 8)), None).shape
      (1, 5, 8)
    """

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.layers = [
            TransformerEncoderLayer(dims, num_heads, mlp_dims, dropout, activation, norm_first)
            for _ in range(num_layers)
        ]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        for layer in self.layers:
            x = (checkpointed(layer) if self.checkpoint else layer)(x, mask)
        return self.ln(x)


class TransformerDecoderLayer(Module):
    """Self-attention, attention to a memory, and a perceptron, each with a residual connection.

    Args:
      dims: Size of the last axis.
      num_heads: Number of heads of the attentions.
      mlp_dims: Size between the two linear maps, by default ``4 * dims``.
      dropout: Probability of dropout after the attentions and the activation.
      activation: Between the two linear maps.
      norm_first: Normalize before each part; otherwise after each residual sum.
    Example:
      >>> x, memory = mx.ones((1, 5, 8)), mx.ones((1, 7, 8))
      >>> nn.TransformerDecoderLayer(8, 2)(x, memory, None, None).shape
      (1, 5, 8)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        self.self_attention = MultiHeadAttention(dims, num_heads)
        self.cross_attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.ln3 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def _attend(self, x: mx.array, mask: mx.array | None) -> mx.array:
        return self.dropout1(self.self_attention(x, x, x, mask))

    def _attend_to(self, memory: mx.array, x: mx.array, mask: mx.array | None) -> mx.array:
        return self.dropout2(self.cross_attention(x, memory, memory, mask))

    def _mlp(self, x: mx.array) -> mx.array:
        return self.linear2(self.dropout3(self.activation(self.linear1(x))))

    def __call__(
        self,
        x: mx.array,
        memory: mx.array,
        x_mask: mx.array | None,
        memory_mask: mx.array | None,
    ) -> mx.array:
        if self.norm_first:
            x = x + self._attend(self.ln1(x), x_mask)
            x = x + self._attend_to(memory, self.ln2(x), memory_mask)
            return x + self._mlp(self.ln3(x))
        x = self.ln1(x + self._attend(x, x_mask))
        x = self.ln2(x + self._attend_to(memory, x, memory_mask))
        return self.ln3(x + self._mlp(x))


class TransformerDecoder(Module):
    """Decoder layers one after the other, and a normalization.

    Args:
      num_layers: Number of layers.
      dims: Size of the last axis.
      num_heads: Number of heads of the attentions.
      mlp_dims: Size inside the perceptrons, by default ``4 * dims``.
      dropout: Probability of dropout.
      activation: Inside the perceptrons.
      norm_first: Normalize before each part; otherwise after each residual sum.
      checkpoint: Recompute the layers in the backward pass to save memory.
    Example:
      >>> x, memory = mx.ones((1, 5, 8)), mx.ones((1, 7, 8))
      >>> nn.TransformerDecoder(2, 8, 2)(x, memory, None, None).shape
      (1, 5, 8)
    """

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.layers = [
            TransformerDecoderLayer(dims, num_heads, mlp_dims, dropout, activation, norm_first)
            for _ in range(num_layers)
        ]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def __call__(
        self,
        x: mx.array,
        memory: mx.array,
        x_mask: mx.array | None,
        memory_mask: mx.array | None,
    ) -> mx.array:
        for layer in self.layers:
            call = checkpointed(layer) if self.checkpoint else layer
            x = call(x, memory, x_mask, memory_mask)
        return self.ln(x)


class Transformer(Module):
    """An encoder of the source and a decoder of the target that attends to it.

    Args:
      dims: Size of the last axis.
      num_heads: Number of heads of the attentions.
      num_encoder_layers: Number of layers of the encoder.
      num_decoder_layers: Number of layers of the decoder.
      mlp_dims: Size inside the perceptrons, by default ``4 * dims``.
      dropout: Probability of dropout.
      activation: Inside the perceptrons.
      custom_encoder: Takes the place of the encoder.
      custom_decoder: Takes the place of the decoder.
      norm_first: Normalize before each part; otherwise after each residual sum.
      checkpoint: Recompute the layers in the backward pass to save memory.
    Example:
      >>> source, target = mx.ones((1, 5, 8)), mx.ones((1, 3, 8))
      >>> nn.Transformer(8, 2, 1, 1)(source, target, None, None, None).shape
      (1, 3, 8)

    Source: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    def __init__(
        self,
        dims: int = 512,
        num_heads: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        common = (dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint)
        # An empty module is false, so the test is for None.
        if custom_encoder is None:
            custom_encoder = TransformerEncoder(num_encoder_layers, *common)
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(num_decoder_layers, *common)
        self.encoder = custom_encoder
        self.decoder = custom_decoder

    def __call__(
        self,
        src: mx.array,
        tgt: mx.array,
        src_mask: mx.array | None,
        tgt_mask: mx.array | None,
        memory_mask: mx.array | None,
    ) -> mx.array:
        memory = self.encoder(src, src_mask)
        return self.decoder(tgt, memory, tgt_mask, memory_mask)
