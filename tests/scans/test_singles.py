from __future__ import annotations

import numpy as np

from mlids.scans.contacts import contact
from mlids.scans.singles import Singles

SECOND = 10**9


def shown(times: list[int]) -> np.ndarray:
    made = np.zeros(len(times), contact())
    made["time"] = times
    made["port"] = np.arange(len(times))
    return made


def keys(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 2**63, count, dtype=np.uint64) * np.uint64(2)


def test_what_is_put_is_found_and_taken_once() -> None:
    table = Singles(10_000, 900 * SECOND)
    some = keys(1000)
    assert (table.place(some, 0) == -1).all()
    table.put(some, shown([SECOND] * 1000))
    places = table.place(some, 2 * SECOND)
    assert (places >= 0).all()
    assert len(set(places.tolist())) == 1000
    assert table.take(places[5:7])["port"].tolist() == [5, 6]
    assert table.place(some[4:8], 2 * SECOND).tolist()[1:3] == [-1, -1]
    assert table.evicted == 0


def test_old_contacts_count_no_more() -> None:
    table = Singles(1000, 900 * SECOND)
    table.put(keys(10), shown([SECOND] * 10))
    assert (table.place(keys(10), 901 * SECOND) >= 0).all()
    assert (table.place(keys(10), 902 * SECOND) == -1).all()


def test_the_longest_unseen_are_replaced_and_counted() -> None:
    table = Singles(400, 900 * SECOND)
    lost = [len(table.put(keys(100, n), shown([n * SECOND] * 100))) for n in range(20)]
    assert sum(lost) == table.evicted
    stays = sum((table.place(keys(100, n), 20 * SECOND) >= 0).sum() for n in range(20))
    assert stays <= 400
    assert table.evicted == 2000 - stays
    assert (table.place(keys(100, 19), 20 * SECOND) >= 0).mean() > 0.9


def test_state_is_kept() -> None:
    table = Singles(1000, 900 * SECOND)
    assert table.save() == b""
    table.put(keys(50), shown([SECOND] * 50))
    again = Singles(1000, 900 * SECOND)
    again.restore(table.save())
    assert (again.place(keys(50), SECOND) >= 0).all()
