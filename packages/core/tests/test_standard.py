"""What the array API standard adds to MLX's functions: words, devices, and four functions."""

import numpy as np
import pytest

import monel.core as mx

SPECIAL = np.array([0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e30, 1e-30, 3.0])
PAIRS = [grid.ravel() for grid in np.meshgrid(SPECIAL, SPECIAL)]


@pytest.mark.parametrize("name", ["copysign", "hypot", "nextafter"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_bits_are_numpys(name, dtype):
    a, b = (x.astype(dtype) for x in PAIRS)
    made = getattr(mx, name)(mx.array(a, getattr(mx, dtype)), mx.array(b, getattr(mx, dtype)))
    with np.errstate(all="ignore"):
        want = getattr(np, name)(a, b)
    assert np.array(made).dtype == dtype
    np.testing.assert_allclose(np.array(made), want, rtol=1e-6 if dtype == "float32" else 1e-15)
    assert mx.signbit(made).tolist() == np.signbit(np.array(made)).tolist()


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_the_next_number_of_half_types_is_one_step_away(dtype):
    one = mx.array(1.0, dtype)
    assert (mx.nextafter(one, 2.0) - one).item() == mx.finfo(dtype).eps
    assert mx.nextafter(mx.array(0.0, dtype), -1.0).item() < 0


def test_signs_of_integers():
    assert mx.signbit(mx.array([-1, 0])).tolist() == [True, False]
    assert mx.signbit(mx.array([1, 0], dtype=mx.uint8)).tolist() == [False, False]
    assert mx.copysign(mx.array([1, 2]), -1).tolist() == [-1, -2]


@pytest.mark.parametrize("name", ["copysign", "hypot"])
def test_functions_of_signs_have_gradients(name):
    x, y = mx.array([3.0, -2.0]), mx.array([-4.0, 1.0])
    grad = mx.grad(lambda x: getattr(mx, name)(x, y).sum())(x)
    step = np.float64(1e-6)
    function = getattr(np, name)
    a, b = np.array([3.0, -2.0]), np.array([-4.0, 1.0])
    want = (function(a + step, b) - function(a - step, b)) / (2 * step)
    np.testing.assert_allclose(np.array(grad), want, rtol=1e-4)


@pytest.mark.parametrize("dtype", [mx.int32, mx.uint8, mx.float32, mx.bool_])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_a_descending_order_keeps_equal_elements_in_place(dtype, axis):
    a = np.random.default_rng(0).integers(0, 3, (5, 4))
    x = mx.array(a.astype(np.int32)).astype(dtype)
    order = mx.argsort(x, axis, descending=True)
    key = np.array(x.astype(mx.int32))
    assert order.tolist() == np.argsort(-key, axis=axis, kind="stable").tolist()
    assert (
        mx.sort(x, axis, descending=True).astype(mx.int32).tolist()
        == (-np.sort(-key, axis=axis)).tolist()
    )


def test_descending_orders_are_compiled_for_other_shapes():
    function = mx.compile(lambda x: mx.argsort(x, descending=True), shapeless=True)
    assert function(mx.array([1, 3, 2])).tolist() == [1, 2, 0]
    assert function(mx.array([1, 3])).tolist() == [1, 0]


def test_nothing_is_sorted_in_descending_order():
    assert mx.argsort(mx.zeros((0,)), descending=True).shape == (0,)


@pytest.mark.parametrize(
    ("made", "want"),
    [
        (lambda: mx.clip(mx.array([1, 5]), max=3), [1, 3]),
        (lambda: mx.clip(mx.array([1, 5]), min=2, max=3), [2, 3]),
        (lambda: mx.clip(mx.array([1, 5])), [1, 5]),
        (lambda: mx.full((2,), fill_value=3), [3, 3]),
        (lambda: mx.full_like(mx.zeros(2), fill_value=3), [3, 3]),
        (lambda: mx.cumsum(mx.array([1, 2]), include_initial=True), [0, 1, 3]),
        (lambda: mx.cumsum(mx.array([1, 2]), reverse=True, include_initial=True), [3, 2, 0]),
        (lambda: mx.cumulative_prod(mx.array([3, 2]), include_initial=True), [1, 3, 6]),
        (lambda: mx.diff(mx.array([1, 4]), prepend=mx.array([0])), [1, 3]),
        (lambda: mx.diff(mx.array([1, 4]), append=mx.array([5, 9])), [3, 1, 4]),
        (lambda: mx.sum(mx.array([200, 100], dtype=mx.uint8), dtype=mx.uint8), 44),
        (lambda: mx.prod(mx.array([2, 3]), dtype=mx.float32), 6.0),
        (lambda: mx.reshape(mx.array([1, 2]), (2, 1), copy=True), [[1], [2]]),
        (lambda: mx.roll(mx.array([1, 2, 3]), shift=1, axis=0), [3, 1, 2]),
        (
            lambda: mx.searchsorted(mx.array([3, 1, 2]), mx.array([2]), sorter=mx.array([1, 2, 0])),
            [1],
        ),
    ],
)
def test_words_of_the_standard(made, want):
    assert made().tolist() == want


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.clip(mx.ones(2), 0, a_max=1, min=0),
        lambda: mx.full((2,)),
        lambda: mx.full((2,), 1, fill_value=1),
        lambda: mx.zeros(2, device=mx.cpu, stream=mx.cpu),
        lambda: mx.zeros(2, device="nowhere!"),
        lambda: mx.ones(2).to_device(3),
        lambda: mx.astype(mx.ones(2), mx.int32, copy=1),
        lambda: mx.sort(mx.ones(2), descending=1),
        lambda: mx.argsort(mx.ones(2), stable=0),
        lambda: mx.sum(mx.ones(2), dtype="float32"),
    ],
)
def test_words_of_the_standard_are_checked(call):
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.copysign(mx.array(1j), 1),
        lambda: mx.hypot(mx.ones(2), mx.ones(3)),
        lambda: mx.nextafter([1.0], 2.0),
        lambda: mx.signbit(mx.array(1j)),
        lambda: mx.cumsum(mx.ones(2), inclusive=False, include_initial=True),
        lambda: mx.searchsorted(mx.ones(2), mx.ones(1), sorter=mx.ones(2)),
        lambda: mx.diff(mx.ones((2, 2)), prepend=mx.ones((3, 1))),
        lambda: mx.ones(2).__array_namespace__(api_version="1999.01"),
    ],
)
def test_what_does_not_fit_is_a_value_error(call):
    with pytest.raises(ValueError):
        call()


