"""The examples of the documents that monel was started from, as tests.

Function transforms, automatic differentiation, vectorization, indexing, in-place updates, lazy
evaluation, conversion to NumPy, saving and loading, custom functions. The conversions to PyTorch
and JAX are in `interop/`.
"""

import math

import numpy as np
import pytest

import monel.core as mx

# -- function transforms ------------------------------------------------------------------------


def test_gradient_of_sine_at_pi_is_minus_one():
    assert repr(mx.grad(mx.sin)(mx.array(mx.pi))) == "array(-1, dtype=float32)"


def test_cosine_at_pi_is_minus_one():
    assert repr(mx.cos(mx.array(mx.pi))) == "array(-1, dtype=float32)"


def test_second_gradient_of_sine_at_half_pi_is_minus_one():
    second = mx.grad(mx.grad(mx.sin))
    assert repr(second(mx.array(mx.pi / 2))) == "array(-1, dtype=float32)"


def test_sine_at_half_pi_is_one():
    assert repr(mx.sin(mx.array(mx.pi / 2))) == "array(1, dtype=float32)"


def test_gradient_of_a_gradient_goes_on():
    fourth = mx.grad(mx.grad(mx.grad(mx.grad(mx.sin))))
    assert fourth(mx.array(0.5)).item() == pytest.approx(math.sin(0.5), abs=1e-6)


# -- automatic differentiation ------------------------------------------------------------------


def loss_fn(w, x, y):
    return mx.mean(mx.square(w * x - y))


@pytest.fixture
def wxy():
    return mx.array(1.0), mx.array([0.5, -0.5]), mx.array([1.5, -1.5])


def test_gradient_is_with_respect_to_the_first_argument(wxy, capsys):
    print(mx.grad(loss_fn)(*wxy))
    assert capsys.readouterr().out == "array(-1, dtype=float32)\n"


def test_argnums_chooses_another_argument(wxy, capsys):
    print(mx.grad(loss_fn, argnums=1)(*wxy))
    assert capsys.readouterr().out == "array([-1, 1], dtype=float32)\n"


def test_value_and_grad_gives_both(wxy, capsys):
    loss, dloss_dw = mx.value_and_grad(loss_fn)(*wxy)
    print(loss)
    print(dloss_dw)
    assert capsys.readouterr().out == "array(1, dtype=float32)\narray(-1, dtype=float32)\n"


def test_gradient_of_a_dict_is_a_dict(capsys):
    def loss(params, x, y):
        w, b = params["weight"], params["bias"]
        h = w * x + b
        return mx.mean(mx.square(h - y))

    params = {"weight": mx.array(1.0), "bias": mx.array(0.0)}
    print(mx.grad(loss)(params, mx.array([0.5, -0.5]), mx.array([1.5, -1.5])))
    want = "{'weight': array(-1, dtype=float32), 'bias': array(0, dtype=float32)}\n"
    assert capsys.readouterr().out == want


@pytest.mark.parametrize("container", [list, tuple])
def test_gradient_keeps_the_structure_of_nested_containers(container):
    params = container([mx.array(2.0), {"a": mx.array(3.0)}])
    grads = mx.grad(lambda p: p[0] * p[1]["a"])(params)
    assert type(grads) is container
    assert (grads[0].item(), grads[1]["a"].item()) == (3.0, 2.0)


def test_stop_gradient_stops_one_path():
    dfdx = mx.grad(lambda x: x * mx.stop_gradient(x))
    assert dfdx(mx.array(3.0)).item() == 3.0


# -- automatic vectorization ----------------------------------------------------------------------


def naive_add(xs, ys):
    return [xs[i] + ys[:, i] for i in range(xs.shape[0])]


def test_naive_loop_and_vmap_add_the_same_vectors():
    xs = mx.random.uniform(shape=(4096, 100))
    ys = mx.random.uniform(shape=(100, 4096))
    vmap_add = mx.vmap(lambda x, y: x + y, in_axes=(0, 1))
    loop = naive_add(xs, ys)
    mx.eval(loop)
    assert len(loop) == 4096
    vectorized = vmap_add(xs, ys)
    assert vectorized.shape == (4096, 100)
    assert mx.array_equal(mx.stack(loop), vectorized).item()


def test_vmap_add_is_the_sum_with_the_transpose():
    xs = mx.random.uniform(shape=(40, 10))
    ys = mx.random.uniform(shape=(10, 40))
    vectorized = mx.vmap(lambda x, y: x + y, in_axes=(0, 1))(xs, ys)
    assert mx.array_equal(vectorized, xs + ys.T).item()


def test_vmap_over_the_second_axis_of_the_first_argument():
    xs = mx.random.uniform(shape=(40, 10))
    ys = mx.random.uniform(shape=(10, 40))
    vectorized = mx.vmap(lambda x, y: x + y, in_axes=(1, 0))(xs, ys)
    assert mx.array_equal(vectorized, xs.T + ys).item()


