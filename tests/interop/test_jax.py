"""Conversion to JAX and back."""

import numpy as np
import pytest

import monel.core as mx

jnp = pytest.importorskip("jax.numpy")
jax = pytest.importorskip("jax")


def test_round_trip():
    a = mx.arange(3)
    b = jnp.array(a)
    c = mx.array(b)
    assert b.tolist() == [0, 1, 2]
    assert c.dtype == mx.int32
    assert c.tolist() == [0, 1, 2]


def test_jax_imports_by_dlpack():
    a = mx.array([[1.0, 2.0], [3.0, 4.0]])
    mx.eval(a)
    assert jnp.from_dlpack(a).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_vectorized_gradients_agree():
    x = np.linspace(-2, 2, 9, dtype="float32")
    ours = mx.vmap(mx.grad(lambda x: mx.exp(x) * mx.cos(x)))(mx.array(x))
    theirs = jax.vmap(jax.grad(lambda x: jnp.exp(x) * jnp.cos(x)))(x)
    assert np.allclose(np.array(ours), np.asarray(theirs), atol=1e-5)


def test_keys_split_as_in_jax():
    ours = mx.random.split(mx.random.key(7), 3)
    with jax.threefry_partitionable(False):
        theirs = jax.random.split(jax.random.PRNGKey(7), 3)
    assert ours.tolist() == theirs.tolist()
