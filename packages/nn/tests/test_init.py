"""Initializers."""

import math

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn

init = nn.init
BIG = (80, 60)


def std(values):
    return np.array(values, np.float64).std()


def test_constant_fills():
    assert init.constant(0.5)(mx.zeros((2, 2))).tolist() == [[0.5, 0.5]] * 2


def test_normal_has_mean_and_deviation():
    values = init.normal(3.0, 0.5)(mx.zeros(BIG))
    assert np.array(values).mean() == pytest.approx(3, abs=0.05)
    assert std(values) == pytest.approx(0.5, rel=0.05)


def test_uniform_has_bounds():
    values = np.array(init.uniform(-1, 3)(mx.zeros(BIG)))
    assert -1 <= values.min() < -0.9 and 2.9 < values.max() <= 3


def test_identity_is_the_identity():
    assert init.identity()(mx.zeros((3, 3))).tolist() == np.eye(3).tolist()


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2)])
def test_identity_needs_a_square(shape):
    with pytest.raises(ValueError, match="square matrix"):
        init.identity()(mx.zeros(shape))


CASES = [
    (init.glorot_normal, {}, math.sqrt(2 / 140)),
    (init.glorot_normal, {"gain": 3.0}, 3 * math.sqrt(2 / 140)),
    (init.glorot_uniform, {}, math.sqrt(6 / 140 / 3)),
    (init.he_normal, {}, math.sqrt(1 / 60)),
    (init.he_normal, {"mode": "fan_out", "gain": 2.0}, 2 * math.sqrt(1 / 80)),
    (init.he_uniform, {}, math.sqrt(3 / 60 / 3)),
    (init.he_uniform, {"mode": "fan_out"}, math.sqrt(3 / 80 / 3)),
]


@pytest.mark.parametrize("make, options, want", CASES)
def test_deviation_follows_the_fans(make, options, want):
    values = make()(mx.zeros(BIG), **options)
    assert std(values) == pytest.approx(want, rel=0.05)


@pytest.mark.parametrize("make, limit", [(init.glorot_uniform, 6 / 140), (init.he_uniform, 3 / 60)])
def test_uniform_draws_end_at_their_limit(make, limit):
    largest = mx.max(mx.abs(make()(mx.zeros(BIG)))).item()
    assert 0.98 * math.sqrt(limit) < largest <= math.sqrt(limit)


def test_fans_count_the_receptive_field():
    values = init.he_normal()(mx.zeros((30, 3, 3, 20)))
    assert std(values) == pytest.approx(math.sqrt(1 / 180), rel=0.05)


@pytest.mark.parametrize(
    "make", [init.glorot_normal, init.glorot_uniform, init.he_normal, init.he_uniform]
)
def test_fans_need_two_axes(make):
    with pytest.raises(ValueError, match="at least 2 dimensional"):
        make()(mx.zeros(3))


@pytest.mark.parametrize("make", [init.he_normal, init.he_uniform])
def test_an_unknown_mode_is_refused(make):
    with pytest.raises(ValueError, match="Valid modes are: fan_in, fan_out"):
        make()(mx.zeros((2, 2)), mode="fan")


@pytest.mark.parametrize("sparsity", [0.0, 0.4, 1.0])
def test_sparse_zeroes_a_share_of_each_row(sparsity):
    values = np.array(init.sparse(sparsity, mean=5.0)(mx.zeros((20, 11))))
    assert ((values == 0).sum(1) == math.ceil(sparsity * 11)).all()


def test_sparse_zeroes_other_places_in_each_row():
    values = np.array(init.sparse(0.5)(mx.zeros((20, 10))))
    assert len({tuple(row) for row in values == 0}) > 10


@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (6, 3)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    q = np.array(init.orthogonal(2.0)(mx.zeros(shape)), np.float64)
    gram = q @ q.T if shape[0] <= shape[1] else q.T @ q
    np.testing.assert_allclose(gram, 4 * np.eye(min(shape)), atol=1e-5)


@pytest.mark.parametrize("make", [init.orthogonal(), init.sparse(0.5)])
def test_matrices_are_needed(make):
    with pytest.raises(ValueError):
        make(mx.zeros(3))


DTYPED = [init.constant(1.0, mx.float16), init.normal(dtype=mx.float16)]
DTYPED += [init.uniform(dtype=mx.float16), init.identity(mx.float16)]
DTYPED += [init.glorot_normal(mx.float16), init.he_uniform(mx.float16)]
DTYPED += [init.sparse(0.5, dtype=mx.float16)]
DTYPED += [init.orthogonal(dtype=mx.float16)]


@pytest.mark.parametrize("make", DTYPED)
def test_the_dtype_is_that_asked_for(make):
    assert make(mx.zeros((4, 4))).dtype == mx.float16


def test_initializers_apply_to_models():
    model = nn.Linear(3, 2).apply(init.constant(1.5))
    assert model.weight.tolist() == [[1.5] * 3] * 2
