"""Products of chosen matrices, blocks and segments."""

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(4)
A = RNG.standard_normal((4, 2, 3)).astype("float32")
B = RNG.standard_normal((5, 3, 6)).astype("float32")


def test_gather_mm_multiplies_chosen_matrices():
    left, right = [[0], [3]], [4, 0, 1]
    got = mx.gather_mm(mx.array(A), mx.array(B), mx.array(left), mx.array(right))
    want = A[np.array(left)] @ B[np.array(right)]
    assert got.shape == (2, 3, 2, 6)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5, atol=1e-6)


def test_gather_mm_takes_all_matrices_by_default():
    got = mx.gather_mm(mx.array(A), mx.array(B), rhs_indices=mx.array([0, 0, 2, 4]))
    np.testing.assert_allclose(np.array(got), A @ B[[0, 0, 2, 4]], rtol=1e-5, atol=1e-6)


def test_gather_mm_of_a_vector_lacks_its_axis():
    got = mx.gather_mm(mx.ones(3), mx.array(B), None, mx.array([1, 2]))
    assert got.shape == (2, 6)


def test_gradients_of_gather_mm_add_up_where_a_matrix_is_chosen_twice():
    f = lambda b: mx.sum(mx.gather_mm(mx.ones((1, 3)), b, None, mx.array([1, 1])))  # noqa: E731
    grad = mx.grad(f)(mx.array(B))
    assert grad[1].tolist() == [[2.0] * 6] * 3
    assert mx.sum(mx.abs(grad[0])).item() == 0


def test_what_gather_mm_refuses():
    a, b = mx.array(A), mx.array(B)
    with pytest.raises(ValueError, match="must be integral"):
        mx.gather_mm(a, b, mx.array([0.0]))
    with pytest.raises(ValueError, match="must match"):
        mx.gather_mm(a, mx.ones((5, 2, 6)))
    with pytest.raises(IndexError):
        mx.eval(mx.gather_mm(a, b, mx.array([4]), mx.array([0])))


@pytest.mark.parametrize("where", ["mask_out", "mask_lhs", "mask_rhs"])
@pytest.mark.parametrize("mask", [[[True, False], [True, True]], [[0.5, 2.0], [1.0, 0.0]]])
def test_block_masked_mm_masks_and_scales_blocks(where, mask):
    a, b = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4))
    got = mx.block_masked_mm(
        *(mx.array(x.astype("float32")) for x in (a, b)), 2, **{where: mx.array(mask)}
    )
    scale = np.kron(np.array(mask, float), np.ones((2, 2)))
    if where == "mask_out":
        want = (a @ b) * scale[:3, :4]
    else:
        want = (a * scale[:3, :4]) @ b if where == "mask_lhs" else a @ (b * scale)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5, atol=1e-5)


def test_a_mask_must_fit_its_blocks():
    with pytest.raises(ValueError, match=r"last axes \(2, 2\)"):
        mx.block_masked_mm(mx.ones((3, 4)), mx.ones((4, 4)), 2, mask_out=mx.array([[True]]))


def test_segmented_mm():
    a, b = A[0], B[0]
    got = mx.segmented_mm(mx.array(a), mx.array(b), mx.array([[0, 2], [2, 3], [2, 1]]))
    want = np.stack([a[:, :2] @ b[:2], a[:, 2:] @ b[2:], np.zeros((2, 6))])
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5, atol=1e-6)


def test_what_segmented_mm_refuses():
    a, b = mx.array(A[0]), mx.array(B[0])
    for segments in (mx.array([[0.0, 2.0]]), mx.array([[0, 2, 1]]), mx.array(1)):
        with pytest.raises(ValueError, match="segmented_mm"):
            mx.segmented_mm(a, b, segments)
    with pytest.raises(ValueError, match="expected matrices"):
        mx.segmented_mm(mx.array(A), b, mx.array([[0, 2]]))
