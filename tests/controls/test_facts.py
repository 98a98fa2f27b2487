from __future__ import annotations

import pytest

from mlids.controls.facts import Circumstances, Evidence, Facts
from mlids.coverage import coverage
from mlids.testing import event
from tests.test_coverage import DAY, Memory, at, service

ALL = ["network eth0", "files /etc", "logs /var/log/auth.log"]
NAMED_SINK = Circumstances(retention_days=400, told=["splunk"], copies=["splunk"])


def running(*inputs: str) -> tuple:
    """A run through the whole period of ten days."""
    return service("Started", -10, inputs=list(inputs or ALL)), service("Stopped", 10 * DAY - 1)


def facts(*events, now: float = 20 * DAY, circumstances=NAMED_SINK, **more) -> Facts:
    """Facts over ten days, in which MLIDS ran unless the events say otherwise."""
    stored = Memory(*sorted(events, key=lambda one: one.time_ns))
    span = at(0), at(10 * DAY), at(now)
    found = coverage(stored, *span)
    return Facts(stored, *span, coverage=found, circumstances=circumstances, **more)


def scan(seconds: float, severity: str = "HIGH"):
    return event("Port Scan", severity, source="network", seconds=seconds, rule="port_scan")


def test_evidence_has_counts_first_last_and_ten_ids():
    found = facts(*running(), *(scan(n * 1000) for n in range(15)), scan(5, "MEDIUM"))
    evidence = found.evidence(["Port Scan"])
    assert (evidence.count, evidence.by_type) == (16, {"Port Scan": 16})
    assert len(evidence.events) == 10
    assert evidence.first == scan(0).timestamp
    assert evidence.last == "2025-01-13T14:00:00.000000Z"  # the hour: there are more than ids
    assert found.evidence(["Port Scan"], "HIGH").count == 15
    assert found.evidence(["Port Scan"], "HIGH").first == evidence.first
    assert found.evidence([], "CRITICAL") == Evidence()
    assert found.count([], "HIGH") == 15


def test_nothing_is_searched_of_which_there_is_nothing():
    found = facts(*running())
    assert found.tally.total == 1
    asked = []
    found.stored.search = lambda *a: asked.append(a)
    assert found.evidence(["XSS"]).count == 0
    assert list(found.events("Incident")) == []
    assert found.by_rule(["login/sudo*"]).count == 0
    assert asked == []


def test_by_rule_counts_what_fits_a_glob():
    found = facts(*running(), event(rule="login/sudo-failed"), event(rule="login/sshd"))
    evidence = found.by_rule(["login/sudo*", "login/su-*"])
    assert (evidence.count, evidence.by_type) == (1, {"login/sudo-failed": 1})
    assert len(evidence.events) == 1


@pytest.mark.parametrize(
    ("kind", "names"),
    [("network", ["network eth0"]), ("logs", ["logs a", "logs b"]), ("files", [])],
)
def test_inputs_are_told_apart_by_their_lane(kind, names):
    assert facts(*running("network eth0", "logs a", "logs b")).inputs(kind) == names


def test_where_no_start_is_known_the_configuration_names_the_inputs():
    named = Circumstances(inputs=["files /etc"])
    assert facts(event(), circumstances=named).inputs("files") == ["files /etc"]
    assert facts(*running("logs a"), circumstances=named).inputs("files") == []


def test_an_event_ahead_of_now():
    assert facts(event(seconds=20 * DAY + 61)).ahead is not None
    assert facts(event(seconds=20 * DAY + 59)).ahead is None


def test_names_that_would_leave_their_quotes_are_counted_only():
    odd = event(rule='login/sudo" OR type:"XSS')
    evidence = facts(*running(), odd).by_rule(["login/sudo*"])
    assert (evidence.count, evidence.events) == (1, [])
