"""Losses, against float64 formulas."""

import math

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn

losses = nn.losses


def log_softmax(x, axis=-1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def test_cross_entropy_of_class_numbers(draw, close):
    logits, l64 = draw(4, 3)
    targets = [0, 2, 1, 1]
    want = -log_softmax(l64)[range(4), targets]
    close(losses.cross_entropy(logits, mx.array(targets)), want)


def test_cross_entropy_of_probabilities(draw, close):
    logits, l64 = draw(4, 3)
    p = np.exp(log_softmax(draw(4, 3)[1]))
    got = losses.cross_entropy(logits, mx.array(p, dtype=mx.float32))
    close(got, -(p * log_softmax(l64)).sum(-1))


def test_cross_entropy_along_another_axis(draw, close):
    logits, l64 = draw(2, 3, 4)
    targets = np.array([[0, 1, 2, 0], [2, 2, 1, 0]])
    want = -np.take_along_axis(log_softmax(l64, 1), targets[:, None], 1)[:, 0]
    close(losses.cross_entropy(logits, mx.array(targets), axis=1), want)


@pytest.mark.parametrize("by_class", [True, False])
def test_cross_entropy_smooths_labels(by_class, draw, close):
    logits, l64 = draw(3, 4)
    targets = [1, 0, 3]
    smooth = 0.7 * np.eye(4)[targets] + 0.3 / 4
    given = mx.array(targets) if by_class else mx.array(np.eye(4, dtype=np.float32)[targets])
    got = losses.cross_entropy(logits, given, label_smoothing=0.3)
    close(got, -(smooth * log_softmax(l64)).sum(-1))


def test_cross_entropy_weighs_samples(draw, close):
    logits, l64 = draw(3, 4)
    got = losses.cross_entropy(
        logits, mx.array([1, 0, 3]), weights=mx.array([1.0, 0.0, 2.0]), reduction="sum"
    )
    want = -log_softmax(l64)[range(3), [1, 0, 3]]
    close(got, want[0] + 2 * want[2])


def test_cross_entropy_of_large_logits_is_exact():
    logits = mx.array([[2000.0, 2001.0]])
    got = losses.cross_entropy(logits, mx.array([1])).item()
    assert got == pytest.approx(math.log1p(math.exp(-1)), rel=1e-6)


def test_cross_entropy_in_half_precision_loses_nothing_to_an_offset():
    logits = mx.array([[2.0, -1.0], [-1.0, 2.0]], dtype=mx.bfloat16)
    got = losses.cross_entropy(logits, mx.array([0, 1]))
    assert got.dtype == mx.bfloat16
    assert got.tolist() == pytest.approx([0.0485873] * 2, rel=1e-2)


def test_the_gradient_of_cross_entropy_is_softmax_minus_target(draw, close):
    logits, l64 = draw(2, 3)
    grad = mx.grad(lambda x: losses.cross_entropy(x, mx.array([2, 0]), reduction="sum"))(logits)
    close(grad, np.exp(log_softmax(l64)) - np.eye(3)[[2, 0]])


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_must_be_below_one(smoothing):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        losses.cross_entropy(mx.ones((1, 2)), mx.array([0]), label_smoothing=smoothing)


def test_cross_entropy_needs_targets_that_fit():
    with pytest.raises(ValueError, match="does not match logits shape"):
        losses.cross_entropy(mx.ones((2, 3)), mx.array([0, 1, 2]))


def test_binary_cross_entropy_of_logits(draw, close):
    x, x64 = draw(5)
    t = np.array([0, 1, 0.5, 1, 0])
    p = 1 / (1 + np.exp(-x64))
    want = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    got = losses.binary_cross_entropy(x, mx.array(t, dtype=mx.float32), reduction="none")
    close(got, want)


def test_binary_cross_entropy_of_probabilities(close):
    p, t = mx.array([0.1, 0.9, 0.5]), mx.array([0.0, 1.0, 1.0])
    got = losses.binary_cross_entropy(p, t, with_logits=False, reduction="none")
    close(got, -np.log([0.9, 0.9, 0.5]))


def test_binary_cross_entropy_of_certain_errors_is_bounded():
    p, t = mx.array([0.0, 1.0]), mx.array([1.0, 0.0])
    got = losses.binary_cross_entropy(p, t, with_logits=False, reduction="none")
    assert got.tolist() == [100, 100]


def test_binary_cross_entropy_weighs(close):
    got = losses.binary_cross_entropy(
        mx.zeros(2), mx.ones(2), weights=mx.array([1.0, 3.0]), reduction="none"
    )
    close(got, [math.log(2), 3 * math.log(2)])


def test_weights_must_have_the_shape_of_the_losses():
    with pytest.raises(ValueError, match="Weights with shape"):
        losses.binary_cross_entropy(mx.ones(3), mx.ones(3), weights=mx.ones(2))
    with pytest.raises(ValueError, match="Weights with shape"):
        losses.cross_entropy(mx.ones((2, 3)), mx.array([0, 1]), weights=mx.ones(3))


def hinge(x, y):
    return np.maximum(1 - x * y, 0)


def huber(x, y):
    d = np.abs(x - y)
    return np.where(d > 1, d - 0.5, 0.5 * d**2)


ELEMENTWISE = {
    "l1_loss": lambda x, y: np.abs(x - y),
    "mse_loss": lambda x, y: (x - y) ** 2,
    "smooth_l1_loss": huber,
    "huber_loss": huber,
    "log_cosh_loss": lambda x, y: np.log(np.cosh(x - y)),
    "hinge_loss": hinge,
}


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
@pytest.mark.parametrize("reduction, reduce", [("none", np.array), ("mean", np.mean)])
def test_loss_has_its_formula(name, reduction, reduce, draw, close):
    (x, x64), (y, y64) = draw(4, 3), draw(4, 3)
    want = reduce(ELEMENTWISE[name](2 * x64, y64))
    close(getattr(losses, name)(2 * x, y, reduction=reduction), want)


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_sum_is_a_reduction(name, draw, close):
    (x, x64), (y, y64) = draw(4, 3), draw(4, 3)
    close(getattr(losses, name)(x, y, reduction="sum"), ELEMENTWISE[name](x64, y64).sum())


@pytest.mark.parametrize(
    "name, reduction",
    [("l1_loss", "mean"), ("mse_loss", "mean"), ("smooth_l1_loss", "mean")]
    + [("huber_loss", "none"), ("log_cosh_loss", "none"), ("hinge_loss", "none")],
)
def test_default_reductions(name, reduction):
    shape = getattr(losses, name)(mx.ones((2, 3)), mx.ones((2, 3))).shape
    assert shape == (() if reduction == "mean" else (2, 3))


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_an_unknown_reduction_is_refused(name):
    with pytest.raises(ValueError, match="Invalid reduction"):
        getattr(losses, name)(mx.ones(2), mx.ones(2), reduction="max")


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss", "smooth_l1_loss", "binary_cross_entropy"])
def test_shapes_must_be_the_same(name):
    with pytest.raises(ValueError, match="does not match targets shape"):
        getattr(losses, name)(mx.ones((2, 3)), mx.ones(2))


def test_beta_and_delta_are_where_the_square_ends():
    x, zero = mx.array([0.5, 3.0]), mx.zeros(2)
    smooth = losses.smooth_l1_loss(x, zero, beta=2.0, reduction="none")
    assert smooth.tolist() == [0.0625, 2.0]
    assert losses.huber_loss(x, zero, delta=2.0).tolist() == [0.125, 4.0]


def test_log_cosh_does_not_overflow():
    got = losses.log_cosh_loss(mx.array([1000.0, -1000.0]), mx.zeros(2))
    assert got.tolist() == pytest.approx([1000 - math.log(2)] * 2)


def test_nll_takes_the_log_probability_of_the_target(draw, close):
    x, x64 = draw(3, 4)
    close(losses.nll_loss(x, mx.array([1, 0, 3])), -x64[range(3), [1, 0, 3]])


def test_nll_along_another_axis(draw, close):
    x, x64 = draw(3, 4)
    got = losses.nll_loss(x, mx.array([2, 1, 0, 0]), axis=0, reduction="mean")
    close(got, -x64[[2, 1, 0, 0], range(4)].mean())


@pytest.mark.parametrize("full", [False, True])
def test_gaussian_nll_is_minus_the_log_density(full, draw, close):
    (m, m64), (t, t64), (v, v64) = draw(4), draw(4), draw(4)
    v64 = np.maximum(np.abs(v64), 0.3)
    want = 0.5 * (np.log(v64) + (t64 - m64) ** 2 / v64) + full * 0.5 * math.log(2 * math.pi)
    got = losses.gaussian_nll_loss(m, t, mx.abs(v), full=full, eps=0.3, reduction="none")
    close(got, want)


@pytest.mark.parametrize("which", [1, 2])
def test_gaussian_nll_needs_equal_shapes(which):
    arrays = [mx.ones(3)] * 3
    arrays[which] = mx.ones(2)
    with pytest.raises(ValueError, match="does not match"):
        losses.gaussian_nll_loss(*arrays)


def test_kl_divergence_of_log_probabilities(draw, close):
    p, q = log_softmax(draw(3, 4)[1]), log_softmax(draw(3, 4)[1])
    inputs, targets = mx.array(q, dtype=mx.float32), mx.array(p, dtype=mx.float32)
    close(losses.kl_div_loss(inputs, targets), (np.exp(p) * (p - q)).sum(-1))
    close(losses.kl_div_loss(inputs, targets, axis=0), (np.exp(p) * (p - q)).sum(0))


def test_cosine_similarity_is_the_cosine(draw, close):
    (a, a64), (b, b64) = draw(3, 4), draw(3, 4)
    norms = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    close(losses.cosine_similarity_loss(a, b), (a64 * b64).sum(1) / norms)


def test_cosine_similarity_with_zero_is_zero():
    assert losses.cosine_similarity_loss(mx.zeros((1, 3)), mx.ones((1, 3))).tolist() == [0]


def test_margin_ranking_wants_the_right_order():
    scores = mx.array([1.0, 2.0, 2.0]), mx.array([0.0, 3.0, 3.0])
    got = losses.margin_ranking_loss(*scores, mx.array([1, 1, -1]), margin=0.5)
    assert got.tolist() == [0, 1.5, 0]


def test_margin_ranking_needs_equal_shapes():
    with pytest.raises(ValueError, match="shapes of the arguments do not match"):
        losses.margin_ranking_loss(mx.ones(2), mx.ones(2), mx.ones(3))


@pytest.mark.parametrize("p, axis", [(2, -1), (3, 0)])
def test_triplet_compares_distances(p, axis, draw, close):
    (a, a64), (b, b64), (c, c64) = draw(4, 3), draw(4, 3), draw(4, 3)

    def distance(x):
        return ((np.abs(a64 - x) ** p).sum(axis) + 1e-6) ** (1 / p)

    want = np.maximum(distance(b64) - distance(c64) + 1, 0)
    close(losses.triplet_loss(a, b, c, axis=axis, p=p), want)


def test_the_triplet_gradient_is_finite_for_equal_points():
    x = mx.ones((1, 3))
    grad = mx.grad(lambda a: losses.triplet_loss(a, x, x).sum())(x)
    assert mx.all(mx.isfinite(grad)).item()
