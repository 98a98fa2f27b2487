from __future__ import annotations

import pytest

from mlids.coverage import CRASH, SLEEP, STOP, coverage
from mlids.events import Event, format_time, parse_time
from mlids.query import parse
from mlids.tally import Tally
from mlids.testing import START_NS, event
from mlids.volume import NS

HOUR, DAY = 3600, 86400


class Memory:
    """The stored events as a list, in the order they were written."""

    def __init__(self, *events: Event) -> None:
        self.events = [one.stamped() for one in events]

    def search(self, query, since_ns=0, until_ns=None, limit=None, newest=False):
        end = until_ns if until_ns is not None else 1 << 63
        asked = parse(query)
        inside = [e for e in self.events if since_ns <= e.time_ns < end and asked.matches(e)]
        return iter((inside[::-1] if newest else inside)[:limit])

    def tally(self, query, since_ns=0, until_ns=None):
        return Tally.of(self.search(query, since_ns, until_ns))


def at(seconds: float) -> int:
    return START_NS + int(seconds * NS)


def service(what: str, seconds: float, **metadata: object) -> Event:
    details = {"description": what, "metadata": metadata}
    more = {"source": "system", "seconds": seconds, "details": details, "rule": "service"}
    return event(f"Service {what}", "LOW", **more)


def changed(seconds: float, *inputs: str) -> Event:
    return service("Started", seconds, inputs=list(inputs)).replace(type="Configuration Changed")


def gap(seconds: float, **metadata: object) -> Event:
    details = {"description": "a gap", "metadata": metadata}
    return event("Monitoring Gap", "MEDIUM", source="system", seconds=seconds, details=details)


def covered(*events: Event, until: float = 10, now: float = 100 * DAY, signs=()):
    moments = [at(sign) for sign in signs]
    return coverage(Memory(*events), at(0), at(until * DAY), at(now), moments)


def spans(periods) -> list[tuple[float, float]]:
    """Periods as days from the begin."""
    return [(days(one.since), days(one.until)) for one in periods]


def days(stamp: str) -> float:
    return (parse_time(stamp) - START_NS) / NS / DAY


def test_a_run_that_was_stopped_and_started_again():
    found = covered(
        service("Started", 1 * DAY, inputs=["network eth0", "files /etc"]),
        service("Stopped", 4 * DAY),
        service("Started", 5 * DAY, inputs=["network eth0"]),
        service("Stopped", 10 * DAY - 1),
    )
    assert spans(found.watched) == [(1, 4), (5, pytest.approx(10, abs=1e-4))]
    assert found.share == pytest.approx(0.8, abs=1e-4)
    assert [p.reason for p in found.unwatched][1:] == [STOP, STOP]
    assert "begins 2025-01-14 10:30" in found.unwatched[0].reason
    assert found.inputs == ["network eth0", "files /etc"]
    assert (found.starts, found.stops, found.crashes) == (2, 2, 0)


def test_each_lane_has_its_share():
    found = covered(
        service("Started", 0, inputs=["network eth0", "network eth1", "logs a"]),
        changed(2 * DAY, "logs a"),
        changed(3 * DAY),  # names nothing, so nothing is another
        service("Stopped", 4 * DAY),
        service("Started", 6 * DAY, inputs=["logs a"]),
        service("Stopped", 10 * DAY - 1),
    )
    assert found.lanes == {"network": pytest.approx(0.2), "logs": pytest.approx(0.8, abs=1e-4)}
    assert found.inputs == ["network eth0", "network eth1", "logs a"]
    assert (found.starts, found.stops, found.crashes) == (2, 2, 0)
    assert found.unwatched[0].reason == STOP


def test_a_change_before_the_period_shows_that_it_ran():
    found = covered(changed(-5, "files /etc"), service("Stopped", 5 * DAY))
    assert (spans(found.watched), found.lanes) == ([(0, 5)], {"files": 0.5})


def test_what_others_call_a_start_is_none():
    assert covered(service("Started", 1).replace(rule="custom"), until=1).starts == 0


def test_a_run_that_began_before_the_period_goes_on():
    found = covered(service("Started", -DAY, inputs=["logs a"]), service("Stopped", 5 * DAY))
    assert spans(found.watched) == [(0, 5)]
    assert found.inputs == ["logs a"]


def test_one_that_was_stopped_before_the_period_is_not_watching():
    found = covered(service("Started", -DAY), service("Stopped", -100), event(seconds=DAY))
    assert found.watched == []
    assert [p.reason for p in found.unwatched] == [STOP]
    assert found.share == 0


def test_behind_a_crash_only_what_cannot_have_been_told_later_counts():
    late = event(seconds=3 * DAY)  # a line that was written meanwhile, read by the next run
    scan = event("Port Scan", "HIGH", source="network", seconds=2 * DAY)
    events = [service("Started", 0), scan, late, service("Started", 4 * DAY)]
    found = covered(*events, service("Stopped", 10 * DAY - 1))
    assert spans(found.watched)[0] == (0, 2)
    assert (found.unwatched[0].reason, found.crashes) == (CRASH, 1)
    sealed = covered(*events, service("Stopped", 10 * DAY - 1), signs=range(0, 3 * DAY, 300))
    assert spans(sealed.watched)[0][1] == pytest.approx(3, abs=0.01)


def test_the_last_run_shows_itself_by_any_event_and_by_a_process_that_runs_now():
    events = [service("Started", 0), event(seconds=6 * DAY)]
    assert spans(covered(*events).watched) == [(0, 6)]
    running = covered(*events, now=8 * DAY, signs=[8 * DAY])
    assert spans(running.watched) == [(0, 8)]
    assert running.share == 1  # what is yet to come is not judged
    assert running.crashes == 0


def test_a_log_that_lost_its_begin_is_watched_from_its_first_event_on():
    found = covered(event(seconds=2 * DAY), service("Stopped", 3 * DAY))
    assert spans(found.watched) == [(2, 3)]
    assert found.begins == format_time(at(2 * DAY))


def test_old_lines_told_by_the_first_run_do_not_show_an_earlier_one():
    found = covered(event(seconds=DAY), service("Started", 5 * DAY), service("Stopped", 6 * DAY))
    assert [pair for pair in spans(found.watched) if pair[0] != pair[1]] == [(5, 6)]


def test_a_pause_of_the_seals_is_not_watched():
    signs = [*range(0, 2 * DAY, 300), *range(4 * DAY, 10 * DAY, 300)]
    found = covered(service("Started", 0), service("Stopped", 10 * DAY - 1), signs=signs)
    assert [p.reason for p in found.unwatched if p.seconds > HOUR] == [SLEEP]
    assert found.share == pytest.approx(0.8, abs=0.01)


def test_an_empty_log_shows_nothing():
    found = covered()
    assert (found.share, found.begins, found.unwatched[0].reason) == (
        0,
        "",
        "the log holds no events",
    )
