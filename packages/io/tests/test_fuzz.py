"""Damaged files of every format: read as something, or refused with FormatError; nothing else."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monel.core.base.storage import open_source
from monel.core.plugin import FormatError, HostTensor
from monel.io import gguf, npy, npz, safetensors
from monel.io.reading import ITEM_SIZES

ARRAY = HostTensor((2, 3), "float32", np.arange(6, dtype="float32").tobytes())
ARRAYS = {"a": ARRAY, "b": HostTensor((3,), "int8", b"abc")}


def written(save, arrays, **options) -> bytes:
    target = io.BytesIO()
    save(target, arrays, **options)
    return target.getvalue()


FILES = {
    "npy": (npy.load, written(npy.save, ARRAY)),
    "npz": (npz.load, written(npz.save, ARRAYS)),
    "npz-compressed": (npz.load, written(npz.save, ARRAYS, compressed=True)),
    "safetensors": (
        safetensors.load,
        written(safetensors.save, ARRAYS, metadata={"k": "v"}),
    ),
    "gguf": (
        gguf.load,
        written(gguf.save, ARRAYS, metadata={"k": "v", "l": ["a"], "n": ARRAYS["b"]}),
    ),
}
EXTREMES = [b"\x00" * 8, b"\xff" * 8, b"\xff" * 4, (2**62).to_bytes(8, "little"), b"\x80", b"\x7f"]


@st.composite
def damage(draw):
    """What to do to a file: overwrite, insert, or delete at places given as fractions of it."""
    word = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(EXTREMES))
    edit = st.tuples(st.sampled_from("oid"), st.floats(0, 1), word)
    return draw(st.lists(edit, min_size=1, max_size=4))


def damaged(data: bytes, edits) -> bytes:
    for kind, where, word in edits:
        at = int(where * len(data))
        if kind == "o":
            data = data[:at] + word + data[at + len(word) :]
        elif kind == "i":
            data = data[:at] + word + data[at:]
        else:
            data = data[:at] + data[at + len(word) :]
    return data


def read_all(load, data: bytes) -> None:
    found = load(open_source(io.BytesIO(data)))
    for tensor in found.values() if isinstance(found, dict) else [found]:
        nbytes = math.prod(tensor.shape) * ITEM_SIZES[tensor.dtype_name]
        assert nbytes <= 1032 * len(data)
        tensor.reader(memoryview(bytearray(nbytes)))


@pytest.mark.parametrize("kind", FILES)
@settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(edits=damage())
def test_a_damaged_file_is_read_or_refused(kind, edits):
    load, data = FILES[kind]
    try:
        read_all(load, damaged(data, edits))
    except FormatError as error:
        assert error.reason


@pytest.mark.parametrize("load", [npy.load, npz.load, safetensors.load, gguf.load])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(load, data):
    try:
        read_all(load, data)
    except FormatError as error:
        assert error.reason
