"""Arrays from Python, buffers, NumPy and DLPack, and back."""

from __future__ import annotations

import array as typed
import copy
import pickle
import sys

import ml_dtypes
import numpy as np
import pytest

import monel.core as mx
from monel.core.graph import exporter

DTYPES = [
    mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64,
    mx.float16, mx.bfloat16, mx.float32, mx.float64, mx.complex64,
]  # fmt: skip

pure = exporter.__file__.endswith(".py")
needs_buffers = pytest.mark.skipif(
    pure and sys.version_info < (3, 12), reason="the pure form exports no buffers on Python 3.11"
)


@pytest.mark.parametrize(
    ("val", "dtype"),
    [
        (True, mx.bool_),
        (1, mx.int32),
        (2**31, mx.int64),
        (-(2**31), mx.int32),
        (1.0, mx.float32),
        (1j, mx.complex64),
        ([], mx.float32),
        ([True, False], mx.bool_),
        ([True, 2], mx.int32),
        ([[1], [2**31]], mx.int64),
        ([1, 2.0], mx.float32),
        ([1.0, 2j], mx.complex64),
        ((1, 2), mx.int32),
        (b"ab", mx.uint8),
        (bytearray(b"ab"), mx.uint8),
        (memoryview(b"ab"), mx.uint8),
        (typed.array("h", [1]), mx.int16),
        (typed.array("d", [1]), mx.float32),
        (np.zeros(1), mx.float32),
        (np.zeros(1, np.int64), mx.int64),
        (np.zeros(1, np.complex128), mx.complex64),
        (np.zeros(1, ml_dtypes.bfloat16), mx.bfloat16),
        (np.float64(1), mx.float32),
        (np.int8(1), mx.int8),
    ],
)
def test_dtype_is_inferred(val, dtype):
    assert mx.array(val).dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
def test_numpy_round_trip(dtype):
    given = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype.numpy)
    back = np.array(mx.array(given, dtype))
    assert back.dtype == given.dtype
    assert (back == given).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
def test_tolist_of_each_dtype(dtype):
    assert mx.array([0, 1], dtype).tolist() == [0, 1]


@pytest.mark.parametrize("val", [[[1, 2], [3]], [[1], 2], [1, [2]], [[], [1]]])
def test_ragged_lists_are_refused(val):
    with pytest.raises(ValueError, match=r"non-uniform length|extra dimension"):
        mx.array(val)


@pytest.mark.parametrize("val", ["a", ["a"], [None], {}, {1}, range(2), object(), [b"a"]])
def test_what_is_no_number_is_refused(val):
    with pytest.raises(ValueError, match="Invalid type"):
        mx.array(val)


def test_none_is_a_type_error():
    with pytest.raises(TypeError, match="None"):
        mx.array(None)


def test_dtype_must_be_a_dtype():
    with pytest.raises(TypeError, match="dtype must be a Dtype"):
        mx.array([1], "float32")


def test_integers_beyond_64_bits_are_refused():
    with pytest.raises(ValueError, match="9223372036854775808"):
        mx.array([2**63])


def test_a_list_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested"):
        mx.array(endless)


def test_explicit_dtype_wraps_integers():
    assert mx.array([300, -1], mx.uint8).tolist() == [44, 255]


def test_floats_beyond_float32_are_infinite():
    assert mx.array([1e40]).tolist() == [float("inf")]


def test_uint64_holds_its_upper_half():
    assert mx.array([2**64 - 1], mx.uint64).tolist() == [2**64 - 1]


def test_lists_of_arrays_are_stacked():
    made = mx.array([mx.array([1, 2]), [3.5, 4]])
    assert (made.tolist(), made.dtype) == ([[1, 2], [3.5, 4]], mx.float32)


def test_arrays_in_lists_promote_without_scalars_being_weak():
    assert mx.array([mx.array(1.0, mx.float16), 2.0]).dtype == mx.float32
    assert mx.array([mx.array(1.0, mx.float16), 2]).dtype == mx.float16


def test_gradients_flow_through_lists_of_arrays():
    gradient = mx.grad(lambda x: mx.sum(mx.array([x, 2 * x]) * mx.array([1.0, 3.0])))
    assert gradient(mx.array(1.0)).item() == 7


