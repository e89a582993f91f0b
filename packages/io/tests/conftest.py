"""What the tests of every format share: reading lazy tensors, and files that must be refused."""

from __future__ import annotations

import io
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from monel.core.base.storage import open_source
from monel.core.plugin import FormatError, HostTensor, LazyTensor, Source
from monel.io import reading

# Programs beside the tests that these import and run.
sys.path.append(str(Path(__file__).parent))

# What hostile_files allows a reader beyond the file itself, which these tests hold in memory.
EXTRA = 64 << 20


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


@pytest.fixture
def source() -> Callable[[bytes], Source]:
    return lambda data: open_source(io.BytesIO(data))


@pytest.fixture
def values() -> Callable[[LazyTensor], np.ndarray]:
    """Read a lazy tensor, into memory that starts out wrong."""

    def values(tensor: LazyTensor) -> np.ndarray:
        dtype = numpy_dtype(tensor.dtype_name)
        out = bytearray(b"\xa5" * (int(np.prod(tensor.shape, dtype=object)) * dtype.itemsize))
        tensor.reader(memoryview(out))
        return np.frombuffer(out, dtype).reshape(tensor.shape)

    return values


@pytest.fixture
def host() -> Callable[[np.ndarray], HostTensor]:
    def host(array: Any) -> HostTensor:
        array = np.asarray(array)
        return HostTensor(array.shape, array.dtype.name, array.tobytes())

    return host


@pytest.fixture
def saved() -> Callable[..., bytes]:
    """The bytes that a format's ``save`` writes."""

    def saved(save: Callable[..., None], arrays: Any, **options: Any) -> bytes:
        target = io.BytesIO()
        save(target, arrays, **options)
        return target.getvalue()

    return saved


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let headers become 1 MiB in memory instead of 64, so that files which exceed it are small."""
    monkeypatch.setattr(reading, "MAX_EXTRA", 1 << 20)


@pytest.fixture
def refused(tmp_path: Any) -> Iterator[Callable[..., FormatError]]:
    """Load a hostile file, by path, and return the FormatError; memory beyond the bound fails."""

    def refused(load: Callable[..., Any], data: bytes, **options: Any) -> FormatError:
        path = tmp_path / "hostile"
        path.write_bytes(data)
        tracemalloc.start()
        try:
            with pytest.raises(FormatError) as caught:
                load(open_source(path), **options)
            extra = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert extra <= EXTRA + min(len(data), 100_000_000), f"{extra} bytes were allocated"
        assert caught.value.path == str(path)
        assert 0 <= caught.value.offset <= max(len(data), 10)
        return caught.value

    return refused
