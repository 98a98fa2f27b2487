from __future__ import annotations

import json

import pytest

from mlids.events import format_time
from mlids.formats.gatekeeper import Gatekeeper
from mlids.testing import lines

AUDIT = {
    "level": "info", "ts": 1736764245.5, "logger": "controller", "msg": "no limits are set",
    "process": "audit", "audit_id": "2025-01-13T10:30:00Z", "event_type": "violation_audited",
    "constraint_kind": "K8sContainerLimits", "constraint_name": "limits",
    "constraint_action": "deny", "resource_kind": "Pod", "resource_namespace": "shop",
    "resource_name": "web-1",
}  # fmt: skip
OTHER = {"level": "info", "ts": 1736764245.5, "logger": "controller", "msg": "auditing is complete",
         "process": "audit", "audit_id": "2025-01-13T10:30:00Z"}  # fmt: skip
CONSTRAINT = {
    "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sContainerLimits",
    "status": {"auditTimestamp": "2025-01-13T10:30:45Z", "violations": []},
}  # fmt: skip


def test_columns():
    batch = lines(*map(json.dumps, (AUDIT, OTHER, CONSTRAINT)), format=Gatekeeper())
    assert [format_time(int(time))[:19] for time in batch.column("time")] == [
        "2025-01-13T10:30:45"
    ] * 3
    assert batch.column("message") == [b"no limits are set", b"auditing is complete", None]
    admitted = json.dumps({**AUDIT, "request_username": "eve"})
    assert lines(admitted, format=Gatekeeper()).column("user") == [b"eve"]


def test_sniff_and_recognised():
    batch = lines(*map(json.dumps, (AUDIT, OTHER, CONSTRAINT)), '{"level": "info"}')
    assert Gatekeeper().sniff(batch.data) == pytest.approx(0.96 * 3 / 4)
    assert Gatekeeper().recognised(batch).tolist() == [True, True, True, False]


def test_garbage_is_unknown():
    batch = lines("", "{", '{"ts": []}', '{"status": 7}', b"\xff", format=Gatekeeper())
    assert not any(batch.column("time"))
