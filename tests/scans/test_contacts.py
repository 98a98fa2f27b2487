from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.scans.contacts import ASK, CLOSED, OPEN, Attempts, pending_contact

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
        runs = attempts.runs(key, time, kind)
        made = np.zeros(len(runs.key), pending_contact())
        made["key"], made["first"], made["last"] = runs.key, runs.first, runs.last
        waits = (runs.answer == ASK) & ~runs.ended & (runs.last + GRACE >= now)
        for n in np.flatnonzero(~waits).tolist():
            found.append(tuple(int(c[n]) for c in (runs.key, runs.first, runs.last, runs.answer)))
        attempts.keep(made[waits], now)
    for left in attempts.pending:
        found.append((int(left["key"]), int(left["first"]), int(left["last"]), ASK))
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
