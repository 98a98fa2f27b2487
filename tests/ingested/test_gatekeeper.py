from __future__ import annotations

import pytest

from mlids.ingested.findings import Place
from mlids.ingested.gatekeeper import Gatekeeper
from mlids.testing import START_NS

PLACE = Place(START_NS, "gatekeeper.log", 1, 0)
VIOLATION = {
    "msg": "no limits are set", "process": "admission", "event_type": "violation",
    "constraint_kind": "K8sContainerLimits", "constraint_name": "limits",
    "constraint_action": "deny", "resource_kind": "Pod", "resource_namespace": "shop",
    "resource_name": "web-1", "request_username": "eve",
}  # fmt: skip


def told(**changes):
    return [finding for finding, _ in Gatekeeper().told({**VIOLATION, **changes}, PLACE)]


def test_a_violation():
    (finding,) = told()
    assert (finding.severity, finding.rule, finding.key) == ("MEDIUM", "gatekeeper", ())
    assert finding.details == {"user": "eve", "target": "shop/Pod/web-1"}
    assert "no limits are set" in finding.description
    assert finding.metadata["rule"] == "K8sContainerLimits/limits"


@pytest.mark.parametrize(
    ("kind", "action", "severity"),
    [
        ("K8sPSPPrivilegedContainer", "deny", "HIGH"),
        ("K8sPSPHostFilesystem", "", "HIGH"),
        ("K8sPSPHostNamespace", "dryrun", "LOW"),
        ("K8sRequiredLabels", "deny", "MEDIUM"),
        ("K8sRequiredLabels", "warn", "LOW"),
    ],
)
def test_severities(kind, action, severity):
    assert told(constraint_kind=kind, constraint_action=action)[0].severity == severity


def test_the_audit_finds_the_same_again_and_again():
    assert told(process="audit")[0].key == (
        "gatekeeper K8sContainerLimits",
        "limits",
        "shop/Pod/web-1",
    )


def test_violations_in_a_constraint():
    violation = {
        "kind": "Pod",
        "name": "web-1",
        "namespace": "shop",
        "message": "no",
        "enforcementAction": "dryrun",
    }
    record = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sRequiredLabels",
        "metadata": {"name": "owner"}, "spec": {"enforcementAction": "deny"},
        "status": {"violations": [violation, 7, {**violation, "enforcementAction": None}]},
    }  # fmt: skip
    found = [finding for finding, _ in Gatekeeper().told(record, PLACE)]
    assert [finding.severity for finding in found] == ["LOW", "MEDIUM"]
    assert found[0].metadata["rule"] == "K8sRequiredLabels/owner"


def test_other_lines_tell_nothing():
    assert told(constraint_kind="") == []
    assert list(Gatekeeper().told({"status": {"violations": 7}}, PLACE)) == []
