from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.quotes import quotes
from mlids.scans.contacts import Kind
from mlids.scans.udp import UdpContacts
from mlids.testing import START_NS, packets

MS, GRACE = 1_000_000, 3_000_000_000
OUT, HOST = "203.0.113.9", "192.168.1.10"


def dgram(at: int, src: str, dst: str, sport: int, dport: int, ttl: int = 64) -> Frame:
    packet = c.ip(src, dst, 17, c.udp(sport, dport), ttl=ttl)
    return Frame(START_NS + at * MS, c.ethernet(packet))


def ask(at: int, port: int = 53) -> Frame:
    return dgram(at, OUT, HOST, 40000, port)


def answer(at: int, port: int = 53) -> Frame:
    return dgram(at, HOST, OUT, port, 40000)


def error(at: int, port: int = 53) -> Frame:
    inner = c.ip(OUT, HOST, 17, c.udp(40000, port))
    return Frame(START_NS + at * MS, c.ethernet(c.ip(HOST, OUT, 1, c.icmp(3, 3, inner))))


def later(at: int) -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806))


def shown(*frames: Frame, udp: UdpContacts | None = None) -> list[tuple[Kind, int]]:
    batch = packets(frames)
    rows = np.flatnonzero(batch.protocol == 1)
    quoted = quotes(batch, rows) if len(rows) else None
    found = (udp or UdpContacts(GRACE, 1000)).inspect(batch, quoted, 0)
    failed = [(Kind(int(row["kind"])), int(row["port"])) for part in found.failed for row in part]
    answers = [(Kind.UDP_ANSWERED, int(batch.sport[row])) for row in found.answers]
    return failed + answers


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([ask(0)], []),
        ([ask(0), later(3001)], [Kind.UDP_UNANSWERED]),
        ([ask(0), ask(2000), answer(2999), later(9000)], [Kind.UDP_ANSWERED]),
        ([ask(0), answer(1)], [Kind.UDP_ANSWERED]),
        ([ask(0), answer(1), ask(5000), later(9000)], [Kind.UDP_ANSWERED]),  # a conversation
        ([ask(0), error(1)], [Kind.UDP_REFUSED]),
        ([dgram(0, OUT, "239.1.2.3", 40000, 53), later(9000)], []),
        ([dgram(0, OUT, HOST, 40000, 33434, ttl=3), later(9000)], []),
        ([dgram(0, OUT, HOST, 40000, 33434, ttl=60), later(9000)], [Kind.UDP_UNANSWERED]),
    ],
)
def test_what_datagrams_show(frames: list[Frame], expected: list[Kind]) -> None:
    assert [kind for kind, _ in shown(*frames)] == expected


def test_late_answer_is_no_question_of_the_server() -> None:
    udp = UdpContacts(GRACE, 1000)
    assert shown(ask(0), later(4000), udp=udp) == [(Kind.UDP_UNANSWERED, 53)]
    assert shown(answer(5000), later(9000), udp=udp) == [(Kind.UDP_ANSWERED, 53)]
    assert udp.flush() == []


def test_most_flows_of_one_question_take_the_short_way_and_say_the_same() -> None:
    frames = [f for n in range(50) for f in (ask(2 * n, 100 + n), answer(2 * n + 1, 100 + n))]
    udp, slow = UdpContacts(GRACE, 1000), UdpContacts(GRACE, 1000)
    slow._plain = lambda batch, found, every, state: np.zeros(len(every), bool)  # type: ignore[method-assign]
    assert sorted(shown(*frames, udp=udp)) == sorted(shown(*frames, udp=slow))
    assert np.array_equal(udp._known, slow._known)


def test_an_error_about_a_flow_of_an_earlier_batch() -> None:
    udp = UdpContacts(GRACE, 1000)
    assert shown(ask(0), ask(1, 99), udp=udp) == []
    assert shown(error(20, 99), udp=udp) == [(Kind.UDP_REFUSED, 99)]
    assert shown(answer(30), udp=udp) == [(Kind.UDP_ANSWERED, 53)]
    assert shown(error(40), udp=udp) == []  # it answered before


def test_state_goes_on_where_it_was() -> None:
    udp, again = UdpContacts(GRACE, 1000), UdpContacts(GRACE, 1000)
    shown(ask(0), ask(1, 99), answer(2), udp=udp)
    again.restore(udp.save())
    assert shown(later(4000), udp=again) == [(Kind.UDP_UNANSWERED, 99)]
    assert np.array_equal(udp._known[udp._known % 4 == 1], again._known[again._known % 4 == 1])
