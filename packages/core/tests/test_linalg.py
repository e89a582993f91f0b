"""mx.linalg against NumPy in float64, its errors, and derivatives against differences."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import monel.core as mx
from monel.core.execute.fallback import on_host
from monel.core.graph.primitive import REGISTRY

RNG = np.random.default_rng(7)
TALL, WIDE, SQUARE = (
    RNG.standard_normal((4, 2)),
    RNG.standard_normal((2, 4)),
    RNG.standard_normal((3, 3)),
)
BATCH = RNG.standard_normal((2, 3, 3))
SYMMETRIC = SQUARE @ SQUARE.T + 3 * np.eye(3)
COMPLEX = SQUARE + 1j * RNG.standard_normal((3, 3))
HERMITIAN = COMPLEX @ COMPLEX.conj().T + 3 * np.eye(3)
ROOM = {"float32": 2e-4, "float64": 1e-10, "complex64": 2e-4}


def array(x, dtype=None):
    if dtype is None:
        dtype = mx.complex64 if np.iscomplexobj(x) else mx.float64
    return mx.array(x, dtype=dtype)


def numbers(x):
    return np.asarray(np.array(x), np.result_type(np.array(x).dtype, np.float64))


def assert_near(found, want, dtype):
    found, want = numbers(found), np.asarray(want)
    assert found.shape == want.shape
    np.testing.assert_allclose(found, want, rtol=ROOM[dtype], atol=ROOM[dtype])


AGREEING = {
    "cholesky": (lambda a: mx.linalg.cholesky(a @ mx.conj(mx.swapaxes(a, -1, -2))),
                 lambda a: np.linalg.cholesky(a @ np.conj(np.swapaxes(a, -1, -2)))),
    "det": (mx.linalg.det, np.linalg.det),
    "inv": (mx.linalg.inv, np.linalg.inv),
    "logabsdet": (lambda a: mx.linalg.slogdet(a).logabsdet, lambda a: np.linalg.slogdet(a)[1]),
    "sign": (lambda a: mx.linalg.slogdet(a).sign, lambda a: np.linalg.slogdet(a)[0]),
    "matrix_power": (lambda a: mx.linalg.matrix_power(a, -3),
                     lambda a: np.linalg.matrix_power(a, -3)),
    "square": (lambda a: mx.linalg.matrix_power(a, 6), lambda a: np.linalg.matrix_power(a, 6)),
    "one": (lambda a: mx.linalg.matrix_power(a, 0), lambda a: np.linalg.matrix_power(a, 0)),
    "matrix_rank": (mx.linalg.matrix_rank, np.linalg.matrix_rank),
    "pinv": (mx.linalg.pinv, np.linalg.pinv),
    "svdvals": (mx.linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False)),
    "eigvalsh": (mx.linalg.eigvalsh, np.linalg.eigvalsh),
    "upper": (lambda a: mx.linalg.eigvalsh(a, "U"), lambda a: np.linalg.eigvalsh(a, "U")),
    "tri_inv": (mx.linalg.tri_inv, lambda a: np.linalg.inv(np.tril(a))),
    "tri_inv_upper": (lambda a: mx.linalg.tri_inv(a, True), lambda a: np.linalg.inv(np.triu(a))),
    "diagonal": (lambda a: mx.linalg.diagonal(a, offset=1),
                 lambda a: np.diagonal(a, 1, -2, -1)),
    "trace": (mx.linalg.trace, lambda a: np.trace(a, 0, -2, -1)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("name", AGREEING)
def test_it_agrees_with_numpy(name, dtype):
    ours, theirs = AGREEING[name]
    for x in (SQUARE, BATCH):
        x = x + 0.3j * np.arange(9).reshape(3, 3) if dtype == "complex64" else x
        x = x.astype(dtype)
        wide = x.astype(np.result_type(x.dtype, np.float64))
        assert_near(ours(mx.array(x, dtype=getattr(mx, dtype))), theirs(wide), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("x", [SQUARE, TALL, WIDE, BATCH], ids=["square", "tall", "wide", "batch"])
def test_factors_multiply_to_the_matrix(x, dtype):
    x = (x + 0.3j * x[..., ::-1, :] if dtype == "complex64" else x).astype(dtype)
    a = mx.array(x, dtype=getattr(mx, dtype))
    q, r = mx.linalg.qr(a)
    assert_near(q @ r, x, dtype)
    q, r = mx.linalg.qr(a, mode="complete")
    assert q.shape[-1] == q.shape[-2] == x.shape[-2]
    assert_near(q @ r, x, dtype)
    for full in (False, True):
        u, s, vh = mx.linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        assert_near(u[..., :k] * mx.expand_dims(s, -2) @ vh[..., :k, :], x, dtype)
    p, lower, upper = mx.linalg.lu(a)
    assert_near(
        mx.take_along_axis(lower @ upper, mx.broadcast_to(p[..., None], a.shape), -2), x, dtype
    )
    packed, pivots = mx.linalg.lu_factor(a)
    assert pivots.dtype is mx.uint32
    assert_near(mx.triu(packed)[..., : min(x.shape[-2:]), :], numbers(upper), dtype)


def test_eigenvectors_are_stretched_by_eigenvalues():
    w, v = mx.linalg.eigh(array(HERMITIAN))
    assert_near(array(HERMITIAN) @ v, numbers(v) * numbers(w), "complex64")
    w, v = mx.linalg.eig(array(SQUARE))
    assert_near(array(SQUARE, mx.complex64) @ v, numbers(v) * numbers(w), "complex64")
    assert_near(mx.linalg.eigvals(array(SQUARE)), numbers(w), "complex64")


def test_a_cholesky_factor_solves_for_the_inverse():
    for upper in (False, True):
        factor = mx.linalg.cholesky(array(SYMMETRIC), upper=upper)
        found = mx.linalg.cholesky_inv(factor, upper=upper)
        assert_near(found, np.linalg.inv(SYMMETRIC), "float64")


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3,)), ((2, 3, 3), (2, 3, 2)),
     ((3, 3), (4, 3, 2)), ((2, 1, 3, 3), (4, 3, 2)), ((2, 3, 3), (3, 1))],
)  # fmt: skip
def test_solutions_broadcast(a, b):
    x = RNG.standard_normal(a) + 4 * np.eye(3)
    y = RNG.standard_normal(b)
    right = y[:, None] if y.ndim == 1 else y
    for ours, full in [
        (mx.linalg.solve, x),
        (mx.linalg.solve_triangular, np.tril(x)),
        (lambda p, q: mx.linalg.solve_triangular(p, q, upper=True), np.triu(x)),
    ]:
        want = np.linalg.solve(full, right)
        assert_near(ours(array(x), array(y)), want[..., 0] if y.ndim == 1 else want, "float64")


ORDERS = [None, 0, 1, 2, 3, 0.5, -1, -2, float("inf"), float("-inf")]


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms_agree_with_numpy(ord, keepdims):
    for x in (TALL, COMPLEX.astype("complex64")):
        want = np.linalg.norm(x, ord, 1, keepdims)
        dtype = "complex64" if np.iscomplexobj(x) else "float64"
        assert_near(mx.linalg.norm(array(x), ord, 1, keepdims), want, dtype)
        if ord is not None:
            found = mx.linalg.vector_norm(array(x), axis=1, keepdims=keepdims, ord=ord)
            assert_near(found, want, dtype)


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf")])
@pytest.mark.parametrize("axis", [(0, 1), (2, 0), (-1, -2)])
def test_matrix_norms_agree_with_numpy(ord, axis):
    for keepdims in (False, True):
        want = np.linalg.norm(BATCH, ord, axis, keepdims)
        assert_near(mx.linalg.norm(array(BATCH), ord, list(axis), keepdims), want, "float64")
    if axis == (-1, -2) and ord is not None:
        want = np.linalg.norm(BATCH, ord, (-2, -1))
        assert_near(mx.linalg.matrix_norm(array(BATCH), ord=ord), want, "float64")


def test_a_norm_is_real_and_has_the_floating_dtype_of_its_operand():
    assert mx.linalg.norm(array(COMPLEX), 1).dtype is mx.float32
    assert mx.linalg.norm(mx.array([3, 4])).item() == 5
    half = mx.array([300.0, 400.0], dtype=mx.float16)
    assert (mx.linalg.norm(half).item(), mx.linalg.norm(half).dtype) == (500, mx.float16)
    assert mx.linalg.vector_norm(mx.ones((2, 3, 4))).item() == pytest.approx(24**0.5)


def test_the_cross_product_takes_two_or_three_entries():
    for a, b in [((3,), (3,)), ((4, 3), (3,)), ((4, 2), (4, 2)), ((2,), (3,))]:
        x, y = RNG.standard_normal(a), RNG.standard_normal(b)
        wide = [np.concatenate([v, np.zeros((*v.shape[:-1], 3 - v.shape[-1]))], -1) for v in (x, y)]
        assert_near(mx.linalg.cross(array(x), array(y)), np.cross(*wide), "float64")
    found = mx.linalg.cross(array(SQUARE), array(SYMMETRIC), axis=0)
    assert_near(found, np.cross(SQUARE, SYMMETRIC, axis=0), "float64")
    with pytest.raises(ValueError, match="cross: The specified axis must have size 2 or 3"):
        mx.linalg.cross(mx.ones(4), mx.ones(3))


SINGULAR = {
    "inv": lambda a: mx.linalg.inv(a),
    "solve": lambda a: mx.linalg.solve(a, mx.ones(2)),
    "solve_triangular": lambda a: mx.linalg.solve_triangular(a, mx.ones(2)),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_a_singular_matrix_is_an_error_that_names_the_function(name):
    good = mx.linalg.inv(mx.array([[2.0, 0.0], [0.0, 2.0]]))
    bad = SINGULAR[name](mx.stack([mx.eye(2), mx.zeros((2, 2))]))
    with pytest.raises(mx.linalg.LinAlgError, match=f"{name}: the matrix is singular") as caught:
        mx.eval(bad)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, np.linalg.LinAlgError)
    assert good[0, 0].item() == 0.5


def test_a_matrix_that_is_not_positive_definite_is_an_error():
    with pytest.raises(RuntimeError, match="cholesky: the matrix is not positive definite"):
        mx.eval(mx.linalg.cholesky(mx.array([[1.0, 2.0], [2.0, 1.0]])))


def test_the_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(mx.linalg.LinAlgError("inv: no")))
    assert (type(error), str(error)) == (mx.linalg.LinAlgError, "inv: no")


def test_linear_algebra_is_imported_at_first_use_and_without_numpy():
    code = (
        "import sys, monel.core as mx; assert 'monel.core.linalg' not in sys.modules; "
        "mx.linalg.inv; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def host_calls(name):
    found = [(r["calls"], r["bytes"]) for r in mx.fallback_report() if r["primitive"] == name]
    return found[0] if found else (0, 0)


def test_what_the_host_computes_by_design_is_reported_without_a_warning(recwarn):
    a = mx.array([[2.0, 0.0], [0.0, 4.0]])
    mx.eval(a)
    target, before = a.value.stream.target, host_calls("inv")
    old = mx.fallback("error")
    try:
        made = on_host(target, REGISTRY["inv"](), (a.value.aval,), (a.value.buffer,))
    finally:
        mx.fallback(old)
    found = target.backend.to_host(made, (2, 2), mx.float32)
    assert np.frombuffer(found, np.float32).tolist() == [0.5, 0, 0, 0.25]
    assert host_calls("inv") == (before[0] + 1, before[1] + 16)
    assert not recwarn.list


def test_nan_stays_in_its_own_matrix():
    x = np.stack([SYMMETRIC, SYMMETRIC])
    x[1, 2, 1] = np.nan
    named = ["inv", "cholesky", "svdvals", "eigvalsh", "eigvals", "pinv"]
    for f in (
        *[getattr(mx.linalg, name) for name in named],
        lambda a: mx.linalg.qr(a)[1],
        lambda a: mx.linalg.eigh(a)[1],
        lambda a: mx.linalg.solve(a, mx.ones(3)),
    ):
        found = np.array(f(array(x)))
        assert np.isfinite(found[0]).all()
        assert np.isnan(found[1]).any()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
def test_empty_matrices_have_empty_results(shape):
    a = mx.zeros(shape)
    vector, matrix = (*shape[:-2], shape[-1]), shape
    assert mx.linalg.inv(a).tolist() == a.tolist()
    assert mx.linalg.cholesky(a).shape == mx.linalg.pinv(a).shape == matrix
    assert [x.shape for x in mx.linalg.eigh(a)] == [vector, matrix]
    assert [x.shape for x in mx.linalg.eig(a)] == [vector, matrix]
    assert [x.shape for x in mx.linalg.svd(a)] == [matrix, vector, matrix]
    assert [x.shape for x in mx.linalg.lu(a)] == [vector, matrix, matrix]
    assert np.array(mx.linalg.det(a)).tolist() == np.linalg.det(np.zeros(shape)).tolist()
    assert mx.linalg.solve(a, mx.zeros((shape[-1], 2))).shape == (*shape[:-1], 2)
    assert mx.linalg.matrix_rank(a).tolist() == np.zeros(shape[:-2]).tolist()
    assert mx.linalg.norm(a).item() == 0


@pytest.mark.parametrize("shape", [(3, 0), (0, 3)])
def test_matrices_without_rows_or_columns_factor(shape):
    a = mx.zeros(shape)
    q, r = mx.linalg.qr(a)
    u, s, vh = mx.linalg.svd(a)
    assert (q.shape, r.shape, s.shape) == ((shape[0], 0), (0, shape[1]), (0,))
    assert (u.tolist(), vh.tolist()) == (np.eye(shape[0]).tolist(), np.eye(shape[1]).tolist())
    assert mx.linalg.pinv(a).shape == shape[::-1]


@pytest.mark.parametrize(
    "name", ["cholesky", "cholesky_inv", "det", "eig", "eigh", "inv", "slogdet", "tri_inv"]
)
def test_oblong_matrices_are_refused_where_square_ones_are_due(name):
    with pytest.raises(ValueError, match="only defined for square matrices, got float32"):
        getattr(mx.linalg, name)(mx.ones((2, 3)))


def test_other_wrong_arguments_say_what_is_due():
    with pytest.raises(ValueError, match="UPLO must be 'L' or 'U', got 'X'"):
        mx.linalg.eigh(mx.eye(2), "X")
    with pytest.raises(ValueError, match="mode must be 'reduced' or 'complete'"):
        mx.linalg.qr(mx.eye(2), mode="full")
    with pytest.raises(ValueError, match="solve: the last axis of the matrix"):
        mx.linalg.solve(mx.eye(2), mx.ones(3))
    with pytest.raises(ValueError, match="Second input must have >= 1 dimensions"):
        mx.linalg.solve(mx.eye(2), mx.array(1.0))
    with pytest.raises(ValueError, match="Norm 'fro' only supported for matrices"):
        mx.linalg.norm(mx.ones(3), "fro")
    with pytest.raises(ValueError, match="Invalid ord 3 for matrix norm"):
        mx.linalg.norm(mx.eye(2), 3)
    with pytest.raises(ValueError, match="Received too many axes for norm"):
        mx.linalg.norm(mx.ones((2, 2, 2)), 2)
    with pytest.raises(IndexError, match="norm: duplicate axes"):
        mx.linalg.norm(mx.eye(2), axis=[0, 0])


def slopes(f, x, step=1e-6):
    """The derivatives of a real function by central differences, in float64."""
    found = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[place] += step
        behind[place] -= step
        found[place] = (f(array(ahead)).item() - f(array(behind)).item()) / (2 * step)
    return found


def weighted(*arrays):
    """A sum that tells all entries apart."""
    return sum(
        mx.sum(a * mx.cos(mx.arange(a.size).astype(a.dtype)).reshape(a.shape)) for a in arrays
    )


GRADIENTS = {
    "cholesky": (lambda a: weighted(mx.linalg.cholesky(a)), SYMMETRIC),
    "cholesky_upper": (lambda a: weighted(mx.linalg.cholesky(a, upper=True)), SYMMETRIC),
    "cholesky_inv": (lambda a: weighted(mx.linalg.cholesky_inv(a)), SYMMETRIC),
    "det": (lambda a: weighted(mx.linalg.det(a)), BATCH),
    "slogdet": (lambda a: weighted(*mx.linalg.slogdet(a)), BATCH),
    "inv": (lambda a: weighted(mx.linalg.inv(a)), BATCH),
    "pinv_tall": (lambda a: weighted(mx.linalg.pinv(a)), TALL),
    "pinv_wide": (lambda a: weighted(mx.linalg.pinv(a)), WIDE),
    "qr_tall": (lambda a: weighted(*mx.linalg.qr(a)), TALL),
    "qr_wide": (lambda a: weighted(*mx.linalg.qr(a)), WIDE),
    "qr_batch": (lambda a: weighted(*mx.linalg.qr(a)), BATCH),
    "lu_tall": (lambda a: weighted(*mx.linalg.lu(a)[1:]), TALL),
    "lu_wide": (lambda a: weighted(*mx.linalg.lu(a)[1:]), WIDE),
    "lu_batch": (lambda a: weighted(mx.linalg.lu_factor(a)[0]), BATCH),
    "svd_tall": (lambda a: weighted(*mx.linalg.svd(a, full_matrices=False)), TALL),
    "svd_wide": (lambda a: weighted(*mx.linalg.svd(a, full_matrices=False)), WIDE),
    "svdvals": (lambda a: weighted(mx.linalg.svdvals(a)), BATCH),
    "eigh": (lambda a: weighted(*mx.linalg.eigh(a)), SYMMETRIC),
    "eigh_upper": (lambda a: weighted(*mx.linalg.eigh(a, "U")), SYMMETRIC),
    "eigvalsh": (lambda a: weighted(mx.linalg.eigvalsh(a)), BATCH),
    "lu_product": (lambda a: weighted(mx.linalg.lu(a)[1][mx.linalg.lu(a)[0]]), SQUARE),
    "solve": (lambda a: weighted(mx.linalg.solve(a, mx.cos(a[..., :2]))), BATCH),
    "solve_vector": (lambda a: weighted(mx.linalg.solve(a, a[0, 0])), BATCH),
    "solve_shared": (lambda a: weighted(mx.linalg.solve(a[0], a)), BATCH),
    "solve_triangular": (lambda a: weighted(mx.linalg.solve_triangular(a, a[0])), BATCH),
    "tri_inv": (lambda a: weighted(mx.linalg.tri_inv(a, True)), BATCH),
    "matrix_power": (lambda a: weighted(mx.linalg.matrix_power(a, -3)), SYMMETRIC / 3),
    "cross": (lambda a: weighted(mx.linalg.cross(a, a[0])), BATCH),
    **{f"norm_{o}": (lambda a, o=o: weighted(mx.linalg.norm(a, o, 1)), TALL) for o in ORDERS},
    **{f"matrix_norm_{o}": (lambda a, o=o: weighted(mx.linalg.matrix_norm(a, ord=o)), BATCH)
       for o in ("fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf"))},
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_agree_with_differences(name):
    f, x = GRADIENTS[name]
    found = np.array(mx.grad(f)(array(x)))
    np.testing.assert_allclose(
        found, slopes(f, x), rtol=1e-6, atol=2e-6 * max(1, np.abs(found).max())
    )
    _, (pushed,) = mx.jvp(f, [array(x)], [array(np.cos(x))])
    assert pushed.item() == pytest.approx(np.sum(found * np.cos(x)), rel=1e-8, abs=1e-8)


def test_the_full_vectors_of_a_decomposition_keep_projectors_differentiable():
    """U2 U2^H = 1 - U1 U1^H, whatever basis of the complement U2 holds."""
    w = array(RNG.standard_normal((4, 4)))

    def rest(a, basis):
        return mx.sum(w * (basis[:, 2:] @ basis[:, 2:].T))

    for f in (
        lambda a: rest(a, mx.linalg.svd(a)[0]),
        lambda a: rest(a, mx.linalg.svd(a.T)[2].T),
        lambda a: rest(a, mx.linalg.qr(a, mode="complete")[0]),
    ):
        np.testing.assert_allclose(np.array(mx.grad(f)(array(TALL))), slopes(f, TALL), atol=1e-6)


def test_gradients_of_complex_factors_are_those_of_what_they_multiply_to():
    """abs(X)^2-like functions that do not depend on the phases of vectors, against closed forms."""
    a = array(COMPLEX)

    def both(f, g):
        want = np.array(mx.grad(g)(a))
        np.testing.assert_allclose(np.array(mx.grad(f)(a)), want, rtol=2e-3, atol=2e-3)

    square = lambda x: mx.sum(mx.real(x * mx.conj(x)))  # noqa: E731

    def through_svd(x):
        u, s, vh = mx.linalg.svd(x)
        return mx.real(mx.sum((u * s**3 @ vh)[0]))

    def through_eigh(x):
        w, v = mx.linalg.eigh(x + mx.conj(x.T))
        return mx.real(mx.sum((v * w**3 @ mx.conj(v.T))[0]))

    def through_eig(x):
        w, v = mx.linalg.eig(x)
        return mx.real(mx.sum((v * w**3 @ mx.linalg.inv(v))[0]))

    def through_qr(x):
        q, r = mx.linalg.qr(x)
        return mx.real(mx.sum((q @ (r @ r @ q))[0]))

    def cube(x):
        return x @ mx.conj(x.T) @ x

    both(through_svd, lambda x: mx.real(mx.sum(cube(x)[0])))
    both(through_eigh, lambda x: mx.real(mx.sum(mx.linalg.matrix_power(x + mx.conj(x.T), 3)[0])))
    both(through_eig, lambda x: mx.real(mx.sum(mx.linalg.matrix_power(x, 3)[0])))
    both(lambda x: square(mx.linalg.inv(x)), lambda x: square(mx.linalg.solve(x, mx.eye(3))))
    both(lambda x: mx.linalg.slogdet(x)[1], lambda x: mx.log(mx.abs(mx.linalg.det(x))))
    both(lambda x: square(mx.linalg.pinv(x)), lambda x: square(mx.linalg.inv(x)))
    both(lambda x: mx.sum(mx.linalg.eigvalsh(x @ mx.conj(x.T))), square)
    both(lambda x: square(mx.linalg.cholesky(x @ mx.conj(x.T) + mx.eye(3))), square)
    both(lambda x: mx.sum(mx.linalg.svdvals(x) ** 2), square)
    assert np.isfinite(np.array(mx.grad(through_qr)(a))).all()


def test_the_gradient_of_a_determinant_holds_for_singular_matrices():
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    want = slopes(mx.linalg.det, singular)
    np.testing.assert_allclose(np.array(mx.grad(mx.linalg.det)(array(singular))), want, atol=1e-6)
    assert np.abs(np.array(mx.grad(mx.linalg.det)(mx.zeros((3, 3))))).max() < 1e-12


@pytest.mark.parametrize("ord", [None, 1, 2, 3, "fro"])
def test_the_gradient_of_a_norm_at_zero_is_zero(ord):
    axis = None if ord == "fro" else 0
    f = lambda a: mx.sum(mx.linalg.norm(a, ord, axis))  # noqa: E731
    assert mx.grad(f)(mx.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]


def test_equal_singular_values_leave_gradients_that_exist_finite():
    nuclear = mx.grad(lambda a: mx.linalg.norm(a, "nuc"))(2 * mx.eye(3, dtype=mx.float64))
    np.testing.assert_allclose(np.array(nuclear), np.eye(3), atol=1e-12)

    def projector(a):
        w, v = mx.linalg.eigh(a)
        return mx.sum((v * mx.exp(w) @ v.T) * mx.eye(3))

    found = mx.grad(projector)(mx.eye(3, dtype=mx.float64))
    np.testing.assert_allclose(np.array(found), np.e * np.eye(3), atol=1e-12)


def test_second_derivatives_of_log_determinants_are_exact():
    def f(a):
        return mx.linalg.slogdet(a)[1]

    def slope(a):
        return weighted(mx.grad(f)(a))

    want = slopes(slope, SYMMETRIC)
    np.testing.assert_allclose(np.array(mx.grad(slope)(array(SYMMETRIC))), want, atol=1e-6)


@pytest.mark.parametrize("name", ["cholesky", "det", "inv", "pinv", "svdvals", "eigvalsh"])
def test_vmap_and_compile_keep_the_values(name):
    f = getattr(mx.linalg, name)
    rows = mx.stack([array(SYMMETRIC), array(SYMMETRIC) * 2])
    want = [np.array(f(row)) for row in rows]
    np.testing.assert_allclose(np.array(mx.vmap(f)(rows)), want, rtol=1e-12)
    np.testing.assert_allclose(np.array(mx.compile(f)(rows)), want, rtol=1e-12)
    along = mx.vmap(f, in_axes=2)(mx.moveaxis(rows, 0, 2))
    np.testing.assert_allclose(np.array(along), want, rtol=1e-12)
    slopes_of = mx.vmap(mx.grad(lambda a: mx.sum(f(a))))(rows)
    alone = [np.array(mx.grad(lambda a: mx.sum(f(a)))(row)) for row in rows]
    np.testing.assert_allclose(np.array(slopes_of), alone, rtol=1e-9, atol=1e-12)


def test_vmap_over_right_sides_shares_the_matrix():
    right = array(RNG.standard_normal((5, 3, 2)))
    found = mx.vmap(mx.linalg.solve, in_axes=(None, 0))(array(SYMMETRIC), right)
    want = np.linalg.solve(SYMMETRIC, np.array(right))
    np.testing.assert_allclose(np.array(found), want, rtol=1e-10)


def test_a_rank_can_be_told_with_a_tolerance_for_each_matrix():
    a = mx.array([[[1.0, 0.0], [0.0, 0.01]]] * 2)
    assert mx.linalg.matrix_rank(a, rtol=mx.array([0.1, 0.001])).tolist() == [1, 2]
    found = mx.linalg.pinv(a, rtol=mx.array([0.1, 0.001]))
    assert found[:, 1, 1].tolist() == pytest.approx([0, 100])
    with pytest.raises(ValueError, match="rtol must fit the batch axes"):
        mx.linalg.matrix_rank(mx.eye(2), rtol=mx.array([0.1]))


def test_operands_stay_as_they_are():
    a = array(SYMMETRIC)
    mx.eval(mx.linalg.inv(a), mx.linalg.cholesky(a), mx.linalg.eigh(a), mx.linalg.svd(a))
    np.testing.assert_array_equal(np.array(a), SYMMETRIC)


def test_results_of_several_parts_are_named():
    assert mx.linalg.eigh(mx.eye(2)).eigenvalues.tolist() == [1, 1]
    assert mx.linalg.slogdet(mx.eye(2)).sign.item() == 1
    assert mx.linalg.svd(mx.eye(2)).S.tolist() == [1, 1]
    assert mx.linalg.qr(mx.eye(2)).R.shape == (2, 2)


def test_matrix_norm_of_the_main_namespace_is_norm_as_in_mlx():
    x = array(BATCH)
    assert mx.matrix_norm(x).item() == pytest.approx(np.linalg.norm(BATCH.ravel()))
    assert mx.linalg.matrix_norm(x).shape == (2,)