MAKERS = [
    lambda d: mx.zeros(2, device=d),
    lambda d: mx.ones_like(mx.zeros(2), device=d),
    lambda d: mx.full((2,), 1.0, device=d),
    lambda d: mx.arange(2, device=d),
    lambda d: mx.linspace(0, 1, 2, device=d),
    lambda d: mx.eye(2, device=d),
    lambda d: mx.asarray([1, 2], device=d),
    lambda d: mx.from_dlpack(np.ones(2, np.float32), device=d),
    lambda d: mx.astype(mx.ones(2), mx.int32, device=d),
    lambda d: mx.ones(2).to_device(d),
]


@pytest.mark.parametrize("make", MAKERS)
def test_an_array_is_made_on_a_device(make):
    for device in mx.__array_namespace_info__().devices():
        made = make(device)
        assert made.device == device
        assert made.tolist() == make(None or mx.default_device()).tolist()


def test_an_array_is_moved_once():
    a = mx.ones(2).to_device(mx.cpu)
    assert a.to_device(mx.cpu) is a
    assert a.to_device(mx.cpu, stream=mx.cpu) is a


def test_the_namespace_has_a_version():
    assert mx.ones(2).__array_namespace__(api_version="2024.12") is mx
    assert mx.__array_namespace_info__().capabilities()["data-dependent shapes"] is True


def test_astype_copies_unless_told_otherwise():
    a = mx.ones(2)
    assert mx.astype(a, mx.float32) is not a
    assert mx.astype(a, mx.float32, copy=False) is a
