"""Dropout of elements and of channels."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def test_elements_are_dropped_or_scaled():
    y = np.array(nn.Dropout(0.25)(mx.ones((100, 100))))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02


def test_each_call_draws_again():
    layer, x = nn.Dropout(0.5), mx.ones(100)
    assert layer(x).tolist() != layer(x).tolist()


def test_the_same_seed_draws_the_same():
    layer, x = nn.Dropout(0.5), mx.ones(100)
    mx.random.seed(3)
    first = layer(x).tolist()
    mx.random.seed(3)
    assert layer(x).tolist() == first


@pytest.mark.parametrize(
    "layer, shape",
    [(nn.Dropout(0.5), (3,)), (nn.Dropout2d(0.5), (3, 2, 1)), (nn.Dropout3d(0.5), (3, 2, 2, 1))],
)
def test_nothing_is_dropped_outside_training(layer, shape):
    x = mx.ones(shape)
    assert layer.eval()(x) is x


def test_nothing_is_dropped_with_probability_zero():
    x = mx.ones(3)
    assert nn.Dropout(0)(x) is x


@pytest.mark.parametrize("kind, spatial", [(nn.Dropout2d, (4, 5)), (nn.Dropout3d, (2, 4, 5))])
@pytest.mark.parametrize("batch", [(), (6,)])
def test_channels_are_dropped_whole(kind, spatial, batch):
    y = np.array(kind(0.5)(mx.ones((*batch, *spatial, 50))))
    channels = y.reshape(*batch, -1, 50)
    assert (channels == channels[..., :1, :]).all()
    assert 0.2 < (channels == 0).mean() < 0.8


@pytest.mark.parametrize(
    "kind, shape, want",
    [(nn.Dropout2d, (2, 3), "3 or 4"), (nn.Dropout3d, (2, 3, 4), "4 or 5")],
)
def test_channel_dropout_needs_its_axes(kind, shape, want):
    with pytest.raises(ValueError, match=f"Expected {want} dimensions"):
        kind(0.5)(mx.ones(shape))


@pytest.mark.parametrize("p", [1, 1.5, -0.1])
@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout2d, nn.Dropout3d])
def test_the_probability_must_be_below_one(kind, p):
    with pytest.raises(ValueError, match=r"is not in \[0, 1\)"):
        kind(p)


def test_the_gradient_is_the_mask():
    layer, x = nn.Dropout(0.5), mx.ones(50)
    mx.random.seed(1)
    y = layer(x)
    mx.random.seed(1)
    assert mx.grad(lambda a: layer(a).sum())(x).tolist() == y.tolist()


def test_half_types_are_kept():
    assert nn.Dropout(0.5)(mx.ones(4, dtype=mx.bfloat16)).dtype == mx.bfloat16