def test_out_axes_places_the_vectorized_axis():
    xs = mx.random.uniform(shape=(40, 10))
    ys = mx.random.uniform(shape=(10, 40))
    vectorized = mx.vmap(lambda x, y: x + y, in_axes=(0, 1), out_axes=1)(xs, ys)
    assert vectorized.shape == (10, 40)
    assert mx.array_equal(vectorized, xs.T + ys).item()


# -- indexing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "want"),
    [
        (3, "array(3, dtype=int32)"),
        (-2, "array(8, dtype=int32)"),
        (slice(2, 8, 2), "array([2, 4, 6], dtype=int32)"),
    ],
)
def test_integers_and_slices_index(index, want):
    assert repr(mx.arange(10)[index]) == want


@pytest.mark.parametrize(
    "index", [(slice(None), slice(None), 0), (..., 0)], ids=["colons", "ellipsis"]
)
def test_last_axis_is_indexed(index):
    arr = mx.arange(8).reshape(2, 2, 2)
    assert arr[index].tolist() == [[0, 2], [4, 6]]
    assert str(arr[index]) == "array([[0, 2],\n       [4, 6]], dtype=int32)"


def test_none_makes_an_axis():
    arr = mx.arange(8)
    assert arr.shape == (8,)
    assert arr[None].shape == (1, 8)


def test_an_array_indexes_an_array():
    arr = mx.arange(10)
    assert repr(arr[mx.array([5, 7])]) == "array([5, 7], dtype=int32)"


def test_mixed_indices_follow_numpy():
    arr = mx.arange(24).reshape(2, 3, 4)
    want = np.arange(24).reshape(2, 3, 4)[..., np.array([2, 0]), 1:3]
    assert arr[..., mx.array([2, 0]), 1:3].tolist() == want.tolist()


def test_take_chooses_entries_along_an_axis():
    arr = mx.arange(6).reshape(2, 3)
    assert mx.take(arr, mx.array([2, 0]), axis=1).tolist() == [[2, 0], [5, 3]]


def test_take_along_axis_chooses_by_row():
    arr = mx.arange(6).reshape(2, 3)
    assert mx.take_along_axis(arr, mx.array([[2], [0]]), axis=1).tolist() == [[2], [3]]


# -- in-place updates -----------------------------------------------------------------------------


def test_in_place_update_changes_the_array():
    a = mx.array([1, 2, 3])
    a[2] = 0
    assert repr(a) == "array([1, 2, 0], dtype=int32)"


def test_every_reference_sees_an_in_place_update():
    a = mx.array([1, 2, 3])
    b = a
    b[2] = 0
    assert repr(b) == "array([1, 2, 0], dtype=int32)"
    assert repr(a) == "array([1, 2, 0], dtype=int32)"


def test_gradient_of_a_function_with_an_in_place_update(capsys):
    def fun(x, idx):
        x[idx] = 2.0
        return x.sum()

    print(mx.grad(fun)(mx.array([1.0, 2.0, 3.0]), mx.array([1])))
    assert capsys.readouterr().out == "array([1, 0, 1], dtype=float32)\n"


# -- lazy evaluation ------------------------------------------------------------------------------


def test_an_unused_output_is_never_computed():
    def fun(x):
        a = x + 1.0
        b = mx.zeros((1 << 20, 1 << 20)) + a  # four terabytes, if it were computed
        return a, b

    y, _ = fun(mx.array(1.0))
    assert y.item() == 2.0


def test_evaluating_twice_changes_nothing():
    a = mx.array([1.0, 2.0]) * 3.0
    mx.eval(a)
    mx.eval(a, [a, {"again": a}])
    assert a.tolist() == [3.0, 6.0]


def test_evaluating_at_each_step_of_a_loop():
    a, b = mx.array(0.0), mx.array(1.0)
    for _ in range(10):
        a = a + b
        mx.eval(a)
        b = b * 2
        mx.eval(b)
    assert (a.item(), b.item()) == (1023.0, 1024.0)


def test_a_scalar_array_decides_a_branch():
    def fun(x):
        y = x * 2
        return y * 3 if y > 0 else y * 5

    assert (fun(mx.array(1.0)).item(), fun(mx.array(-1.0)).item()) == (6.0, -10.0)


@pytest.mark.parametrize(("x", "slope"), [(1.0, 6.0), (-1.0, 10.0)])
def test_a_branch_on_a_value_works_under_grad(x, slope):
    def fun(x):
        y = x * 2
        return y * 3 if y > 0 else y * 5

    assert mx.grad(fun)(mx.array(x)).item() == slope


@pytest.mark.parametrize(
    "look",
    [str, np.array, memoryview, lambda a: a.tolist()],
    ids=["print", "numpy", "memoryview", "tolist"],
)
def test_looking_at_an_array_evaluates_it(look):
    a = mx.array([1.0, 2.0]) + 1.0
    look(a)
    assert a.tolist() == [2.0, 3.0]


# -- conversion to NumPy --------------------------------------------------------------------------


def test_round_trip_through_numpy():
    a = mx.arange(3)
    b = np.array(a)
    c = mx.array(b)
    assert b.dtype == np.int32
    assert c.dtype == mx.int32
    assert c.tolist() == [0, 1, 2]