def test_strided_numpy_arrays_are_read_in_order():
    given = np.arange(6).reshape(2, 3)
    assert mx.array(given.T[::-1]).tolist() == [[2, 5], [1, 4], [0, 3]]


def test_big_endian_numpy_arrays_are_converted():
    assert mx.array(np.array([1, 2], ">i4")).tolist() == [1, 2]


def test_array_copies_numpy():
    given = np.ones(3, np.float32)
    made = mx.array(given)
    given[0] = 9
    assert made.tolist() == [1, 1, 1]


def test_large_numpy_arrays_are_copied_too():
    given = np.ones(100_000, np.float32)
    made = mx.array(given)
    given[:] = 9
    assert mx.sum(made).item() == 100_000


def test_numpy_strings_are_refused():
    with pytest.raises(ValueError, match="<U1"):
        mx.array(np.array(["a"]))


def test_array_protocol_objects_are_taken():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.arange(2, dtype=np.int32)

    assert mx.array(Holder()).tolist() == [0, 1]


@pytest.mark.parametrize("copied", [None, True])
def test_asarray_takes_lists(copied):
    assert mx.asarray([1, 2], copy=copied).tolist() == [1, 2]


@pytest.mark.parametrize("val", [1, [1], np.ones(1, np.float32), b"a"])
def test_asarray_never_copies_silently(val):
    with pytest.raises(ValueError, match="copy"):
        mx.asarray(val, copy=False)


def test_asarray_of_an_array_is_no_copy():
    a = mx.array([1.0])
    np.asarray(mx.asarray(a, copy=False))[0] = 5
    assert a.tolist() == [5]


def test_asarray_with_copy_has_memory_of_its_own():
    a = mx.array([1.0])
    np.asarray(mx.asarray(a, copy=True))[0] = 5
    assert a.tolist() == [1]


def test_numpy_view_writes_into_the_array():
    a = mx.array([1.0, 2.0])
    np.array(a, copy=False)[0] = 5
    assert a.tolist() == [5, 2]


def test_numpy_copy_does_not():
    a = mx.array([1.0, 2.0])
    np.array(a)[0] = 5
    assert a.tolist() == [1, 2]


def test_a_view_stays_while_the_array_moves_on():
    a = mx.array([1.0, 2.0])
    view = np.array(a, copy=False)
    a = a + 1
    mx.eval(a)
    assert view.tolist() == [1, 2]


def test_numpy_dtype_is_converted():
    assert np.asarray(mx.array([1, 2]), np.float64).dtype == np.float64


def test_numpy_dtype_without_a_copy_is_refused():
    with pytest.raises(ValueError, match="copy"):
        np.array(mx.array([1, 2]), dtype=np.float64, copy=False)


def test_bfloat16_goes_to_numpy_as_ml_dtypes():
    made = np.array(mx.array([1.5], mx.bfloat16))
    assert (made.dtype, made[0]) == (ml_dtypes.bfloat16, 1.5)


def test_transposed_arrays_reach_numpy_in_order():
    assert np.array(mx.array([[1, 2], [3, 4]]).T).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("val", "dtype", "data"),
    [
        (3, mx.int32, b"\x03\0\0\0"),
        ([1, 2], mx.int16, b"\1\0\2\0"),
        ([1.0], mx.bfloat16, b"\x80\x3f"),
        ([], mx.float32, b""),
    ],
)
def test_bytes(val, dtype, data):
    assert bytes(mx.array(val, dtype)) == data


def test_bytes_are_row_major():
    assert bytes(mx.array([[1, 2], [3, 4]], mx.int8).T) == b"\1\3\2\4"


@needs_buffers
@pytest.mark.parametrize(
    ("dtype", "code"),
    [(mx.bool_, "?"), (mx.uint8, "B"), (mx.int32, "i"), (mx.float16, "e"), (mx.int64, "q")],
)
def test_memoryview_format(dtype, code):
    assert memoryview(mx.array([1, 0], dtype)).format == code


@needs_buffers
def test_memoryview_writes_into_the_array():
    a = mx.array([1, 2])
    memoryview(a)[0] = 7
    assert a.tolist() == [7, 2]


