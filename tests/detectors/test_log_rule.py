from __future__ import annotations

import pytest

from mlids.detectors.log_rule import LogRule
from mlids.formats.app import App
from mlids.testing import START_NS, check_detector, heartbeat, lines

RULES = """
service: gate
lines: true
rules:
  - id: crash
    title: The gate fell
    severity: HIGH
    techniques: [T1499]
    holds: ["fell down"]
    pattern: '{{stamp}} gate fell down(?: by {{src}})?(?: in (?P<path>/.*))?'
    match: [{message: "2025-01-13 10:30:45 gate fell down by 1.2.3.4", src: 1.2.3.4}]
    no_match: ["2025-01-13 10:30:45 gate fell down, says 8.8.8.8"]
    injections:
      - {message: "2025-01-13 10:30:45 gate fell down by 8.8.8.8 by 1.2.3.4"}
      - {message: "2025-01-13 10:30:45 gate fell down by x by 8.8.8.8"}
      - {message: "gate gate fell down by 8.8.8.8"}
  - id: refused
    title: Refused again and again
    holds: ["refused "]
    pattern: '{{stamp}} gate refused (?P<what>\\w+) of {{src}}'
    count: 3
    window_s: 60
    match: [{message: "2025-01-13 10:30:45 gate refused entry of 1.2.3.4", src: 1.2.3.4}]
    no_match: ["2025-01-13 10:30:45 gate refused entry"]
    injections:
      - {message: "2025-01-13 10:30:45 gate refused entry of 8.8.8.8 of 1.2.3.4"}
      - {message: "2025-01-13 10:30:45 gate refused x y of 8.8.8.8"}
      - {message: "gate gate refused x of 8.8.8.8"}
  - id: names
    title: Many names
    holds: ["asked for "]
    pattern: '{{stamp}} gate asked for (?P<user>\\w+) of {{src}}'
    count: 3
    distinct: user
    window_s: 60
    match: [{message: "2025-01-13 10:30:45 gate asked for a of 1.2.3.4", src: 1.2.3.4, user: a}]
    no_match: ["2025-01-13 10:30:45 gate asked for a"]
    injections:
      - {message: "2025-01-13 10:30:45 gate asked for a of 8.8.8.8 of 1.2.3.4"}
      - {message: "2025-01-13 10:30:45 gate asked for a b of 8.8.8.8"}
      - {message: "gate gate asked for a of 8.8.8.8"}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "gate.yaml").write_text(RULES)
    return str(tmp_path)


def batch(*said):
    """Pairs of seconds and text."""
    made = [f"2025-01-13 10:{30 + s // 60:02}:{s % 60:02} gate {text}" for s, text in said]
    return lines(*made, format=App(timezone="UTC"))


def told(folder, *said, **options):
    return check_detector(lambda: LogRule(rules=[folder], **options), batch(*said))


def test_one_line_is_one_event(folder):
    (event,) = told(folder, (1, "fell down by 1.2.3.4"), (2, "stands"))
    assert (event.type, event.severity, event.rule) == ("Rule Match", "HIGH", "log_rule/gate-crash")
    assert event.details["ip"] == "1.2.3.4"
    assert event.details["description"] == "The gate fell by 1.2.3.4"
    assert list(event.techniques) == ["T1499"]
    assert event.evidence == [{"source": "test.log", "line": 1, "offset": 0}]
    assert event.explanation == "1 line (threshold 1, no window)"
    assert event.details["metadata"]["line"].endswith("fell down by 1.2.3.4")


def test_who_is_no_address_is_named_as_he_is(folder):
    (event,) = told(folder, (1, "fell down in /usr/bin/x"))
    assert "ip" not in event.details
    assert event.details["path"] == "/usr/bin/x"
    assert event.details["description"] == "The gate fell by /usr/bin/x"


@pytest.mark.parametrize(
    ("times", "events"), [((1, 2), 0), ((1, 2, 3), 1), ((1, 2, 61), 0), ((1, 2, 60), 1)]
)
def test_rules_that_count(folder, times, events):
    found = told(folder, *((at, "refused entry of 1.2.3.4") for at in times))
    assert len(found) == events
    for event in found:
        assert event.details["ip"] == "1.2.3.4"
        assert "3 lines (threshold 3, within 60 s)" in event.explanation
        assert [place["line"] for place in event.evidence] == [3, 2, 1]


def test_sources_are_counted_apart(folder):
    assert told(folder, *((n, f"refused entry of 1.2.3.{n}") for n in range(9))) == []


def test_rules_that_count_different_values(folder):
    assert told(folder, *((n, "asked for eve of 1.2.3.4") for n in range(9))) == []
    (event,) = told(folder, *((n, f"asked for user{n} of 1.2.3.4") for n in range(3)))
    assert "3 different user (threshold 3" in event.explanation


def test_what_goes_on_is_told_by_the_volume_law(folder):
    found = told(folder, *((n // 10, "refused entry of 1.2.3.4") for n in range(500)))
    assert len(found) <= 6
    assert sum(1 + event.details["suppressed"] for event in found) == 498


def test_a_heartbeat_ends_what_was_held_back(folder):
    detector = LogRule(rules=[folder])
    said = list(detector.inspect(batch(*((n, "refused entry of 1.2.3.4") for n in range(5)))))
    assert len(said) == 1
    (rest,) = detector.inspect(heartbeat(START_NS + 3600 * 10**9))
    assert rest.details["metadata"]["triggers"] == 3
    assert rest.details["suppressed"] == 1


def test_sources_remembered_are_bounded(folder):
    detector = LogRule(rules=[folder], max_keys=100)
    made = batch(*((n // 100, f"refused entry of 10.0.{n // 250}.{n % 250}") for n in range(5000)))
    assert list(detector.inspect(made)) == []
    assert detector.counts()["evicted"] == 4900


def test_garbage_says_nothing(folder):
    junk = [b"\x00\xff refused ", b"fell down", "refused é of ☃".encode(), b"refused " * 9000]
    assert check_detector(lambda: LogRule(rules=[folder]), lines(*junk, format=App())) == []
