"""Axes, shapes, joining, padding, diagonals: against NumPy, and their errors."""

import numpy as np
import pytest

import monel.core as mx

A = np.arange(6, dtype="float32").reshape(2, 3)
C = np.arange(24, dtype="float32").reshape(2, 3, 4)
V = np.array([1.0, 2.0, 3.0], "float32")


def same(got, want):
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.array(got), want)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("reshape", ((4, 6),)),
        ("reshape", ((-1, 6),)),
        ("transpose", ()),
        ("transpose", ((1, -1, 0),)),
        ("swapaxes", (0, -1)),
        ("moveaxis", (0, -1)),
        ("moveaxis", (2, 0)),
        ("expand_dims", ((0, -1),)),
        ("expand_dims", (1,)),
        ("broadcast_to", ((2, 2, 3, 4),)),
        ("tile", (2,)),
        ("tile", ((2, 1, 1, 3),)),
        ("tile", ((0,),)),
        ("repeat", (2,)),
        ("repeat", (3, 1)),
        ("roll", (5,)),
        ("roll", (-1, 1)),
        ("roll", ((1, 2), (0, 2))),
        ("roll", (1, (0, 0))),
        ("flip", ()),
        ("flip", (1,)),
        ("flip", ((0, -1),)),
        ("diagonal", (1,)),
        ("diagonal", (-1, 0, 2)),
        ("diagonal", (0, -1, -2)),
        ("diagonal", (9,)),
        ("trace", (1, 0, 2)),
        ("tril", (-1,)),
        ("triu", (1,)),
        ("atleast_1d", ()),
        ("atleast_3d", ()),
    ],
)
def test_a_function_agrees_with_numpy(name, args):
    same(getattr(mx, name)(mx.array(C), *args), getattr(np, name)(C, *args))


def test_reshape_errors():
    for shape in [(4, 5), (-1, -1), (5, -1), (-2, 3), ()]:
        with pytest.raises(ValueError, match="reshape"):
            mx.reshape(mx.array(A), shape)
    with pytest.raises(ValueError, match="cannot infer"):
        mx.reshape(mx.zeros((0, 3)), (0, -1))
    with pytest.raises(TypeError, match="sequence of ints"):
        mx.reshape(mx.array(A), 6)


def test_flatten_clamps_its_axes():
    x = mx.array(C)
    assert mx.flatten(x).shape == (24,)
    assert mx.flatten(x, 1).shape == (2, 12)
    assert mx.flatten(x, -9, 1).shape == (6, 4)
    assert mx.flatten(x, 1, 9).shape == (2, 12)
    assert mx.flatten(mx.array(1.0)).shape == (1,)
    with pytest.raises(ValueError, match="start_axis must be less"):
        mx.flatten(x, 2, 1)


def test_unflatten():
    x = mx.array(C)
    assert mx.unflatten(x, -1, (2, -1)).shape == (2, 3, 2, 2)
    for shape in [(), (3, 3), (3, -1)]:
        with pytest.raises(ValueError, match="unflatten"):
            mx.unflatten(x, 2, shape)
    with pytest.raises(IndexError, match="axis 3 is out of bounds"):
        mx.unflatten(x, 3, (2, 2))


@pytest.mark.parametrize("axes", [(0, 1), (0, 1, 1), (0, 1, 3), ()])
def test_transpose_needs_a_permutation(axes):
    with pytest.raises(ValueError, match="transpose"):
        mx.transpose(mx.array(C), axes)


def test_squeeze():
    x = mx.zeros((1, 3, 1))
    assert mx.squeeze(x).shape == (3,)
    assert mx.squeeze(x, -1).shape == (1, 3)
    assert mx.squeeze(x, (0, 2)).shape == (3,)
    with pytest.raises(ValueError, match="has length 3, not 1"):
        mx.squeeze(x, 1)
    with pytest.raises(IndexError, match="out of bounds"):
        mx.squeeze(x, 3)


def test_expand_dims_errors():
    with pytest.raises(ValueError, match="duplicate"):
        mx.expand_dims(mx.array(A), (0, 0))
    for axis in (3, -4):
        with pytest.raises(IndexError, match="out of bounds"):
            mx.expand_dims(mx.array(A), axis)


