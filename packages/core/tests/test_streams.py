"""Streams, the threads that they belong to, and facts about devices."""

import threading

import pytest

import monel.core as mx


def elsewhere(function):
    """What ``function`` returns or raises in another thread."""
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def add_on(stream):
    return mx.add(mx.ones(2), 1, stream=stream).tolist()


def test_a_new_stream_belongs_to_its_thread():
    stream = mx.new_stream(mx.cpu)
    assert add_on(stream) == [2, 2]
    error = elsewhere(lambda: add_on(stream))
    assert isinstance(error, RuntimeError)
    assert "in the current thread" in str(error)
    assert isinstance(elsewhere(lambda: mx.StreamContext(stream)), RuntimeError)


@pytest.mark.parametrize(
    "make", [mx.new_thread_unsafe_stream, mx.new_thread_local_stream, mx.default_stream]
)
def test_other_streams_work_in_any_thread(make):
    stream = make(mx.cpu)
    assert add_on(stream) == [2, 2]
    assert elsewhere(lambda: add_on(stream)) == [2, 2]


@pytest.mark.skipif(mx.is_available(mx.gpu), reason="there is a gpu")
@pytest.mark.parametrize(
    "make",
    [
        mx.new_stream,
        mx.new_thread_unsafe_stream,
        mx.new_thread_local_stream,
        mx.default_stream,
        mx.set_default_device,
    ],
)
def test_a_stream_on_a_gpu_that_is_not_there_is_a_value_error(make):
    with pytest.raises(ValueError, match=f"{make.__name__}.*gpu"):
        make(mx.gpu)


def test_facts_of_a_device_are_a_dict():
    assert mx.device_info(d=mx.cpu) == mx.device_info(mx.Device(mx.cpu))
    assert isinstance(mx.device_info()["device_name"], str)
    with pytest.raises(TypeError, match="device_info"):
        mx.device_info(3)
