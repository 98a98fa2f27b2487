from __future__ import annotations

import struct

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.dhcp import DhcpFloods
from mlids.floods.findings import Finding
from mlids.testing import START_NS, packets

MS = 1_000_000
EVER = 1 << 62


def message(time: float, mac: int, op: int = 1, src: str = "0.0.0.0") -> Frame:
    head = struct.pack(">BBBBIHHIIII", op, 1, 6, 0, 7, 0, 0, 0, 0, 0, 0)
    body = head + mac.to_bytes(6, "big") + bytes(202) + bytes.fromhex("63825363350101ff")
    ports = (68, 67) if op == 1 else (67, 68)
    packet = c.ip(src, "255.255.255.255", 17, c.udp(*ports, body))
    return Frame(START_NS + int(time * MS), c.ethernet(packet, src="02:00:00:00:00:99"))


def found(frames: list[Frame], names: int = 50) -> list[Finding]:
    floods = DhcpFloods(names, 10_000)
    floods.inspect(packets(frames), 0)
    again = DhcpFloods(names, 10_000)
    again.restore(floods.save())
    return list(again.findings(EVER, 1.0))


@pytest.mark.parametrize(("count", "told"), [(49, False), (50, True)])
def test_machines(count: int, told: bool) -> None:
    frames = [message(n * 100, 0x020000000000 + n) for n in range(count)]
    assert bool(found(frames)) is told
    assert bool(found(frames, count)) is True


@pytest.mark.parametrize(("count", "told"), [(49, False), (50, True)])
def test_requests_of_one_machine(count: int, told: bool) -> None:
    frames = [message(n * 100, 0x0211223344AA, src=f"10.0.0.{n + 1}") for n in range(count)]
    assert bool(found(frames)) is told


def test_names_of_the_card_and_of_the_machine() -> None:
    [first, *_] = found([message(n * 10, 0x0211223344AA) for n in range(90)])
    assert first.extra["mac"] == "02:00:00:00:00:99"
    assert first.extra["machine"] == "02:11:22:33:44:aa"
    assert first.target == "255.255.255.255"


def test_answers_and_slow_requests_are_none() -> None:
    assert found([message(n, n, op=2) for n in range(400)]) == []
    assert found([message(n * 400, 0x020000000000 + n) for n in range(400)]) == []
    relays = [message(n * 20, 0x020000000000 + n, src=f"10.0.{n % 20}.1") for n in range(400)]
    assert found(relays) == []