def test_broadcasting():
    assert mx.broadcast_shapes((6, 7), (5, 6, 1), (7,)) == (5, 6, 7)
    assert [x.shape for x in mx.broadcast_arrays(mx.ones(3), mx.ones((2, 1)))] == [(2, 3)] * 2
    assert mx.broadcast_to(1.5, (2,)).tolist() == [1.5, 1.5]
    with pytest.raises(ValueError, match="broadcast"):
        mx.broadcast_to(mx.array(A), (3, 3))
    with pytest.raises(ValueError, match="negative dimension"):
        mx.broadcast_to(mx.array(A), (-1, 3))
    with pytest.raises(ValueError, match="at least one shape"):
        mx.broadcast_shapes()


def test_atleast_of_several_arrays_is_a_list():
    low, high = mx.atleast_2d(mx.array(1.0), mx.array(C))
    assert (low.shape, high.shape) == ((1, 1), (2, 3, 4))
    assert mx.atleast_3d(mx.array(V)).shape == (1, 3, 1)
    assert mx.atleast_3d(mx.array(A)).shape == (2, 3, 1)


def test_concatenate():
    x = mx.array(A)
    same(mx.concatenate([x, x], 1), np.concatenate([A, A], 1))
    same(mx.concatenate([x, x], axis=None), np.concatenate([A, A], None))
    same(mx.concat((x,), -1), A)
    assert mx.concatenate([x, mx.array([[1, 2, 3]])]).dtype is mx.float32
    for arrays in ([], [x, mx.ones((2, 2))], [x, mx.ones(3)]):
        with pytest.raises(ValueError, match="concatenate"):
            mx.concatenate(arrays)
    with pytest.raises(IndexError, match="axis 0 is out of bounds"):
        mx.concatenate([mx.array(1.0), mx.array(2.0)])
    with pytest.raises(TypeError, match="expected an array"):
        mx.concatenate([1, 2])


def test_stack_and_unstack_are_inverse():
    for axis in (0, 1, -1):
        rows = [mx.array(A), mx.array(A + 1)]
        back = mx.unstack(mx.stack(rows, axis), axis=axis)
        assert isinstance(back, tuple)
        for got, want in zip(back, rows, strict=True):
            same(got, np.array(want))
    with pytest.raises(ValueError, match="same shape"):
        mx.stack([mx.array(A), mx.ones(2)])


@pytest.mark.parametrize("cuts", [3, [1], [1, 1], [2, 1], [5], [-1], []])
def test_split_divides_an_axis(cuts):
    parts = mx.split(mx.array(A), cuts, axis=1)
    assert isinstance(parts, list)
    if cuts == 3 or cuts in ([1], [1, 1], [5], [-1], []):
        for got, want in zip(parts, np.split(A, cuts, axis=1), strict=True):
            same(got, want)
    else:
        assert [p.shape for p in parts] == [(2, 2), (2, 0), (2, 2)]


def test_split_errors():
    with pytest.raises(ValueError, match="not an equal division"):
        mx.split(mx.array(A), 2, axis=1)
    for sections in (0, -1):
        with pytest.raises(ValueError, match="must be positive"):
            mx.split(mx.array(A), sections)
    with pytest.raises(IndexError, match="axis 5"):
        mx.split(mx.array(A), 2, axis=5)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sparse", [False, True])
def test_meshgrid_agrees_with_numpy(indexing, sparse):
    arrays = [np.arange(n, dtype="float32") for n in (2, 3, 4)]
    got = mx.meshgrid(*[mx.array(a) for a in arrays], sparse=sparse, indexing=indexing)
    want = np.meshgrid(*arrays, sparse=sparse, indexing=indexing)
    for g, w in zip(got, want, strict=True):
        same(g, w)


def test_meshgrid_refuses_other_indexing():
    with pytest.raises(ValueError, match="Invalid indexing"):
        mx.meshgrid(mx.ones(2), indexing="yx")


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
@pytest.mark.parametrize("width", [0, 1, (2, 1), ((1, 0), (0, 5)), ((3, 4), (7, 8))])
def test_pad_agrees_with_numpy(mode, width):
    same(mx.pad(mx.array(A), width, mode), np.pad(A, width, mode))


def test_pad_with_a_constant():
    same(mx.pad(mx.array(A), ((1, 0), (0, 2)), constant_values=7),
         np.pad(A, ((1, 0), (0, 2)), constant_values=7))  # fmt: skip
    same(mx.pad(mx.array(V), (1,)), np.pad(V, 1))
    assert mx.pad(mx.array([1]), 1, constant_values=mx.array(1.5)).tolist() == [1, 1, 1]
    assert mx.pad(mx.array(1.0), 1).item() == 1


