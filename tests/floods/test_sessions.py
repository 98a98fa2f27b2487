from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.sessions import SHAPES, Sessions
from mlids.testing import START_NS, cut, packets

MS = 1_000_000
EVER = 1 << 62
OUT, HOST = "203.0.113.9", "192.168.1.10"


def one(way: str, time: float, size: int = 0, flags: str = "PA", port: int = 22) -> Frame:
    ends = (OUT, HOST, 4000, port) if way == ">" else (HOST, OUT, port, 4000)
    packet = c.ip(*ends[:2], 6, c.tcp(*ends[2:], flags, payload=b"x" * size))
    return Frame(START_NS + int(time * MS), c.ethernet(packet))


def failed(frames: list[Frame], pieces: int = 1) -> list[float]:
    """When sessions ended that look like failures, in ms."""
    sessions, found = Sessions(100), []
    for batch in cut(packets(frames), pieces):
        sessions.inspect(batch, np.arange(len(batch)), 0)
        saved = sessions.save()
        sessions = Sessions(100)
        sessions.restore(saved)
        found += [(time - START_NS) / MS for time, _ in sessions.failed(batch.now - 500 * MS)]
    return found + [(time - START_NS) / MS for time, _ in sessions.failed(EVER)]


def talk(ups: list[int], downs: list[int], seconds: float = 1, port: int = 22) -> list[Frame]:
    frames = [one(">", 0, 0, "S", port), one("<", 1, 0, "SA", port), one(">", 2, 0, "A", port)]
    frames += [one(">", 10 + n * 5, size, port=port) for n, size in enumerate(ups)]
    frames += [one("<", 12 + n * 5, size, port=port) for n, size in enumerate(downs)]
    end = seconds * 1000
    return [*frames, one(">", end, 0, "FA", port), one("<", end + 1, 300, "PA", port)]


UPS, DOWNS = [21, 1500, 48, 44, 60, 148], [41, 1080, 500, 44, 52, 52]


@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 9])
@pytest.mark.parametrize(
    ("ups", "downs", "seconds", "told"),
    [
        (UPS, DOWNS, 1, True),
        (UPS, [*DOWNS, 200], 1, True),
        (UPS, [*DOWNS, 201], 1, False),
        (UPS, DOWNS, 120, True),
        (UPS, DOWNS, 121, False),
        (UPS[:4], DOWNS, 1, False),
        (UPS, DOWNS[:4], 1, False),
        ([*UPS, 1400, 1400, 1400, 1400], DOWNS, 1, False),
        ([10] * 6, DOWNS, 1, False),
        (UPS, [10] * 6, 1, False),
    ],
)
def test_shape_of_ssh(
    ups: list[int], downs: list[int], seconds: float, told: bool, pieces: int
) -> None:
    assert bool(failed(talk(ups, downs, seconds), pieces)) is told


def test_when_it_ended() -> None:
    assert failed(talk(UPS, DOWNS, 3)) == [3000.0]


def test_sessions_whose_begin_was_not_seen() -> None:
    assert failed(talk(UPS, DOWNS)[1:]) == []


def test_sessions_that_did_not_end() -> None:
    assert failed(talk(UPS, DOWNS)[:-2]) == []


def test_other_ports() -> None:
    assert failed(talk(UPS, DOWNS, port=2200)) == []
    assert failed(talk(UPS, DOWNS, port=2222)) != []
    assert {shape.service for shape in SHAPES.values()} == {"ssh", "rdp", "vnc"}


def test_bounded() -> None:
    frames = []
    for n in range(250):
        packet = c.ip(OUT, HOST, 6, c.tcp(n, 22, "S"))
        frames.append(Frame(START_NS + n, c.ethernet(packet)))
    sessions = Sessions(100)
    batch = packets(frames)
    sessions.inspect(batch, np.arange(len(batch)), 0)
    assert sessions.evicted == 150
    sessions.inspect(packets([]), np.arange(0), 0)
    sessions.failed(START_NS + 3600 * 1000 * MS)
    assert len(sessions._open) == 0
