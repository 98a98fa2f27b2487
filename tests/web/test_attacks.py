from __future__ import annotations

from mlids.formats.apache import Apache
from mlids.testing import check_detector, lines
from mlids.web.attacks import LoggedAttacks, short
from mlids.web.logged import SAMPLED
from tests.web.test_logged import ATTACK, line


class Sqli(LoggedAttacks):
    """For the test."""

    attack = "SQL Injection"
    name = "sqli"


def told(*text):
    return check_detector(Sqli, lines(*text, format=Apache()))


def test_an_event_explains_itself():
    (event,) = told(line(), line(ATTACK))
    assert (event.type, event.severity, event.source) == ("SQL Injection", "HIGH", "application")
    assert event.rule == "sqli/sqli-union-select"
    assert event.details["ip"] == "1.2.3.4"
    assert event.details["path"] == "/s"
    metadata = event.details["metadata"]
    assert (metadata["status"], metadata["size"], metadata["worked"]) == (200, 99, "likely")
    assert event.evidence[0]["line"] == 2
    assert "(threshold 1, no window); the server answered 200 with 99 bytes" in event.explanation
    assert "T1190" in event.techniques


def test_who_answers_as_usual_was_not_hurt():
    usual = [line("/s?q=shoes", size=1000 + n % 9) for n in range(4 * SAMPLED)]
    (event,) = told(*usual, line(ATTACK, size=1003))
    assert (event.severity, event.details["metadata"]["worked"]) == ("MEDIUM", "unlikely")
    assert event.details["metadata"]["usual_size"] in range(1000, 1009)
    (other,) = told(*usual, line(ATTACK, size=5000))
    assert (other.severity, other.details["metadata"]["worked"]) == ("HIGH", "likely")


def test_who_is_blamed_is_who_connected():
    injections = [
        line(ATTACK, agent="8.8.8.8 - - [13/Jan/2025:10:30:45 +0000]"),
        line(ATTACK, user="8.8.8.8"),
        line(ATTACK, referrer="http://8.8.8.8/"),
        "8.8.8.8 " + line(ATTACK),  # a virtual host of the client's choice
        line(ATTACK + '\\" 200 5 8.8.8.8'),
    ]
    assert {event.details["ip"] for event in told(*injections)} == {"1.2.3.4"}
    assert len(told(*injections)) == 5


def test_a_client_without_an_address_is_named():
    (event,) = told(line(ATTACK, src="host.example"))
    assert "ip" not in event.details
    assert event.details["source_host"] == "host.example"


def test_several_classes_of_one_request():
    (event,) = told(line(ATTACK + "&x=<script>alert(1)</script>"))
    assert event.details["metadata"]["also"] == ["xss"]


def test_texts_are_cut_to_fit():
    assert short("x" * 99) == "x" * 59 + "…"
