from __future__ import annotations

import msgspec
import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import HOME, Networks
from mlids.capture.crafting import Frame
from mlids.scans.contacts import CLIENTLIKE, Kind
from mlids.scans.packets import Contacts, Seen
from mlids.testing import START_NS, packets

MS, GRACE = 1_000_000, 3_000_000_000
OUT, HOST, OUT6, HOST6 = "203.0.113.9", "192.168.1.10", "2001:db8::9", "fd00::10"


def ip(at: int, src: str, dst: str, protocol: int, payload: bytes) -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.ip(src, dst, protocol, payload)))


def who_has(at: int, dst: str) -> Frame:
    mac = "02:00:00:00:00:10"
    return Frame(START_NS + at * MS, c.ethernet(c.arp(1, HOST, dst, mac), 0x0806, src=mac))


def contacts() -> Contacts:
    return Contacts(GRACE, 1000, Networks(HOME), [])


def seen(*frames: Frame, made: Contacts | None = None) -> Seen:
    return (made or contacts()).inspect(packets(frames), 0)


def kinds(found: Seen) -> list[Kind]:
    return sorted(Kind(int(kind)) for kind in found.failed["kind"])


LATER = ip(4000, OUT, HOST, 6, c.tcp(1, 2, "PA", payload=b"x"))


def test_each_packet_comes_to_who_knows_it() -> None:
    quote = c.ip(OUT, HOST, 17, c.udp(40000, 7))
    found = seen(
        ip(0, OUT, HOST, 6, c.tcp(40000, 22, "S")),
        ip(1, HOST, OUT, 6, c.tcp(22, 40000, "RA")),
        ip(2, OUT, HOST, 6, c.tcp(40000, 23, "FPU")),
        ip(3, OUT, HOST, 6, c.tcp(40000, 24, "A")),
        ip(4, OUT, HOST, 17, c.udp(40000, 7)),
        ip(5, HOST, OUT, 1, c.icmp(3, 3, quote)),
        ip(6, OUT, HOST, 1, c.icmp(8)),
        ip(7, OUT, HOST, 99, b""),
        who_has(8, "192.168.1.99"),
        ip(9, OUT, HOST, 6, c.tcp(40001, 25, "S")),
        ip(10, HOST, OUT, 6, c.tcp(25, 40001, "SA")),
        ip(11, OUT, HOST, 17, c.udp(40000, 53)),
        ip(12, HOST, OUT, 17, c.udp(53, 40000)),
        LATER,
    )
    assert kinds(found) == [
        Kind.REFUSED,
        Kind.UDP_REFUSED,
        Kind.XMAS,
        Kind.ACK,
        Kind.ECHO,
        Kind.PROTOCOL,
        Kind.ARP,
        Kind.PROBE,
    ]
    assert (found.opened.tolist(), found.answered.tolist()) == ([10], [12])


@pytest.mark.parametrize(
    ("src", "dst", "port", "udp", "marked"),
    [
        (HOST, OUT, 443, True, True),
        (HOST, "192.168.1.11", 161, True, False),
        (OUT, HOST, 53, True, False),
        (HOST6, OUT6, 443, False, True),
        ("2001:db8:1::1", OUT6, 25, False, True),
        ("2001:db8:1::1", HOST6, 443, False, False),
        (HOST6, OUT6, 22, False, False),
        (HOST, OUT, 443, False, False),
    ],
)
def test_what_clients_have_all_the_time(
    src: str, dst: str, port: int, udp: bool, marked: bool
) -> None:
    payload = c.udp(40000, port) if udp else c.tcp(40000, port, "S")
    made = contacts()
    frame = ip(0, src, dst, 17 if udp else 6, payload)
    [found] = seen(frame, LATER, made=made).failed
    assert bool(found["socket"] & CLIENTLIKE) == marked
    seen(frame, made=(cut_short := contacts()))
    [left] = cut_short.flush()
    assert bool(left["socket"] & CLIENTLIKE) == marked


def test_the_end_leaves_nothing_waiting() -> None:
    made = contacts()
    frames = [
        ip(0, OUT, HOST, 6, c.tcp(40000, 22, "S")),
        ip(3, OUT, HOST, 6, c.tcp(40000, 24, "A")),
        ip(4, OUT, HOST, 17, c.udp(40000, 7)),
        who_has(8, "192.168.1.99"),
    ]
    assert len(seen(*frames, made=made).failed) == 0
    again = contacts()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(made.save())))
    for each in (made, again):
        assert sorted(each.flush()["kind"].tolist()) == [
            Kind.UNANSWERED,
            Kind.UDP_UNANSWERED,
            Kind.ACK,
            Kind.ARP,
        ]
        assert len(each.flush()) == 0
    assert made.evicted == 0


def test_nothing() -> None:
    found = seen()
    assert (len(found.failed), len(found.opened), len(found.answered)) == (0, 0, 0)


def test_early_losses_are_counted() -> None:
    made = Contacts(GRACE, 10, Networks(HOME), [])
    frames = [ip(n, OUT, HOST, 6, c.tcp(40000, 1 + n, "SA"[n % 2])) for n in range(100)]
    seen(*frames, made=made)
    assert made.evicted == 80
