"""Random numbers: threefry bit for bit, the default key, distributions, errors."""

import threading

import numpy as np
import pytest

import monel.core as mx

KEY = mx.random.key(0)
MANY = 20_000


def test_a_key_is_the_two_halves_of_its_seed():
    assert mx.random.key(0).tolist() == [0, 0]
    assert mx.random.key((256 << 32) + 5).tolist() == [256, 5]
    assert mx.random.key(0).dtype is mx.uint32


def test_split_is_threefry_bit_for_bit():
    assert mx.random.split(KEY).tolist() == [[4146024105, 967050713], [2718843009, 1272950319]]
    assert mx.random.split(KEY, 3).tolist() == [
        [2467461003, 428148500],
        [3186719485, 3840466878],
        [2562233961, 1946702221],
    ]


@pytest.mark.parametrize(
    ("draw", "want"),
    [
        (lambda: mx.random.uniform(shape=(3,), key=KEY), [0.965321, 0.314682, 0.63303]),
        (lambda: mx.random.normal(shape=(3,), key=KEY), [1.81609, -0.482623, 0.339889]),
        (lambda: mx.random.gumbel((3,), key=KEY), [3.34404, -0.145133, 0.782552]),
        (lambda: mx.random.laplace((3,), key=KEY), [-2.66849, 0.463046, -0.309328]),
        (lambda: mx.random.truncated_normal(-1, 1, (3,), key=KEY), [0.906521, -0.322637, 0.22965]),
        (lambda: mx.random.randint(0, 10, (8,), key=KEY), [5, 3, 3, 9, 1, 9, 1, 8]),
        (lambda: mx.random.randint(-5, 5, (3,), mx.int8, key=KEY), [4, -2, 1]),
        (lambda: mx.random.bernoulli(0.3, (5,), KEY), [False, True, False, False, False]),
        (lambda: mx.random.permutation(8, key=KEY), [4, 6, 1, 2, 0, 7, 3, 5]),
    ],
)
def test_draws_of_a_key_are_those_of_mlx(draw, want):
    np.testing.assert_allclose(np.array(draw()), want, rtol=2e-5)


def test_the_sequence_of_a_seed_is_that_of_mlx():
    mx.random.seed(0)
    first = mx.random.uniform(shape=(3,))
    assert first[0].item() == pytest.approx(0.87241435, rel=1e-6)
    second = mx.random.uniform(shape=(3,))
    assert first.tolist() != second.tolist()
    mx.random.seed(0)
    assert mx.random.uniform(shape=(3,)).tolist() == first.tolist()


def test_the_state_is_a_list_of_the_next_key():
    mx.random.seed(3)
    state = mx.random.state
    assert state is mx.random.state
    assert state[0].tolist() == [0, 3]
    mx.random.uniform()
    assert state[0].tolist() == mx.random.split(mx.random.key(3))[0].tolist()
    state[0] = mx.random.key(3)
    assert mx.random.uniform().item() == pytest.approx(0.476526, rel=1e-5)


def test_each_thread_has_a_key_of_its_own():
    mx.random.seed(5)
    found = []

    def work():
        mx.random.seed(5)
        found.append(mx.random.uniform(shape=(2,)).tolist())

    thread = threading.Thread(target=work)
    before = mx.random.uniform(shape=(2,)).tolist()
    thread.start()
    thread.join()
    assert found == [before]
    assert mx.random.uniform(shape=(2,)).tolist() != before


def test_compiled_draws_repeat_unless_the_state_is_an_input_and_output():
    repeating = mx.compile(lambda: mx.random.uniform(shape=(2,)))
    assert repeating().tolist() == repeating().tolist()
    moving = mx.compile(
        lambda: mx.random.uniform(shape=(2,)), inputs=mx.random.state, outputs=mx.random.state
    )
    mx.random.seed(1)
    drawn = [moving().tolist(), moving().tolist()]
    mx.random.seed(1)
    assert [mx.random.uniform(shape=(2,)).tolist() for _ in range(2)] == drawn


def test_vmap_over_keys_draws_for_each_key():
    keys = mx.random.split(mx.random.key(1), 4)
    rows = mx.vmap(lambda k: mx.random.uniform(shape=(3,), key=k))(keys)
    want = [mx.random.uniform(shape=(3,), key=k).tolist() for k in keys]
    assert rows.tolist() == want


def test_a_draw_without_a_key_inside_vmap_is_the_same_for_each_row():
    rows = mx.vmap(lambda x: x + mx.random.uniform(shape=(2,)))(mx.zeros((3, 2)))
    assert rows[0].tolist() == rows[1].tolist() == rows[2].tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_numbers_stay_below_their_upper_bound(dtype):
    dtype = getattr(mx, dtype)
    x = mx.random.uniform(shape=(MANY,), dtype=dtype, key=KEY)
    assert x.dtype is dtype
    assert mx.all((x >= 0) & (x < 1)).item()
    assert mx.mean(x.astype(mx.float32)).item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"),
    [
        (lambda: mx.random.uniform(-1, 3, (MANY,), key=KEY), 1.0, 4 / 12**0.5),
        (lambda: mx.random.normal((MANY,), loc=2, scale=3, key=KEY), 2.0, 3.0),
        (lambda: mx.random.gumbel((MANY,), key=KEY), 0.5772, np.pi / 6**0.5),
        (lambda: mx.random.laplace((MANY,), loc=1.0, scale=2.0, key=KEY), 1.0, 8**0.5),
        (lambda: mx.random.randint(0, 10, (MANY,), key=KEY), 4.5, 8.25**0.5),
    ],
)
def test_moments(draw, mean, deviation):
    x = np.array(draw()).astype("float64")
    assert x.mean() == pytest.approx(mean, abs=4 * deviation / MANY**0.5)
    assert x.std() == pytest.approx(deviation, rel=0.05)


