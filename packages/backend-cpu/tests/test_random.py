"""Threefry: published vectors, words recorded from MLX 0.32, and how a stream is laid out."""

from __future__ import annotations

import numpy as np
import pytest

from monel.backends.cpu import _kernels


def bits(run, key, shape, width=4):
    return run("random_bits", np.array(key, np.uint32), shape=shape, width=width)


def threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """The definition in the paper, with Python integers."""
    mask = 2**32 - 1
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    turns = ((13, 15, 26, 6), (17, 29, 16, 24))
    x0, x1 = (counter[0] + keys[0]) & mask, (counter[1] + keys[1]) & mask
    for block in range(5):
        for turn in turns[block % 2]:
            x0 = (x0 + x1) & mask
            x1 = ((x1 << turn) | (x1 >> (32 - turn))) & mask ^ x0
        x0 = (x0 + keys[(block + 1) % 3]) & mask
        x1 = (x1 + keys[(block + 2) % 3] + block + 1) & mask
    return x0, x1


def test_the_oracle_gives_the_published_vectors():
    assert threefry((0, 0), (0, 0)) == (0x6B200159, 0x99BA4EFE)
    assert threefry((2**32 - 1,) * 2, (2**32 - 1,) * 2) == (0x1CB996FC, 0xBB002BE7)
    assert threefry((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)) == (0xC4923A9C, 0x483DF7A0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 31, 32, 33, 63, 64, 65, 127, 128, 1001, 70_001])
def test_words_of_one_key(run, n):
    """Counter i gives words i and i + ceil(n / 2); the middle word of an odd count is its own."""
    key, half, odd = (5, 2**31 + 9), n // 2, n % 2
    out = bits(run, key, (n,))
    for i in {0, 1, half // 2, half - 1} & set(range(half)):
        assert (out[i], out[i + half + odd]) == threefry(key, (i, i + half + odd))
    if odd:
        assert out[half] == threefry(key, (half, 0))[0]


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 130, 131, 132, 133])
def test_narrow_draws_are_the_bytes_of_words(run, width, n):
    words = bits(run, (1, 2), (-(-n * width // 4),))
    assert bits(run, (1, 2), (n,), width).tobytes() == words.tobytes()[: n * width]


KEYS = [[3701871833, 2575564568], [4256621482, 1906620386]]


@pytest.mark.parametrize(
    ("key", "width", "want"),
    [
        ((0, 3), 1, [75, 52, 5, 116, 142]),
        ((0, 3), 2, [13387, 29701, 3726]),
        ((0, 3), 2, [52786, 15632, 46739, 1376, 49900]),
        ((0, 3), 4, [1024511538, 90224275, 2603795180]),
        ((0, 3), 4, [877192987, 1614509672, 4140764773, 3448417067, 2823528474]),
        ((0, 3), 4, [1946498123, 2217676430]),
    ],
)
def test_words_recorded_from_mlx(run, key, width, want):
    assert bits(run, key, (len(want),), width).tolist() == want


@pytest.mark.parametrize(
    ("width", "want"),
    [
        (1, [[251, 103, 222, 72, 243], [86, 174, 242, 178, 124]]),
        (2, [[26619, 18654, 56819], [44630, 45810, 18812]]),
        (4, [[3684901568, 4173001380, 3026254386], [515658260, 3579428453, 3306564872]]),
    ],
)
def test_batches_recorded_from_mlx(run, width, want):
    assert bits(run, KEYS, (len(want[0]),), width).tolist() == want


@pytest.mark.parametrize("width", [1, 2, 4])
def test_each_key_of_a_batch_draws_as_if_alone(run, rng, width):
    keys = rng.integers(0, 2**32, (3, 40, 2), dtype=np.uint32)
    out = run("random_bits", keys.transpose(1, 0, 2), shape=(3, 5), width=width)
    assert out.shape == (40, 3, 3, 5)
    assert np.array_equal(out[7, 2], bits(run, keys[2, 7], (3, 5), width))


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_empty_draws(run, shape):
    assert bits(run, (0, 1), shape).shape == shape


def test_same_words_for_any_number_of_threads(run):
    before = _kernels.set_num_threads(1)
    try:
        single = bits(run, (3, 4), (300_001,))
        _kernels.set_num_threads(3)
        assert np.array_equal(single, bits(run, (3, 4), (300_001,)))
    finally:
        _kernels.set_num_threads(before)


def test_keys_are_pairs(run):
    with pytest.raises(ValueError, match="keys of shape"):
        bits(run, (1, 2, 3), (4,))
