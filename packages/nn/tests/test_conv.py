"""Convolution layers, against loops over the output in float64."""

import itertools

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def convolved(x, weight, stride, padding, dilation, groups=1):
    """The definition: x (N, *spatial, C), weight (O, *kernel, C / groups); all tuples."""
    n = len(stride)
    x = np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)])
    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape[1:-1], dilation, strict=True)]
    sizes = [(x.shape[i + 1] - reach[i]) // stride[i] + 1 for i in range(n)]
    y = np.zeros((x.shape[0], *sizes, weight.shape[0]))
    inputs, outputs = x.shape[-1] // groups, weight.shape[0] // groups
    for at in itertools.product(*map(range, sizes)):
        window = tuple(
            slice(i * s, i * s + r, d)
            for i, s, r, d in zip(at, stride, reach, dilation, strict=True)
        )
        for g in range(groups):
            part = x[(slice(None), *window, slice(g * inputs, (g + 1) * inputs))]
            rows = weight[g * outputs : (g + 1) * outputs]
            axes = tuple(range(1, n + 2))
            y[(slice(None), *at, slice(g * outputs, (g + 1) * outputs))] = np.tensordot(
                part, rows, (axes, axes)
            )
    return y


def parameters(layer):
    return [np.array(layer[name], np.float64) for name in ("weight", "bias") if name in layer]


CASES = [
    (nn.Conv1d, (4, 6, 3), {}, (2, 9, 4)),
    (nn.Conv1d, (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}, (2, 9, 4)),
    (nn.Conv2d, (3, 5, 3), {"padding": 1}, (2, 5, 6, 3)),
    (nn.Conv2d, (2, 4, (3, 2)), {"stride": (2, 1), "padding": (0, 1), "groups": 2}, (1, 7, 5, 2)),
    (nn.Conv2d, (2, 3, 2), {"dilation": (1, 2)}, (1, 4, 5, 2)),
    (nn.Conv3d, (2, 3, 2), {"stride": (1, 2, 1), "padding": 1}, (1, 3, 4, 3, 2)),
]


@pytest.mark.parametrize("kind, sizes, options, shape", CASES)
def test_convolution_has_its_definition(kind, sizes, options, shape, draw, close):
    layer = kind(*sizes, **options)
    weight, bias = parameters(layer)
    n = len(shape) - 2
    full = {"stride": 1, "padding": 0, "dilation": 1} | options
    groups = full.pop("groups", 1)
    tuples = {k: (v,) * n if isinstance(v, int) else v for k, v in full.items()}
    x, x64 = draw(*shape)
    close(layer(x), convolved(x64, weight, groups=groups, **tuples) + bias, atol=3e-5)


TRANSPOSED = [
    (nn.ConvTranspose1d, (4, 3, 3), {"stride": 2}, (2, 5, 4)),
    (nn.ConvTranspose1d, (2, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}, (1, 4, 2)),
    (nn.ConvTranspose1d, (2, 3, 3), {"dilation": 2}, (1, 4, 2)),
    (nn.ConvTranspose2d, (2, 3, (2, 3)), {"stride": (1, 2), "padding": 1}, (1, 4, 3, 2)),
    (nn.ConvTranspose3d, (1, 2, 2), {"stride": 2}, (1, 2, 2, 2, 1)),
]


@pytest.mark.parametrize("kind, sizes, options, shape", TRANSPOSED)
def test_transposed_convolution_is_the_adjoint(kind, sizes, options, shape, draw, rng):
    # <conv(y), x> = <y, transposed(x)>, with the same weights seen from the other side.
    layer = kind(*sizes, **options, bias=False)
    n = len(shape) - 2
    x, x64 = draw(*shape)
    y = layer(x)
    other = rng.standard_normal(y.shape)
    (weight,) = parameters(layer)
    full = {"stride": 1, "padding": 0, "dilation": 1} | options
    full.pop("output_padding", None)
    tuples = {k: (v,) * n if isinstance(v, int) else v for k, v in full.items()}
    turned = np.swapaxes(weight, 0, -1)
    back = convolved(other, turned, **tuples)
    back = back[(slice(None), *(slice(0, size) for size in shape[1:-1]))]
    np.testing.assert_allclose(
        np.sum(back * x64), np.sum(other * np.array(y, np.float64)), rtol=1e-4
    )


@pytest.mark.parametrize(
    "kind, shape",
    [(nn.Conv1d, (4, 3, 1)), (nn.Conv2d, (4, 3, 3, 1)), (nn.Conv3d, (4, 3, 3, 3, 1))]
    + [(nn.ConvTranspose2d, (4, 3, 3, 1))],
)
def test_weights_have_the_shape_and_bound_of_their_size(kind, shape):
    layer = kind(1, 4, 3)
    assert layer.weight.shape == shape
    assert mx.max(mx.abs(layer.weight)).item() <= (1 / np.prod(shape[1:])) ** 0.5
    assert layer.bias.tolist() == [0] * 4


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d])
def test_groups_must_divide_the_channels(kind):
    with pytest.raises(ValueError, match="divisible by the number of groups"):
        kind(5, 6, 3, groups=2)


def test_sizes_must_fit_the_axes():
    with pytest.raises(ValueError, match="Conv2d: kernel_size must be an integer or 2 integers"):
        nn.Conv2d(1, 1, (2, 2, 2))


def test_convolution_refuses_other_channels():
    with pytest.raises(ValueError):
        nn.Conv2d(3, 4, 3)(mx.ones((1, 8, 8, 5)))


def test_convolution_gradients_sum_the_windows(draw, close):
    layer = nn.Conv1d(2, 1, 3)
    x, x64 = draw(1, 5, 2)
    _, grads = nn.value_and_grad(layer, lambda a: layer(a).sum())(x)
    windows = sum(x64[0, i : i + 3] for i in range(3))
    close(grads["weight"], windows[None])
    close(grads["bias"], [3])
