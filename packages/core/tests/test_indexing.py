"""Indexing reads and writes by NumPy's rules; NumPy is the oracle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import monel.core as mx

X = np.arange(24, dtype=np.int32).reshape(2, 3, 4)

SINGLE = [
    0,
    -1,
    slice(None),
    slice(None, None, -1),
    slice(1, None),
    slice(5, 9),
    slice(None, None, 2),
    None,
    Ellipsis,
    True,
    [0, 1],
    [[1, 0], [0, 1]],
    [],
    np.array(1),
    np.array([True, False]),
]

# Every pair, and a fixed choice of triples and quadruples of all kinds.
_random = np.random.default_rng(0)
INDICES = [(i,) for i in SINGLE] + list(itertools.product(SINGLE, repeat=2))
for length in (3, 4):
    INDICES += [
        tuple(SINGLE[k] for k in row) for row in _random.integers(0, len(SINGLE), (120, length))
    ]


def ours(index):
    return tuple(mx.array(i) if isinstance(i, np.ndarray) else i for i in index)


def outcome(function):
    try:
        return function()
    except (IndexError, ValueError):
        return "error"


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_read_agrees_with_numpy(index):
    want = outcome(lambda: X[index].tolist())
    assert outcome(lambda: mx.array(X)[ours(index)].tolist()) == want


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_write_agrees_with_numpy(index):
    def write(target, place, update):
        target[place] = update
        return target.tolist()

    shape = outcome(lambda: X[index].shape)
    size = 1 if shape == "error" else np.prod(shape, dtype=int)
    update = np.arange(100, 100 + size, dtype=np.int32)
    update = update if shape == "error" else update.reshape(shape)
    want = outcome(lambda: write(X.copy(), index, update))
    assert outcome(lambda: write(mx.array(X), ours(index), mx.array(update))) == want


@pytest.mark.parametrize("index", [0, (0, 1), slice(1, 2), [0, 1], (Ellipsis, [1, 0]), None])
def test_writes_broadcast(index):
    want = X.copy()
    want[index] = 7
    a = mx.array(X)
    a[index] = 7
    assert a.tolist() == want.tolist()


@pytest.mark.parametrize("index", [2, -3, (0, 3), (slice(None), 0, -5), (None, 2)])
def test_static_indices_are_checked(index):
    with pytest.raises(IndexError, match=r"index -?\d is out of bounds for axis \d with size \d"):
        mx.array(X)[index]


def test_array_indices_are_checked_when_they_run():
    a = mx.array(X)[mx.array([0, 5])]
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 2"):
        mx.eval(a)


def test_a_failed_read_leaves_others_intact():
    a = mx.array([1, 2])
    with pytest.raises(RuntimeError):
        mx.eval(a[mx.array([7])])
    assert a.tolist() == [1, 2]


@pytest.mark.parametrize("index", [1.0, "x", mx.array(1.0), {}, b"a"])
def test_other_types_are_no_indices(index):
    with pytest.raises(ValueError, match="array index"):
        mx.array(X)[index]


def test_too_many_indices():
    with pytest.raises(ValueError, match="too many indices: 4"):
        mx.array(X)[0, 0, 0, 0]


def test_two_ellipses():
    with pytest.raises(ValueError, match="single ellipsis"):
        mx.array(X)[..., ...]


@pytest.mark.parametrize("dtype", [mx.uint8, mx.uint32, mx.int8, mx.int64, mx.uint64])
def test_any_integer_dtype_indexes(dtype):
    assert mx.array([10, 20, 30])[mx.array([2, 0], dtype)].tolist() == [30, 10]


def test_slices_take_scalar_arrays():
    assert mx.arange(5)[mx.array(1) : mx.array(3)].tolist() == [1, 2]


def test_iteration_gives_rows():
    assert [row.tolist() for row in mx.array([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("act", [len, iter])
def test_scalars_have_no_length(act):
    with pytest.raises(TypeError, match="0-dimensional"):
        act(mx.array(1))


@pytest.mark.parametrize(
    ("given", "dtype", "stored"),
    [
        (1.5, mx.int32, 1),
        (True, mx.float32, 1.0),
        (2, mx.float16, 2.0),
        (mx.array(2.7), mx.int8, 2),
    ],
)
def test_writes_are_converted_to_the_dtype(given, dtype, stored):
    a = mx.zeros(2, dtype)
    a[0] = given
    assert (a.dtype, a[0].item()) == (dtype, stored)


@pytest.mark.parametrize(
    ("update", "error"), [([1, 2], ValueError), ("x", ValueError), (None, TypeError)]
)
def test_only_arrays_and_scalars_are_written(update, error):
    with pytest.raises(error, match="array update"):
        mx.zeros(2)[0:2] = update


def test_integers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="overflow"):
        mx.zeros(2, mx.uint8)[0] = 300


def test_updates_must_broadcast():
    with pytest.raises(ValueError, match="broadcast"):
        mx.zeros((2, 3))[0] = mx.ones(2)


def test_an_update_is_seen_by_every_reference():
    a = mx.zeros(2)
    b = a
    a[0] = 1
    assert b.tolist() == [1, 0]


def test_what_was_read_before_an_update_stays():
    a = mx.zeros(2)
    first = a[0]
    a[0] = 1
    assert first.item() == 0


def test_the_last_of_several_writes_wins():
    a = mx.zeros(2)
    a[mx.array([0, 0, 0])] = mx.array([1.0, 2.0, 3.0])
    assert a.tolist() == [3, 0]


def test_a_mask_writes_one_value():
    a = mx.array([1.0, -2.0, 3.0])
    a[a < 0] = 0
    assert a.tolist() == [1, 0, 3]


def test_a_mask_writes_values_in_order():
    a = mx.zeros((2, 3))
    a[mx.array([[True, False, True], [False, True, False]])] = mx.array([1.0, 2.0, 3.0])
    assert a.tolist() == [[1, 0, 2], [0, 3, 0]]


def test_a_mask_of_rows_writes_rows():
    a = mx.zeros((3, 2))
    a[mx.array([True, False, True])] = mx.array([[1.0, 2.0], [3.0, 4.0]])
    assert a.tolist() == [[1, 2], [0, 0], [3, 4]]


def test_a_mask_write_needs_no_evaluation():
    def f(x):
        x[x > 1] = 0
        return x

    assert mx.vmap(f)(mx.array([[1.0, 2.0], [3.0, 0.5]])).tolist() == [[1, 0], [0, 0.5]]


def test_too_few_values_for_a_mask_are_an_error():
    a = mx.zeros(3)
    a[mx.array([True, True, True])] = mx.array([1.0, 2.0])
    with pytest.raises(IndexError):
        mx.eval(a)


@pytest.mark.parametrize("act", [lambda a, m: a[m], lambda a, m: a.__setitem__(m, 0)])
def test_a_mask_must_have_the_shape(act):
    with pytest.raises(ValueError, match="mask"):
        act(mx.zeros((2, 3)), mx.array([True, False, True]))


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("add", [21, 2, 7]),
        ("subtract", [-19, 2, -1]),
        ("multiply", [100, 2, 12]),
        ("divide", [0.01, 2, 0.75]),
        ("maximum", [10, 2, 4]),
        ("minimum", [1, 2, 3]),
    ],
)
def test_at_counts_repeated_indices(name, want):
    update = getattr(mx.array([1.0, 2.0, 3.0]).at[mx.array([0, 2, 0])], name)
    assert np.allclose(update(mx.array([10.0, 4.0, 10.0])), want)


@pytest.mark.parametrize("index", [1, slice(0, 2), (Ellipsis, 1), mx.array([True, False])])
def test_at_with_static_indices(index):
    place = np.array(index) if isinstance(index, mx.array) else index
    want = np.ones((2, 2))
    want[place] += 5
    assert mx.ones((2, 2)).at[index].add(5).tolist() == want.tolist()


def test_at_leaves_the_array_alone():
    a = mx.ones(2)
    a.at[0].add(1)
    assert a.tolist() == [1, 1]


def test_at_needs_an_index():
    with pytest.raises(ValueError, match="Must give indices"):
        mx.ones(2).at.add(1)


def test_at_does_not_divide_integers():
    with pytest.raises(ValueError, match="int32"):
        mx.array([1, 2]).at[0].divide(2)


def test_take_flattens_without_an_axis():
    assert mx.take(mx.array([[1, 2], [3, 4]]), mx.array([3, 0])).tolist() == [4, 1]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [1, [1, 0], [[0, 1], [1, 1]]])
def test_take_agrees_with_numpy(axis, indices):
    given = indices if isinstance(indices, int) else mx.array(indices)
    assert mx.take(mx.array(X), given, axis).tolist() == np.take(X, indices, axis).tolist()


def test_take_from_an_empty_axis():
    with pytest.raises(ValueError, match="empty axis"):
        mx.take(mx.zeros((0, 3)), mx.array([0]), axis=0)


def test_take_along_axis_broadcasts_the_other_axes():
    a = mx.array([[1, 2, 3], [4, 5, 6]])
    assert mx.take_along_axis(a, mx.array([[2, 0]]), axis=1).tolist() == [[3, 1], [6, 4]]


def test_take_along_axis_needs_the_rank():
    with pytest.raises(ValueError, match="dimension 1"):
        mx.take_along_axis(mx.zeros((2, 3)), mx.array([0]), axis=0)


def test_put_along_axis_writes_one_entry_a_line():
    made = mx.put_along_axis(mx.zeros((2, 3)), mx.array([[2], [0]]), mx.array(1.0), axis=1)
    assert made.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_put_along_axis_flattens_without_an_axis():
    made = mx.put_along_axis(mx.zeros((2, 2)), mx.array([3]), mx.array([1.0]))
    assert made.tolist() == [[0, 0], [0, 1]]


def test_slice_begins_where_an_array_says():
    a = mx.arange(12).reshape(3, 4)
    assert mx.slice(a, mx.array([1, 2]), (0, 1), (2, 2)).tolist() == [[6, 7], [10, 11]]


def test_slice_axes_may_come_in_any_order():
    a = mx.arange(12).reshape(3, 4)
    assert mx.slice(a, mx.array([2, 1]), (1, 0), (2, 1)).tolist() == [[6], [10]]


def test_slice_update_writes_where_an_array_says():
    made = mx.slice_update(mx.zeros((2, 3)), mx.ones((1, 2)), mx.array([1, 1]), (0, 1))
    assert made.tolist() == [[0, 0, 0], [0, 1, 1]]


def test_slices_that_leave_the_array_are_errors():
    with pytest.raises(IndexError, match="out of bounds"):
        mx.eval(mx.slice(mx.arange(4), mx.array([3]), (0,), (2,)))


def test_unique_is_sorted_and_filled():
    assert mx.unique(mx.array([3, 1, 2, 1]), 5, fill_value=-1).tolist() == [1, 2, 3, -1, -1]


def test_unique_keeps_the_smallest():
    assert mx.unique(mx.array([3, 1, 2, 1]), 2).tolist() == [1, 2]


def test_unique_index_inverse_and_counts():
    a = mx.array([[2, 1], [2, 3]])
    values, index, inverse, counts = mx.unique(a, 3, True, True, True)
    assert index.tolist() == [1, 0, 3]
    assert values[inverse].tolist() == a.tolist()
    assert counts.tolist() == [1, 2, 1]


def test_unique_of_nothing_needs_a_fill_value():
    with pytest.raises(ValueError, match="fill value"):
        mx.unique(mx.array([]), 2)


@pytest.mark.parametrize(
    "f",
    [
        lambda k: mx.sum(mx.array([1.0, 2.0])[k]),
        lambda k: mx.sum(mx.zeros(2).at[k].add(1.0)),
        lambda k: mx.sum(mx.take_along_axis(mx.array([1.0, 2.0]), k, 0)),
    ],
)
def test_there_is_no_derivative_by_indices(f):
    with pytest.raises(ValueError, match="Cannot calculate VJP with respect to indices"):
        mx.grad(f)(mx.array([0, 1]))


def _set(index):
    def f(a, v):
        a = mx.array(a)
        a[index] = v
        return a

    return f


_I, _J = mx.array([0, 3, 0]), mx.array([2, 0, 1])
DIFFERENTIABLE = {
    "row": (lambda a: a[2], (4, 3)),
    "column": (lambda a: a[:, 1], (4, 3)),
    "slice": (lambda a: a[1:3, ::-1], (4, 3)),
    "gather": (lambda a: a[_I], (4, 3)),
    "gather two axes": (lambda a: a[_I, _J], (4, 3)),
    "slice and gather": (lambda a: a[::-2, _J], (4, 3)),
    "set rows": (_set(_I), (4, 3), (3, 3)),
    "set points": (_set((_I, _J)), (4, 3), (3,)),
    "set a slice": (_set(slice(None, None, -2)), (4, 3), (2, 3)),
    "set slices of columns": (_set((slice(1, None), mx.array([0, 0]))), (4, 3), (3, 2)),
    "set rows of a mask": (_set(mx.array([True, False, True, False])), (4, 3), (2, 3)),
    "take_along_axis": (lambda a: mx.take_along_axis(a, mx.array([[0, 0, 1]]), 0), (4, 3)),
    "put_along_axis": (
        lambda a, v: mx.put_along_axis(a, mx.array([[0, 0, 1]]), v, 0), (4, 3), (1, 3),
    ),
    "dynamic slice": (lambda a: mx.slice(a, mx.array([1]), (0,), (2, 3)), (4, 3)),
    "dynamic update": (lambda a, v: mx.slice_update(a, v, mx.array([1]), (0,)), (4, 3), (2, 3)),
    **{
        f"at {name}": (lambda a, v, name=name: getattr(a.at[_I], name)(v), (4, 3), (3, 3))
        for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum")
    },
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENTIABLE.values(), ids=DIFFERENTIABLE)
def test_derivatives_agree_with_differences(case):
    f, *shapes = case
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal(shape) for shape in shapes]
    ts = [rng.standard_normal(shape) for shape in shapes]
    with mx.stream(mx.cpu):
        arrays = [mx.array(x, mx.float64) for x in xs]
        weights = mx.array(rng.standard_normal(f(*arrays).shape), mx.float64)

        def loss(*arguments):
            return mx.sum(f(*arguments) * weights)

        def at(step):
            return loss(*[mx.array(x + step * t, mx.float64) for x, t in zip(xs, ts, strict=True)])

        want = (at(1e-6).item() - at(-1e-6).item()) / 2e-6
        gradients = [mx.grad(loss, argnums=k)(*arrays) for k in range(len(xs))]
        got = sum((np.array(g) * t).sum() for g, t in zip(gradients, ts, strict=True))
        tangents = [mx.array(t, mx.float64) for t in ts]
        pushed = mx.jvp(loss, arrays, tangents)[1][0].item()
    assert got == pytest.approx(want, abs=1e-6)
    assert pushed == pytest.approx(want, abs=1e-6)


def test_multiply_at_zeros_has_the_exact_derivative():
    def f(v):
        return mx.sum(mx.array([2.0]).at[mx.array([0, 0, 0])].multiply(v))

    assert mx.grad(f)(mx.array([3.0, 0.0, 5.0])).tolist() == [0, 30, 0]
    assert mx.grad(f)(mx.array([0.0, 0.0, 5.0])).tolist() == [0, 0, 0]


def test_an_overwritten_value_has_no_gradient():
    def f(v):
        a = mx.zeros(2)
        a[mx.array([0, 0])] = v
        return mx.sum(a)

    assert mx.grad(f)(mx.array([1.0, 2.0])).tolist() == [0, 1]


BATCHED = {
    "gather": lambda a, k: a[k],
    "gather two axes": lambda a, k: a[k, k],
    "column": lambda a, k: a[:, k[0]],
    "set": lambda a, k: _set(k)(a, a[:2]),
    "add": lambda a, k: a.at[k].add(a[:2]),
    "slice": lambda a, k: a[1:, ::-1],
    "set a slice": lambda a, k: _set(slice(1, 3))(a, a[:2]),
    "take_along_axis": lambda a, k: mx.take_along_axis(a, k[:, None], 0),
    "put_along_axis": lambda a, k: mx.put_along_axis(a, k[:, None], a[:2, :1], 0),
}


@pytest.mark.parametrize("f", BATCHED.values(), ids=BATCHED)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0), (-1, -1), (1, 0)])
def test_vmap_agrees_with_a_loop(f, axes):
    a = np.random.default_rng(0).standard_normal((5, 4, 3)).astype(np.float32)
    k = np.array([[0, 2], [1, 0], [2, 1], [0, 1], [-1, 0]], np.int32)
    want = [
        f(mx.array(a[i] if axes[0] is not None else a[0]),
          mx.array(k[i] if axes[1] is not None else k[0])).tolist()
        for i in range(5)
    ]  # fmt: skip
    given = [x[0] if d is None else np.moveaxis(x, 0, d) for x, d in zip((a, k), axes, strict=True)]
    got = mx.vmap(f, in_axes=axes)(*[mx.array(x) for x in given])
    assert np.allclose(np.array(got), want)


@pytest.mark.parametrize("index", [slice(None), Ellipsis, None, ()])
def test_a_write_to_the_whole_has_memory_of_its_own(index):
    a, b = mx.zeros(2), mx.ones(2)
    a[index] = b
    np.asarray(a)[0] = 5
    assert b.tolist() == [1, 1]


def test_numpy_never_writes_into_a_shared_scalar():
    a = mx.zeros(3)
    a[:] = 5
    np.asarray(a)[0] = 7
    assert (mx.zeros(2) + 5).tolist() == [5, 5]
    assert a.tolist() == [7, 5, 5]


def test_iteration_stops():
    rows = iter(mx.array([1, 2]))
    assert (next(rows).item(), next(rows).item(), next(rows, None)) == (1, 2, None)
