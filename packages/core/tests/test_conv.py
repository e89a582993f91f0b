"""Convolution: values against a direct sum in float64, parameters, gradients, errors."""

import itertools

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(9)


def normal(*shape):
    return RNG.standard_normal(shape)


def single(x):
    return mx.array(np.asarray(x, "float32"))


def direct(x, w, stride, low, high, dilation=None, spread=None, groups=1, flip=False):
    """Convolve by the definition, one output element at a time."""
    n = x.ndim - 2
    dilation, spread = dilation or (1,) * n, spread or (1,) * n
    shape = [(k - 1) * d + 1 for k, d in zip(x.shape[1:-1], spread, strict=True)]
    wide = np.zeros((x.shape[0], *shape, x.shape[-1]))
    wide[(slice(None), *[slice(None, None, d) for d in spread])] = x
    wide = np.pad(wide, [(0, 0), *zip(low, high, strict=True), (0, 0)])
    if flip:
        w = np.flip(w, tuple(range(1, n + 1)))
    kernel = w.shape[1:-1]
    sizes = [
        (a - (k - 1) * d - 1) // s + 1
        for a, k, d, s in zip(wide.shape[1:-1], kernel, dilation, stride, strict=True)
    ]
    out = np.zeros((x.shape[0], *sizes, w.shape[0]))
    outs, ins = w.shape[0] // groups, w.shape[-1]
    for place in itertools.product(*map(range, sizes)):
        for tap in itertools.product(*map(range, kernel)):
            parts = zip(place, stride, tap, dilation, strict=True)
            at = tuple(p * s + t * d for p, s, t, d in parts)
            for g in range(groups):
                seen = wide[(slice(None), *at)][:, g * ins : (g + 1) * ins]
                own = slice(g * outs, (g + 1) * outs)
                out[(slice(None), *place, own)] += seen @ w[own][(slice(None), *tap)].T
    return out


@pytest.mark.parametrize(
    ("n", "stride", "padding", "dilation", "groups"),
    [
        (1, (1,), (0,), (1,), 1),
        (1, (2,), (1,), (2,), 2),
        (2, (1, 1), (0, 0), (1, 1), 1),
        (2, (2, 1), (1, 2), (1, 1), 1),
        (2, (1, 1), (1, 1), (2, 3), 2),
        (3, (1, 2, 1), (1, 0, 1), (1, 1, 2), 1),
    ],
)
def test_plain_convolutions_agree_with_the_direct_sum(n, stride, padding, dilation, groups):
    x, w = normal(2, *(7, 6, 5)[:n], 4), normal(6, *(3, 2, 2)[:n], 4 // groups)
    sizes = [p[0] if n == 1 else p for p in (stride, padding, dilation)]
    got = getattr(mx, f"conv{n}d")(single(x), single(w), *sizes, groups)
    want = direct(x, w, stride, padding, padding, dilation, None, groups)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("flip", [False, True])
def test_conv_general_agrees_with_the_direct_sum(flip):
    x, w = normal(1, 5, 6, 2), normal(3, 2, 3, 2)
    got = mx.conv_general(single(x), single(w), (2, 1), ([1, 0], [2, 1]), [1, 2], [2, 1], flip=flip)
    want = direct(x, w, (2, 1), (1, 0), (2, 1), (1, 2), (2, 1), 1, flip)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-4)


def test_negative_padding_crops():
    x, w = single(normal(1, 6, 2)), single(normal(3, 2, 2))
    got = mx.conv_general(x, w, padding=([-1], [-2]))
    assert got.tolist() == mx.conv1d(x[:, 1:4], w).tolist()


@pytest.mark.parametrize(
    ("n", "stride", "padding", "dilation", "extra", "groups"),
    [
        (1, 1, 0, 1, 0, 1),
        (1, 2, 1, 1, 1, 2),
        (2, 2, 1, 2, (1, 0), 1),
        (3, 2, 0, 1, 0, 1),
    ],
)
def test_transposed_convolutions_are_the_gradients_of_plain_ones(
    n, stride, padding, dilation, extra, groups
):
    x, w = single(normal(1, *(4, 3, 3)[:n], 4)), single(normal(6, *(3, 2, 2)[:n], 4 // groups))
    y = getattr(mx, f"conv_transpose{n}d")(x, w, stride, padding, dilation, extra, groups)
    # The weight of the plain convolution has its channels exchanged, group by group.
    parts = np.array(w).reshape(groups, 6 // groups, *w.shape[1:])
    swapped = np.swapaxes(parts, 1, -1).reshape(4, *w.shape[1:-1], 6 // groups)
    conv = getattr(mx, f"conv{n}d")
    f = lambda y: conv(y, mx.array(swapped), stride, padding, dilation, groups)  # noqa: E731
    assert f(y).shape[1:-1] == x.shape[1:-1]
    _, (want,) = mx.vjp(f, [mx.zeros(y.shape)], [x])
    np.testing.assert_allclose(np.array(y), np.array(want), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "k"), [(5, 3), (3, 5), (4, 4), (6, 2), (1, 1)])
def test_convolve_agrees_with_numpy(n, k, mode):
    a, v = normal(n), normal(k)
    got = mx.convolve(single(a), single(v), mode)
    np.testing.assert_allclose(np.array(got), np.convolve(a, v, mode), rtol=1e-4, atol=1e-5)


def test_an_empty_batch_stays_empty():
    assert mx.conv1d(mx.zeros((0, 5, 2)), mx.zeros((3, 2, 2))).shape == (0, 4, 3)


def test_dtypes_are_promoted_and_half_types_stay():
    x, w = mx.ones((1, 4, 2), mx.float16), mx.ones((3, 2, 2))
    assert mx.conv1d(x, w).dtype is mx.float32
    assert mx.conv1d(x, w.astype(mx.float16)).dtype is mx.float16


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: mx.conv1d(mx.ones((5, 2)), mx.ones((3, 3, 2))), ValueError),
        (lambda: mx.conv1d(mx.ones((1, 5, 2)), mx.ones((3, 3, 4))), ValueError),
        (lambda: mx.conv1d(mx.ones((1, 2, 2)), mx.ones((3, 3, 2))), ValueError),
        (lambda: mx.conv1d(mx.ones((1, 5, 2)), mx.ones((3, 3, 1)), groups=2), ValueError),
        (lambda: mx.conv1d(mx.ones((1, 5, 2)), mx.ones((3, 3, 2)), stride=0), ValueError),
        (lambda: mx.conv1d(mx.ones((1, 5, 2)), mx.ones((3, 3, 2)), stride=1.5), TypeError),
        (lambda: mx.conv2d(mx.ones((1, 5, 5, 2)), mx.ones((3, 3, 3, 2)), (1, 2, 3)), ValueError),
        (lambda: mx.conv1d(mx.ones((1, 5, 2), mx.int32), mx.ones((3, 3, 2))), ValueError),
        (lambda: mx.convolve(mx.ones(3), mx.ones((1, 1))), ValueError),
        (lambda: mx.convolve(mx.ones(3), mx.ones(0)), ValueError),
        (lambda: mx.convolve(mx.ones(3), mx.ones(2), "x"), ValueError),
    ],
)
def test_bad_operands_are_refused(call, error):
    with pytest.raises(error, match="conv"):
        call()
