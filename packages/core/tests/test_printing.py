"""The printed form of arrays: MLX's, to the byte."""

from __future__ import annotations

import math

import pytest

import monel.core as mx


@pytest.fixture(autouse=True)
def _default_options():
    yield
    mx.set_printoptions()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1, 2.5, 1e6], "array([1, 2.5, 1e+06], dtype=float32)"),
        ([1, -2], "array([1, -2], dtype=int32)"),
        ([True, False], "array([True, False], dtype=bool)"),
        ([1 / 3, 1e-5, 1e-4], "array([0.333333, 1e-05, 0.0001], dtype=float32)"),
        ([math.nan, math.inf, -math.inf, -0.0], "array([nan, inf, -inf, -0], dtype=float32)"),
        ([1 + 2j, -1j], "array([1+2j, -0-1j], dtype=complex64)"),
        ([complex(1, math.inf)], "array([1+infj], dtype=complex64)"),
        (2**40, "array(1099511627776, dtype=int64)"),
        ([], "array([], dtype=float32)"),
        ([[], []], "array([[],\n       []], dtype=float32)"),
        ([[1, 1000], [2, 3]], "array([[1, 1000],\n       [2, 3]], dtype=int32)"),
        ([[[1], [2]]], "array([[[1],\n        [2]]], dtype=int32)"),
    ],
)
def test_repr(values, text):
    assert repr(mx.array(values)) == text


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        (mx.float16, "array([1.09961, 3.30078], dtype=float16)"),
        (mx.bfloat16, "array([1.10156, 3.29688], dtype=bfloat16)"),
        (mx.float64, "array([1.1, 3.3], dtype=float64)"),
        (mx.uint8, "array([1, 3], dtype=uint8)"),
    ],
)
def test_repr_names_its_dtype(dtype, text):
    assert repr(mx.array([1.1, 3.3], dtype)) == text


def test_blocks_are_separated_by_one_line_break():
    text = "array([[[1],\n        [2]],\n       [[3],\n        [4]]], dtype=int32)"
    assert repr(mx.array([[[1], [2]], [[3], [4]]])) == text


def test_six_entries_print_in_full():
    assert repr(mx.arange(6)) == "array([0, 1, 2, 3, 4, 5], dtype=int32)"


def test_more_than_six_entries_are_cut():
    assert repr(mx.arange(7)) == "array([0, 1, 2, ..., 4, 5, 6], dtype=int32)"


def test_rows_are_cut_with_dots_on_a_line():
    lines = repr(mx.zeros((7, 1))).split("\n")
    assert lines == ["array([[0],"] + ["       [0],"] * 2 + ["       ...,"] + [
        "       [0],"
    ] * 2 + ["       [0]], dtype=float32)"]


def test_a_large_array_prints_its_ends():
    text = "array([0, 1, 2, ..., 99997, 99998, 99999], dtype=int32)"
    assert repr(mx.arange(100_000)) == text


def test_a_large_bfloat16_array_prints_its_ends():
    text = "array([1.5, 1.5, 1.5, ..., 1.5, 1.5, 1.5], dtype=bfloat16)"
    assert repr(mx.full((5000,), 1.5, mx.bfloat16)) == text


def test_str_is_repr():
    assert str(mx.array(1.5)) == "array(1.5, dtype=float32)"


def test_printing_computes():
    assert repr(mx.array([1.0]) + 1) == "array([2], dtype=float32)"


@pytest.mark.parametrize(
    ("precision", "text"),
    [(0, "array([2, 1000000], dtype=float32)"), (2, "array([2.25, 1000000.00], dtype=float32)")],
)
def test_precision_is_digits_after_the_point(precision, text):
    mx.set_printoptions(precision=precision)
    assert repr(mx.array([2.25, 1e6])) == text


def test_precision_leaves_integers_alone():
    mx.set_printoptions(precision=2)
    assert repr(mx.array(3)) == "array(3, dtype=int32)"


def test_printoptions_are_restored():
    with mx.printoptions(precision=1):
        with mx.printoptions(precision=3):
            assert repr(mx.array(1.25)) == "array(1.250, dtype=float32)"
        assert repr(mx.array(1.25)) == "array(1.2, dtype=float32)"
    assert mx.get_printoptions().precision == -1


def test_precision_must_be_an_int():
    with pytest.raises(TypeError, match="set_printoptions: precision"):
        mx.set_printoptions(precision=1.5)


@pytest.mark.parametrize(
    ("values", "spec", "text"),
    [(1.5, ".2f", "1.50"), (3, ">5d", "    3"), ([1.5], "", "array([1.5], dtype=float32)")],
)
def test_format(values, spec, text):
    assert format(mx.array(values), spec) == text


def test_a_format_spec_needs_a_scalar():
    with pytest.raises(TypeError, match=r"float32\[1\]"):
        format(mx.array([1.5]), ".2f")


def test_notebooks_show_shape_dtype_and_values_escaped():
    shown = mx.array([1.0, 2.0])._repr_html_()
    assert "float32[2]" in shown
    assert "array([1, 2], dtype=float32)" in shown


def test_more_digits_than_there_are_print_zeros():
    with mx.printoptions(precision=2**31 - 1):
        assert repr(mx.array(0.5)).startswith("array(0.5000")
