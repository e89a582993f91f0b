"""Schedules: functions of the step, as array and as number."""

import math

import pytest

import monel.core as mx
import monel.optimizers as optim

CASES = [
    (optim.exponential_decay(0.5, 0.5), {0: 0.5, 1: 0.25, 3: 0.0625}),
    (optim.step_decay(0.5, 0.5, 10), {0: 0.5, 9: 0.5, 10: 0.25, 25: 0.125}),
    (optim.cosine_decay(1.0, 4), {0: 1, 1: 0.5 + math.sqrt(0.125), 2: 0.5, 4: 0, 9: 0}),
    (optim.cosine_decay(1.0, 4, 0.5), {0: 1, 2: 0.75, 4: 0.5, 5: 0.5}),
    (optim.linear_schedule(0, 1, 10), {0: 0, 5: 0.5, 10: 1, 20: 1}),
    (optim.linear_schedule(1.0, 0.5, 10), {0: 1, 5: 0.75, 11: 0.5}),
]


@pytest.mark.parametrize("schedule, values", CASES)
@pytest.mark.parametrize("kind", [int, mx.array, lambda n: mx.array(n, mx.uint64)])
def test_values(schedule, values, kind):
    for step, want in values.items():
        got = schedule(kind(step))
        got = got.item() if isinstance(got, mx.array) else got
        assert got == pytest.approx(want, abs=1e-6)


def joined():
    warm = optim.linear_schedule(0, 1, 10)
    return optim.join_schedules([warm, optim.cosine_decay(1.0, 10), lambda s: 5.0 + s], [10, 20])


@pytest.mark.parametrize(
    "step, want", [(0, 0), (5, 0.5), (9, 0.9), (10, 1), (15, 0.5), (19, None), (20, 5), (23, 8)]
)
def test_joined_schedules_count_from_their_boundary(step, want):
    want = 0.5 * (1 + math.cos(0.9 * math.pi)) if want is None else want
    for given in (mx.array(step), mx.array(step, mx.uint64)):
        assert joined()(given).item() == pytest.approx(want, abs=1e-6)


def test_one_schedule_needs_no_boundary():
    assert optim.join_schedules([lambda s: s * 2], [])(3) == 6


@pytest.mark.parametrize(
    "schedules, boundaries, message",
    [
        ([], [], "at least 1 schedule"),
        ([abs], [1], "Received 1 boundaries but expected 0"),
        ([abs, abs], [], "Received 0 boundaries but expected 1"),
    ],
)
def test_boundaries_must_fit(schedules, boundaries, message):
    with pytest.raises(ValueError, match=message):
        optim.join_schedules(schedules, boundaries)


def test_a_line_needs_steps():
    with pytest.raises(ValueError, match="steps must be greater than 0"):
        optim.linear_schedule(0, 1, 0)