@pytest.mark.parametrize(
    ("width", "mode"), [([(1, 0)] * 3, "constant"), (-1, "constant"), (1, "wrap")]
)
def test_pad_errors(width, mode):
    with pytest.raises(ValueError, match="Invalid"):
        mx.pad(mx.array(A), width, mode)


def test_an_empty_axis_has_no_reflection():
    for mode in ("reflect", "symmetric"):
        with pytest.raises(ValueError, match="Cannot pad empty axis"):
            mx.pad(mx.zeros((0,)), 1, mode)


@pytest.mark.parametrize("k", [-2, 0, 1])
def test_diag_makes_and_takes_a_diagonal(k):
    same(mx.diag(mx.array(V), k), np.diag(V, k))
    same(mx.diag(mx.array(A), k), np.diag(A, k))


def test_diag_of_nothing():
    assert mx.diag(mx.zeros((0,))).shape == (0, 0)
    assert mx.diag(mx.zeros((0,)), 2).tolist() == [[0, 0], [0, 0]]


def test_diagonal_errors():
    for f in (mx.diagonal, mx.trace):
        with pytest.raises(ValueError, match="at least two dimensions"):
            f(mx.ones(3))
        with pytest.raises(ValueError, match="same axis"):
            f(mx.array(C), 0, 1, -2)
    for ndim in (0, 3):
        with pytest.raises(ValueError, match="must be 1-D or 2-D"):
            mx.diag(mx.zeros((1,) * ndim))


def test_trace_widens_small_integers():
    assert mx.trace(mx.ones((2, 2), mx.int8)).dtype is mx.int32
    assert mx.trace(mx.ones((2, 2)), dtype=mx.int32).dtype is mx.int32


def test_tri():
    same(mx.tri(2, 3, 1), np.tri(2, 3, 1, "float32"))
    assert mx.tri(2, dtype=mx.bool_).tolist() == [[True, False], [True, True]]
    for f in (mx.tril, mx.triu):
        with pytest.raises(ValueError, match="at least 2-D"):
            f(mx.ones(2))


def test_a_triangle_of_nan_and_infinity_is_zero():
    x = mx.full((2, 2), float("inf"))
    assert mx.tril(x)[0, 1].item() == 0


def test_as_strided():
    x = mx.array(A)
    assert mx.as_strided(x, (3, 2), (1, 2)).tolist() == [[0, 2], [1, 3], [2, 4]]
    assert mx.as_strided(x, (2, 2), (-1, -1), 5).tolist() == [[5, 4], [4, 3]]
    assert mx.as_strided(mx.transpose(x), (6,), (1,)).tolist() == [0, 3, 1, 4, 2, 5]
    assert mx.as_strided(x).tolist() == A.tolist()
    for strides, offset in [((3, 3), 0), ((1, 1), 9), ((-1, 1), 0)]:
        with pytest.raises(IndexError, match="outside the 6 elements"):
            mx.as_strided(x, (2, 3), strides, offset)


def test_gradients_add_up_where_windows_overlap():
    f = lambda x: mx.sum(mx.as_strided(x, (3, 2), (1, 1)))  # noqa: E731
    assert mx.grad(f)(mx.ones(4)).tolist() == [1, 2, 2, 1]


def test_contiguous_keeps_values():
    same(mx.contiguous(mx.transpose(mx.array(A))), A.T)


@pytest.mark.parametrize(
    "f", [mx.reshape, mx.transpose, mx.squeeze, mx.flip, mx.pad], ids=lambda f: f.__name__
)
def test_lists_are_refused(f):
    with pytest.raises(TypeError, match="expected an array, got list"):
        f([1, 2], (2,))


@pytest.mark.parametrize(("n", "axis"), [(0, -1), (1, -1), (2, 1), (1, 0), (5, 2)])
def test_diff_agrees_with_numpy(n, axis):
    x = C * C
    same(mx.diff(mx.array(x), n, axis), np.diff(x, n, axis))


def test_diff_of_bool_says_where_neighbours_differ():
    assert mx.diff(mx.array([True, False, False])).tolist() == [True, False]


def test_diff_errors():
    with pytest.raises(ValueError, match="non-negative"):
        mx.diff(mx.ones(3), -1)
    with pytest.raises(IndexError, match="out of bounds"):
        mx.diff(mx.array(1.0))
