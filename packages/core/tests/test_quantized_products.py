"""Products with packed matrices against products with what they stand for; their derivatives."""

import numpy as np
import pytest

import monel.core as mx

MODES = [
    *[("affine", group, bits) for group in (32, 64, 128) for bits in (1, 2, 3, 4, 5, 6, 8)],
    ("mxfp4", 32, 4),
    ("mxfp8", 32, 8),
    ("nvfp4", 16, 4),
]
RNG = np.random.default_rng(11)


def draw(*shape, dtype=mx.float32):
    return mx.array(RNG.standard_normal(shape).astype("float32")).astype(dtype)


def options(mode, group_size, bits):
    return {"mode": mode, "group_size": group_size, "bits": bits}


def unpacked(packed, **settings):
    """Return what a packed matrix stands for, in float64."""
    return np.array(mx.dequantize(*packed, dtype=mx.float32, **settings), "float64")


def close(got, want, rtol=2e-5):
    got = np.array(got.astype(mx.float32), "float64")
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= rtol * max(np.max(np.abs(want), initial=0), 1)


@pytest.mark.parametrize("case", MODES, ids=lambda c: "-".join(map(str, c)))
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_products_with_a_packed_matrix_and_with_its_transpose(case, rows):
    settings = options(*case)
    packed = mx.quantize(draw(70, 256), **settings)
    w = unpacked(packed, **settings)
    x, y = draw(rows, 256), draw(rows, 70)
    close(mx.quantized_matmul(x, *packed, **settings), np.array(x, "float64") @ w.T)
    got = mx.quantized_matmul(y, *packed, transpose=False, **settings)
    close(got, np.array(y, "float64") @ w)


@pytest.mark.parametrize("dtype, rtol", [(mx.float16, 2e-3), (mx.bfloat16, 2e-2)])
@pytest.mark.parametrize("mode", ["affine", "mxfp4", "nvfp4"])
@pytest.mark.parametrize("rows", [1, 24])
def test_products_of_half_types_have_their_dtype(mode, dtype, rtol, rows):
    packed = mx.quantize(draw(48, 128, dtype=dtype), mode=mode)
    x = draw(rows, 128, dtype=dtype)
    got = mx.quantized_matmul(x, *packed, mode=mode)
    assert got.dtype == dtype
    want = np.array(x.astype(mx.float32), "float64") @ unpacked(packed, mode=mode).T
    close(got, want, rtol)


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize(
    "x_shape, w_shape",
    [
        ((64,), (64, 64)),
        ((64,), (3, 64, 64)),
        ((2, 5, 64), (64, 64)),
        ((3, 5, 64), (3, 64, 64)),
        ((2, 1, 5, 64), (3, 64, 64)),
        ((5, 64), (2, 3, 64, 64)),
        ((2, 0, 64), (64, 64)),
    ],
)
def test_leading_axes_broadcast_as_in_matmul(x_shape, w_shape, transpose):
    x, packed = draw(*x_shape), mx.quantize(draw(*w_shape))
    w = unpacked(packed)
    want = np.array(x, "float64") @ (w.swapaxes(-1, -2) if transpose else w)
    close(mx.quantized_matmul(x, *packed, transpose=transpose), want)


def test_operands_of_other_layouts_give_the_same():
    packed = mx.quantize(draw(64, 128))
    x = draw(128, 6)
    turned = [mx.contiguous(v.T).T for v in packed]
    want = unpacked(packed)
    close(mx.quantized_matmul(x.T, *turned), np.array(x, "float64").T @ want.T)
    close(
        mx.quantized_matmul(x[:64].T, *turned, transpose=False),
        np.array(x[:64], "float64").T @ want,
    )


def test_dtypes_meet_as_in_mlx():
    packed = mx.quantize(draw(8, 64))
    half = [packed[0], *[v.astype(mx.float16) for v in packed[1:]]]
    assert mx.quantized_matmul(draw(2, 64, dtype=mx.float16), *packed).dtype == mx.float32
    assert mx.quantized_matmul(draw(2, 64), *half).dtype == mx.float32
    assert mx.quantized_matmul(draw(2, 64, dtype=mx.bfloat16), *half).dtype == mx.float32
    assert mx.quantized_matmul(mx.ones((2, 64), dtype=mx.int32), *packed).dtype == mx.float32
    assert mx.quantized_matmul(draw(2, 64, dtype=mx.float64), *packed).dtype == mx.float64


