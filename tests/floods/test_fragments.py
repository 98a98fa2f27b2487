from __future__ import annotations

import random
import struct

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.floods.findings import Finding
from mlids.floods.fragments import FragmentAttacks
from mlids.testing import START_NS, packets

MS = 1_000_000
EVER = 1 << 62
OUT, HOST = "203.0.113.9", "192.168.1.10"


def piece(
    time: float, offset: int, size: int, more: bool, ident: int = 1, six: bool = False
) -> Frame:
    if six:
        header = struct.pack(">xHI", offset | more, ident)
        packet = c.ipv6("2001:db8::9", "2001:db8::1", 17, b"x" * size, extensions=[(44, header)])
    else:
        packet = c.ipv4(OUT, HOST, 17, b"x" * size, offset=offset, more=more)
        packet = packet[:4] + struct.pack(">H", ident) + packet[6:]
    return Frame(START_NS + int(time * MS), c.ethernet(packet))


def found(frames: list[Frame]) -> list[Finding]:
    attacks = FragmentAttacks(10_000)
    attacks.inspect(packets(frames), 0)
    return list(attacks.findings(EVER, 1.0))


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(
    ("second", "technique"),
    [
        ((24, 24), {"teardrop"}),
        ((8, 8), {"teardrop"}),
        ((32, 40), {"teardrop"}),
        ((40, 40), set()),
        ((48, 40), set()),
        ((65_528, 8), {"ping-of-death"}),
        ((65_528, 7), set()),
    ],
)
def test_two_fragments(second: tuple[int, int], technique: set[str], six: bool) -> None:
    frames = [piece(0, 0, 40, True, six=six), piece(1, *second, False, six=six)]
    assert {one.technique for one in found(frames)} == technique


def test_the_same_once_more_does_not_overlap() -> None:
    whole = [piece(0, 0, 40, True), piece(1, 0, 40, True), piece(2, 40, 40, False)]
    assert found([*whole, *whole]) == []
    assert {one.technique for one in found([*whole, piece(3, 0, 24, True)])} == {"teardrop"}


def test_fragments_of_others_do_not_overlap() -> None:
    frames = [piece(n, 8 * n, 40, True, ident=n + 1) for n in range(9)]
    assert found(frames) == []


def test_whole_datagrams_in_any_order() -> None:
    frames = []
    for n in range(300):
        order = [0, 1, 2, 3]
        random.Random(n).shuffle(order)
        frames += [piece(n, 400 * k, 400, k < 3, ident=n) for k in order]
    assert found(frames) == []


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_datagrams_that_are_never_whole(missing: int) -> None:
    frames = [
        piece(n * 10, 400 * k, 400, k < 3, ident=n)
        for n in range(60)
        for k in range(4)
        if k != missing
    ]
    [first, *_] = found(frames)
    assert first.technique == "fragment"
    assert first.target == HOST
    assert found(frames[:99]) == []
    assert found(frames[:100]) != []


def test_restart_and_nothing() -> None:
    attacks, again = FragmentAttacks(100), FragmentAttacks(100)
    attacks.inspect(packets([c.ethernet(c.ip(OUT, HOST, 17, c.udp(1, 2)))]), 0)
    assert list(attacks.findings(EVER, 1.0)) == []
    attacks.inspect(packets([piece(0, 0, 40, True)]), 0)
    again.restore(attacks.save())
    again.inspect(packets([piece(1, 24, 24, False)]), 0)
    assert [one.technique for one in again.findings(EVER, 1.0)] == ["teardrop"]
