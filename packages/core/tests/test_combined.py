"""Softmax, log-sum-exp, normalisations: values, extremes, half types, gradients, errors."""

import math

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(11)
X = RNG.standard_normal((2, 3, 4))
W, B = RNG.standard_normal(4), RNG.standard_normal(4)
INF = math.inf


def single(x):
    return mx.array(np.asarray(x, "float32"))


def numpy_softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def numpy_layer_norm(x, w, b, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * w + b


def numpy_rms_norm(x, w, eps):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * w


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), (0, 1, 2)])
def test_softmax_and_logsumexp_agree_with_numpy(axis):
    np.testing.assert_allclose(
        np.array(mx.softmax(single(X), axis=axis)), numpy_softmax(X, axis), rtol=1e-5
    )
    want = np.log(np.exp(X).sum(axis))
    np.testing.assert_allclose(np.array(mx.logsumexp(single(X), axis=axis)), want, rtol=1e-5)


def test_no_axis_means_all_axes():
    assert mx.sum(mx.softmax(single(X))).item() == pytest.approx(1, rel=1e-6)
    assert mx.logsumexp(single(X), keepdims=True).shape == (1, 1, 1)


def test_large_numbers_do_not_overflow():
    x = mx.array([1000.0, 1000.0])
    assert mx.softmax(x).tolist() == [0.5, 0.5]
    assert mx.logsumexp(x).item() == pytest.approx(1000.6931, rel=1e-6)


@pytest.mark.parametrize(
    ("x", "want"), [([-INF, -INF], -INF), ([INF, 0.0], INF), ([-INF, 2.0], 2.0)]
)
def test_logsumexp_of_infinities(x, want):
    assert mx.logsumexp(mx.array(x)).item() == want


def test_softmax_of_nothing_is_nothing_and_of_a_scalar_one():
    assert mx.softmax(mx.array([])).tolist() == []
    assert mx.softmax(mx.array(3.0)).item() == 1.0
    with pytest.raises(ValueError, match=r"logsumexp.*empty"):
        mx.logsumexp(mx.array([]))


def test_softmax_of_integers_is_float32_and_of_half_types_half():
    assert mx.softmax(mx.array([1, 2])).dtype is mx.float32
    y = mx.softmax(mx.array([1.0, 2.0], mx.bfloat16), precise=True)
    assert y.dtype is mx.bfloat16
    assert y.tolist() == pytest.approx([0.268941, 0.731059], rel=1e-2)


def test_an_axis_out_of_bounds_is_both_value_and_index_error():
    for error in (ValueError, IndexError):
        with pytest.raises(error, match="softmax"):
            mx.softmax(mx.array([1.0]), axis=3)


def test_layer_norm_agrees_with_numpy():
    want = numpy_layer_norm(X, W, B, 1e-5)
    got = mx.fast.layer_norm(single(X), single(W), single(B), 1e-5)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)


def test_norms_of_integers_take_the_dtype_in_which_they_meet_their_weights():
    x, weight = mx.array([5, 6]), mx.array([1.0, 2.0])
    for norm in (mx.fast.rms_norm, lambda *given: mx.fast.layer_norm(*given[:2], None, 1e-5)):
        assert mx.array_equal(norm(x, weight, 1e-5), norm(x.astype(mx.float32), weight, 1e-5))
        with pytest.raises(ValueError, match=r"unsupported type, int32\[2\]"):
            norm(x, mx.array([1, 2]), 1e-5)


def test_rms_norm_agrees_with_numpy():
    got = mx.fast.rms_norm(single(X), single(W), 1e-5)
    np.testing.assert_allclose(np.array(got), numpy_rms_norm(X, W, 1e-5), rtol=1e-5)


def test_norms_without_weight_or_bias():
    one, zero = np.ones(4), np.zeros(4)
    got = mx.fast.layer_norm(single(X), None, single(B), 1e-5)
    np.testing.assert_allclose(np.array(got), numpy_layer_norm(X, one, B, 1e-5), atol=1e-5)
    got = mx.fast.layer_norm(single(X), single(W), None, 1e-5)
    np.testing.assert_allclose(np.array(got), numpy_layer_norm(X, W, zero, 1e-5), atol=1e-5)
    got = mx.fast.rms_norm(single(X), None, 1e-5)
    np.testing.assert_allclose(np.array(got), numpy_rms_norm(X, one, 1e-5), atol=1e-5)


def test_norms_of_half_types_are_computed_in_float32():
    x = mx.array(np.full((1, 4096), 16.0, "float16"))
    y = mx.fast.rms_norm(x, None, 1e-5)
    assert y.dtype is mx.float16
    assert y[0, 0].item() == 1.0


def test_norms_promote_with_their_weights():
    assert mx.fast.rms_norm(mx.ones((2, 4), mx.float16), mx.ones(4), 1e-5).dtype is mx.float32


@pytest.mark.parametrize(
    ("f", "g"),
    [
        (
            lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-3),
            lambda x, w, b: (x - mx.mean(x, -1, keepdims=True))
            * mx.rsqrt(mx.var(x, -1, keepdims=True) + 1e-3) * w + b,
        ),
        (
            lambda x, w, b: mx.fast.rms_norm(x, w, 1e-3) * b,
            lambda x, w, b: x * mx.rsqrt(mx.mean(x * x, -1, keepdims=True) + 1e-3) * w * b,
        ),
    ],
)  # fmt: skip
def test_gradients_of_norms_agree_with_those_of_their_formula(f, g):
    y = single(RNG.standard_normal(X.shape))
    arrays = [single(X), single(W), single(B)]
    ours = mx.grad(lambda *a: mx.sum(f(*a) * y), argnums=(0, 1, 2))(*arrays)
    theirs = mx.grad(lambda *a: mx.sum(g(*a) * y), argnums=(0, 1, 2))(*arrays)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.fast.rms_norm(mx.ones((2, 3)), mx.ones(2), 1e-5),
        lambda: mx.fast.rms_norm(mx.ones((2, 3)), mx.ones((1, 3)), 1e-5),
        lambda: mx.fast.rms_norm(mx.array(1.0), None, 1e-5),
        lambda: mx.fast.rms_norm(mx.array([1, 2]), None, 1e-5),
    ],
)
def test_bad_operands_of_norms_are_refused_by_name(call):
    with pytest.raises(ValueError, match="rms_norm"):
        call()


def test_cross_entropy_is_logsumexp_minus_the_logit_of_the_target():
    x = X[0]
    target = np.array([2, 0, 3])
    got = mx.fast.cross_entropy(mx.array(x.astype("float16")), mx.array(target))
    want = np.log(np.exp(x).sum(-1)) - x[np.arange(3), target]
    assert got.dtype is mx.float32
    np.testing.assert_allclose(np.array(got), want, atol=2e-3)


@pytest.mark.parametrize("target", [mx.array([[2, 0, 1]]), mx.array([2.0, 0.0, 1.0])])
def test_bad_targets_of_cross_entropy_are_refused(target):
    with pytest.raises(ValueError, match="cross_entropy"):
        mx.fast.cross_entropy(single(X[0]), target)
