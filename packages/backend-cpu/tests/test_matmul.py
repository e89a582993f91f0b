"""Products against NumPy in float64 (integers: exactly), for every dtype and layout."""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest

from monel.backends.cpu import _kernels

FLOATS = ["float16", ml_dtypes.bfloat16, "float32", "float64", "complex64"]
OTHERS = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
EPSILON = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-5, "float64": 1e-13, "complex64": 1e-5}

# Batch shape of either side, then m, k, n: single rows and columns, edges of tiles, deep sums.
SHAPES = [
    ((), (), 3, 4, 5),
    ((), (), 1, 7, 9),
    ((), (), 9, 7, 1),
    ((), (), 1, 1, 1),
    ((), (), 70, 130, 65),
    ((), (), 2, 300, 200),
    ((), (), 200, 300, 3),
    ((), (), 1, 300, 300),
    ((), (), 300, 300, 1),
    ((), (), 12, 500, 300),
    ((), (), 33, 700, 130),
    ((), (), 64, 64, 64),
    ((), (), 97, 1201, 63),
    ((), (), 40, 65, 1100),
    ((2, 3), (2, 3), 5, 6, 7),
    ((2, 1), (3,), 5, 6, 7),
    ((4,), (), 5, 6, 7),
    ((), (4,), 5, 6, 7),
    ((3, 2), (), 1, 20, 30),
    ((2, 3), (1, 1), 70, 90, 80),
]
EMPTY = [((0,), (), 2, 3, 4), ((), (), 0, 3, 4), ((), (), 3, 0, 4), ((), (), 3, 4, 0)]


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return rng.random(shape) > 0.6
    if dtype.kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.kind == "c" else x).astype(dtype)


def layouts(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype
) -> Iterator[np.ndarray]:
    """Matrices of one shape: plain, transposed, stepped, reversed, with a broadcast axis."""
    *batch, m, n = shape
    yield numbers(rng, shape, dtype)
    yield np.swapaxes(numbers(rng, (*batch, n, m), dtype), -1, -2)
    yield numbers(rng, (*batch, m, 2 * n), dtype)[..., ::2]
    yield numbers(rng, (*batch, 2 * m, n), dtype)[..., ::-2, :]
    yield numbers(rng, shape, dtype)[..., ::-1]
    yield np.broadcast_to(numbers(rng, (*batch, m, 1), dtype), shape)


def assert_product(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    if x.dtype.kind == "b":
        assert np.array_equal(out, (x.astype(int) @ y.astype(int)) > 0)
    elif x.dtype.kind in "iu":
        assert np.array_equal(out, np.matmul(x, y))
    else:
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        x, y = x.astype(wide), y.astype(wide)
        bound = EPSILON[out.dtype.name] * (np.abs(x) @ np.abs(y)) + 1e-7
        assert out.shape == (x @ y).shape
        assert np.all(np.abs(out.astype(wide) - x @ y) <= bound)


@pytest.mark.parametrize("dtype", FLOATS + OTHERS)
@pytest.mark.parametrize("shape", SHAPES + EMPTY)
def test_product_of_contiguous_matrices(run, rng, shape, dtype):
    left, right, m, k, n = shape
    x, y = (
        numbers(rng, (*left, m, k), np.dtype(dtype)),
        numbers(rng, (*right, k, n), np.dtype(dtype)),
    )
    assert_product(x, y, run("matmul", x, y))


@pytest.mark.parametrize("dtype", [*FLOATS, "bool", "int32", "int64"])
@pytest.mark.parametrize(
    "shape", [SHAPES[4], SHAPES[5], SHAPES[6], SHAPES[8], SHAPES[9], SHAPES[12]]
)
def test_product_of_strided_matrices(run, rng, shape, dtype):
    left, right, m, k, n = shape
    for x in layouts(rng, (*left, m, k), np.dtype(dtype)):
        for y in layouts(rng, (*right, k, n), np.dtype(dtype)):
            assert_product(x, y, run("matmul", x, y))


def test_integer_products_wrap(run):
    x = np.array([[255, 255]], np.uint8)
    assert run("matmul", x, x.T).tolist() == [[2]]


def test_bool_product_is_or_of_and(run):
    x = np.array([[True, False], [False, False]])
    y = np.array([[False, True], [True, True]])
    assert run("matmul", x, y).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(130, 200, 150), (1, 500, 600), (600, 500, 1)])
def test_same_bits_for_any_number_of_threads_and_layout_of_work(run, rng, shape, dtype):
    m, k, n = shape
    x, y = numbers(rng, (m, k), np.dtype(dtype)), numbers(rng, (k, n), np.dtype(dtype))
    before = _kernels.set_num_threads(1)
    try:
        single = run("matmul", x, y)
        _kernels.set_num_threads(3)
        assert np.array_equal(single.view(np.uint8), run("matmul", x, y).view(np.uint8))
    finally:
        _kernels.set_num_threads(before)


@pytest.mark.parametrize("dtype", FLOATS[:4])
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_nan_and_infinity_spread_along_their_row_only(run, dtype, special):
    x = np.ones((35, 41), dtype)
    x[1, 7] = special
    out = run("matmul", x, np.ones((41, 50), dtype)).astype(np.float32)
    assert (out[1] == special).all() if special == np.inf else np.isnan(out[1]).all()
    assert (np.delete(out, 1, 0) == 41).all()


def test_float64_is_computed_without_a_blas_too(rng):
    """In a process that knows no library the own loops give the product."""
    import subprocess
    import sys

    code = (
        "import types, numpy as np\n"
        "from monel.backends.cpu import _kernels as k\n"
        "x = np.arange(900.0).reshape(30, 30)\n"
        "b = k.from_external(x, 12)\n"
        "out = k.kernel('matmul', (12, 12))(types.SimpleNamespace(dying=0), None, b, b)\n"
        "assert not k.blas_loaded()\n"
        "assert np.array_equal(np.frombuffer(out.tobytes()).reshape(30, 30), x @ x)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