@pytest.mark.parametrize("mode", ["affine", "nvfp4"])
@pytest.mark.parametrize("transpose", [True, False])
def test_the_gradient_by_x_is_the_product_turned_the_other_way(mode, transpose):
    packed = mx.quantize(draw(64, 64), mode=mode)
    w = unpacked(packed, mode=mode)
    x, ct = draw(2, 3, 64), draw(2, 3, 64)
    f = lambda x: mx.quantized_matmul(x, *packed, transpose=transpose, mode=mode)  # noqa: E731
    _, (grad,) = mx.vjp(f, [x], [ct])
    close(grad, np.array(ct, "float64") @ (w if transpose else w.T))
    _, (pushed,) = mx.jvp(f, [x], [ct])
    close(pushed, np.array(ct, "float64") @ (w.T if transpose else w))


def test_gradients_by_scales_and_biases_are_those_of_the_unpacked_product():
    words, scales, biases = mx.quantize(draw(6, 64), 32)
    x = draw(2, 3, 64)

    def packed(x, s, b):
        return mx.sum(mx.quantized_matmul(x, words, s, b, group_size=32) ** 2)

    def plain(x, s, b):
        return mx.sum((x @ mx.dequantize(words, s, b, 32).T) ** 2)

    got, want = (mx.grad(f, argnums=(0, 1, 2))(x, scales, biases) for f in (packed, plain))
    for a, b in zip(got, want, strict=True):
        close(a, np.array(b, "float64"))


def test_packed_weights_have_no_gradient():
    packed = mx.quantize(draw(6, 64))
    with pytest.raises(ValueError, match="quantized weights"):
        mx.grad(lambda w: mx.sum(mx.quantized_matmul(draw(2, 64), w, *packed[1:])))(packed[0])


def test_vmap_over_x_and_over_packed_matrices():
    x, packed = draw(4, 3, 64), mx.quantize(draw(4, 6, 64))
    w = unpacked(packed)
    shared = [v[0] for v in packed]
    got = mx.vmap(lambda x: mx.quantized_matmul(x, *shared), in_axes=1, out_axes=1)(x)
    close(got, np.array(x, "float64") @ w[0].T)
    got = mx.vmap(lambda x, *q: mx.quantized_matmul(x, *q), in_axes=(None, 0, 0, 0))(x[0], *packed)
    close(got, np.array(x[0], "float64") @ w.swapaxes(1, 2))
    got = mx.vmap(lambda s: mx.quantized_matmul(x[0], shared[0], s, shared[2]))(packed[1])
    assert got.shape == (4, 3, 6)


def test_a_shapeless_product_takes_any_number_of_rows():
    packed = mx.quantize(draw(6, 64))
    f = mx.compile(mx.grad(lambda x: mx.sum(mx.quantized_matmul(x, *packed) ** 2)), shapeless=True)
    for rows in (2, 5):
        x = draw(rows, 64)
        w = unpacked(packed)
        close(f(x), 2 * np.array(x, "float64") @ w.T @ w)


@pytest.mark.parametrize("case", MODES[::5], ids=lambda c: "-".join(map(str, c)))
@pytest.mark.parametrize("transpose", [True, False])
def test_gather_qmm_multiplies_chosen_matrices(case, transpose):
    settings = options(*case)
    x, packed = draw(2, 3, 5, 128), mx.quantize(draw(7, 128, 128), **settings)
    left, right = [[0, 5], [3, 3]], [6, 2]
    got = mx.gather_qmm(
        x, *packed, lhs_indices=mx.array(left), rhs_indices=mx.array(right), transpose=transpose,
        **settings,
    )  # fmt: skip
    w = unpacked(packed, **settings)[right]
    chosen = np.array(x, "float64").reshape(6, 5, 128)[np.array(left)]
    close(got, chosen @ (w.swapaxes(-1, -2) if transpose else w))


def test_gather_qmm_takes_all_matrices_by_default():
    x, packed = draw(3, 2, 64), mx.quantize(draw(3, 4, 64))
    want = np.array(x, "float64") @ unpacked(packed).swapaxes(1, 2)
    close(mx.gather_qmm(x, *packed), want)
    got = mx.gather_qmm(x, *packed, rhs_indices=mx.array([2, 2, 0], dtype=mx.uint32))
    close(got, np.array(x, "float64") @ unpacked(packed)[[2, 2, 0]].swapaxes(1, 2))
    single = mx.quantize(draw(4, 64))
    got = mx.gather_qmm(x, *single, lhs_indices=mx.array([1, 0]), sorted_indices=True)
    close(got, np.array(x, "float64")[[1, 0]] @ unpacked(single).T)


