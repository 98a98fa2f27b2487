from __future__ import annotations

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.oddities import senders
from mlids.oddities.senders import KNOWN, Senders
from mlids.testing import START_NS, cut, packets
from tests.capture.test_checksums import summed

A, B = "192.0.2.1", "198.51.100.2"


@pytest.fixture(autouse=True)
def every_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "ONE_CONTROL_IN", 1)


def frames(right: str, src: str = A, flags: str = "S", ttl: int = 64) -> list[Frame]:
    """One packet for each letter: r right, w wrong."""
    made = []
    for n, letter in enumerate(right):
        segment = summed((src, B), 6, c.tcp(4000, 80, flags, seq=n))
        if letter == "w":
            segment = segment[:17] + bytes([segment[17] ^ 1]) + segment[18:]
        packet = c.ethernet(c.ipv4(src, B, 6, segment, ttl=ttl))
        made.append(Frame(START_NS + n * 1000, packet))
    return made


def told(made: list[Frame], pieces: int = 1) -> list[int]:
    one, found = Senders(100), []
    for batch in cut(packets(made), pieces):
        found += [int(batch.frame[row]) for row in one.inspect(batch)]  # type: ignore[union-attr, arg-type]
    return found


@pytest.mark.parametrize("pieces", [1, 2, 5, 30])
def test_what_a_sender_showed_before_decides(pieces: int) -> None:
    known = "r" * KNOWN
    assert told(frames(known + "w"), pieces) == [KNOWN + 1]
    assert told(frames(known[1:] + "w"), pieces) == []
    assert told(frames("w" * 30), pieces) == []
    assert told(frames(known + "w" + "w"), pieces) == [KNOWN + 1, KNOWN + 2]
    assert told(frames(known + "www"), pieces) == [KNOWN + 1, KNOWN + 2]  # beyond one in ten


def test_a_router_between_proves_that_no_card_here_made_it() -> None:
    assert told(frames("w", ttl=63)) == [1]
    assert told(frames("w", ttl=128)) == []


def test_resets_say_nothing() -> None:
    assert told(frames("r" * 30, flags="RA") + frames("w")) == []


def test_senders_are_counted_apart_and_survive() -> None:
    one, other = Senders(100), Senders(100)
    one.inspect(packets(frames("r" * KNOWN)))
    other.restore(one.save())
    assert len(other.inspect(packets(frames("w")))) == 1
    assert len(other.inspect(packets(frames("w", src="192.0.2.9")))) == 0
    assert other.evicted == 0
