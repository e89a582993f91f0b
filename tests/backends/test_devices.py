"""Several devices at once: two of one backend, and those of others."""

from importlib.util import find_spec

import numpy as np
import pytest

import monel.core as mx

pytestmark = pytest.mark.skipif(
    not (find_spec("monel_remote") and find_spec("monel_minimal")),
    reason="the backends of tests/backends are not installed",
)

FIRST, SECOND = mx.Device("remote", 0), mx.Device("remote", 1)
OTHER = mx.Device("minimal")


def test_two_devices_of_one_backend_compute_together():
    a = mx.add(mx.array([1.0, 2.0]), 1, stream=FIRST)
    b = mx.multiply(mx.array([3.0, 4.0]), 2, stream=SECOND)
    mx.async_eval(a, b)
    assert mx.add(a, b, stream=FIRST).tolist() == [8, 11]
    assert mx.subtract(b, a, stream=SECOND).tolist() == [4, 5]


@pytest.mark.parametrize("source", [FIRST, SECOND, OTHER, mx.Device("reference")])
@pytest.mark.parametrize("target", [FIRST, SECOND, OTHER, mx.Device("reference")])
def test_an_operand_is_copied_to_where_it_is_used(source, target):
    x = mx.add(mx.array([1.0, 2.0]), 1, stream=source)
    mx.eval(x)
    assert mx.square(x, stream=target).tolist() == [4, 9]


def test_copies_are_made_once_while_the_array_lives():
    from monel.core.execute.discovery import plugins

    backend = plugins().backend("remote")
    copied = []
    plain = backend.copy
    backend.copy = lambda *arguments: copied.append(arguments) or plain(*arguments)
    try:
        x = mx.add(mx.array([1.0, 2.0]), 1, stream=FIRST)
        mx.eval(x)
        for _ in range(3):
            mx.eval(mx.square(x, stream=SECOND))
    finally:
        del backend.copy
    assert len(copied) == 1


def test_the_default_device_may_be_any_backends():
    old = mx.default_device()
    mx.set_default_device(SECOND)
    try:
        assert mx.default_device() == SECOND
        x = mx.ones(3) * 2
        assert x.tolist() == [2, 2, 2]
    finally:
        mx.set_default_device(old)


def test_stream_contexts_nest_across_backends():
    with mx.stream(FIRST):
        a = mx.ones(2) + 1
        with mx.stream(OTHER):
            b = a * 3
        c = b + a
    assert (a.tolist(), b.tolist(), c.tolist()) == ([2, 2], [6, 6], [8, 8])


def test_a_gradient_runs_where_its_function_ran():
    x = mx.array([1.0, 2.0])
    with mx.stream(FIRST):
        g = mx.grad(lambda x: mx.sum(mx.sin(x, stream=SECOND) ** 2))(x)
    np.testing.assert_allclose(np.array(g), np.sin([2.0, 4.0]), rtol=1e-6)


def test_a_compiled_function_runs_on_the_device_of_its_call():
    f = mx.compile(lambda x: mx.exp(x) * 2)
    for device in (FIRST, OTHER, SECOND):
        with mx.stream(device):
            assert f(mx.zeros(2)).tolist() == [2, 2]


def test_an_error_on_one_device_leaves_the_other_alone():
    good = mx.add(mx.array([1.0]), 1, stream=SECOND)
    bad = mx.take(mx.array([1.0]), mx.array([7]), stream=FIRST)
    mx.async_eval(bad, good)
    with pytest.raises(IndexError):
        mx.eval(bad)
    assert good.tolist() == [2]


def test_eval_waits_for_what_works_on_its_own():
    bad = mx.take(mx.array([1.0]), mx.array([7]), stream=FIRST)
    for _ in range(2):
        with pytest.raises(IndexError):
            mx.eval({"nested": [bad]})


def test_memory_of_a_remote_device_is_no_array():
    x = mx.add(mx.array([1.0]), 1, stream=FIRST)
    mx.eval(x)
    with pytest.raises(TypeError, match="a transfer is missing"):
        np.asarray(x.value.buffer)
    with pytest.raises(ValueError, match="copy"):
        np.array(x, copy=False)


@pytest.mark.parametrize("name", ["remote:2", "minimal:1", "nonsense"])
def test_a_device_that_is_not_there_is_named(name):
    backend, _, index = name.partition(":")
    with pytest.raises(ValueError, match=backend):
        mx.ones(1, stream=mx.Device(backend, int(index or 0)))
