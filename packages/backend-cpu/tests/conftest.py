"""Calls kernels directly, with NumPy arrays for buffers and a plain namespace for the primitive."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from monel.backends.cpu import _kernels, blas

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NAMES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 "
    "float32 float64 complex64"
).split()
DTYPES = tuple(BFLOAT16 if name == "bfloat16" else np.dtype(name) for name in NAMES)

blas.configure()


def code(dtype: np.dtype) -> int:
    """Return the number of a dtype in the contract between core and a backend."""
    return DTYPES.index(np.dtype(dtype))


def to_buffer(array: np.ndarray) -> Any:
    """Return a Buffer on the memory of ``array``, with its strides."""
    bits = array.view(np.uint16) if array.dtype == BFLOAT16 else array
    return _kernels.from_external(bits, code(array.dtype))


def to_array(buffer: Any) -> np.ndarray:
    """Return the values of a buffer."""
    return np.frombuffer(buffer.tobytes(), DTYPES[buffer.dtype]).reshape(buffer.shape)


def call_kernel(name: str, parameters: dict[str, Any], *buffers: Any, dying: int = 0) -> Any:
    """Call a kernel as core does."""
    kernel = _kernels.kernel(name, tuple(buffer.dtype for buffer in buffers))
    assert kernel is not None, f"no kernel {name} for these dtypes"
    context = types.SimpleNamespace(dying=dying)
    return kernel(context, types.SimpleNamespace(**parameters), *buffers)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Return ``run(name, *arrays, **parameters)``, which gives arrays for arrays."""

    def call(name: str, *arrays: np.ndarray, **parameters: Any) -> Any:
        result = call_kernel(name, parameters, *[to_buffer(np.asarray(a)) for a in arrays])
        if isinstance(result, tuple):
            return tuple(to_array(one) for one in result)
        return result if result is NotImplemented else to_array(result)

    return call


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


def create(name: str, dtype: int, **parameters: Any) -> Any:
    """Call a kernel without operands, which is asked for by the dtype of its result."""
    primitive = types.SimpleNamespace(dtype=dtype, **parameters)
    return _kernels.kernel(name, (dtype,))(None, primitive)


@pytest.fixture
def raw() -> types.SimpleNamespace:
    """Return the functions above, for tests that look at buffers."""
    return types.SimpleNamespace(
        to_buffer=to_buffer, to_array=to_array, call=call_kernel, create=create
    )


@pytest.fixture(name="code")
def code_of() -> Callable[[Any], int]:
    """Return the function from a dtype to its number."""
    return code
