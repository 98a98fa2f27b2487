"""The backlog: order, bounds and what is kept at the end."""

from __future__ import annotations

import time
from pathlib import Path

from mlids.delivery.backlog import Backlog
from mlids.delivery.spool import Spool
from mlids.events import Event
from mlids.testing import event


def events(begin: int, end: int) -> list[Event]:
    return [event(id=str(n)) for n in range(begin, end)]


def ids(taken: list[Event]) -> list[int]:
    return [int(one["id"]) for one in taken]


def drained(backlog: Backlog, wanted: int) -> list[int]:
    found: list[int] = []
    until = time.monotonic() + 5
    while len(found) < wanted and time.monotonic() < until:
        found += ids(backlog.take(3))
        backlog.done()
    return found


def test_order_is_kept_through_memory_and_disk(tmp_path: Path) -> None:
    backlog = Backlog(10, Spool(tmp_path))
    backlog.start()
    for one in events(0, 100):
        backlog.put(one)
    queued, spooled = backlog.waiting()
    assert (queued, spooled) == (10, 90)
    first = ids(backlog.take(5))
    backlog.done()
    for one in events(100, 120):  # memory has room again, but these must go behind
        backlog.put(one)
    assert first + drained(backlog, 115) == list(range(120))
    assert backlog.waiting() == (0, 0)
    assert backlog.dropped == 0


def test_what_is_being_delivered_counts_towards_the_capacity() -> None:
    backlog = Backlog(10)
    for one in events(0, 10):
        backlog.put(one)
    backlog.take(8)
    for one in events(10, 20):
        backlog.put(one)
    assert (backlog.waiting()[0], backlog.dropped) == (10, 10)
    backlog.done()
    backlog.put(event(id="20"))
    assert backlog.dropped == 10


def test_the_rest_is_on_disk_after_the_end_in_order(tmp_path: Path) -> None:
    backlog = Backlog(5, Spool(tmp_path))
    backlog.start()
    for one in events(0, 20):
        backlog.put(one)
    taken = backlog.take(3)
    backlog.close(taken[1:])  # the first was delivered
    again = Backlog(5, Spool(tmp_path))
    assert again.waiting() == (0, 19)
    assert drained(again, 19) == list(range(1, 20))


def test_a_batch_from_disk_of_which_a_part_was_taken_is_kept_in_part(tmp_path: Path) -> None:
    Spool(tmp_path).append([one.encoded() for one in events(0, 10)])
    backlog = Backlog(5, Spool(tmp_path))
    taken = backlog.take(4)
    backlog.close(taken[2:])
    assert drained(Backlog(5, Spool(tmp_path)), 8) == list(range(2, 10))


def test_without_a_spool_the_newest_are_dropped_and_counted() -> None:
    backlog = Backlog(5)
    for one in events(0, 8):
        backlog.put(one)
    assert (ids(backlog.take(10)), backlog.dropped) == ([0, 1, 2, 3, 4], 3)
    assert backlog.trouble


def test_damaged_lines_are_counted_and_passed_over(tmp_path: Path) -> None:
    lines = [b"{}", b"\0\0", events(1, 2)[0].encoded(), b"[1]"]
    Spool(tmp_path).append(lines)
    backlog = Backlog(5, Spool(tmp_path))
    assert "1" in [one.get("id") for one in backlog.take(10)]
    assert backlog.dropped == 2
