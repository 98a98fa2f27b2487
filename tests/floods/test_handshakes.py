from __future__ import annotations

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.handshakes import COMPLETED, HALF_OPEN, REFUSED, Handshakes
from mlids.floods.records import settled
from mlids.floods.tally import Tally
from mlids.testing import START_NS, cut, packets

MS = 1_000_000
EVER = 1 << 62
OUT, HOST = "203.0.113.9", "192.168.1.10"


def tcp(
    time: float, src: str, dst: str, sport: int, port: int, flags: str, data: bytes = b""
) -> Frame:
    packet = c.ip(src, dst, 6, c.tcp(sport, port, flags, payload=data))
    return Frame(START_NS + int(time * MS), c.ethernet(packet))


def up(time: float, flags: str, sport: int = 4000) -> Frame:
    return tcp(time, OUT, HOST, sport, 80, flags)


def down(time: float, flags: str, sport: int = 4000) -> Frame:
    return tcp(time, HOST, OUT, 80, sport, flags)


def states(frames: list[Frame], pieces: int = 1, least: float = 1) -> list[int]:
    handshakes, tally = Handshakes(1000), Tally(100 * MS, 10, least)
    found = []
    for batch in cut(packets(frames), pieces):
        handshakes.inspect(batch, 0)
        until = settled(batch.now)
        handshakes.settle(batch, until, tally, 1.0)
        found += handshakes.closed(until)["state"].tolist()
        saved = handshakes.save()
        handshakes = Handshakes(1000)
        handshakes.restore(saved)
    return found + handshakes.closed(EVER)["state"].tolist()


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize(
    ("frames", "state"),
    [
        ([up(0, "S")], HALF_OPEN),
        ([up(0, "S"), down(1, "SA")], HALF_OPEN),
        ([up(0, "S"), down(1, "SA"), up(2, "A")], COMPLETED),
        ([up(0, "S"), up(2, "A")], COMPLETED),
        ([up(0, "S"), up(999, "A")], COMPLETED),
        ([up(0, "S"), up(1001, "A")], HALF_OPEN),
        ([up(0, "S"), down(2, "A")], HALF_OPEN),
        ([up(0, "S"), down(1, "RA")], REFUSED),
        ([up(0, "S"), down(1001, "RA")], HALF_OPEN),
        ([up(0, "S"), down(1, "SA"), up(2, "R")], HALF_OPEN),
        ([up(0, "S"), down(1, "R"), up(2, "A")], COMPLETED),
        ([up(1, "A"), up(2, "S")], HALF_OPEN),
    ],
)
def test_what_becomes_of_a_syn(frames: list[Frame], state: int, pieces: int) -> None:
    assert states(frames, pieces) == [state]


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_each_of_several_syns_of_one_flow(pieces: int) -> None:
    frames = [up(0, "S"), up(1000, "S"), up(1500, "A"), up(3000, "S"), down(3001, "RA")]
    assert states(frames, pieces) == [HALF_OPEN, COMPLETED, REFUSED]


def test_many_syns_and_answers_of_one_flow_are_matched_at_once() -> None:
    frames = []
    for n in range(4000):
        frames += [up(n * 0.1, "S"), down(n * 0.1 + 0.05, "RA")]
    assert set(states(frames)) == {REFUSED}


def test_flows_are_kept_apart() -> None:
    frames = [up(n, "S", 4000 + n) for n in range(100)]
    frames += [up(n + 200, "A", 4000 + n) for n in range(0, 100, 2)]
    assert states(frames) == [COMPLETED, HALF_OPEN] * 50


def test_only_first_packets_of_connections_are_taken() -> None:
    handshakes = Handshakes(100)
    batch = packets([up(0, "SA"), up(1, "A"), up(2, "S"), up(3, "FA"), up(4, "SEC")])
    made, flow = handshakes.inspect(batch, 0)
    assert made["frame"].tolist() == [3, 5]
    assert len(flow) == 2
    assert len(handshakes.inspect(packets([]), 0)[0]) == 0


def test_bounded() -> None:
    handshakes = Handshakes(50)
    handshakes.inspect(packets([up(n, "S", n) for n in range(80)]), 0)
    assert len(handshakes.closed(0)) == 30
    assert handshakes.evicted == 30
