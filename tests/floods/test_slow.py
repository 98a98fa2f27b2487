from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.handshakes import Handshakes
from mlids.floods.records import settled
from mlids.floods.slow import SlowRequests
from mlids.testing import START_NS, cut, packets

MS = 1_000_000
OUT, HOST = "203.0.113.9", "192.168.1.10"
BEGIN = b"GET / HTTP/1.1\r\n"


def up(time: float, sport: int, flags: str = "PA", data: bytes = b"", port: int = 80) -> Frame:
    packet = c.ip(OUT, HOST, 6, c.tcp(sport, port, flags, payload=data))
    return Frame(START_NS + int(time * 1000) * MS, c.ethernet(packet))


def down(time: float, sport: int, flags: str = "PA", data: bytes = b"", port: int = 80) -> Frame:
    packet = c.ip(HOST, OUT, 6, c.tcp(port, sport, flags, payload=data))
    return Frame(START_NS + int(time * 1000) * MS, c.ethernet(packet))


def later(time: float) -> Frame:
    return Frame(
        START_NS + int(time * 1000) * MS, c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806)
    )


def found(frames: list[Frame], pieces: int = 1, least: int = 1) -> list[float]:
    """When connections were found slow, in seconds."""
    handshakes, slow, times = Handshakes(1000), SlowRequests(least, 1000), []
    for batch in cut(packets(frames), pieces):
        syns, flow = handshakes.inspect(batch, 0)
        slow.inspect(batch, syns, flow)
        until = settled(batch.now)
        handshakes.closed(until)
        times += [(f.time_ns - START_NS) / 1e9 for f in slow.findings(until)]
        saved = slow.save()
        slow = SlowRequests(least, 1000)
        slow.restore(saved)
    return times


@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize(
    ("middle", "times"),
    [
        ([up(1, 4000, data=BEGIN)], [10.0]),
        ([up(1, 4000, data=BEGIN), up(9, 4000, data=b"X-a: b\r\n")], [10.0]),
        ([up(1, 4000, data=BEGIN), up(9, 4000, data=b"\r\n")], []),
        ([up(1, 4000, data=BEGIN + b"\r\n")], []),
        ([up(1, 4000, data=BEGIN), up(11, 4000, data=b"\r\n")], [10.0]),
        ([up(1, 4000, data=BEGIN), down(9, 4000, data=b"x")], []),
        ([up(1, 4000, data=BEGIN), down(11, 4000, data=b"x")], [10.0]),
        ([up(1, 4000, data=BEGIN), down(9, 4000, "FA")], []),
        ([up(1, 4000, data=BEGIN), up(9, 4000, "R")], []),
        ([up(1, 4000, data=BEGIN), down(11, 4000, "FA")], [10.0]),
        ([up(1, 4000, data=BEGIN), up(9, 4000, data=b"x" * 990)], []),
        ([up(1, 4000, data=BEGIN), up(11, 4000, data=b"x" * 990)], [10.0]),
        ([up(1, 4000, data=BEGIN), up(5, 4000, "S"), up(6, 4000, data=BEGIN)], [15.0]),
        ([], []),
        ([up(11, 4000, data=BEGIN)], []),
    ],
)
def test_what_is_slow(middle: list[Frame], times: list[float], pieces: int) -> None:
    assert found([up(0, 4000, "S"), *middle, later(30)], pieces) == times


@pytest.mark.parametrize(("data", "count"), [(b"GET /", 1), (b"POST /", 1), (b"hello", 0)])
def test_what_looks_like_a_request_elsewhere(data: bytes, count: int) -> None:
    frames = [up(0, 4000, "S", port=7000), up(1, 4000, data=data, port=7000), later(30)]
    assert len(found(frames)) == count


def test_connections_at_a_time() -> None:
    frames = []
    for n in range(6):  # each lives for 25 s, one begins every 5 s
        frames += [up(n * 5, 4000 + n, "S"), up(n * 5 + 1, 4000 + n, data=BEGIN)]
        frames.append(down(n * 5 + 25, 4000 + n, "FA"))
    frames.append(later(90))
    assert found(frames, least=3) == [20.0, 25.0, 30.0, 35.0]
    assert found(frames, least=4) == []


def test_nothing_is_kept_of_connections_that_answered() -> None:
    frames = []
    for n in range(100):
        frames += [
            up(n / 100, n, "S"),
            up(n / 100, n, data=BEGIN),
            down(n / 100, n, data=b"HTTP/1.1 200"),
        ]
    handshakes, slow = Handshakes(1000), SlowRequests(2, 1000)
    batch = packets(frames)
    slow.inspect(batch, *handshakes.inspect(batch, 0))
    assert len(slow._open) == 0


def test_bounded() -> None:
    batch = packets([up(n / 1000, n, "S") for n in range(300)])
    handshakes, slow = Handshakes(1000), SlowRequests(2, 100)
    slow.inspect(batch, *handshakes.inspect(batch, 0))
    assert slow.evicted == 200
    assert len(slow._open) == 100
    assert np.array_equal(slow._open["syn"]["sport"], np.arange(200, 300))
