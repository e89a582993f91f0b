"""What the array API standard asks about dtypes and devices."""

from __future__ import annotations

import pytest

import monel.core as mx


@pytest.mark.parametrize(
    ("dtype", "kind", "want"),
    [
        (mx.bool_, "bool", True),
        (mx.int8, "signed integer", True),
        (mx.uint8, "signed integer", False),
        (mx.uint8, ("bool", "integral"), True),
        (mx.bfloat16, "real floating", True),
        (mx.complex64, "numeric", True),
        (mx.bool_, "numeric", False),
        (mx.int32, mx.int32, True),
        (mx.int32, (mx.float32, mx.int64), False),
    ],
)
def test_isdtype(dtype, kind, want):
    assert mx.isdtype(dtype, kind) is want


@pytest.mark.parametrize("kind", ["nonsense", mx.floating, 1])
def test_isdtype_of_an_unknown_kind(kind):
    with pytest.raises(ValueError, match="kind"):
        mx.isdtype(mx.int32, kind)


def test_isdtype_wants_a_dtype():
    with pytest.raises(TypeError, match="isdtype"):
        mx.isdtype(1, "bool")


@pytest.mark.parametrize(
    ("source", "target", "want"),
    [
        (mx.uint8, mx.int32, True),
        (mx.int32, mx.float16, True),
        (mx.int64, mx.uint64, False),
        (mx.float16, mx.bfloat16, False),
        (mx.float64, mx.complex64, True),
        (mx.float32, mx.int32, False),
    ],
)
def test_can_cast_follows_promotion(source, target, want):
    assert mx.can_cast(source, target) is want
    assert mx.can_cast(mx.zeros(1, source), target) is want


def test_can_cast_takes_no_scalars():
    with pytest.raises(ValueError, match="can_cast"):
        mx.can_cast(1, mx.float32)


def test_result_type_promotes():
    assert mx.result_type(mx.uint8, mx.zeros(1, mx.int8), mx.float16) == mx.float16


@pytest.mark.parametrize("given", [(), (1,), (mx.int32, 2.0)])
def test_result_type_wants_arrays_and_dtypes(given):
    with pytest.raises(ValueError, match="result_type"):
        mx.result_type(*given)


def test_info_lists_dtypes_of_a_kind():
    names = mx.__array_namespace_info__().dtypes(kind=("bool", "real floating"))
    assert names == {"bool": mx.bool_, "float32": mx.float32, "float64": mx.float64}


def test_info_knows_the_default_device():
    assert mx.__array_namespace_info__().default_device() == mx.default_device()
