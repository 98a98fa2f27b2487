from __future__ import annotations

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.findings import Finding
from mlids.floods.http import HttpFloods
from mlids.testing import START_NS, packets

MS = 1_000_000
EVER = 1 << 62
GET = b"GET /index.html HTTP/1.1\r\n\r\n"


def request(time: float, src: str, data: bytes = GET, port: int = 80, flags: str = "PA") -> Frame:
    packet = c.ip(src, "192.168.1.10", 6, c.tcp(4000, port, flags, payload=data))
    return Frame(START_NS + int(time * MS), c.ethernet(packet))


def found(frames: list[Frame], rate: int = 20) -> list[Finding]:
    floods = HttpFloods(rate, 100_000)
    floods.inspect(packets(frames), 0)
    again = HttpFloods(rate, 100_000)
    again.restore(floods.save())
    return list(again.findings(EVER, 1.0))


@pytest.mark.parametrize(("count", "told"), [(99, False), (100, True)])
def test_one_source(count: int, told: bool) -> None:
    assert bool(found([request(n * 45, "203.0.113.9") for n in range(count)])) is told


@pytest.mark.parametrize(
    ("data", "port", "flags", "told"),
    [
        (b"POST /login HTTP/1.1\r\n", 8080, "PA", True),
        (b"HEAD / HTTP/1.1\r\n\r\n", 8000, "PA", True),
        (b"x" * 40, 80, "PA", False),
        (GET, 443, "PA", False),
        (GET, 80, "A", False),
        (b"GET /", 80, "PA", False),
    ],
)
def test_what_is_a_request(data: bytes, port: int, flags: str, told: bool) -> None:
    frames = [request(n * 10, "203.0.113.9", data, port, flags) for n in range(300)]
    assert bool(found(frames)) is told


def test_many_sources() -> None:
    def crowd(sources: int, count: int) -> list[Frame]:
        return [request(n, f"203.0.{n % sources // 200}.{n % sources % 200}") for n in range(count)]

    told = found(crowd(400, 2500))
    assert told
    assert all(one.confidence == 0.6 for one in told)
    assert found(crowd(400, 1900)) == []


def test_visitors() -> None:
    frames = [request(n * 5, f"203.0.113.{n % 40}") for n in range(1000)]
    assert found(frames) == []
    assert found([]) == []
