"""Layers whose weights are packed into a few bits, and the conversion of models to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import monel.core as mx
from monel.utils import tree_map_with_path

from ..module import Module

__all__ = ["QQLinear", "QuantizedEmbedding", "QuantizedLinear", "quantize"]

# The group size and bits that a mode has unless told otherwise.
_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}


def _with_defaults(group_size: int | None, bits: int | None, mode: str) -> tuple[int, int]:
    if mode not in _DEFAULTS:
        raise ValueError(
            f"Invalid quantization mode {mode!r}. Valid modes are: {', '.join(_DEFAULTS)}."
        )
    default_size, default_bits = _DEFAULTS[mode]
    return group_size or default_size, bits or default_bits


class _Quantized(Module):
    """What layers with a packed weight share: ``weight``, ``scales``, ``biases`` and the mode."""

    group_size: int
    bits: int
    mode: str

    def _pack(self, weight: mx.array, group_size: int | None, bits: int | None, mode: str) -> None:
        self.group_size, self.bits = _with_defaults(group_size, bits, mode)
        self.mode = mode
        self.weight, self.scales, *biases = mx.quantize(
            weight, group_size=self.group_size, bits=self.bits, mode=mode
        )
        self.biases = biases[0] if biases else None

    @property
    def _settings(self) -> dict[str, Any]:
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def _shape(self) -> tuple[int, int]:
        rows, packed = self.weight.shape
        return rows, packed * 32 // self.bits

    def _shown(self) -> str:
        return f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    def _product(self, x: mx.array) -> mx.array:
        """x @ W.T, for the weight W that is packed."""
        return mx.quantized_matmul(
            x,
            self["weight"],
            scales=self["scales"],
            biases=self.get("biases"),
            transpose=True,
            **self._settings,
        )


class QuantizedLinear(_Quantized):
    """A `Linear` with a packed weight. Its parameters are frozen.

    Args:
      input_dims: Size of the last axis of the input, a multiple of the group size.
      output_dims: Size of the last axis of the output.
      bias: Whether to add a bias.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: A mode of ``mx.quantize``.
    Raises:
      ValueError: An unknown mode, or sizes that it does not have.
    Example:
      >>> nn.QuantizedLinear(64, 8)(mx.ones((2, 64))).shape
      (2, 8)
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> None:
        super().__init__()
        bound = input_dims**-0.5
        weight = mx.random.uniform(-bound, bound, (output_dims, input_dims))
        self._pack(weight, group_size, bits, mode)
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def _extra_repr(self) -> str:
        outputs, inputs = self._shape()
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}, {self._shown()}"

    def __call__(self, x: mx.array) -> mx.array:
        y = self._product(x)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> QuantizedLinear:
        """Make one of a `Linear`, whose weight it packs and whose bias it takes over.

        Args:
          linear_layer: The layer, which is not changed.
          group_size: Elements that share a scale; None takes the default of the mode.
          bits: Bits an element; None takes the default of the mode.
          mode: A mode of ``mx.quantize``.
        Raises:
          ValueError: The input size of the layer is no multiple of the group size.
        """
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._pack(linear_layer.weight, group_size, bits, mode)
        if "bias" in linear_layer:
            layer.bias = linear_layer.bias
        layer.freeze()
        return layer


