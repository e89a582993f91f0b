"""Fourier transforms against NumPy in float64, at every kind of length and layout."""

from __future__ import annotations

import numpy as np
import pytest

from monel.backends.cpu import _kernels

# Each radix, their products, long lines, and lengths that need a convolution.
LENGTHS = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    11,
    15,
    16,
    31,
    32,
    37,
    60,
    64,
    97,
    210,
    256,
    1000,
    1024,
    1009,
]
LONG = [4096, 4489, 6000, 8192, 10007, 30030]
SCALES = {"none": lambda n: 1.0, "full": lambda n: 1 / n, "root": lambda n: n**-0.5}


def numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype("complex64")


def assert_near(found: np.ndarray, want: np.ndarray) -> None:
    assert found.shape == want.shape
    assert np.abs(found - want).max() <= 1e-6 * np.abs(want).max()


def shapes(n: int) -> list[tuple[tuple[int, ...], int]]:
    return [((n,), 0), ((3, n), 1), ((20, n), 1), ((n, 5), 0), ((n, 33), 0), ((2, n, 3), 1)]


def check(run, x: np.ndarray, axis: int, n: int, scaling: str) -> None:
    wide, scale = x.astype(np.complex128), SCALES[scaling](n)
    ahead, back = np.fft.fft(wide, axis=axis), np.fft.ifft(wide, axis=axis) * n
    assert_near(run("fft", x, axis=axis, inverse=False, scaling=scaling), ahead * scale)
    assert_near(run("fft", x, axis=axis, inverse=True, scaling=scaling), back * scale)
    real = np.ascontiguousarray(x.real)
    want = np.fft.rfft(wide.real, axis=axis)
    assert_near(run("rfft", real, axis=axis, scaling=scaling), want * scale)
    half = np.take(x, range(n // 2 + 1), axis)
    want = np.fft.irfft(half.astype(np.complex128), n, axis) * n
    assert_near(run("irfft", half, axis=axis, odd=n % 2 == 1, scaling=scaling), want * scale)


@pytest.mark.parametrize("n", LENGTHS)
def test_every_length_and_layout(run, rng, n):
    for i, (shape, axis) in enumerate(shapes(n)):
        check(run, numbers(rng, shape), axis, n, list(SCALES)[i % 3])


@pytest.mark.parametrize("n", LONG)
def test_long_lines(run, rng, n):
    check(run, numbers(rng, (n,)), 0, n, "none")
    check(run, numbers(rng, (5, n)), 1, n, "none")


def test_strided_operands(run, rng):
    x = numbers(rng, (6, 8, 10))
    for part in (x.T, x[::-1, ::2], x[1:, :, ::-1]):
        found = run("fft", part, axis=1, inverse=False, scaling="none")
        assert_near(found, np.fft.fft(part.astype(np.complex128), axis=1))


def test_empty_batches(run):
    empty = np.zeros((0, 4), np.complex64)
    assert run("fft", empty, axis=1, inverse=False, scaling="none").shape == (0, 4)
    assert run("irfft", empty, axis=1, odd=True, scaling="full").shape == (0, 7)
    assert run("rfft", np.zeros((0, 4), np.float32), axis=1, scaling="none").shape == (0, 3)


@pytest.mark.parametrize("n", [4096, 1009, 30030])
def test_bits_do_not_depend_on_the_number_of_threads(run, rng, n):
    x = numbers(rng, (3, n))
    old = _kernels.set_num_threads(1)
    try:
        alone = run("fft", x, axis=1, inverse=False, scaling="none")
        _kernels.set_num_threads(3)
        together = run("fft", x, axis=1, inverse=False, scaling="none")
    finally:
        _kernels.set_num_threads(old)
    assert alone.tobytes() == together.tobytes()


def test_other_dtypes_have_no_kernel():
    assert _kernels.kernel("fft", (11,)) is None
    assert _kernels.kernel("rfft", (12,)) is None


def test_a_wrong_axis_is_refused(run):
    with pytest.raises(ValueError, match="axis 1 is out of bounds for 1 axes"):
        run("fft", np.zeros(4, np.complex64), axis=1, inverse=False, scaling="none")
