"""Pooling layers, against loops over the windows."""

import itertools

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def pooled(x, kernel, stride, padding, reduce, fill):
    x = np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)], constant_values=fill)
    n = len(kernel)
    sizes = [max(0, (x.shape[i + 1] - kernel[i]) // stride[i] + 1) for i in range(n)]
    y = np.zeros((x.shape[0], *sizes, x.shape[-1]))
    for at in itertools.product(*map(range, sizes)):
        window = tuple(slice(i * s, i * s + k) for i, s, k in zip(at, stride, kernel, strict=True))
        y[(slice(None), *at)] = reduce(x[(slice(None), *window)], axis=tuple(range(1, n + 1)))
    return y


CASES = [
    ("Pool1d", {"kernel_size": 2}, (2, 9, 3)),
    ("Pool1d", {"kernel_size": 3, "stride": 1, "padding": 1}, (2, 9, 3)),
    ("Pool1d", {"kernel_size": (2,), "stride": (3,)}, (1, 8, 2)),
    ("Pool2d", {"kernel_size": 2}, (2, 4, 7, 3)),
    ("Pool2d", {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}, (2, 5, 6, 2)),
    ("Pool2d", {"kernel_size": 9}, (1, 4, 4, 1)),
    ("Pool3d", {"kernel_size": 2, "stride": (1, 2, 1)}, (1, 3, 4, 3, 2)),
]


@pytest.mark.parametrize("kind, reduce, fill", [("Max", np.max, -np.inf), ("Avg", np.mean, 0)])
@pytest.mark.parametrize("name, options, shape", CASES)
def test_pooling_reduces_windows(kind, reduce, fill, name, options, shape, draw, close):
    n = len(shape) - 2
    full = {"padding": 0} | options
    tuples = {k: (v,) * n if isinstance(v, int) else v for k, v in full.items()}
    kernel = tuples.pop("kernel_size")
    x, x64 = draw(*shape)
    want = pooled(x64, kernel, tuples.pop("stride", kernel), tuples["padding"], reduce, fill)
    y = getattr(nn, kind + name)(**options)(x)
    assert y.shape == want.shape
    close(y, want)


def test_max_pooling_of_integers_pads_with_their_minimum():
    x = mx.array([-5, -7]).reshape(1, 2, 1)
    assert nn.MaxPool1d(2, stride=1, padding=1)(x).flatten().tolist() == [-5, -5, -7]


def test_padding_of_averages_counts():
    x = mx.ones((1, 2, 1))
    assert nn.AvgPool1d(2, stride=1, padding=1)(x).flatten().tolist() == [0.5, 1, 0.5]


def test_the_gradient_of_the_maximum_goes_to_it():
    x = mx.array([1.0, 3.0, 2.0, 0.0]).reshape(1, 4, 1)
    layer = nn.MaxPool1d(3, stride=1)
    grad = mx.grad(lambda a: layer(a).sum())(x)
    assert grad.flatten().tolist() == [0, 2, 0, 0]


def test_the_gradient_of_the_mean_is_spread():
    layer = nn.AvgPool2d(2)
    grad = mx.grad(lambda a: layer(a).sum())(mx.ones((1, 4, 4, 1)))
    assert grad.flatten().tolist() == [0.25] * 16


@pytest.mark.parametrize("options", [{"kernel_size": (2,)}, {"kernel_size": "a"}])
def test_sizes_must_fit_the_axes(options):
    with pytest.raises(ValueError, match="'kernel_size' must be an integer or a tuple"):
        nn.MaxPool2d(**options)


def test_the_input_must_have_batch_and_channels():
    with pytest.raises(ValueError, match="expected 4 axes"):
        nn.MaxPool2d(2)(mx.ones((4, 4, 1)))


def test_repr_shows_the_sizes():
    want = "AvgPool2d(kernel_size=(2, 2), stride=(1, 1), padding=(0, 0))"
    assert repr(nn.AvgPool2d(2, 1)) == want
