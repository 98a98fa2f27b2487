from __future__ import annotations

import random

import msgspec
import pytest

from mlids.lines.pauses import BUCKETS, DAY_S, LONGEST_FACTOR, WEEK_D, Pauses

START = 20_101 * DAY_S  # a day's beginning


def made(*seconds: float, every: float = 0) -> Pauses:
    pauses = Pauses()
    for n, one in enumerate(seconds):
        pauses.add(one, START + n * every)
    return pauses


def test_nothing_known():
    assert (Pauses().usual(), Pauses().longest(START), Pauses().limit(START, 2, 300)) == (0, 0, 300)


@pytest.mark.parametrize("seed", range(5))
def test_the_99_percent_are_at_most_an_eighth_of_an_octave_too_long(seed):
    rng = random.Random(seed)
    lengths = [rng.lognormvariate(3, 2) + 1 for _ in range(3000)]
    exact = sorted(lengths)[int(0.99 * len(lengths)) - 1]
    assert exact <= made(*lengths).usual() <= exact * 2 ** (1 / 8) * 1.001


def test_the_edge_of_the_99_percent():
    assert made(*[1] * 99, 1000).usual() < 2
    assert made(*[1] * 98, 1000, 1000).usual() >= 1000


def test_twice_the_usual_or_more_for_nights():
    pauses = made(*[100] * 500)
    assert pauses.limit(START, 2, 10) == 2 * pauses.usual()
    pauses.add(8 * 3600, START)
    assert pauses.limit(START, 2, 10) == LONGEST_FACTOR * 8 * 3600
    assert pauses.limit(START, 2, 1e6) == 1e6


def test_the_longest_of_seven_days_before():
    pauses = made(*[10] * 200)
    pauses.add(5000, START + DAY_S / 2)
    assert pauses.longest(START + WEEK_D * DAY_S) == 5000
    assert pauses.longest(START + (WEEK_D + 1) * DAY_S) == 0
    pauses.add(10, START + (WEEK_D + 1) * DAY_S)
    assert pauses.longest(START + (WEEK_D + 1) * DAY_S) == 10


def test_yesterday_counts_and_last_month_does_not():
    pauses = made(*[600] * 1000)
    for n in range(3000):
        pauses.add(1, START + DAY_S + n)
    assert pauses.usual() >= 600
    for n in range(3000):
        pauses.add(1, START + 30 * DAY_S + n)
    assert pauses.usual() < 2
    assert pauses.count == 7000


def test_a_silence_that_was_told_is_usual_the_second_time():
    pauses = made(*[10] * 200)
    pauses.resumed(60_000, START + DAY_S)
    assert pauses.longest(START + 2 * DAY_S) == 10
    pauses.resumed(50_000, START + 3 * DAY_S)
    assert pauses.longest(START + 4 * DAY_S) == 50_000


def test_two_silences_far_apart_are_no_habit():
    pauses = made(*[10] * 200)
    pauses.resumed(60_000, START + DAY_S)
    pauses.resumed(60_000, START + 10 * DAY_S)
    assert pauses.longest(START + 11 * DAY_S) == 0


def test_a_weekend_is_known_the_next_week():
    pauses = made(*[10] * 200)
    weekend = 62 * 3600
    for week in range(3):
        monday = START + week * 7 * DAY_S
        began = monday - weekend
        known = pauses.longest(began)
        if week < 2:
            assert known < weekend
            pauses.resumed(weekend, monday)
        else:
            assert known == weekend


def test_bounded_whatever_comes():
    rng = random.Random(3)
    pauses = Pauses()
    for n in range(20_000):
        pauses.add(10 ** rng.uniform(0, 9), START + n * 900)
    raw = msgspec.msgpack.encode(pauses.saved())
    assert len(raw) < 4000
    assert pauses.usual() <= 2 ** ((BUCKETS + 1) / 8)


def test_a_clock_that_was_ahead_leaves_nothing_behind():
    pauses = made(*[10] * 200)
    pauses.add(1e6, START + 10_000 * DAY_S)
    for n in range(300):
        pauses.add(10, START + n)
    assert pauses.longest(START) == 10
    for n in range(300):
        pauses.add(400, START + 5 * DAY_S + n)
    assert pauses.usual() >= 400


def test_state_survives():
    pauses = made(*[3, 40, 500] * 50, every=3600)
    pauses.resumed(9000, START + 10 * DAY_S)
    again = msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(pauses.saved())), Pauses)
    assert again == pauses
    again.add(7, START)
    assert again != pauses
