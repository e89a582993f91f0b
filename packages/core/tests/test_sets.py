"""What depends on values: where elements are that are not zero, distinct elements, sets."""

import numpy as np
import pytest

import monel.core as mx

DTYPES = [mx.int32, mx.uint8, mx.int64, mx.float16, mx.bfloat16, mx.float32, mx.complex64]
LENGTHS = [(7, 5), (0, 3), (3, 0), (0, 0), (1, 1), (50, 60)]


def pair(lengths, dtype=mx.int32):
    """Two vectors of small integers in NumPy, and of ``dtype`` in monel."""
    rng = np.random.default_rng(sum(lengths))
    a, b = rng.integers(0, 8, lengths[0]), rng.integers(3, 12, lengths[1])
    return (
        a,
        b,
        mx.array(a.astype(np.int32)).astype(dtype),
        mx.array(b.astype(np.int32)).astype(dtype),
    )


def same(made, want):
    assert made.astype(mx.float32).tolist() == np.asarray(want, np.float32).tolist()


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 0), (2, 3, 2)])
@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.float32, np.complex64])
def test_nonzero_is_numpys(shape, dtype):
    a = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    want = np.nonzero(a)
    for made in (mx.nonzero(mx.array(a)), mx.where(mx.array(a))):
        assert [x.tolist() for x in made] == [x.tolist() for x in want]
        assert {x.dtype for x in made} == {mx.int32}
    assert mx.argwhere(mx.array(a)).tolist() == np.argwhere(a).tolist()


def test_a_size_cuts_and_fills():
    a = mx.array([[0, 1], [2, 3]])
    assert [x.tolist() for x in mx.nonzero(a, size=2)] == [[0, 1], [1, 0]]
    assert [x.tolist() for x in mx.nonzero(a, size=4, fill_value=(8, 9))] == [
        [0, 1, 1, 8],
        [1, 0, 1, 9],
    ]
    assert mx.argwhere(a, size=4, fill_value=-1).tolist() == [[0, 1], [1, 0], [1, 1], [-1, -1]]
    assert mx.where(a[0], size=2)[0].tolist() == [1, 0]
    assert mx.nonzero(mx.zeros((0,)), size=2, fill_value=5)[0].tolist() == [5, 5]


def test_what_nonzero_finds_reads_the_elements():
    a = mx.array([[3.0, 0.0], [0.0, 4.0]])
    assert a[mx.nonzero(a)].tolist() == [3, 4]
    assert a[a != 0].tolist() == [3, 4]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", ["union1d", "setdiff1d", "setxor1d", "intersect1d"])
def test_set_functions_are_numpys(name, lengths, dtype):
    a, b, x, y = pair(lengths, dtype)
    made = getattr(mx, name)(x, y)
    assert made.dtype == dtype
    same(made, getattr(np, name)(a, b))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_isin_is_numpys(lengths):
    a, b, x, y = pair(lengths)
    assert mx.isin(x, y).tolist() == np.isin(a, b).tolist()
    assert mx.isin(x, y, invert=True).tolist() == (~np.isin(a, b)).tolist()


def test_isin_takes_scalars_and_promotes():
    assert mx.isin(2, mx.array([1, 2])).item() is True
    assert mx.isin(mx.array([[1.5, 2.0]]), mx.array([2, 3])).tolist() == [[False, True]]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_intersect1d_says_where_its_values_come_from(lengths):
    a, b, x, y = pair(lengths)
    want = np.intersect1d(a, b, return_indices=True)
    made = mx.intersect1d(x, y, return_indices=True)
    assert [m.tolist() for m in made] == [w.tolist() for w in want]


@pytest.mark.parametrize("shape", [(9,), (3, 4), (1,), ()])
def test_unique_with_all_its_outputs_is_numpys(shape):
    a = np.random.default_rng(1).integers(0, 4, shape)
    want = np.unique(a, return_index=True, return_inverse=True, return_counts=True)
    x = mx.array(a.astype(np.int32))
    made = mx.unique_all(x)
    for one, other in zip(made, want, strict=True):
        assert one.tolist() == other.reshape(one.shape).tolist()
        assert one.dtype == mx.int32
    assert made.inverse_indices.shape == shape
    assert mx.unique_counts(x).counts.tolist() == want[3].tolist()
    assert mx.unique_inverse(x).inverse_indices.tolist() == made.inverse_indices.tolist()
    assert mx.unique_values(x).tolist() == mx.unique(x).tolist() == want[0].tolist()


def test_unique_of_nothing_is_nothing():
    assert mx.unique(mx.zeros((0, 2))).tolist() == []
    assert [x.tolist() for x in mx.unique_all(mx.zeros((0,)))] == [[], [], [], []]


def test_each_nan_is_distinct():
    a = mx.array([mx.nan, 1.0, mx.nan])
    assert mx.unique(a).size == 3
    assert mx.isin(a, a).tolist() == [False, True, False]
    assert mx.setdiff1d(a, a).size == 2
    assert mx.setxor1d(a, mx.array([1.0])).size == 2
    assert mx.intersect1d(a, a).tolist() == [1]