def test_complex_normal_numbers_have_variance_one():
    x = np.array(mx.random.normal((MANY,), mx.complex64, key=KEY))
    assert np.mean(np.abs(x) ** 2) == pytest.approx(1, rel=0.05)


def test_bernoulli_has_a_chance_for_each_element():
    x = np.array(mx.random.bernoulli(mx.array([0.1, 0.9]), (MANY, 2), KEY))
    np.testing.assert_allclose(x.mean(0), [0.1, 0.9], atol=0.02)


def test_categories_follow_their_logits():
    logits = mx.log(mx.array([0.1, 0.2, 0.7]))
    x = mx.random.categorical(logits, num_samples=MANY, key=KEY)
    assert x.dtype is mx.uint32
    share = np.bincount(np.array(x), minlength=3) / MANY
    np.testing.assert_allclose(share, [0.1, 0.2, 0.7], atol=0.02)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (2,)),
        ({"axis": 0}, (3,)),
        ({"num_samples": 4}, (2, 4)),
        ({"shape": (5, 2)}, (5, 2)),
        ({"axis": 0, "shape": (5, 3)}, (5, 3)),
    ],
)
def test_shapes_of_categorical(options, shape):
    assert mx.random.categorical(mx.zeros((2, 3)), key=KEY, **options).shape == shape


def test_a_permutation_moves_whole_entries():
    x = mx.arange(12).reshape(3, 4)
    rows = mx.random.permutation(x, key=KEY)
    assert sorted(rows.tolist()) == x.tolist()
    columns = mx.random.permutation(x, axis=1, key=KEY)
    assert sorted(columns.T.tolist()) == x.T.tolist()


def test_multivariate_normal_has_its_covariance_even_where_it_is_singular():
    cov = np.array([[2, 0.5, 1], [0.5, 1, 0.25], [1, 0.25, 0.5]], "float32")
    x = mx.random.multivariate_normal(mx.array([1.0, 2.0, 3.0]), mx.array(cov), (MANY,), key=KEY)
    np.testing.assert_allclose(np.array(x).mean(0), [1, 2, 3], atol=0.05)
    np.testing.assert_allclose(np.cov(np.array(x).T), cov, atol=0.1)


def test_multivariate_normal_broadcasts_its_batch():
    draw = mx.random.multivariate_normal
    assert draw(mx.zeros((4, 2)), mx.eye(2)).shape == (4, 2)
    assert draw(mx.zeros((4, 2)), mx.eye(2), (3, 4)).shape == (3, 4, 2)


def test_gradients_flow_to_the_parameters_of_a_distribution():
    f = lambda loc, scale: mx.sum(mx.random.normal((3,), loc=loc, scale=scale, key=KEY))  # noqa: E731
    loc, scale = mx.grad(f, argnums=(0, 1))(mx.array(1.0), mx.array(2.0))
    assert loc.item() == 3
    assert scale.item() == pytest.approx(1.81609 - 0.482623 + 0.339889, rel=1e-4)


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.0, "a"])
def test_seeds_are_ints_of_64_bits(seed):
    for function in (mx.random.key, mx.random.seed):
        with pytest.raises(TypeError, match="seed"):
            function(seed)


@pytest.mark.parametrize(
    ("draw", "error"),
    [
        (lambda: mx.random.uniform(key=mx.array([1, 2])), ValueError),
        (lambda: mx.random.uniform(key=mx.array([1, 2, 3], mx.uint32)), ValueError),
        (lambda: mx.random.uniform(dtype=mx.int32), ValueError),
        (lambda: mx.random.uniform(0, mx.ones(3)), ValueError),
        (lambda: mx.random.uniform(shape=3), TypeError),
        (lambda: mx.random.uniform(shape=(-1,)), ValueError),
        (lambda: mx.random.normal(dtype=mx.int32), ValueError),
        (lambda: mx.random.randint(0, 1, dtype=mx.float32), ValueError),
        (lambda: mx.random.bernoulli(mx.array([1, 0])), ValueError),
        (lambda: mx.random.bernoulli(mx.array([0.1, 0.9]), (3,)), ValueError),
        (lambda: mx.random.categorical(mx.zeros(3), axis=3), IndexError),
        (lambda: mx.random.categorical(mx.zeros(3), shape=(2,), num_samples=2), ValueError),
        (lambda: mx.random.categorical(mx.zeros((2, 3)), shape=(3,)), ValueError),
        (lambda: mx.random.permutation(-1), ValueError),
        (lambda: mx.random.permutation(2.5), TypeError),
        (lambda: mx.random.permutation(mx.arange(3), axis=2), IndexError),
        (lambda: mx.random.multivariate_normal(mx.zeros(2), mx.eye(3)), ValueError),
        (
            lambda: mx.random.multivariate_normal(mx.zeros(2), mx.eye(2), dtype=mx.float16),
            ValueError,
        ),
        (lambda: mx.random.split(KEY, -1), ValueError),
    ],
)
def test_bad_arguments_are_refused(draw, error):
    with pytest.raises(error):
        draw()


def test_many_draws_of_one_distribution_are_those_of_mlx():
    drawn = mx.random.categorical(mx.zeros((7,)), shape=(5,), key=mx.random.key(0))
    assert drawn.tolist() == [4, 0, 2, 6, 4]


def test_truncated_normal_keeps_the_lower_bound_where_bounds_cross():
    x = mx.random.truncated_normal(1.5, 1.0, (2,), key=mx.random.key(0))
    assert x.tolist() == [1.5, 1.5]


def test_randint_keeps_the_lower_bound_where_bounds_cross():
    assert mx.random.randint(100, 9, (2,), key=mx.random.key(0)).tolist() == [100, 100]
