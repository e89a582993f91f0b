"""quantize, dequantize, 8-bit floats: bits as MLX has them, laws, transforms, errors."""

import math
import zlib

import numpy as np
import pytest

import monel.core as mx

# Checksums of what mlx 0.32.4 makes of `weights()`: words, scales, perhaps biases, and the array
# unpacked again.
KNOWN = {
    ("float32", "affine", 32, 4): (0x5573F773, 0xBD7096C7, 0x383009F3, 0x9D2FA445),
    ("float32", "affine", 64, 1): (0xA72AACDA, 0x37938DA, 0x83693255, 0x71D834BD),
    ("float32", "affine", 64, 2): (0x3621FE3A, 0xA5205913, 0x4E8772, 0x3AED27A1),
    ("float32", "affine", 64, 3): (0x67BF9283, 0x638960D8, 0x4E8772, 0xC737DC70),
    ("float32", "affine", 64, 4): (0x46C7F315, 0xDE3EDFAC, 0x4E8772, 0x929D0A98),
    ("float32", "affine", 64, 5): (0xFC885390, 0xC8EEAD71, 0x4E8772, 0x6CAF408C),
    ("float32", "affine", 64, 6): (0x78D658AA, 0x3CF5A703, 0x4E8772, 0xB1390E85),
    ("float32", "affine", 64, 8): (0x7821CE70, 0x7EBFA98E, 0x4E8772, 0xEA1DE845),
    ("float32", "affine", 128, 4): (0x1966799A, 0x7C05A448, 0xDFC68765, 0xAFB1B1FE),
    ("float32", "mxfp4", None, None): (0x1888CE16, 0x62373DD3, 0x59135A3),
    ("float32", "mxfp8", None, None): (0x82C7B1C8, 0x34EDCF35, 0x173C8E13),
    ("float32", "nvfp4", None, None): (0x250D15F9, 0x7AE69F6D, 0x9FA1374E),
    ("float16", "affine", 32, 4): (0x5573F773, 0x469053C1, 0x6C478722, 0x1B527B7),
    ("float16", "mxfp4", None, None): (0x1888CE16, 0x62373DD3, 0x7BFEF9F8),
    ("float16", "mxfp8", None, None): (0x82C7B1C8, 0x34EDCF35, 0x6578C7C9),
    ("float16", "nvfp4", None, None): (0x250D15F9, 0x7AE69F6D, 0x759AD4FF),
    ("bfloat16", "affine", 32, 4): (0x5573F773, 0x2C2FA03A, 0x885417C3, 0xF7080C55),
    ("bfloat16", "mxfp4", None, None): (0x1888CE16, 0x62373DD3, 0xA3595743),
    ("bfloat16", "mxfp8", None, None): (0x82C7B1C8, 0x34EDCF35, 0xA3A1E51E),
    ("bfloat16", "nvfp4", None, None): (0x250D15F9, 0x7AE69F6D, 0x1A69526D),
}
MODES = [("affine", 64, 4), ("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)]
RNG = np.random.default_rng(7)


def weights(rows=8, n=256):
    """Return multiples of 1/64, exact in every dtype, of another magnitude in each row."""
    mixed = (np.arange(rows * n, dtype=np.int64) * 2654435761 % 2**32 >> 20) % 255 - 127
    scale = np.exp2(np.arange(rows) - 3)[:, None]
    return (mixed.reshape(rows, n) / 64 * scale).astype("float32")


def checksum(x):
    bits = x.view(mx.uint16) if x.dtype == mx.bfloat16 else x
    return zlib.crc32(np.ascontiguousarray(np.array(bits)).tobytes())


@pytest.mark.parametrize("case", KNOWN, ids=lambda c: "-".join(map(str, c)))
def test_packed_words_and_scales_are_those_of_mlx(case):
    dtype, mode, group_size, bits = case
    w = mx.array(weights()).astype(getattr(mx, dtype))
    packed = mx.quantize(w, group_size, bits, mode)
    again = mx.dequantize(*packed, group_size=group_size, bits=bits, mode=mode, dtype=w.dtype)
    assert tuple(checksum(x) for x in (*packed, again)) == KNOWN[case]


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 8])
def test_codes_fill_the_words_from_the_lowest_bit(bits):
    codes = RNG.integers(0, 2**bits, 64)
    codes[:2] = 0, 2**bits - 1
    w = mx.array((codes + 1.0)[None].astype("float32"))
    words, scales, _ = mx.quantize(w, 64, bits)
    assert words.shape == (1, 2 * bits) and words.dtype == mx.uint32
    stream = int.from_bytes(np.array(words).astype("<u4").tobytes(), "little")
    found = np.array([stream >> (bits * i) & (2**bits - 1) for i in range(64)])
    if scales.item() < 0:
        found = 2**bits - 1 - found
    assert found.tolist() == codes.tolist()


