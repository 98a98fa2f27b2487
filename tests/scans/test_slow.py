from __future__ import annotations

import msgspec
import pytest

from mlids.scans.contacts import NEW_DAY, NEW_HOUR, Contact, Kind
from mlids.scans.findings import DAY_NS, Finding, Limits
from mlids.scans.slow import REMEMBERED, Pace, plain, restored

SECOND = 10**9
LIMITS = Limits(10, 60 * SECOND, 25, 25, 10, 1000)
SOURCE = (0, 9, 128)
BEGIN = 20_000 * DAY_NS


def contact(
    at: float, port: int, kind: Kind = Kind.REFUSED, host: int = 1, high: int = 0, socket: int = 0
) -> Contact:
    time = BEGIN + int(at * SECOND)
    return Contact(time, high, 9, 0, host, port, port, port, 0, kind, socket)


def answer(at: float, port: int, host: int = 1) -> Contact:
    return contact(at, port, Kind.OPENED, host, socket=NEW_HOUR | NEW_DAY)


def walked(pace: Pace, *contacts: Contact, source: tuple[int, int, int] = SOURCE) -> list[Finding]:
    found = []
    for each in contacts:
        if each.kind == Kind.OPENED:
            pace.succeeds(each)
        elif (finding := pace.fails(source, each, LIMITS)) is not None:
            found.append(finding)
    return found


@pytest.mark.parametrize(("step", "told"), [(5.999, 0), (6, 1), (3600, 1), (500_000, 1)])
def test_four_failures_apart_decide(step: float, told: int) -> None:
    found = walked(Pace(), *(contact(n * step, 1 + n) for n in range(4)))
    assert len(found) == told
    for finding in found:
        assert (finding.technique, finding.total) == ("slow", 4)
        assert [each.port for each in finding.contacts] == [1, 2, 3, 4]
    assert walked(Pace(), *(contact(n * step, 1 + n) for n in range(3))) == []


def test_the_same_host_and_port_counts_once() -> None:
    pace = Pace()
    assert walked(pace, *(contact(n * 60, 22) for n in range(500))) == []
    assert (pace.net, pace.total) == (1, 1)


def test_a_success_takes_a_failure_back() -> None:
    tries = [contact(10 * n, 1 + n) for n in range(3)]
    assert walked(Pace(), *tries, answer(40, 443, 7), contact(50, 99)) == []
    [found] = walked(Pace(), *tries, answer(40, 443, 7), contact(50, 98), contact(60, 99))
    assert len(found.contacts) == 5
    again = contact(40, 443, Kind.OPENED, 7)  # not the first of its hour
    assert len(walked(Pace(), *tries, again, contact(50, 99))) == 1


def test_what_answers_at_last_was_no_failure() -> None:
    pace = Pace()
    walked(pace, contact(0, 1), contact(10, 2))
    pace.succeeds(contact(14, 2, Kind.OPENED))
    assert (pace.net, [each.port for each in pace.walk]) == (1, [1])
    assert walked(pace, contact(90, 2)) == []  # it is known to be served
    assert pace.net == 1


def test_what_comes_shortly_after_a_success_is_part_of_it() -> None:
    pace = Pace()
    for n in range(30):  # IPv4 answers, then IPv6 is given up
        walked(pace, answer(n * 60, 443, 100 + n), contact(n * 60 + 3, 443, host=500 + n))
    assert pace.net == 0


@pytest.mark.parametrize(("count", "told"), [(29, 0), (30, 1)])
def test_thirty_in_a_day(count: int, told: int) -> None:
    pace, found = Pace(), []
    for n in range(count):
        found += walked(pace, contact(n * 2000, 1 + n), answer(n * 2000 + 1000, 443, 100 + n))
    assert len(found) == told
    if found:
        assert len(found[0].contacts) == 30


def test_a_day_is_a_day() -> None:
    pace, found = Pace(), []
    for n in range(100):
        found += walked(pace, contact(n * 3000, 1 + n), answer(n * 3000 + 1000, 443, 100 + n))
    assert found == []  # 28.8 a day


def test_one_failure_in_five_is_ordinary() -> None:
    for successes, told in ((5, 0), (3, 1)):
        pace, found = Pace(), []
        for n in range(40):
            found += walked(pace, contact(n * 1000, 1 + n))
            each = range(successes)
            found += walked(pace, *(answer(n * 1000 + 9 + k, 25, 100 + n * 9 + k) for k in each))
        assert bool(found) == bool(told)


def test_successes_of_today_and_yesterday() -> None:
    pace = Pace()
    walked(pace, *(answer(n, 25, n) for n in range(40)))
    assert pace.ordinary(BEGIN) == 10
    walked(pace, *(answer(86_400 + n, 25, 100 + n) for n in range(20)))
    assert pace.ordinary(BEGIN + DAY_NS) == 15
    assert pace.ordinary(BEGIN + 2 * DAY_NS) == 5
    assert pace.ordinary(BEGIN + 3 * DAY_NS) == 0
    walked(pace, answer(5 * 86_400, 25, 1))
    assert (pace.successes, pace.yesterday) == (1, 0)


def test_a_scan_that_goes_on_is_told_again_and_counted_in_all() -> None:
    found = walked(Pace(), *(contact(n * 60, 1 + n) for n in range(12)))
    assert [finding.total for finding in found] == [4, 8, 12]
    assert len({finding.key for finding in found}) == 1
    later = [contact(n * 60, 1 + n) for n in range(4)]
    later += [contact(200_000 + n * 60, 50 + n) for n in range(4)]
    assert [finding.total for finding in walked(Pace(), *later)] == [4, 4]


def test_a_wide_network_needs_three_parts() -> None:
    base, source = 0x2001_0DB8_0000_0000, (0x2001_0DB8_0000_0000, 0, 56)
    for parts, told in ((2, 0), (3, 1)):
        some = [contact(n * 60, 1 + n, high=base | n % parts) for n in range(4)]
        assert len(walked(Pace(), *some, source=source)) == told
    one = [contact(n * 60, 1 + n, high=base) for n in range(40)]
    assert walked(Pace(), *one, source=source) == []


def test_memory_is_bounded() -> None:
    pace = Pace()
    for n in range(1000):
        pace.fails(SOURCE, contact(n, 1 + n), LIMITS._replace(failures=64, closed=64))
        pace.succeeds(answer(n + 0.5, 1 + n, 9))
    assert len(pace.failed) == len(pace.good) == REMEMBERED
    assert max(len(pace.walk), len(pace.day)) <= REMEMBERED


def test_state_goes_on_where_it_was() -> None:
    pace = Pace()
    walked(pace, *(contact(n * 60, 1 + n) for n in range(6)), answer(1000, 443, 7))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(plain(pace)))
    assert restored(state) == pace
