from __future__ import annotations

from mlids.controls.advice import recommendations
from mlids.controls.facts import Circumstances
from mlids.testing import event
from mlids.verification import Verification
from tests.controls.test_attacks import guessed
from tests.controls.test_facts import facts, running, scan
from tests.test_coverage import DAY, gap, service

GOOD = Verification(records=10, sealed=10, authentic=True)


def told(*events, days: int = 0, **more):
    found = recommendations(facts(*events, **({"verification": GOOD} | more)), days)
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)
    return found


def test_nothing_is_recommended_without_cause():
    assert told(*running(), event(), days=365) == []


def test_a_tampered_log_comes_first():
    bad = Verification(ok=False, bad="record 4 was changed")
    first = told(*running(), guessed("CRITICAL", 9), verification=bad)[0]
    assert "tampered" in first.what and "record 4" in first.why
    assert any("index.py verify" in one.what for one in told(*running(), verification=None))


def test_accounts_that_were_taken_over():
    first, *rest = told(*running(), guessed("CRITICAL", 9, "alice"))
    assert "alice" in first.what and "203.0.113.9" in first.why
    assert any("Decide about 203.0.113.9" in one.what for one in rest)
    assert any("account alice" in one.what for one in rest)


def test_inputs_that_are_not_watched_with_the_exact_setting():
    found = {one.what: one.why for one in told(*running("logs a"))}
    assert found["Switch it on: monitoring.interface: auto"] == "no network is watched"
    assert any("monitoring.directory" in what for what in found)
    assert not any("app_log" in what for what in found)


def test_gaps_name_their_input():
    (one,) = told(*running(), gap(5, input="eth0", what="dropped", amount=3))
    assert one.what == "See to the input eth0"
    assert "1 gap (dropped)" in one.why


def test_time_that_was_not_watched():
    found = told(*running(), service("Started", DAY), service("Stopped", 3 * DAY))
    assert "ended without a word (1 time)" in found[0].what
    assert "of the period" in found[0].why


def test_a_log_that_nobody_gets():
    alone = Circumstances(retention_days=90)
    found = [one.what for one in told(*running(), scan(1), circumstances=alone, days=365)]
    assert any("sinks.tcp.enabled: true" in what for what in found)
    assert any("another machine" in what for what in found)
    assert any("logging.retention_days: 365" in what for what in found)


def test_web_attacks_and_incidents_and_clocks():
    web = event("SQL Injection", "HIGH", details={"ip": "203.0.113.9", "path": "/login"})
    details = {"entity": "203.0.113.7", "description": "x"}
    incident = event("Incident", "CRITICAL", source="system", details=details)
    found = [one.what for one in told(*running(), web, incident, event(seconds=30 * DAY))]
    assert any("/login" in what for what in found)
    assert any("203.0.113.7" in what for what in found)
    assert any("clocks" in what for what in found)
