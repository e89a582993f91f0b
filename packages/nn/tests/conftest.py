"""What the tests of nn share: seeds, and a comparison with float64 oracles."""

import numpy as np
import pytest

import monel.core as mx


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state."""
    mx.random.seed(0)


@pytest.fixture
def rng():
    """A generator for inputs, the same for each test."""
    return np.random.default_rng(0)


@pytest.fixture
def draw(rng):
    """Make a pair of equal inputs: a float32 array of monel, and its float64 copy in NumPy."""

    def pair(*shape):
        values = rng.standard_normal(shape).astype(np.float32)
        return mx.array(values), values.astype(np.float64)

    return pair


@pytest.fixture
def close():
    """Assert that an array has the dtype float32 and the values of an oracle."""

    def check(y, want, rtol=1e-5, atol=1e-5, dtype=mx.float32):
        assert y.dtype == dtype
        np.testing.assert_allclose(np.array(y), want, rtol=rtol, atol=atol)

    return check
