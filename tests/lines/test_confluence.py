from __future__ import annotations

import threading
import time

import pytest

from mlids.batches import InputStatus, LineBatch, Monitor
from mlids.errors import MLIDSError
from mlids.lines import confluence
from mlids.lines.confluence import Confluence
from mlids.testing import lines


class Source(Monitor):
    """Gives numbered batches; what it does besides is said by the test."""

    kind = LineBatch

    def __init__(self, label, count=3, pace=0.0, fails=(), forbidden=0):
        self.label, self.count, self.pace = label, count, pace
        self.fails, self.forbidden = set(fails), forbidden
        self.given = 0
        self.kept = None
        self.opened = self.closed = 0
        self.now = 0

    @property
    def name(self):
        return self.label

    def open(self):
        self.opened += 1
        if self.forbidden:
            self.forbidden -= 1
            raise MLIDSError("E005", f"{self.label} is missing")

    def batches(self, stop):
        while self.given < self.count and not stop.is_set():
            self.given += 1
            if self.given in self.fails:
                self.fails.discard(self.given)
                raise RuntimeError(f"{self.label} broke")
            yield lines(f"{self.label} {self.given}", source=self.label)
            stop.wait(self.pace)
        while self.now and not stop.is_set():
            stop.wait(0.01)
            yield heartbeat(self.now)

    def reached(self):
        return self.given

    def delivered(self, reached=None):
        self.kept = reached

    def close(self):
        self.closed += 1

    def inputs(self):
        return [InputStatus(self.label, "log")]


def heartbeat(now):
    empty = lines()
    return LineBatch(b"", empty.starts, empty.ends, empty.numbers, "x", now=now)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(confluence, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(confluence, "WAIT_S", 0.02)


def read(monitor, until=None, seconds=5.0):
    stop, found, deadline = threading.Event(), [], time.monotonic() + seconds
    for batch in monitor.batches(stop):
        found += [(batch.line(n).decode(), batch.source) for n in range(len(batch))]
        if until and until(found, batch):
            stop.set()
        assert time.monotonic() < deadline, found
    return found


def test_everything_of_all_arrives_in_the_order_of_each():
    monitor = Confluence([Source("a", 200), Source("b", 100), Source("c", 0)])
    monitor.open()
    found = read(monitor)
    for label, count in (("a", 200), ("b", 100)):
        assert [t for t, s in found if s == label] == [f"{label} {n + 1}" for n in range(count)]
    assert monitor.name == "logs"
    assert [one.name for one in monitor.inputs()] == ["a", "b", "c"]


def test_checkpoints_move_only_over_what_was_taken():
    sources = [Source("a", 1000), Source("b", 1000)]
    monitor = Confluence(sources)
    monitor.open()
    stop, taken = threading.Event(), {"a": 0, "b": 0}
    for batch in monitor.batches(stop):
        if len(batch):
            time.sleep(0.001)  # so that both read ahead
            taken[batch.source] += 1
            monitor.delivered()
            for one in sources:
                assert (one.kept or 0) <= taken[one.label]
            assert sources[0 if batch.source == "a" else 1].kept == taken[batch.source]
        if sum(taken.values()) >= 300:
            stop.set()
    monitor.delivered()
    assert [one.kept for one in sources] == [taken["a"], taken["b"]]
    assert all(
        one.given - taken[one.label] <= 1 for one in sources
    )  # the rest was given at the end


def test_a_slow_lane_makes_all_wait():
    source = Source("a", 1000)
    monitor = Confluence([source, Source("b", 1000)])
    monitor.open()
    stop = threading.Event()
    batches = monitor.batches(stop)
    next(batches)
    time.sleep(0.2)
    assert source.given <= confluence.ROOM + 3
    stop.set()
    list(batches)


def test_a_busy_one_does_not_starve_another():
    monitor = Confluence([Source("busy", 10_000), Source("rare", 20)])
    monitor.open()
    found = read(monitor, lambda found, _: sum(s == "rare" for _, s in found) == 20)
    assert len(found) < 2000


def test_one_that_fails_is_opened_again_alone(monkeypatch):
    told = []
    broken, good = Source("broken", 3, fails=[2]), Source("good", 30, pace=0.1)
    monitor = Confluence([broken, good])
    monitor.tell = told.append
    monitor.open()
    found = read(monitor)
    assert [t for t, s in found if s == "broken"] == ["broken 1", "broken 3"]
    assert len(found) == 32
    assert (broken.opened, good.opened) == (2, 1)
    assert [error.code for error in told] == ["E103"]


def test_one_that_cannot_be_opened_is_told_and_tried_again():
    told, missing = [], Source("missing", 1, forbidden=1)
    good = Source("good", 1000, pace=0.01)
    monitor = Confluence([missing, good])
    monitor.tell = told.append
    monitor.open()
    assert [error.code for error in told] == ["E005"]
    assert [one.state for one in monitor.inputs()] == ["failed", "ok"]
    found = read(monitor, lambda found, _: any(s == "missing" for _, s in found))
    assert ("missing 1", "missing") in found
    assert [one.state for one in monitor.inputs()] == ["ok", "ok"]


def test_where_none_can_be_opened_the_first_error_is_raised():
    monitor = Confluence([Source("a", forbidden=1), Source("b", forbidden=1)])
    with pytest.raises(MLIDSError, match="a is missing"):
        monitor.open()


def test_heartbeats_tell_what_the_slowest_knows():
    early, late = Source("early", 0), Source("late", 0)
    early.now, late.now = 1_000, 2_000
    monitor = Confluence([early, late])
    monitor.open()
    seen = []
    read(monitor, lambda _, batch: seen.append(batch.now) or len(seen) == 5)
    assert set(seen) <= {0, 1_000}
    assert seen[-1] == 1_000


def test_what_was_read_before_a_stop_is_given():
    source = Source("a", 100)
    monitor = Confluence([source])
    monitor.open()
    found = read(monitor, lambda found, _: len(found) == 1)
    assert len(found) == source.given
    monitor.close()
    assert source.closed
