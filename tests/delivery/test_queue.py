"""Delivery as a whole: nothing lost, order kept, nobody held up, everything told once."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlids.delivery import Delivery
from mlids.errors import MLIDSError, SinkError
from mlids.events import Event, EventFilter, EventHandler, EventSink, Notifier
from mlids.metrics import Metrics
from mlids.testing import event


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def events(begin: int, end: int) -> list[Event]:
    return [event(id=str(n)) for n in range(begin, end)]


class Peer(EventSink):
    """A sink that can be away, refuse a part, or hang."""

    retry_seconds = 0.01

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.away = False
        self.hang: threading.Event | None = None
        self.part = 0.0
        self.chance = random.Random(1)
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1
        if self.away:
            raise ConnectionRefusedError("nobody listens")

    def close(self) -> None:
        self.closed += 1

    def send_batch(self, events: Sequence[Event]) -> None:
        if self.hang:
            self.hang.wait(20)
        if self.away:
            raise ConnectionResetError("gone")
        refused = [n for n in range(len(events)) if self.chance.random() < self.part]
        self.ids += [int(one["id"]) for n, one in enumerate(events) if n not in refused]
        if refused:
            raise SinkError("busy", refused=refused)


class Told(list[MLIDSError]):
    def codes(self) -> list[str]:
        return [error.code for error in self]


@pytest.fixture
def told() -> Told:
    return Told()


def test_events_arrive_once_in_order_and_are_counted(tmp_path: Path, told: Told) -> None:
    peer, metrics = Peer(), Metrics()
    delivery = Delivery(peer, "peer", spool=tmp_path, tell=told.append, metrics=metrics)
    delivery.start()
    for one in events(0, 5000):
        delivery.put(one)
    until(lambda: len(peer.ids) == 5000)
    delivery.stop(5)
    assert peer.ids == list(range(5000))
    status = delivery.status()
    assert (status.kind, status.state, status.sent) == ("sink", "ok", 5000)
    assert (status.queued, status.spooled, status.dropped) == (0, 0, 0)
    assert metrics.get("delivery_sent{handler=peer}") == 5000
    assert not told
    assert peer.closed


def test_an_outage_with_partial_refusals_loses_and_repeats_nothing(
    tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mlids")
    peer = Peer()
    peer.part = 0.1
    delivery = Delivery(peer, "peer", spool=tmp_path, tell=told.append)
    delivery.start()
    for one in events(0, 2000):
        delivery.put(one)
    peer.away = True
    for one in events(2000, 20_000):
        delivery.put(one)
    until(lambda: delivery.status().spooled > 10_000)
    until(lambda: delivery.status().state == "retrying")
    assert delivery.status().queued <= 1000
    peer.away = False
    until(lambda: len(peer.ids) >= 20_000, 20)
    delivery.stop(5)
    assert sorted(peer.ids) == list(range(20_000))
    assert delivery.status().refused > 0
    assert told.codes() == ["E104"]
    assert sum("delivers again" in line for line in caplog.messages) == 1
    assert not list((tmp_path / "peer").glob("*.jsonl"))


def test_a_second_outage_is_told_again(tmp_path: Path, told: Told) -> None:
    peer = Peer()
    delivery = Delivery(peer, "peer", spool=tmp_path, tell=told.append)
    delivery.start()
    for n in range(2):
        peer.away = True
        delivery.put(event(id=str(n)))
        until(lambda: delivery.status().state == "retrying")
        peer.away = False
        until(lambda n=n: len(peer.ids) == n + 1)
        until(lambda: delivery.status().state == "ok")
    delivery.stop()
    assert told.codes() == ["E104", "E104"]
    assert told[0].message.startswith("peer: ")


def test_what_is_not_delivered_at_the_end_comes_first_after_a_restart(tmp_path: Path) -> None:
    peer = Peer()
    peer.away = True
    first = Delivery(peer, "peer", spool=tmp_path, capacity=10, tell=lambda error: None)
    first.start()
    for one in events(0, 50):
        first.put(one)
    begin = time.monotonic()
    first.stop(5)
    assert time.monotonic() - begin < 2  # the rest is safe on disk, so nothing is waited for
    assert first.status().spooled == 50
    again = Peer()
    second = Delivery(again, "peer", spool=tmp_path)
    second.start()
    for one in events(50, 60):
        second.put(one)
    until(lambda: len(again.ids) == 60)
    second.stop()
    assert again.ids == list(range(60))


def test_a_peer_that_hangs_holds_up_neither_put_nor_stop(tmp_path: Path) -> None:
    peer = Peer()
    peer.hang = threading.Event()
    delivery = Delivery(peer, "peer", spool=tmp_path, capacity=10)
    delivery.start()
    begin = time.monotonic()
    for one in events(0, 5000):
        delivery.put(one)
    assert time.monotonic() - begin < 1
    begin = time.monotonic()
    delivery.stop(0.2)
    assert time.monotonic() - begin < 1.5
    peer.hang.set()
    again = Peer()
    second = Delivery(again, "peer", spool=tmp_path)
    second.start()
    until(lambda: len(set(again.ids)) == 5000)
    second.stop()
    assert again.ids == list(range(5000))


def test_without_a_spool_the_newest_are_dropped_told_once_and_counted(told: Told) -> None:
    peer = Peer()
    peer.away = True
    delivery = Delivery(peer, "peer", tell=told.append, capacity=10)
    delivery.start()
    for one in events(0, 100):
        delivery.put(one)
    until(lambda: len(told) == 2)
    peer.away = False
    until(lambda: len(peer.ids) == 10)
    delivery.stop()
    assert peer.ids == list(range(10))
    assert delivery.status().dropped == 90
    assert told.codes() == ["E104", "E104"]


def test_the_spool_has_a_limit_beyond_which_the_oldest_go(tmp_path: Path, told: Told) -> None:
    peer = Peer()
    peer.away = True
    peer.spool_max_bytes = 1 << 16
    delivery = Delivery(peer, "peer", spool=tmp_path, capacity=10, tell=told.append)
    delivery.start()
    for one in events(0, 3000):
        delivery.put(one)
    until(lambda: delivery.status().dropped > 1000)
    peer.away = False
    until(lambda: peer.ids and peer.ids[-1] == 2999)
    delivery.stop()
    assert len(peer.ids) + delivery.status().dropped == 3000
    assert peer.ids == sorted(peer.ids)
    assert sum("limit" in error.message for error in told) == 1


def test_a_disk_that_takes_nothing_is_survived(tmp_path: Path, told: Told) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    peer = Peer()
    peer.away = True
    delivery = Delivery(peer, "peer", spool=tmp_path / "spool", capacity=10, tell=told.append)
    delivery.start()
    for one in events(0, 50):
        delivery.put(one)
    until(lambda: delivery.status().dropped == 40)
    peer.away = False
    until(lambda: len(peer.ids) == 10)
    until(lambda: delivery.status().state == "ok")
    delivery.put(event(id="99"))
    until(lambda: 99 in peer.ids or delivery.status().dropped == 41)
    delivery.stop()
    assert sum("dropped" in error.message for error in told) == 1


def test_rejected_events_are_kept_aside_and_told_once(tmp_path: Path, told: Told) -> None:
    class Strict(Peer):
        def send_batch(self, events: Sequence[Event]) -> None:
            bad = [n for n, one in enumerate(events) if int(one["id"]) % 10 == 3]
            self.ids += [int(one["id"]) for n, one in enumerate(events) if n not in bad]
            if bad:
                raise SinkError("wrong shape", refused=[], rejected=bad)

    peer = Strict()
    delivery = Delivery(peer, "peer", spool=tmp_path, tell=told.append)
    delivery.start()
    for one in events(0, 100):
        delivery.put(one)
    until(lambda: len(peer.ids) == 90)
    delivery.stop()
    lines = (tmp_path / "peer.rejected.jsonl").read_text().splitlines()
    assert len(lines) == delivery.status().rejected == 10
    assert told.codes() == ["E104"]
    assert delivery.status().state == "ok"


def test_one_event_that_no_peer_takes_does_not_block_those_behind_it(tmp_path: Path) -> None:
    class Picky(Peer):
        def send_batch(self, events: Sequence[Event]) -> None:
            EventSink.send_batch(self, events)

        def send_event(self, event: Event) -> None:
            if event["id"] == "0":
                raise TypeError("cannot be serialised")
            self.ids.append(int(event["id"]))

    peer = Picky()
    delivery = Delivery(peer, "peer", spool=tmp_path, tell=lambda error: None)
    delivery.start()
    delivery.put(event(id="0"))
    until(lambda: delivery.status().refused > 8)
    for one in events(1, 50):
        delivery.put(one)
    until(lambda: len(peer.ids) == 49)
    until(lambda: delivery.status().rejected == 1)
    delivery.stop()


def test_an_error_that_waiting_does_not_mend_ends_it(tmp_path: Path, told: Told) -> None:
    class Unsafe(Peer):
        def open(self) -> None:
            raise MLIDSError("E002", "a token is needed")

    delivery = Delivery(Unsafe(), "peer", spool=tmp_path, tell=told.append)
    delivery.put(event(id="0"))
    delivery.start()
    until(lambda: delivery.status().state == "failed")
    delivery.put(event(id="1"))
    delivery.stop()
    assert told.codes() == ["E002"]
    assert (delivery.status().spooled, delivery.status().dropped) == (1, 1)


def test_a_port_in_use_is_told_and_taken_when_it_is_free(told: Told) -> None:
    class Server(Peer):
        def open(self) -> None:
            if self.away:
                raise MLIDSError("E008", "localhost:8080 is in use")

    peer = Server()
    peer.away = True
    delivery = Delivery(peer, "peer", tell=told.append)
    delivery.start()
    until(lambda: delivery.status().state == "failed")
    peer.away = False
    until(lambda: delivery.status().state == "ok")
    delivery.stop()
    assert told.codes() == ["E008"]


def test_a_handler_that_raises_is_told_once_and_gets_the_next(told: Told) -> None:
    class Fragile(EventHandler):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def handle_event(self, event: Event) -> None:
            self.seen.append(event["id"])
            if int(event["id"]) % 2:
                raise KeyError("ip")

    handler = Fragile()
    delivery = Delivery(handler, "fragile", tell=told.append)
    delivery.start()
    for one in events(0, 100):
        delivery.put(one)
    delivery.stop()
    status = delivery.status()
    assert handler.seen == [str(n) for n in range(100)]
    assert (status.kind, status.sent, status.failed) == ("handler", 50, 50)
    assert told.codes() == ["E107"]


class Bell(Notifier):
    def __init__(self) -> None:
        self.rung: list[Event] = []

    def notify(self, event: Event) -> None:
        self.rung.append(event)


def test_ten_thousand_repeats_are_at_most_six_notifications() -> None:
    bell = Bell()
    delivery = Delivery(bell, "bell", capacity=5)
    delivery.start()
    for n in range(10_000):
        delivery.put(event(seconds=n / 100))
    delivery.stop()
    assert len(bell.rung) <= 6
    assert sum(one.details["count"] for one in bell.rung) == 10_000
    assert delivery.status().dropped == 0


def test_what_was_held_back_is_told_at_the_end() -> None:
    bell = Bell()
    delivery = Delivery(bell, "bell")
    delivery.start()
    for n in range(4):
        delivery.put(event(seconds=n))
    delivery.stop()
    assert [one.details["count"] for one in bell.rung] == [1, 3]
    assert bell.rung[1].details["suppressed"] == 2


def test_the_filter_decides_and_a_broken_one_harms_nobody() -> None:
    class Broken(EventFilter):
        def __init__(self) -> None:
            pass

        def matches(self, event: object) -> bool:
            raise ZeroDivisionError

    peer = Peer()
    delivery = Delivery(peer, "peer", filter=EventFilter(severity=["HIGH"]))
    delivery.start()
    delivery.put(event(id="1"))
    delivery.put(event(id="2", severity="HIGH"))
    delivery.stop()
    assert peer.ids == [2]
    broken = Delivery(peer, "broken", filter=Broken())
    broken.put(event(id="3"))
    assert broken.status().dropped == 1
    broken.stop()


def test_names_from_outside_stay_inside(tmp_path: Path) -> None:
    peer = Peer()
    peer.away = True
    names = ["../../evil", "/etc/x", "", "a\0b", "x" * 4096, ".."]
    for name in names:
        delivery = Delivery(peer, name, spool=tmp_path / "spool", tell=lambda error: None)
        delivery.put(event(id="1"))
        delivery.stop()
    assert len(list((tmp_path / "spool").iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_tell_that_raises_or_puts_changes_nothing(tmp_path: Path) -> None:
    peer = Peer()
    peer.away = True

    def tell(error: MLIDSError) -> None:
        delivery.put(event(id="7"))
        raise RuntimeError("the teller is broken")

    delivery = Delivery(peer, "peer", spool=tmp_path, tell=tell)
    delivery.start()
    until(lambda: delivery.status().queued == 1)
    peer.away = False
    until(lambda: peer.ids == [7])
    delivery.stop()


def test_put_takes_a_few_microseconds() -> None:
    peer = Peer()
    peer.hang = threading.Event()
    delivery = Delivery(peer, "peer", capacity=100_000)
    delivery.start()
    made = events(0, 5000)
    best = 1.0
    for _ in range(3):
        begin = time.perf_counter()
        for one in made:
            delivery.put(one)
        best = min(best, (time.perf_counter() - begin) / len(made))
    peer.hang.set()
    delivery.stop(0.1)
    assert best < 50e-6
