import json

import boto3
import pytest

GROUP = "/ecs/app"
KEY, SECRET = "AKIAC4N4RYC4N4RY9Z8Y", "c4n4ry/secret/c4n4ry"


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRET * 9)


def test_all_is_fine(typed, moto_url, keys):
    logs = boto3.client("logs", region_name="us-east-1", endpoint_url=moto_url)
    logs.create_log_group(logGroupName=GROUP)
    done = typed("check-credentials", "--log-group", GROUP, at=moto_url)
    assert done.returncode == 0, done.stderr
    assert "account      123456789012" in done.stdout and "us-east-1" in done.stdout
    assert "the environment (key …9Z8Y)" in done.stdout
    assert done.stdout.count("allowed") == 4
    assert "C4N4RY" not in (done.stdout + done.stderr).upper()
    found = json.loads(typed("check-credentials", "--json", at=moto_url).stdout)
    assert found["valid"] and found["missing"] == []
    assert (found["account"], found["method"], found["key"]) == ("123456789012", "env", "…9Z8Y")
    assert found["permissions"] == {
        f"logs:{action}": True
        for action in ("DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents")
    }


@pytest.mark.parametrize(
    ("denied", "status", "missing"),
    [
        (["DescribeLogGroups"], 0, []),
        (["FilterLogEvents"], 0, []),
        (["GetLogEvents"], 0, []),
        (["DescribeLogStreams"], 1, ["logs:DescribeLogStreams"]),
        (["FilterLogEvents", "GetLogEvents"], 1, ["logs:FilterLogEvents"]),
    ],
    ids=str,
)
def test_what_a_download_lacks(typed, server, denied, status, missing):
    running = server({GROUP: {}}, denied=frozenset(denied))
    done = typed("check-credentials", "--log-group", GROUP, at=running.url)
    assert done.returncode == status
    assert done.stdout.count("DENIED") == len(denied)
    assert all(action in done.stderr for action in missing)
    found = json.loads(typed("check-credentials", "--json", at=running.url).stdout)
    assert found["missing"] == missing and found["account"] is None


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_refused_credentials(typed, server, keys, code):
    running = server({GROUP: {}}, errors={"*": code})
    done = typed("check-credentials", at=running.url)
    assert done.returncode == 3 and done.stderr.startswith("E202")
    assert "C4N4RY" not in (done.stdout + done.stderr).upper()


def test_no_credentials(typed, server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    done = typed("check-credentials", at=server({GROUP: {}}).url)
    assert done.returncode == 3 and done.stderr.startswith("E201")


def test_a_short_key_is_not_shown_at_all(typed, server):
    done = typed("check-credentials", at=server({GROUP: {}}).url)
    assert "(key …)" in done.stdout and "testing" not in done.stdout
