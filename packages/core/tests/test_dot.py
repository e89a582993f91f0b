"""Matrix and tensor products: values, broadcasting, dtypes, errors."""

import numpy as np
import pytest

import monel.core as mx

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 4)),
        ((4, 1, 2, 3), (5, 3, 2)),
        ((4, 2, 3), (3,)),
        ((3,), (4, 3, 2)),
        ((2, 0), (0, 3)),
        ((0, 2), (2, 3)),
    ],
)
def test_matmul_agrees_with_numpy(a, b):
    x, y = normal(*a), normal(*b)
    got = mx.matmul(mx.array(x), mx.array(y))
    want = x.astype("float64") @ y.astype("float64")
    assert got.shape == want.shape
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5, atol=1e-5)


def test_matmul_of_complex_matrices():
    x = normal(2, 3) + 1j * normal(2, 3)
    y = normal(3, 2) + 1j * normal(3, 2)
    got = mx.matmul(mx.array(x.astype("complex64")), mx.array(y.astype("complex64")))
    np.testing.assert_allclose(np.array(got), x @ y, rtol=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        (mx.float16, mx.bfloat16, mx.float32),
        (mx.float16, mx.float32, mx.float32),
        (mx.int32, mx.float16, mx.float16),
        (mx.complex64, mx.float32, mx.complex64),
    ],
    ids=str,
)
def test_matmul_promotes(a, b, want):
    assert mx.matmul(mx.ones((2, 2), a), mx.ones((2, 2), b)).dtype is want


def test_what_matmul_refuses():
    with pytest.raises(ValueError, match=r"the last axis of the left \(3\) must equal"):
        mx.matmul(mx.ones((2, 3)), mx.ones((2, 3)))
    with pytest.raises(ValueError, match="cannot be broadcast"):
        mx.matmul(mx.ones((4, 2, 3)), mx.ones((5, 3, 2)))
    with pytest.raises(ValueError, match="no axis to contract"):
        mx.matmul(mx.array(2.0), mx.ones((2, 2)))
    with pytest.raises(ValueError, match="Only inexact types"):
        mx.matmul(mx.ones((2, 2), mx.int32), mx.ones((2, 2), mx.int32))
    for other in ([1], 2):
        with pytest.raises(TypeError, match="matmul: expected an array"):
            mx.matmul(mx.ones((1, 1)), other)


def test_addmm():
    a, b = mx.ones((2, 3)), mx.ones((3, 4))
    assert mx.addmm(mx.array(1.0), a, b, 2.0, 3.0).tolist() == [[9.0] * 4] * 2
    assert mx.addmm(mx.ones(4), a, b).shape == (2, 4)
    assert mx.addmm(mx.array(1.0), mx.ones(3), mx.ones(3)).item() == 4
    for c in ((3, 4), (5, 2, 4)):
        with pytest.raises(ValueError, match=r"broadcast"):
            mx.addmm(mx.ones(c), a, b)
    with pytest.raises(ValueError, match="inexact"):
        mx.addmm(*[mx.ones((2, 2), mx.int32)] * 3)


@pytest.mark.parametrize(
    ("name", "a", "b", "args"),
    [
        ("inner", (2, 3), (4, 3), ()),
        ("inner", (3,), (2, 3), ()),
        ("inner", (), (2, 3), ()),
        ("outer", (2, 3), (4,), ()),
        ("outer", (), (4,), ()),
        ("tensordot", (2, 3, 4), (3, 4, 5), ()),
        ("tensordot", (2, 3), (3, 4), (1,)),
        ("tensordot", (2, 3), (4,), (0,)),
        ("tensordot", (2, 3, 4), (5, 2, 3), (((0, 1), (1, 2)),)),
        ("tensordot", (2, 3), (3, 4), (((-1,), (-2,)),)),
        ("kron", (2, 3), (4, 2), ()),
        ("kron", (3,), (2, 2), ()),
        ("kron", (), (2,), ()),
    ],
)
def test_a_product_agrees_with_numpy(name, a, b, args):
    x, y = normal(*a), normal(*b)
    got = getattr(mx, name)(mx.array(x), mx.array(y), *args)
    want = getattr(np, name)(x, y, *args)
    assert got.shape == want.shape
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "axes", [-1, 3, [[1]], [[1], [0, 1]], [[1], [1]], [[5], [0]], [[0, 0], [0, 1]]]
)
def test_tensordot_refuses_axes_that_do_not_fit(axes):
    with pytest.raises(ValueError, match="tensordot"):
        mx.tensordot(mx.ones((2, 3)), mx.ones((3, 4)), axes)