def test_gather_qmm_applies_a_global_scale_for_each_matrix():
    w, x, most = draw(2, 3, 32), draw(2, 1, 32), [4.0, 5.0]
    parts = [mx.quantize(w[i], mode="nvfp4", global_scale=mx.array(most[i])) for i in range(2)]
    packed = [mx.stack(v) for v in zip(*parts, strict=True)]
    got = mx.gather_qmm(
        x, *packed, mode="nvfp4", rhs_indices=mx.array([1, 0]), global_scale=mx.array(most)
    )
    for i, k in enumerate([1, 0]):
        scale = mx.array(most[k])
        one = np.array(mx.dequantize(*parts[k], mode="nvfp4", global_scale=scale), "float64")
        close(got[i], np.array(x[i], "float64") @ one.T)


def test_gradients_of_gather_qmm():
    x, (words, *factors) = draw(3, 2, 64), mx.quantize(draw(4, 5, 64))
    right = mx.array([1, 1, 3])

    def packed(x, s, b):
        return mx.sum(mx.gather_qmm(x, words, s, b, rhs_indices=right) ** 2)

    def plain(x, s, b):
        return mx.sum((x @ mx.swapaxes(mx.dequantize(words, s, b)[right], 1, 2)) ** 2)

    got, want = (mx.grad(f, argnums=(0, 1, 2))(x, *factors) for f in (packed, plain))
    for a, b in zip(got, want, strict=True):
        close(a, np.array(b, "float64"))
    got = mx.vmap(lambda x: mx.gather_qmm(x, words, *factors, rhs_indices=right))(mx.stack([x, x]))
    assert got.shape == (2, 3, 2, 5)


def test_an_index_out_of_bounds_raises():
    x, packed = draw(3, 2, 64), mx.quantize(draw(4, 5, 64))
    with pytest.raises(IndexError):
        mx.eval(mx.gather_qmm(x, *packed, rhs_indices=mx.array([0, 4, 1])))


@pytest.mark.parametrize("mode", ["nvfp4", "mxfp8"])
@pytest.mark.parametrize("dtype, rtol", [(mx.float32, 1e-5), (mx.bfloat16, 2e-2)])
def test_qqmm_multiplies_rounded_operands(mode, dtype, rtol):
    x, w = draw(2, 3, 64, dtype=dtype), draw(5, 64, dtype=dtype)
    packed = mx.quantize(w, mode=mode)
    left, right = unpacked(mx.quantize(x, mode=mode), mode=mode), unpacked(packed, mode=mode)
    for got in (mx.qqmm(x, w, mode=mode), mx.qqmm(x, *packed, mode=mode)):
        assert got.dtype == dtype
        close(got, left @ right.T, rtol)
    close(mx.qqmm(x[0, 0], w, mode=mode), left[0, 0] @ right.T, rtol)


def test_qqmm_takes_global_scales():
    x, w, most = draw(3, 64), draw(5, 64), mx.array(5.0)
    sides = [
        np.array(
            mx.dequantize(
                *mx.quantize(v, mode="nvfp4", global_scale=most), mode="nvfp4", global_scale=most
            ),
            "float64",
        )
        for v in (x, w)
    ]
    close(mx.qqmm(x, w, global_scale_x=most, global_scale_w=most), sides[0] @ sides[1].T)


def test_the_gradient_of_qqmm_takes_rounding_for_the_identity():
    x, w, ct = draw(3, 64), draw(5, 64), draw(3, 5)
    left, right = (unpacked(mx.quantize(v, mode="mxfp8"), mode="mxfp8") for v in (x, w))
    _, (by_x, by_w) = mx.vjp(lambda x, w: mx.qqmm(x, w, mode="mxfp8"), [x, w], [ct])
    close(by_x, np.array(ct, "float64") @ right)
    close(by_w, np.array(ct, "float64").T @ left)
    words, scales = mx.quantize(w, mode="mxfp8")
    with pytest.raises(ValueError, match="quantized weights"):
        mx.grad(lambda w: mx.sum(mx.qqmm(x, w, scales, mode="mxfp8")))(words)


