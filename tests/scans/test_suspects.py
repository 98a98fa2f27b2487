from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import HOME, Networks, words
from mlids.capture.crafting import Frame
from mlids.scans.contacts import NEW_DAY, NEW_HOUR, Contact, Kind, contact
from mlids.scans.findings import Limits
from mlids.scans.sources import Scans
from mlids.scans.suspects import Suspects, counted
from mlids.testing import START_NS, packets

SECOND = 10**9
LIMITS = Limits(10, 60 * SECOND, 25, 25, 10, 1000)
OUT, HOST = words("203.0.113.9"), words("192.168.1.10")
HI = 0x2001_0DB8_0BAD_1234


def one(
    at: float = 0,
    port: int = 22,
    kind: Kind = Kind.REFUSED,
    src: tuple[int, int] = OUT,
    dst: tuple[int, int] = HOST,
    order: int = 1,
) -> Contact:
    return Contact(START_NS + int(at * SECOND), *src, *dst, order, order, port, 0, kind, 0)


def records(*contacts: Contact) -> np.ndarray:
    return np.array(list(contacts), contact())


def suspects(most: int = 1000) -> Suspects:
    return Suspects(Networks(HOME), most)


def chosen(known: Suspects, scans: Scans, *contacts: Contact) -> list[tuple[Any, int, int]]:
    made = records(*contacts)
    known.note(made[made["kind"] < Kind.OPENED])
    said = []
    for source, each, net in known.chosen(made, scans):
        scans.observe(source, each, net)
        said.append((source, each.port, net))
    return said


def test_by_what_sources_are_counted() -> None:
    hi = np.array([0, 0, HI, 0xFE80 << 48], np.uint64)
    lo = np.array([OUT[1], HOST[1], 7, 7], np.uint64)
    found = counted(hi, lo, Networks(HOME))
    each = zip(
        found.row.tolist(), found.hi.tolist(), found.lo.tolist(), found.bits.tolist(), strict=True
    )
    assert list(each) == [
        (0, *OUT, 128),
        (1, *HOST, 128),
        (2, HI, 0, 64),
        (3, 0xFE80 << 48, 7, 128),
        (2, HI & ~0xFF, 0, 56),
        (2, HI & ~0xFFFF, 0, 48),
    ]
    assert len(set(found.key.tolist())) == 6


def test_the_second_contact_makes_a_source_followed_with_the_first() -> None:
    known, scans = suspects(), Scans(LIMITS)
    assert chosen(known, scans, one(0, 1)) == []
    assert chosen(known, scans, one(1, 2)) == [((*OUT, 128), 1, 0), ((*OUT, 128), 2, 0)]
    assert chosen(known, scans, one(2, 3)) == [((*OUT, 128), 3, 0)]
    both = chosen(suspects(), Scans(LIMITS), one(0, 1), one(1, 2))
    assert [port for _, port, _ in both] == [1, 2]


def test_order_is_that_of_time_and_silence_comes_last() -> None:
    some = [
        one(5, 1, Kind.UNANSWERED, order=1),
        one(5, 2, order=9),
        one(4, 3, order=99),
        one(5, 4, order=5),
    ]
    assert [port for _, port, _ in chosen(suspects(), Scans(LIMITS), *some)] == [3, 4, 2, 1]


def test_a_flood_pushes_a_source_out_but_its_trace_stays() -> None:
    known, scans = suspects(100), Scans(LIMITS)
    chosen(known, scans, one(0, 1))
    for part in range(20):
        flood = [one(10, 5, src=(0, 10_000 + part * 500 + n)) for n in range(500)]
        assert chosen(known, scans, *flood) == []
    assert chosen(known, scans, one(900, 2)) == [((*OUT, 128), 2, 1)]


def test_sources_that_scans_gave_up_are_remembered_faintly() -> None:
    known, scans = suspects(), Scans(LIMITS)
    known.remember([((*OUT, 128), 3, START_NS)])
    assert chosen(known, scans, one(900, 2)) == [((*OUT, 128), 2, 3)]


def answers(*at: float, port: int = 443, dst: str = "192.168.1.10") -> Any:
    """SYN|ACKs to OUT."""
    segment = c.ip(dst, "203.0.113.9", 6, c.tcp(port, 40000, "SA"))
    return packets([Frame(START_NS + int(when * SECOND), c.ethernet(segment)) for when in at])


def marks(known: Suspects, batch: Any) -> list[int]:
    found = known.answers(batch, np.arange(len(batch)), 0, Kind.OPENED)
    assert {(int(row["src_lo"]), int(row["dst_lo"])) for row in found} <= {(OUT[1], HOST[1])}
    return found["socket"].tolist()


def test_answers_matter_only_for_those_who_failed_before() -> None:
    known = suspects()
    assert marks(known, answers(0)) == []
    known.note(records(one(10)))
    assert marks(known, answers(10)) == []
    assert marks(known, answers(10.001)) == [NEW_HOUR | NEW_DAY]


def test_answers_are_new_once_an_hour() -> None:
    known = suspects()
    known.note(records(one(0)))
    begin = -(START_NS // SECOND) % 3600 + 3600  # seconds until a whole hour
    whole = answers(*(begin + n * 600 for n in range(1, 18)))
    assert marks(known, whole) == [NEW_HOUR | NEW_DAY, NEW_HOUR, NEW_HOUR]
    assert marks(known, whole) == []


def test_an_answer_that_contradicts_a_failure_always_matters() -> None:
    known = suspects()
    known.note(records(one(0, 443, Kind.UNANSWERED)))
    assert marks(known, answers(1)) == [NEW_HOUR | NEW_DAY]
    assert marks(known, answers(2)) == [0]


@pytest.mark.parametrize(("failed", "count"), [(HOST, 1), (words("192.168.1.99"), 0)])
def test_datagrams_that_are_answered_matter_where_others_failed(failed: Any, count: int) -> None:
    known = suspects()
    known.note(records(one(0, 99, Kind.UDP_UNANSWERED, dst=failed)))
    packet = c.ip("192.168.1.10", "203.0.113.9", 17, c.udp(53, 40000))
    batch = packets([Frame(START_NS + SECOND, c.ethernet(packet))])
    assert len(known.answers(batch, np.arange(1), 0, Kind.UDP_ANSWERED)) == count


def test_nothing_has_failed_yet() -> None:
    known = suspects()
    assert not known
    known.note(records(one()))
    assert known


def test_state_is_kept() -> None:
    known, again, scans = suspects(), suspects(), Scans(LIMITS)
    chosen(known, scans, one(0, 1), one(0, 443, src=(0, 77)))
    marks(known, answers(1))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(known.save())))
    assert again
    assert marks(again, answers(2)) == []
    assert [port for _, port, _ in chosen(again, scans, one(3, 2))] == [1, 2]
    fresh = suspects()
    fresh.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(suspects().save())))
    assert not fresh
