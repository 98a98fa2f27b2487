from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import HOME, Networks, address
from mlids.capture.crafting import Frame
from mlids.scans.contacts import Kind
from mlids.scans.forwarders import Forwarders
from mlids.scans.layers import ArpContacts, Protocols, rest
from mlids.testing import START_NS, cut, packets

MS, SECOND, GRACE = 1_000_000, 1_000_000_000, 3_000_000_000
OUT, HOST = "203.0.113.9", "192.168.1.10"


def ip(at: int, protocol: int, src: str = OUT, dst: str = HOST, payload: bytes = b"") -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.ip(src, dst, protocol, payload)))


def arp(at: int, kind: int, src: str, dst: str) -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.arp(kind, src, dst), 0x0806))


def later(at: int) -> Frame:
    return ip(at, 6, payload=c.tcp(1, 2, "A"))


def protocols(*frames: Frame, pieces: int = 1, known: Protocols | None = None) -> list[Any]:
    """Kind, source, protocol and whether it was refused."""
    known, said = known or Protocols(), []
    for batch in cut(packets(frames), pieces):
        for made in known.inspect(batch, rest(batch), 0):
            for row in made:
                source = address(int(row["src_hi"]), int(row["src_lo"]))
                said.append(
                    (Kind(int(row["kind"])).name, source, int(row["port"]), int(row["socket"]))
                )
    return sorted(said)


def tried(protocol: int, src: str = OUT, refused: int = 0) -> tuple[str, str, int, int]:
    return ("PROTOCOL", src, protocol, refused)


def test_rows_by_what_they_are() -> None:
    frames = [
        ip(0, 6, payload=c.tcp(1, 2)),
        ip(1, 1, payload=c.icmp(8)),
        ip(2, 1, payload=c.icmp(13)),
        ip(3, 1, payload=c.icmp(3, 1, bytes(28))),
        ip(4, 1, payload=c.icmp(0)),
        arp(5, 1, HOST, "192.168.1.1"),
        ip(6, 47, payload=b"xxxx"),
        ip(7, 17, payload=b""),
        ip(8, 58, "2001:db8::1", "2001:db8::2", c.icmp(128)),
        ip(9, 58, "2001:db8::1", "2001:db8::2", c.icmp(1, 4, bytes(48))),
        Frame(START_NS + 10 * MS, c.ethernet(b"\x00" * 40, 0x88CC)),
        ip(11, 1, payload=c.icmp(17)),
    ]
    found = rest(packets(frames))
    assert [part.tolist() for part in found] == [[1, 2, 8, 11], [3, 9], [5], [6, 7]]


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_uncommon_protocols_are_tried(pieces: int) -> None:
    frames = [ip(n, protocol) for n, protocol in enumerate((47, 50, 99, 6, 17, 1))]
    assert protocols(*frames, pieces=pieces) == [tried(n) for n in (1, 6, 17, 47, 50, 99)]


def test_common_protocols_with_a_header_are_not() -> None:
    frames = [
        ip(0, 6, payload=c.tcp(1, 2)),
        ip(1, 17, payload=c.udp(1, 2)),
        ip(2, 2, dst="224.0.0.1"),
    ]
    assert protocols(*frames) == []


def test_one_in_ten_seconds_is_enough() -> None:
    base = -START_NS // MS % 10_000  # where ten seconds begin
    frames = [ip(base + n * 100, 99) for n in range(250)]
    for pieces in (1, 3, 50):
        assert protocols(*frames, pieces=pieces) == [tried(99)] * 3


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_what_answers_within_a_minute_is_no_try(pieces: int) -> None:
    question, answer = ip(0, 99), ip(50, 99, HOST, OUT)
    late = ip(100_000, 99, HOST, OUT)
    answered = ("PROTOCOL_ANSWERED", OUT, 99, 0)
    assert protocols(question, answer, pieces=pieces) == [tried(99), answered]
    assert protocols(question, late, pieces=pieces) == [tried(99, HOST), tried(99)]
    assert protocols(question, ip(50, 98, HOST, OUT), pieces=pieces) == [tried(98, HOST), tried(99)]


