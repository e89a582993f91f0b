"""Arrays from shapes and numbers: dtypes, lengths, errors."""

import numpy as np
import pytest

import monel.core as mx


@pytest.mark.parametrize(("f", "number"), [(mx.zeros, 0), (mx.ones, 1)])
def test_zeros_and_ones(f, number):
    assert f(3).tolist() == [number] * 3
    assert f((2, 0)).shape == (2, 0)
    assert f(()).item() == number
    assert f([2], mx.int8).dtype is mx.int8
    assert f(2, None).dtype is mx.float32


@pytest.mark.parametrize("dtype", [mx.bool_, mx.uint64, mx.bfloat16, mx.complex64], ids=str)
def test_every_dtype_can_be_filled(dtype):
    assert mx.ones(2, dtype).tolist() == [1, 1]
    assert mx.full(2, 1, dtype).dtype is dtype


@pytest.mark.parametrize("shape", [-1, (2, -1)])
def test_a_negative_dimension_is_refused(shape):
    for f in (mx.zeros, mx.ones, lambda s: mx.full(s, 1)):
        with pytest.raises(ValueError, match="negative dimension"):
            f(shape)


def test_a_shape_is_made_of_ints():
    with pytest.raises(TypeError, match="zeros: shape must be an int, got float"):
        mx.zeros(2.0)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(True, mx.bool_), (3, mx.int32), (2**40, mx.int64), (2.5, mx.float32), (1j, mx.complex64)],
)
def test_full_takes_the_dtype_of_its_value(value, dtype):
    x = mx.full(2, value)
    assert x.dtype is dtype
    assert x.tolist() == [value, value]


def test_full_broadcasts_an_array():
    assert mx.full((2, 2), mx.array([1, 2])).tolist() == [[1, 2], [1, 2]]
    assert mx.full((2,), mx.array(1), mx.float16).dtype is mx.float16
    with pytest.raises(ValueError, match="cannot be broadcast"):
        mx.full((2, 2), mx.array([1, 2, 3]))


def test_full_converts_floats_and_refuses_ints_that_do_not_fit():
    assert mx.full(2, 3.7, mx.int32).tolist() == [3, 3]
    for value in (-1, 300):
        with pytest.raises(ValueError, match="overflow"):
            mx.full(2, value, mx.uint8)


def test_full_refuses_lists():
    with pytest.raises(ValueError, match="full"):
        mx.full(2, [1, 2])


def test_the_like_functions_lend_shape_and_dtype():
    x = mx.array([[1, 2]])
    assert mx.zeros_like(x).tolist() == [[0, 0]]
    assert mx.ones_like(x, mx.float16).dtype is mx.float16
    assert mx.full_like(x, 2.7).tolist() == [[2, 2]]
    assert mx.full_like(x, mx.array([5, 6])).tolist() == [[5, 6]]
    with pytest.raises(TypeError, match="zeros_like: expected an array"):
        mx.zeros_like(3)


@pytest.mark.parametrize(
    ("args", "want", "dtype"),
    [
        ((5,), [0, 1, 2, 3, 4], mx.int32),
        ((1, 5, 2), [1, 3], mx.int32),
        ((5, 1, -2), [5, 3], mx.int32),
        ((5, 1), [], mx.int32),
        ((3.0,), [0, 1, 2], mx.float32),
        ((0, 2, 0.5), [0, 0.5, 1, 1.5], mx.float32),
        ((2**31 - 1, 2**31 + 1), [2**31 - 1, 2**31], mx.int64),
        ((0.5, 4.5, 1, mx.int32), [0, 1, 2, 3], mx.int32),
        ((0, 3, 0.5, mx.int32), [0] * 6, mx.int32),
        ((-3, 3, 2, mx.uint8), [253, 255, 1], mx.uint8),
        ((0, 300, 100, mx.int8), [0, 100, -56], mx.int8),
        ((6, 2, mx.float16), [0, 2, 4], mx.float16),
    ],
)
def test_arange(args, want, dtype):
    x = mx.arange(*args)
    assert x.dtype is dtype
    assert x.tolist() == want


def test_arange_by_keyword():
    assert mx.arange(stop=4).tolist() == [0, 1, 2, 3]
    assert mx.arange(1, stop=4, step=2).tolist() == [1, 3]
    assert mx.arange(3, None).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="expected stop"):
        mx.arange()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1, 5, 0), "nonzero"),
        ((float("nan"),), "Cannot compute length"),
        ((0, float("inf")), "Cannot compute length"),
        ((0, 2**62), "Maximum size"),
        ((True,), "bool not supported"),
        ((3, None, None, mx.bool_), "bool not supported"),
    ],
)
def test_what_arange_refuses(args, message):
    with pytest.raises(ValueError, match=message):
        mx.arange(*args)


def test_arange_takes_numbers_only():
    for stop in ("x", mx.array(3)):
        with pytest.raises(TypeError, match="arange: stop must be an int or a float"):
            mx.arange(stop)


@pytest.mark.parametrize(
    ("args", "want"),
    [
        ((0, 1, 5), [0, 0.25, 0.5, 0.75, 1]),
        ((5, 0, 3), [5, 2.5, 0]),
        ((0, 1, 4, False), [0, 0.25, 0.5, 0.75]),
        ((2, 9, 1), [2]),
        ((0, 1, 0), []),
        ((0, 10, 4, True, mx.int32), [0, 3, 6, 10]),
    ],
)
def test_linspace(args, want):
    assert mx.linspace(*args).tolist() == want


def test_linspace_ends_exactly_at_stop():
    assert mx.linspace(0.1, 0.7, 1001)[-1].item() == np.float32(0.7)


def test_linspace_refuses_a_negative_count():
    with pytest.raises(ValueError, match="non-negative"):
        mx.linspace(0, 1, -1)


def test_eye_and_identity():
    assert mx.eye(2, 3, 1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert mx.eye(3, 2, -1, mx.int32).tolist() == [[0, 0], [1, 0], [0, 1]]
    assert mx.eye(2, k=5).tolist() == [[0, 0], [0, 0]]
    assert mx.identity(2, mx.int8).dtype is mx.int8
    with pytest.raises(ValueError, match="eye"):
        mx.eye(-1)


@pytest.mark.parametrize("name", ["hamming", "hanning", "blackman", "bartlett"])
@pytest.mark.parametrize("m", [0, 1, 2, 5, 8])
def test_windows_agree_with_numpy(name, m):
    got = np.array(getattr(mx, name)(m))
    np.testing.assert_allclose(got, getattr(np, name)(m), atol=1e-6)


def test_a_fill_without_a_backend_costs_no_memory():
    assert mx.zeros((1 << 40,)).size == 1 << 40
