from __future__ import annotations

import msgspec
import pytest

from mlids.ingested.cluster import Cluster
from mlids.ingested.findings import Place
from mlids.testing import START_NS

PLACE = Place(START_NS, "audit.log", 1, 0)
EXEC = {
    "kind": "Event", "auditID": "a1", "stage": "ResponseComplete", "verb": "create",
    "requestURI": "/api/v1/namespaces/shop/pods/web-1/exec?command=id",
    "user": {"username": "eve", "groups": ["dev"]}, "sourceIPs": ["8.8.8.8", "203.0.113.7"],
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "web-1", "subresource": "exec"},
    "responseStatus": {"code": 101},
}  # fmt: skip


def told(record, lists=None):
    return [finding for finding, _ in Cluster(lists).told(record, PLACE)]


def names(record, lists=None):
    return [finding.rule.removeprefix("k8s_audit-") for finding in told(record, lists)]


def pod(*images, **spec):
    return {
        "verb": "create", "user": {"username": "system:serviceaccount:kube-system:job-controller"},
        "objectRef": {"resource": "pods", "namespace": "shop"},
        "requestObject": {"spec": {"containers": [{"image": i} for i in images], **spec}},
    }  # fmt: skip


def test_who_from_where_for_what():
    (finding,) = told(EXEC)
    assert finding.details == {
        "ip": "203.0.113.7", "user": "eve", "target": "shop/pods/web-1/exec", "protocol": "TCP",
    }  # fmt: skip
    assert finding.metadata["uri"] == EXEC["requestURI"]
    assert finding.metadata["audit_id"] == "a1"
    assert "8.8.8.8" not in str(finding)


@pytest.mark.parametrize(
    ("user", "actor"),
    [
        ("eve", "person"),
        ("system:anonymous", "anonymous"),
        ("system:serviceaccount:shop:web", "workload"),
        ("system:serviceaccount:kube-system:x", "machine"),
        ("system:node:n1", "machine"),
        ("eks:addon-manager", "machine"),
        ("", ""),
    ],
)
def test_actors(user, actor):
    assert Cluster().prepared({"verb": "get", "user": {"username": user}})["actor"] == actor


def test_stages_that_are_not_the_end_are_passed_over():
    assert names({**EXEC, "stage": "RequestReceived"}) == []
    assert names({**EXEC, "stage": "Panic"}) == ["exec"]
    dry = {"verb": "create", "user": {"username": "eve"}, "requestURI": "/x?dryRun=All",
           "objectRef": {"resource": "secrets", "namespace": "shop"}}  # fmt: skip
    assert names(dry) == []
    assert names({**dry, "requestURI": "/x"}) == ["secret-written"]


def test_sessions_are_told_when_they_begin_and_once():
    made = Cluster()
    begun = {**EXEC, "stage": "ResponseStarted"}
    assert [f.rule for f, _ in made.told(begun, PLACE)] == ["k8s_audit-exec"]
    again = Cluster()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(made.save())))
    assert list(again.told(EXEC, PLACE)) == []
    assert len(list(again.told({**EXEC, "auditID": "a2"}, PLACE))) == 1
    for number in range(5000):
        list(again.told({**begun, "auditID": f"b{number}"}, PLACE))
    assert len(again.save()["open"]) == 4096


def test_lists_of_events_are_taken_apart():
    second = {**EXEC, "auditID": "a2", "stageTimestamp": "2025-01-13T10:30:50Z"}
    found = list(Cluster().told({"kind": "EventList", "items": [EXEC, second, 7]}, PLACE))
    assert [place.time_ns - START_NS for _, place in found] == [0, 5 * 10**9]


def test_trusted_and_known():
    assert names(EXEC, {"trusted_users": ["eve"]}) == []
    privileged = pod("vendor/agent", hostPID=True)
    assert names(privileged) == ["host-processes"]
    assert names(privileged, {"trusted_images": ["vendor/"]}) == []
    assert names(pod("vendor/agent", "evil/x", hostPID=True), {"trusted_images": ["vendor/"]})
    assert names(pod("vendor/agent"), {"known_images": ["shop/"]}) == ["unknown-image"]
    assert names(pod("shop/web"), {"known_images": ["shop/"]}) == []


def test_a_quiet_day():
    """What a cluster does by itself, and what people read."""
    machine = "system:serviceaccount:kube-system:deployment-controller"
    quiet = [
        pod("shop/web", volumes=[{"emptyDir": {}}]),
        {"verb": "update", "user": {"username": machine}, "objectRef": {"resource": "deployments", "subresource": "status"}},
        {"verb": "list", "user": {"username": "eve"}, "objectRef": {"resource": "pods"}, "responseStatus": {"code": 200}},
        {"verb": "get", "user": {"username": "eve"}, "objectRef": {"resource": "secrets", "name": "a"}, "responseStatus": {"code": 200}},
        {"verb": "create", "user": {"username": "system:node:n1"}, "objectRef": {"resource": "serviceaccounts", "subresource": "token"}},
        {"verb": "create", "user": {"username": "eve"}, "objectRef": {"resource": "selfsubjectaccessreviews"}},
        {"verb": "patch", "user": {"username": "eve"}, "objectRef": {"resource": "deployments", "name": "web"}},
        {"verb": "create", "user": {"username": "system:serviceaccount:argocd:server"}, "objectRef": {"resource": "configmaps"}, "requestObject": {"data": {"a": "b = c"}}},
    ]  # fmt: skip
    assert [names(record) for record in quiet] == [[]] * len(quiet)
