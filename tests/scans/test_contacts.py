from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.scans.contacts import (
    ASK,
    CLOSED,
    OPEN,
    Attempts,
    contact,
    grouped,
    groups,
    joined,
    maybe_among,
    pending_contact,
    taken,
)

GRACE = 3


def plain(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Runs as (key, first, last, answer), followed one row at a time."""
    runs: dict[int, list[int]] = {}
    found = []
    for key, time, kind in rows:
        run = runs.get(key)
        if kind == ASK and run and time - run[1] <= GRACE:
            run[1] = time
            continue
        if run:
            answer = kind if kind != ASK and time - run[0] <= GRACE else ASK
            found.append((key, *run, answer))
            del runs[key]
        if kind == ASK:
            runs[key] = [time, time]
    return sorted(found + [(key, *run, ASK) for key, run in runs.items()])


def cut_runs(rows: list[tuple[int, int, int]], cuts: list[int]) -> list[tuple[int, int, int, int]]:
    attempts, found = Attempts(GRACE, 1000), []
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part = rows[begin:end]
        now = part[-1][1] if part else 0
        columns = zip(*part, strict=True) if part else ((), (), ())
        key, time, kind = (
            np.array(list(column), dtype)
            for column, dtype in zip(columns, (np.uint64, np.int64, np.uint8), strict=True)
        )
        key <<= np.uint64(50)  # well mixed keys differ in their upper bits
        runs = attempts.runs(key, time, kind)
        made = np.zeros(len(runs.key), pending_contact())
        made["key"], made["first"], made["last"] = runs.key, runs.first, runs.last
        waits = (runs.answer == ASK) & ~runs.ended & (runs.last + GRACE >= now)
        for n in np.flatnonzero(~waits).tolist():
            columns = (runs.key >> np.uint64(50), runs.first, runs.last, runs.answer)
            found.append(tuple(int(column[n]) for column in columns))
        attempts.keep(made[waits], now)
    for left in attempts.pending:
        found.append((int(left["key"]) >> 50, int(left["first"]), int(left["last"]), ASK))
    return sorted(found)  # type: ignore[type-var]


@given(st.integers(0, 10**9))
@settings(max_examples=200, deadline=None)
def test_runs_as_the_plain_way_however_cut(seed: int) -> None:
    rng = random.Random(seed)
    time, rows = 0, []
    for _ in range(rng.randrange(60)):
        time += rng.choice([0, 1, 1, 2, 5])
        rows.append((rng.randrange(4), time, rng.choice([ASK, ASK, OPEN, CLOSED])))
    cuts = sorted(rng.randrange(len(rows) + 1) for _ in range(rng.randrange(5)))
    assert cut_runs(rows, []) == plain(rows)
    assert cut_runs(rows, cuts) == plain(rows)


def test_the_oldest_are_given_up_and_counted() -> None:
    attempts = Attempts(GRACE, 3)
    made = np.zeros(5, pending_contact())
    made["last"] = [5, 1, 4, 2, 3]
    made["told"][1] = 1
    assert attempts.keep(made, 4)["last"].tolist() == [2]
    assert sorted(attempts.pending["last"].tolist()) == [3, 4, 5]
    assert attempts.evicted == 2
    again = Attempts(GRACE, 3)
    again.restore(attempts.save())
    assert np.array_equal(again.pending, attempts.pending)


def mixed(count: int, kinds: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << 64, kinds, dtype=np.uint64)[rng.integers(0, kinds, count)]


def test_rows_are_brought_together_in_order() -> None:
    for count, kinds in ((0, 1), (1, 1), (5000, 70), (70_000, 20_000)):
        keys = mixed(count, kinds)
        order = grouped(keys)
        again = np.argsort(keys, kind="stable")
        assert keys[order].tolist() == keys[again].tolist()
        assert order.tolist() == again.tolist()


def test_groups_say_what_numpy_says() -> None:
    keys = mixed(3000, 200)
    found = groups(keys)
    unique, first, inverse, count = np.unique(keys, True, True, True)
    assert sorted(found.first.tolist()) == sorted(first.tolist())
    assert keys[found.first][found.number].tolist() == keys.tolist()
    sizes = dict(zip(unique.tolist(), count.tolist(), strict=True))
    assert [sizes[key] for key in keys[found.first].tolist()] == found.size.tolist()
    assert len(inverse) == len(found.number)


def test_records_are_joined_and_taken() -> None:
    one, two = np.zeros(2, contact()), np.zeros(3, contact())
    one["port"], two["port"] = [1, 2], [3, 4, 5]
    assert joined([one, two])["port"].tolist() == [1, 2, 3, 4, 5]
    assert joined([one]) is one
    assert joined([]).dtype == contact()
    assert taken(joined([one, two]), np.array([4, 0]))["port"].tolist() == [5, 1]


def test_keys_that_may_be_among_others() -> None:
    keys, others = mixed(1000, 900), mixed(20, 20, seed=9)
    assert not maybe_among(keys, others[:0]).any()
    assert maybe_among(np.concatenate((others, keys)), others)[: len(others)].all()
    assert maybe_among(keys, others).mean() < 0.01


def test_packets_of_a_run_are_counted_within_the_grace() -> None:
    attempts = Attempts(GRACE, 10, counting=True)
    key, kind = np.full(4, 1 << 60, np.uint64), np.zeros(4, np.uint8)
    runs = attempts.runs(key, np.array([0, 1, 3, 5]), kind)
    assert (runs.asks.tolist(), runs.last.tolist()) == ([3], [5])
    made = np.zeros(1, pending_contact())
    made["key"], made["first"], made["last"], made["asks"] = runs.key, 0, 1, 2
    attempts.keep(made, 1)
    runs = attempts.runs(key[:2], np.array([2, 4]), kind[:2])
    assert (runs.asks.tolist(), runs.origin.tolist()) == ([3], [-1])