@pytest.mark.parametrize("mode, group_size, bits", MODES)
def test_modes_have_their_defaults(mode, group_size, bits):
    words, scales, *biases = mx.quantize(mx.ones((2, 128)), mode=mode)
    assert words.shape == (2, 128 * bits // 32)
    assert scales.shape == (2, 128 // group_size)
    assert scales.dtype == (mx.float32 if mode == "affine" else mx.uint8)
    assert [b.shape for b in biases] == ([scales.shape] if mode == "affine" else [])


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("group_size", [32, 64, 128])
def test_affine_codes_are_within_half_a_step(bits, group_size):
    w = RNG.standard_normal((16, 256)).astype("float32")
    packed = mx.quantize(mx.array(w), group_size, bits)
    found = np.array(mx.dequantize(*packed, group_size, bits))
    step = np.repeat(np.abs(np.array(packed[1])), group_size, 1)
    # The grid is moved to meet zero, so that the far end may be cut off.
    assert np.all(np.abs(found - w) <= step * 1.01)
    assert np.mean(np.abs(found - w) <= step * 0.5001) > 0.9


def test_what_is_on_the_grid_comes_back_exactly():
    for mode, numbers in [
        ("mxfp4", [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -6]),
        ("nvfp4", [0, 0.5, 1, 1.5, 2, 3, 4, 6, -1.5, -4]),
        ("mxfp8", [0, 448, 1.125, 2.0**-9, -240, 18]),
    ]:
        w = mx.array((numbers * 7)[:32], dtype=mx.float32).reshape(1, 32)
        packed = mx.quantize(w, mode=mode)
        again = mx.dequantize(*packed, mode=mode, dtype=mx.float32)
        assert again.tolist() == w.tolist()


def test_ties_of_4_bit_floats_go_to_the_smaller():
    w = [6.0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, -0.25, -5.0] + [0.0] * 22
    packed = mx.quantize(mx.array([w]), mode="mxfp4")
    again = mx.dequantize(*packed, mode="mxfp4", dtype=mx.float32)
    assert again[0, :10].tolist() == [6, 0, 0.5, 1, 1.5, 2, 3, 4, 0, -4]


@pytest.mark.parametrize("mode", ["mxfp4", "mxfp8"])
def test_shared_exponents_do_not_cut_off_the_largest(mode):
    w = RNG.standard_normal((64, 64)).astype("float32") * np.exp2(RNG.integers(-30, 30, (64, 1)))
    _, scales = mx.quantize(mx.array(w.astype("float32")), mode=mode)
    most = np.abs(w.reshape(64, 2, 32)).max(-1)
    bound = np.exp2(np.array(scales, dtype="float64") - 127) * (6 if mode == "mxfp4" else 448)
    assert np.all(most <= bound) and np.all(bound < 2.0001 * most)


@pytest.mark.parametrize("mode", ["mxfp4", "mxfp8", "nvfp4"])
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_group_that_is_not_finite_shows(mode, bad):
    w = np.ones((2, 64), "float32")
    w[0, 5] = bad
    packed = mx.quantize(mx.array(w), mode=mode)
    found = np.array(mx.dequantize(*packed, mode=mode, dtype=mx.float32))
    group = 16 if mode == "nvfp4" else 32
    if mode == "nvfp4" and math.isinf(bad):
        assert np.all(np.isfinite(found))  # the largest scale stands for it
    else:
        assert np.all(np.isnan(found[0, :group]))
    assert np.allclose(found[1], 1, rtol=0.1) and np.allclose(found[0, 32:], 1, rtol=0.1)


def test_groups_far_below_the_range_become_zero():
    w = mx.full((1, 32), 1e-43)
    again = mx.dequantize(*mx.quantize(w, mode="mxfp4"), mode="mxfp4", dtype=mx.float32)
    assert mx.max(mx.abs(again)).item() < 1e-37


@pytest.mark.parametrize("largest", [1.0, 3.3, 100.0])
def test_a_global_scale_spreads_the_scales_of_nvfp4(largest):
    w = RNG.standard_normal((4, 64)).astype("float32")
    scale = mx.array(largest)
    packed = mx.quantize(mx.array(w), mode="nvfp4", global_scale=scale)
    again = mx.dequantize(*packed, mode="nvfp4", global_scale=scale)
    assert again.dtype == mx.float32
    if largest > np.abs(w).max():
        assert np.abs(np.array(again) - w).max() < 0.2 * np.abs(w).max()
    # In mlx: scales are e4m3(max / 6 * 2688 / largest).
    wanted = np.abs(w.reshape(4, 4, 16)).max(-1) / 6 * np.float32(2688) / np.float32(largest)
    found = np.array(mx.from_fp8(packed[1], mx.float32))
    np.testing.assert_allclose(found, np.minimum(wanted, 448), rtol=0.07)


def test_dequantize_gives_the_dtype_that_is_asked_for():
    packed = mx.quantize(mx.ones((1, 64), dtype=mx.float16))
    assert mx.dequantize(*packed).dtype == mx.float16
    assert mx.dequantize(*packed, dtype=mx.float32).dtype == mx.float32
    coded = mx.quantize(mx.ones((1, 64)), mode="mxfp8")
    assert mx.dequantize(*coded, mode="mxfp8").dtype == mx.bfloat16
    assert mx.dequantize(*coded, mode="mxfp8", dtype=mx.float64).dtype == mx.float64


@pytest.mark.parametrize("mode, group_size, bits", MODES)
def test_empty_arrays_and_leading_axes(mode, group_size, bits):
    w = mx.array(weights()).reshape(2, 4, 256)
    flat, stacked = (mx.quantize(x, mode=mode) for x in (w.reshape(8, 256), w))
    for a, b in zip(flat, stacked, strict=True):
        assert b.shape[:2] == (2, 4) and a.tolist() == b.reshape(a.shape).tolist()
    empty = mx.quantize(mx.zeros((0, 64)), mode=mode)
    assert empty[0].shape == (0, 2 * bits)
    assert mx.dequantize(*empty, mode=mode).shape == (0, 64)


def unpacked_after(w):
    return mx.dequantize(*mx.quantize(w, 32, 4), 32, 4)


def test_gradients_reach_the_extremes_through_scales_and_biases():
    w = mx.array(RNG.standard_normal((1, 32)).astype("float32"))
    grad = np.array(mx.grad(lambda w: mx.sum(unpacked_after(w)))(w))[0]
    extremes = {int(np.argmax(np.array(w)[0])), int(np.argmin(np.array(w)[0]))}
    assert set(np.nonzero(grad)[0]) <= extremes and np.any(grad)


def test_derivatives_of_dequantize_by_scales_and_biases():
    words, scales, biases = mx.quantize(mx.array(weights()), 32, 4)
    f = lambda s, b: mx.sum(mx.dequantize(words, s, b, 32, 4) ** 2)  # noqa: E731
    out = np.array(mx.dequantize(words, scales, biases, 32, 4), "float64").reshape(8, 8, 32)
    codes = (out - np.array(biases)[..., None]) / np.array(scales)[..., None]
    by_scale, by_bias = mx.grad(f, argnums=(0, 1))(scales, biases)
    np.testing.assert_allclose(np.array(by_scale), (2 * out * codes).sum(-1), rtol=1e-4)
    np.testing.assert_allclose(np.array(by_bias), (2 * out).sum(-1), rtol=1e-4, atol=1e-3)


def test_codes_of_floats_have_no_derivative():
    with pytest.raises(ValueError, match="no derivative"):
        mx.grad(lambda w: mx.sum(mx.quantize(w, mode="mxfp4")[1].astype(mx.float32)))(
            mx.ones((1, 32))
        )
    with pytest.raises(ValueError, match="no derivative"):
        mx.grad(lambda x: mx.sum(mx.from_fp8(mx.to_fp8(x), mx.float32)))(mx.ones(3))


@pytest.mark.parametrize("mode, group_size, bits", MODES)
def test_vmap_and_compile_agree_with_a_call_for_each(mode, group_size, bits):
    w = mx.array(weights()).reshape(2, 4, 256)
    f = lambda w: mx.dequantize(*mx.quantize(w, mode=mode), mode=mode, dtype=mx.float32)  # noqa: E731
    want = f(w).tolist()
    assert mx.vmap(f)(w).tolist() == want
    assert mx.vmap(f, in_axes=1, out_axes=1)(w).tolist() == want
    for shapeless in (False, True):
        compiled = mx.compile(f, shapeless=shapeless)
        assert compiled(w).tolist() == want
        assert compiled(w[:, :, :128]).tolist() == f(w[:, :, :128]).tolist()


def test_compiled_gradients_keep_their_shapes_open():
    loss = lambda w: mx.sum(unpacked_after(w) ** 2)  # noqa: E731
    step = mx.compile(mx.grad(loss), shapeless=True)
    for rows in (2, 5):
        w = mx.array(weights(rows))
        np.testing.assert_allclose(np.array(step(w)), np.array(mx.grad(loss)(w)), rtol=1e-6)


W = mx.ones((4, 64))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mx.quantize(W, 64, 7), "number of bits 7"),
        (lambda: mx.quantize(W, 16), "group size 16"),
        (lambda: mx.quantize(W, 0), "group size 0"),
        (lambda: mx.quantize(W, mode="int4"), "Invalid quantization mode 'int4'"),
        (lambda: mx.quantize(W, 64, mode="mxfp4"), "requires group size 32"),
        (lambda: mx.quantize(W, bits=4, mode="mxfp8"), "requires bits to be 8"),
        (lambda: mx.quantize(W.astype(mx.int32)), "real floating"),
        (lambda: mx.quantize(W[0]), "at least 2"),
        (lambda: mx.quantize(mx.ones((4, 65))), "divisible"),
        (lambda: mx.quantize(W, global_scale=mx.array(1.0)), "only supported for 'nvfp4'"),
        (lambda: mx.quantize(W, mode="nvfp4", global_scale=mx.ones(2)), "must be a scalar"),
        (lambda: mx.quantize(W, mode="nvfp4", global_scale=mx.array(1)), "float32"),
        (lambda: mx.quantize([1.0]), "expected an array"),
        (lambda: mx.dequantize(W, W, W), "uint32"),
        (lambda: mx.dequantize(*mx.quantize(W)[:2]), "Biases must be provided"),
        (lambda: mx.dequantize(*mx.quantize(W), bits=8), "does not match"),
        (lambda: mx.dequantize(*mx.quantize(W), mode="mxfp4"), "Biases must be null"),
        (lambda: mx.dequantize(*mx.quantize(W)[:2], mode="mxfp4"), "must be uint8"),
        (lambda: mx.dequantize(*mx.quantize(W), dtype=mx.int32), "real floating"),
        (lambda: mx.to_fp8(mx.array([1])), "real floating"),
        (lambda: mx.from_fp8(mx.array([1.0])), "uint8"),
        (lambda: mx.from_fp8(mx.array([1], dtype=mx.uint8), mx.int32), "real floating"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("call", [lambda: mx.quantize(W, 64.0), lambda: mx.quantize(W, mode=4)])
def test_arguments_of_the_wrong_type_are_refused(call):
    with pytest.raises(TypeError):
        call()


def test_8_bit_floats_round_to_even_and_saturate():
    x = mx.array([1.0, 1.0625, 1.1875, 448.0, 1e9, -math.inf, 2.0**-10, 3 * 2.0**-10, -0.0])
    assert mx.to_fp8(x).tolist() == [0x38, 0x38, 0x3A, 0x7E, 0x7E, 0xFE, 0, 2, 0x80]
    assert mx.to_fp8(mx.array(math.nan)).item() & 0x7F == 0x7F


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16, mx.float64])
def test_8_bit_floats_survive_a_round_trip(dtype):
    codes = mx.array([c for c in range(256) if c & 0x7F != 0x7F], dtype=mx.uint8)
    numbers = mx.from_fp8(codes, dtype)
    assert numbers.dtype == dtype
    assert mx.to_fp8(numbers).tolist() == codes.tolist()
    assert math.isnan(mx.from_fp8(mx.array([0x7F], dtype=mx.uint8), dtype).item())
