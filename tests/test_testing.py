import numpy as np
import pytest

from mlids.batches import Detector, LineBatch
from mlids.events import Correlator, Event, EventSink
from mlids.testing import (
    START_NS,
    changes,
    check_correlator,
    check_detector,
    check_sink,
    cut,
    event,
    lines,
    packets,
)


def said(n):
    return Event.new("X", "LOW", "host", {"n": n}, time_ns=START_NS, rule="x", correlation_id="c")


class Good(Detector[LineBatch]):
    """Tells every second line, wherever the cuts are."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def inspect(self, batch):
        for _ in range(len(batch)):
            self.seen += 1
            if self.seen % 2 == 0:
                yield said(self.seen)

    def save(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]


class CutsMatter(Good):
    def inspect(self, batch):
        yield said(len(batch))


class Forgets(Good):
    def save(self):
        return {"seen": 0}


TEXT = lines(*(f"line {n}" for n in range(20)))


def test_a_detector_that_keeps_the_law_passes():
    assert len(check_detector(Good, TEXT)) == 10


@pytest.mark.parametrize("broken", [CutsMatter, Forgets])
def test_one_that_breaks_it_fails(broken):
    with pytest.raises(AssertionError):
        check_detector(broken, TEXT)


class Pairs(Correlator):
    """Tells every second event; forgets where it was, unless it is asked to keep it."""

    def __init__(self, keeps=True, whole=True):
        super().__init__()
        self.seen, self.keeps, self.whole = 0, keeps, whole

    def correlate(self, events):
        self.seen = self.seen if self.whole else 0
        for _ in events:
            self.seen += 1
            if self.seen % 2 == 0:
                yield said(self.seen)

    def save(self):
        return {"seen": self.seen} if self.keeps else {}

    def restore(self, state):
        self.seen = state.get("seen", 0)


def test_correlators_are_held_to_the_same_law():
    assert len(check_correlator(Pairs, [event()] * 9)) == 4
    with pytest.raises(AssertionError, match="restarted"):
        check_correlator(lambda: Pairs(keeps=False), [event()] * 9)
    with pytest.raises(AssertionError, match="cut into"):
        check_correlator(lambda: Pairs(whole=False), [event()] * 9)


def test_cuts_lose_nothing():
    for pieces in (1, 3, 7, 50):
        parts = cut(TEXT, pieces)
        assert len(parts) == pieces
        assert [p.line(r) for p in parts for r in range(len(p))] == [
            TEXT.line(r) for r in range(20)
        ]


def test_cut_packets_and_changes_know_what_time_it_is():
    batch = packets([])
    assert [len(part) for part in cut(batch, 2)] == [0, 0]
    assert cut(changes(now=5), 2)[-1].now == 5


def test_builders():
    assert event(seconds=1.5).time_ns == START_NS + 1_500_000_000
    assert event(details={"ip": "x"}).details == {"ip": "x"}
    assert lines("a", b"\xff").line(1) == b"\xff"
    assert np.array_equal(lines("ab", "c").starts, [0, 3])


def test_a_sink_is_checked():
    class Sink(EventSink):
        def send_event(self, event):
            received.append(event)

    class Loses(Sink):
        def send_event(self, event):
            pass

    received = []
    check_sink(Sink, lambda: received)
    received = []
    with pytest.raises(AssertionError, match="sent 5"):
        check_sink(Loses, lambda: received)
