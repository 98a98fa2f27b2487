from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.oneway import ASKS, DATAGRAM, ECHO_REPLY, OTHER, OneWay
from mlids.floods.records import settled
from mlids.testing import START_NS, cut, packets

MS = 1_000_000
EVER = 1 << 62
OUT, HOST = "203.0.113.9", "192.168.1.10"
OUT6, HOST6 = "2001:db8::9", "2001:db8:1::10"


def up(time: float, sport: int = 4000) -> Frame:
    return Frame(START_NS + int(time * MS), c.ethernet(c.ip(OUT, HOST, 17, c.udp(sport, 53, b"x"))))


def down(time: float, sport: int = 4000) -> Frame:
    return Frame(START_NS + int(time * MS), c.ethernet(c.ip(HOST, OUT, 17, c.udp(53, sport, b"x"))))


def icmp(time: float, src: str, dst: str, kind: int) -> Frame:
    packet = c.ip(src, dst, 58 if ":" in src else 1, c.icmp(kind))
    return Frame(START_NS + int(time * MS), c.ethernet(packet))


def every(seen: Any) -> np.ndarray:
    return np.ones(len(seen["time"]), bool)


def judged(frames: list[Frame], pieces: int = 1) -> list[tuple[int, int, int]]:
    """Frame, kind and whether it was answered, of each row in order."""
    oneway, found = OneWay(10_000), []
    for batch in cut(packets(frames), pieces):
        found += oneway.judged(batch, 0, settled(batch.now), every).tolist()
        saved = oneway.save()
        oneway = OneWay(10_000)
        oneway.restore(saved)
    found += oneway.rest(every).tolist()
    names = oneway._held.dtype.names
    assert names is not None
    frame, kind, state = (names.index(name) for name in ("frame", "kind", "state"))
    return [(row[frame], row[kind], row[state]) for row in found]


@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize(
    ("frames", "answered"),
    [
        ([up(0)], [0]),
        ([up(0), up(5), up(9)], [0, 0, 0]),
        ([up(0), down(5)], [1, 1]),
        ([up(0), down(1000)], [1, 1]),
        ([up(0), down(1001)], [0, 0]),
        ([up(0), up(900), down(1500)], [0, 1, 1]),
        ([up(0), down(5), up(800), up(1004), up(1100)], [1, 1, 1, 1, 0]),
        ([down(0), up(5), up(6)], [1, 1, 1]),
        ([up(0), down(5, 4001)], [0, 0]),
    ],
)
def test_answers_soon_before_or_after(
    frames: list[Frame], answered: list[int], pieces: int
) -> None:
    assert [row[2] for row in judged(frames, pieces)] == answered


@pytest.mark.parametrize("pieces", [1, 3])
def test_each_row_is_given_once(pieces: int) -> None:
    frames = [up(n * 37, 4000 + n % 7) for n in range(400)]
    assert [row[0] for row in judged(frames, pieces)] == list(range(1, 401))


def test_kinds() -> None:
    frames = [
        up(0),
        icmp(1, OUT, HOST, 8),
        icmp(2, OUT, HOST, 0),
        icmp(3, OUT, HOST, 3),
        icmp(4, OUT, HOST, 13),
        icmp(5, OUT6, HOST6, 128),
        icmp(6, OUT6, HOST6, 129),
        icmp(7, OUT6, HOST6, 1),
        icmp(8, OUT6, HOST6, 135),
    ]
    kinds = [row[1] for row in judged(frames)]
    assert kinds == [DATAGRAM, ASKS, ECHO_REPLY, OTHER, ASKS, ASKS, ECHO_REPLY, OTHER]


def test_pings_are_answered_by_replies() -> None:
    frames = [icmp(0, OUT, HOST, 8), icmp(1, HOST, OUT, 0), icmp(2, OUT, "192.168.1.11", 8)]
    assert [row[2] for row in judged(frames)] == [1, 1, 0]


def test_bounded_and_goes_on_after_the_end() -> None:
    oneway = OneWay(100)
    batch = packets([up(n / 10, n) for n in range(1000)])
    assert len(oneway.judged(batch, 0, settled(START_NS))) == 900
    assert oneway.evicted == 900
    assert len(oneway._held) <= 100
    assert len(oneway.rest()) == 100
    assert len(oneway.judged(packets([up(5000)]), 0, START_NS)) == 0
    assert len(oneway.rest()) == 1
    assert len(oneway.rest()) == 0


def test_answered_rows_are_given_where_they_are_wanted() -> None:
    frames = [up(0), down(5), up(9, 4001), icmp(10, OUT, HOST, 8), icmp(11, HOST, OUT, 0)]
    oneway = OneWay(100)
    oneway.judged(packets(frames), 0, START_NS)
    assert oneway.rest()["frame"].tolist() == [3, 4, 5]
    oneway = OneWay(100)
    oneway.judged(packets(frames), 0, START_NS)
    wanted = oneway.rest(lambda seen: seen["sport"] == 53)
    assert wanted["frame"].tolist() == [2, 3, 4, 5]
    assert wanted["state"].tolist() == [1, 0, 1, 1]


def test_nothing_of_interest() -> None:
    oneway = OneWay(100)
    tcp = packets([c.ethernet(c.ip(OUT, HOST, 6, c.tcp(1, 2, "S")))])
    assert len(oneway.judged(tcp, 0, EVER)) == 0
    assert len(oneway.judged(packets([]), 0, EVER)) == 0
    assert len(oneway.rest()) == 0
