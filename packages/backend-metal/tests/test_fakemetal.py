"""The fake Metal module refuses what the real one would, and the runtime keeps to it."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from launching import PRELUDE

from monel.backends.metal.emulator import fakemetal
from monel.backends.metal.runtime import Runtime, RuntimeFailure

COPY = (
    PRELUDE
    + """
[[kernel]] void copy(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                     uint i [[thread_position_in_grid]]) {
  y[i + SHIFT] = x[i];
}
"""
)


@pytest.fixture
def runtime(device):
    return device.runtime


@pytest.fixture
def metal(device):
    return sys.modules["Metal"]


def test_metadata_holds_what_the_wheel_says():
    facts = fakemetal.metadata()
    assert (len(facts["selectors"]), len(facts["enums"])) == (851, 915)
    assert facts["selectors"]["setBytes:length:atIndex:"]["arguments"] == ["^v", "Q", "Q"]


@pytest.mark.skipif("MONEL_METAL_WHEEL" not in os.environ, reason="MONEL_METAL_WHEEL names none")
def test_metadata_is_that_of_the_wheel():
    sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
    try:
        import extract_metadata
    finally:
        del sys.path[0]
    assert extract_metadata.main([os.environ["MONEL_METAL_WHEEL"], "--check"]) == 0


def test_an_unknown_selector_is_an_attribute_error():
    class Wrong(fakemetal.FakeObject):
        def dispatchThreads_(self, grid):
            return grid

    with pytest.raises(AttributeError, match="no selector 'dispatchThreads:'"):
        Wrong().dispatchThreads_((1, 1, 1))


def test_an_unknown_enumerator_is_an_attribute_error(metal):
    assert metal.MTLResourceStorageModeShared == 0
    with pytest.raises(AttributeError, match="MTLResourceStorageModeSharde"):
        _ = metal.MTLResourceStorageModeSharde


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((16,), "need 2 arguments, got 1"),
        ((16.0, 0), "argument 0 is 16.0, expected Q"),
        ((-1, 0), "argument 0 is -1, expected Q"),
    ],
)
def test_wrong_arguments_are_a_type_error(metal, arguments, message):
    device = metal.MTLCreateSystemDefaultDevice()
    with pytest.raises(TypeError, match=message):
        device.newBufferWithLength_options_(*arguments)


def test_a_group_beyond_the_pipelines_limit_is_refused(device, runtime):
    device.settings.max_threads = 256
    pipeline = runtime.pipeline(COPY.replace("SHIFT", "0"), "copy")
    memory = [(runtime.allocate(2048), 0)] * 2
    assert pipeline.max_threads == 256
    with pytest.raises(ValueError, match="512 threads a group, of 256"):
        runtime.dispatch(pipeline, b"", memory, (512, 1, 1), (512, 1, 1))


def test_a_kernel_runs_when_its_commands_are_committed(runtime):
    pipeline = runtime.pipeline(COPY.replace("SHIFT", "0"), "copy")
    x, y = runtime.allocate(16), runtime.allocate(16)
    x.host()[:] = np.arange(4, dtype=np.float32).tobytes()
    y.host()[:] = bytes(16)
    runtime.dispatch(pipeline, b"", [(x, 0), (y, 0)], (4, 1, 1), (4, 1, 1))
    assert bytes(y.host()) == bytes(16)
    runtime.synchronize()
    assert np.frombuffer(y.host(), np.float32).tolist() == [0, 1, 2, 3]


def test_a_failed_command_buffer_names_its_operations(runtime):
    pipeline = runtime.pipeline(COPY.replace("SHIFT", "1"), "copy")
    x, y = runtime.allocate(16), runtime.allocate(16)
    runtime.dispatch(pipeline, b"", [(x, 0), (y, 0)], (4, 1, 1), (4, 1, 1))
    with pytest.raises(RuntimeFailure, match=r"copy failed.*byte 16 of 16 of y"):
        runtime.synchronize()
    runtime.synchronize()


def test_a_kernel_that_does_not_compile_names_file_and_line(runtime):
    with pytest.raises(RuntimeFailure, match=r"kernel copy does not compile: test\.metal:6.*SHIFT"):
        runtime.pipeline(COPY, "copy")


def test_a_missing_function_is_named(runtime):
    with pytest.raises(RuntimeFailure, match="holds no function of that name"):
        runtime.pipeline(COPY.replace("SHIFT", "0"), "kopy")


def test_no_memory_is_a_memory_error(runtime):
    runtime.memory_limit = 1000
    with pytest.raises(MemoryError, match="no memory for 2000 bytes"):
        runtime.allocate(2000)


def test_memory_is_used_again_and_counted(device):
    runtime = Runtime(granularity=256)
    first = runtime.allocate(1000)
    handle = first.handle
    assert (runtime.active, runtime.peak) == (1024, 1024)
    del first
    assert (runtime.active, runtime.cached) == (0, 1024)
    assert runtime.allocate(900).handle is handle


def test_memory_that_the_device_still_uses_is_not_given_to_the_host(runtime):
    pipeline = runtime.pipeline(COPY.replace("SHIFT", "0"), "copy")
    x, y = runtime.allocate(16), runtime.allocate(16)
    x.host()[:] = bytes(16)
    runtime.dispatch(pipeline, b"", [(x, 0), (y, 0)], (4, 1, 1), (4, 1, 1))
    handle = x.handle
    del x
    other = runtime.allocate(16, for_host=True)
    assert other.handle is not handle
    runtime.synchronize()
    assert runtime.allocate(16, for_host=True).handle is handle


def test_commands_are_committed_after_a_while(runtime):
    pipeline = runtime.pipeline(COPY.replace("SHIFT", "0"), "copy")
    x, y = runtime.allocate(16), runtime.allocate(16)
    x.host()[:] = np.full(4, 7, np.float32).tobytes()
    for _ in range(40):
        runtime.dispatch(pipeline, b"", [(x, 0), (y, 0)], (4, 1, 1), (4, 1, 1))
    assert np.frombuffer(y.host(), np.float32).tolist() == [7] * 4
