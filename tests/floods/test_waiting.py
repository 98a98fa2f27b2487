from __future__ import annotations

from mlids.floods.waiting import Waiting
from mlids.testing import START_NS
from tests.floods.test_records import some


def test_waiting_gives_each_record_once() -> None:
    waiting = Waiting(100)
    waiting.take(some())
    assert len(waiting.closed(START_NS)) == 0
    assert waiting.closed(START_NS + 2_000_000)["sport"].tolist() == [0, 1]
    again = Waiting(100)
    again.restore(waiting.save())
    assert again.closed(START_NS + 10**12)["sport"].tolist() == [2, 3, 4]
    assert len(again.closed(START_NS + 10**12)) == 0


def test_waiting_is_bounded() -> None:
    waiting = Waiting(10)
    waiting.take(some(25))
    assert len(waiting.closed(0)) == 15
    assert waiting.evicted == 15
    assert len(waiting.held) == 10
