"""export_function, import_function and exporter: functions in files, for other processes."""

import io
import os
import struct
import subprocess
import sys

import exported_primitives as primitives
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import monel.core as mx
from monel.core.base.storage import FormatError, open_source
from monel.core.export import cbor

X, Y = mx.array([1.0, 2.0]), mx.array([3.0, 5.0])


def exported(fun, *args, **kwargs):
    """Return the bytes of the file of ``fun``."""
    file = io.BytesIO()
    mx.export_function(file, fun, *args, **kwargs)
    return file.getvalue()


def imported(fun, *args, **kwargs):
    """Return ``fun`` after its way through a file."""
    return mx.import_function(io.BytesIO(exported(fun, *args, **kwargs)))


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and bytes(a) == bytes(b)


# -- calls ------------------------------------------------------------------------------------


def test_an_imported_function_returns_a_tuple(tmp_path):
    path = tmp_path / "f.mlxfn"
    mx.export_function(str(path), lambda x, y: x + y, X, Y)
    (made,) = mx.import_function(path)(X, Y)
    assert made.tolist() == [4, 7]


def test_several_outputs_are_returned_in_order():
    made = imported(lambda x: [x, x + 1, x], X)(Y)
    assert [m.tolist() for m in made] == [[3, 5], [4, 6], [3, 5]]


def test_a_function_without_arguments():
    assert imported(lambda: mx.arange(3))()[0].tolist() == [0, 1, 2]


def test_keyword_arguments_match_by_name():
    f = imported(lambda x, *, b, a: x + 10 * a + 100 * b, X, b=Y, a=Y)
    assert f(X, a=mx.zeros(2), b=mx.ones(2))[0].tolist() == [101, 102]
    for args, kwargs in [((X, Y, Y), {}), ((X,), {"a": Y}), ((X,), {"a": Y, "c": Y})]:
        with pytest.raises(ValueError, match="No imported function found which matches"):
            f(*args, **kwargs)


def test_arguments_may_come_as_one_tuple_and_one_dict():
    f = imported(lambda x, *, y: x - y, (X,), {"y": Y})
    assert f((Y,), {"y": X})[0].tolist() == [2, 3]
    assert f(Y, y=X)[0].tolist() == [2, 3]
    g = imported(lambda *, y: -y, {"y": Y})
    assert g({"y": X})[0].tolist() == [-1, -2]


@pytest.mark.parametrize(
    "call",
    [
        lambda: exported(mx.exp, 1.0),
        lambda: exported(mx.add, X, "a"),
        lambda: exported(mx.add, (X, 1)),
        lambda: exported(mx.add, [X], [X]),
        lambda: imported(mx.exp, X)(1.0),
        lambda: imported(mx.exp, X)(None),
    ],
)
def test_arguments_must_be_arrays(call):
    with pytest.raises(ValueError, match="Inputs can either be a variable number of"):
        call()


@pytest.mark.parametrize("made", [3, {"a": X}, [X, [X]], None, [X, 1]])
def test_results_must_be_arrays(made):
    with pytest.raises(ValueError, match="Outputs can be either a single array"):
        exported(lambda x: made, X)


def test_other_shapes_and_dtypes_are_refused_with_what_there_is():
    f = imported(mx.exp, X)
    with pytest.raises(ValueError) as caught:
        f(mx.array([1, 2]))
    assert str(caught.value).splitlines()[1:] == [
        " 1. Function with 1 positional inputs and 0 keyword inputs:",
        "   1: (2) float32",
        "",
        "Called with 1 positional inputs and 0 keyword inputs:",
        "   1: (2) int32",
    ]


def test_an_imported_function_shows_its_signatures():
    assert repr(imported(mx.add, X, Y)) == (
        "<imported function (float32[2], float32[2]) -> (float32[2])>"
    )


def test_values_are_not_known_while_exporting():
    with pytest.raises(ValueError, match="export_function"):
        exported(lambda x: x if x.sum().item() > 0 else -x, X)


