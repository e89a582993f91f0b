"""Padding and concatenation."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

ALL = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64"
).split()
DTYPES = [*ALL, ml_dtypes.bfloat16]


def padded(x, value, low, high, interior):
    """The definition, by assignment to a strided slice."""
    lengths = [
        lo + hi + n + max(n - 1, 0) * inner
        for n, lo, hi, inner in zip(x.shape, low, high, interior, strict=True)
    ]
    out = np.full(lengths, value, x.dtype)
    where = tuple(
        slice(lo, lo + n + max(n - 1, 0) * inner, inner + 1)
        for n, lo, inner in zip(x.shape, low, interior, strict=True)
    )
    out[where] = x
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("low", [(0, 0), (1, 2), (3, 0)])
@pytest.mark.parametrize("high", [(0, 0), (2, 1)])
@pytest.mark.parametrize("interior", [(0, 0), (1, 0), (0, 2), (2, 1)])
def test_pad(run, rng, dtype, low, high, interior):
    value = np.array(1, dtype)
    base = rng.integers(0, 100, (5, 4)).astype(dtype)
    for x in (base, base.T, base[::-1], base[:, ::2]):
        out = run("pad", x, value, low=low, high=high, interior=interior)
        assert np.array_equal(out, padded(x, value, low, high, interior))


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 3), (3, 0), (2, 300, 400)])
def test_pad_of_other_shapes(run, rng, shape):
    x = rng.standard_normal(shape).astype(np.float32)
    low, high, interior = (2,) * x.ndim, (1,) * x.ndim, (1,) * x.ndim
    out = run("pad", x, np.float32(7), low=low, high=high, interior=interior)
    assert np.array_equal(out, padded(x, 7, low, high, interior))


def test_pad_of_a_scalar_is_a_copy(run):
    assert run("pad", np.float32(3), np.float32(7), low=(), high=(), interior=()).tolist() == 3


def test_negative_padding_is_left_to_the_caller(run):
    x = np.zeros(3, np.float32)
    assert run("pad", x, np.float32(0), low=(-1,), high=(0,), interior=(0,)) is NotImplemented


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenate(run, rng, dtype, axis):
    parts = []
    for n in (3, 0, 1, 5):
        shape = [4, 4, 4]
        shape[axis] = n
        parts.append(rng.integers(0, 100, shape).astype(dtype))
    parts.append(parts[0].swapaxes(0, 1).copy().swapaxes(0, 1))
    parts.append(parts[3][::-1, :, ::-1])
    assert np.array_equal(run("concatenate", *parts, axis=axis), np.concatenate(parts, axis))


def test_concatenate_of_many_and_of_large_arrays(run, rng):
    many = [rng.standard_normal((2, 3)).astype(np.float32) for _ in range(40)]
    assert np.array_equal(run("concatenate", *many, axis=0), np.concatenate(many))
    large = [rng.standard_normal((300, 1000)).astype(np.float32).T for _ in range(2)]
    assert np.array_equal(run("concatenate", *large, axis=1), np.concatenate(large, 1))
