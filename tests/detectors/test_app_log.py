from __future__ import annotations

import pytest

from mlids.detectors.app_log import AppLog
from mlids.formats.app import App
from mlids.lines.patterns import MOST_LATE, UserPattern
from mlids.testing import START_NS, check_detector, heartbeat, lines

DOOR = UserPattern(
    name="door",
    pattern=r"door opened by (?P<who>\w+) from (?P<ip>\S+) port (?P<port>\d+)(?: in (?P<room>\w+))?",
    fields={"who": "user"},
    severity="HIGH",
    event_type="Suspicious Login",
    techniques=["T1078"],
)
KNOCK = UserPattern(name="knock", pattern=r"knock of (?P<ip>\S+)", threshold=3, window_s=60)


def batch(*text, source="app.log"):
    made = [f"2025-01-13 10:30:{n:02} {one}" for n, one in enumerate(text)]
    return lines(*made, format=App(timezone="UTC"), source=source)


def told(*text, patterns=(DOOR, KNOCK), source="app.log"):
    return check_detector(lambda: AppLog(patterns=list(patterns)), batch(*text, source=source))


def test_a_line_that_a_pattern_finds():
    (event,) = told("x", "door opened by eve from ::ffff:1.2.3.4 port 22 in attic", "door closed")
    assert (event.type, event.severity, event.rule) == ("Suspicious Login", "HIGH", "app_log/door")
    assert event.details["ip"] == "1.2.3.4"
    assert (event.details["user"], event.details["port"]) == ("eve", 22)
    assert event.details["metadata"]["room"] == "attic"
    assert event.time_ns == START_NS - 45 * 10**9 + 10**9
    assert event.evidence[0]["line"] == 2
    assert event.explanation == "1 line (threshold 1, no window)"


def test_what_is_no_address_is_not_blamed():
    (event,) = told("door opened by eve from nowhere port 22")
    assert "ip" not in event.details
    assert event.details["metadata"]["ip"] == "nowhere"


def test_patterns_that_count():
    assert told("knock of 1.2.3.4", "knock of 1.2.3.4", "knock of 5.6.7.8") == []
    (event,) = told(*["knock of 1.2.3.4"] * 3)
    assert (event.type, event.severity) == ("Rule Match", "MEDIUM")
    assert "3 lines (threshold 3, within 60 s)" in event.explanation
    assert [place["line"] for place in event.evidence] == [3, 2, 1]
    many = told(*["knock of 1.2.3.4"] * 59)
    assert sum(1 + event.details["suppressed"] for event in many) == 57


def test_several_patterns_of_one_line():
    found = told(
        "knock of 1.2.3.4; door opened by eve from 1.2.3.4 port 22",
        patterns=(
            DOOR,
            UserPattern(name="any", pattern="knock"),
        ),
    )
    assert sorted(event.rule for event in found) == ["app_log/any", "app_log/door"]


@pytest.mark.parametrize(("source", "count"), [("/var/log/door.log", 1), ("/var/log/x.log", 0)])
def test_patterns_for_some_inputs(source, count):
    own = UserPattern(name="own", pattern="opened", sources=["*/door*.log"])
    assert len(told("opened", patterns=(own,), source=source)) == count


def test_lines_around_the_one_that_is_found_do_not_matter():
    spanning = UserPattern(name="span", pattern=r"a\s+b")
    assert told("a", "b", patterns=(spanning,)) == []
    (event,) = told("a", "a  b", "b", patterns=(spanning,))
    assert event.evidence[0]["line"] == 2


def test_a_pattern_that_cannot_keep_up_is_switched_off():
    bomb = UserPattern(name="bomb", pattern=r"((a|aa)+)+(?<!b)$")
    detector = AppLog(patterns=[bomb])
    detector._patterns[0].late = MOST_LATE - 1
    (gap,) = detector.inspect(batch("a" * 60 + "!", "x"))
    assert (gap.type, gap.severity) == ("Monitoring Gap", "MEDIUM")
    assert "bomb" in gap.details["description"]
    assert detector.counts()["lines_given_up"] == MOST_LATE
    assert list(detector.inspect(batch("a" * 60 + "!"))) == []


def test_without_patterns_it_does_nothing():
    assert told("door opened by eve from 1.2.3.4 port 22", patterns=()) == []
    detector = AppLog()
    assert list(detector.inspect(heartbeat(START_NS))) == []
    assert detector.counts() == {"evicted": 0, "lines_given_up": 0}


def test_lines_without_a_format_serve_as_well():
    made = lines("door opened by eve from 1.2.3.4 port 22", b"\xff\x00")
    (event,) = AppLog(patterns=[DOOR]).inspect(made)
    assert event.time_ns == START_NS