def test_vecdot():
    x = mx.array([[1, 2], [3, 4]])
    assert mx.vecdot(x, x).tolist() == [5, 25]
    assert mx.vecdot(x, x, axis=0).tolist() == [10, 20]
    assert mx.vecdot(mx.array([1 + 1j]), mx.array([1 + 2j])).item() == 3 + 1j
    assert mx.vecdot(x, mx.array([1, 1])).tolist() == [3, 7]
    with pytest.raises(ValueError, match="same size along axis"):
        mx.vecdot(x, mx.ones(3))
    with pytest.raises(ValueError, match="at least 1D"):
        mx.vecdot(x, mx.array(1))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("ea,fb,abcd,gc,hd->efgh", [(2, 3), (2, 3), (3, 3, 4, 4), (2, 4), (2, 4)]),
        ("i,j,k->kij", [(2,), (3,), (4,)]),
        ("ii", [(3, 3)]),
        ("ii->i", [(3, 3)]),
        ("ijji->j", [(2, 3, 3, 2)]),
        ("iij,j->i", [(2, 2, 3), (3,)]),
        ("ij->ji", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("bi,bj->bij", [(5, 2), (5, 3)]),
        ("ij,ij->", [(2, 3), (2, 3)]),
        ("ij,i->j", [(2, 3), (2,)]),
        ("i,->i", [(3,), ()]),
        (",", [(), ()]),
        ("...i,...i->...", [(2, 4, 3), (4, 3)]),
        ("...ij,jk->...ik", [(5, 2, 3), (3, 4)]),
        ("i...->...", [(2, 3)]),
        ("i...", [(2, 3)]),
        ("...", [(2, 3)]),
        ("ij,j->i", [(2, 3), (1,)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,ij->ij", [(2, 3), (1, 3)]),
        ("ij,ij,ij->j", [(2, 1), (1, 3), (2, 3)]),
        ("i,j->", [(0,), (2,)]),
    ],
)
def test_einsum_agrees_with_numpy(subscripts, shapes):
    arrays = [normal(*s) for s in shapes]
    got = mx.einsum(subscripts, *[mx.array(a) for a in arrays])
    want = np.einsum(subscripts, *[a.astype("float64") for a in arrays])
    assert got.shape == want.shape
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-5)


def test_einsum_of_integers_multiplies_but_does_not_contract():
    x = mx.array([1, 2])
    assert mx.einsum("i,j->ij", x, x).tolist() == [[1, 2], [2, 4]]
    assert mx.einsum("i->", x).item() == 3
    with pytest.raises(ValueError, match="inexact"):
        mx.einsum("i,i", x, x)


@pytest.mark.parametrize(
    ("subscripts", "count", "message"),
    [
        ("ij,jk->ik", 1, "Number of operands"),
        ("ij", 2, "Number of operands"),
        ("ijk", 1, "Invalid number of subscripts 3"),
        ("i", 1, "Invalid number of subscripts 1"),
        ("ij->iji", 1, "Repeat indices"),
        ("i$", 1, "must be letters"),
        ("ij->iz", 1, "which no input has"),
        ("ij,jk", 2, "Cannot broadcast"),
        ("ii", 1, "lengths"),
    ],
)
def test_einsum_errors(subscripts, count, message):
    with pytest.raises(ValueError, match=message):
        mx.einsum(subscripts, *[mx.ones((2, 3))] * count)


def test_einsum_path_takes_the_pair_that_frees_most_memory():
    path, text = mx.einsum_path("ij,jk,kl->il", mx.ones((2, 3)), mx.ones((3, 4)), mx.ones((4, 5)))
    assert path == [(1, 2), (0, 1)]
    assert text.splitlines() == [
        "  Complete contraction:  ij,jk,kl->il",
        "         Naive scaling:  4",
        "     Optimized scaling:  3",
        "      Naive FLOP count:  360",
        "  Optimized FLOP count:  180",
    ]
