"""Initializers: each returns a function that takes an array and returns one like it, filled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import monel.core as mx

__all__ = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "normal",
    "orthogonal",
    "sparse",
    "uniform",
]

Initializer = Callable[..., mx.array]
Fan = Literal["fan_in", "fan_out"]


def constant(value: float, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that fills with ``value``.

    Example:
      >>> nn.init.constant(0.5)(mx.zeros((2,)))
      array([0.5, 0.5], dtype=float32)
    """
    return lambda a: mx.full(a.shape, value, dtype=dtype)


def normal(mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws from a normal distribution.

    Example:
      >>> nn.init.normal()(mx.zeros((2, 3))).shape
      (2, 3)
    """
    return lambda a: mx.random.normal(a.shape, dtype=dtype, loc=mean, scale=std)


def uniform(low: float = 0.0, high: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws uniformly from ``[low, high)``.

    Example:
      >>> nn.init.uniform(-1, 1)(mx.zeros((2, 3))).shape
      (2, 3)
    """
    return lambda a: mx.random.uniform(low, high, a.shape, dtype=dtype)


def identity(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that gives the identity matrix.

    Raises:
      ValueError: When called with what is no square matrix.
    Example:
      >>> nn.init.identity()(mx.zeros((2, 2)))
      array([[1, 0],
             [0, 1]], dtype=float32)
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            raise ValueError(f"The input array must be a square matrix but got shape {a.shape}.")
        return mx.eye(a.shape[0], dtype=dtype)

    return initializer


def _fans(a: mx.array) -> tuple[int, int]:
    """Numbers of inputs and outputs of a weight of shape (out, *receptive field, in)."""
    if a.ndim < 2:
        raise ValueError(
            "Glorot / He initialization requires at least 2 dimensional input but input with "
            f"{a.ndim} dimensions."
        )
    outputs, *field, inputs = a.shape
    return inputs * math.prod(field), outputs * math.prod(field)


def _fan(a: mx.array, mode: str) -> int:
    fans = dict(zip(("fan_in", "fan_out"), _fans(a), strict=True))
    if mode not in fans:
        raise ValueError(f"Invalid mode: {mode}. Valid modes are: fan_in, fan_out")
    return fans[mode]


def glorot_normal(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws normally, of deviation gain * sqrt(2 / (in + out)).

    The function returned takes the array and ``gain=1.0``.

    Raises:
      ValueError: When called with an array of fewer than 2 axes.
    Example:
      >>> nn.init.glorot_normal()(mx.zeros((2, 3)), gain=2.0).shape
      (2, 3)

    Source: Glorot and Bengio, AISTATS 2010.
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        std = gain * math.sqrt(2.0 / sum(_fans(a)))
        return mx.random.normal(a.shape, dtype=dtype, scale=std)

    return initializer


def glorot_uniform(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws uniformly, up to gain * sqrt(6 / (in + out)).

    The function returned takes the array and ``gain=1.0``.

    Raises:
      ValueError: When called with an array of fewer than 2 axes.
    Example:
      >>> nn.init.glorot_uniform()(mx.zeros((2, 3)), gain=2.0).shape
      (2, 3)

    Source: Glorot and Bengio, AISTATS 2010.
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(6.0 / sum(_fans(a)))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def he_normal(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws normally, of deviation gain / sqrt(fan).

    The function returned takes the array, ``mode="fan_in"`` or ``"fan_out"``, and ``gain=1.0``.

    Raises:
      ValueError: When called with an array of fewer than 2 axes, or another mode.
    Example:
      >>> nn.init.he_normal()(mx.zeros((2, 3)), mode="fan_out").shape
      (2, 3)

    Source: He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
    """

    def initializer(a: mx.array, mode: Fan = "fan_in", gain: float = 1.0) -> mx.array:
        return mx.random.normal(a.shape, dtype=dtype, scale=gain / math.sqrt(_fan(a, mode)))

    return initializer


def he_uniform(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws uniformly, up to gain * sqrt(3 / fan).

    The function returned takes the array, ``mode="fan_in"`` or ``"fan_out"``, and ``gain=1.0``.

    Raises:
      ValueError: When called with an array of fewer than 2 axes, or another mode.
    Example:
      >>> nn.init.he_uniform()(mx.zeros((2, 3)), mode="fan_out").shape
      (2, 3)

    Source: He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
    """

    def initializer(a: mx.array, mode: Fan = "fan_in", gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(3.0 / _fan(a, mode))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def sparse(
    sparsity: float, mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Initializer:
    """Return an initializer that draws normally and sets a share of each row to zero.

    Args:
      sparsity: The share; ``ceil(sparsity * columns)`` elements of each row become zero.
      mean: Mean of the others.
      std: Deviation of the others.
      dtype: The dtype of the result.
    Raises:
      ValueError: When called with an array that has not 2 axes.
    Example:
      >>> mx.sum(nn.init.sparse(0.5)(mx.zeros((3, 4))) == 0, axis=1)
      array([2, 2, 2], dtype=int32)

    Source: Martens, "Deep learning via Hessian-free optimization", ICML 2010.
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError("Only tensors with 2 dimensions are supported")
        zeros = math.ceil(sparsity * a.shape[1])
        order = mx.argsort(mx.random.uniform(shape=a.shape), axis=1)
        values = mx.random.normal(a.shape, dtype=dtype, loc=mean, scale=std)
        # A permutation of the row: each column is dropped or kept by its place in it.
        return mx.where(order < zeros, mx.zeros_like(values), values)

    return initializer


def orthogonal(gain: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Return an initializer that draws a matrix with orthonormal rows or columns, times gain.

    Raises:
      ValueError: When called with an array that has not 2 axes.
    Example:
      >>> q = nn.init.orthogonal()(mx.zeros((3, 3)))
      >>> mx.allclose(q @ q.T, mx.eye(3), atol=1e-5)
      array(True, dtype=bool)

    Source: Saxe, McClelland and Ganguli, arXiv:1312.6120.
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(
                f"Orthogonal initialization requires a 2D array but got a {a.ndim}D array."
            )
        rows, columns = a.shape
        size = max(rows, columns)
        draw: Any = mx.random.normal((size, size))
        q, r = mx.linalg.qr(draw, stream=mx.cpu)
        # The signs of the diagonal make the distribution uniform (Mezzadri, 2007).
        q = q * mx.sign(mx.diag(r))
        return (gain * q[:rows, :columns]).astype(dtype)

    return initializer
