"""Packets outside connections, batch by batch and against a plain twin."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.scans.contacts import Kind
from mlids.scans.flags import classed
from mlids.scans.strays import Strays
from mlids.testing import START_NS, cut, packets

MS, GRACE = 1_000_000, 3_000_000_000
OUT, HOST = "203.0.113.9", "192.168.1.10"


def up(at: int, flags: str, port: int = 22, payload: bytes = b"", sport: int = 40000) -> Frame:
    packet = c.ip(OUT, HOST, 6, c.tcp(sport, port, flags, payload=payload))
    return Frame(START_NS + at * MS, c.ethernet(packet))


def down(at: int, flags: str, port: int = 22, payload: bytes = b"", sport: int = 40000) -> Frame:
    packet = c.ip(HOST, OUT, 6, c.tcp(port, sport, flags, payload=payload))
    return Frame(START_NS + at * MS, c.ethernet(packet))


def later(at: int) -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806))


def told(strays: Strays, frames: list[Frame], pieces: int = 1) -> list[tuple[Any, ...]]:
    """Kind, port, milliseconds and whether it was reset."""
    found = []
    for batch in cut(packets(frames), pieces):
        for records in strays.inspect(batch, classed(batch), 0):
            for row in records:
                at = (int(row["time"]) - START_NS) // MS
                found.append((Kind(int(row["kind"])), int(row["port"]), at, int(row["socket"])))
    return sorted(found)


def shown(*frames: Frame) -> list[tuple[Any, ...]]:
    whole = told(Strays(GRACE, 1000), list(frames))
    for pieces in (2, len(frames)):
        assert told(Strays(GRACE, 1000), list(frames), pieces) == whole
    return whole


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([up(0, "A"), later(3001)], [(Kind.ACK, 22, 3000, 0)]),
        ([up(0, "A"), later(3000)], []),
        ([up(0, "A"), down(5, "R"), later(9000)], [(Kind.ACK, 22, 5, 1)]),
        ([up(0, "FA"), down(5, "RA"), later(9000)], [(Kind.MAIMON, 22, 5, 1)]),
        ([up(0, "FA"), later(3001)], [(Kind.MAIMON, 22, 3000, 0)]),
        ([up(0, "FA"), down(2900, "FA"), later(9000)], []),
        ([up(0, "A"), down(5, "A"), later(9000)], []),
        ([up(0, "A"), down(5, "PA", payload=b"x"), later(9000)], []),
        ([up(0, "A"), up(5, "PA", payload=b"x"), later(9000)], []),  # one direction of two
        ([up(0, "A"), up(100, "A"), later(9000)], [(Kind.ACK, 22, 3000, 0)]),
        ([up(0, "A"), up(100, "A"), up(200, "A"), later(9000)], []),  # a conversation
        ([up(0, "S"), up(30, "A"), up(500, "FA"), later(9000)], []),  # one direction of two
        ([up(0, "S"), up(3500, "A"), later(9000)], [(Kind.ACK, 22, 6500, 0)]),
        ([up(0, "S"), down(1, "RA"), up(30, "A"), later(9000)], [(Kind.ACK, 22, 3030, 0)]),
        ([up(0, "S"), down(1, "SA"), up(9000, "A"), later(19000)], []),
        ([down(0, "SA"), up(9000, "FA"), later(19000)], []),
        ([up(0, "PA"), later(9000)], []),  # neither bare nor of a scan
        ([down(0, "A"), later(9000)], []),  # of a server, to a client's port
        ([up(0, "F")], [(Kind.FIN, 22, 0, 0)]),
        ([up(0, ""), up(1, "FPU")], [(Kind.NULL, 22, 0, 0), (Kind.XMAS, 22, 1, 0)]),
        ([up(0, "S"), down(1, "SA"), up(2, "F"), up(3, "")], []),
        ([up(0, "PA", payload=b"x"), up(9000, "FPU")], []),
        ([up(0, "S"), up(1, ""), down(2, "SA")], [(Kind.NULL, 22, 1, 0)]),
        ([up(0, "S"), down(1, "RA"), up(2, "F")], [(Kind.FIN, 22, 2, 0)]),
    ],
)
def test_what_packets_show(frames: list[Frame], expected: list[Any]) -> None:
    assert shown(*frames) == expected


class Plain:
    """One connection, followed one packet at a time."""

    def __init__(self) -> None:
        self.known = False
        self.hello: dict[int, int] = {}  # by side: time of its latest SYN
        self.asked: dict[int, list[Any]] = {}  # by side: first, last, kind, packets
        self.found: list[tuple[Any, ...]] = []

    def tick(self, now: int) -> None:
        for side, (first, last, kind, packets_of, told_already) in list(self.asked.items()):
            if first + 3000 < now and not told_already:
                if packets_of < 3 and kind is not None and side == 0:
                    self.found.append((kind, 22, first + 3000, 0))
                self.asked[side][4] = True
            if last + 3000 < now:
                del self.asked[side]

    def see(self, side: int, at: int, flags: str, payload: bool) -> None:
        self.tick(at)
        bits = set(flags) - {"P"}
        ack = "A" in bits and not bits & {"S", "R"}
        if (ack and payload) or bits == {"S", "A"}:
            self.known = True
        if self.known:
            self.asked.clear()
            return
        if bits == {"S"}:
            self.hello[side] = at
        elif bits in ({"R"}, {"R", "A"}):
            self.hello.pop(1 - side, None)
            if run := self.asked.pop(1 - side, None):
                first, _, kind, _, told_already = run
                if at - first <= 3000 and not told_already and kind is not None and side == 1:
                    self.found.append((kind, 22, at, 1))
        elif ack:
            other = self.asked.get(1 - side)
            if at - self.hello.get(side, -9999) <= 3000 or (other and at - other[0] <= 3000):
                self.known = True
                self.asked.clear()
                return
            if other:  # later than the grace: that run is over
                del self.asked[1 - side]
            kind = {"A": Kind.ACK, "FA": Kind.MAIMON}.get(flags)
            run = self.asked.setdefault(side, [at, at, kind, 0, False])
            run[1], run[3] = at, run[3] + (at - run[0] <= 3000)
            self.hello.pop(side, None)


@pytest.mark.parametrize("seed", range(60))
def test_a_plain_twin_says_the_same_however_cut(seed: int) -> None:
    chance = random.Random(seed)
    frames, plain, at = [], Plain(), 0
    for _ in range(chance.randrange(2, 14)):
        at += chance.choice([1, 400, 1700, 2999, 3500])
        side = chance.randrange(2)
        flags = chance.choice(["S", "A", "A", "A", "FA", "FA", "R", "RA", "PA"])
        payload = chance.random() < 0.05 and "S" not in flags
        make = down if side else up
        frames.append(make(at, flags, payload=b"x" if payload else b""))
        plain.see(side, at, flags, payload)
    plain.tick(at + 9001)
    assert shown(*frames, later(at + 9001)) == sorted(plain.found)


def test_the_end_leaves_nothing_waiting_and_tells_once() -> None:
    strays, again = Strays(GRACE, 1000), Strays(GRACE, 1000)
    assert told(strays, [up(0, "A"), up(1, "FA", 23)]) == []
    again.restore(strays.save())
    for each in (strays, again):
        [rest] = each.flush()
        assert rest["kind"].tolist() == [Kind.ACK, Kind.MAIMON]
        assert each.flush() == []


def test_connections_are_known_after_a_restart() -> None:
    strays, again = Strays(GRACE, 1000), Strays(GRACE, 1000)
    told(strays, [up(0, "S"), down(1, "SA"), up(2, "S", 23)])
    again.restore(strays.save())
    assert told(again, [up(9, "A"), up(9, "A", 23), later(9000)]) == []


def test_bare_acks_in_doubt_are_handed_on() -> None:
    strays = Strays(GRACE, 1000)
    told(strays, [up(0, "A"), up(1, "PA", 23, b"x"), up(2, "A", 23), up(3, "FA", 24)])
    assert strays.bare.tolist() == [0]


def test_waiting_is_bounded() -> None:
    strays = Strays(GRACE, 50)
    told(strays, [up(n // 10, "A", 1 + n) for n in range(500)])
    assert len(strays.attempts.pending) == 50
    assert strays.attempts.evicted == 450