CASES = {
    "nonzero": lambda a, **k: mx.nonzero(a, **k)[0],
    "argwhere": lambda a, **k: mx.argwhere(a, **k),
    "where": lambda a, **k: mx.where(a, **k)[0],
    "unique": lambda a, **k: mx.unique(a, **k),
    "unique_all": lambda a, **k: mx.unique_all(a, **k).indices,
    "union1d": lambda a, **k: mx.union1d(a, mx.array([4]), **k),
    "setdiff1d": lambda a, **k: mx.setdiff1d(a, mx.array([4]), **k),
    "setxor1d": lambda a, **k: mx.setxor1d(a, mx.array([4]), **k),
    "intersect1d": lambda a, **k: mx.intersect1d(a, mx.array([3, 0]), **k),
}


@pytest.mark.parametrize("name", CASES)
def test_with_a_size_it_is_compiled_and_batched(name):
    rows = mx.array([[0, 3, 3, 1], [2, 2, 0, 0]])

    def function(row):
        return CASES[name](row, size=3, fill_value=7)

    want = [function(row).tolist() for row in rows]
    assert [mx.compile(function)(row).tolist() for row in rows] == want
    assert mx.vmap(function)(rows).tolist() == want


@pytest.mark.parametrize("name", CASES)
def test_without_a_size_a_trace_is_refused_by_name(name):
    for transform in (mx.compile, mx.vmap):
        with pytest.raises(ValueError, match=rf"{name}.*size="):
            transform(CASES[name])(mx.array([[1, 0], [0, 1]]))


def test_without_a_size_gradients_flow_through_what_was_found():
    def f(x):
        return (x[mx.nonzero(x > 1)] ** 2).sum() + mx.unique(x).sum()

    assert mx.grad(f)(mx.array([1.0, 2.0, 3.0])).tolist() == [1, 5, 7]


def test_a_mask_that_is_traced_names_the_way_out():
    with pytest.raises(ValueError, match=r"array index.*nonzero\(mask, size="):
        mx.compile(lambda a: a[a > 0])(mx.array([1, -1]))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: mx.nonzero(mx.array(1)), ValueError),
        (lambda: mx.nonzero([1]), ValueError),
        (lambda: mx.nonzero(mx.ones(2), size=-1), ValueError),
        (lambda: mx.nonzero(mx.ones(2), size=1.5), TypeError),
        (lambda: mx.nonzero(mx.ones(2), size=3, fill_value=(1, 2)), ValueError),
        (lambda: mx.nonzero(mx.ones(2), size=3, fill_value="x"), TypeError),
        (lambda: mx.where(mx.ones(2), 1.0), ValueError),
        (lambda: mx.where(mx.ones(2), 1.0, 2.0, size=2), TypeError),
        (lambda: mx.isin(mx.ones(2), [1]), ValueError),
        (lambda: mx.isin(mx.ones(2), 1, invert=1), TypeError),
        (lambda: mx.union1d(mx.ones(2), 1), ValueError),
        (lambda: mx.setdiff1d(mx.ones(2), mx.ones(2), size=2, fill_value=mx.ones(2)), ValueError),
        (lambda: mx.intersect1d(mx.ones(2), mx.ones(2), return_indices=1), TypeError),
    ],
)
def test_wrong_arguments_are_refused(call, error):
    with pytest.raises(error):
        call()


A = mx.arange(12).reshape(3, 4)
FAR = mx.array([0, 9])


@pytest.mark.parametrize(
    ("call", "name", "axis", "size"),
    [
        (lambda: A[FAR], "array index", 0, 3),
        (lambda: A[:, FAR], "array index", 1, 4),
        (lambda: mx.take(A, FAR, axis=1), "take", 1, 4),
        (lambda: mx.take_along_axis(A, mx.array([[9]]), axis=1), "take_along_axis", 1, 4),
        (lambda: mx.put_along_axis(A, mx.array([[9]]), A[:1, :1], axis=0), "put_along_axis", 0, 3),
        (lambda: A.at[FAR].add(1), "array update", 0, 3),
        (lambda: mx.slice(A, mx.array([9]), (1,), (3, 2)), "slice", 1, 4),
        (lambda: mx.slice_update(A, A[:, :1], mx.array([9]), (1,)), "slice_update", 1, 4),
        (lambda: mx.gather_mm(mx.ones((2, 3, 3)), mx.ones((2, 3, 3)), FAR), "gather_mm", 0, 2),
        (lambda: mx.fast.cross_entropy(mx.ones((2, 3)), FAR), "cross_entropy", 1, 3),
    ],
)
@pytest.mark.parametrize("transform", [lambda f: f, mx.compile])
def test_a_late_index_error_names_function_index_axis_and_size(transform, call, name, axis, size):
    with pytest.raises(
        IndexError, match=rf"^{name}: index \d+ is out of bounds for axis {axis} with size {size}"
    ):
        mx.eval(transform(call)())


def test_a_late_index_error_inside_vmap_names_the_function():
    with pytest.raises(IndexError, match=r"^take: index 9"):
        mx.eval(mx.vmap(lambda row: mx.take(row, FAR))(A))
