"""The table of meant differences is read as people read it."""

import pytest
from differential.__main__ import PAGE
from differential.table import rows

HEAD = "| function | what differs | why |\n|---|---|---|\n"


def test_a_row_has_functions_patterns_and_a_reason():
    (row,) = rows(HEAD + "| `sum`, `linalg.*` | `dtype: * not *`, `crash: *` | one rule |\n")
    assert row.functions == ("sum", "linalg.*")
    assert row.texts == ("dtype: * not *", "crash: *")
    assert row.reason == "one rule"


@pytest.mark.parametrize(
    ("function", "text", "about"),
    [
        ("sum", "dtype: int32, not int8", True),
        ("linalg.qr", "dtype: int32, not int8", True),
        ("summ", "dtype: int32, not int8", False),
        ("sum", "value: dtype: int32, not int8", False),
        ("sum", "dtype: int32", False),
    ],
)
def test_a_row_is_about_the_functions_and_texts_of_its_patterns(function, text, about):
    (row,) = rows(HEAD + "| `sum`, `linalg.*` | `dtype: *, not *` | one rule |\n")
    assert row.matches(function, text) == about


def test_brackets_in_a_pattern_are_themselves():
    (row,) = rows(HEAD + "| `sum` | `value: [1] at (0,), *` | one rule |\n")
    assert row.matches("sum", "value: [1] at (0,), not 2")


def test_other_tables_are_not_read():
    page = "| call | MLX | monel | why |\n|---|---|---|---|\n| `a` | b | c | d |\n\ntext\n"
    assert rows(page) == []
    assert len(rows(page + HEAD + "| `sum` | `value: *` | x |\n\n| `a` | `b` | c |\n")) == 1


@pytest.mark.parametrize(
    "line", ["| `sum` | `value: *` |", "| sum | `value: *` | x |", "| `sum` | `value: *` | |"]
)
def test_a_row_that_cannot_be_read_names_its_line(line):
    with pytest.raises(ValueError, match="line 3"):
        rows(HEAD + line + "\n")


def test_the_rows_of_the_page_can_be_read():
    assert len(rows(PAGE.read_text())) > 10
