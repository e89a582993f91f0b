"""The Walsh-Hadamard kernel against Sylvester's matrix in float64."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

EPSILON = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2, "float64": 1e-14}


def sylvester(n):
    matrix = np.ones((1, 1))
    while len(matrix) < n:
        matrix = np.kron([[1, 1], [1, -1]], matrix)
    return matrix


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16, "float64"], ids=str)
@pytest.mark.parametrize("shape", [(1,), (3, 2), (2, 3, 64), (40, 1024), (0, 8)])
@pytest.mark.parametrize("scale", [None, 0.25])
def test_rows_are_multiplied_with_sylvesters_matrix(run, rng, shape, dtype, scale):
    x = rng.standard_normal(shape).astype(dtype)
    got = run("hadamard", x, scale=scale)
    n = shape[-1]
    factor = n**-0.5 if scale is None else scale
    want = x.astype("float64") @ sylvester(n) * factor
    assert got.dtype == x.dtype
    atol = EPSILON[np.dtype(dtype).name] * max(1.0, n * factor)
    np.testing.assert_allclose(got.astype("float64"), want, atol=atol)


def test_strided_rows_give_the_bits_of_contiguous_ones(run, rng):
    x = rng.standard_normal((16, 6)).astype("float32").T
    assert (run("hadamard", x, scale=1.0) == run("hadamard", x.copy(), scale=1.0)).all()


def test_other_lengths_are_left_to_the_decomposition(run):
    assert run("hadamard", np.ones((2, 12), "float32"), scale=1.0) is NotImplemented
