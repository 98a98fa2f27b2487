from __future__ import annotations

import msgspec

from mlids.scans.contacts import BY_SYSTEM, CLIENTLIKE, Contact, Kind
from mlids.scans.findings import Finding, Limits
from mlids.scans.sources import MANY, MOST_UNITS, Scans, by_connections, network

SECOND = 10**9
LIMITS = Limits(3, 60 * SECOND, 5, 4, 2, 4)
SOURCE, HOST = (0, 9, 128), (0, 1)


def contact(
    at: float, port: int, kind: Kind = Kind.REFUSED, host: int = 1, frame: int = 1, socket: int = 0
) -> Contact:
    return Contact(int(at * SECOND), *SOURCE[:2], 0, host, frame, frame, port, 0, kind, socket)


def observed(scans: Scans, *contacts: Contact) -> list[Finding]:
    return [finding for each in contacts for finding in scans.observe(SOURCE, each)]


def test_ports_trigger_again_and_again_and_the_rest_is_told_as_a_total() -> None:
    scans = Scans(LIMITS)
    found = observed(scans, *(contact(n, 10 + n) for n in range(8)))
    assert [(len(f.contacts), f.total) for f in found] == [(3, 3), (3, 6)]
    key = ("syn", *SOURCE, *HOST)
    assert {f.key for f in found} == {key}
    assert scans.total(key) == 8
    assert scans.ended == []
    observed(scans, contact(5000, 99))  # another episode
    assert scans.ended == [(key, 8)]
    assert scans.total(key) is None


def test_a_port_that_answers_is_taken_back() -> None:
    scans = Scans(LIMITS)
    assert observed(scans, contact(0, 1), contact(1, 2)) == []
    assert observed(scans, contact(2, 1, Kind.OPENED), contact(3, 3)) == []
    [found] = observed(scans, contact(4, 4))
    assert [each.port for each in found.contacts] == [2, 3, 4]
    observed(scans, contact(5, 7))
    assert scans.total(found.key) == 4
    observed(scans, contact(6, 7, Kind.OPENED))
    assert scans.total(found.key) == 3


def test_one_port_of_many_hosts_is_a_sweep_and_many_are_a_scan() -> None:
    [sweep] = observed(Scans(LIMITS), *(contact(n, 22, host=n) for n in range(4)))
    assert sweep.technique == "sweep"
    slow = (contact(n * 400, 20 + n, host=n) for n in range(5))
    [spread] = [f for f in observed(Scans(LIMITS), *slow) if f.technique != "slow"]
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
        scans.observe((0, 1000, 128), contact(n * 1000, 7))
    for n in range(20):
        scans.observe((0, n, 128), contact(5000 + n, 7))
    assert (len(scans), scans.evicted) == (LIMITS.sources, 17)
    assert (0, 1000, 128) in scans
    assert (0, 0, 128) not in scans
    assert ((0, 0, 128), 1, 5000 * SECOND) in scans.lost


def test_state_goes_on_where_it_was() -> None:
    scans, again = Scans(LIMITS), Scans(LIMITS)
    observed(scans, *(contact(n, 10 + n, host=1 + n % 2) for n in range(7)))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(scans.save())))
    rest = [contact(7 + n, 30 + n) for n in range(5)]
    assert observed(again, *rest) == observed(scans, *rest)


def test_fewer_are_followed_where_each_does_much() -> None:
    scans = Scans(LIMITS._replace(sources=100, ports=1000, contacts=1000, port_hosts=1000))
    for n in range(100):
        for port in range(40):
            each = contact(n + port / 1000, 1 + port)
            scans.observe((0, n, 128), each._replace(src_lo=n))
    assert 5 < len(scans) < 20
    assert (0, 99, 128) in scans
    held = sum(len(w.items) for k in scans._many.values() for w in k.windows.values())
    assert held < 100 * MOST_UNITS
    scans.observe((0, 5000, 128), contact(200, 1))
    again = Scans(scans.limits)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(scans.save())))
    assert again._units <= MOST_UNITS * 100


def test_an_evicted_source_says_what_it_counted() -> None:
    scans = Scans(LIMITS)
    observed(scans, *(contact(n, 10 + n) for n in range(4)))
    for n in range(10):
        for turn in range(MANY):
            scans.observe((0, 1000 + n, 128), contact(9 + n, 7 + turn))
    assert SOURCE not in scans
    assert scans.ended[0] == (("syn", *SOURCE, *HOST), 4)


def test_failures_before_a_source_was_followed_count_for_the_slow_rule() -> None:
    limits = LIMITS._replace(failures=3, ports=9)
    assert observed(Scans(limits), contact(50, 1), contact(59, 2)) == []
    scans = Scans(limits)
    assert scans.observe(SOURCE, contact(50, 1), 1) == []
    [found] = observed(scans, contact(59, 2))
    assert found.technique == "slow"


def test_what_clients_have_all_the_time_is_neither_slow_nor_spread() -> None:
    marked = [contact(n * 10, 443, host=n, socket=CLIENTLIKE) for n in range(40)]
    assert observed(Scans(LIMITS), *marked) == []
    plain = [each._replace(socket=0) for each in marked]
    assert {f.technique for f in observed(Scans(LIMITS), *plain)} == {"sweep", "slow"}


def wide_contact(at: float, port: int, high: int) -> Contact:
    return Contact(int(at * SECOND), high, 5, 7, 7, 1, 1, port, 0, Kind.REFUSED, 0)


def test_an_ipv6_network_counts_where_three_of_its_parts_take_part() -> None:
    base = 0x2001_0DB8_0000_0000
    assert network(wide_contact(0, 1, base | 0x1234), 56) == (base | 0x1200, 0, 56)
    assert network(wide_contact(0, 1, base | 0x1234), 48) == (base, 0, 48)
    for parts, found in ((2, 0), (3, 1)):
        scans = Scans(LIMITS)
        each = [wide_contact(n, 1 + n, base | n % parts) for n in range(3)]
        each.append(wide_contact(3, 9, base | 0))
        said = [f for c in each for f in scans.observe((base, 0, 56), c)]
        assert len(said) == found


def test_a_contact_counts_in_one_network_only() -> None:
    base = 0x2001_0DB8_0000_0000
    scans, found = Scans(LIMITS._replace(sources=100)), []
    for n in range(12):
        each = wide_contact(n / 10, 1 + n, base)
        for source in (network(each, 64), network(each, 56), network(each, 48)):
            found += scans.observe(source, each)
    assert {f.key[3] for f in found} == {64}
    assert scans.total(("syn", base, 0, 64, 7, 7)) == 12


def test_connect_or_raw() -> None:
    raw, system = contact(0, 1), contact(0, 1, socket=BY_SYSTEM)
    connected = contact(0, 1, Kind.CONNECTED)
    assert by_connections([raw, system]) == "syn"
    assert by_connections([system, system]) == "connect"
    assert by_connections([raw, connected]) == "connect"
