"""The comparison of outcomes notices what a user of MLX would, and lets rounding pass."""

import numpy as np
import pytest
from differential.calls import Call, Drawn
from differential.comparison import Outcome, difference, outcome

import monel.core as mx


def array(values, dtype="float32", printed="array"):
    return Outcome(dtype, np.array(values, dtype), printed)


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (array([1.0, 2.0]), array([1.0, 2.00001], printed="array, rounded otherwise")),
        (array([np.nan, np.inf]), array([np.nan, np.inf])),
        ([array([1]), "text"], [array([1]), "text"]),
        (ValueError("shape"), TypeError("shape")),
        (RuntimeError("std::bad_cast"), TypeError("a list")),
        (ValueError("axis"), type("AxisError", (ValueError, IndexError), {})("axis")),
    ],
)
def test_what_agrees_is_no_difference(want, got):
    assert difference(want, got) is None


@pytest.mark.parametrize(
    ("want", "got", "said"),
    [
        (array([1.0, 2.0]), array([1.0, 2.1]), "value: 2.09999990463256"),
        (array([1, 2], "int32"), array([1, 3], "int32"), "value: 3 at (1,), not 2"),
        (array([1.0]), array([np.nan]), "value: nan at (0,), not 1.0"),
        (array([1], "int32"), array([1], "int64"), "dtype: int64, not int32"),
        (array([1.0]), array([[1.0]]), "shape: (1, 1), not (1,)"),
        (array([1.0]), array([1.0], printed="other"), "print: 'other', not 'array'"),
        (array([1.0]), [array([1.0])], "kind: "),
        ([array([1.0])], [], "kind: "),
        ("(2, 3)", "(3, 2)", "text: (3, 2), not (2, 3)"),
        (ValueError("no"), array([1.0]), "accepts: MLX raises ValueError: no"),
        (array([1.0]), ValueError("no\nmore"), "refuses: ValueError: no"),
        (RuntimeError("late"), ValueError("early"), "error: ValueError, not RuntimeError: late"),
    ],
)
def test_what_differs_is_said_in_one_line(want, got, said):
    text = difference(want, got)
    assert text is not None
    assert text.startswith(said)
    assert "\n" not in text


def test_the_outcome_of_a_call_has_dtype_values_and_printed_form():
    x = Drawn(np.array([1.0, 2.0], np.float32), "bfloat16")
    got = outcome(mx, Call("add", (x, 1), {}))
    assert got.dtype == "bfloat16"
    assert got.values.tolist() == [2.0, 3.0]
    assert got.printed == "array([2, 3], dtype=bfloat16)"


def test_the_outcome_of_a_call_that_fails_is_its_error():
    assert isinstance(outcome(mx, Call("linalg.inv", ("text",), {})), ValueError)
