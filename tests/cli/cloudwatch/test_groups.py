import json

import boto3
import pytest


@pytest.fixture
def url(moto_url):
    logs = boto3.client("logs", region_name="us-east-1", endpoint_url=moto_url)
    for name in ("/ecs/app", "/ecs/web", "/lambda/x"):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName="/ecs/web", retentionInDays=7)
    return moto_url


def test_a_table_and_a_prefix(typed, url):
    done = typed("groups", at=url)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.endswith("LOG GROUP") and "UTC" in head
    assert [line.split()[-1] for line in lines] == ["/ecs/app", "/ecs/web", "/lambda/x"]
    assert "  ever " in lines[0] and "  7 days  " in lines[1]
    assert len({line.index("/") for line in lines}) == 1
    assert "3 log groups in us-east-1" in done.stderr
    assert len(typed("groups", "--prefix", "/ecs/", at=url).stdout.splitlines()) == 3


def test_a_document(typed, url):
    found = json.loads(typed("groups", "--prefix", "/lambda", "--json", at=url).stdout)
    assert [one["logGroupName"] for one in found] == ["/lambda/x"]


def test_another_region_has_others(typed, url):
    done = typed("groups", "--region", "eu-west-1", at=url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "0 log groups in eu-west-1" in done.stderr
