from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture.buckets import Buckets

RECORD = np.dtype([("count", "u4")])
rng = np.random.default_rng(1)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def at(time: int, count: int) -> np.ndarray:
    return np.full(count, time, np.int64)


def test_what_was_entered_is_found_and_new_places_are_zero() -> None:
    table = Buckets(4000, RECORD)
    keys = rng.integers(1, 1 << 64, 500, dtype=np.uint64)
    places = table.enter(keys, at(1, 500))
    assert (places >= 0).all()
    assert len(np.unique(places)) == 500
    assert (table.rows[places]["count"] == 0).all()
    table.rows["count"][places] = np.arange(500)
    assert table.rows[table.find(keys)]["count"].tolist() == list(range(500))
    assert (table.find(keys + np.uint64(1)) == -1).all()
    assert len(table) == 500
    assert (table.enter(keys, at(2, 500)) == places).all()


def test_the_one_longest_untouched_gives_way_and_is_counted() -> None:
    table = Buckets(2, RECORD, forget_ns=100)
    low = numbers(*range(1, 100))  # all of one bucket: the upper bits choose it
    for n, key in enumerate(low[:4]):
        table.enter(key[None], at(n + 1, 1))
    table.touch(table.find(low[:1]), at(50, 1))
    table.enter(low[4:5], at(60, 1))
    assert table.find(low[:5]).tolist().count(-1) == 1
    assert table.find(low[1:2]) == -1
    assert table.evicted == 1
    table.enter(low[5:6], at(500, 1))  # what it replaces was forgotten anyway
    assert table.evicted == 1


def test_more_keys_of_one_bucket_in_a_call_than_it_has_places() -> None:
    table = Buckets(2, RECORD)
    places = table.enter(numbers(*range(1, 7)), at(1, 6))
    assert sorted(places.tolist()).count(-1) == 2
    assert len(np.unique(places[places >= 0])) == 4
    assert table.evicted == 2
    assert (table.find(numbers(*range(1, 7))) == places).all()


def test_removed_keys_are_gone() -> None:
    table = Buckets(1000, RECORD)
    keys = rng.integers(1, 1 << 64, 20, dtype=np.uint64)
    places = table.enter(keys, at(1, 20))
    table.rows["count"][places] = 7
    table.remove(places[:10])
    assert (table.find(keys[:10]) == -1).all()
    assert (table.find(keys[10:]) >= 0).all()
    assert (table.rows[table.enter(keys[:10], at(2, 10))]["count"] == 0).all()


def test_state_survives() -> None:
    table = Buckets(1000, RECORD)
    keys = rng.integers(1, 1 << 64, 50, dtype=np.uint64)
    table.rows["count"][table.enter(keys, at(5, 50))] = 3
    other = Buckets(1000, RECORD)
    other.restore(table.save())
    assert (other.find(keys) == table.find(keys)).all()
    assert (other.rows[other.find(keys)]["count"] == 3).all()
    smaller = Buckets(4, RECORD)
    smaller.restore(table.save())  # made with other settings: begins anew
    assert len(smaller) == 0


@pytest.mark.parametrize("most", [1, 4, 5, 1000, 4096])
def test_it_is_as_large_as_asked(most: int) -> None:
    assert 2 * most <= len(Buckets(most, RECORD).rows) <= max(16, 4 * most + 16)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sets(st.integers(1, 40), min_size=1), max_size=20))
def test_a_plain_twin_that_never_fills_agrees(calls: list[set[int]]) -> None:
    table, twin = Buckets(4096, RECORD), {}
    for time, keys in enumerate(calls):
        spread = numbers(*(key * 0x9E3779B97F4A7C15 % (1 << 64) for key in keys))
        places = table.enter(spread, at(time, len(keys)))
        table.rows["count"][places] += 1
        for key in keys:
            twin[key] = twin.get(key, 0) + 1
    found = table.find(numbers(*(key * 0x9E3779B97F4A7C15 % (1 << 64) for key in twin)))
    assert table.rows[found]["count"].tolist() == list(twin.values())
