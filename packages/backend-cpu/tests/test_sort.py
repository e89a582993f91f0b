"""Sorting against NumPy's stable sort."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

ALL = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64"
).split()
DTYPES = [*ALL, ml_dtypes.bfloat16]
SHAPES = [
    (0,),
    (1,),
    (2,),
    (40,),
    (41,),
    (300,),
    (5, 70),
    (70, 5),
    (3, 0, 2),
    (3, 64, 4),
    (70_000,),
    (2, 40_000),
]


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Values with many repetitions, zeros of both signs, infinities and NaN."""
    if dtype.kind == "b":
        return rng.random(shape) > 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        x = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        return np.where(rng.random(shape) < 0.5, x, x % dtype.type(7)).astype(dtype)
    x = np.round(rng.standard_normal(shape) * 10)
    if dtype.kind == "c":
        x = x + 1j * np.round(rng.standard_normal(shape) * 3)
    x = x.astype(dtype)
    which = rng.random(shape)
    x[which < 0.05] = np.nan
    x[(which > 0.9) & (which < 0.93)] = -0.0
    x[which > 0.97] = np.inf
    if dtype.kind == "c":
        x[(which > 0.3) & (which < 0.35)] = complex(1, np.nan)
    return x


def layouts(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> list[np.ndarray]:
    double = numbers(rng, tuple(2 * n for n in shape), dtype)
    return [
        numbers(rng, shape, dtype),
        double[tuple(slice(None, None, 2) for _ in shape)],
        numbers(rng, shape, dtype)[::-1],
        numbers(rng, shape[::-1], dtype).T,
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sort_and_argsort_agree_with_numpy(run, rng, shape, dtype):
    for x in layouts(rng, shape, np.dtype(dtype)):
        plain = x.astype(np.float32) if x.dtype.name == "bfloat16" else x
        for axis in range(len(shape)):
            out = run("sort", x, axis=axis).astype(plain.dtype)
            assert np.array_equal(
                out, np.sort(plain, axis, kind="stable"), equal_nan=x.dtype.kind not in "biu"
            )
            order = run("argsort", x, axis=axis)
            assert order.dtype == np.uint32
            assert np.array_equal(order, np.argsort(plain, axis, kind="stable"))


def test_sort_puts_negative_nan_last_too(run):
    x = np.array([1, np.nan, -np.inf, 0], np.float32)
    x[1] = np.copysign(np.nan, -1)
    assert np.array_equal(
        run("sort", x, axis=0), np.array([-np.inf, 0, 1, np.nan], np.float32), equal_nan=True
    )


def test_argsort_keeps_zeros_of_either_sign_in_place(run):
    assert run("argsort", np.array([0.0, -0.0, 0.0, -1], np.float32), axis=0).tolist() == [
        3,
        0,
        1,
        2,
    ]


def test_sort_keeps_the_signs_of_zeros(run):
    out = run("sort", np.array([-0.0, 1, -0.0, 0.0], np.float32), axis=0)
    assert np.signbit(out).sum() == 2


def test_sort_rejects_an_axis_that_is_not_there(run):
    with pytest.raises(ValueError, match="axis 1 is out of bounds"):
        run("sort", np.zeros(3, np.float32), axis=1)
