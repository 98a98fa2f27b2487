from __future__ import annotations

import json

import pytest

from mlids.events import format_time
from mlids.formats.k8s_audit import K8sAudit
from mlids.testing import lines

EVENT = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a1", "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/pods", "verb": "list", "user": {"username": "eve"},
    "sourceIPs": ["8.8.8.8", "203.0.113.7"], "userAgent": "kubectl/v1.31",
    "objectRef": {"resource": "pods"}, "responseStatus": {"code": 401},
    "requestReceivedTimestamp": "2025-01-13T10:30:44.000000Z",
    "stageTimestamp": "2025-01-13T10:30:45.123456Z",
}  # fmt: skip
NAMES = ("src", "user", "outcome", "agent", "message")


@pytest.mark.parametrize("line", [EVENT, {"kind": "EventList", "items": [EVENT, {}]}], ids=str)
def test_columns(line):
    batch = lines(json.dumps(line), format=K8sAudit())
    assert [batch.column(name)[0] for name in NAMES] == [
        b"203.0.113.7", b"eve", b"failure", b"kubectl/v1.31", b"list /api/v1/namespaces/shop/pods",
    ]  # fmt: skip
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.123456Z"


def test_addresses_that_clients_choose_are_no_source():
    batch = lines(json.dumps({**EVENT, "sourceIPs": ["8.8.8.8", "::1"]}), format=K8sAudit())
    assert batch.column("src") == [b"::1"]
    assert lines(json.dumps({**EVENT, "sourceIPs": []}), format=K8sAudit()).column("src") == [None]


def test_commands_in_pods_are_no_web_requests():
    assert "target" not in K8sAudit().column_names


def test_only_unauthenticated_requests_are_failed_logins():
    for code, outcome in ((200, None), (403, None), (401, b"failure")):
        batch = lines(json.dumps({**EVENT, "responseStatus": {"code": code}}), format=K8sAudit())
        assert batch.column("outcome") == [outcome]


def test_sniff_and_recognised():
    batch = lines(json.dumps(EVENT), '{"kind": 0}', "text")
    assert K8sAudit().sniff(batch.data) == pytest.approx(0.98 / 3)
    assert K8sAudit().recognised(batch).tolist() == [True, False, False]


def test_garbage_is_unknown():
    rubbish = [
        "",
        '{"items": [7]}',
        '{"items": {}}',
        '{"sourceIPs": {}}',
        '{"user": []}',
        '{"verb": 1}',
    ]
    batch = lines(*rubbish, b"\xff", format=K8sAudit())
    for name in NAMES:
        assert not any(batch.column(name))
