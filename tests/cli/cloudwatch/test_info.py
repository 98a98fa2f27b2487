import json

import boto3

GROUP = "/ecs/pinnokio_microservice"


def test_facts_and_a_document(typed, moto_url):
    logs = boto3.client("logs", region_name="us-east-1", endpoint_url=moto_url)
    logs.create_log_group(logGroupName=GROUP)
    done = typed("info", at=moto_url)
    assert done.returncode == 0, done.stderr
    assert "kept for        ever" in done.stdout and GROUP in done.stdout
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=30)
    assert "30 days" in typed("info", at=moto_url).stdout
    found = json.loads(typed("info", "--json", at=moto_url).stdout)
    assert (found["logGroupName"], found["retentionInDays"]) == (GROUP, 30)
    assert set(found) == {
        *("logGroupName", "creationTime", "creationTimeFormatted", "storedBytes"),
        *("retentionInDays", "metricFilterCount"),
    }


def test_a_missing_group(typed, moto_url):
    done = typed("info", "--log-group", "/ecs/pinnokio", at=moto_url)
    assert done.returncode == 3
    assert done.stderr.startswith("E204 no log group /ecs/pinnokio in the region us-east-1")
    assert "cloudwatch groups" in done.stderr
