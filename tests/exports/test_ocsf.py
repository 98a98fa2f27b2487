"""Required attributes and constraints: github.com/ocsf/ocsf-schema at 1.8, events/ and objects/."""

import ipaddress
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.events import TYPES
from mlids.exports.facts import stored
from mlids.exports.ocsf import render
from mlids.testing import START_NS, event
from tests.exports.examples import EXAMPLES, SCANNER, SERVER, example, hostile

EVERY = {
    "activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid",
}  # fmt: skip
REQUIRED = {
    0: EVERY,
    1001: EVERY | {"actor", "device", "file"},
    2004: EVERY | {"finding_info"},
    3002: EVERY | {"user"},
    6002: EVERY | {"app"},
}
ACTIVITIES = {0: {0, 99}, 1001: range(1, 15), 2004: {1, 2, 3}, 3002: range(1, 8), 6002: range(1, 9)}
OBJECTS = {
    "metadata": {"product", "version"},
    "app": {"name", "vendor_name"},
    "product": {"name", "vendor_name"},
    "finding_info": {"uid"},
    "analytic": {"type_id"},
    "file": {"name", "type_id"},
    "device": {"type_id", "hostname"},
    "connection_info": {"direction_id"},
    "user": {"name"},
    "observables": {"type_id"},
    "hashes": {"algorithm_id", "value"},
}
ONE_OF = {
    "src_endpoint": {"ip", "hostname", "svc_name"},
    "dst_endpoint": {"ip", "hostname", "svc_name"},
    "attacks": {"tactics", "technique", "sub_technique"},
    "actor": {"user", "process"},
    "evidences": {"src_endpoint", "dst_endpoint", "connection_info", "file", "user"},
}


def documents(events):
    lines = b"".join(render(events)).decode().splitlines()
    assert len(lines) == len(events)
    return [json.loads(line) for line in lines]


def objects(document):
    """Every object below an event with the name of its attribute; what is unmapped is free."""
    for name, value in document.items():
        for one in value if isinstance(value, list) else [value]:
            if name != "unmapped" and isinstance(one, dict):
                yield name, one
                yield from objects(one)


def at(document, path):
    for name, number in re.findall(r"(\w+)(?:\[(\d+)\])?", path):
        document = document[name][int(number)] if number else document[name]
    return document


def check(document):
    kind = document["class_uid"]
    assert set(document) >= REQUIRED[kind]
    assert document["category_uid"] == kind // 1000
    assert document["activity_id"] in ACTIVITIES[kind]
    assert document["type_uid"] == kind * 100 + document["activity_id"]
    assert document["severity_id"] in range(2, 6)
    assert 0 <= document["start_time"] <= document["time"] < 253_402_300_800_000
    if kind == 3002:
        assert {"service", "dst_endpoint"} & set(document)
    if "attacks" in document:
        assert "security_control" in document["metadata"]["profiles"]
    for name, one in objects(document):
        assert set(one) >= OBJECTS.get(name, set()), name
        assert name not in ONE_OF or ONE_OF[name] & set(one), name
        if "ip" in one:
            ipaddress.ip_address(one["ip"])
        assert type(one.get("port", 0)) is int
        assert 0 <= one.get("port", 0) <= 65535
    for one in document.get("observables", ()):
        assert at(document, one["name"]) == one["value"]


@pytest.mark.parametrize("document", documents(EXAMPLES), ids=list(TYPES))
def test_classes_have_what_they_require(document):
    check(document)
    assert document["metadata"]["version"] == "1.8.0"


def test_a_detection():
    (scan,) = documents([example("Port Scan")])
    assert (scan["class_uid"], scan["type_uid"], scan["severity"]) == (2004, 200401, "High")
    assert scan["is_alert"]
    assert scan["finding_info"]["analytic"]["uid"] == "port_scan/vertical"
    assert [one["technique"]["uid"] for one in scan["finding_info"]["attacks"]] == [
        "T1046",
        "T1595",
    ]
    assert scan["finding_info"]["attacks"][1]["sub_technique"]["uid"] == "T1595.001"
    (evidence,) = scan["evidences"]
    assert evidence["src_endpoint"] == {"ip": SCANNER}
    assert evidence["dst_endpoint"] == {"ip": SERVER, "port": 22}
    assert (scan["count"], scan["time"] - scan["start_time"]) == (42, 12_500)
    assert (scan["confidence_id"], scan["confidence_score"]) == (2, 50)


def test_a_login():
    failed, successful = documents([example("Failed Login"), example("Successful Login")])
    assert (failed["type_uid"], failed["status"], successful["status"]) == (
        300201,
        "Failure",
        "Success",
    )
    assert failed["user"] == {"name": "root"}
    assert failed["dst_endpoint"] == {"hostname": "web-1"}
    assert successful["dst_endpoint"] == {"hostname": "station"}
    assert failed["service"] == {"name": "sshd"}
    assert failed["unmapped"]["details"] == {"protocol": "TCP"}


@pytest.mark.parametrize(
    ("type", "type_uid"),
    [
        ("File Created", 100101),
        ("File Access", 100102),
        ("File Modified", 100103),
        ("Package Update", 100103),
        ("File Deleted", 100104),
        ("Service Started", 600203),
        ("Service Stopped", 600204),
        ("Log Retention", 99),
        ("Incident", 200401),
    ],
)
def test_what_merely_happened_has_its_class(type, type_uid):
    (document,) = documents([example(type)])
    assert document["type_uid"] == type_uid


def test_what_a_class_does_not_tell_is_unmapped():
    (update,) = documents([example("Package Update")])
    assert update["unmapped"]["details"] == {"ip": SERVER}
    (change,) = documents([example("Configuration Changed")])
    assert change["unmapped"]["details"] == {"path": "/etc/mlids/config.yaml"}


def test_a_port_and_a_service_are_an_endpoint():
    port, service = documents(
        [event("XSS", rule="xss", details=one) for one in ({"port": 80}, {"service": "s"})]
    )
    assert port["evidences"] == [{"dst_endpoint": {"hostname": "unknown", "port": 80}}]
    assert service["evidences"] == [{"dst_endpoint": {"svc_name": "s"}}]
    assert "observables" not in port


def test_times_are_milliseconds():
    assert documents([event(seconds=0.25)])[0]["time"] == START_NS // 1_000_000 + 250


def values(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from values(one)
    else:
        yield value


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_keep_to_the_schema_and_are_found(events):
    for document, made in zip(documents(events), map(stored, events), strict=True):
        check(document)
        rest = document["unmapped"].get("details", {})
        found = list(values(document))
        for key, value in made["details"].items():
            if key in rest:
                assert rest[key] == value
            elif key in ("user", "path", "service", "description", "port") and value:
                assert value in found
        assert document["device"]["hostname"] == (made["host"] or "unknown")
