"""One batch and its sink: what is taken, refused, rejected, and how long to wait."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mlids.delivery.courier import PATIENCE, Courier
from mlids.errors import MLIDSError, SinkError
from mlids.events import Event, EventSink
from mlids.testing import event

BATCH = [event(id=str(n)) for n in range(5)]


class Scripted(EventSink):
    """A sink whose author never called ``super().__init__()``."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.calls: list[str] = []

    def open(self) -> None:
        self.calls.append("open")

    def close(self) -> None:
        self.calls.append("close")

    def send_batch(self, events: Sequence[Event]) -> None:
        self.calls.append("send")
        if self.errors and (error := self.errors.pop(0)):
            raise error


def test_a_batch_that_is_taken_needs_no_wait() -> None:
    courier = Courier(Scripted())
    assert courier.open() is None
    assert courier.offer(BATCH) == (5, [], [], None, 0.0)


@pytest.mark.parametrize(
    ("error", "left", "rejected"),
    [
        (SinkError("no"), "01234", ""),
        (SinkError("some", refused=[1, 3]), "13", ""),
        (SinkError("some", refused=range(3, 5), rejected=[0]), "34", "0"),
        (SinkError("one", rejected=[2]), "0134", "2"),
        (SinkError("one", refused=[], rejected=[2]), "", "2"),
        (SinkError("both", refused=[2, 3], rejected=[2]), "3", "2"),
        (SinkError("odd", refused=[-1, 7, "x", 4]), "4", ""),  # type: ignore[list-item]
        (SinkError("odd", refused=3), "01234", ""),  # type: ignore[arg-type]
        (ValueError("anything"), "01234", ""),
    ],
)
def test_what_is_left_and_what_is_put_aside(error: Exception, left: str, rejected: str) -> None:
    courier = Courier(Scripted(error))
    courier.open()
    outcome = courier.offer(BATCH)
    assert "".join(one["id"] for one in outcome.left) == left
    assert "".join(one["id"] for one in outcome.rejected) == rejected
    assert outcome.taken == 5 - len(left) - len(rejected)
    assert isinstance(outcome.error, MLIDSError)


def test_after_a_failure_it_closes_and_opens_again() -> None:
    sink = Scripted(OSError("gone"))
    courier = Courier(sink)
    courier.open()
    courier.offer(BATCH)
    courier.open()
    courier.offer(BATCH)
    assert sink.calls == ["open", "send", "close", "open", "send"]


def test_waits_grow_up_to_the_longest_and_start_again_after_success() -> None:
    sink = Scripted(*[OSError("gone")] * 4, None, OSError("gone"))
    sink.retry_seconds = 3.0
    courier = Courier(sink)
    waits = [courier.offer(BATCH).wait_s for _ in range(6)]
    for wait, longest in zip(waits, [0.5, 1, 2, 3, 0, 0.5], strict=True):
        assert longest / 2 <= wait <= longest


def test_the_wait_that_a_peer_names_is_kept_within_the_longest() -> None:
    sink = Scripted(SinkError("busy", wait_s=7), SinkError("busy", wait_s=700))
    courier = Courier(sink)
    assert courier.offer(BATCH).wait_s == 7
    assert courier.offer(BATCH).wait_s == 30


def test_one_event_that_is_refused_for_ever_does_not_hold_up_the_others() -> None:
    class Picky(EventSink):
        def __init__(self) -> None:
            self.taken: list[str] = []

        def send_event(self, event: Event) -> None:
            if event["id"] == "2":
                raise TypeError("cannot be serialised")
            self.taken.append(event["id"])

    sink = Picky()
    courier, left, rejected = Courier(sink), list(BATCH), []
    more = [event(id="5"), event(id="6")]
    for _ in range(PATIENCE + 10):
        courier.open()
        outcome = courier.offer(left)
        left, rejected = outcome.left, rejected + outcome.rejected
        if len(left) == 1 and courier.stuck:
            left, more = left + more, []
        if not left:
            break
    assert not left
    assert [one["id"] for one in rejected] == ["2"]
    assert sorted(sink.taken) == ["0", "1", "3", "4", "5", "6"]


def test_a_peer_that_is_away_rejects_nothing() -> None:
    courier = Courier(Scripted(*[OSError("gone")] * 200))
    for _ in range(40):
        outcome = courier.offer(BATCH)
        assert outcome.left == BATCH
        assert not outcome.rejected


def test_a_batch_that_is_too_large_is_no_fault_of_its_first_event() -> None:
    class Small(EventSink):
        def __init__(self) -> None:
            self.taken: list[str] = []

        def send_batch(self, events: Sequence[Event]) -> None:
            if len(events) > 1:
                raise OSError("too large")
            self.taken.append(events[0]["id"])

    sink = Small()
    courier, left = Courier(sink), list(BATCH)
    for _ in range(60):
        outcome = courier.offer(left)
        left = outcome.left
        assert not outcome.rejected
        if not left:
            break
    assert sink.taken == ["0", "1", "2", "3", "4"]


def test_errors_of_open_keep_their_code() -> None:
    class Taken(Scripted):
        def open(self) -> None:
            raise MLIDSError("E008", "localhost:8080 is in use")

    outcome = Courier(Taken()).open()
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.code == "E008"
    assert outcome.wait_s > 0
