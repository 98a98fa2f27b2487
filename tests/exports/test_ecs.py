"""What is allowed where: ECS 9.5, field reference and categorization fields."""

import ipaddress
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.events import TYPES
from mlids.exports.ecs import CATEGORIES, render
from mlids.exports.facts import stored
from mlids.testing import event
from tests.exports.examples import EXAMPLES, SHA, SIX, example, hostile

# Expected event types of each category that is used here.
EXPECTED = {
    "authentication": {"start", "end", "info"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "file": {"access", "change", "creation", "deletion", "info"},
    "host": {"access", "change", "end", "info", "start"},
    "intrusion_detection": {"allowed", "denied", "info"},
    "network": {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
    "package": {"access", "change", "deletion", "info", "installation", "start"},
    "process": {"access", "change", "end", "info", "start"},
    "web": {"access", "error", "info"},
}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
KEYWORD, KEYWORDS = "keyword", "keywords"
FIELDS = {
    "@timestamp": "date",
    "ecs.version": KEYWORD,
    "message": KEYWORD,
    "tags": KEYWORDS,
    **{f"event.{name}": KEYWORD for name in ("kind", "outcome", "action", "id", "module")},
    **{f"event.{name}": KEYWORD for name in ("dataset", "provider", "reason")},
    **{f"event.{name}": KEYWORDS for name in ("category", "type")},
    **{f"event.{name}": "long" for name in ("severity", "risk_score")},
    "event.start": "date",
    **{f"rule.{name}": KEYWORD for name in ("id", "name", "ruleset")},
    **{f"{end}.ip": "ip" for end in ("source", "destination")},
    **{f"{end}.port": "port" for end in ("source", "destination")},
    **{f"{end}.address": KEYWORD for end in ("source", "destination")},
    **{f"network.{name}": KEYWORD for name in ("transport", "protocol", "type")},
    **{f"{thing}.name": KEYWORD for thing in ("service", "user", "host")},
    **{f"observer.{name}": KEYWORD for name in ("vendor", "product", "type")},
    **{f"file.{name}": KEYWORD for name in ("path", "name", "directory", "hash.sha256")},
    "threat.framework": KEYWORD,
    **{f"threat.technique.{name}": KEYWORDS for name in ("id", "name")},
    **{f"threat.technique.subtechnique.{name}": KEYWORDS for name in ("id", "name")},
    **{f"threat.tactic.{name}": KEYWORDS for name in ("id", "name")},
    "related.ip": "ips",
    **{f"related.{name}": KEYWORDS for name in ("user", "hosts", "hash")},
}
VALID = {
    KEYWORD: lambda value: isinstance(value, str) and value,
    KEYWORDS: lambda value: value and all(isinstance(one, str) for one in value),
    "date": lambda value: DATE.fullmatch(value),
    "long": lambda value: type(value) is int and abs(value) < 2**63,
    "port": lambda value: type(value) is int and 0 <= value <= 65535,
    "ip": ipaddress.ip_address,
    "ips": lambda value: [ipaddress.ip_address(one) for one in value],
}


def documents(events):
    lines = b"".join(render(events)).decode().splitlines()
    assert len(lines) == len(events)
    return [json.loads(line) for line in lines]


def fields(document, before=""):
    for key, value in document.items():
        if isinstance(value, dict):
            yield from fields(value, f"{before}{key}.")
        else:
            yield before + key, value


def check(document):
    told = {key: value for key, value in document.items() if key != "mlids"}
    for field, value in fields(told):
        assert VALID[FIELDS[field]](value), (field, value)
    said = document["event"]
    assert said["kind"] in ("alert", "event")
    assert said.get("outcome", "unknown") in ("success", "failure", "unknown")
    for type in said["type"]:
        assert any(type in EXPECTED[category] for category in said["category"])
    for category in said["category"]:
        assert EXPECTED[category] & set(said["type"])


@pytest.mark.parametrize("document", documents(EXAMPLES), ids=list(TYPES))
def test_fields_are_of_the_schema_and_their_types(document):
    check(document)
    assert document["ecs"]["version"] == "9.5.0"


def test_no_type_is_categorized_that_does_not_exist():
    assert set(CATEGORIES) <= set(TYPES)


def test_a_login():
    (login,) = documents([example("Failed Login")])
    assert login["event"]["kind"] == "event"
    assert (login["event"]["category"], login["event"]["outcome"]) == (
        ["authentication"],
        "failure",
    )
    assert login["source"] == {"address": SIX, "ip": SIX, "port": 50022}
    assert login["destination"] == {"address": "web-1"}
    assert login["user"] == {"name": "root"}
    assert login["network"] == {"transport": "tcp", "type": "ipv6"}
    assert login["threat"]["technique"] == {
        "id": ["T1110"],
        "name": ["Brute Force"],
        "subtechnique": {"id": ["T1110.001"], "name": ["Password Guessing"]},
    }
    assert login["threat"]["tactic"] == {"id": ["TA0006"], "name": ["Credential Access"]}


def test_a_scan():
    (scan,) = documents([example("Port Scan")])
    assert scan["event"]["kind"] == "alert"
    assert scan["event"]["start"] == "2025-01-13T10:30:32.500000Z"
    assert (scan["event"]["severity"], scan["event"]["risk_score"]) == (3, 73)
    assert scan["related"]["ip"] == ["203.0.113.9", "192.0.2.10"]
    assert scan["mlids"]["details"]["suppressed"] == 41


def test_a_file_and_a_protocol_that_is_no_transport():
    file, dns = documents([example("File Modified"), example("DNS Tunneling")])
    hashed = {"path": "/etc/passwd", "name": "passwd", "directory": "/etc", "hash": {"sha256": SHA}}
    assert file["file"] == hashed
    assert dns["network"] == {"protocol": "dns", "type": "ipv4"}


def test_sources_of_a_flood_are_related():
    (flood,) = documents([example("DoS Attack")])
    assert flood["related"]["ip"] == ["192.0.2.10", "203.0.113.9"]
    (odd,) = documents([event(details={"metadata": {"sources": ["x", 1]}})])
    assert "ip" not in odd.get("related", {})


PLACES = {
    "user": "user.name",
    "service": "service.name",
    "path": "file.path",
    "description": "message",
    "port": "destination.port",
}


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_keep_to_the_schema_and_are_found(events):
    for document, made in zip(documents(events), map(stored, events), strict=True):
        check(document)
        found, rest = dict(fields(document)), document["mlids"].get("details", {})
        for key, value in made["details"].items():
            if key in rest:
                assert rest[key] == value
            elif key in PLACES and value:
                assert found[PLACES[key]] == value
        assert found.get("host.name", "") == made["host"]
