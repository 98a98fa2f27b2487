from __future__ import annotations

import pytest

from mlids.capture.addresses import words
from mlids.testing import START_NS
from mlids.web import events
from mlids.web.answers import Outcome, Waiting
from mlids.web.matching import Finding
from mlids.web.segments import Key

SQLI = Finding("SQL Injection", "sqli", "sqli-x", "value q", "' or 1=1", 0.9, ("T1190",))
SCAN = Finding("Web Scan", "scan", "scan-agent", "agent", "nikto", 0.95, ("T1595.002",))


def waiting(*findings: Finding, client: str = "203.0.113.9") -> Waiting:
    key = Key(*words(client), 40000, *words("192.168.1.10"), 8080)
    places = [{"source": "x.pcap", "frame": n} for n in range(1, 15)]
    return Waiting(key, START_NS, START_NS + 5, 100, list(findings), "GET", "/s", "shop", places)


def test_an_attack() -> None:
    event = events.attack(waiting(SQLI, SCAN), Outcome(200))
    assert (event.type, event.severity, event.source) == ("SQL Injection", "HIGH", "application")
    assert event.rule == "web_payload/sqli-x"
    assert event.time_ns == START_NS
    assert event.techniques == ["T1190"]
    assert len(event.evidence) == 10
    assert event.evidence[0]["frame"] == 1
    details = event.details
    assert (details["ip"], details["target"], details["port"]) == (
        "203.0.113.9",
        "192.168.1.10",
        8080,
    )
    assert details["protocol"] == "TCP"
    assert details["metadata"] == {
        "technique": "sqli",
        "method": "GET",
        "path": "/s",
        "host": "shop",
        "part": "value q",
        "rule": "sqli-x",
        "decoded": "' or 1=1",
        "status": 200,
        "also": ["scan"],
    }


@pytest.mark.parametrize(
    ("outcome", "severity", "words"),
    [
        (Outcome(), "MEDIUM", "no answer of the server was seen within 10 s"),
        (Outcome(200), "HIGH", "answered 200, as if it worked"),
        (Outcome(403), "MEDIUM", "answered 403, so it seems not to have worked"),
        (Outcome(500, "SQLSTATE["), "HIGH", "it worked"),
    ],
)
def test_the_explanation_says_what_the_server_did(
    outcome: Outcome, severity: str, words: str
) -> None:
    event = events.attack(waiting(SQLI), outcome)
    assert event.severity == severity
    assert words in event.explanation
    assert "value q holds" in event.explanation
    assert event.confidence == (0.95 if outcome.sign else 0.9)
    assert event.details["metadata"]["status"] == (outcome.status or None)


def test_attacks_have_their_own_ids() -> None:
    one, other = waiting(SQLI), waiting(SQLI)
    other.next = 101
    ids = {events.attack(w, Outcome()).correlation_id for w in (one, one, other)}
    assert len(ids) == 2


def test_a_scan() -> None:
    account = events.scan(waiting(SQLI, SCAN, client="2001:db8::9"), Outcome(404), SCAN)
    assert (account.type, account.severity) == ("Web Scan", "MEDIUM")
    assert account.details["ip"] == "2001:db8::9"
    assert account.details["metadata"]["technique"] == "scan"
    assert "nikto" in account.explanation
    assert len(account.evidence) == 10