@pytest.mark.parametrize("seed", range(20))
def test_conversations_however_cut(seed: int) -> None:
    chance, frames, at = random.Random(seed), [], 0
    for _ in range(60):
        at += chance.choice([1, 4000, 15_000, 59_000, 61_000])
        ends = chance.sample([OUT, HOST, "192.168.1.11"], 2)
        frames.append(ip(at, chance.choice([50, 99]), *ends))
    whole = protocols(*frames)
    for pieces in (2, 7, 60):
        assert protocols(*frames, pieces=pieces) == whole


def test_refusals_of_a_protocol() -> None:
    quote = c.ip(OUT, HOST, 6, b"")
    refusal = ip(0, 1, HOST, OUT, c.icmp(3, 2, quote))
    assert protocols(refusal) == [tried(6, refused=1)]
    for other in (
        ip(0, 1, HOST, OUT, c.icmp(3, 3, quote)),  # of a port
        ip(0, 1, HOST, OUT, c.icmp(3, 2, quote[:12])),
        ip(0, 1, HOST, OUT, c.icmp(3, 2, c.ip("192.0.2.1", HOST, 6, b""))),  # of a third party
    ):
        assert protocols(other) == []


def test_protocols_go_on_after_a_restart() -> None:
    known, again = Protocols(), Protocols()
    protocols(ip(0, 99), ip(1, 50), known=known)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(known.save())))
    assert protocols(ip(2, 99, HOST, OUT), ip(3, 50), known=again) == [
        ("PROTOCOL_ANSWERED", OUT, 99, 0)
    ]


def asked(*frames: Frame, pieces: int = 1, arps: ArpContacts | None = None) -> list[Any]:
    """Whom nobody answered for, and after how many ms."""
    forwarders = Forwarders(Networks(HOME), Networks([]))
    arps, said = arps or ArpContacts(GRACE, 1000), []
    for batch in cut(packets(frames), pieces):
        for made in arps.inspect(batch, rest(batch).arp, 0, forwarders):
            for row in made:
                said.append((address(0, int(row["dst_lo"])), (int(row["time"]) - START_NS) // MS))
    return sorted(said)


A, B, D = "192.168.1.5", "192.168.1.6", "192.168.1.7"


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([arp(0, 1, A, B), later(3001)], [(B, 3000)]),
        ([arp(0, 1, A, B), later(3000)], []),
        ([arp(0, 1, A, B), arp(2999, 2, B, A), later(9000)], []),
        ([arp(0, 1, A, B), arp(3001, 2, B, A), later(9000)], [(B, 3000)]),
        ([arp(0, 1, A, B), arp(1, 2, B, D), later(9000)], [(B, 3000)]),  # to another one
        ([arp(0, 1, A, B), arp(1000, 1, A, B), arp(2000, 1, A, B), later(9000)], [(B, 3000)]),
        ([arp(0, 1, A, B), arp(5000, 1, A, B), later(19_000)], [(B, 3000), (B, 8000)]),
        ([arp(0, 1, A, A), later(9000)], []),  # an announcement
        ([arp(0, 1, "0.0.0.0", B), later(9000)], []),  # a probe
        ([arp(0, 2, A, B), later(9000)], []),
        ([arp(0, 8, A, B), later(9000)], []),  # inverse ARP
        ([arp(0, 1, A, B), arp(0, 1, A, D), arp(1, 2, D, A), later(9000)], [(B, 3000)]),
    ],
)
def test_what_requests_show(frames: list[Frame], expected: list[Any], pieces: int) -> None:
    assert asked(*frames, pieces=pieces) == expected


def test_the_end_leaves_no_request_waiting_and_tells_once() -> None:
    arps, forwarders = ArpContacts(GRACE, 1000), Forwarders(Networks(HOME), Networks([]))
    asked(arp(0, 1, A, B), arps=arps)
    [rest_of_it] = arps.flush(forwarders)
    assert rest_of_it["time"].tolist() == [START_NS + GRACE]
    assert arps.flush(forwarders) == []


def test_waiting_requests_are_bounded() -> None:
    arps = ArpContacts(GRACE, 50)
    asked(*[arp(n // 10, 1, A, f"10.0.{n // 200}.{n % 200}") for n in range(500)], arps=arps)
    assert len(arps.attempts.pending) == 50
    assert arps.attempts.evicted == 450
