"""The checks of a device: buffers, streams, threads, memory, DLPack, and running out of memory."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import monel.core as mx
from monel.core.plugin import Dtype, dtype_named

from ..base.devices import Device
from . import numerics
from .cases import Case
from .numerics import to_array, to_numpy
from .subject import Subject

_SHAPES = ((3,), (2, 3), (), (1, 1, 5))
# More than any machine can address.
_TOO_MUCH = 1 << 58


def values(shape: tuple[int, ...], dtype: Dtype) -> np.ndarray:
    """Return some values of a shape and dtype, no two neighbours alike."""
    count = int(np.prod(shape, dtype=np.int64))
    return (
        (np.arange(count) % 2 if dtype.name == "bool" else np.arange(count) % 100)
        .astype(dtype.numpy)
        .reshape(shape)
    )


def known(tested: Subject, case: Case) -> Dtype:
    """Return the dtype of a case; skip where the device does not know it."""
    dtype = dtype_named(case.dtype)
    if not tested.takes_dtype(dtype):
        pytest.skip(f"{tested.native} says that it does not know {dtype.name}")
    return dtype


def put(tested: Subject, x: np.ndarray) -> Any:
    """Return a buffer of the device with the values of ``x``."""
    return tested.backend.from_host(x.tobytes(), x.shape, numerics.aval(x).dtype, tested.native)


def got(tested: Subject, buffer: Any, x: np.ndarray) -> np.ndarray:
    """Return the values of a buffer that has shape and dtype of ``x``."""
    data = tested.backend.to_host(buffer, x.shape, numerics.aval(x).dtype)
    if memoryview(data).nbytes != x.nbytes:
        pytest.fail(
            f"{tested.name}: to_host gives {memoryview(data).nbytes} bytes for "
            f"{numerics.aval(x)}, expected {x.nbytes}; see to_host in {tested.file}",
            pytrace=False,
        )
    return np.frombuffer(data, x.dtype).reshape(x.shape)


def same(tested: Subject, found: np.ndarray, want: np.ndarray, what: str) -> None:
    """Fail unless two arrays agree."""
    wrong = numerics.difference(found, want)
    if wrong is not None:
        pytest.fail(f"{tested.name}: {what}: {wrong}; see {tested.file}", pytrace=False)


class DeviceChecks:
    """What holds of a device, whatever its kernels are."""

    def test_buffer_round_trip(self, tested: Subject, case: Case) -> None:
        """``to_host`` gives back what ``from_host`` took."""
        dtype = known(tested, case)
        for shape in _SHAPES:
            x = values(shape, dtype)
            same(tested, got(tested, put(tested, x), x), x, "from_host, then to_host")

    def test_buffer_of_no_elements(self, tested: Subject, case: Case) -> None:
        """Arrays without elements can be made, kept and read."""
        dtype = known(tested, case)
        for shape in ((0,), (2, 0, 3)):
            x = values(shape, dtype)
            same(tested, got(tested, put(tested, x), x), x, "from_host, then to_host")
            made = tested.backend.allocate(shape, dtype, tested.native)
            same(tested, got(tested, made, x), x, "allocate, then to_host")

    def test_buffer_item(self, tested: Subject, case: Case) -> None:
        """An array of one element becomes a Python scalar."""
        dtype = known(tested, case)
        one = np.ones((), dtype.numpy)
        assert to_array(one).item() == one.item()

    def test_buffer_allocate(self, tested: Subject) -> None:
        """``allocate`` gives storage of the right length, and each call other storage."""
        x = values((2, 3), mx.float32)
        backend = tested.backend
        first = backend.allocate(x.shape, mx.float32, tested.native)
        second = backend.allocate(x.shape, mx.float32, tested.native)
        assert first is not second, f"{tested.name}: allocate gave one buffer twice"
        assert got(tested, first, x).shape == x.shape

    def test_buffer_is_a_copy(self, tested: Subject) -> None:
        """``from_host`` copies: what happens to the host's bytes afterwards does not show."""
        x = values((8,), mx.float32)
        data = bytearray(x.tobytes())
        made = tested.backend.from_host(data, x.shape, mx.float32, tested.native)
        data[:] = bytes(len(data))
        same(tested, got(tested, made, x), x, "from_host keeps the host's memory; it must copy")

    def test_buffer_host_view(self, tested: Subject) -> None:
        """Where the host sees the memory it is writable, and stays alive with the view."""
        x = values((2, 3), mx.float32)
        made = put(tested, x)
        view = tested.backend.host_view(made, x.shape, mx.float32)
        if view is None:
            with pytest.raises(ValueError, match="copy"):
                np.array(to_array(x), copy=False)
            return
        seen = np.asarray(view)
        same(tested, seen, x, "host_view")
        seen[0, 0] = 41
        same(tested, got(tested, made, x), seen.copy(), "host_view is no view of the buffer")
        del made, view
        gc.collect()
        assert seen[0, 0] == 41 and seen[1, 2] == 5

    def test_buffer_hooks(self, tested: Subject) -> None:
        """``contiguous``, ``broadcast`` and ``copy`` keep the values."""
        backend = tested.backend
        x = values((2, 1, 3), mx.float32)
        row = backend.contiguous(put(tested, x), x.shape, mx.float32)
        same(tested, got(tested, row, x), x, "Backend.contiguous")
        wide = np.ascontiguousarray(np.broadcast_to(x, (4, 2, 5, 3)))
        spread = backend.broadcast(put(tested, x), x.shape, wide.shape, mx.float32)
        same(tested, got(tested, spread, wide), wide, "Backend.broadcast")
        for other in backend.devices():
            copied = backend.copy(put(tested, x), x.shape, mx.float32, other)
            same(tested, got(tested, copied, x), x, f"Backend.copy to {other}")

    def test_buffer_lifetime(self, tested: Subject) -> None:
        """A result on one stream outlives its operands while another stream allocates."""
        first, second = mx.new_stream(tested.device), mx.new_stream(tested.device)
        kept = []
        for i in range(20):
            x = to_array(np.full(2048, i, np.float32))
            kept.append(mx.add(x, x, stream=first))
            mx.async_eval(kept[-1])
            del x
            mx.async_eval(mx.add(to_array(np.full(2048, -1, np.float32)), 1, stream=second))
        for i, made in enumerate(kept):
            same(tested, to_numpy(made), np.full(2048, 2 * i, np.float32), "on two streams")

    def test_donation(self, tested: Subject) -> None:
        """Chains on large arrays may reuse what dies, and nothing that is still in use."""
        x = np.linspace(-1, 1, 20000, dtype=np.float32)
        a = to_array(x)
        b = mx.negative(a)
        c = mx.abs(b) + b
        mx.eval(c)
        same(tested, to_numpy(a), x, "an operand in use was overwritten")
        same(tested, to_numpy(b), -x, "an operand in use was overwritten")
        same(tested, to_numpy(c), np.abs(x) - x, "a chain of operations")
        for _ in range(5):
            a = a + 1
            mx.eval(a)
        same(tested, to_numpy(a), x + 5, "a chain of updates")

    def test_exported_memory_is_not_reused(self, tested: Subject) -> None:
        """What NumPy sees keeps its values whatever happens to the array."""
        x = np.arange(4096, dtype=np.float32)
        a = to_array(x)
        mx.eval(a)
        seen = np.array(a)
        view = np.asarray(a)
        a = a + 1
        mx.eval(a)
        assert (seen == x).all()
        same(tested, view, x, "exported storage was reused")

    def test_streams(self, tested: Subject) -> None:
        """Work that goes to and fro between streams happens in the order of its operands."""
        streams = [mx.new_stream(tested.device) for _ in range(3)]
        a = to_array(np.zeros(64, np.float32))
        for i in range(60):
            a = mx.add(a, 1, stream=streams[i % 3])
            if i % 7 == 0:
                mx.async_eval(a)
        same(tested, to_numpy(a), np.full(64, 60, np.float32), "a chain over three streams")
        for stream in streams:
            mx.synchronize(stream)

    def test_copies_between_devices(self, tested: Subject) -> None:
        """Operands that live elsewhere are copied, in both directions."""
        x = values((3, 4), mx.float32)
        here = mx.add(to_array(x), 1, stream=tested.device)
        mx.eval(here)
        there = mx.add(to_array(x), 2, stream=Device("reference"))
        mx.eval(there)
        both = mx.multiply(here, there, stream=tested.device)
        same(tested, to_numpy(both), (x + 1) * (x + 2), "an operand from another device")
        back = mx.multiply(here, there, stream=Device("reference"))
        same(tested, to_numpy(back), (x + 1) * (x + 2), "an operand for another device")

    def test_threads(self, tested: Subject) -> None:
        """Many threads compute at once, each its own result."""
        errors: list[str] = []

        def work(i: int) -> None:
            try:
                with mx.stream(tested.device):
                    x = np.full((17, 5), i, np.float32)
                    for _ in range(10):
                        made = to_numpy(mx.sum(to_array(x) * 2 + 1, axis=0))
                        wrong = numerics.difference(made, np.full(5, 17 * (2 * i + 1), np.float32))
                        if wrong is not None:
                            errors.append(wrong)
            except Exception as error:
                errors.append(repr(error))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            pytest.fail(f"{tested.name} in eight threads: {errors[0]}", pytrace=False)

    def test_memory_returns(self, tested: Subject) -> None:
        """What is in use is what is alive: no kernel keeps memory that it gave out."""
        names = numerics.sampled_names()
        samples = [s for n in names for s in numerics.samples_of(n)[:1] if tested.takes(s)]
        for sample in samples:
            _run(sample)
        while (lost := _lost(tested, samples)) > 0:
            if len(samples) == 1:
                pytest.fail(
                    f"{numerics.describe(samples[0])} leaks: three runs leave {lost} bytes; "
                    f"{tested.place(samples[0])}",
                    pytrace=False,
                )
            half = samples[: len(samples) // 2]
            samples = half if _lost(tested, half) > 0 else samples[len(half) :]

    def test_memory_counts(self, tested: Subject) -> None:
        """Figures of memory rise by what is allocated, and the peak is the most there was."""
        backend = tested.backend
        before = _active(tested)
        backend.reset_peak_memory()
        assert _counts(tested)["peak"] == 0, f"{tested.name}: the peak is not 0 after its reset"
        made = put(tested, np.zeros(1 << 18, np.float32))
        during = _counts(tested)
        assert during["active"] - before >= 1 << 20, f"{tested.name}: 1 MiB in use is not counted"
        del made
        gc.collect()
        mx.synchronize(tested.device)
        after = _counts(tested)
        assert after["active"] <= before, f"{tested.name}: memory is in use after its last owner"
        assert after["peak"] >= during["active"], f"{tested.name}: the peak is below what was"

    def test_dlpack(self, tested: Subject, case: Case) -> None:
        """Arrays go through DLPack in both directions."""
        dtype = known(tested, case)
        x = values((2, 3), dtype)
        made = to_array(x)
        mx.eval(made)
        same(tested, to_numpy(mx.from_dlpack(made)), x, "DLPack to monel")
        if dtype.name != "bfloat16":
            same(tested, np.from_dlpack(made), x, "DLPack to NumPy")
            same(tested, to_numpy(mx.from_dlpack(x) + mx.zeros((), dtype)), x, "DLPack from NumPy")

    def test_out_of_memory(self, tested: Subject) -> None:
        """Asking for more memory than there is raises MemoryError and harms nothing."""
        kept = to_array(np.arange(6, dtype=np.float32)) + 1
        mx.eval(kept)
        with pytest.raises(MemoryError):
            tested.backend.wait(tested.backend.allocate((_TOO_MUCH,), mx.float32, tested.native))
        with pytest.raises(MemoryError):
            mx.eval(mx.zeros((_TOO_MUCH,)))
        same(tested, to_numpy(kept), np.arange(1, 7, dtype=np.float32), "after a failure")
        same(tested, to_numpy(kept + 1), np.arange(2, 8, dtype=np.float32), "after a failure")


def _lost(tested: Subject, samples: list[Any]) -> int:
    """Return the bytes that stay in use after three runs of each sample."""
    before = _active(tested)
    for sample in samples:
        for _ in range(3):
            _run(sample)
    return _active(tested) - before


def _run(sample: Any) -> None:
    mx.eval(numerics.bound(sample.primitive)(*[to_array(x) for x in sample.operands]))


def _counts(tested: Subject) -> dict[str, int]:
    counts = tested.backend.memory()
    if counts is None:
        pytest.skip(f"{tested.name} counts no memory: Backend.memory gives None")
    return dict(counts)


def _active(tested: Subject) -> int:
    gc.collect()
    mx.synchronize(tested.device)
    return _counts(tested)["active"]
