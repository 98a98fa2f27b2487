from __future__ import annotations

import pytest

from mlids.controls import attacks
from mlids.controls.facts import Circumstances
from mlids.controls.frameworks import Check
from mlids.testing import event
from tests.controls.test_facts import facts, running
from tests.test_coverage import DAY

WEB = {"types": ["SQL Injection", "XSS"], "of": "logs"}


def ask(name: str, *events, check: dict | None = None, **more):
    found = getattr(attacks, name)(facts(*events, **more), Check(check=name, **(check or {})))
    return found.status.value, found.reason, found.evidence


def guessed(severity: str, attempts: object, user: str = "root"):
    details = {"ip": "203.0.113.9", "user": user, "metadata": {"attempts": attempts}}
    return event("Brute Force", severity, seconds=DAY, details=details)


@pytest.mark.parametrize(
    ("severity", "status"), [("MEDIUM", "PASS"), ("HIGH", "WARN"), ("CRITICAL", "FAIL")]
)
def test_seen_goes_by_severity(severity, status):
    found, reason, evidence = ask("seen", *running(), event("XSS", severity), check=WEB)
    assert (found, evidence.count) == (status, 1)
    assert "XSS" in reason


def test_what_silence_means_is_the_controls_to_say():
    assert ask("seen", *running(), check=WEB)[0] == "PASS"
    assert ask("seen", *running(), check=WEB | {"silence": "unknown"})[0] == "NOT ASSESSED"
    assert ask("seen", *running("network eth0"), check=WEB)[0] == "NOT ASSESSED"


def test_guessing_that_succeeded_fails():
    status, reason, evidence = ask(
        "guessing", *running(), guessed("HIGH", 900), guessed("CRITICAL", 5, "alice")
    )
    assert (status, evidence.count) == ("FAIL", 1)
    assert reason.endswith("after passwords were guessed: alice")


def test_guessing_without_limit_is_doubted():
    assert ask("guessing", *running(), event())[0] == "PASS"
    assert ask("guessing", *running(), guessed("HIGH", 10))[0] == "PASS"
    status, reason, _ = ask("guessing", *running(), guessed("HIGH", 1234))
    assert status == "WARN" and "1,234 tries" in reason
    assert ask("guessing", *running(), guessed("HIGH", "many"))[0] == "PASS"
    assert ask("guessing", *running("files /etc"))[0] == "NOT ASSESSED"


def changed(type: str = "File Modified", severity: str = "MEDIUM"):
    return event(type, severity, source="host", details={"path": "/etc/passwd"})


def test_changes_of_files():
    assert ask("changes", *running())[0] == "PASS"
    status, reason, evidence = ask("changes", *running(), changed(), changed("File Deleted"))
    assert (status, evidence.count) == ("PASS", 2)
    assert "1 File Modified" in reason
    assert ask("changes", *running(), changed(), circumstances=Circumstances())[0] == "WARN"
    assert ask("changes", *running(), changed("Integrity Violation", "HIGH"))[0] == "WARN"
    assert ask("changes", *running(), changed("Integrity Violation", "CRITICAL"))[0] == "FAIL"
    assert ask("changes", *running("logs a"))[0] == "NOT ASSESSED"


def test_incidents_seen_and_open():
    assert ask("incidents", *running())[0] == "PASS"
    told = [
        event("Incident", "HIGH", source="system", seconds=s, correlation_id=key)
        for key, s in (("a", DAY), ("a", 2 * DAY), ("b", 9.5 * DAY))
    ]
    status, reason, evidence = ask("incidents", *running(), *told)
    assert (status, evidence.count) == ("WARN", 3)
    assert reason.startswith("2 incidents, 1 of them in the last 24 hours")
    assert ask("incidents", *running(), *told, circumstances=Circumstances())[0] == "FAIL"


def test_grave_events_without_an_incident():
    status, reason, _ = ask("incidents", *running(), guessed("CRITICAL", 5))
    assert status == "WARN" and "1 CRITICAL event" in reason
