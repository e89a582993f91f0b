"""Each barrier of each kernel is needed: without it, the watched device reports a finding."""

import re
from importlib import resources

import numpy as np
import pytest

from monel.backends.metal import source
from monel.backends.metal.runtime import RuntimeFailure
from monel.core.plugin import REGISTRY

KERNELS = resources.files("monel.backends.metal") / "kernels"
BARRIER = re.compile(r"\b(?:threadgroup|simdgroup)_barrier\([^;]*;")


def barriers():
    """File and number of every barrier."""
    for file in sorted(f.name for f in KERNELS.iterdir()):
        for number, _ in enumerate(BARRIER.finditer((KERNELS / file).read_text())):
            yield file, number


def use_simd(device):
    device.run(REGISTRY["sum"](axes=(1,)), np.ones((2, 3000), np.float32))


def use_matmul(device):
    x = np.ones((40, 40), np.float32)
    device.run(REGISTRY["matmul"](), x, x)


def use_sort(device):
    device.run(REGISTRY["argsort"](axis=0), np.arange(200, dtype=np.float32))


def use_scan(device):
    device.run(REGISTRY["cumsum"](axis=0), np.ones(3000, np.float32))


USES = {
    "scan.metal": use_scan,
    "simd.h": use_simd,
    "matmul.metal": use_matmul,
    "sort.metal": use_sort,
}


@pytest.fixture
def without(monkeypatch):
    """Delete a barrier from what kernels are made of."""
    read = source.read.__wrapped__

    def delete(file, number):
        def changed(name):
            text = read(name)
            if name != file:
                return text
            start, end = list(BARRIER.finditer(text))[number].span()
            return text[:start] + text[end:]

        monkeypatch.setattr(source, "read", changed)
        source._file.cache_clear()

    yield delete
    monkeypatch.undo()
    source._file.cache_clear()


def test_every_kernel_with_a_barrier_has_a_use():
    assert {file for file, _ in barriers()} == set(USES)


@pytest.mark.parametrize(("file", "number"), list(barriers()))
def test_a_deleted_barrier_is_reported(file, number, device, without):
    without(file, number)
    with pytest.raises(RuntimeFailure, match=r"data race|uninitialised"):
        USES[file](device)


@pytest.mark.parametrize("file", USES)
def test_with_its_barriers_nothing_is_reported(file, device):
    USES[file](device)
    device.runtime.synchronize()
