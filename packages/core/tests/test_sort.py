"""Order: stability, nan, gradients through a permutation, binary search."""

import numpy as np
import pytest

import monel.core as mx

NAN = float("nan")
X = np.random.default_rng(2).standard_normal((3, 7)).astype("float32")


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_agrees_with_numpy(axis):
    np.testing.assert_array_equal(np.array(mx.sort(mx.array(X), axis=axis)), np.sort(X, axis))
    order = np.array(mx.argsort(mx.array(X), axis=axis))
    np.testing.assert_array_equal(order, np.argsort(X, axis, kind="stable"))


def test_equal_elements_keep_their_order():
    assert mx.argsort(mx.array([1, 0, 1, 0, 1])).tolist() == [1, 3, 0, 2, 4]


def test_nan_comes_last():
    assert mx.argsort(mx.array([NAN, 1.0, NAN, 0.0])).tolist() == [3, 1, 0, 2]
    assert mx.sort(mx.array([3.0, NAN, 1.0])).tolist()[:2] == [1, 3]


@pytest.mark.parametrize("dtype", [mx.bool_, mx.uint8, mx.int64, mx.float16, mx.bfloat16], ids=str)
def test_every_dtype_is_ordered(dtype):
    x = mx.array([1, 0, 1]).astype(dtype)
    assert mx.sort(x).dtype is dtype
    assert mx.argsort(x).tolist() == [1, 0, 2]


def test_a_scalar_has_no_axis_to_sort():
    with pytest.raises(IndexError, match="sort: axis -1 is out of bounds"):
        mx.sort(mx.array(3.0))
    assert mx.sort(mx.array(3.0), axis=None).tolist() == [3]


def test_the_gradient_of_sort_goes_back_to_where_elements_came_from():
    f = lambda x: mx.sum(mx.sort(x) * mx.array([1.0, 10.0, 100.0]))  # noqa: E731
    assert mx.grad(f)(mx.array([3.0, 1.0, 1.0])).tolist() == [100, 1, 10]


def test_the_second_derivative_of_sort_goes_the_same_way():
    f = lambda x: mx.sum(mx.sort(x) ** 3 * mx.array([1.0, 10.0]))  # noqa: E731
    slope = lambda x: mx.sum(mx.grad(f)(x))  # noqa: E731
    assert mx.grad(slope)(mx.array([2.0, 1.0])).tolist() == [120, 6]


def test_argsort_has_no_gradient():
    f = lambda x: mx.sum(mx.argsort(x) * x)  # noqa: E731
    assert mx.grad(f)(mx.array([2.0, 1.0])).tolist() == [1, 0]


@pytest.mark.parametrize("kth", [0, 2, -1])
def test_partition_puts_one_element_in_its_place(kth):
    x = np.array([4.0, 1.0, 3.0, 2.0], "float32")
    got = np.array(mx.partition(mx.array(x), kth))
    place = kth % 4
    assert got[place] == np.sort(x)[place]
    assert (got[:place] <= got[place]).all()
    assert (got[place:] >= got[place]).all()
    np.testing.assert_array_equal(x[np.array(mx.argpartition(mx.array(x), kth))], got)


@pytest.mark.parametrize("kth", [4, -5])
def test_a_kth_outside_the_axis_is_refused(kth):
    for f in (mx.partition, mx.argpartition):
        with pytest.raises(ValueError, match=f"invalid kth {kth}"):
            f(mx.ones(4), kth)


def test_topk_gives_the_greatest():
    x = mx.array([[3.0, 1.0, 2.0], [9.0, 8.0, 7.0]])
    assert sorted(mx.topk(x, 2)[0].tolist()) == [2, 3]
    assert mx.topk(x, 1, axis=0).tolist() == [[9, 8, 7]]
    assert mx.topk(x, 0).shape == (2, 0)
    for k in (-1, 4):
        with pytest.raises(ValueError, match=f"invalid k={k}"):
            mx.topk(x, k)


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_agrees_with_numpy(side):
    ordered = np.array([1.0, 2.0, 2.0, 4.0, NAN], "float32")
    values = np.array([[0.0, 2.0, 3.0], [4.0, 9.0, NAN]], "float32")
    got = mx.searchsorted(mx.array(ordered), mx.array(values), side)
    assert got.dtype is mx.uint32
    np.testing.assert_array_equal(np.array(got), np.searchsorted(ordered, values, side))


def test_searchsorted_in_nothing_is_zero():
    assert mx.searchsorted(mx.zeros((0,)), mx.array([1.0, -1.0])).tolist() == [0, 0]


def test_searchsorted_is_vectorised_over_sequences():
    rows = mx.array([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]])
    got = mx.vmap(lambda row: mx.searchsorted(row, mx.array([2.5, 6.5])))(rows)
    assert got.tolist() == [[2, 3], [0, 2]]


def test_searchsorted_refuses_matrices_and_unknown_sides():
    with pytest.raises(ValueError, match="must be 1-D"):
        mx.searchsorted(mx.ones((2, 2)), mx.ones(2))
    with pytest.raises(ValueError, match="Invalid side"):
        mx.searchsorted(mx.ones(2), mx.ones(2), side="middle")
