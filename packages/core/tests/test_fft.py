"""mx.fft against NumPy in float64 at all kinds of lengths; gradients, transforms, frames."""

import numpy as np
import pytest

import monel.core as mx
from monel.core.base.avals import AbstractArray
from monel.core.execute.kernels import decomposition
from monel.core.primitives.fourier import Fft, Irfft, Rfft

RNG = np.random.default_rng(11)
# One, primes, powers of two, three and five, what they make, and lengths beyond all small factors.
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 31, 37, 60, 64, 67, 97, 125, 128, 134, 243, 1000, 1009]
LONG = [4096, 4489, 10007, 16384, 30030, 65536, 99991]


def numbers(*shape):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype("complex64")


def assert_near(found, want):
    """To a few roundings of the greatest entry."""
    found, want = np.array(found), np.asarray(want)
    assert found.shape == want.shape
    assert np.abs(found - want).max(initial=0) <= 2e-6 * max(1e-30, np.abs(want).max(initial=0))


def wide(x):
    return x.astype(np.result_type(x.dtype, np.float64))


ONE_AXIS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]


def operand(name, *shape):
    return numbers(*shape).real if name in ("rfft", "ihfft") else numbers(*shape)


@pytest.mark.parametrize("name", ONE_AXIS)
@pytest.mark.parametrize("n", LENGTHS)
def test_every_length_agrees_with_numpy(name, n):
    m = n // 2 + 1 if name in ("irfft", "hfft") else n
    for shape, axis in [((m,), 0), ((3, m), -1), ((m, 5), 0), ((2, m, 3), 1)]:
        x = operand(name, *shape)
        want = getattr(np.fft, name)(wide(x), n, axis)
        assert_near(getattr(mx.fft, name)(mx.array(x), n, axis), want)


