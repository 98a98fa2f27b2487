from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids import registry
from mlids.batches import LogFormat
from mlids.detectors.ingested import Ingested
from mlids.testing import START_NS, check_detector, lines, run
from mlids.volume import NS

STAMP = "2025-01-13T10:30:45.000000Z"
FALCO = {
    "hostname": "n1", "output": "a shell", "priority": "Critical", "rule": "Shell", "time": STAMP,
    "source": "syscall", "tags": ["T1059"], "output_fields": {"user.name": "root"},
}  # fmt: skip
GATEKEEPER = {
    "level": "info", "ts": 1736764245.0, "msg": "no", "process": "audit", "event_type": "violation_audited",
    "constraint_kind": "K8sPSPPrivilegedContainer", "constraint_name": "c", "constraint_action": "deny",
    "resource_kind": "Pod", "resource_namespace": "shop", "resource_name": "web-1",
}  # fmt: skip
EVE = {
    "timestamp": "2025-01-13T10:30:45.000000+0000", "flow_id": 7, "event_type": "alert",
    "src_ip": "203.0.113.7", "dest_ip": "192.0.2.1", "dest_port": 80, "proto": "TCP",
    "alert": {"action": "allowed", "signature_id": 7, "signature": "a probe", "severity": 1},
}  # fmt: skip
ZEEK = {
    "ts": 1736764245.0,
    "note": "SSH::Password_Guessing",
    "msg": "x",
    "src": "203.0.113.7",
    "actions": [],
}
K8S = {
    "kind": "Event", "auditID": "a1", "stage": "ResponseComplete", "verb": "create",
    "requestURI": "/api/v1/namespaces/shop/pods", "user": {"username": "eve"},
    "sourceIPs": ["203.0.113.7"], "objectRef": {"resource": "pods", "namespace": "shop"},
    "requestObject": {"spec": {"containers": [{"image": "x", "securityContext": {"privileged": True}}]}},
    "responseStatus": {"code": 201}, "stageTimestamp": STAMP,
}  # fmt: skip
TRAIL = {
    "eventTime": "2025-01-13T10:30:45Z", "eventName": "StopLogging", "awsRegion": "eu-west-1",
    "eventSource": "cloudtrail.amazonaws.com", "sourceIPAddress": "203.0.113.7",
    "userIdentity": {"type": "IAMUser", "userName": "eve"},
}  # fmt: skip
AUDIT = (
    'type=ANOM_ABEND msg=audit(1736764245.000:9): auid=1000 uid=1000 pid=7 comm="su"'
    ' exe="/usr/bin/su" sig=11 res=1'
)
CALL = (
    "type=SYSCALL msg=audit(%d.000:%d): arch=c000003e syscall=59 success=yes ppid=%d pid=%d"
    ' auid=1000 uid=1000 tty=pts1 ses=3 comm="x" exe="%s" key=(null)'
)
RECORDS = {
    "falco": FALCO, "gatekeeper": GATEKEEPER, "eve": EVE, "zeek": ZEEK, "k8s_audit": K8S,
    "cloudtrail": TRAIL,
}  # fmt: skip


def form(name) -> LogFormat:
    return registry.plugin("formats", name)()


def said(name, *records, **options):
    text = [each if isinstance(each, str | bytes) else json.dumps(each) for each in records]
    batch = lines(*text, format=form(name), source=f"{name}.log")
    return check_detector(lambda: Ingested(**options), batch)


