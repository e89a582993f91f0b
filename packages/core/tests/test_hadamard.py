"""The Walsh-Hadamard transform: its matrices, their laws, derivatives."""

import zlib

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(3)
LENGTHS = [1, 2, 8, 12, 20, 28, 24, 40, 112, 256]


def rows(n):
    """Return the matrix by which vectors of length n are multiplied."""
    return np.array(mx.hadamard_transform(mx.eye(n), scale=1.0)).T


@pytest.mark.parametrize("n", LENGTHS)
def test_rows_hold_ones_and_are_orthogonal(n):
    h = rows(n)
    assert np.all(np.abs(h) == 1)
    np.testing.assert_array_equal(h @ h.T, n * np.eye(n))


# Checksums of the matrices of mlx 0.32.4.
KNOWN = {12: 587766850, 20: 414487262, 28: 1144700641, 24: 1885133568}


@pytest.mark.parametrize("n", KNOWN)
def test_matrices_are_those_of_mlx(n):
    columns = np.array(mx.hadamard_transform(mx.eye(n), scale=1.0)).astype("int8")
    assert zlib.crc32(columns.tobytes()) == KNOWN[n]


def test_powers_of_two_have_sylvesters_matrix():
    assert (rows(4) == [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).all()


@pytest.mark.parametrize("n", LENGTHS)
def test_a_longer_matrix_is_a_kronecker_product(n):
    np.testing.assert_array_equal(rows(2 * n), np.kron(rows(n), [[1, 1], [1, -1]]))


@pytest.mark.parametrize(
    "dtype, tol", [(mx.float32, 1e-5), (mx.float16, 1e-2), (mx.float64, 1e-12)]
)
def test_the_default_scale_keeps_lengths(dtype, tol):
    x = mx.array(RNG.standard_normal((3, 2, 48)), dtype=dtype)
    y = mx.hadamard_transform(x)
    assert y.dtype == dtype and y.shape == x.shape
    want = np.linalg.norm(np.array(x, dtype="float64"), axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(np.array(y, dtype="float64"), axis=-1), want, rtol=tol
    )


@pytest.mark.parametrize("n", [16, 20, 56])
def test_the_gradient_is_the_transpose(n):
    x, ct = (mx.array(RNG.standard_normal((2, n)).astype("float32")) for _ in range(2))
    _, (grad,) = mx.vjp(lambda x: mx.hadamard_transform(x, scale=0.5), [x], [ct])
    np.testing.assert_allclose(np.array(grad), 0.5 * np.array(ct) @ rows(n), rtol=1e-4, atol=1e-4)


def test_vmap_transforms_the_axis_that_is_left():
    x = mx.array(RNG.standard_normal((8, 3)).astype("float32"))
    got = mx.vmap(mx.hadamard_transform, in_axes=1)(x)
    np.testing.assert_allclose(np.array(got), np.array(mx.hadamard_transform(x.T)), rtol=1e-6)


def test_a_shapeless_transform_scales_by_its_own_length():
    f = mx.compile(mx.hadamard_transform, shapeless=True)
    assert [f(mx.ones(n))[0].item() for n in (4, 16)] == [2, 4]


def test_integers_are_cast_and_scalars_scaled():
    assert mx.hadamard_transform(mx.array([1, 1, 1, 1])).tolist() == [2, 0, 0, 0]
    assert mx.hadamard_transform(mx.array(3.0), scale=2).item() == 6
    assert mx.hadamard_transform(mx.zeros((0, 8))).shape == (0, 8)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: mx.hadamard_transform(mx.ones(3)), ValueError),
        (lambda: mx.hadamard_transform(mx.ones(0)), ValueError),
        (lambda: mx.hadamard_transform(mx.ones(4, dtype=mx.complex64)), ValueError),
        (lambda: mx.hadamard_transform([1.0, 2.0]), TypeError),
        (lambda: mx.hadamard_transform(mx.ones(4), "2"), TypeError),
    ],
)
def test_what_is_refused(call, error):
    with pytest.raises(error):
        call()
