from __future__ import annotations

import msgspec
import numpy as np
import pytest

from mlids.scans.contacts import Contact, Kind, contact
from mlids.scans.crowds import FEW, FLOOD, MOST, MOST_ITEMS, MOST_TARGETS, Crowds
from mlids.scans.findings import QUIET_NS, Finding, Limits

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
LIMITS = Limits(10, 60 * SECOND, 25, 25, 10, 1000)
TARGET = 1


def one(at: float, source: int, port: int, target: int = TARGET, high: int = 0) -> Contact:
    time = BEGIN + int(at * SECOND)
    return Contact(time, high, source, 0, target, 1, 1, port, 0, Kind.REFUSED, 0)


def records(contacts: list[Contact]) -> tuple[np.ndarray, np.ndarray]:
    made = np.array(contacts, contact()) if contacts else np.zeros(0, contact())
    return made, np.where(made["src_hi"] > 0, 0, made["src_lo"]).astype(np.uint64)


def told(crowds: Crowds, contacts: list[Contact], pieces: int = 1) -> list[Finding]:
    found = []
    for n in range(pieces):
        part = contacts[len(contacts) * n // pieces : len(contacts) * (n + 1) // pieces]
        now = part[-1].time if part else 0
        found += crowds.inspect(*records(part), now)
    return found + crowds.flush()


def scan(sources: int, ports: int, step: float = 0.5) -> list[Contact]:
    return [one(n * step, 1 + n % sources, 100 + n) for n in range(ports)]


@pytest.mark.parametrize(
    ("sources", "ports", "step", "told_of"),
    [(10, 25, 0.5, 1), (9, 25, 0.5, 0), (10, 24, 0.5, 0), (25, 25, 24, 1), (25, 25, 25.1, 0)],
)
def test_ten_sources_and_twenty_five_ports_in_ten_minutes(
    sources: int, ports: int, step: float, told_of: int
) -> None:
    found = told(Crowds(LIMITS), scan(sources, ports, step))
    assert len(found) == told_of
    if found:
        assert (found[0].technique, found[0].total) == ("distributed", 25)
        assert found[0].key == ("distributed", 0, 0, 128, 0, TARGET)
        assert len(found[0].sources) == sources


def test_it_does_not_depend_on_how_it_was_cut() -> None:
    contacts = scan(30, 200, 0.07)
    whole = told(Crowds(LIMITS), contacts)
    assert len(whole) > 1
    for pieces in (2, 7, 200):
        assert told(Crowds(LIMITS), contacts, pieces) == whole


def test_who_makes_many_contacts_is_no_member() -> None:
    busy = [one(n / 3, 1 + n % 5, 100 + n) for n in range(60)]  # five sources, twelve each
    assert told(Crowds(LIMITS), busy) == []
    few = [one(20 + n * 2, 50 + n, 1000 + n) for n in range(24)]
    both = sorted([*busy, *few], key=lambda each: each.time)
    assert told(Crowds(LIMITS), both) == []
    both.append(one(130, 99, 2000))
    [found] = told(Crowds(LIMITS), both)
    assert len(found.sources) == 25
    assert FEW == 5


def test_a_flood_is_no_scan() -> None:
    flood = [one(n / FLOOD, 1000 + n, 1 + n) for n in range(FLOOD * 5)]
    assert told(Crowds(LIMITS), flood) == []
    less = [one(n / (FLOOD - 1), 1000 + n, 1 + n) for n in range(FLOOD - 1)]
    assert told(Crowds(LIMITS), less) != []


def test_a_flood_at_another_target_hides_nothing() -> None:
    flood = [one(n / 1000, 5000 + n, 1 + n, target=9) for n in range(15_000)]
    both = sorted([*flood, *scan(12, 25)], key=lambda each: each.time)
    assert [finding.key[-1] for finding in told(Crowds(LIMITS), both)] == [TARGET]


def test_a_flood_at_all_targets_is_given_up() -> None:
    flood = [one(n / 5000, 10_000 + n, 1 + n, target=n) for n in range(MOST + 1)]
    crowds = Crowds(LIMITS)
    assert told(crowds, flood) == []
    assert crowds._targets == {}


def test_an_ipv6_site_is_no_crowd() -> None:
    base = 0x2001_0DB8_0000_0000
    site = [one(n, 5, 100 + n, high=base | n) for n in range(60)]
    assert told(Crowds(LIMITS), site) == []
    sites = [one(n, 5, 100 + n, high=base | n << 16) for n in range(60)]
    assert told(Crowds(LIMITS), sites) != []


def test_it_goes_on_and_begins_again() -> None:
    found = told(Crowds(LIMITS), scan(40, 100))
    assert [finding.total for finding in found] == [25, 50, 75, 100]
    again = [each._replace(time=each.time + 2 * QUIET_NS) for each in scan(10, 25)]
    found = told(Crowds(LIMITS), [*scan(10, 25), *again])
    assert [finding.total for finding in found] == [25, 25]


def test_other_kinds_of_contacts_do_not_count() -> None:
    datagrams = [each._replace(kind=Kind.UDP_REFUSED) for each in scan(12, 60)]
    assert told(Crowds(LIMITS), datagrams) == []


def test_memory_is_bounded() -> None:
    crowds = Crowds(LIMITS._replace(crowd_ports=250))
    many = [one(n / 1000, 1 + n, 1, target=n) for n in range(2 * MOST_TARGETS)]
    told(crowds, many)
    assert len(crowds._targets) == MOST_TARGETS
    assert crowds.evicted == MOST_TARGETS
    told(crowds, [one(20 + n / 100, 1 + n % 40, 1 + n % 9000, 7) for n in range(5000)])
    assert len(crowds._targets[0, 7].items) <= MOST_ITEMS


def test_state_goes_on_where_it_was() -> None:
    contacts = scan(30, 120, 0.07)
    crowds, again = Crowds(LIMITS), Crowds(LIMITS)
    crowds.inspect(*records(contacts[:50]), contacts[49].time)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(crowds.save())))
    assert told(again, contacts[50:]) == told(crowds, contacts[50:])
