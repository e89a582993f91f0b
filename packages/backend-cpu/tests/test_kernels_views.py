"""Views share storage; creation; the Buffer type and its buffer protocol."""

from __future__ import annotations

import numpy as np
import pytest

from monel.backends.cpu import _kernels


def grid(*shape):
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


VIEWS = [
    ("transpose", {"axes": (2, 0, 1)}, lambda a: a.transpose(2, 0, 1)),
    ("reshape", {"shape": (4, 6)}, lambda a: a.reshape(4, 6)),
    ("reshape", {"shape": (1, 2, 1, 12)}, lambda a: a.reshape(1, 2, 1, 12)),
    ("broadcast", {"shape": (5, 2, 3, 4)}, lambda a: np.broadcast_to(a, (5, 2, 3, 4))),
    ("expand_dims", {"axes": (0, 2, 5)}, lambda a: np.expand_dims(a, (0, 2, 5))),
    (
        "slice",
        {"start": (0, 2, 3), "stop": (2, -1, 0), "step": (1, -1, -2)},
        lambda a: a[:, 2::-1, 3:0:-2],
    ),
    (
        "slice",
        {"start": (1, 1, 4), "stop": (1, 3, 4), "step": (1, 1, 1)},
        lambda a: a[1:1, 1:3, 4:4],
    ),
    ("select", {"axis": 1, "index": 2}, lambda a: a[:, 2]),
]


@pytest.mark.parametrize(("name", "parameters", "want"), VIEWS)
def test_view_shows_the_elements_and_shares_storage(raw, name, parameters, want):
    a = grid(2, 3, 4)
    x = raw.to_buffer(a)
    view = raw.call(name, parameters, x)
    assert np.array_equal(raw.to_array(view), want(a))
    assert x.shared


def test_squeeze_removes_axes_of_size_one(raw):
    view = raw.call("squeeze", {"axes": (0, 2)}, raw.to_buffer(grid(1, 3, 1, 2)))
    assert view.shape == (3, 2)


def test_squeeze_of_a_longer_axis_is_refused(raw):
    with pytest.raises(ValueError, match="axis 1 has size 3, not 1"):
        raw.call("squeeze", {"axes": (1,)}, raw.to_buffer(grid(1, 3)))


@pytest.mark.parametrize("shape", [(24,), (4, 6), (2, 2, 6), (6, 2, 2), (3, 8), (24, 1)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_reshape_of_any_layout_keeps_the_order(raw, shape, axes):
    a = grid(2, 3, 4).transpose(axes)
    assert np.array_equal(
        raw.to_array(raw.call("reshape", {"shape": shape}, raw.to_buffer(a))), a.reshape(shape)
    )


def test_reshape_of_a_view_copies_only_if_it_must(raw):
    rows = raw.to_buffer(grid(4, 6))
    half = raw.call("slice", {"start": (0, 0), "stop": (2, 6), "step": (1, 1)}, rows)
    assert raw.call("reshape", {"shape": (12,)}, half).address == rows.address
    columns = raw.call("transpose", {"axes": (1, 0)}, rows)
    assert raw.call("reshape", {"shape": (24,)}, columns).address != rows.address


def test_sixteen_axes_are_possible_and_seventeen_are_not(raw):
    assert _kernels.empty((1,) * 16, 11).shape == (1,) * 16
    with pytest.raises(ValueError, match="at most 16 axes"):
        _kernels.empty((1,) * 17, 11)


@pytest.mark.parametrize("layout", [lambda a: a, lambda a: a.T, lambda a: a[::2, ::-3]])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "complex64"])
@pytest.mark.parametrize("size", [5, 300])
def test_copy_is_contiguous_and_its_own(raw, layout, dtype, size):
    a = layout(np.arange(size * size).reshape(size, size).astype(dtype))
    x = raw.to_buffer(a)
    out = raw.call("copy", {}, x)
    assert out.contiguous
    assert not out.shared
    assert np.array_equal(raw.to_array(out), a)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("bool", True),
        ("uint8", 255),
        ("int8", -1),
        ("uint64", 2**64 - 1),
        ("int64", -(2**62)),
        ("float16", 1.5),
        ("float32", -0.1),
        ("float64", 1e300),
        ("complex64", 1 + 2j),
        ("int32", 3.0),
        ("float32", 7),
        ("bool", 2),
    ],
)
def test_full_repeats_one_value(raw, code, dtype, value):
    out = raw.create("full", code(dtype), shape=(3, 2), value=value)
    assert np.array_equal(raw.to_array(out), np.full((3, 2), value, dtype))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float32", "complex64"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 0), 0), ((2, 3, 4), 1)]
)
def test_iota_counts_along_its_axis(raw, code, dtype, shape, axis):
    out = raw.create("iota", code(dtype), shape=shape, axis=axis)
    assert np.array_equal(raw.to_array(out), np.indices(shape)[axis].astype(dtype))


def test_buffer_protocol_has_real_strides(raw):
    x = raw.to_buffer(grid(3, 4))
    view = memoryview(raw.call("transpose", {"axes": (1, 0)}, x))
    assert view.shape == (4, 3)
    assert view.strides == (4, 16)
    assert view.format == "f"
    assert not view.readonly


def test_an_export_writes_through_and_counts_as_an_owner():
    buffer = _kernels.from_bytes(bytes(16), (4,), 11)
    view = np.asarray(buffer)
    view[2] = 5
    assert buffer.shared
    assert np.frombuffer(buffer.tobytes(), np.float32).tolist() == [0, 0, 5, 0]
    del view
    assert not buffer.shared


def test_foreign_memory_is_used_in_place_and_kept_alive():
    a = np.arange(6, dtype=np.int32)
    buffer = _kernels.from_external(a[::-2], 7)
    a[5] = 50
    assert buffer.strides == (-2,)
    del a
    assert np.frombuffer(buffer.tobytes(), np.int32).tolist() == [50, 3, 1]


@pytest.mark.parametrize(
    "value", [np.uint8(200), np.int64(-5), np.float16(1.5), np.float64(0.1), np.complex64(1 - 2j)]
)
def test_item_is_the_python_scalar(raw, value):
    assert raw.to_buffer(np.asarray(value)).item() == value.item()


def test_item_of_many_elements_is_refused(raw):
    with pytest.raises(ValueError, match="one element"):
        raw.to_buffer(grid(2)).item()


def test_a_call_with_the_wrong_operands_is_a_type_error(raw):
    kernel = _kernels.kernel("add", (11, 11))
    with pytest.raises(TypeError, match="takes 2 operands, got 1"):
        kernel(None, None, raw.to_buffer(grid(2)))
    with pytest.raises(TypeError, match="must be a Buffer"):
        kernel(None, None, 1, 2)


def test_shapes_that_do_not_broadcast_are_named(raw):
    with pytest.raises(ValueError, match="sizes 2 and 3"):
        raw.call("add", {}, raw.to_buffer(grid(2)), raw.to_buffer(grid(3)))


def test_an_unknown_kernel_is_none():
    assert _kernels.kernel("no_such_primitive", (11,)) is None
    assert _kernels.kernel("bitwise_and", (11, 11)) is None