def call(number, exe, ppid=70, second=0):
    return CALL % (START_NS // NS + second, number, ppid, 100 + number, exe)


@pytest.mark.parametrize(
    ("name", "type", "severity", "source", "rule", "technique", "ip"),
    [
        ("falco", "Rule Match", "CRITICAL", "host", "falco", "T1059", None),
        ("gatekeeper", "Rule Match", "HIGH", "application", "gatekeeper", "T1611", None),
        ("eve", "Rule Match", "HIGH", "network", "eve", None, "203.0.113.7"),
        ("zeek", "Brute Force", "HIGH", "network", "zeek", "T1110.001", "203.0.113.7"),
        ("k8s_audit", "Rule Match", "HIGH", "application", "k8s_audit-privileged-pod", "T1610", "203.0.113.7"),
        ("cloudtrail", "Rule Match", "CRITICAL", "application", "cloudtrail-trail-stopped", "T1562.008", "203.0.113.7"),
    ],
)  # fmt: skip
def test_what_others_found_is_told(name, type, severity, source, rule, technique, ip):
    (event,) = said(name, RECORDS[name])
    assert (event.type, event.severity, event.source) == (type, severity, source)
    assert (event.rule, event.timestamp) == (f"ingested/{rule}", STAMP)
    assert event.details.get("ip") == ip
    assert technique is None or technique in event.techniques
    assert event.evidence[0] == {"source": f"{name}.log", "line": 1, "offset": 0}
    assert event.explanation and event.details["description"]


def test_audit_records():
    (event,) = said("auditd", AUDIT)
    assert (event.rule, event.severity, event.source) == (
        "ingested/auditd-setuid-crash",
        "HIGH",
        "host",
    )
    assert (event.details["path"], event.details["user"]) == ("/usr/bin/su", "1000")


def test_sequences_do_not_depend_on_cuts():
    events = said("auditd", call(1, "/usr/bin/curl"), call(2, "/bin/chmod"), call(3, "/tmp/x"))
    (event,) = [e for e in events if e.rule == "ingested/auditd-fetched-run"]
    assert (event.source, event.severity) == ("host", "HIGH")
    assert event.details["metadata"]["ppid"] == "70"
    assert [place["line"] for place in event.evidence] == [3, 1]


def test_bursts_are_told_by_the_volume_law():
    text = [call(n, "/bin/rm", second=n // 10) for n in range(200)]
    events = said("auditd", *text)
    assert [event.details["metadata"]["triggers"] for event in events] == [1, 10, 100, 193]
    assert sum(event.details["suppressed"] + 1 for event in events) == 193
    assert said("auditd", *text[:7]) == []


def test_violations_that_stay_are_not_told_each_minute():
    again = [{**GATEKEEPER, "ts": 1736764245.0 + 60 * n} for n in range(100)]
    events = said("gatekeeper", *again)
    assert [event.details["metadata"]["triggers"] for event in events] == [1, 10, 100]
    other = {**GATEKEEPER, "resource_name": "web-2"}
    assert len(said("gatekeeper", GATEKEEPER, other)) == 2


def test_alerts_are_one_event_each():
    events = said("eve", *[EVE] * 20)
    assert len({event.correlation_id for event in events}) == 20


def test_lists_of_events_in_one_line():
    events = said("k8s_audit", {"kind": "EventList", "items": [K8S, K8S, {}]})
    assert len({event.correlation_id for event in events}) == 2
    events = said("cloudtrail", {"Records": [{**TRAIL, "eventTime": "2025-01-13T10:30:50Z"}]})
    assert events[0].timestamp == "2025-01-13T10:30:50.000000Z"


def test_other_formats_and_quiet_records_tell_nothing():
    assert said("json_lines", FALCO, EVE, K8S) == []
    assert said("eve", {**EVE, "event_type": "flow"}, {"event_type": "http"}) == []
    assert said("k8s_audit", {**K8S, "verb": "get"}) == []
    assert said("cloudtrail", {**TRAIL, "eventName": "DescribeTrails"}) == []
    assert run(Ingested(), [lines(json.dumps(FALCO))]) == []


def test_settings():
    assert said("k8s_audit", K8S, trusted_images=["x"], trusted_users=["eve"]) == []
    events = said("k8s_audit", {**K8S, "requestObject": None}, known_users=["bob"])
    assert [event.rule for event in events] == ["ingested/k8s_audit-unknown-user"]
    with pytest.raises(msgspec.ValidationError):
        Ingested(what=1)


def test_heartbeats_tell_what_waited():
    made = Ingested()
    shell = call(1, "/tmp/.hidden/x")
    assert list(made.inspect(lines(shell, format=form("auditd")))) == []
    beat = replace(lines(), now=START_NS + NS)
    assert list(made.inspect(beat)) == []
    (event,) = made.inspect(replace(beat, now=START_NS + 3 * NS))
    assert event.rule == "ingested/auditd-hidden-program"


def test_state_is_bounded_and_counted():
    made = Ingested(max_keys=10)
    text = [call(n, "/bin/rm", ppid=n) for n in range(2000)]
    list(made.inspect(lines(*text, format=form("auditd"))))
    assert made.counts()["evicted"] > 1000
    assert len(msgspec.msgpack.encode(made.save())) < 1 << 20


def test_records_without_a_time_have_that_of_their_file():
    (event,) = said("eve", {**EVE, "timestamp": "soon"})
    assert event.time_ns == START_NS


ODD = st.sampled_from(
    [None, 7, -1.5, True, "", "x", "\x00", [], {}, [[]], [{}], {"a": [1]}, "x" * 3000]
)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(RECORDS)))
def test_nothing_in_a_record_raises(data, name):
    def spoilt(value):
        if data.draw(st.integers(0, 5)) == 0:
            return data.draw(ODD)
        if isinstance(value, dict):
            return {key: spoilt(inner) for key, inner in value.items()}
        return [spoilt(inner) for inner in value] if isinstance(value, list) else value

    record = json.dumps({key: spoilt(value) for key, value in RECORDS[name].items()})
    run(Ingested(), [lines(record, record[: len(record) // 2], format=form(name))])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=80).filter(lambda b: b"\n" not in b), max_size=4))
def test_garbage_tells_nothing(rubbish):
    for name in (*RECORDS, "auditd"):
        marks = [b'"alert" "priority" "create" "note" "Root" type=SYSCALL', b"\xff", b"{" * 999]
        assert run(Ingested(), [lines(*rubbish, *marks, format=form(name))]) == []


def test_uninteresting_records_cost_little():
    flow = json.dumps({**EVE, "event_type": "flow", "alert": None, "flow": {"alerted": False}})
    batch = lines(*[flow.replace('"alert": null, ', "")] * 20_000, format=form("eve"))
    began = time.perf_counter()
    assert list(Ingested().inspect(batch)) == []
    assert (time.perf_counter() - began) / len(batch) < 10e-6  # five times what it should


CORPORA = Path(os.environ.get("MLIDS_CORPORA", "/nowhere"))


@pytest.mark.skipif(not CORPORA.is_dir(), reason="MLIDS_CORPORA names no labelled cases")
@pytest.mark.parametrize(
    ("name", "entity"),
    [("auditd-base64-exec", "26843"), ("auditd-postexploit-exec-from-net", "26843"),
     ("auditd-postexploit-rm", "26843"), ("auditd-suid-crash", "/usr/bin/su")],
)  # fmt: skip
def test_labelled_audit_logs(name, entity):
    text = (CORPORA / "logs" / "crowdsec" / f"{name}.log").read_bytes().splitlines()
    events = run(Ingested(), [lines(*text, format=form("auditd"))])
    told = [e.details for e in events if e.severity != "LOW"]
    assert any(entity in (d.get("path"), d["metadata"].get("ppid")) for d in told)


@pytest.mark.skipif(not CORPORA.is_dir(), reason="MLIDS_CORPORA names no labelled cases")
def test_labelled_kubernetes_audit():
    from benchmarks.quality.kubernetes import judged

    missed, false = judged(CORPORA)[2:]
    assert missed == []
    assert len(false) <= 2
