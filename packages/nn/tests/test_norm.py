"""Normalization layers, against float64 formulas."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def normalized(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_layer_norm_is_over_the_last_axis(draw, close):
    x, x64 = draw(2, 3, 4)
    close(nn.LayerNorm(4)(x), normalized(x64, -1))


def test_layer_norm_scales_and_shifts(draw, close):
    layer = nn.LayerNorm(2, eps=0.1).update({"weight": mx.array([2.0, 3.0]), "bias": mx.ones(2)})
    x, x64 = draw(5, 2)
    close(layer(x), normalized(x64, -1, 0.1) * [2, 3] + 1)


@pytest.mark.parametrize("options, names", [({"affine": False}, []), ({"bias": False}, ["weight"])])
def test_layer_norm_can_lack_parameters(options, names, draw, close):
    layer = nn.LayerNorm(4, **options)
    x, x64 = draw(3, 4)
    assert list(layer.parameters()) == names
    close(layer(x), normalized(x64, -1))


def test_rms_norm_is_over_the_last_axis(draw, close):
    layer = nn.RMSNorm(3).update({"weight": mx.array([1.0, 2.0, 3.0])})
    x, x64 = draw(2, 3)
    want = x64 / np.sqrt((x64**2).mean(-1, keepdims=True) + 1e-5) * [1, 2, 3]
    close(layer(x), want)


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
def test_half_inputs_are_normalized_in_float32(kind):
    layer = kind(4)
    layer.set_dtype(mx.float16)
    y = layer(mx.array([[100.0, 200.0, 300.0, 400.0]], dtype=mx.float16))
    assert y.dtype == mx.float16 and mx.all(mx.isfinite(y)).item()


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 4, 5, 3)])
def test_instance_norm_is_over_the_axes_between(draw, close, shape):
    x, x64 = draw(*shape)
    close(nn.InstanceNorm(3)(x), normalized(x64, tuple(range(1, len(shape) - 1))))


def test_instance_norm_scales_and_shifts_each_channel(draw, close):
    layer = nn.InstanceNorm(2, affine=True)
    layer.update({"weight": mx.array([2.0, 3.0]), "bias": mx.ones(2)})
    x, x64 = draw(2, 5, 2)
    close(layer(x), normalized(x64, 1) * [2, 3] + 1)


def test_instance_norm_needs_three_axes():
    with pytest.raises(ValueError, match="at least 3 dimensions"):
        nn.InstanceNorm(3)(mx.ones((2, 3)))


def by_group(x, members):
    """Normalize each sample over the channels of each group and all axes between."""
    y = np.empty_like(x)
    for channels in members:
        y[..., channels] = normalized(x[..., channels], tuple(range(1, x.ndim)))
    return y


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 4), (2, 3, 5, 4)])
def test_group_norm_takes_every_nth_channel(draw, close, shape):
    x, x64 = draw(*shape)
    close(nn.GroupNorm(2, 4)(x), by_group(x64, [[0, 2], [1, 3]]), atol=5e-5)


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 4), (2, 3, 5, 4)])
def test_group_norm_takes_neighbours_as_pytorch_does(draw, close, shape):
    x, x64 = draw(*shape)
    layer = nn.GroupNorm(2, 4, pytorch_compatible=True)
    close(layer(x), by_group(x64, [[0, 1], [2, 3]]), atol=5e-5)


def test_group_norm_scales_and_shifts_each_channel(draw, close):
    layer = nn.GroupNorm(1, 2).update({"weight": mx.array([2.0, 3.0]), "bias": mx.ones(2)})
    x, x64 = draw(2, 5, 2)
    close(layer(x), by_group(x64, [[0, 1]]) * [2, 3] + 1)


def test_group_norm_refuses_groups_that_do_not_divide():
    with pytest.raises(ValueError, match="evenly divisible"):
        nn.GroupNorm(3, 4)


@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (2, 4, 5, 3)])
def test_batch_norm_trains_on_the_batch(draw, close, shape):
    x, x64 = draw(*shape)
    close(nn.BatchNorm(3)(x), normalized(x64, tuple(range(len(shape) - 1))))


def test_batch_norm_follows_mean_and_unbiased_variance(draw, close):
    layer = nn.BatchNorm(3, momentum=0.25)
    x, x64 = draw(8, 3)
    layer(x)
    close(layer.running_mean, 0.25 * x64.mean(0))
    close(layer.running_var, 0.75 + 0.25 * x64.var(0, ddof=1))


def test_batch_norm_uses_what_it_followed_outside_training(draw, close):
    layer = nn.BatchNorm(2).eval()
    layer.running_mean, layer.running_var = mx.array([1.0, 2.0]), mx.array([4.0, 9.0])
    x, x64 = draw(5, 2)
    close(layer(x), (x64 - [1, 2]) / np.sqrt(np.array([4, 9]) + 1e-5))


def test_batch_norm_does_not_follow_outside_training(draw):
    layer = nn.BatchNorm(2).eval()
    layer(draw(5, 2)[0])
    assert layer.running_mean.tolist() == [0, 0]


def test_batch_norm_without_running_estimates_always_uses_the_batch(draw, close):
    layer = nn.BatchNorm(3, affine=False, track_running_stats=False).eval()
    x, x64 = draw(6, 3)
    assert layer.parameters() == {}
    close(layer(x), normalized(x64, 0))


def test_batch_norm_never_trains_its_running_estimates():
    layer = nn.BatchNorm(2)
    assert list(layer.trainable_parameters()) == ["weight", "bias"]
    layer.freeze()
    layer.unfreeze()
    assert list(layer.trainable_parameters()) == ["weight", "bias"]
    assert list(layer.parameters()) == ["weight", "bias", "running_mean", "running_var"]


def test_batch_norm_in_a_model_stays_frozen_after_unfreeze():
    model = nn.Sequential(nn.BatchNorm(2)).freeze().unfreeze()
    assert list(model.trainable_parameters()["layers"][0]) == ["weight", "bias"]


def test_batch_norm_needs_more_than_one_value_to_train():
    with pytest.raises(ValueError, match="more than one value per channel"):
        nn.BatchNorm(3)(mx.ones((1, 3)))
    assert nn.BatchNorm(3).eval()(mx.ones((1, 3))).shape == (1, 3)


@pytest.mark.parametrize("shape", [(3,), (1, 1, 1, 1, 3)])
def test_batch_norm_needs_two_to_four_axes(shape):
    with pytest.raises(ValueError, match="2, 3 or 4 dimensions"):
        nn.BatchNorm(3)(mx.ones(shape))


@pytest.mark.parametrize(
    "layer",
    [nn.LayerNorm(4), nn.InstanceNorm(4), nn.GroupNorm(2, 4), nn.BatchNorm(4)],
    ids=lambda layer: type(layer).__name__,
)
def test_a_shift_of_the_input_has_no_gradient(layer, draw):
    x, _ = draw(2, 5, 4)
    weights, _ = draw(2, 5, 4)
    shifted = mx.grad(lambda shift: (layer(x + shift) * weights).sum())(mx.array(0.0))
    assert abs(shifted.item()) < 1e-4
