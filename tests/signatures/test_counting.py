from __future__ import annotations

import msgspec

from mlids.signatures.counting import PLACES, Counting, evidence
from mlids.testing import START_NS, event

NS = 10**9


def counted(counting, key, seconds, least=3, window_s=60, value=None):
    """What is told after lines at these seconds."""
    told = []
    for number, second in enumerate(seconds):
        at = START_NS + second * NS
        told += counting.close(at)
        count = counting.add(key, at, ("log", number), least, window_s, value)
        if count is not None:
            told += counting.tell(key, event(seconds=second), window_s)
    return told


def test_enough_within_the_window():
    assert counted(Counting(100), "a", (0, 1)) == []
    (told,) = counted(Counting(100), "a", (0, 1, 2))
    assert told.details["suppressed"] == 0
    assert counted(Counting(100), "a", (0, 1, 60, 61)) == []


def test_sources_are_counted_apart():
    counting = Counting(100)
    assert [counted(counting, key, (0, 1)) for key in "abc"] == [[], [], []]


def test_different_values():
    counting = Counting(100)
    assert counted(counting, "a", range(9), value="x") == []
    for number, value in enumerate("yz"):
        count = counting.add("a", START_NS + (9 + number) * NS, ("log", 9), 3, 60, value)
    assert count.seen == 3
    assert count.places[0] == ("log", 9)
    assert len(count.places) <= PLACES


def test_what_goes_on_is_told_in_the_end():
    counting = Counting(100)
    told = counted(counting, "a", [n // 10 for n in range(100)])
    told += counting.close(START_NS + 9 * 3600 * NS)
    assert sum(1 + one.details["suppressed"] for one in told) == 98
    assert len({one.correlation_id for one in told}) == 1
    assert list(counting.flush()) == []


def test_it_survives_a_restart():
    counting = Counting(100)
    counted(counting, "a", (0, 1, 2, 3))
    again = Counting(100)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(counting.save())))
    (told,) = again.flush()
    assert told.details["metadata"]["triggers"] == 2
    assert counted(again, "b", (0, 1)) == []


def test_sources_are_bounded():
    counting = Counting(100)
    for number in range(1000):
        counted(counting, f"k{number}", (number // 100,))
    assert counting.evicted == 900


def test_places_as_events_carry_them():
    assert evidence(("source", "line"), [("a", 1)]) == [{"source": "a", "line": 1}]
