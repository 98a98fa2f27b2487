from __future__ import annotations

from mlids.controls import keeping
from mlids.controls.facts import Circumstances
from mlids.controls.frameworks import Check
from mlids.testing import event
from mlids.verification import Verification
from tests.controls.test_facts import NAMED_SINK, facts, running
from tests.test_coverage import DAY

HERE = Circumstances(retention_days=90)


def ask(name: str, *events, check: dict | None = None, **more):
    found = getattr(keeping, name)(facts(*events, **more), Check(check=name, **(check or {})))
    return found.status.value, found.reason, found.evidence


def test_recorded_is_what_is_there():
    logins = {"types": ["Failed Login", "Successful Login"]}
    status, reason, evidence = ask("recorded", event(), event(seconds=9), check=logins)
    assert (status, evidence.count) == ("PASS", 2)
    assert reason == "2 events recorded: Failed Login"
    status, reason, _ = ask("recorded", *running(), check=logins)
    assert status == "NOT ASSESSED" and "no Failed Login and Successful Login" in reason
    assert (
        ask("recorded", event(rule="login/sudo-failed"), check={"rules": ["login/sudo*"]})[0]
        == "PASS"
    )
    assert ask("recorded")[0] == "NOT ASSESSED"


def test_proved_goes_by_the_verification():
    good = Verification(records=10, sealed=10, authentic=True)
    bad = Verification(ok=False, records=3, bad="record 4 was changed", file="mlids.jsonl", line=4)
    status, reason, _ = ask("proved", verification=good)
    assert status == "PASS" and "10 records hold together" in reason
    status, reason, _ = ask("proved", verification=bad)
    assert status == "FAIL" and "record 4 was changed (mlids.jsonl, line 4)" in reason
    assert ask("proved")[0] == "WARN"
    assert ask("proved", verification=Verification(records=10, sealed=10))[0] == "WARN"
    old = Verification(records=10, sealed=10, authentic=True, unproved=3)
    assert ask("proved", verification=old)[0] == "WARN"
    assert ask("proved", verification=Verification())[0] == "NOT ASSESSED"


def deleted(seconds: float):
    return event("Log Retention", "LOW", source="system", seconds=seconds)


def test_retained_for_so_many_days():
    year = {"days": 365}
    assert ask("retained", check=year)[0] == "PASS"
    assert ask("retained", check=year, circumstances=Circumstances())[0] == "PASS"  # for ever
    status, reason, _ = ask("retained", check=year, circumstances=HERE)
    assert status == "WARN" and "kept for 90 days and 365 are asked" in reason
    status, _, evidence = ask("retained", deleted(DAY), check=year, circumstances=HERE)
    assert (status, evidence.count) == ("FAIL", 1)
    copied = Circumstances(retention_days=90, copies=["elk"])
    status, reason, _ = ask("retained", deleted(DAY), check=year, circumstances=copied)
    assert status == "WARN" and "elk" in reason


def test_copied_needs_a_sink_to_another_machine():
    assert ask("copied", circumstances=NAMED_SINK)[0] == "PASS"
    assert ask("copied", circumstances=HERE)[0] == "WARN"


def test_a_clock_that_is_wrong_shows_and_one_that_is_right_does_not():
    status, reason, evidence = ask("clock", event(seconds=30 * DAY))
    assert (status, evidence.count) == ("WARN", 1)
    assert "2025-02-12 10:30" in reason
    assert ask("clock", event())[0] == "PASS"
    assert ask("clock", event(), check={"silence": "unknown"})[0] == "NOT ASSESSED"
    assert ask("clock")[0] == "NOT ASSESSED"
