from __future__ import annotations

from typing import Any

import msgspec

from mlids.capture.addresses import HOME, Networks, words
from mlids.events import Event
from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import DAY_NS, NOBODY, QUIET_NS, Finding, Limits
from mlids.scans.sources import Scans
from mlids.scans.tellings import MOST_CAPTURES, Tellings
from mlids.testing import START_NS

SECOND = 10**9
LIMITS = Limits(10, 60 * SECOND, 25, 25, 10, 1000)
OUT, HOST = words("203.0.113.9"), words("192.168.1.10")
KEY = ("syn", *OUT, 128, *HOST)


def tellings() -> Tellings:
    made = Tellings(LIMITS, Networks(HOME))
    made.capture("a.pcap")
    return made


def finding(at: float, total: int = 10, technique: str = "syn", key: Any = KEY) -> Finding:
    time = START_NS + int(at * SECOND)
    found = [Contact(time, *OUT, *HOST, n + 1, n, 100 + n, 0, Kind.REFUSED, 0) for n in range(10)]
    return Finding(technique, key, found, total)


def told(made: Tellings, *findings: Finding) -> list[Event]:
    return [e for each in findings for e in made.told(each, each.contacts[-1].time)]


def distinct(events: list[Event]) -> list[int]:
    return [event.details["metadata"]["distinct"] for event in events]


def test_the_first_the_tenth_and_the_rest() -> None:
    made, scans = tellings(), Scans(LIMITS)
    events = told(made, *(finding(n, 10 + n * 10) for n in range(25)))
    assert distinct(events) == [10, 100]
    assert list(made.close(START_NS + 24 * SECOND + QUIET_NS, scans)) == []
    rest = list(made.close(START_NS + 24 * SECOND + QUIET_NS + 1, scans))
    assert distinct(rest) == [250]
    every = [*events, *rest]
    assert sum(1 + event.details["suppressed"] for event in every) == 25
    assert len({event.correlation_id for event in every}) == 1
    assert list(made.flush(scans)) == []


def test_the_rest_says_what_was_counted_meanwhile() -> None:
    made, scans = tellings(), Scans(LIMITS)
    told(made, finding(0), finding(1, 20))
    made.totals([(KEY, 27), (("syn", 0, 1, 128, 0, 2), 99)])
    [rest] = made.flush(scans)
    assert distinct([rest]) == [27]


def test_another_episode_of_the_same_two_hosts() -> None:
    made = tellings()
    events = told(made, finding(0), finding(1, 20), finding(5000))
    assert distinct(events) == [10, 20, 10]
    assert len({event.correlation_id for event in events}) == 2


def test_slow_scans_belong_together_for_a_day() -> None:
    slow = ("slow", *OUT, 128, *NOBODY)
    step = DAY_NS // SECOND // 2
    made, scans = tellings(), Scans(LIMITS)
    events = told(made, *(finding(n * step, 4 + n, "slow", slow) for n in range(11)))
    assert distinct(events) == [4, 13]
    assert list(made.close(START_NS + 10 * step * SECOND + DAY_NS, scans)) == []
    assert len(list(made.close(START_NS + 10 * step * SECOND + DAY_NS + 1, scans))) == 1


def test_captures_have_numbers() -> None:
    made = tellings()
    assert [made.capture(name) for name in ("a.pcap", "b.pcap", "a.pcap")] == [0, 1, 0]
    made._captures += [f"{n}" for n in range(MOST_CAPTURES)]
    assert made.capture("one more") == len(made._captures) - 1


def test_it_goes_on_after_a_restart() -> None:
    made, scans = tellings(), Scans(LIMITS)
    told(made, *(finding(n, 10 + n) for n in range(5)))
    again = Tellings(LIMITS, Networks(HOME))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(made.save())))
    rest = list(again.flush(scans))
    assert rest == list(made.flush(scans))
    assert rest[0].evidence[0] == {"source": "a.pcap", "frame": 10}
    assert rest[0].details["suppressed"] == 3
