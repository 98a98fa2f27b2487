from __future__ import annotations

import pytest

from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import Limits, Window
from mlids.scans.rules import FLAG_RULES, REFUSALS, RULES, UDP

SECOND = 10**9
LIMITS = Limits(10, 60 * SECOND, 25, 25, 10, 1000)
NOT_HERE = (Kind.UNANSWERED, Kind.REFUSED, Kind.CONNECTED, Kind.HALF_OPEN)  # of `sources`


def contact(n: int, kind: Kind, port: int = 0, host: int = 1, socket: int = 0) -> Contact:
    return Contact(n * SECOND, 0, 9, 0, host, n, n, port or n, 0, kind, socket)


def enough(kind: Kind, contacts: list[Contact], answered: int = 0) -> bool:
    rule, window = RULES[kind], Window(answered=answered)
    for each in contacts:
        window.add(rule.item(each), each, rule.window(LIMITS))
    return rule.enough(LIMITS, window, contacts[-1].time)


def test_every_kind_of_failure_has_a_rule() -> None:
    kinds = {kind for kind in Kind if kind < Kind.OPENED}
    assert set(RULES) == kinds - set(NOT_HERE)


@pytest.mark.parametrize("kind", FLAG_RULES)
def test_odd_flags(kind: Kind) -> None:
    assert enough(kind, [contact(1, kind, 22), contact(2, kind, 22), contact(3, kind, 23)])
    assert not enough(kind, [contact(n, kind, 22) for n in range(9)])
    assert not enough(kind, [contact(1, kind, 22), contact(2, kind, 23)])
    assert not enough(kind, [contact(n * 40, kind, 1 + n) for n in range(9)])
    assert RULES[kind].technique == FLAG_RULES[kind]


@pytest.mark.parametrize(
    ("kind", "least", "field"),
    [
        (Kind.ACK, 10, "port"),
        (Kind.PROTOCOL, 5, "port"),
        (Kind.ECHO, 10, "host"),
        (Kind.ARP, 5, "host"),
        (Kind.PROBE, 3, "socket"),
    ],
)
def test_distinct_things(kind: Kind, least: int, field: str) -> None:
    some = [contact(n, kind, **{"port": 7, field: 100 + n}) for n in range(least)]
    assert enough(kind, some)
    assert not enough(kind, some[1:])
    assert not enough(kind, [*some[1:], some[-1]])


def test_windows() -> None:
    arp = [contact(n * 8, Kind.ARP, host=n) for n in range(5)]
    assert not enough(Kind.ARP, arp)  # 32 s
    acks = [contact(n * 7, Kind.ACK) for n in range(10)]
    assert not enough(Kind.ACK, acks)  # 63 s


def test_which_count_over_all_targets() -> None:
    assert {rule.name for rule in RULES.values() if not rule.one_target} == {"echo", "arp"}


def test_silence_of_datagrams_counts_where_nothing_answers() -> None:
    silent = [contact(1 + n, Kind.UDP_UNANSWERED) for n in range(10)]
    assert enough(Kind.UDP_UNANSWERED, silent)
    assert not enough(Kind.UDP_UNANSWERED, silent, answered=SECOND)
    refused = [contact(30 + n, Kind.UDP_REFUSED) for n in range(REFUSALS)]
    assert enough(Kind.UDP_REFUSED, [*silent, *refused], answered=SECOND)
    assert not enough(Kind.UDP_REFUSED, [*silent, *refused[1:]], answered=SECOND)
    assert RULES[Kind.UDP_REFUSED] is UDP
