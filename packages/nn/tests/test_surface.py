"""The public names, their docstrings, and the examples in these."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import monel.core as mx
import monel.nn as nn
import monel.optimizers as optim
import monel.utils

MODULES = [nn.init, nn.losses, nn.utils, monel.utils]
MODULES += [
    importlib.import_module(f"{package.__name__}.{info.name}")
    for package in (nn.layers, optim)
    for info in pkgutil.iter_modules(package.__path__)
]
MODULES += [importlib.import_module(f"monel.nn.{name}") for name in ("module", "summary")]

LAYERS = """
    ALiBi AllToShardedLinear AvgPool1d AvgPool2d AvgPool3d BatchNorm Bilinear CELU Conv1d Conv2d
    Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Dropout Dropout2d Dropout3d ELU
    Embedding FullyShardedModule GELU GLU GRU GroupNorm HardShrink HardTanh Hardswish Identity
    InstanceNorm LSTM LayerNorm LeakyReLU Linear LogSigmoid LogSoftmax MaxPool1d MaxPool2d
    MaxPool3d Mish Module MultiHeadAttention PReLU QQLinear QuantizedAllToShardedLinear
    QuantizedEmbedding QuantizedLinear QuantizedShardedToAllLinear RMSNorm RNN ReLU ReLU2 ReLU6
    RoPE SELU Sequential ShardedToAllLinear SiLU Sigmoid SinusoidalPositionalEncoding Softmax
    Softmin Softplus Softshrink Softsign Step Tanh Transformer TransformerDecoder
    TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer Upsample
""".split()

FUNCTIONS = """
    average_gradients celu elu fully_shard gelu gelu_approx gelu_fast_approx glu hard_shrink
    hard_tanh hardswish leaky_relu log_sigmoid log_softmax mish prelu quantize relu relu2 relu6
    selu sigmoid silu softmax softmin softplus softshrink softsign step tanh value_and_grad
""".split()

OPTIMIZERS = """
    AdaDelta Adafactor Adagrad Adam AdamW Adamax Lion MultiOptimizer Muon Optimizer RMSprop SGD
""".split()


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_a_module(name):
    assert issubclass(getattr(nn, name), nn.Module) and name in nn.__all__


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_public(name):
    assert callable(getattr(nn, name)) and name in nn.__all__


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_is_public(name):
    assert issubclass(getattr(optim, name), optim.Optimizer) and name in optim.__all__


def test_every_public_name_exists_once():
    for module in (nn, optim, nn.losses, nn.init):
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("module", [nn, optim, nn.losses, nn.init, nn.utils, monel.utils])
def test_every_public_name_has_a_docstring(module):
    missing = [name for name in module.__all__ if not inspect.getdoc(getattr(module, name))]
    assert missing == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_are_true(module):
    names = {"mx": mx, "nn": nn, "optim": optim}
    failed, _ = doctest.testmod(module, extraglobs=names)
    assert failed == 0


def test_layers_take_their_place_in_the_namespace():
    # No file of the namespace itself: it belongs to all distributions.
    assert getattr(importlib.import_module("monel"), "__file__", None) is None
