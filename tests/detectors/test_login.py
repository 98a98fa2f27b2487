from __future__ import annotations

from mlids.detectors.login import Login
from mlids.formats.syslog import Syslog
from mlids.testing import check_detector, lines

A = "203.0.113.7"


def said(*messages: str, **options):
    text = [f"Jan 13 10:30:{n:02d} gate sshd[{n // 3}]: {m}" for n, m in enumerate(messages)]
    batch = lines(*text, format=Syslog(timezone="UTC"), source="auth.log")
    return check_detector(lambda: Login(**options), batch)


def test_a_failed_login():
    (event,) = said(f"Failed password for invalid user eve from {A} port 40 ssh2")
    assert (event.type, event.severity, event.source) == ("Failed Login", "MEDIUM", "application")
    assert event.timestamp == "2025-01-13T10:30:00.000000Z"
    details = event.details
    assert {key: details[key] for key in ("ip", "port", "user", "service", "method")} == {
        "ip": A,
        "port": 40,
        "user": "eve",
        "service": "sshd",
        "method": "password",
    }
    assert details["user_exists"] is False
    assert A in details["description"]
    assert details["metadata"] == {"pid": "0"}
    assert event.evidence == [{"source": "auth.log", "line": 1, "offset": 0}]
    assert event.rule == "login/sshd-failed"
    assert event.techniques == ["T1110"]
    assert event.tags == ["authentication", "failure"]


def test_a_successful_login():
    (event,) = said(f"Accepted publickey for eve from {A} port 40 ssh2: RSA SHA256:abc")
    assert (event.type, event.severity) == ("Successful Login", "LOW")
    assert (event.details["method"], event.techniques) == ("publickey", ["T1078"])
    assert said(f"Accepted password for eve from {A} port 40 ssh2", successes=False) == []


def test_one_event_a_login():
    events = said(
        f"Invalid user eve from {A} port 40",
        f"Failed password for invalid user eve from {A} port 40 ssh2",
        f"Connection closed by invalid user eve {A} port 40 [preauth]",
        f"message repeated 2 times: [ Failed password for root from {A} port 41 ssh2]",
    )
    assert [event.rule for event in events] == ["login/sshd-unknown-user"] + [
        "login/sshd-failed"
    ] * 2
    assert len({event.correlation_id for event in events}) == 3


def test_the_same_line_gives_the_same_event():
    text = f"Failed password for root from {A} port 40 ssh2"
    assert said(text)[0].encoded() == said(text)[0].encoded()


def test_a_source_that_is_no_address_is_a_host():
    (event,) = said("Failed password for root from host.example port 40 ssh2")
    assert "ip" not in event.details
    assert event.details["source_host"] == "host.example"


def test_evictions_are_counted():
    detector = Login(max_connections=100)
    text = [f"Jan 13 10:30:45 h sshd[{n}]: Invalid user x from 10.0.{n // 250}.{n % 250}"
            for n in range(1000)]  # fmt: skip
    assert len(list(detector.inspect(lines(*text, format=Syslog())))) == 1000
    assert detector.counts()["evicted"] >= 800
