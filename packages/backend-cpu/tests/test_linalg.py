"""Factorisations by what defines them: their product, and the structure of the factors."""

from __future__ import annotations

import numpy as np
import pytest

from monel.backends.cpu import _kernels

DTYPES = ["float32", "float64", "complex64"]
EPSILON = {"float32": 2e-5, "float64": 1e-12, "complex64": 2e-5}
SHAPES = [(1, 1), (3, 3), (2, 3, 5, 5), (40, 40)]
OBLONG = [(3, 5), (5, 3), (2, 7, 4), (1, 6), (6, 1), (60, 30)]

pytestmark = pytest.mark.skipif(not _kernels.blas_loaded(), reason="no LAPACK is installed")


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype == "complex64" else x).astype(dtype)


def adjoint(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2).conj()


def positive(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = numbers(rng, shape, dtype)
    return x @ adjoint(x) + shape[-1] * np.eye(shape[-1], dtype=dtype)


def assert_near(found: np.ndarray, want: np.ndarray) -> None:
    assert found.shape == want.shape
    bound = EPSILON[np.result_type(found, want).name.replace("complex128", "complex64")]
    assert np.abs(found - want).max() <= bound * max(1, np.abs(want).max()) * want.shape[-1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(run, rng, dtype, shape, upper):
    a = positive(rng, shape, dtype)
    factor = run("cholesky", a, upper=upper)
    assert np.array_equal(factor, np.triu(factor) if upper else np.tril(factor))
    assert_near(adjoint(factor) @ factor if upper else factor @ adjoint(factor), a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES + OBLONG)
@pytest.mark.parametrize("complete", [False, True])
def test_qr(run, rng, dtype, shape, complete):
    a = numbers(rng, shape, dtype)
    q, r = run("qr", a, complete=complete)
    assert q.shape[-1] == (shape[-2] if complete else min(shape[-2:]))
    assert_near(q @ r, a)
    assert_near(
        adjoint(q) @ q,
        np.broadcast_to(np.eye(q.shape[-1], dtype=dtype), (*q.shape[:-2], *q.shape[-1:] * 2)),
    )
    assert np.array_equal(r, np.triu(r))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES + OBLONG)
@pytest.mark.parametrize("full", [False, True])
def test_svd(run, rng, dtype, shape, full):
    a = numbers(rng, shape, dtype)
    u, s, vt = run("svd", a, compute_uv=True, full_matrices=full)
    k = s.shape[-1]
    assert u.shape == (*shape[:-1], shape[-2] if full else k)
    assert vt.shape == (*shape[:-2], shape[-1] if full else k, shape[-1])
    assert_near((u[..., :k] * s[..., None, :]) @ vt[..., :k, :], a)
    assert np.all(np.diff(s) <= 0)
    assert s.dtype == (np.float32 if dtype == "complex64" else dtype)
    assert_near(run("svd", a, compute_uv=False, full_matrices=full), s)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh(run, rng, dtype, shape, uplo):
    a = numbers(rng, shape, dtype)
    a = a + adjoint(a)
    half = np.tril(a) if uplo == "L" else np.triu(a)
    w, v = run("eigh", half, uplo=uplo, compute_vectors=True)
    assert_near(a @ v, v * w[..., None, :])
    assert np.all(np.diff(w) >= 0)
    assert_near(run("eigh", half, uplo=uplo, compute_vectors=False), w)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_eig(run, rng, dtype, shape):
    a = numbers(rng, shape, dtype)
    w, v = run("eig", a, compute_vectors=True)
    assert w.dtype == v.dtype == np.complex64
    assert_near((a @ v).astype(np.complex64), v * w[..., None, :])
    np.testing.assert_allclose(np.linalg.norm(v, axis=-2), 1, rtol=1e-5)
    alone = run("eig", a, compute_vectors=False)
    assert_near(np.sort_complex(alone.round(4)), np.sort_complex(w.round(4)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES + OBLONG)
def test_lu(run, rng, dtype, shape):
    a = numbers(rng, shape, dtype)
    packed, pivots, order = run("lu", a)
    k = min(shape[-2:])
    lower = np.tril(packed[..., :k], -1) + np.eye(shape[-2], k, dtype=dtype)
    upper = np.triu(packed[..., :k, :])
    assert_near(lower @ upper, np.take_along_axis(a, order[..., None].astype(int), -2))
    assert pivots.shape == (*shape[:-2], k)
    assert pivots.dtype == order.dtype == np.uint32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_inverse(run, rng, dtype, shape):
    a = positive(rng, shape, dtype)
    assert_near(run("inv", a) @ a, np.broadcast_to(np.eye(shape[-1], dtype=dtype), shape))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("columns", [1, 3])
def test_solve(run, rng, dtype, shape, columns):
    a, x = positive(rng, shape, dtype), numbers(rng, (*shape[:-1], columns), dtype)
    assert_near(run("solve", a, a @ x), x)
    for upper in (False, True):
        half = np.triu(a) if upper else np.tril(a)
        assert_near(run("solve_triangular", half, half @ x, upper=upper), x)


@pytest.mark.parametrize("name", ["solve", "solve_triangular"])
def test_leading_axes_of_a_system_broadcast(run, rng, name):
    a = np.tril(positive(rng, (2, 1, 3, 3), "float64"))
    x = numbers(rng, (2, 4, 3, 2), "float64")
    parameters = {"upper": False} if name == "solve_triangular" else {}
    assert_near(run(name, a, a @ x, **parameters), x)
    same = np.broadcast_to(x[:1, :1], (2, 1, 3, 2))
    assert_near(run(name, a[0, 0], a[0, 0] @ x[0, 0], **parameters), x[0, 0])
    assert_near(run(name, a, (a @ same)[0], **parameters)[0], same[0])


def test_operands_may_be_strided_and_stay_as_they_are(run, rng):
    a = np.asfortranarray(positive(rng, (6, 6), "float64"))
    before = a.copy()
    assert_near(run("inv", a) @ a, np.eye(6))
    assert_near(run("inv", a[::-1, ::-1]) @ a[::-1, ::-1], np.eye(6))
    assert np.array_equal(a, before)


@pytest.mark.parametrize(
    ("name", "parameters", "what"),
    [
        ("inv", {}, "singular"),
        ("solve", {}, "singular"),
        ("solve_triangular", {"upper": True}, "singular"),
        ("cholesky", {"upper": False}, "not positive definite"),
    ],
)
def test_a_matrix_of_zeros_is_an_error_that_names_the_cause(run, name, parameters, what):
    operands = [np.zeros((2, 3, 3), np.float32)] * (2 if name.startswith("solve") else 1)
    with pytest.raises(RuntimeError, match=f"{name}: the matrix is {what}"):
        run(name, *operands, **parameters)


def test_nan_gives_nan_in_its_own_matrix_only(run, rng):
    a = positive(rng, (2, 4, 4), "float32")
    a[1, 2, 1] = np.nan
    for name, parameters in [
        ("cholesky", {"upper": False}),
        ("qr", {"complete": False}),
        ("svd", {"compute_uv": True, "full_matrices": True}),
        ("eigh", {"uplo": "L", "compute_vectors": True}),
        ("eig", {"compute_vectors": True}),
        ("inv", {}),
    ]:
        found = run(name, a, **parameters)
        for part in found if isinstance(found, tuple) else (found,):
            assert np.isfinite(part[0]).all()
            assert np.isnan(part[1]).any()


def test_where_lapack_iterates_infinity_gives_nan_too(run, rng):
    a = positive(rng, (4, 4), "float32")
    a[0, 0] = np.inf
    for name, parameters in [
        ("svd", {"compute_uv": False, "full_matrices": True}),
        ("eigh", {"uplo": "L", "compute_vectors": False}),
        ("eig", {"compute_vectors": False}),
    ]:
        assert np.isnan(run(name, a, **parameters)).all()


def test_empty_matrices_are_left_to_the_caller(run):
    assert run("inv", np.zeros((0, 0), np.float32)) is NotImplemented
    assert run("qr", np.zeros((3, 0), np.float32), complete=False) is NotImplemented


def test_other_dtypes_have_no_kernel():
    assert _kernels.kernel("inv", (9,)) is None
    assert _kernels.kernel("solve", (11, 12)) is None