@pytest.mark.parametrize("n", LONG)
def test_long_transforms_agree_with_numpy(n):
    x = numbers(n)
    assert_near(mx.fft.fft(mx.array(x)), np.fft.fft(wide(x)))
    assert_near(mx.fft.rfft(mx.array(x.real)), np.fft.rfft(wide(x.real)))
    assert_near(mx.fft.irfft(mx.array(x[: n // 2 + 1]), n), np.fft.irfft(wide(x[: n // 2 + 1]), n))


def test_many_lines_of_a_few_lengths_agree_with_numpy():
    for shape, axis in [((33, 48), 1), ((48, 33), 0), ((5, 64, 7), 1), ((70, 1024), 1)]:
        x = numbers(*shape)
        assert_near(mx.fft.fft(mx.array(x), axis=axis), np.fft.fft(wide(x), axis=axis))
        assert_near(mx.fft.rfft(mx.array(x.real), axis=axis), np.fft.rfft(wide(x.real), axis=axis))


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("name", [n + k for n in ("fft", "ifft", "rfft", "irfft") for k in "2n"])
def test_several_axes_agree_with_numpy(name, norm):
    x = operand(name[:-1], 3, 4, 5)
    ours, theirs = getattr(mx.fft, name), getattr(np.fft, name)
    assert_near(ours(mx.array(x), norm=norm), theirs(wide(x), norm=norm))
    for s, axes in [((2, 7), (0, 2)), ((6, 3), (2, 1))]:
        assert_near(ours(mx.array(x), s, axes, norm), theirs(wide(x), s, axes, norm))


@pytest.mark.parametrize("name", ONE_AXIS)
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [3, 6, 11])
def test_lines_are_cut_or_filled_to_a_length(name, norm, n):
    x = operand(name, 2, 7)
    want = getattr(np.fft, name)(wide(x), n, -1, norm)
    assert_near(getattr(mx.fft, name)(mx.array(x), n, -1, norm), want)


@pytest.mark.parametrize("n", [*LENGTHS, 4096, 4489])
def test_decompositions_agree_with_the_definition(n):
    x = numbers(2, n)
    half = x[:, : n // 2 + 1]
    for p, v in [
        (Fft(axis=1), x),
        (Fft(axis=1, inverse=True, scaling="root"), x),
        (Rfft(axis=1, scaling="full"), x.real.copy()),
        (Irfft(axis=1, odd=n % 2 == 1), half),
    ]:
        found = p.decompose(mx.array(v))
        assert_near(found, p.reference(v))


def test_a_decomposition_is_a_program_of_required_operations():
    program = decomposition(Fft(axis=0), (AbstractArray((67,), mx.complex64),))
    assert {"matmul", "iota", "cos"} <= {e.primitive.name for e in program.equations}


@pytest.mark.parametrize("dtype", [mx.bool_, mx.int32, mx.float16, mx.float64], ids=str)
def test_other_dtypes_are_taken_as_float32(dtype):
    x = mx.array([1, 0, 1, 1]).astype(dtype)
    assert_near(mx.fft.fft(x), [3, 1j, 1, -1j])
    assert_near(mx.fft.rfft(x), [3, 1j, 1])
    assert mx.fft.irfft(x).dtype is mx.float32


def test_imaginary_parts_that_a_real_line_lacks_are_not_read():
    x = np.array([1 + 5j, 2 + 1j, 3 + 7j], "complex64")
    assert_near(mx.fft.irfft(mx.array(x)), np.fft.irfft(wide(x)))
    assert_near(mx.fft.irfft(mx.array(x), 5), np.fft.irfft(wide(x), 5))


def test_empty_batches_stay_empty():
    assert mx.fft.fft(mx.zeros((0, 4))).shape == (0, 4)
    assert mx.fft.rfft(mx.zeros((0, 4))).shape == (0, 3)
    assert mx.fft.irfft2(mx.zeros((0, 3, 3))).shape == (0, 3, 4)


def test_strided_operands_are_read_in_place():
    x = numbers(6, 8, 4)
    a = mx.array(x)
    assert_near(mx.fft.fft(a.T), np.fft.fft(wide(x).T))
    assert_near(mx.fft.fft(a[::-1, ::2], axis=1), np.fft.fft(wide(x)[::-1, ::2], axis=1))
    assert_near(
        mx.fft.rfft(mx.real(a)[1:, ::2], axis=0), np.fft.rfft(wide(x).real[1:, ::2], axis=0)
    )
    assert_near(mx.fft.fft(mx.broadcast_to(a[0], (3, 8, 4))), np.fft.fft([wide(x)[0]] * 3))


def test_a_round_trip_is_the_identity():
    x = numbers(3, 10)
    assert_near(mx.fft.ifft(mx.fft.fft(mx.array(x))), x)
    assert_near(mx.fft.irfftn(mx.fft.rfftn(mx.array(x.real))), x.real)
    assert_near(mx.fft.ihfft(mx.fft.hfft(mx.array(x.real[:, :6]))), x.real[:, :6])


def test_parseval_holds_through_gradients():
    """The gradient of sum(abs(fft(x))^2) is 2 n x, and that of its half counts mirror images."""
    x = numbers(9)
    power = lambda y: mx.sum(mx.real(y * mx.conj(y)))  # noqa: E731
    assert_near(mx.grad(lambda a: power(mx.fft.fft(a)))(mx.array(x)), 18 * x)
    assert_near(mx.grad(lambda a: power(mx.fft.fft(a, norm="ortho")))(mx.array(x)), 2 * x)
    for n in (8, 9):
        v = numbers(n).real
        line = np.fft.rfft(wide(v))
        assert_near(
            mx.grad(lambda a: power(mx.fft.rfft(a)))(mx.array(v)),
            2 * np.real(np.fft.fft(np.concatenate([line, np.zeros(n - len(line))]).conj())),
        )


def test_the_gradient_of_a_convolution_by_transforms_is_that_of_the_sum():
    x, w = RNG.standard_normal((2, 12)).astype("float32")

    def through(x, w):
        return mx.fft.irfft(mx.fft.rfft(x) * mx.fft.rfft(w), 12)

    def plain(x, w):
        rows = mx.stack([mx.roll(w, k) for k in range(12)])
        return x @ rows

    weights = mx.cos(mx.arange(12))
    for i in (0, 1):
        want = mx.grad(lambda *a: mx.sum(plain(*a) * weights), i)(mx.array(x), mx.array(w))
        found = mx.grad(lambda *a: mx.sum(through(*a) * weights), i)(mx.array(x), mx.array(w))
        np.testing.assert_allclose(np.array(found), np.array(want), atol=2e-5)


def test_vmap_and_compile_keep_the_values():
    x = numbers(3, 4, 6)
    want = np.fft.fft(wide(x), axis=1)
    assert_near(mx.vmap(lambda a: mx.fft.fft(a, axis=0))(mx.array(x)), want)
    assert_near(mx.compile(lambda a: mx.fft.fft(a, axis=1))(mx.array(x)), want)
    assert_near(mx.vmap(mx.fft.ifftn, in_axes=2, out_axes=2)(mx.array(x)),
                np.fft.ifftn(wide(x), axes=(0, 1)))  # fmt: skip
    assert_near(mx.compile(mx.fft.rfft)(mx.array(x.real)), np.fft.rfft(wide(x.real)))


def test_shapes_stay_open_where_parity_does_not_matter():
    f = mx.compile(lambda a: mx.fft.fft(mx.sin(a)), shapeless=True)
    for n in (4, 7):
        x = numbers(n).real
        assert_near(f(mx.array(x)), np.fft.fft(np.sin(wide(x))))


def test_frequencies_agree_with_numpy():
    for n in (1, 2, 5, 8):
        np.testing.assert_allclose(np.array(mx.fft.fftfreq(n, 0.5)), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(
            np.array(mx.fft.rfftfreq(n, 3)), np.fft.rfftfreq(n, 3), rtol=1e-6
        )
    assert mx.fft.fftfreq(4, dtype=mx.float64).dtype is mx.float64


def test_shifts_agree_with_numpy():
    x = np.arange(30).reshape(2, 3, 5)
    for axes in (None, 1, (0, 2), -1):
        found = mx.fft.fftshift(mx.array(x), axes)
        np.testing.assert_array_equal(np.array(found), np.fft.fftshift(x, axes))
        np.testing.assert_array_equal(np.array(mx.fft.ifftshift(found, axes)), x)


@pytest.mark.parametrize("n_fft", [8, 7])
@pytest.mark.parametrize("onesided", [None, False])
def test_frames_are_transforms_of_windowed_parts(n_fft, onesided):
    x, window = numbers(2, 32).real, np.hanning(n_fft).astype("float32")
    found = mx.fft.stft(mx.array(x), n_fft, 3, window=mx.array(window), onesided=onesided)
    half = n_fft // 2
    filled = np.pad(wide(x), [(0, 0), (half, half)], mode="reflect")
    starts = range(0, filled.shape[1] - n_fft + 1, 3)
    function = np.fft.rfft if onesided is None else np.fft.fft
    want = np.stack([function(filled[:, i : i + n_fft] * window) for i in starts], -1)
    assert_near(found, want)


@pytest.mark.parametrize("options", [{}, {"center": False}, {"onesided": False}, {"norm": "ortho"},
                                     {"hop_length": 5}, {"win_length": 6}])  # fmt: skip
def test_istft_inverts_stft(options):
    x = numbers(2, 64).real
    size = options.get("win_length", 8)
    window = mx.array(np.hanning(size + 2)[1:-1].astype("float32"))
    spectrum = mx.fft.stft(mx.array(x), 8, **options, window=window)
    found = np.array(mx.fft.istft(spectrum, 8, **options, window=window, length=64))
    reach = 60 if options.get("hop_length") else 64
    np.testing.assert_allclose(found[:, :reach], x[:, :reach], atol=1e-5)


def test_istft_is_differentiated():
    x = mx.array(numbers(32).real)
    f = lambda a: mx.sum(mx.fft.istft(mx.fft.stft(a, 8), 8) ** 2)  # noqa: E731
    np.testing.assert_allclose(np.array(mx.grad(f)(x)), 2 * np.array(x), atol=1e-5)


def test_a_signal_of_complex_numbers_gives_all_frequencies():
    x = numbers(32)
    assert mx.fft.stft(mx.array(x), 8).shape == (8, 17)
    found = mx.fft.istft(mx.fft.stft(mx.array(x), 8), onesided=False)
    np.testing.assert_allclose(np.array(found), x.real, atol=1e-5)


def test_wrong_arguments_say_what_is_due():
    x = mx.ones((3, 4))
    with pytest.raises(ValueError, match=r"fft: Invalid FFT output size requested \(0\)"):
        mx.fft.fft(x, 0)
    with pytest.raises(ValueError, match="fft2: Shape and axes have different sizes"):
        mx.fft.fft2(x, (2,))
    with pytest.raises(IndexError, match="fftn: Duplicated axis received"):
        mx.fft.fftn(x, axes=(0, 0))
    with pytest.raises(ValueError, match="Expected one of 'backward', 'ortho', 'forward'"):
        mx.fft.fft(x, norm="full")
    with pytest.raises(ValueError, match="stft: Input is too short for n_fft=8"):
        mx.fft.stft(x, 8, center=False)
    with pytest.raises(ValueError, match="istft: 3 frequencies do not fit n_fft=9"):
        mx.fft.istft(x, 9)
    with pytest.raises(ValueError, match="irfftn: at least one axis is needed"):
        mx.fft.irfftn(x, axes=())
