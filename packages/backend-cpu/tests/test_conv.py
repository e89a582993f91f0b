"""Convolution against a direct sum in float64."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

EPSILON = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 8e-3}


def dilate(x: np.ndarray, factors: tuple[int, ...], low, high) -> np.ndarray:
    """Zeros between and around the elements of the spatial axes of x (N, *S, C)."""
    inner = [(n - 1) * f + 1 if n else 0 for n, f in zip(x.shape[1:-1], factors, strict=True)]
    lengths = [lo + n + hi for n, lo, hi in zip(inner, low, high, strict=True)]
    out = np.zeros((x.shape[0], *lengths, x.shape[-1]))
    where = [slice(lo, lo + n, f) for lo, n, f in zip(low, inner, factors, strict=True)]
    out[(slice(None), *where)] = x
    return out


def direct(
    x, w, *, stride, padding_low, padding_high, kernel_dilation, input_dilation, groups, flip
):
    """The sum of the definition, one tap after another."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    axes = x.ndim - 2
    if flip:
        w = np.flip(w, tuple(range(1, axes + 1)))
    x = dilate(x, input_dilation, padding_low, padding_high)
    reach = [(k - 1) * d for k, d in zip(w.shape[1:-1], kernel_dilation, strict=True)]
    lengths = [
        max(0, (n - r - 1) // s + 1) for n, r, s in zip(x.shape[1:-1], reach, stride, strict=True)
    ]
    out = np.zeros((x.shape[0], *lengths, w.shape[0]))
    inputs, outputs = w.shape[-1], w.shape[0] // groups
    for tap in itertools.product(*[range(k) for k in w.shape[1:-1]]):
        window = x[
            (slice(None),)
            + tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, kernel_dilation, lengths, stride, strict=True)
            )
        ]
        for g in range(groups):
            left = window[..., g * inputs : (g + 1) * inputs]
            right = w[(slice(g * outputs, (g + 1) * outputs), *tap)]
            out[..., g * outputs : (g + 1) * outputs] += left @ right.T
    return out


def window(axes: int, **changes):
    plain = {
        "stride": (1,) * axes,
        "padding_low": (0,) * axes,
        "padding_high": (0,) * axes,
        "kernel_dilation": (1,) * axes,
        "input_dilation": (1,) * axes,
        "groups": 1,
        "flip": False,
    }
    return plain | changes


def assert_conv(run, x, w, **parameters) -> None:
    out = run("conv", x, w, **parameters)
    want = direct(x, w, **parameters)
    scale = direct(abs(x), abs(w), **parameters)
    assert out.shape == want.shape
    assert out.dtype == x.dtype
    assert np.all(np.abs(out.astype(np.float64) - want) <= EPSILON[out.dtype.name] * scale + 1e-6)


# Shape of x and w, and what differs from a plain window.
CASES = [
    ((2, 9, 3), (5, 3, 3), {}),
    ((1, 40, 16), (64, 5, 16), {"stride": (3,), "padding_low": (4,), "padding_high": (1,)}),
    ((2, 8, 9, 3), (4, 3, 3, 3), {"padding_low": (1, 1), "padding_high": (1, 1)}),
    (
        (2, 13, 12, 5),
        (70, 3, 2, 5),
        {"stride": (2, 3), "padding_low": (2, 0), "padding_high": (0, 2)},
    ),
    ((1, 15, 14, 4), (3, 3, 3, 4), {"kernel_dilation": (2, 3)}),
    (
        (2, 5, 6, 4),
        (3, 3, 4, 4),
        {"input_dilation": (2, 3), "padding_low": (2, 3), "padding_high": (2, 1)},
    ),
    ((2, 7, 7, 4), (6, 3, 3, 4), {"flip": True}),
    ((2, 7, 7, 6), (9, 3, 3, 2), {"groups": 3, "padding_low": (1, 1), "padding_high": (1, 1)}),
    ((2, 7, 7, 6), (12, 3, 3, 1), {"groups": 6, "flip": True}),
    ((2, 9, 9, 37), (37, 3, 3, 1), {"groups": 37, "padding_low": (1, 1), "padding_high": (1, 1)}),
    ((1, 9, 8, 130), (130, 3, 2, 1), {"groups": 130, "stride": (2, 1), "flip": True}),
    ((1, 5, 6, 7, 3), (4, 2, 3, 2, 3), {"stride": (2, 1, 2), "padding_low": (1, 0, 1)}),
    ((1, 6, 5, 900), (10, 2, 2, 900), {}),
    ((3, 30, 31, 20), (65, 1, 1, 20), {}),
    ((1, 30, 1), (1, 30, 1), {}),
    ((1, 4, 4, 2), (3, 5, 5, 2), {}),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize(("x", "w", "changes"), CASES)
def test_conv(run, rng, dtype, x, w, changes):
    axes = len(x) - 2
    left, right = rng.standard_normal(x).astype(dtype), rng.standard_normal(w).astype(dtype)
    assert_conv(run, left, right, **window(axes, **changes))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("groups", [1, 4])
def test_conv_of_strided_operands(run, rng, dtype, groups):
    x = rng.standard_normal((2, 4, 9, 8)).astype(dtype)
    w = rng.standard_normal((4, 4 // groups, 3, 3)).astype(dtype)
    wide = np.moveaxis(x, 1, -1)
    parameters = window(2, groups=groups)
    assert_conv(run, wide, np.moveaxis(w, 1, -1), **parameters)
    assert_conv(run, wide[:, ::-1, ::2], np.moveaxis(w, 1, -1)[..., ::-1], **parameters)
    assert_conv(
        run, np.broadcast_to(wide[:1], (3, *wide.shape[1:])), np.moveaxis(w, 1, -1), **parameters
    )


@pytest.mark.parametrize(
    ("x", "w"), [((0, 5, 2), (3, 2, 2)), ((2, 5, 0), (3, 2, 0)), ((2, 0, 2), (3, 1, 2))]
)
def test_conv_of_nothing(run, x, w):
    out = run("conv", np.ones(x, np.float32), np.ones(w, np.float32), **window(1))
    assert not out.any()


def test_conv_needs_matching_channels(run):
    with pytest.raises(ValueError, match="C / groups"):
        run("conv", np.ones((1, 5, 3), np.float32), np.ones((1, 2, 2), np.float32), **window(1))
