"""Upsample, against literals and interpolation in float64."""

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn


def line(values):
    return mx.array(list(values), dtype=mx.float32).reshape(1, -1, 1)


def test_nearest_repeats():
    assert nn.Upsample(3)(line([1, 2])).flatten().tolist() == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    "scale, want", [(1.5, [0, 0, 1, 2, 2, 3]), (0.5, [0, 2]), (1.7, [0, 0, 1, 2, 2, 3])]
)
def test_nearest_takes_the_closest(scale, want):
    assert nn.Upsample(scale)(line([0, 1, 2, 3])).flatten().tolist() == want


def test_linear_lets_the_outer_edges_fall_together(close):
    y = nn.Upsample(2, "linear")(line([0, 4]))
    close(y.flatten(), [0, 1, 3, 4])


def test_linear_lets_the_corners_fall_together(close):
    y = nn.Upsample(2, "linear", align_corners=True)(line([0, 3]))
    close(y.flatten(), [0, 1, 2, 3])


def test_linear_in_two_axes_is_one_after_the_other(draw, close):
    x, x64 = draw(1, 3, 4, 2)

    def stretched(values, axis, n):
        at = np.linspace(0, values.shape[axis] - 1, n)
        return np.apply_along_axis(
            lambda row: np.interp(at, np.arange(len(row)), row), axis, values
        )

    y = nn.Upsample((2, 3), "linear", align_corners=True)(x)
    close(y, stretched(stretched(x64, 1, 6), 2, 12))


def test_cubic_goes_through_the_input_with_corners_aligned(close):
    # 7 outputs for 4 inputs: every second one falls on an input.
    y = nn.Upsample(1.75, "cubic", align_corners=True)(line([1, 5, 2, 4]))
    close(y.flatten()[::2], [1, 5, 2, 4])


def test_cubic_has_pytorchs_values(close):
    y = nn.Upsample(2, "cubic")(line([0, 1, 0, 0, 5]))
    close(y.flatten()[:3], [-0.105469, 0.261719, 0.878906], atol=1e-6)


def test_antialiasing_averages_what_falls_together(close):
    y = nn.Upsample(0.5, "linear", antialias=True)(line(range(8)))
    close(y.flatten(), [5 / 7, 2.5, 4.5, 44 / 7])


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("scale", [0.3, 0.7, 2, 2.5])
def test_constants_stay_constant(mode, antialias, scale, close):
    y = nn.Upsample(scale, mode, antialias=antialias)(mx.full((1, 7, 5, 1), 3.0))
    assert y.shape == (1, int(7 * scale), int(5 * scale), 1)
    close(y, np.full(y.shape, 3))


def test_interpolation_of_integers_is_float32():
    x = mx.array([1, 3]).reshape(1, 2, 1)
    assert nn.Upsample(2)(x).dtype == mx.int32
    assert nn.Upsample(2, "linear")(x).dtype == mx.float32


def test_the_gradient_counts_the_uses():
    grad = mx.grad(lambda a: nn.Upsample(1.5)(a).sum())(line([0, 1, 2, 3]))
    assert grad.flatten().tolist() == [2, 1, 2, 1]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mode": "best"}, "unsupported upsampling algorithm"),
        ({"antialias": True}, "Antialiasing is not supported"),
        ({"mode": "linear", "antialias": True, "align_corners": True}, "is not supported"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        nn.Upsample(2, **options)


def test_there_must_be_a_spatial_axis():
    with pytest.raises(ValueError, match="at least 1 spatial dimension"):
        nn.Upsample(2)(mx.ones((2, 3)))


def test_there_must_be_one_scale_an_axis():
    with pytest.raises(ValueError, match="One scale per spatial dimension"):
        nn.Upsample((2, 3))(mx.ones((1, 4, 1)))
