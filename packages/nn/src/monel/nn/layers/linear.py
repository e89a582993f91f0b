"""Layers that are matrix products: Linear, Bilinear, and Identity, which is none."""

from __future__ import annotations

from typing import Any

import monel.core as mx

from ..module import Module
from .quantized import QQLinear, QuantizedLinear

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Return the input; takes any arguments in the constructor and ignores them.

    Example:
      >>> nn.Identity("anything")(mx.array([1.0, 2.0]))
      array([1, 2], dtype=float32)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, x: mx.array) -> mx.array:
        return x


class Linear(Module):
    """y = x @ weight.T + bias, for x of shape (..., input_dims).

    ``weight`` has shape ``(output_dims, input_dims)`` and ``bias`` ``(output_dims,)``; both start
    uniform between plus and minus ``1 / sqrt(input_dims)``.

    Args:
      input_dims: Size of the last axis of the input.
      output_dims: Size of the last axis of the output.
      bias: Whether to add a bias.
    Raises:
      ValueError: The last axis of the input is not ``input_dims``.
    Example:
      >>> nn.Linear(3, 4)(mx.ones((2, 3))).shape
      (2, 4)
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        bound = input_dims**-0.5
        self.weight = mx.random.uniform(-bound, bound, (output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(-bound, bound, (output_dims,))

    def _extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        y: mx.array = x @ self["weight"].T
        return y + self["bias"] if "bias" in self else y

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> QuantizedLinear | QQLinear:
        """Return the layer with its weight quantized.

        Args:
          group_size: Elements that share a scale; None takes the default of the mode.
          bits: Bits an element; None takes the default of the mode.
          mode: A mode of ``mx.quantize``.
          quantize_input: Quantize the input too (a `QQLinear`).
        Returns:
          A `QuantizedLinear`, or a `QQLinear`.
        Raises:
          ValueError: ``quantize_input`` with a mode that has no such product.
        """
        if not quantize_input:
            return QuantizedLinear.from_linear(self, group_size, bits, mode)
        if mode not in ("nvfp4", "mxfp8"):
            raise ValueError(
                f"Linear.to_quantized: quantize_input needs mode 'nvfp4' or 'mxfp8', got {mode!r}"
            )
        return QQLinear.from_linear(self, group_size, bits, mode)


class Bilinear(Module):
    """y[..., k] = sum over i, j of x2[..., j] * weight[k, j, i] * x1[..., i], plus bias[k].

    ``weight`` has shape ``(output_dims, input2_dims, input1_dims)``; it and ``bias`` start uniform
    between plus and minus ``1 / sqrt(input1_dims)``.

    Args:
      input1_dims: Size of the last axis of the first input.
      input2_dims: Size of the last axis of the second input.
      output_dims: Size of the last axis of the output.
      bias: Whether to add a bias.
    Example:
      >>> nn.Bilinear(2, 3, 4)(mx.ones((5, 2)), mx.ones((5, 3))).shape
      (5, 4)
    """

    def __init__(
        self, input1_dims: int, input2_dims: int, output_dims: int, bias: bool = True
    ) -> None:
        super().__init__()
        bound = input1_dims**-0.5
        self.weight = mx.random.uniform(-bound, bound, (output_dims, input2_dims, input1_dims))
        if bias:
            self.bias = mx.random.uniform(-bound, bound, (output_dims,))

    def _extra_repr(self) -> str:
        outputs, second, first = self.weight.shape
        return (
            f"input1_dims={first}, input2_dims={second}, output_dims={outputs}, "
            f"bias={'bias' in self}"
        )

    def __call__(self, x1: mx.array, x2: mx.array) -> mx.array:
        outputs, second, first = self.weight.shape
        rows = self.weight.reshape(outputs * second, first)
        # For each sample a matrix (outputs, second), which then meets x2.
        half = mx.unflatten(x1 @ rows.T, -1, (outputs, second))
        y = mx.squeeze(half @ mx.expand_dims(x2, -1), -1)
        return y + self.bias if "bias" in self else y