@needs_buffers
def test_memoryview_keeps_the_memory_alive():
    view = memoryview(mx.array([1, 2]) + 1)
    assert view.tolist() == [2, 3]


@needs_buffers
def test_memoryview_of_bfloat16_is_a_buffer_error():
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(mx.array([1.0], mx.bfloat16))


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d is not mx.float64], ids=lambda d: d.name)
def test_dlpack_round_trip(dtype):
    a = mx.array([0, 1, 1], dtype)
    made = mx.from_dlpack(_Exporter(a))
    assert (made.dtype, made.tolist()) == (dtype, [0, 1, 1])


def test_dlpack_of_float64_arrives_as_float32():
    assert mx.from_dlpack(np.zeros(2)).dtype == mx.float32


class _Exporter:
    """Shows only DLPack of an array."""

    def __init__(self, a):
        self.a = a

    def __dlpack__(self, **options):
        return self.a.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.a.__dlpack_device__()


def test_dlpack_shares_memory_with_numpy():
    a = mx.array([1.0, 2.0])
    np.asarray(a)[1] = 9
    assert np.from_dlpack(a).tolist() == [1, 9]


def test_dlpack_device_is_the_host():
    assert mx.array(1).__dlpack_device__() == (1, 0)


def test_dlpack_to_another_device_is_refused():
    with pytest.raises(BufferError, match="not supported"):
        mx.array(1).__dlpack__(dl_device=(2, 0))


@pytest.mark.parametrize("function", [mx.from_dlpack, mx.asarray])
def test_negative_strides_are_refused(function):
    with pytest.raises(ValueError, match="negative strides"):
        function(np.arange(3)[::-1])


def test_from_dlpack_takes_read_only_memory():
    given = np.arange(3, dtype=np.int32)
    given.flags.writeable = False
    assert mx.from_dlpack(given).tolist() == [0, 1, 2]


def test_from_dlpack_needs_the_protocol():
    with pytest.raises(TypeError, match="__dlpack__"):
        mx.from_dlpack([1])


@pytest.mark.parametrize("val", [[1, 2], [[]], 2.5])
@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_pickle_round_trip(val, dtype):
    a = mx.array(val, dtype)
    made = pickle.loads(pickle.dumps(a))
    assert (made.dtype, made.shape, made.tolist()) == (dtype, a.shape, a.tolist())


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_are_independent_of_updates(duplicate):
    a = mx.array([1, 2])
    b = duplicate(a)
    a[0] = 9
    assert b.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("val", "kind"), [(1, int), ([1], int), (1.5, float), (True, bool), (1j, complex)]
)
def test_item_is_a_python_scalar(val, kind):
    assert type(mx.array(val).item()) is kind


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_item_of_half_types_is_a_float(dtype):
    assert type(mx.array(1.5, dtype).item()) is float


@pytest.mark.parametrize("convert", [int, float, bool, complex, lambda a: a.item()])
@pytest.mark.parametrize("val", [[], [1, 2]])
def test_only_one_element_converts(convert, val):
    with pytest.raises(ValueError, match="length-1"):
        convert(mx.array(val))


def test_integer_scalars_are_indices():
    assert [10, 20][mx.array(1)] == 20


@pytest.mark.parametrize("val", [1.0, True, [1]])
def test_others_are_no_indices(val):
    with pytest.raises(TypeError, match="index"):
        [10, 20][mx.array(val)]


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2), (2, 3, 1)])
def test_tolist_has_the_shape(shape):
    assert mx.zeros(shape).tolist() == np.zeros(shape).tolist()


def test_conversion_inside_grad_leaves_the_gradient_intact():
    def f(x):
        return x * x if x.item() > 0 else x

    assert mx.grad(f)(mx.array(3.0)).item() == 6


@pytest.mark.parametrize("convert", [lambda a: a.tolist(), np.array, repr, bytes])
def test_conversion_inside_vmap_is_an_error(convert):
    with pytest.raises(ValueError, match="vmap"):
        mx.vmap(lambda x: (convert(x), x)[1])(mx.ones((2, 2)))
