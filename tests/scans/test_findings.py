from __future__ import annotations

import msgspec
import pytest

from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import QUIET_NS, Finding, Window, hashable, parts, plain, restored

SECOND = 10**9


def contact(at: float, port: int, src_hi: int = 0) -> Contact:
    return Contact(int(at * SECOND), src_hi, 9, 0, 1, 1, 1, port, 0, Kind.REFUSED, 0)


def test_a_window_slides_and_counts_distinct_things() -> None:
    window = Window()
    for at, port in ((0, 1), (1, 1), (2, 2), (61.5, 3)):
        window.add(port, contact(at, port), 60 * SECOND)
    assert list(window.items) == [2, 3]
    found = window.trigger("syn", ("k",), 62 * SECOND)
    assert found == Finding("syn", ("k",), [contact(2, 2), contact(61.5, 3)], 2)
    assert not window.add(2, contact(63, 2), 60 * SECOND)  # counted before
    assert window.add(9, contact(64, 9), 60 * SECOND)
    assert window.total + len(window.items) == 3


@pytest.mark.parametrize(("last", "left"), [(60, 2), (60.001, 1)])
def test_what_is_as_old_as_the_window_still_counts(last: float, left: int) -> None:
    window = Window()
    window.add(1, contact(0, 1), 60 * SECOND)
    window.add(2, contact(last, 2), 60 * SECOND)
    assert len(window.items) == left


def test_an_episode_ends_in_quiet_and_says_what_it_counted() -> None:
    window = Window()
    window.add(1, contact(0, 1), SECOND)
    window.trigger("syn", ("k",), 0)
    window.add(2, contact(1, 2), SECOND)
    assert window.going_on(QUIET_NS)
    assert not window.going_on(QUIET_NS + 1)
    assert window.begin_again() == 2
    assert (window.total, window.items, window.seen, window.key) == (0, {}, set(), ())


def test_the_longest_unseen_are_dropped() -> None:
    window = Window()
    for n in range(9):
        window.add(n, contact(n, n), 100 * SECOND)
    window.add(0, contact(9, 0), 100 * SECOND)
    window.cap(3)
    assert list(window.items) == [7, 8, 0]


def test_a_window_survives_a_restart() -> None:
    window = Window()
    for n in range(5):
        window.add((0, n, 22), contact(n, n), SECOND)
    window.trigger("sweep", ("sweep", 0, 9, 128, 0, 0), 4 * SECOND)
    window.add((0, 9, 22), contact(5, 9), SECOND)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(plain(window)))
    assert restored(*state) == window


def test_hashable_things() -> None:
    assert hashable([1, 2]) == (1, 2)
    assert hashable(7) == 7


def test_parts_of_networks() -> None:
    base = 0x2001_0DB8_0000_0000
    found = [contact(0, 1, base | part) for part in (0, 1, 2, 0x100)]
    assert parts((base, 0, 56), found) == 4
    assert parts((base, 0, 48), found) == 2
