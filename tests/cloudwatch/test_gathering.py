from __future__ import annotations

import random

import pytest

from mlids.cloudwatch import gathering
from mlids.cloudwatch.answers import LogEvent
from mlids.cloudwatch.gathering import Gathered, in_order
from tests.cloudwatch.pages import event, numbered


@pytest.fixture(params=["memory", "disk"])
def gathered(request, monkeypatch, tmp_path):
    """Both ways of keeping events; on the disk after the second of them."""
    if request.param == "disk":
        monkeypatch.setattr(gathering, "MOST_EVENTS", 2)
    return Gathered(tmp_path)


def test_what_comes_twice_is_dropped_and_told(gathered):
    assert len(gathered.add(numbered([1, 2, 3]))) == 3
    assert [e.event_id for e in gathered.add([*numbered([1, 2, 3]), event(4, "new", 9)])] == ["9"]
    assert len(gathered) == 4
    assert [e.timestamp for e in gathered.sorted()] == [1, 2, 3, 4]


def test_without_ids_all_are_kept(gathered):
    for _ in range(3):
        assert len(gathered.add([event(1, "same"), event(1, "same")])) == 2
    assert [e.message for e in gathered.sorted()] == ["same"] * 6


def test_an_id_counts_within_its_stream(gathered):
    one, other = event(1, "a", 7), event(1, "b", 7)
    other.log_stream_name = "t"
    assert len(gathered.add([one, other])) == 2
    assert len(gathered) == 2


def test_the_order_is_that_of_aws_and_always_the_same(gathered):
    events = [
        *(event(5, f"{n}", n, taken=1) for n in (9, 10, 11)),  # ids count up, as numbers
        event(5, "early", 99, taken=0),
        event(4, "before", 100, taken=9),
    ]
    shuffled = events[:]
    random.Random(3).shuffle(shuffled)
    for one in shuffled:
        gathered.add([one])
    assert [e.message for e in gathered.sorted()] == ["before", "early", "9", "10", "11"]


def test_equal_lines_without_ids_keep_the_order_they_came_in(gathered):
    for name in "cab":
        gathered.add([event(1, name)])
    assert "".join(e.message for e in gathered.sorted()) == "cab"


def test_a_cut_leaves_out_what_is_behind(gathered):
    for one in numbered(range(10)):
        gathered.add([one])
    gathered.cut(6)
    assert len(gathered) == 6
    assert [e.timestamp for e in gathered.sorted()] == list(range(6))


def test_both_ways_say_the_same(tmp_path, monkeypatch):
    chance = random.Random(5)
    texts = ["", "x", "\0", "\ud7ff", "é😀", "a\nb", "x" * 5000]
    events = [
        event(chance.randrange(9), chance.choice(texts), chance.choice(["", chance.randrange(60)]))
        for _ in range(300)
    ]
    plain, packed = Gathered(), Gathered(tmp_path)
    fresh = [[len(plain.add(events[at : at + 7]))] for at in range(0, 300, 7)]
    monkeypatch.setattr(gathering, "MOST_EVENTS", 1)
    assert [[len(packed.add(events[at : at + 7]))] for at in range(0, 300, 7)] == fresh
    assert list(plain.sorted()) == list(packed.sorted())


def test_it_is_full_by_number_and_by_size(monkeypatch):
    gathered = Gathered()
    assert not gathered.is_full
    monkeypatch.setattr(gathering, "MOST_CHARACTERS", 100)
    gathered.add([event(1, "x" * 101, 1)])
    assert gathered.is_full


def test_the_overflow_has_no_name(monkeypatch, tmp_path):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 1)
    gathered = Gathered(tmp_path)
    gathered.add(numbered(range(5)))
    gathered.add(numbered(range(9)))
    assert len(gathered) == 9
    assert list(tmp_path.iterdir()) == []


def test_the_key_of_the_order():
    assert in_order(LogEvent(1, "", 2, "10")) > in_order(LogEvent(1, "", 2, "9"))


def test_a_full_disk_is_an_error_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 1)
    gathered = Gathered(tmp_path)
    gathered.add(numbered([1, 2]))
    gathered.add(numbered([3]))
    gathered._overflow._table.execute("PRAGMA max_page_count = 5")
    with pytest.raises(OSError, match="No space left on device"):
        gathered.add([event(9, "x" * 5000, n) for n in range(99)])
    gathered._overflow._table.execute("DROP TABLE events")
    with pytest.raises(OSError, match="Input/output error"):
        list(gathered.sorted())