def test_what_is_no_function_or_file_is_refused():
    for call in (
        lambda: mx.export_function("f.mlxfn", 3, X),
        lambda: mx.export_function(3, mx.exp, X),
        lambda: mx.exporter(print, mx.exp),
        lambda: mx.exporter("f.mlxfn", 3),
        lambda: mx.exporter("f.mlxfn", mx.exp, metadata=3),
        lambda: mx.exporter("f.mlxfn", mx.exp, shapeless="yes"),
    ):
        with pytest.raises(TypeError):
            call()


def test_a_missing_file_is_a_runtime_error():
    with pytest.raises(RuntimeError, match="no-such"):
        mx.import_function("no-such.mlxfn")


# -- what is stored ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", primitives.SAMPLED)
def test_every_primitive_comes_back_from_a_file(name):
    for sample in primitives.SAMPLED[name]:
        program, inputs = primitives.program_of(sample)
        arrays = [mx.array(x, dtype=a.dtype) for x, a in zip(inputs, program.in_avals, strict=True)]
        for a, b in zip(program(*arrays), imported(program, *arrays)(*arrays), strict=True):
            assert same_bits(a, b)


@pytest.mark.parametrize(
    "dtype",
    ["bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
    + ["float16", "bfloat16", "float32", "complex64"],
)
def test_constants_of_every_dtype_keep_their_bits(dtype):
    w = mx.random.randint(0, 100, (40,)).astype(getattr(mx, dtype))
    (made,) = imported(lambda x: mx.concatenate([w, w])[: x.size], mx.zeros(60))(mx.zeros(60))
    assert same_bits(made, mx.concatenate([w, w])[:60])


def test_large_constants_are_read_when_they_are_needed(tmp_path):
    w = mx.random.normal((300, 300))
    mx.export_function(str(tmp_path / "f"), lambda x: x @ w, mx.ones((1, 300)))
    f = mx.import_function(str(tmp_path / "f"))
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(RuntimeError, match="cut short"):
        mx.eval(f(mx.ones((1, 300))))


def test_traces_share_constants():
    w = mx.random.normal((500,))
    file = io.BytesIO()
    with mx.exporter(file, lambda *xs: sum(xs, start=w)) as export:
        for n in range(1, 5):
            export(*[mx.ones(500)] * n)
    assert 2000 < len(file.getvalue()) < 4000
    file.seek(0)
    f = mx.import_function(file)
    for n in range(1, 5):
        assert mx.allclose(f(*[mx.ones(500)] * n)[0], w + n)


def test_the_same_export_gives_the_same_bytes():
    w = mx.ones(100)
    assert exported(lambda x: x * w + 2, mx.ones(100)) == exported(
        lambda x: x * w + 2, mx.ones(100)
    )


def test_metadata_travels():
    file = io.BytesIO(exported(mx.exp, X, metadata='{"heads": "ä"}'))
    f, metadata = mx.import_function(file, return_metadata=True)
    assert (f(X)[0].shape, metadata) == ((2,), '{"heads": "ä"}')
    assert mx.import_function(io.BytesIO(exported(mx.exp, X)), return_metadata=True)[1] == ""


def test_random_numbers_follow_the_key_that_is_given():
    def draw(key):
        return mx.random.normal((5,), key=key)

    f = imported(draw, mx.random.key(0))
    assert same_bits(f(mx.random.key(7))[0], draw(mx.random.key(7)))


def test_scatters_convolutions_sorts_and_gathers_travel():
    image, kernel = mx.random.normal((1, 8, 8, 3)), mx.random.normal((4, 3, 3, 3))

    def f(x, k):
        y = mx.conv2d(x, k, padding=1).reshape(-1)
        y[mx.array([1, 5, 9])] += 3
        y = y.at[mx.array([0, 0])].add(mx.array([1.0, 2.0]))
        return mx.sort(y)[::7], mx.argmax(y), y[mx.argsort(y)[:4]]

    for a, b in zip(f(image, kernel), imported(f, image, kernel)(image, kernel), strict=True):
        assert same_bits(a, b)


def test_a_new_process_computes_the_same_bits(tmp_path):
    path = str(tmp_path / "f.mlxfn")
    w = mx.random.normal((16, 16))

    def f(x):
        return mx.softmax(mx.tanh(x @ w), axis=-1)

    x = mx.random.normal((4, 16))
    mx.export_function(path, f, x)
    code = (
        "import sys, monel.core as mx\n"
        "x = mx.array(memoryview(sys.stdin.buffer.read()).cast('f'))\n"
        "y = mx.import_function(sys.argv[1])(x.reshape(4, 16))[0]\n"
        "sys.stdout.buffer.write(bytes(y))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, path], input=bytes(x), capture_output=True, check=True
    )
    assert run.stdout == bytes(f(x))


# -- transforms -------------------------------------------------------------------------------


def test_an_imported_function_is_differentiated_mapped_and_compiled():
    f = imported(lambda x, y: mx.sin(x) * y, mx.array(1.0), mx.array(1.0))
    x, y = mx.array(0.5), mx.array(3.0)
    assert mx.grad(lambda x: f(x, y)[0])(x).item() == pytest.approx(3 * np.cos(0.5))
    assert mx.allclose(mx.vmap(lambda x, y: f(x, y)[0])(X, Y), mx.sin(X) * Y)
    assert mx.compile(lambda x: f(x, y)[0])(x).item() == f(x, y)[0].item()
    jet = mx.jvp(lambda x: f(x, y)[0], [x], [mx.array(1.0)])[1][0]
    assert jet.item() == pytest.approx(3 * np.cos(0.5))


def test_an_imported_function_is_exported_again():
    f = imported(lambda x: x * 3, X)
    assert imported(lambda x: f(x)[0] + 1, X)(X)[0].tolist() == [4, 7]


def test_a_gradient_is_exported():
    f = imported(mx.value_and_grad(lambda x: (x**3).sum()), X)
    assert [m.tolist() for m in f(X)] == [9, [3, 12]]


def test_a_function_imported_under_compile_is_read_at_each_trace():
    file = exported(lambda x: x + mx.arange(100), mx.zeros(100))

    @mx.compile
    def f(x):
        return mx.import_function(io.BytesIO(file))(x)[0]

    assert f(mx.zeros(100)).tolist() == list(range(100))


# -- open shapes ------------------------------------------------------------------------------


def attend(x, y):
    return mx.softmax(x @ y, axis=-1)


def test_a_shapeless_function_takes_other_shapes_of_the_same_rank():
    f = imported(attend, mx.ones((2, 3)), mx.ones((3, 4)), shapeless=True)
    x, y = mx.random.normal((5, 7)), mx.random.normal((7, 6))
    assert mx.allclose(f(x, y)[0], mx.softmax(x @ y, axis=-1))
    for bad in (mx.ones(3), mx.ones((2, 3), dtype=mx.int32)):
        with pytest.raises(ValueError, match="No imported function"):
            f(bad, y)


def test_a_shapeless_gradient_follows_the_shape():
    f = imported(mx.grad(lambda x: mx.mean(x * x)), mx.ones((2, 3)), shapeless=True)
    assert mx.allclose(f(mx.ones((4, 5)))[0], mx.full((4, 5), 2 / 20))


def test_shapeless_refuses_axes_that_broadcast_only_now():
    f = imported(
        mx.grad(lambda x, y: (x * y).sum()), mx.ones((2, 3)), mx.ones((2, 3)), shapeless=True
    )
    with pytest.raises(ValueError, match="broadcasts axes that it did not when it was traced"):
        f(mx.ones((1, 3)), mx.ones((2, 3)))
    g = imported(
        mx.grad(lambda x, y: (x * y).sum()), mx.ones((1, 3)), mx.ones((2, 3)), shapeless=True
    )
    assert g(mx.ones((1, 4)), mx.ones((5, 4)))[0].tolist() == [[5, 5, 5, 5]]
    assert g(mx.ones((1, 4)), mx.ones((1, 4)))[0].tolist() == [[1, 1, 1, 1]]
    with pytest.raises(ValueError, match="broadcasts axes"):
        g(mx.ones((5, 4)), mx.ones((5, 4)))


def test_a_shapeless_softmax_takes_an_axis_of_length_one():
    f = imported(lambda x: x - mx.max(x, axis=-1, keepdims=True), mx.ones((2, 3)), shapeless=True)
    assert f(mx.ones((4, 1)))[0].tolist() == [[0]] * 4


def test_a_shapeless_function_with_a_fixed_shape_inside_says_so():
    f = imported(lambda x: x.reshape(6), mx.ones((2, 3)), shapeless=True)
    assert f(mx.ones((3, 2)))[0].shape == (6,)
    with pytest.raises(ValueError, match="reshape"):
        f(mx.ones((4, 2)))


def test_a_checkpoint_inside_follows_the_shape():
    f = imported(mx.grad(lambda x: mx.checkpoint(mx.sin)(x).sum()), mx.ones(3), shapeless=True)
    assert mx.allclose(f(mx.zeros(5))[0], mx.ones(5))


# -- exporter ---------------------------------------------------------------------------------


def test_an_exporter_writes_when_it_is_closed(tmp_path):
    path = tmp_path / "f.mlxfn"
    export = mx.exporter(str(path), mx.exp)
    export(X)
    assert not path.exists()
    export.close()
    export.close()
    assert mx.import_function(path)(X)[0].shape == (2,)
    with pytest.raises(RuntimeError, match="after exporting is closed"):
        export(X)


def test_one_signature_is_exported_once():
    with mx.exporter(io.BytesIO(), mx.exp, shapeless=True) as export:
        export(mx.ones(2))
        export(mx.ones((2, 2)))
        with pytest.raises(RuntimeError, match="twice with the same signature"):
            export(mx.ones(3))


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "f.mlxfn"
    mx.export_function(str(path), mx.exp, X)
    old = path.read_bytes()
    with pytest.raises(ZeroDivisionError), mx.exporter(str(path), mx.sin) as export:
        export(X)
        raise ZeroDivisionError
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["f.mlxfn"]


# -- callbacks --------------------------------------------------------------------------------


def told(fun, *args, **kwargs):
    messages = []
    mx.export_function(messages.append, fun, *args, **kwargs)
    return messages


def test_a_callback_is_told_of_everything_in_order():
    w = mx.array([7.0, 7.0])
    messages = told(lambda x, *, y: mx.abs(x - y).astype(mx.int32) * w, X, y=Y)
    assert [m["type"] for m in messages] == [
        *("inputs", "keyword_inputs", "outputs", "constants"),
        *["primitive"] * (len(messages) - 4),
    ]
    assert messages[0]["inputs"] == [("A", (2,), mx.float32), ("B", (2,), mx.float32)]
    assert messages[1]["keywords"] == [("y", "B")]
    assert messages[2]["outputs"] == [("C", (2,), mx.float32)]
    ((name, constant),) = messages[3]["constants"]
    assert (name, constant.tolist()) == ("D", [7, 7])
    assert messages[4] == {
        "type": "primitive",
        "name": "Subtract",
        "arguments": [],
        "inputs": [("A", (2,), mx.float32), ("B", (2,), mx.float32)],
        "outputs": [("E", (2,), mx.float32)],
    }
    assert [m["name"] for m in messages[4:]] == ["Subtract", "Abs", "AsType", "AsType", "Multiply"]
    assert messages[6]["arguments"] == [mx.int32]
    assert messages[-1]["outputs"] == [("C", (2,), mx.float32)]


def test_the_base_of_a_logarithm_is_in_its_name():
    names = [m["name"] for m in told(lambda x: mx.log(mx.log2(mx.log10(x))), X)[4:]]
    assert names == ["Log [10]", "Log [2]", "Log"]


def test_names_go_on_after_z():
    def chain(x):
        for _ in range(30):
            x = -x
        return x

    assert told(chain, X)[-2]["outputs"][0][0] == "AE"


def test_metadata_needs_a_file():
    with pytest.raises(ValueError, match="metadata argument is only supported"):
        mx.export_function(print, mx.exp, X, metadata="v1")


# -- hostile files ----------------------------------------------------------------------------

GOOD = exported(
    lambda x: mx.softmax(mx.checkpoint(mx.tanh)(x) @ mx.ones((4, 30)), axis=-1)[1:, ::2] * 2,
    mx.ones((3, 4)),
    metadata="about",
)


def refuse(data):
    with pytest.raises(FormatError) as caught:
        mx.import_function(io.BytesIO(data))
    return caught.value


def item(data):
    """Return a file of one CBOR item given in hexadecimal."""
    return GOOD[:8] + bytes.fromhex(data)


@pytest.mark.parametrize(
    ("data", "offset", "field"),
    [
        (b"", 0, "magic"),
        (b"abc", 0, "magic"),
        (b"\x93NUMPY\x01\x00" + GOOD, 0, "magic"),
        (GOOD[:8], 8, "data"),
        (GOOD + b"\x00", len(GOOD), "end"),
        (item("5f"), 8, "length"),  # a byte string without an end
        (item("bbffffffffffffffff"), 8, "length"),
        (item("9bffffffffffffffff"), 8, "length"),
        (item("7bffffffffffffffff"), 8, "length"),
        (item("5bffffffffffffffff"), 8, "length"),
        (item("62c328"), 8, "text"),
        (item("1801"), 8, "number"),  # 1 in two bytes
        (item("c000"), 8, "type"),  # a tag
        (item("f7"), 8, "type"),  # undefined
        (item("f93c00"), 8, "type"),  # a half
        (item("a10102"), 10, "key"),
        (item("a2616101616102"), 14, "key"),
        (GOOD[:8] + b"\x81" * 10_000_000, 265, "nesting"),
        (item("a0"), 8, "program"),
        (item("80"), 8, "program"),
    ],
)
def test_a_malformed_file_is_refused_at_its_byte(data, offset, field):
    error = refuse(data)
    assert (error.offset, error.field) == (offset, field)


def test_a_file_of_another_version_says_so():
    at = GOOD.index(b"schema") + 6
    error = refuse(GOOD[:at] + b"\x09" + GOOD[at + 1 :])
    assert "schema version 9" in error.reason


def test_the_wrong_equation_is_named_with_its_byte():
    error = refuse(GOOD.replace(b"fmatmul", b"fmatmux"))
    assert "matmux" in error.reason
    assert GOOD[error.offset] >> 5 == 5  # a map begins there
    assert error.offset < GOOD.index(b"fmatmul") < error.offset + 20


@pytest.mark.parametrize("length", range(0, len(GOOD), 7))
def test_a_truncated_file_is_refused(length):
    refuse(GOOD[:length])


def test_millions_of_items_are_refused():
    size = cbor.MOST_ITEMS
    assert "items" in refuse(GOOD[:8] + b"\x9a" + struct.pack(">I", size) + bytes(size)).reason


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(8, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_a_changed_file_is_refused_or_a_function(changes):
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    try:
        f = mx.import_function(io.BytesIO(bytes(data)))
    except FormatError:
        return
    try:
        made = f(mx.ones((3, 4)))
    except (ValueError, RuntimeError):
        return
    mx.eval(made)
    assert all(isinstance(m, mx.array) for m in made)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def plain(read):
    if isinstance(read, cbor.Span):
        return read.source.pread(read.offset, read.length)
    if isinstance(read, list):
        return [plain(r) for r in read]
    return {k: plain(v) for k, v in read.items()} if isinstance(read, dict) else read


@settings(max_examples=50, deadline=None)
@given(PLAIN)
def test_plain_data_come_back_from_cbor(data):
    file = io.BytesIO()
    cbor.write(data, file.write)
    file.seek(0)
    assert plain(cbor.Reader(open_source(file), 0).read()) == data


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_after_the_magic_are_refused(data):
    refuse(GOOD[:8] + data)


@pytest.mark.parametrize(
    ("data", "encoded"),
    [  # RFC 8949, appendix A
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000, "1903e8"),
        (18446744073709551615, "1bffffffffffffffff"),
        (-1, "20"),
        (-1000, "3903e7"),
        (1.1, "fb3ff199999999999a"),
        (False, "f4"),
        (None, "f6"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("ü", "62c3bc"),
        ([1, [2, 3]], "8201820203"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    ],
)
def test_the_encoding_is_that_of_the_standard(data, encoded):
    file = io.BytesIO()
    cbor.write(data, file.write)
    assert file.getvalue().hex() == encoded
