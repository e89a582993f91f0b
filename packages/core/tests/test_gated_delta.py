"""gated_delta_update against the rule written out step by step in float64."""

import numpy as np
import pytest

import monel.core as mx


def stepped(q, k, v, gamma, beta, state=None, mask=None):
    """The rule, one step after the other."""
    batch, steps, heads, size = v.shape
    q, k = (np.repeat(x, heads // x.shape[2], 2) for x in (q, k))
    state = np.zeros((batch, heads, size, q.shape[3])) if state is None else state
    made = np.zeros(v.shape)
    for t in range(steps):
        decayed = state * gamma[:, t, :, None, None]
        error = v[:, t] - np.einsum("bhed,bhd->bhe", decayed, k[:, t])
        new = decayed + np.einsum("bhe,bhd->bhed", beta[:, t, :, None] * error, k[:, t])
        y = np.einsum("bhed,bhd->bhe", new, q[:, t])
        here = np.ones(batch, bool) if mask is None else mask[:, t]
        made[:, t] = np.where(here[:, None, None], y, 0)
        state = np.where(here[:, None, None, None], new, state)
    return made, state


def draw(batch, steps, groups, width, heads, size):
    rng = np.random.default_rng(0)
    q, k = (rng.standard_normal((batch, steps, groups, width)) * width**-0.5 for _ in range(2))
    v = rng.standard_normal((batch, steps, heads, size))
    gamma, beta = (rng.uniform(0, 1, (batch, steps, heads)) for _ in range(2))
    return [x.astype(np.float32) for x in (q, k, v, gamma, beta)]


def close(made, want):
    for one, other in zip(made, want, strict=True):
        np.testing.assert_allclose(np.array(one), other, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "shape", [(2, 5, 2, 4, 4, 3), (1, 1, 1, 3, 1, 2), (1, 64, 1, 4, 2, 3), (2, 75, 2, 8, 2, 4)]
)
def test_chunks_give_what_steps_give(shape):
    given = draw(*shape)
    close(mx.fast.gated_delta_update(*map(mx.array, given)), stepped(*given))


def test_a_state_is_carried_on():
    given = draw(1, 40, 1, 4, 2, 3)
    first = mx.fast.gated_delta_update(*(mx.array(x[:, :7]) for x in given))
    rest = mx.fast.gated_delta_update(*(mx.array(x[:, 7:]) for x in given), first[1])
    y, state = stepped(*given)
    close([mx.concatenate([first[0], rest[0]], axis=1), rest[1]], [y, state])


def test_masked_steps_leave_the_state_and_give_zeros():
    given = draw(2, 35, 1, 4, 2, 3)
    mask = np.random.default_rng(1).random((2, 35)) > 0.4
    made = mx.fast.gated_delta_update(*map(mx.array, given), mask=mx.array(mask))
    close(made, stepped(*given, mask=mask))


def test_a_decay_of_zero_forgets():
    q, k, v, gamma, beta = draw(1, 6, 1, 4, 1, 3)
    gamma[:, 3] = 0
    close(
        mx.fast.gated_delta_update(*map(mx.array, (q, k, v, gamma, beta))),
        stepped(q, k, v, gamma, beta),
    )


def test_no_steps_give_the_state_back():
    given = [mx.array(x[:, :0]) for x in draw(1, 1, 1, 4, 2, 3)]
    state = mx.ones((1, 2, 3, 4))
    y, last = mx.fast.gated_delta_update(*given, state)
    assert y.shape == (1, 0, 2, 3)
    assert last.tolist() == state.tolist()


@pytest.mark.parametrize("place", range(6))
def test_gradients_agree_with_differences(place):
    given = [x.astype(np.float64) for x in draw(1, 4, 1, 2, 2, 2)]
    given.append(np.random.default_rng(2).standard_normal((1, 2, 2, 2)))
    weights = np.random.default_rng(3).standard_normal((1, 4, 2, 2))

    def loss(*operands):
        y, state = mx.fast.gated_delta_update(*operands)
        return (y * mx.array(weights.astype(np.float32))).sum() + state.sum()

    def stepped_loss(*operands):
        y, state = stepped(*operands)
        return (y * weights).sum() + state.sum()

    grad = mx.grad(loss, argnums=place)(*(mx.array(x.astype(np.float32)) for x in given))
    want = np.zeros(given[place].shape)
    for index in np.ndindex(want.shape):
        moved = [x.copy() for x in given]
        moved[place][index] += 1e-6
        upper = stepped_loss(*moved)
        moved[place][index] -= 2e-6
        want[index] = (upper - stepped_loss(*moved)) / 2e-6
    np.testing.assert_allclose(np.array(grad), want, rtol=1e-3, atol=1e-4)


def test_it_is_batched_and_compiled():
    given = [mx.array(x) for x in draw(2, 5, 1, 4, 2, 3)]
    y, state = mx.fast.gated_delta_update(*given)
    rows = [mx.expand_dims(x, 1) for x in given]
    batched = mx.vmap(lambda *x: tuple(mx.fast.gated_delta_update(*x)))(*rows)
    compiled = mx.compile(lambda *x: tuple(mx.fast.gated_delta_update(*x)))(*given)
    close([batched[0][:, 0], batched[1][:, 0]], [np.array(y), np.array(state)])
    close(compiled, [np.array(y), np.array(state)])


@pytest.mark.parametrize(("dtype", "want"), [(mx.bfloat16, mx.bfloat16), (mx.int32, mx.float32)])
def test_the_output_has_the_dtype_of_values_and_the_state_float32(dtype, want):
    y, state = mx.fast.gated_delta_update(
        *(mx.array(x).astype(dtype) for x in draw(1, 2, 1, 4, 2, 3))
    )
    assert (y.dtype, state.dtype) == (want, mx.float32)


def wrong(place, change):
    given = [mx.array(x) for x in draw(1, 2, 2, 4, 2, 3)]
    given[place] = change(given[place])
    return lambda: mx.fast.gated_delta_update(*given)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (wrong(0, lambda q: q[0]), "4 dimensions"),
        (wrong(0, lambda q: q[:, :, :1]), "one shape"),
        (wrong(2, lambda v: v[:, :1]), "batch and steps"),
        (wrong(2, lambda v: v[:, :, :1]), "multiple"),
        (wrong(3, lambda x: x[:, :1]), "gamma"),
        (wrong(4, lambda x: x[:, :, :1]), "beta"),
        (wrong(2, lambda v: v.astype(mx.complex64)), "complex64"),
        (lambda: mx.fast.gated_delta_update(1, 2, 3, 4, 5), "expected an array"),
    ],
)
def test_operands_that_do_not_fit_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"initial_state": mx.zeros((1, 2, 4, 3))}, "initial_state"),
        ({"mask": mx.zeros((1, 2))}, "bool"),
        ({"mask": mx.zeros((1, 3), dtype=mx.bool_)}, "mask"),
    ],
)
def test_optional_operands_that_do_not_fit_are_named(changed, word):
    given = [mx.array(x) for x in draw(1, 2, 2, 4, 2, 3)]
    with pytest.raises(ValueError, match=word):
        mx.fast.gated_delta_update(*given, **changed)
