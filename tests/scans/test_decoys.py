from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from mlids.scans.contacts import Contact, Kind
from mlids.scans.decoys import LEAST_PORTS, MOST_SOURCES, Decoys, _is_step
from mlids.scans.findings import QUIET_NS, Finding, Window

MS = 1_000_000
GRACE = 3000 * MS
BEGIN = 10**18
TARGET = (0, 1)


def probe(at: float, source: int, port: int, kind: Kind = Kind.REFUSED) -> Contact:
    time = BEGIN + int(at * MS) + (GRACE if kind == Kind.UNANSWERED else 0)
    return Contact(time, 0, source, *TARGET, 1, 1, port, 0, kind, 0)


def observed(decoys: Decoys, *probes: Contact) -> list[Finding]:
    windows: dict[int, Window] = {}
    found = []
    for each in probes:
        window = windows.setdefault(each.src_lo, Window())
        window.add(each.port, each, 60_000 * MS)
        found.append(decoys.observe((0, each.src_lo, 128), each, window))
    return [finding for finding in found if finding is not None]


def together(sources: int, ports: int, step: float = 10) -> list[Contact]:
    return [probe(p * step + s, s, 100 + p) for p in range(ports) for s in range(sources)]


@pytest.mark.parametrize(
    ("sources", "ports", "step", "told"),
    [(5, 4, 10, 1), (4, 30, 10, 0), (5, 3, 10, 0), (5, 4, 700, 0), (5, 4, 600, 1), (9, 4, 10, 1)],
)
def test_five_sources_and_the_same_ports_within_two_seconds(
    sources: int, ports: int, step: float, told: int
) -> None:
    found = observed(Decoys(5, GRACE), *together(sources, ports, step))
    assert bool(found) == bool(told)
    if found:
        assert found[0].technique == "decoy"
        assert found[0].key == ("decoy", 0, 0, 128, *TARGET)
        assert len(found[-1].sources) == sources == found[-1].total


@pytest.mark.parametrize(("other", "told"), [(1, 1), (2, 0)])
def test_ports_must_be_alike_by_four_fifths(other: int, told: int) -> None:
    """Each has nine ports of ten in common with each other one, or eight of twelve."""
    probes = [
        probe(n * 10 + s, s, 100 + n if n >= other else 1000 + s * 10 + n)
        for n in range(9 + other)
        for s in range(5)
    ]
    assert bool(observed(Decoys(5, GRACE), *probes)) == bool(told)


def test_the_time_of_the_probe_counts_not_when_it_was_given_up() -> None:
    probes = [
        probe(p * 10 + s, s, 100 + p, Kind.UNANSWERED if s else Kind.REFUSED)
        for p in range(30)
        for s in range(6)
    ]
    found = observed(Decoys(5, GRACE), *sorted(probes, key=lambda each: each.time))
    assert {source for finding in found for source in finding.sources} == {(0, s) for s in range(6)}


def test_packets_with_odd_flags_need_two_ports() -> None:
    probes = [probe(p * 10 + s, s, 100 + p, Kind.NULL) for p in range(2) for s in range(5)]
    assert len(observed(Decoys(5, GRACE), *probes)) == 1


def test_what_members_do_later_is_folded_while_they_are_active() -> None:
    decoys = Decoys(5, GRACE)
    observed(decoys, *together(5, 4))
    mine = Finding("syn", ("syn", 0, 3, 128, *TARGET), [probe(500, 3, 300)], 10)
    folded = decoys.folded((0, 3, 128), mine)
    assert (folded.technique, folded.total, folded.contacts) == ("decoy", 5, mine.contacts)
    assert decoys.folded((0, 77, 128), mine) == mine
    late = mine._replace(contacts=[probe(1000 + QUIET_NS / MS, 3, 300)])
    assert decoys.folded((0, 3, 128), late) == late


def test_another_target_is_another_scan() -> None:
    decoys = Decoys(5, GRACE)
    observed(decoys, *together(5, 4))
    elsewhere = Finding("syn", (), [probe(500, 3, 300)._replace(dst_lo=2)], 10)
    assert decoys.folded((0, 3, 128), elsewhere) == elsewhere


def test_steps_grow() -> None:
    steps = [count for count in range(1, 1025) if _is_step(count, False)]
    assert steps[:6] == [LEAST_PORTS, 5, 6, 7, 8, 9]
    assert all(b <= max(a + 1, a * 1.2) for a, b in pairwise(steps))
    assert len(steps) < 40
    assert _is_step(2, True)
    assert not _is_step(2, False)


def test_sources_that_asked_for_little_are_not_kept_in_mind() -> None:
    decoys = Decoys(5, GRACE)
    observed(decoys, probe(0, 1, 22, Kind.NULL), *(probe(n, 2, 22 + n) for n in range(3)))
    assert decoys._recent == {}


def test_memory_is_bounded() -> None:
    decoys = Decoys(5, GRACE)
    many = Window(total=10)
    for n in range(5000):
        decoys.observe((0, n, 128), probe(n / 100, n, 1 + n), many)
        decoys.observe((0, n, 128), probe(n / 100, n, 1 + n)._replace(dst_lo=n), many)
    assert len(decoys._recent) <= 1000
    assert max(len(sources) for sources in decoys._recent.values()) <= MOST_SOURCES


def test_state_goes_on_where_it_was() -> None:
    probes = together(5, 8)
    decoys, again = Decoys(5, GRACE), Decoys(5, GRACE)
    observed(decoys, *probes[:18])
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(decoys.save())))
    assert observed(again, *probes[18:]) == observed(decoys, *probes[18:])
    assert again.save() == decoys.save()
