from __future__ import annotations

import pytest

from mlids.ingested.falco import Falco
from mlids.ingested.findings import Place
from mlids.testing import START_NS

PLACE = Place(START_NS, "falco.log", 1, 0)
ALERT = {
    "hostname": "node1", "output": "a shell was run in a container", "priority": "Warning",
    "rule": "Shell in container", "source": "syscall", "tags": ["container", "mitre_execution"],
    "time": "2025-01-13T10:30:45.123456789Z",
    "output_fields": {
        "container.id": "abc", "container.name": "web", "proc.cmdline": "sh -i",
        "proc.exepath": "/bin/sh", "user.name": "root", "k8s.pod.name": None, "user.uid": 0,
    },
}  # fmt: skip


def told(**changes):
    return [finding for finding, _ in Falco().told({**ALERT, **changes}, PLACE)]


def test_an_alert_keeps_its_rule():
    (finding,) = told()
    assert (finding.severity, finding.rule, finding.source) == ("MEDIUM", "falco", "host")
    assert finding.description == "a shell was run in a container"
    assert finding.metadata["rule"] == "Shell in container"
    assert finding.metadata["proc.cmdline"] == "sh -i"
    assert "k8s.pod.name" not in finding.metadata
    assert (finding.details["user"], finding.details["process"]) == ("root", "/bin/sh")
    assert finding.techniques == ("T1059",)
    assert told(tags=["T1611", "mitre_execution"])[0].techniques == ("T1611",)


@pytest.mark.parametrize(
    ("priority", "severity"),
    [
        ("Emergency", "CRITICAL"), ("Alert", "CRITICAL"), ("Critical", "CRITICAL"),
        ("Error", "HIGH"), ("Warning", "MEDIUM"), ("Notice", "LOW"), ("Informational", "LOW"),
        ("Debug", "LOW"), ("ERROR", "HIGH"),
    ],
)  # fmt: skip
def test_priorities(priority, severity):
    assert told(priority=priority)[0].severity == severity


@pytest.mark.parametrize(
    ("fields", "ip"),
    [
        ({"fd.rip": "203.0.113.7", "fd.sip": "192.0.2.1"}, "203.0.113.7"),
        ({"evt.type": "connect", "fd.sip": "203.0.113.7", "fd.cip": "192.0.2.1"}, "203.0.113.7"),
        ({"evt.type": "accept", "fd.cip": "203.0.113.7", "fd.sip": "192.0.2.1"}, "203.0.113.7"),
        ({"evt.type": "execve", "fd.cip": "192.0.2.1", "fd.sip": "192.0.2.2"}, ""),
        ({"proc.cmdline": "curl 8.8.8.8"}, ""),
        ({"fd.rip": "evil.example"}, ""),
    ],
)
def test_only_the_other_side_is_blamed(fields, ip):
    assert told(output_fields=fields)[0].details["ip"] == ip


def test_files():
    (finding,) = told(output_fields={"fd.name": "/etc/shadow"})
    assert finding.details["path"] == "/etc/shadow"
    assert told(output_fields={"fd.name": "10.0.0.1:5->10.0.0.2:80"})[0].details["path"] == ""


def test_other_lines_tell_nothing():
    assert told(rule=None) == [] and told(priority=7.5, rule="") == []
    assert told(tags=None, output_fields=None, time=None)[0].severity == "MEDIUM"
