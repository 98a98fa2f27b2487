from __future__ import annotations

import pytest

from mlids.ingested.findings import Place
from mlids.ingested.suricata import Suricata
from mlids.testing import START_NS

PLACE = Place(START_NS, "eve.json", 1, 0)
ALERT = {
    "event_type": "alert", "src_ip": "203.0.113.7", "src_port": 4711, "dest_ip": "192.0.2.1",
    "dest_port": 80, "proto": "TCP", "flow_id": 7,
    "alert": {"action": "allowed", "gid": 1, "signature_id": 2010935, "rev": 3, "severity": 2,
              "signature": "a probe of a database", "category": "Potentially Bad Traffic"},
    "http": {"hostname": "web.example", "url": "/a"},
}  # fmt: skip


def told(alert=None, **changes):
    record = {**ALERT, "alert": {**ALERT["alert"], **(alert or {})}, **changes}
    return [finding for finding, _ in Suricata().told(record, PLACE)]


def test_an_alert_keeps_its_signature():
    (finding,) = told()
    assert (finding.severity, finding.source, finding.rule) == ("MEDIUM", "network", "eve")
    assert finding.details == {
        "ip": "203.0.113.7", "target": "192.0.2.1", "port": 80, "protocol": "TCP",
    }  # fmt: skip
    assert finding.metadata["sid"] == 2010935
    assert finding.metadata["category"] == "Potentially Bad Traffic"
    assert (finding.metadata["url"], finding.metadata["blocked"]) == ("/a", False)
    assert "2010935" in finding.explanation


@pytest.mark.parametrize(
    ("level", "severity"), [(1, "HIGH"), (2, "MEDIUM"), (3, "LOW"), (255, "LOW"), ("1", "LOW")]
)
def test_severities(level, severity):
    assert told({"severity": level})[0].severity == severity


def test_blocked():
    (finding,) = told({"action": "blocked"})
    assert finding.metadata["blocked"] is True
    assert "blocked" in finding.description and "blocked" in finding.tags


def test_a_signature_may_say_which_end_is_which():
    ends = {"source": {"ip": "192.0.2.1"}, "target": {"ip": "203.0.113.7"}}
    details = told(ends)[0].details
    assert (details["ip"], details["target"], details["port"]) == ("192.0.2.1", "203.0.113.7", 4711)


def test_techniques():
    assert told({"metadata": {"mitre_technique_id": ["T1190"]}})[0].techniques == ("T1190",)
    assert told({"metadata": []})[0].techniques == ()


def test_anomalies():
    record = {
        **ALERT,
        "event_type": "anomaly",
        "anomaly": {"type": "stream", "event": "stream.wrong_ack"},
    }
    ((finding, _),) = Suricata().told(record, PLACE)
    assert (finding.type, finding.severity) == ("Packet Anomaly", "LOW")
    assert finding.metadata["rule"] == "stream.wrong_ack"


def test_other_records_tell_nothing():
    for kind in ("flow", "http", "dns", "stats", None, {}):
        assert told(event_type=kind) == []
    assert list(Suricata().told({**ALERT, "alert": 7}, PLACE)) == []
