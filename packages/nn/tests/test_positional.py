"""Positional encodings."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def rotated(x, dims, traditional, base, scale, offset):
    half = dims // 2
    positions = (np.arange(x.shape[-2]) + offset) * scale
    angles = positions[:, None] * base ** (-2 * np.arange(half) / dims)
    cos, sin = np.cos(angles), np.sin(angles)
    y = x.copy()
    first = (..., slice(0, dims, 2)) if traditional else (..., slice(0, half))
    second = (..., slice(1, dims, 2)) if traditional else (..., slice(half, dims))
    y[first] = x[first] * cos - x[second] * sin
    y[second] = x[first] * sin + x[second] * cos
    return y


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("dims, offset", [(8, 0), (6, 3)])
def test_rope_rotates_pairs(traditional, dims, offset, draw, close):
    layer = nn.RoPE(dims, traditional=traditional, base=500, scale=0.5)
    x, x64 = draw(2, 5, 8)
    close(layer(x, offset=offset), rotated(x64, dims, traditional, 500.0, 0.5, offset))


def test_rope_keeps_products_at_equal_distance(draw):
    layer = nn.RoPE(4)
    q, k = draw(1, 1, 4)[0], draw(1, 1, 4)[0]
    products = [(layer(q, offset=i) * layer(k, offset=i + 3)).sum().item() for i in (0, 7)]
    assert abs(products[0] - products[1]) < 1e-4


def test_sinusoidal_encodes_sines_then_cosines(close):
    layer = nn.SinusoidalPositionalEncoding(6, min_freq=0.01, max_freq=1)
    angles = np.arange(5)[:, None] * np.array([1, 0.1, 0.01])
    want = np.concatenate([np.sin(angles), np.cos(angles)], -1) * np.sqrt(2 / 6)
    close(layer(mx.arange(5)), want)


def test_sinusoidal_takes_its_options(close):
    layer = nn.SinusoidalPositionalEncoding(2, scale=3.0, cos_first=True, full_turns=True)
    close(layer(mx.array([0.25])), [[0, 3]])


def test_sinusoidal_has_no_parameters():
    assert nn.SinusoidalPositionalEncoding(4).parameters() == {}


@pytest.mark.parametrize("dims", [0, -2, 7])
def test_sinusoidal_refuses_odd_sizes(dims):
    with pytest.raises(ValueError, match="positive and even"):
        nn.SinusoidalPositionalEncoding(dims)


@pytest.mark.parametrize(
    "heads, exponents",
    [(1, [-8]), (2, [-4, -8]), (3, [-4, -8, -2]), (4, [-2, -4, -6, -8])]
    + [(6, [-2, -4, -6, -8, -1, -3])],
)
def test_alibi_slopes_are_powers_of_two(heads, exponents):
    slopes = nn.ALiBi.create_alibi_slope(heads)
    assert slopes.shape == (heads, 1, 1)
    assert slopes.flatten().tolist() == [2.0**e for e in exponents]


def test_alibi_penalizes_the_distance(draw, close):
    scores, s64 = draw(2, 2, 3, 5)
    distances = np.abs(np.arange(3)[:, None] + 4 - np.arange(5))
    slopes = np.array([2.0**-4, 2.0**-8])[:, None, None]
    close(nn.ALiBi()(scores, offset=4), s64 - slopes * distances)


def test_alibi_adds_a_mask():
    y = nn.ALiBi()(mx.zeros((1, 1, 1, 2)), mask=mx.array([[0.0, -5.0]]))
    assert y.flatten().tolist() == [0, -5 - 2**-8]


def test_alibi_keeps_half_types():
    assert nn.ALiBi()(mx.zeros((1, 2, 3, 3), dtype=mx.float16)).dtype == mx.float16