def test_numpy_copies_by_default():
    a = mx.arange(3)
    b = np.array(a)
    b[0] = 7
    assert a.tolist() == [0, 1, 2]


def test_bfloat16_is_converted_through_float32():
    a = mx.array([1.5, -2.0], dtype=mx.bfloat16)
    assert np.array(a.astype(mx.float32)).tolist() == [1.5, -2.0]


def test_a_view_owns_no_memory_and_writes_through():
    a = mx.arange(3)
    a_view = np.array(a, copy=False)
    assert not a_view.flags.owndata
    a_view[0] = 1
    assert a[0].item() == 1


def test_a_write_through_a_view_is_no_part_of_the_gradient():
    def f(x):
        x_view = np.array(x, copy=False)
        x_view[:] *= x_view
        return x.sum()

    y, df = mx.value_and_grad(f)(mx.array([3.0]))
    assert (y.item(), df.item()) == (9.0, 1.0)


# -- saving and loading ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pytest.importorskip("monel.io")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_save_adds_the_extension(folder):
    mx.save("array", mx.array([1.0]))
    assert [path.name for path in folder.iterdir()] == ["array.npy"]
    assert repr(mx.load("array.npy")) == "array([1], dtype=float32)"


def test_savez_names_arrays_by_place_and_by_keyword(folder):
    mx.savez("arrays", mx.array([1.0]), b=mx.array([2.0]))
    loaded = mx.load("arrays.npz")
    assert {name: repr(a) for name, a in loaded.items()} == {
        "b": "array([2], dtype=float32)",
        "arr_0": "array([1], dtype=float32)",
    }


def test_savez_compressed_loads_the_same(folder):
    mx.savez_compressed("arrays", mx.array([1.0]), b=mx.array([2.0]))
    loaded = mx.load("arrays.npz")
    assert {name: a.tolist() for name, a in loaded.items()} == {"arr_0": [1.0], "b": [2.0]}


@pytest.mark.parametrize("format", ["safetensors", "gguf"])
def test_a_dict_of_arrays_is_saved(folder, format):
    save = getattr(mx, f"save_{format}")
    save("arrays", {"a": mx.array([1.0]), "b": mx.array([2.0])})
    loaded = mx.load(f"arrays.{format}")
    assert {name: a.tolist() for name, a in loaded.items()} == {"a": [1.0], "b": [2.0]}


# -- custom functions -----------------------------------------------------------------------------


@pytest.fixture
def custom():
    @mx.custom_function
    def f(x, y):
        return mx.sin(x) * y

    @f.vjp
    def f_vjp(primals, cotangent, output):
        x, y = primals
        return cotangent * mx.cos(x) * y, cotangent * mx.sin(x)

    @f.jvp
    def f_jvp(primals, tangents):
        x, y = primals
        dx, dy = tangents
        return dx * mx.cos(x) * y + dy * mx.sin(x)

    @f.vmap
    def f_vmap(inputs, axes):
        x, y = inputs
        ax, ay = axes
        if ay != ax and ax is not None:
            y = y.swapaxes(ay, ax)
        return mx.sin(x) * y, (ax or ay)

    return f


def test_custom_function_computes_as_the_function_does(custom):
    assert custom(mx.array(0.5), mx.array(2.0)).item() == pytest.approx(2 * math.sin(0.5))


def test_custom_vjp_gives_the_gradient(custom):
    dx, dy = mx.grad(custom, argnums=(0, 1))(mx.array(0.5), mx.array(2.0))
    assert (dx.item(), dy.item()) == pytest.approx((2 * math.cos(0.5), math.sin(0.5)))


def test_custom_jvp_gives_the_tangent(custom):
    primals, tangents = [mx.array(0.5), mx.array(2.0)], [mx.array(1.0), mx.array(10.0)]
    _, (tangent,) = mx.jvp(custom, primals, tangents)
    assert tangent.item() == pytest.approx(2 * math.cos(0.5) + 10 * math.sin(0.5))


@pytest.mark.parametrize("in_axes", [(0, 0), (1, 0)])
def test_custom_vmap_gives_the_batch(custom, in_axes):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((3, 3)).astype("float32") for _ in range(2))
    out = mx.vmap(custom, in_axes=in_axes)(mx.array(x), mx.array(y))
    want = np.sin(x if in_axes == (0, 0) else x.T) * y
    assert np.allclose(np.array(out), want, atol=1e-6)


@pytest.fixture
def captures():
    def g(x, y):
        @mx.custom_function
        def f(x):
            return x * y

        @f.vjp
        def f_vjp(x, dx, fx):
            raise ValueError("Abort!")

        return f(x)

    return g


def test_custom_function_captures_an_array(captures):
    assert captures(mx.array(2.0), mx.array(3.0)).item() == 6.0


def test_an_error_of_a_custom_vjp_is_raised(captures):
    with pytest.raises(ValueError, match="Abort!"):
        mx.grad(captures)(mx.array(2.0), mx.array(3.0))


def test_a_captured_array_has_no_gradient_through_a_custom_vjp(captures):
    assert mx.grad(captures, argnums=1)(mx.array(2.0), mx.array(3.0)).item() == 0.0
