"""Losses."""

from __future__ import annotations

import math
from typing import Literal, get_args

import monel.core as mx

__all__ = [
    "binary_cross_entropy",
    "cosine_similarity_loss",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_loss",
    "huber_loss",
    "kl_div_loss",
    "l1_loss",
    "log_cosh_loss",
    "margin_ranking_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
    "triplet_loss",
]

Reduction = Literal["none", "mean", "sum"]


def _reduced(loss: mx.array, reduction: str) -> mx.array:
    if reduction == "mean":
        return mx.mean(loss)
    if reduction == "sum":
        return mx.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"Invalid reduction. Must be one of {get_args(Reduction)}.")


def _check_same(name: str, x: mx.array, other: str, y: mx.array) -> None:
    if x.shape != y.shape:
        raise ValueError(f"{name} shape {x.shape} does not match {other} shape {y.shape}.")


def _weighted(loss: mx.array, weights: mx.array | None) -> mx.array:
    if weights is None:
        return loss
    if weights.shape != loss.shape:
        raise ValueError(
            f"Weights with shape {weights.shape} is not the same as output loss with shape "
            f"{loss.shape}."
        )
    return loss * weights


def cross_entropy(
    logits: mx.array,
    targets: mx.array,
    weights: mx.array | None = None,
    axis: int = -1,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """Return minus the log-probability of the target: ``logsumexp(logits) - logits[target]``.

    Args:
      logits: Unnormalized log-probabilities.
      targets: Class numbers, of the shape of ``logits`` without ``axis``; or probabilities, of
        the shape of ``logits``.
      weights: Factors of the losses, of their shape.
      axis: The axis of the classes.
      label_smoothing: Share of the target that is spread over all classes, in ``[0, 1)``.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Returns:
      The losses, of the shape of ``logits`` without ``axis``, or their mean or sum.
    Raises:
      ValueError: Shapes do not match, or ``label_smoothing`` or ``reduction`` is invalid.
    Example:
      >>> logits = mx.array([[2.0, -1.0], [-1.0, 2.0]])
      >>> nn.losses.cross_entropy(logits, mx.array([0, 1]))
      array([0.0485873, 0.0485873], dtype=float32)
      >>> nn.losses.cross_entropy(logits, mx.array([[0.9, 0.1], [0.1, 0.9]]))
      array([0.348587, 0.348587], dtype=float32)
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"Label smoothing must be in [0, 1), got {label_smoothing}.")
    by_class = targets.ndim == logits.ndim - 1
    without_axis = list(logits.shape)
    if by_class:
        del without_axis[axis]
    if tuple(without_axis) != tuple(targets.shape):
        raise ValueError(
            f"Targets shape {targets.shape} does not match logits shape {logits.shape}."
        )
    # Relative to the largest, so that nothing is lost to a common offset in half precision.
    logits = logits - mx.stop_gradient(mx.max(logits, axis=axis, keepdims=True))
    normalizer = mx.logsumexp(logits, axis=axis)
    if by_class:
        chosen = mx.expand_dims(targets, axis)
        score = mx.squeeze(mx.take_along_axis(logits, chosen, axis), axis)
        loss = normalizer - score
    else:
        loss = mx.sum(targets, axis=axis) * normalizer - mx.sum(logits * targets, axis=axis)
    if label_smoothing > 0:
        uniform = normalizer - mx.mean(logits, axis=axis)
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    return _reduced(_weighted(loss, weights), reduction)


def binary_cross_entropy(
    inputs: mx.array,
    targets: mx.array,
    weights: mx.array | None = None,
    with_logits: bool = True,
    reduction: Reduction = "mean",
) -> mx.array:
    """Return minus the log-probability of binary targets.

    Args:
      inputs: Logits, or with ``with_logits=False`` probabilities, whose logarithms are taken as
        at least -100.
      targets: Numbers from 0 to 1, of the shape of ``inputs``.
      weights: Factors of the losses, of their shape.
      with_logits: Whether ``inputs`` are logits.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes differ, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.binary_cross_entropy(mx.array([0.0]), mx.array([1.0]))
      array(0.693147, dtype=float32)
    """
    _check_same("Inputs", inputs, "targets", targets)
    if with_logits:
        loss = mx.logaddexp(0.0, inputs) - inputs * targets
    else:
        log_yes = mx.maximum(mx.log(inputs), -100)
        log_no = mx.maximum(mx.log(1 - inputs), -100)
        loss = -(targets * log_yes + (1 - targets) * log_no)
    return _reduced(_weighted(loss, weights), reduction)


def l1_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """Return ``abs(predictions - targets)``.

    Args:
      predictions: Any shape.
      targets: The same shape.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes differ, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.l1_loss(mx.array([1.0, 2.0]), mx.array([0.0, 4.0]))
      array(1.5, dtype=float32)
    """
    _check_same("Predictions", predictions, "targets", targets)
    return _reduced(mx.abs(predictions - targets), reduction)


def mse_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """Return ``(predictions - targets) ** 2``.

    Args:
      predictions: Any shape.
      targets: The same shape.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes differ, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.mse_loss(mx.array([1.0, 2.0]), mx.array([0.0, 4.0]))
      array(2.5, dtype=float32)
    """
    _check_same("Predictions", predictions, "targets", targets)
    return _reduced(mx.square(predictions - targets), reduction)


def nll_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """Return ``-inputs[target]`` along ``axis``, for log-probabilities ``inputs``.

    Args:
      inputs: Log-probabilities.
      targets: Class numbers, of the shape of ``inputs`` without ``axis``.
      axis: The axis of the classes.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not match, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.nll_loss(mx.array([[-1.0, -2.0]]), mx.array([1]))
      array([2], dtype=float32)
    """
    chosen = mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis)
    return _reduced(-mx.squeeze(chosen, axis), reduction)


def gaussian_nll_loss(
    inputs: mx.array,
    targets: mx.array,
    vars: mx.array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> mx.array:
    """Return minus the log-density of ``targets`` under normal distributions.

    Computes ``0.5 * (log(v) + (inputs - targets)**2 / v)`` with ``v = max(vars, eps)``.

    Args:
      inputs: The means.
      targets: Of the shape of ``inputs``.
      vars: The variances, of the shape of ``inputs``.
      full: Add the constant ``0.5 * log(2 * pi)``.
      eps: The least variance.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes differ, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.gaussian_nll_loss(mx.array([1.0]), mx.array([3.0]), mx.array([1.0]))
      array(2, dtype=float32)
    """
    _check_same("Inputs", inputs, "targets", targets)
    _check_same("Inputs", inputs, "vars", vars)
    variance = mx.maximum(vars, eps)
    loss = 0.5 * (mx.log(variance) + mx.square(targets - inputs) / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduced(loss, reduction)


def kl_div_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """Return ``sum(exp(targets) * (targets - inputs))`` along ``axis``.

    Args:
      inputs: Log-probabilities.
      targets: Log-probabilities.
      axis: The axis of the distributions.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not broadcast, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.kl_div_loss(mx.array([[-1.0, -1.0]]), mx.array([[0.0, 0.0]]))
      array([2], dtype=float32)
    """
    return _reduced(mx.sum(mx.exp(targets) * (targets - inputs), axis), reduction)


def smooth_l1_loss(
    predictions: mx.array, targets: mx.array, beta: float = 1.0, reduction: Reduction = "mean"
) -> mx.array:
    """Return ``0.5 * d**2 / beta`` where ``d = abs(predictions - targets)`` is below beta.

    Elsewhere ``d - 0.5 * beta``.

    Args:
      predictions: Any shape.
      targets: The same shape.
      beta: Where the square ends.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes differ, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.smooth_l1_loss(mx.array([0.5, 3.0]), mx.zeros((2,)), reduction="none")
      array([0.125, 2.5], dtype=float32)
    """
    _check_same("Predictions", predictions, "targets", targets)
    difference = mx.abs(predictions - targets)
    square = 0.5 * mx.square(difference) / beta
    return _reduced(mx.where(difference < beta, square, difference - 0.5 * beta), reduction)


def huber_loss(
    inputs: mx.array, targets: mx.array, delta: float = 1.0, reduction: Reduction = "none"
) -> mx.array:
    """Return ``0.5 * d**2`` where ``d = abs(inputs - targets)`` is at most delta.

    Elsewhere ``delta * (d - 0.5 * delta)``.

    Args:
      inputs: Any shape.
      targets: Broadcasts with ``inputs``.
      delta: Where the square ends.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not broadcast, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.huber_loss(mx.array([0.5, 3.0]), mx.zeros((2,)))
      array([0.125, 2.5], dtype=float32)
    """
    difference = mx.abs(inputs - targets)
    square = 0.5 * mx.square(difference)
    line = delta * (difference - 0.5 * delta)
    return _reduced(mx.where(difference > delta, line, square), reduction)


def log_cosh_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """Return ``log(cosh(inputs - targets))``, without overflow.

    Args:
      inputs: Any shape.
      targets: Broadcasts with ``inputs``.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not broadcast, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.log_cosh_loss(mx.array([0.0, 1000.0]), mx.zeros((2,)))
      array([0, 999.307], dtype=float32)
    """
    errors = inputs - targets
    return _reduced(mx.logaddexp(errors, -errors) - math.log(2), reduction)


def hinge_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """Return ``max(0, 1 - inputs * targets)``, for targets of -1 and 1.

    Args:
      inputs: Any shape.
      targets: Broadcasts with ``inputs``.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not broadcast, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.hinge_loss(mx.array([0.5, -2.0]), mx.array([1.0, 1.0]))
      array([0.5, 3], dtype=float32)
    """
    return _reduced(mx.maximum(1 - inputs * targets, 0), reduction)


def cosine_similarity_loss(
    x1: mx.array, x2: mx.array, axis: int = 1, eps: float = 1e-8, reduction: Reduction = "none"
) -> mx.array:
    """Return the cosine of the angle between vectors: ``x1 . x2 / max(|x1| * |x2|, eps)``.

    Args:
      x1: Any shape.
      x2: Broadcasts with ``x1``.
      axis: The axis of the vectors.
      eps: The least denominator.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not broadcast, or ``reduction`` is invalid.
    Example:
      >>> nn.losses.cosine_similarity_loss(mx.array([[1.0, 0.0]]), mx.array([[3.0, 4.0]]))
      array([0.6], dtype=float32)
    """
    product = mx.sum(x1 * x2, axis=axis)
    norm1 = mx.sqrt(mx.sum(mx.square(x1), axis=axis))
    norm2 = mx.sqrt(mx.sum(mx.square(x2), axis=axis))
    return _reduced(product / mx.maximum(norm1 * norm2, eps), reduction)


def margin_ranking_loss(
    inputs1: mx.array,
    inputs2: mx.array,
    targets: mx.array,
    margin: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """Return ``max(0, -targets * (inputs1 - inputs2) + margin)``, for targets of -1 and 1.

    Args:
      inputs1: Scores of any shape.
      inputs2: Scores of the same shape.
      targets: 1 where the first should be larger, -1 where the second; of the same shape.
      margin: How much larger.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes differ, or ``reduction`` is invalid.
    Example:
      >>> scores = mx.array([1.0, 2.0]), mx.array([0.0, 3.0])
      >>> nn.losses.margin_ranking_loss(*scores, mx.array([1, 1]))
      array([0, 1], dtype=float32)
    """
    if not inputs1.shape == inputs2.shape == targets.shape:
        raise ValueError(
            "The shapes of the arguments do not match. The provided shapes are "
            f"inputs1.shape={inputs1.shape}, inputs2.shape={inputs2.shape}, and "
            f"targets.shape={targets.shape}."
        )
    return _reduced(mx.maximum(0, -targets * (inputs1 - inputs2) + margin), reduction)


def triplet_loss(
    anchors: mx.array,
    positives: mx.array,
    negatives: mx.array,
    axis: int = -1,
    p: int = 2,
    margin: float = 1.0,
    eps: float = 1e-6,
    reduction: Reduction = "none",
) -> mx.array:
    """Return ``max(|anchors - positives|_p - |anchors - negatives|_p + margin, 0)``.

    Args:
      anchors: Any shape.
      positives: Broadcasts with ``anchors``.
      negatives: Broadcasts with ``anchors``.
      axis: The axis of the vectors.
      p: The norm.
      margin: How much farther the negatives should be.
      eps: Added under the root, which has no derivative at zero.
      reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
      ValueError: Shapes do not broadcast, or ``reduction`` is invalid.
    Example:
      >>> a, b = mx.array([[0.0, 0.0]]), mx.array([[3.0, 4.0]])
      >>> nn.losses.triplet_loss(a, b, a, eps=0.0)
      array([6], dtype=float32)
    """

    def distance(other: mx.array) -> mx.array:
        return mx.power(mx.power(mx.abs(anchors - other), p).sum(axis) + eps, 1 / p)

    loss = mx.maximum(distance(positives) - distance(negatives) + margin, 0)
    return _reduced(loss, reduction)
