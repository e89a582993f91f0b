"""vmap: axes, trees, composition, errors."""

import pytest

import monel.core as mx


def test_the_users_example_of_added_rows_and_columns():
    xs, ys = mx.arange(12).reshape(4, 3), mx.arange(12).reshape(3, 4)
    want = [[xs[i, j].item() + ys[j, i].item() for i in range(4)] for j in range(3)]
    assert mx.vmap(lambda x, y: x + y, in_axes=(1, 0))(xs, ys).tolist() == want


def test_an_argument_with_axis_none_is_not_mapped():
    y = mx.vmap(lambda a, b: a * b, in_axes=(0, None))(mx.ones((2, 3)), mx.array([1, 2, 3]))
    assert y.tolist() == [[1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize(
    ("in_axes", "out_axes", "shape"),
    [(0, 0, (2, 3)), (-1, 0, (3, 2)), (0, -1, (3, 2)), (1, 1, (2, 3))],
)
def test_axes_count_from_either_end(in_axes, out_axes, shape):
    f = mx.vmap(lambda a: a * 2, in_axes=in_axes, out_axes=out_axes)
    assert f(mx.ones((2, 3))).shape == shape


def test_trees_of_axes():
    f = mx.vmap(lambda d: d["a"] + d["b"], in_axes={"a": 0, "b": None})
    assert f({"a": mx.ones((2, 3)), "b": mx.ones(3)}).shape == (2, 3)


def test_trees_of_outputs():
    f = mx.vmap(lambda a: {"x": a, "y": [a * 2]}, out_axes={"x": 1, "y": 0})
    out = f(mx.array([[1, 2, 3], [4, 5, 6]]))
    assert out["x"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert out["y"][0].tolist() == [[2, 4, 6], [8, 10, 12]]


def test_an_output_that_does_not_depend_on_the_batch_is_repeated():
    assert mx.vmap(lambda a: mx.ones(3))(mx.ones((2, 5))).shape == (2, 3)


def test_captured_arrays_are_not_mapped():
    c = mx.array([10.0, 20.0])
    assert mx.vmap(lambda a: a * c)(mx.array([1.0, 2.0])).tolist() == [[10, 20], [20, 40]]


def test_vmap_of_vmap():
    f = mx.vmap(mx.vmap(lambda a, b: a * b, in_axes=(0, None)), in_axes=(None, 0))
    assert f(mx.array([1, 2]), mx.array([3, 4])).tolist() == [[3, 6], [4, 8]]


def test_hessian_by_composition():
    f = lambda x: (x * x * x).sum()  # noqa: E731
    x = mx.array([1.0, 2.0])
    rows = mx.vmap(lambda v: mx.jvp(mx.grad(f), [x], [v])[1][0])(mx.eye(2))
    assert rows.tolist() == [[6, 0], [0, 12]]


def test_an_in_place_update_inside_vmap():
    def f(row):
        row[0] = 9.0
        return row

    x = mx.zeros((2, 3))
    assert mx.vmap(f)(x).tolist() == [[9, 0, 0], [9, 0, 0]]
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: mx.vmap(lambda a: a, in_axes=None), TypeError),
        (lambda: mx.vmap(lambda a: a, in_axes=5)(mx.ones((2, 3))), IndexError),
        (lambda: mx.vmap(lambda a: a)(mx.array(1.0)), IndexError),
        (lambda: mx.vmap(lambda a, b: a)(mx.ones((2, 3)), mx.ones((3, 3))), ValueError),
        (lambda: mx.vmap(lambda a, b: a)(mx.ones(2), 2.0), ValueError),
        (lambda: mx.vmap(lambda a: 3)(mx.ones(2)), ValueError),
        (lambda: mx.vmap(lambda a, b: a)(mx.ones(2), b=mx.ones(2)), TypeError),
        (lambda: mx.vmap(lambda a: a, in_axes=(0, 0))(mx.ones(2)), ValueError),
    ],
)
def test_impossible_uses_are_refused(call, error):
    with pytest.raises(error, match="vmap"):
        call()


def test_a_value_cannot_be_asked_for_inside_vmap():
    with pytest.raises(ValueError, match="vmap"):
        mx.vmap(lambda a: a.sum().item())(mx.ones((2, 3)))


def test_a_traced_array_cannot_be_used_after_its_trace():
    kept = []
    mx.vmap(lambda a: kept.append(a) or a)(mx.ones(3))
    with pytest.raises(ValueError, match="vmap"):
        (kept[0] + 1).item()


def test_one_output_may_have_its_axis_in_a_tuple():
    x = mx.ones((2, 3))
    assert mx.vmap(lambda x: x * 2, out_axes=(1,))(x).shape == (3, 2)
    assert mx.vmap(lambda x: (x * 2,), out_axes=(1,))(x)[0].shape == (3, 2)
    for axes in ([0], (0, 0)):
        with pytest.raises(ValueError, match="out_axes"):
            mx.vmap(lambda x: x * 2, out_axes=axes)(x)
