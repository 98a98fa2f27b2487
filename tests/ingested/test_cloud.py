from __future__ import annotations

import json

from mlids.ingested.cloud import Cloud
from mlids.ingested.findings import Place
from mlids.testing import START_NS

PLACE = Place(START_NS, "trail.json", 1, 0)
STOP = {
    "eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging",
    "eventTime": "2025-01-13T10:30:50Z", "sourceIPAddress": "203.0.113.7",
    "userIdentity": {"type": "IAMUser", "userName": "eve", "arn": "arn:aws:iam::1:user/eve"},
    "requestParameters": {"name": "main"}, "awsRegion": "eu-west-1",
}  # fmt: skip


def prepared(**asked):
    return Cloud().prepared({"eventName": "X", "requestParameters": asked})


def test_who_from_where_for_what():
    ((finding, _),) = Cloud().told(STOP, PLACE)
    assert finding.details == {"ip": "203.0.113.7", "user": "eve", "target": "main"}
    assert finding.metadata["arn"] == "arn:aws:iam::1:user/eve"
    assert finding.metadata["event"] == "StopLogging"
    service = {**STOP, "sourceIPAddress": "config.amazonaws.com"}
    ((finding, _),) = Cloud().told(service, PLACE)
    assert finding.details["ip"] == ""


def test_whole_files_are_taken_apart():
    found = list(Cloud().told({"Records": [STOP, 7, STOP]}, PLACE))
    assert [place.time_ns - START_NS for _, place in found] == [5 * 10**9] * 2


def test_users():
    def user(identity):
        return Cloud().prepared({"eventName": "X", "userIdentity": identity})["user"]

    assert user({"type": "Root"}) == "root"
    issuer = {"sessionContext": {"sessionIssuer": {"userName": "deploy"}}, "arn": "arn:x"}
    assert user(issuer) == "deploy"
    assert user({"arn": "arn:x"}) == "arn:x"
    assert user(None) == ""


def test_what_is_open_to_the_world():
    assert prepared(cidrIp="0.0.0.0/0")["world"]
    assert prepared(a=[{"b": ["::/0"]}])["world"]
    assert not prepared(cidrIp="10.0.0.0/8")["world"]
    policy = {"Statement": {"Effect": "Allow", "Principal": {"AWS": ["arn:x", "*"]}}}
    assert prepared(policy=policy)["world"]
    assert prepared(policyDocument=json.dumps(policy))["world"]
    policy["Statement"]["Condition"] = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    assert not prepared(policy=policy)["world"]


def test_all_rights():
    def rights(action, resource="*", effect="Allow"):
        statement = {"Effect": effect, "Action": action, "Resource": resource}
        return prepared(policyDocument=json.dumps({"Statement": [statement]}))["all_rights"]

    assert rights("*") and rights(["s3:Get*", "*"])
    assert not rights("s3:*") and not rights("*", "arn:x") and not rights("*", effect="Deny")


def test_refusals():
    for error in ("AccessDenied", "Client.UnauthorizedOperation", "AccessDeniedException"):
        assert Cloud().prepared({"eventName": "X", "errorCode": error})["denied"]
    missing = Cloud().prepared({"eventName": "X", "errorCode": "NoSuchEntity"})
    assert (missing["denied"], missing["ok"]) == (False, False)


def test_hostile_requests_cost_little():
    deep: object = "0.0.0.0/0"
    for _ in range(3000):
        deep = [deep]
    assert not prepared(a=deep)["world"]
    assert not prepared(policyDocument="[" * 60_000)["world"]
    assert not prepared(policyDocument=7)["all_rights"]
