from __future__ import annotations

import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import HOME, Networks
from mlids.floods.singles import SinglePackets
from mlids.testing import packets

EVER = 1 << 62
HOST = "192.168.1.10"


def found(frames: list[bytes], kind: int = 1) -> list[tuple[str, str]]:
    singles = SinglePackets(Networks(HOME), 1000)
    singles.inspect(packets(frames, kind=kind), 0)
    return [(one.technique, one.target) for one in singles.findings(EVER, 1.0)]


def land(protocol: int = 6, ports: tuple[int, int] = (80, 80), **more: str) -> bytes:
    payload = {6: c.tcp(*ports, "S"), 17: c.udp(*ports), 1: c.icmp(8), 47: b"x" * 20}[protocol]
    return c.ethernet(c.ip(HOST, HOST, protocol, payload), **more)


@pytest.mark.parametrize("protocol", [1, 6, 17])
def test_land(protocol: int) -> None:
    assert found([land(protocol)]) == [("land", HOST)]


def test_what_is_no_land_attack() -> None:
    zero = "00:00:00:00:00:00"
    assert found([land(6, (4000, 80)), land(17, (0, 0)), land(47), land(src=zero, dst=zero)]) == []
    bare = land()[14:]
    cooked = bytes.fromhex("00000304000600000000000000000800")
    assert found([cooked + bare], kind=113) == []
    assert found([bytes.fromhex("02000000") + bare], kind=0) == []
    assert found([bare], kind=101) == [("land", HOST)]


@pytest.mark.parametrize(
    ("to", "count", "told"),
    [
        ("192.168.1.255", 10, True),
        ("192.168.1.255", 9, False),
        ("198.51.100.255", 30, False),  # not ours: it may be a host
        ("255.255.255.255", 10, True),
        ("192.168.1.1", 30, False),
    ],
)
def test_smurf(to: str, count: int, told: bool) -> None:
    frames = [c.ethernet(c.ip(HOST, to, 1, c.icmp(8))) for _ in range(count)]
    assert found(frames) == ([("smurf", HOST)] if told else [])


def test_answers_to_everybody_are_no_requests() -> None:
    assert found([c.ethernet(c.ip(HOST, "255.255.255.255", 1, c.icmp(0))) for _ in range(30)]) == []


def test_both_in_one_batch() -> None:
    smurf = [c.ethernet(c.ip(HOST, "192.168.1.255", 1, c.icmp(8)))] * 12
    assert sorted(found([land(), *smurf, land(1)])) == [("land", HOST), ("smurf", HOST)]
