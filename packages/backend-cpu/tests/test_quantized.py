"""Kernels of quantized arrays against the decomposition in NumPy, and against each other."""

from __future__ import annotations

import types

import ml_dtypes
import numpy as np
import pytest

from monel.backends.cpu import _kernels

DTYPES = ["float32", "float16", ml_dtypes.bfloat16]
AFFINE = [(group, bits) for group in (32, 64, 128) for bits in (1, 2, 3, 4, 5, 6, 8)]
FLOATS = {"mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}


def codes_of(words, bits):
    """Return the codes in words, the lowest bits first."""
    stream = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
    parts = stream.reshape(*words.shape[:-1], -1, bits).astype(np.int64)
    return (parts << np.arange(bits)).sum(-1)


def affine_numbers(words, scales, biases, group, bits):
    codes = codes_of(words, bits)
    s, b = (np.repeat(v.astype(np.float64), group, -1) for v in (scales, biases))
    return codes * s + b


@pytest.fixture
def packed(run, rng):
    def make(rows, k, mode, group, bits, dtype="float32", lead=()):
        w = rng.standard_normal((*lead, rows, k)).astype(dtype)
        if mode == "affine":
            return run("affine_quantize", w, group_size=group, bits=bits)
        return run("fp_quantize", w, mode=mode)

    return make


def settings(mode, group, bits, transpose=True):
    return {"mode": mode, "group_size": group, "bits": bits, "transpose_w": transpose}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("group, bits", AFFINE)
def test_affine_numbers_are_rounded_after_product_and_sum(run, packed, group, bits, dtype):
    words, scales, biases = packed(5, 256, "affine", group, bits, dtype)
    got = run("affine_dequantize", words, scales, biases, group_size=group, bits=bits)
    codes = codes_of(words, bits).astype(dtype)
    s, b = (np.repeat(v, group, -1) for v in (scales, biases))
    assert got.dtype == scales.dtype
    assert (got == codes * s + b).all()


@pytest.mark.parametrize("mode", ["affine", *FLOATS])
@pytest.mark.parametrize("rows", [1, 2, 5, 8, 9, 33])
@pytest.mark.parametrize("k, n", [(128, 1), (384, 7), (4224, 70), (256, 130)])
def test_products_agree_with_the_unpacked_matrix(run, packed, rng, mode, rows, k, n):
    group, bits = FLOATS.get(mode, (64, 4))
    parts = packed(n, k, mode, group, bits)
    if mode == "affine":
        w = affine_numbers(*parts, group, bits)
    else:
        w = run("fp_dequantize", *parts, mode=mode, dtype=11).astype(np.float64)
    x, y = (rng.standard_normal((rows, m)).astype("float32") for m in (k, n))
    got = run("quantized_matmul", x, *parts, **settings(mode, group, bits))
    np.testing.assert_allclose(got, x @ w.T, rtol=1e-4, atol=1e-4 * np.sqrt(k))
    got = run("quantized_matmul", y, *parts, **settings(mode, group, bits, False))
    np.testing.assert_allclose(got, y @ w, rtol=1e-4, atol=1e-4 * np.sqrt(n))


@pytest.mark.parametrize("group, bits", AFFINE)
def test_every_width_has_both_ways(run, packed, rng, group, bits):
    parts = packed(6, 384, "affine", group, bits)
    w = affine_numbers(*parts, group, bits)
    for rows in (1, 12):
        x = rng.standard_normal((rows, 384)).astype("float32")
        got = run("quantized_matmul", x, *parts, **settings("affine", group, bits))
        np.testing.assert_allclose(got, x @ w.T, rtol=1e-4, atol=2e-3)


def test_strided_operands_give_the_bits_of_contiguous_ones(run, packed, rng):
    parts = packed(64, 128, "affine", 32, 4)
    x = rng.standard_normal((3, 256)).astype("float32")[:, ::2]
    turned = [np.ascontiguousarray(v.T).T for v in parts]
    want = run("quantized_matmul", np.ascontiguousarray(x), *parts, **settings("affine", 32, 4))
    got = run("quantized_matmul", x, *turned, **settings("affine", 32, 4))
    assert (got == want).all()


@pytest.mark.parametrize("mode", ["affine", "nvfp4"])
@pytest.mark.parametrize("bits", [4, 5])
@pytest.mark.parametrize("rows", [1, 6, 40])
@pytest.mark.parametrize("transpose", [True, False])
def test_the_number_of_threads_does_not_show(run, packed, rng, mode, bits, rows, transpose):
    group, bits = FLOATS.get(mode, (64, bits))
    parts = packed(512, 512, mode, group, bits)
    x = rng.standard_normal((rows, 512)).astype("float32")
    before = _kernels.set_num_threads(1)
    try:
        one = run("quantized_matmul", x, *parts, **settings(mode, group, bits, transpose))
        _kernels.set_num_threads(5)
        many = run("quantized_matmul", x, *parts, **settings(mode, group, bits, transpose))
    finally:
        _kernels.set_num_threads(before)
    assert (one == many).all()


def test_gather_qmm_reads_the_matrices_that_are_named(run, packed, rng):
    parts = packed(6, 64, "affine", 32, 4, lead=(2, 3))
    w = affine_numbers(*parts, 32, 4).reshape(6, 6, 64)
    x = rng.standard_normal((4, 3, 64)).astype("float32")
    left, right = np.array([[0, -1], [2, 1]], "int32"), np.array([5, 0], "uint32")
    got = run("gather_qmm", x, *parts, left, right, **settings("affine", 32, 4))
    assert got.shape == (2, 2, 3, 6)
    np.testing.assert_allclose(got, x[left] @ w[right].swapaxes(1, 2), rtol=1e-4, atol=1e-3)


def test_an_index_out_of_bounds_is_left_to_the_decomposition(run, packed, rng):
    parts = packed(6, 64, "affine", 32, 4, lead=(3,))
    x = rng.standard_normal((3, 2, 64)).astype("float32")
    zero, bad = np.array([0], "int32"), np.array([3], "int64")
    assert run("gather_qmm", x, *parts, zero, bad, **settings("affine", 32, 4)) is NotImplemented


def test_parts_whose_leading_axes_broadcast_are_left_to_the_decomposition(run, packed):
    words, scales, biases = packed(6, 64, "affine", 32, 4, lead=(3,))
    sizes = {"group_size": 32, "bits": 4}
    got = run("affine_dequantize", words[:1], scales, biases, **sizes)
    assert got is NotImplemented


def test_float64_and_other_dtypes_have_no_kernel(code):
    double, words = code("float64"), code("uint32")
    assert _kernels.kernel("affine_quantize", (double,)) is None
    assert _kernels.kernel("quantized_matmul", (double, words, double, double)) is None
    assert _kernels.kernel("affine_dequantize", (words, double, double)) is not None


def test_unknown_settings_are_refused(raw, rng):
    w = raw.to_buffer(rng.standard_normal((2, 64)).astype("float32"))
    kernel = _kernels.kernel("affine_quantize", (w.dtype,))
    with pytest.raises(ValueError, match="group size or bits"):
        kernel(None, types.SimpleNamespace(group_size=48, bits=4), w)
    with pytest.raises(ValueError, match="whole groups"):
        kernel(None, types.SimpleNamespace(group_size=128, bits=4), w)


@pytest.mark.parametrize("dtype", [*DTYPES, "float64"], ids=str)
def test_8_bit_floats_are_those_of_ml_dtypes(run, code, dtype):
    bits = np.arange(2**16, dtype=np.uint16)
    with np.errstate(all="ignore"):
        x = bits.view(np.float16).astype(dtype)
        bounded = np.clip(x.astype("float32"), -448, 448)
        want = bounded.astype(ml_dtypes.float8_e4m3fn).view(np.uint8)
    got = run("to_fp8", x)
    same = (got == want) | (np.isnan(bounded) & (got & 0x7F == 0x7F))
    assert same.all()
    numbers = run("from_fp8", np.arange(256, dtype=np.uint8), dtype=code(x.dtype))
    want = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype("float32")
    np.testing.assert_array_equal(numbers.astype("float32"), want)
