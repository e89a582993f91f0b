"""The look-up table from tokens to vectors."""

from __future__ import annotations

import monel.core as mx

from ..module import Module
from .quantized import QuantizedEmbedding

__all__ = ["Embedding"]


class Embedding(Module):
    """y[...] = weight[x[...]]: one row of a table for each integer of the input.

    ``weight`` has shape ``(num_embeddings, dims)`` and starts normal with deviation
    ``1 / sqrt(dims)``.

    Args:
      num_embeddings: Rows of the table, usually the size of the vocabulary.
      dims: Size of a row.
    Example:
      >>> nn.Embedding(10, 4)(mx.array([[1, 2, 3]])).shape
      (1, 3, 4)
    """

    def __init__(self, num_embeddings: int, dims: int) -> None:
        super().__init__()
        self.weight = mx.random.normal((num_embeddings, dims), scale=dims**-0.5)

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x: mx.array) -> mx.array:
        weight: mx.array = self["weight"]
        return weight[x]

    def as_linear(self, x: mx.array) -> mx.array:
        """Return ``x @ weight.T``: the table as the last layer, for tied weights.

        Args:
          x: Array of shape ``(..., dims)``.
        Returns:
          Array of shape ``(..., num_embeddings)``.
        """
        y: mx.array = x @ self["weight"].T
        return y

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> QuantizedEmbedding:
        """Return the layer with its table quantized.

        Args:
          group_size: Elements that share a scale; None takes the default of the mode.
          bits: Bits an element; None takes the default of the mode.
          mode: A mode of ``mx.quantize``.
          quantize_input: Must be False: the input holds integers.
        Raises:
          ValueError: ``quantize_input`` is true.
        """
        if quantize_input:
            raise ValueError("Embedding.to_quantized: an embedding has no input to quantize")
        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)