@pytest.mark.parametrize("packed", [False, True])
def test_gather_qqmm_multiplies_the_chosen_matrices(packed):
    x, w = draw(2, 3, 4, 64), draw(5, 6, 64)
    parts = mx.quantize(w, mode="mxfp8") if packed else (w,)
    left, right = mx.array([[5], [0]]), mx.array([1, 4, 4])
    got = mx.gather_qqmm(x, *parts, lhs_indices=left, rhs_indices=right, mode="mxfp8")
    rows = x.reshape(6, 4, 64)
    want = [[mx.qqmm(rows[i], w[j], mode="mxfp8") for j in (1, 4, 4)] for i in (5, 0)]
    assert got.shape == (2, 3, 4, 6)
    for i in range(2):
        for j in range(3):
            close(got[i, j], np.array(want[i][j], "float64"))


def test_gather_qqmm_takes_all_matrices_by_default():
    x, w = draw(3, 4, 32), draw(3, 6, 32)
    got = mx.gather_qqmm(x, w, mode="mxfp8")
    close(got[2], np.array(mx.qqmm(x[2], w[2], mode="mxfp8"), "float64"))


def test_the_gradient_of_gather_qqmm_reaches_the_chosen_matrices_only():
    x, w, rows = draw(1, 4, 32), draw(3, 6, 32), mx.array([1])
    by_w = mx.grad(lambda w: mx.sum(mx.gather_qqmm(x, w, rhs_indices=rows, mode="mxfp8")))(w)
    assert mx.all(by_w[0] == 0).item() and mx.all(by_w[2] == 0).item()
    rounded = unpacked(mx.quantize(x[0], mode="mxfp8"), mode="mxfp8")
    close(by_w[1], np.ones((6, 4)) @ rounded)


X, Q = mx.ones((2, 64)), mx.quantize(mx.ones((4, 64)))
STACK = mx.quantize(mx.ones((2, 4, 64)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mx.quantized_matmul(X[:, :32], *Q), "does not match the expanded"),
        (lambda: mx.quantized_matmul(X, *Q, transpose=False), "does not match the expanded"),
        (lambda: mx.quantized_matmul(mx.array(1.0), *Q), "vector or matrices"),
        (lambda: mx.quantized_matmul(X, *[v[0] for v in Q]), "at least 2"),
        (lambda: mx.quantized_matmul(X, Q[0].astype(mx.int32), *Q[1:]), "uint32"),
        (lambda: mx.quantized_matmul(X, *Q, group_size=32), "does not match"),
        (lambda: mx.quantized_matmul(X, *Q[:2]), "Biases must be provided"),
        (lambda: mx.quantized_matmul(X.astype(mx.complex64), *Q), "real floating"),
        (lambda: mx.quantized_matmul(X, Q[0], Q[1][:2], Q[2]), "does not match"),
        (
            lambda: mx.quantized_matmul(mx.ones((3, 2, 64)), *mx.quantize(mx.ones((2, 4, 64)))),
            "broadcast",
        ),
        (lambda: mx.gather_qmm(X[0], *Q), "at least two dimensions"),
        (lambda: mx.gather_qmm(X, *Q, rhs_indices=mx.array([0.0])), "must be integral"),
        (lambda: mx.gather_qmm(X, *Q, global_scale=mx.array(1.0)), "only supported for 'nvfp4'"),
        (lambda: mx.qqmm(X, X, mode="affine"), "must be 'nvfp4' or 'mxfp8'"),
        (lambda: mx.qqmm(X, mx.ones((2, 3, 64))), "w must be a matrix"),
        (lambda: mx.gather_qqmm(X, X, mode="affine"), "gather_qqmm: mode must be"),
        (lambda: mx.gather_qqmm(X, X, lhs_indices=X), "Indices must be integral"),
        (lambda: mx.qqmm(X, mx.ones((3, 32))), "must match"),
        (lambda: mx.qqmm(X, Q[0]), "Scales must be provided"),
        (lambda: mx.qqmm(X.astype(mx.float64), X), "except float64"),
        (lambda: mx.qqmm(X, X, global_scale_x=mx.array(1.0)), "both global_scale_x"),
        (lambda: mx.qqmm(mx.ones((2, 40)), mx.ones((2, 40))), "divisible"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        mx.eval(call())


def test_flags_must_be_bools():
    with pytest.raises(TypeError, match="transpose must be a bool"):
        mx.quantized_matmul(X, *Q, transpose=1)
