from __future__ import annotations

import json

import pytest

from mlids.events import format_time
from mlids.formats.cloudtrail import CloudTrail
from mlids.testing import lines

LOGIN = {
    "eventVersion": "1.08", "eventTime": "2025-01-13T10:30:45Z", "eventName": "ConsoleLogin",
    "eventSource": "signin.amazonaws.com", "awsRegion": "eu-west-1", "userAgent": "Mozilla/5.0",
    "userIdentity": {"type": "IAMUser", "userName": "eve", "arn": "arn:aws:iam::1:user/eve"},
    "sourceIPAddress": "203.0.113.7", "responseElements": {"ConsoleLogin": "Failure"},
}  # fmt: skip
NAMES = ("src", "user", "outcome", "agent", "message")


@pytest.mark.parametrize("line", [LOGIN, {"Records": [LOGIN, {}]}], ids=str)
def test_columns(line):
    batch = lines(json.dumps(line), format=CloudTrail())
    assert [batch.column(name)[0] for name in NAMES] == [
        b"203.0.113.7", b"eve", b"failure", b"Mozilla/5.0", b"ConsoleLogin",
    ]  # fmt: skip
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.000000Z"


def test_only_logins_have_an_outcome():
    for change, outcome in (
        ({"responseElements": {"ConsoleLogin": "Success"}}, b"success"),
        ({"eventName": "CreateUser"}, None),
        ({"responseElements": None}, None),
    ):
        batch = lines(json.dumps({**LOGIN, **change}), format=CloudTrail())
        assert batch.column("outcome") == [outcome]


def test_users():
    for identity, user in (
        ({"type": "Root", "arn": "arn:aws:iam::1:root"}, b"root"),
        ({"type": "AssumedRole", "arn": "arn:x"}, b"arn:x"),
        ({}, None),
        (None, None),
    ):
        batch = lines(json.dumps({**LOGIN, "userIdentity": identity}), format=CloudTrail())
        assert batch.column("user") == [user]


def test_services_are_no_source():
    record = {**LOGIN, "sourceIPAddress": "cloudformation.amazonaws.com"}
    assert lines(json.dumps(record), format=CloudTrail()).column("src") == [None]


def test_sniff_and_recognised():
    batch = lines(json.dumps(LOGIN), '{"eventName": "x"}', "text")
    assert CloudTrail().sniff(batch.data) == pytest.approx(0.98 / 3)
    assert CloudTrail().recognised(batch).tolist() == [True, False, False]


def test_garbage_is_unknown():
    rubbish = ["", '{"Records": [1]}', '{"Records": 1}', '{"userIdentity": 1}', '{"eventTime": {}}']
    batch = lines(*rubbish, b"\xff", format=CloudTrail())
    for name in NAMES:
        assert not any(batch.column(name))
