"""Gather, scatter and their along-one-axis forms against NumPy's own indexing."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from monel.backends.cpu import _kernels

ALL = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64"
).split()
DTYPES = [*ALL, ml_dtypes.bfloat16]
INDEX_DTYPES = ["int32", "uint32", "int64", "uint8"]


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype) -> np.ndarray:
    return np.asarray(rng.integers(0, 100, shape)).astype(dtype)


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """The array, and the same values with reversed and stepped strides."""
    padded = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    stepped = padded[tuple(slice(None, None, 2) for _ in x.shape)]
    stepped[...] = x
    backward = np.ascontiguousarray(x[::-1])[::-1]
    turned = np.ascontiguousarray(x.T).T
    return [x, stepped, backward, turned]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", INDEX_DTYPES)
def test_gather_of_rows(run, rng, dtype, index):
    rows = rng.integers(0, 50, (3, 70)).astype(index)
    for x in layouts(numbers(rng, (50, 9), dtype)):
        out = run("gather", x, rows, axes=(0,), slice_sizes=(1, 9))
        assert np.array_equal(out, x[rows][:, :, None, :])


def test_gather_of_elements_by_two_index_arrays(run, rng):
    i, j = rng.integers(-8, 8, (1000,)), rng.integers(-9, 9, (1000,)).astype(np.int32)
    for x in layouts(numbers(rng, (8, 9), "float32")):
        out = run("gather", x, i, j, axes=(0, 1), slice_sizes=(1, 1))
        assert np.array_equal(out, x[i, j][:, None, None])


def test_gather_broadcasts_its_indices(run, rng):
    x = numbers(rng, (8, 9, 4), "float32")
    i, j = rng.integers(0, 8, (5, 1)), rng.integers(0, 9, (7,))
    out = run("gather", x, i, j, axes=(0, 1), slice_sizes=(1, 1, 4))
    assert np.array_equal(out, x[i, j][:, :, None, None, :])


def test_gather_of_windows(run, rng):
    x = numbers(rng, (10, 12), "int32")
    starts = np.array([0, 3, 7])
    out = run("gather", x, starts, axes=(0,), slice_sizes=(3, 5))
    assert np.array_equal(out, np.stack([x[s : s + 3, :5] for s in starts]))


def test_gather_of_one_large_slice(run, rng):
    x = numbers(rng, (3, 400, 500), "float32").transpose(0, 2, 1)
    out = run("gather", x, np.array(1), axes=(0,), slice_sizes=(1, 500, 400))
    assert np.array_equal(out, x[1:2])


def test_gather_without_indices_takes_the_corner(run):
    out = run("gather", np.arange(12).reshape(3, 4), axes=(), slice_sizes=(2, 2))
    assert out.tolist() == [[0, 1], [4, 5]]


@pytest.mark.parametrize("count", [0, 3])
def test_gather_of_nothing(run, count):
    out = run(
        "gather", np.zeros((4, 0), np.float32), np.zeros(count, int), axes=(0,), slice_sizes=(1, 0)
    )
    assert out.shape == (count, 1, 0)


@pytest.mark.parametrize("bad", [4, -5, 2**40, -(2**62)])
def test_gather_names_the_index_that_is_out_of_bounds(run, bad):
    index = np.array([0, -4, 3, bad, 1])
    with pytest.raises(
        IndexError, match=rf"gather: index {bad} is out of bounds for axis 1 with size 4"
    ):
        run("gather", np.zeros((2, 4), np.float32), index, axes=(1,), slice_sizes=(2, 1))


def test_gather_names_the_first_of_many_bad_indices(run):
    index = np.full(100_000, 9)
    index[70_000:] = 3
    index[:500] = 1
    with pytest.raises(IndexError, match="index 9 is"):
        run("gather", np.zeros(2, np.float32), index, axes=(0,), slice_sizes=(1,))


OPERATIONS = {"set": None, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def scattered(x: np.ndarray, index: np.ndarray, updates: np.ndarray, mode: str) -> np.ndarray:
    """The definition: one index after another."""
    out = x.copy()
    for at, update in zip(index.ravel(), updates.reshape(index.size, *x.shape[1:]), strict=True):
        if mode == "set":
            out[at] = update
        else:
            out[at] = OPERATIONS[mode](out[at], update).astype(x.dtype)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", OPERATIONS)
@pytest.mark.parametrize("shape", [(7,), (7, 40), (7, 3, 5)])
def test_scatter_applies_updates_in_order(run, rng, dtype, mode, shape):
    x = numbers(rng, shape, dtype)
    index = rng.integers(-7, 7, (4, 5))
    updates = rng.integers(0, 2, (4, 5, 1, *shape[1:])).astype(dtype)
    for source in layouts(updates):
        out = run("scatter", x, source, index, axes=(0,), mode=mode)
        assert np.array_equal(out, scattered(x, index, updates, mode), equal_nan=True)


def test_scatter_add_counts(run, rng):
    index = rng.integers(0, 100, 50_000)
    out = run(
        "scatter",
        np.zeros(100, np.int32),
        np.ones((50_000, 1), np.int32),
        index,
        axes=(0,),
        mode="add",
    )
    assert np.array_equal(out, np.bincount(index, minlength=100))


def test_scatter_of_overlapping_windows_stays_in_order(run, rng):
    starts = np.arange(200)[::-1]
    updates = rng.standard_normal((200, 400, 50)).astype(np.float32)
    out = run("scatter", np.zeros((600, 50), np.float32), updates, starts, axes=(0,), mode="set")
    assert np.array_equal(out[:400], updates[-1])
    assert np.array_equal(out[400:599, 3], updates[::-1][1:200, -1, 3])


def test_scatter_of_rows_into_the_second_axis(run, rng):
    x, updates = numbers(rng, (600, 5), "float32"), numbers(rng, (3, 600, 1), "float32")
    out = run("scatter", x, updates, np.array([4, 0, 4]), axes=(1,), mode="set")
    want = x.copy()
    want[:, 0], want[:, 4] = updates[1, :, 0], updates[2, :, 0]
    assert np.array_equal(out, want)


def test_scatter_max_keeps_nan(run):
    x = np.array([np.nan, 1], np.float32)
    out = run(
        "scatter", x, np.array([[2], [np.nan]], np.float32), np.array([0, 1]), axes=(0,), mode="max"
    )
    assert np.isnan(out).all()


def test_scatter_leaves_its_operand_alone(run):
    x = np.zeros(3, np.float32)
    run("scatter", x, np.ones((1, 1), np.float32), np.array([1]), axes=(0,), mode="set")
    assert x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shared", [False, True])
def test_scatter_writes_over_a_dying_operand_only_if_nothing_shares_it(raw, shared):
    x = _kernels.from_bytes(np.zeros(3000, np.float32).tobytes(), (3000,), 11)
    other = raw.call("slice", {"start": (0,), "stop": (3000,), "step": (1,)}, x) if shared else x
    updates, index = raw.to_buffer(np.ones((1, 1), np.float32)), raw.to_buffer(np.array([1]))
    out = raw.call("scatter", {"axes": (0,), "mode": "add"}, x, updates, index, dying=1)
    assert raw.to_array(out)[:3].tolist() == [0, 1, 0]
    assert raw.to_array(other)[1] == (0 if shared else 1)


def test_scatter_names_the_index_that_is_out_of_bounds(run):
    with pytest.raises(
        IndexError, match="scatter: index 3 is out of bounds for axis 0 with size 3"
    ):
        run(
            "scatter",
            np.zeros(3, np.float32),
            np.ones((1, 1), np.float32),
            np.array([3]),
            axes=(0,),
            mode="add",
        )


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "complex64"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_along_axis(run, rng, dtype, axis):
    x = numbers(rng, (6, 7, 8), dtype)
    shape = [6, 7, 8]
    shape[axis] = 30
    index = rng.integers(-x.shape[axis], x.shape[axis], shape)
    for a in layouts(x):
        for i in layouts(index):
            assert np.array_equal(
                run("take_along_axis", a, i, axis=axis), np.take_along_axis(x, index, axis)
            )


@pytest.mark.parametrize("mode", ["set", "add"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_put_along_axis(run, rng, mode, axis):
    x = numbers(rng, (6, 7, 8), "float32")
    index = np.argsort(rng.random(x.shape), axis=axis).take(range(4), axis)
    values = numbers(rng, index.shape, "float32")
    want = x.copy()
    old = np.take_along_axis(x, index, axis) if mode == "add" else 0
    np.put_along_axis(want, index, values + old, axis)
    for v in layouts(values):
        assert np.array_equal(run("put_along_axis", x, index, v, axis=axis, mode=mode), want)


def test_put_along_axis_adds_repeated_indices(run):
    index = np.zeros((2, 5), np.int32)
    out = run(
        "put_along_axis",
        np.zeros((2, 3), np.int32),
        index,
        np.ones((2, 5), np.int32),
        axis=1,
        mode="add",
    )
    assert out.tolist() == [[5, 0, 0], [5, 0, 0]]


@pytest.mark.parametrize("axis", [0, 1])
def test_along_axis_names_the_index_that_is_out_of_bounds(run, axis):
    x, index = np.zeros((3, 3), np.float32), np.zeros((3, 3), np.int64)
    index[2, 1] = -4
    with pytest.raises(IndexError, match=f"index -4 is out of bounds for axis {axis} with size 3"):
        run("take_along_axis", x, index, axis=axis)


def test_along_an_empty_axis(run):
    out = run("take_along_axis", np.zeros((3, 0), np.float32), np.zeros((3, 0), np.int32), axis=1)
    assert out.shape == (3, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "start", "stop", "step"),
    [
        ((5,), (1,), (4,), (1,)),
        ((5,), (4,), (-1,), (-2,)),
        ((4, 6), (0, 1), (4, 6), (1, 2)),
        ((3, 2), (1, 0), (1, 2), (1, 1)),
        ((300, 200), (299, 10), (-1, 150), (-1, 3)),
        ((), (), (), ()),
    ],
)
def test_slice_update(run, rng, dtype, shape, start, stop, step):
    where = tuple(
        slice(a, None if b < 0 else b, s) for a, b, s in zip(start, stop, step, strict=True)
    )
    x = numbers(rng, shape, dtype)
    update = numbers(rng, np.empty(shape)[(..., *where)].shape, dtype)
    want = x.copy()
    want[(..., *where)] = update
    for part in layouts(update) if shape else [update]:
        out = run("slice_update", x, part, start=start, stop=stop, step=step)
        assert np.array_equal(out, want)


def test_slice_update_that_does_not_fit_is_refused(run):
    x = np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="slice_update: the update does not fit"):
        run("slice_update", x, x, start=(1,), stop=(5,), step=(1,))
