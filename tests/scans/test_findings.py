from __future__ import annotations

import msgspec

from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import MANY, QUIET_NS, Finding, Limits, Scans, Window

SECOND = 10**9
LIMITS = Limits(3, 60 * SECOND, 5, 4, 2, 4)
SOURCE, HOST = (0, 9), (0, 1)


def contact(
    at: float, port: int, kind: Kind = Kind.REFUSED, host: int = 1, frame: int = 1
) -> Contact:
    return Contact(int(at * SECOND), *SOURCE, 0, host, frame, frame, port, 0, kind, 0)


def observed(scans: Scans, *contacts: Contact) -> list[Finding]:
    return [finding for each in contacts for finding in scans.observe(SOURCE, each)]


def test_a_window_slides_and_counts_distinct_things() -> None:
    window = Window()
    for at, port in ((0, 1), (1, 1), (2, 2), (61.5, 3)):
        window.add(port, contact(at, port), 60 * SECOND)
    assert list(window.items) == [2, 3]
    found = window.trigger("syn", ("k",), 62 * SECOND)
    assert (len(found.contacts), found.total) == (2, 2)
    assert not window.add(2, contact(63, 2), 60 * SECOND)  # counted before
    assert window.add(9, contact(64, 9), 60 * SECOND)
    assert list(window.more(64 * SECOND)) == [Finding("", ("k",), [], 3)]
    assert list(window.more(64 * SECOND + QUIET_NS)) == []


def test_ports_trigger_again_and_again_and_the_rest_is_told_as_a_total() -> None:
    scans = Scans(LIMITS)
    found = observed(scans, *(contact(n, 10 + n) for n in range(8)))
    assert [(len(f.contacts), f.total) for f in found if f.contacts] == [(3, 3), (3, 6)]
    assert found[-1].total == 8
    assert {f.key for f in found} == {("syn", *SOURCE, *HOST)}


def test_a_port_that_answers_is_taken_back() -> None:
    scans = Scans(LIMITS)
    assert observed(scans, contact(0, 1), contact(1, 2)) == []
    assert observed(scans, contact(2, 1, Kind.OPENED), contact(3, 3)) == []
    [found] = observed(scans, contact(4, 4))
    assert [each.port for each in found.contacts] == [2, 3, 4]
    assert observed(scans, contact(5, 7))[-1].total == 4
    assert observed(scans, contact(6, 7, Kind.OPENED))[-1].total == 3


def test_one_port_of_many_hosts_is_a_sweep_and_many_are_a_scan() -> None:
    [sweep] = observed(Scans(LIMITS), *(contact(n, 22, host=n) for n in range(4)))
    assert sweep.technique == "sweep"
    slow = (contact(n * 400, 20 + n, host=n) for n in range(5))
    [spread] = observed(Scans(LIMITS), *slow)
    assert (spread.technique, len(spread.contacts)) == ("syn", 5)


def test_echo_flags_and_datagrams() -> None:
    [echo] = observed(Scans(LIMITS), *(contact(n, 0, Kind.ECHO, host=n) for n in range(2)))
    assert echo.technique == "sweep"
    fins = [contact(n, 20 + n % 2, Kind.FIN, frame=n) for n in range(3)]
    assert [f.technique for f in observed(Scans(LIMITS), *fins) if f.contacts] == ["fin"]
    lost = [contact(n, 20 + n, Kind.UDP_UNANSWERED) for n in range(3)]
    assert [f.technique for f in observed(Scans(LIMITS), *lost)] == ["udp"]
    answered = [lost[0], contact(1, 53, Kind.UDP_ANSWERED), *lost[1:]]
    assert observed(Scans(LIMITS), *answered) == []


def test_the_least_active_sources_are_evicted_and_counted() -> None:
    scans = Scans(LIMITS)
    for n in range(MANY):
        list(scans.observe((0, 1000), contact(n * 1000, 7)))
    for n in range(20):
        list(scans.observe((0, n), contact(5000 + n, 7)))
    assert (len(scans), scans.evicted) == (LIMITS.sources, 17)
    assert (0, 1000) in scans
    assert (0, 0) not in scans


def test_state_goes_on_where_it_was() -> None:
    scans, again = Scans(LIMITS), Scans(LIMITS)
    observed(scans, *(contact(n, 10 + n, host=1 + n % 2) for n in range(7)))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(scans.save())))
    rest = [contact(7 + n, 30 + n) for n in range(5)]
    assert observed(again, *rest) == observed(scans, *rest)
