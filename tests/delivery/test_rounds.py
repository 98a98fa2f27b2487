"""Rounds of sinks and of handlers, one at a time and without a thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlids.delivery import tellings
from mlids.delivery.account import Account, DeliveryStatus
from mlids.delivery.backlog import Backlog
from mlids.delivery.rejects import Rejects
from mlids.delivery.rounds import CallRounds, SinkRounds
from mlids.errors import MLIDSError, SinkError
from mlids.events import Event, EventSink, Notifier
from mlids.metrics import Metrics
from mlids.testing import START_NS, event


class Sink(EventSink):
    batch_size = 3

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.error: Exception | None = None

    def send_batch(self, events: Sequence[Event]) -> None:
        self.batches.append([one["id"] for one in events])
        if self.error:
            raise self.error


class Bell(Notifier):
    def __init__(self) -> None:
        self.rung: list[Event] = []

    def notify(self, event: Event) -> None:
        self.rung.append(event)


def kept(backlog: Backlog, kind: str) -> Account:
    return Account(DeliveryStatus("x", kind), backlog, Metrics(), lambda error: None)


@pytest.fixture
def sink() -> Sink:
    return Sink()


def rounds_of(sink: Sink) -> SinkRounds:
    backlog = Backlog(100)
    rounds = SinkRounds(sink, backlog, kept(backlog, "sink"), Rejects(None))
    for n in range(5):
        rounds.put(event(id=str(n)))
    return rounds


def test_batches_are_as_large_as_the_sink_wants(sink: Sink) -> None:
    rounds = rounds_of(sink)
    assert [rounds.round() for _ in range(3)] == [0.0, 0.0, None]
    assert sink.batches == [["0", "1", "2"], ["3", "4"]]


def test_what_is_refused_goes_before_what_waits(sink: Sink) -> None:
    rounds = rounds_of(sink)
    sink.error = SinkError("busy", refused=[2])
    assert rounds.round() == 0.5
    assert not rounds.away
    sink.error = None
    rounds.round()
    rounds.round()
    assert sink.batches == [["0", "1", "2"], ["2"], ["3", "4"]]


def test_nothing_taken_means_away(sink: Sink) -> None:
    rounds = rounds_of(sink)
    sink.error = OSError("gone")
    pause_s = rounds.round()
    assert pause_s is not None
    assert pause_s > 0
    assert rounds.away
    sink.error = None
    rounds.round()
    assert not rounds.away


def test_after_the_end_events_are_counted_as_dropped(sink: Sink) -> None:
    rounds = rounds_of(sink)
    sink.error = MLIDSError("E005", "a package is missing")
    rounds.round()
    assert rounds.ended
    rounds.put(event(id="9"))
    assert rounds._account.now().dropped == 6


def test_a_quiet_episode_is_told_without_another_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tellings, "QUIET_S", 60.0)
    bell, backlog, clock = Bell(), Backlog(100), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    rounds = CallRounds(bell, backlog, kept(backlog, "notifier"))
    for n in range(4):
        rounds.put(event(seconds=n))
    while rounds.round() is not None:
        pass
    assert [one.details["count"] for one in bell.rung] == [1]
    clock[0] += 3700
    while rounds.round() is not None:
        pass
    assert [one.details["count"] for one in bell.rung] == [1, 3]
    assert bell.rung[1].time_ns < START_NS + 10**10


def test_abandoned_sinks_keep_what_they_can(tmp_path: Path, sink: Sink) -> None:
    from mlids.delivery.spool import Spool

    backlog = Backlog(100, Spool(tmp_path))
    rounds = SinkRounds(sink, backlog, kept(backlog, "sink"), Rejects(None))
    rounds.put(event(id="1"))
    rounds.abandon()
    rounds.abandon()
    assert len(Spool(tmp_path)) == 1
