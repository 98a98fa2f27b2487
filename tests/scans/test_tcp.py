from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.quotes import quotes
from mlids.scans.contacts import Kind
from mlids.scans.flags import classed
from mlids.scans.tcp import TcpContacts
from mlids.testing import START_NS, packets

MS, GRACE = 1_000_000, 3_000_000_000
OUT, HOST = "203.0.113.9", "192.168.1.10"


def up(at: int, flags: str, port: int = 22, **more: object) -> Frame:
    packet = c.ip(OUT, HOST, 6, c.tcp(40000, port, flags, **more))  # type: ignore[arg-type]
    return Frame(START_NS + at * MS, c.ethernet(packet))


def down(at: int, flags: str, port: int = 22, **more: object) -> Frame:
    packet = c.ip(HOST, OUT, 6, c.tcp(port, 40000, flags, **more))  # type: ignore[arg-type]
    return Frame(START_NS + at * MS, c.ethernet(packet))


def later(at: int) -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806))


def shown(*frames: Frame, tcp: TcpContacts | None = None) -> list[tuple[Kind, int]]:
    """Kinds and ports of the contacts of one batch."""
    batch = packets(frames)
    found = (tcp or TcpContacts(GRACE, 1000)).inspect(batch, classed(batch), None, 0)
    return [(Kind(int(row["kind"])), int(row["port"])) for records in found for row in records]


AGAIN = [down(10, "SA", seq=90, ack=51), up(11, "PA", seq=51, ack=91, payload=b"x")]
HELLO = [up(0, "S", seq=10), down(1, "SA", seq=70, ack=11)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([up(0, "S"), down(1, "RA")], [Kind.REFUSED]),
        ([up(0, "S")], []),
        ([up(0, "S"), later(3001)], [Kind.UNANSWERED]),
        ([up(0, "S"), up(1, "A"), later(3001)], []),  # only one direction was recorded
        (HELLO, []),
        ([*HELLO, up(2, "A", seq=11, ack=71), later(9000)], []),
        ([*HELLO, up(2, "R", seq=11)], [Kind.HALF_OPEN]),
        ([*HELLO, up(2, "FA", seq=11, ack=71)], [Kind.CONNECTED]),
        ([*HELLO, up(2, "FA", seq=16, ack=71)], []),  # five bytes were sent
        ([*HELLO, up(2, "FA", seq=11, ack=80)], []),  # nine were received
        ([*HELLO, up(2, "PA", seq=11, ack=71, payload=b"hello"), up(3, "FA", seq=16)], []),
        ([*HELLO, down(2, "PA", seq=71, ack=11, payload=b"220"), up(3, "R", seq=11)], [3]),
        ([*HELLO, up(2, "FA", seq=11, ack=71), up(9, "S", seq=50), *AGAIN], [Kind.CONNECTED]),
        ([up(0, "F")], []),  # see `strays`
    ],
)
def test_what_packets_show(frames: list[Frame], expected: list[Kind]) -> None:
    assert shown(*frames) == [(kind, 22) for kind in expected]


def test_a_refusal_by_icmp_counts_at_its_moment() -> None:
    error = c.ip(HOST, OUT, 1, c.icmp(3, 13, c.ip(OUT, HOST, 6, c.tcp(40000, 22, "S"))))
    batch = packets([up(0, "S"), Frame(START_NS + 5 * MS, c.ethernet(error))])
    [found] = TcpContacts(GRACE, 1000).inspect(
        batch, classed(batch), quotes(batch, np.array([1])), 0
    )
    assert found["kind"].tolist() == [Kind.REFUSED]
    assert found["time"].tolist() == [START_NS + 5 * MS]
    assert found["frame"].tolist() == [1]


def test_the_end_leaves_nothing_waiting_and_tells_once() -> None:
    tcp = TcpContacts(GRACE, 1000)
    assert shown(up(0, "S", 1), up(1, "S", 2), tcp=tcp) == []
    again = TcpContacts(GRACE, 1000)
    again.restore(tcp.save())
    for each in (tcp, again):
        [rest] = each.flush()
        assert rest["port"].tolist() == [1, 2]
        assert rest["time"].tolist() == [START_NS + GRACE, START_NS + MS + GRACE]
        assert each.flush() == []


def test_a_handshake_is_known_after_a_restart() -> None:
    tcp, again = TcpContacts(GRACE, 1000), TcpContacts(GRACE, 1000)
    shown(*HELLO, tcp=tcp)
    again.restore(tcp.save())
    assert shown(up(9, "FA", seq=11, ack=71), tcp=again) == [(Kind.CONNECTED, 22)]
