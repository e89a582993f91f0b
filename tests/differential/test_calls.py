"""Drawn calls can be made again, name every public function, and end what does not return."""

import os
import random
import types

import numpy as np
import pytest
from differential import children
from differential.__main__ import chosen, drawn
from differential.calls import LEFT_OUT, Call, Drawn, functions
from differential.comparison import outcome
from differential.recipes import FITTING_ONLY, RECIPES, fitting

import monel.core as mx


def test_the_same_seed_name_and_number_give_the_same_call():
    signature = functions()["clip"]
    texts = [str(drawn("clip", signature, 3, number)) for number in range(20)]
    assert texts == [str(drawn("clip", signature, 3, number)) for number in range(20)]
    assert len(set(texts)) > 15


def test_every_function_is_called_or_left_out_for_a_reason():
    names = functions()
    left_out = [name for group in LEFT_OUT.values() for name in group.split()]
    assert len(names) > 250
    assert len(left_out) == len(set(left_out))
    assert not set(left_out) & set(names)
    assert set(RECIPES) <= set(names)
    assert FITTING_ONLY <= set(RECIPES)


def test_a_name_that_is_not_compared_is_refused():
    with pytest.raises(SystemExit, match="summ"):
        chosen(["summ"])
    assert list(chosen(["sum"])) == ["sum"]


def test_a_call_is_shown_as_it_would_be_written():
    x = Drawn(np.array([0.1, np.nan], np.float32), "float16")
    call = Call("sum", (x,), {"axis": 0})
    assert str(call) == "sum(array([0.1, nan], float16), axis=0)"


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_most_arguments_of_a_recipe_fit(name):
    calls = [fitting(random.Random(f"{name} {n}"), name) for n in range(6)]
    results = [outcome(mx, call) for call in calls]
    assert sum(not isinstance(r, Exception) for r in results) >= 2, results


def package(**functions):
    """A package of the least that a call needs."""
    seeded = types.SimpleNamespace(seed=lambda seed: None)
    return types.SimpleNamespace(array=np.ndarray, random=seeded, **functions)


def test_a_call_that_ends_its_process_is_found_and_the_next_ones_are_made():
    calls = [(n, Call("f", (n,), {})) for n in range(4)]
    theirs = package(f=lambda n: os._exit(1) if n == 1 else str(n))
    ours = package(f=lambda n: os._exit(1) if n == 2 else "3" if n == 3 else "other")
    found = [(f.number, f.text) for f in children.compared(theirs, ours, calls)]
    assert found == [
        (0, "text: other, not 0"),
        (1, "crash: MLX ends the process, or does not return"),
        (2, "crash: monel ends the process, or does not return"),
    ]