class QuantizedEmbedding(_Quantized):
    """An `Embedding` with a packed table. Its parameters are frozen.

    Args:
      num_embeddings: Rows of the table.
      dims: Size of a row, a multiple of the group size.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: A mode of ``mx.quantize``.
    Raises:
      ValueError: An unknown mode, or sizes that it does not have.
    Example:
      >>> nn.QuantizedEmbedding(10, 64)(mx.array([1, 2])).shape
      (2, 64)
    """

    def __init__(
        self,
        num_embeddings: int,
        dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> None:
        super().__init__()
        weight = mx.random.normal((num_embeddings, dims), scale=dims**-0.5)
        self._pack(weight, group_size, bits, mode)
        self.num_embeddings = num_embeddings
        self.dims = dims
        self.freeze()

    def _extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.dims}, {self._shown()}"

    def __call__(self, x: mx.array) -> mx.array:
        return mx.dequantize(
            self["weight"][x],
            scales=self["scales"][x],
            biases=self["biases"][x] if "biases" in self else None,
            **self._settings,
        )

    def as_linear(self, x: mx.array) -> mx.array:
        """Return ``x @ W.T`` for the table W: the last layer, for tied weights.

        Args:
          x: Array of shape ``(..., dims)``.
        Returns:
          Array of shape ``(..., num_embeddings)``.
        """
        return self._product(x)

    @classmethod
    def from_embedding(
        cls,
        embedding_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> QuantizedEmbedding:
        """Make one of an `Embedding`, whose table it packs.

        Args:
          embedding_layer: The layer, which is not changed.
          group_size: Elements that share a scale; None takes the default of the mode.
          bits: Bits an element; None takes the default of the mode.
          mode: A mode of ``mx.quantize``.
        Raises:
          ValueError: The row size of the layer is no multiple of the group size.
        """
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._pack(embedding_layer.weight, group_size, bits, mode)
        layer.num_embeddings, layer.dims = embedding_layer.weight.shape
        layer.freeze()
        return layer


class QQLinear(Module):
    """A linear map that quantizes its input too, with both packed operands in the product.

    In training mode the weight is kept as it is, to receive gradients, and packed in each call;
    :meth:`eval` packs it, :meth:`train` unpacks it.

    Args:
      input_dims: Size of the last axis of the input, a multiple of the group size.
      output_dims: Size of the last axis of the output.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: ``"nvfp4"`` or ``"mxfp8"``.
    Raises:
      ValueError: An unknown mode.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ) -> None:
        super().__init__()
        self.group_size, self.bits = _with_defaults(group_size, bits, mode)
        self.mode = mode
        bound = input_dims**-0.5
        self.weight = mx.random.uniform(-bound, bound, (output_dims, input_dims))
        self._quantized = False
        self._full_dtype = self.weight.dtype

    def _extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        if self._quantized:
            inputs = inputs * 32 // self.bits
        return (
            f"input_dims={inputs}, output_dims={outputs}, group_size={self.group_size}, "
            f"bits={self.bits}, mode={self.mode}"
        )

    @property
    def _settings(self) -> dict[str, Any]:
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def quantize(self) -> None:
        """Pack the weight, unless it is packed already."""
        if not self._quantized:
            self._full_dtype = self.weight.dtype
            self.weight, self.scales, *_ = mx.quantize(self.weight, **self._settings)
            self._quantized = True

    def dequantize(self) -> None:
        """Unpack the weight, to the dtype that it had before, unless it is unpacked already."""
        if self._quantized:
            self.weight = mx.dequantize(
                self.weight, scales=self.scales, dtype=self._full_dtype, **self._settings
            )
            del self.scales
            self._quantized = False

    def _set_training_mode(self, mode: bool) -> None:
        super()._set_training_mode(mode)
        if mode:
            self.dequantize()
        else:
            self.quantize()

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.qqmm(x, self["weight"], scales=self.get("scales"), **self._settings)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ) -> QQLinear:
        """Make one of a `Linear`, whose weight and bias it takes over.

        Args:
          linear_layer: The layer, which is not changed.
          group_size: Elements that share a scale; None takes the default of the mode.
          bits: Bits an element; None takes the default of the mode.
          mode: ``"nvfp4"`` or ``"mxfp8"``.
        """
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer.group_size, layer.bits = _with_defaults(group_size, bits, mode)
        layer.mode = mode
        layer.weight = linear_layer.weight
        layer._quantized, layer._full_dtype = False, layer.weight.dtype
        if "bias" in linear_layer:
            layer.bias = linear_layer.bias
        return layer


def quantize(
    model: Module,
    group_size: int | None = None,
    bits: int | None = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Callable[[str, Module], bool | dict[str, Any]] | None = None,
) -> None:
    """Replace layers of ``model`` by their quantized forms, in place.

    Args:
      model: Its leaf modules are replaced.
      group_size: Elements that share a scale; None takes the default of the mode.
      bits: Bits an element; None takes the default of the mode.
      mode: A mode of ``mx.quantize``.
      quantize_input: Quantize the inputs of the layers too; modes ``"nvfp4"`` and ``"mxfp8"``.
      class_predicate: Called with path and layer; says whether to replace it, or with which
        arguments of its ``to_quantized``. By default, every layer that has this method.
    Raises:
      ValueError: A chosen layer cannot be quantized, or not with these settings; the model is
        then unchanged.
    Example:
      >>> model = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
      >>> nn.quantize(model, bits=8)
      >>> model.layers[0].bits
      8
    """
    defaults: dict[str, Any] = {"group_size": group_size, "bits": bits, "mode": mode}
    if quantize_input:
        defaults["quantize_input"] = True

    def replaced(path: str, layer: Any) -> Any:
        if not isinstance(layer, Module):
            return layer
        able = hasattr(layer, "to_quantized")
        choice = able if class_predicate is None else class_predicate(path, layer)
        if not isinstance(choice, (bool, dict)):
            raise ValueError(
                "quantize: class_predicate must return a bool or a dict of arguments of "
                f"to_quantized, got {choice!r} for {path!r}"
            )
        if choice is False:
            return layer
        if not able:
            raise ValueError(f"Unable to quantize model of type {type(layer)} (at {path})")
        return layer.to_quantized(**(choice if isinstance(choice, dict) else defaults))

    leaves = tree_map_with_path(replaced, model.leaf_modules(), is_leaf=Module.is_module)
    model.update_modules(leaves)
