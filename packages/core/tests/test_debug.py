"""mx.debug and mx.profile: what they check, name, tell and measure."""

import inspect
import json
import warnings

import numpy as np
import pytest

import monel.core as mx


def here():
    """The line of the caller."""
    return inspect.currentframe().f_back.f_lineno


def notes(error):
    return "\n".join(getattr(error, "__notes__", []))


# -- errors name the user's line ---------------------------------------------------------------


def test_an_index_error_names_the_operation_its_operands_and_the_line():
    x, i = mx.zeros(3), mx.array([0, 5])
    y, line = x[i], here()
    with pytest.raises(IndexError) as info:
        mx.eval(y)
    text = notes(info.value)
    assert "float32[3], int32[2]" in text
    assert f"test_debug.py:{line}, in test_an_index_error" in text
    assert "y, line = x[i], here()" in text


def test_an_error_of_a_host_function_names_the_line_that_recorded_the_call():
    def fail(v):
        raise KeyError("mine")

    x = mx.ones(2)
    y, line = mx.host_call(fail, x, x), here()
    with pytest.raises(KeyError) as info:
        mx.eval(y + 1)
    assert f"test_debug.py:{line}" in notes(info.value)


def test_an_error_inside_a_compiled_function_names_the_operation_and_the_function():
    @mx.compile
    def taking(x, i):
        return x[i] * 2

    with pytest.raises(IndexError) as info:
        mx.eval(taking(mx.zeros(3), mx.array([7])))
    text = notes(info.value)
    assert "Gather" in text
    assert "inside Call [taking" in text


def test_trace_remembers_the_line_of_every_operation():
    x = mx.ones(3)
    y = x + 1
    assert y.value.origin is None
    with mx.debug(trace=True):
        y, line = x + 1, here()
        z = mx.sin(y)
    assert y.value.origin[0].co_name == "test_trace_remembers_the_line_of_every_operation"
    assert z.value.origin is not None
    with mx.debug(trace=True, nans=True), pytest.raises(FloatingPointError) as info:
        y, line = mx.log(x - 2), here()
        mx.eval(y)
    assert f"test_debug.py:{line}" in notes(info.value)
    assert (x + 1).value.origin is None


# -- settings ----------------------------------------------------------------------------------


def test_settings_hold_within_the_block_or_until_changed():
    bad = lambda: mx.eval(mx.sqrt(mx.array(-1.0)))  # noqa: E731
    bad()
    with mx.debug(nans=True):
        with pytest.raises(FloatingPointError):
            bad()
        with mx.debug(nans=False):
            bad()
        with pytest.raises(FloatingPointError):
            bad()
    bad()
    mx.debug(nans=True)
    try:
        with pytest.raises(FloatingPointError):
            bad()
    finally:
        mx.debug(nans=False)
    bad()


def test_settings_are_bools():
    with pytest.raises(TypeError, match="nans must be a bool"):
        mx.debug(nans="yes")


# -- nans --------------------------------------------------------------------------------------


def test_the_first_nan_is_named_by_its_source():
    x = mx.array([1.0, 0.0])
    y = mx.exp(mx.sin(x / x) + 1)
    with mx.debug(nans=True), pytest.raises(FloatingPointError, match=r"^div: nan .*float32\[2\]"):
        mx.eval(y)


def test_a_nan_that_was_there_before_is_not_its_fault():
    x = mx.array([1.0, float("nan")])
    mx.eval(x)
    with mx.debug(nans=True):
        assert np.isnan(np.array(x + 1)).tolist() == [False, True]
        assert mx.eval(mx.ones(3, mx.bfloat16) * 2) is None


def test_nans_are_found_in_compiled_functions_and_in_loops():
    f = mx.compile(lambda x: mx.sort(mx.log(x)) * 2)
    g = lambda x: mx.scan(lambda c, _: (mx.sqrt(c - 1.0), None), x, length=3)[0]  # noqa: E731
    with mx.debug(nans=True):
        for h in (f, g):
            with pytest.raises(FloatingPointError):
                mx.eval(h(mx.array([-1.0, 0.5])))
        assert np.array(f(mx.array([1.0]))).tolist() == [0]


# -- bounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda x, i: x[i],
        lambda x, i: mx.take(x, i, axis=0),
        lambda x, i: mx.take_along_axis(x, i, axis=0),
        lambda x, i: mx.put_along_axis(x, i, mx.ones(2), axis=0),
        lambda x, i: x.at[i].add(1.0),
    ],
)
def test_bounds_checks_indices_that_are_data(use):
    x = mx.arange(4.0)
    with mx.debug(bounds=True):
        mx.eval(use(x, mx.array([0, -4])))
        with pytest.raises(IndexError):
            mx.eval(use(x, mx.array([0, 4])))


# -- loops and recompiles ----------------------------------------------------------------------


def test_loops_tells_what_vmap_runs_row_by_row():
    f = lambda r: mx.host_call(np.sort, r, r)  # noqa: E731
    x = mx.array([[2.0, 1.0], [4.0, 3.0], [0.0, 5.0]])
    with mx.debug(loops=True) as told, pytest.warns(UserWarning, match=r"3 rows; at .*test_debug"):
        mx.vmap(f)(x)
    assert told.messages == ["vmap runs HostCall [sort] of (float32[3,2]) once for each of 3 rows"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mx.vmap(f)(x)


def test_recompiles_tells_what_changed():
    f = mx.compile(lambda x, n=1: x * n)
    with mx.debug(recompiles=True) as told, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f(mx.ones(2))
        f(mx.ones(2))
        assert told.messages == []
        f(mx.ones(3))
        f(mx.ones(3), n=2)
        f(mx.ones(3, mx.int32))
    assert "array 1 of 1: float32[2], now float32[3]" in told.messages[0]
    assert "structure or constants" in told.messages[1]
    assert "float32[3], now int32[3]" in told.messages[2]
    assert len(told.messages) == 3


# -- profile -----------------------------------------------------------------------------------


def test_a_profile_counts_calls_and_bytes_by_primitive():
    x = mx.ones((4, 5))
    mx.eval(x)
    with mx.profile() as p:
        mx.eval(mx.exp(x) + mx.exp(x * 2))
        mx.eval(mx.compile(lambda a: mx.sort(a))(x))
    rows = {row["primitive"]: row for row in p.table()}
    assert rows["exp"]["calls"] == 2
    assert rows["exp"]["bytes"] == 2 * 2 * 80
    assert "sort" in rows
    assert str(p).splitlines()[0].split()[:2] == ["primitive", "calls"]
    assert len(str(p).splitlines()) == len(rows) + 1
    before = len(p.events)
    mx.eval(x + 1)
    assert len(p.events) == before


def test_a_profile_is_saved_as_a_trace(tmp_path):
    with mx.profile() as p:
        mx.eval(mx.ones(3) + 1)
    p.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events] == [e.name for e in p.events]
    assert all(e["ph"] == "X" and e["dur"] >= 0 for e in events)


def test_a_failed_kernel_ends_no_profile():
    with mx.profile() as p:
        with pytest.raises(IndexError):
            mx.eval(mx.zeros(3)[mx.array([9])])
        mx.eval(mx.ones(3) + 1)
    assert "add" in [e.name for e in p.events]
