"""The class as the documents show it, against moto's real server."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from mlids.cloudwatch import CloudWatchLogsExtractor
from mlids.cloudwatch.manifest import Manifest
from tests.cloudwatch.server import Record

GROUP = "/ecs/pinnokio_microservice"
NOW = time.time_ns() // 10**6 // 1000 * 1000
HOUR = 3_600_000


@pytest.fixture
def client(moto_url, tmp_path, monkeypatch):
    """moto with two streams, one of the last hours and one of three days ago."""
    monkeypatch.chdir(tmp_path)
    made = boto3.client("logs", "us-east-1", endpoint_url=moto_url)
    made.create_log_group(logGroupName=GROUP)
    for name, begin in (("ecs/app/abc123", NOW - 5 * HOUR), ("old", NOW - 72 * HOUR)):
        made.create_log_stream(logGroupName=GROUP, logStreamName=name)
        events = [{"timestamp": begin + n * 1000, "message": f"line {n}"} for n in range(2500)]
        made.put_log_events(logGroupName=GROUP, logStreamName=name, logEvents=events)
    return made


@pytest.fixture
def extractor(client, moto_url):
    return CloudWatchLogsExtractor(endpoint_url=moto_url, requests_per_second=0)


def test_the_defaults(extractor):
    assert extractor.log_group_name == GROUP
    assert extractor.region_name == "us-east-1"
    assert extractor.client.meta.service_model.service_name == "logs"


def test_positional_arguments_as_documented(moto_url, client):
    made = CloudWatchLogsExtractor("us-east-1", GROUP, "key", "secret")
    assert (made.region_name, made.log_group_name) == ("us-east-1", GROUP)
    keys = made.access.credentials
    assert (keys.access_key, keys.secret_key) == ("key", "secret")
    assert "secret" not in repr(made.access)


def test_credentials(extractor, monkeypatch, moto_url):
    assert extractor.check_credentials() is True
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert CloudWatchLogsExtractor(endpoint_url=moto_url).check_credentials() is False


def test_streams_are_listed_as_documented(extractor):
    streams = extractor.list_log_streams()
    assert [one["logStreamName"] for one in streams] == ["ecs/app/abc123", "old"]
    first = streams[0]
    assert set(first) == {
        *("logStreamName", "creationTime", "creationTimeFormatted", "firstEventTimestamp"),
        *("firstEventTimeFormatted", "lastEventTimestamp", "lastEventTimeFormatted", "storedBytes"),
    }
    assert first["firstEventTimestamp"] == NOW - 5 * HOUR
    shown = datetime.fromtimestamp(first["lastEventTimestamp"] / 1000, UTC)
    assert first["lastEventTimeFormatted"] == shown.strftime("%Y-%m-%d %H:%M:%S")
    assert len(extractor.list_log_streams(limit=1)) == 1
    by_name = extractor.list_log_streams(order_by="LogStreamName", descending=True)
    assert [one["logStreamName"] for one in by_name] == ["old", "ecs/app/abc123"]


def test_streams_of_a_period(extractor):
    now = datetime.now(UTC).replace(tzinfo=None)  # without a zone it is UTC
    names = lambda **period: [  # noqa: E731
        one["logStreamName"] for one in extractor.list_log_streams(**period)
    ]
    assert names(start_time=now - timedelta(days=1)) == ["ecs/app/abc123"]
    assert names(end_time=now - timedelta(days=1)) == ["old"]
    assert names(start_time=date.today() - timedelta(days=7), end_time=now) == [
        *("ecs/app/abc123", "old"),
    ]


def test_the_group(extractor, client):
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=30)
    info = extractor.get_log_group_info()
    assert (info["logGroupName"], info["retentionInDays"], info["metricFilterCount"]) == (
        GROUP,
        30,
        0,
    )
    assert info["storedBytes"] > 0
    assert len(info["creationTimeFormatted"]) == 19


def test_a_log_as_text(extractor):
    path = extractor.download_log("ecs/app/abc123")
    assert os.path.dirname(path) == "logs"
    lines = Path(path).read_text().splitlines()
    begin = datetime.fromtimestamp((NOW - 5 * HOUR) / 1000, UTC)
    assert lines[0] == f"[{begin:%Y-%m-%d %H:%M:%S}] line 0"
    assert len(lines) == 2500
    assert extractor.download_log("old", output_file="logs/mine.log") == "logs/mine.log"


def test_a_log_of_a_period(extractor):
    begin = datetime.fromtimestamp((NOW - 5 * HOUR) / 1000, UTC)
    end = begin + timedelta(seconds=9)
    path = extractor.download_log("ecs/app/abc123", start_time=begin, end_time=end)
    assert [line.split()[-1] for line in Path(path).read_text().splitlines()] == [
        str(n) for n in range(10)
    ]


def test_a_day_as_the_end_is_whole(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    day = 1_735_689_600_000  # 2025-01-01
    held = [Record(day + n, str(n)) for n in (0, 86_399_999, 86_400_000)]
    url = server({GROUP: {"s": held}}).url
    made = CloudWatchLogsExtractor(endpoint_url=url, requests_per_second=0)
    for end in ("2025-01-01", date(2025, 1, 1)):
        path = made.download_log("s", start_time="2025-01-01", end_time=end)
        assert [line.split()[-1] for line in Path(path).read_text().splitlines()] == [
            "0",
            "86399999",
        ]
    path = made.download_log("s", end_time=datetime(2025, 1, 1))
    assert [line.split()[-1] for line in Path(path).read_text().splitlines()] == ["0"]


def test_a_log_as_json(extractor):
    path = extractor.download_log_json("old", output_file="deep/down/mine.json")
    assert path == "deep/down/mine.json"
    document = json.loads(Path(path).read_text())
    assert document["totalEvents"] == len(document["events"]) == 2500
    assert set(document["events"][0]) == {"timestamp", "timestampFormatted", "message"}


def test_several_at_once(extractor, tmp_path):
    found = extractor.download_streams(["old", "nobody", "ecs/app/abc123"], tmp_path / "all")
    assert isinstance(found[0], Manifest)
    assert isinstance(found[1], extractor.client.exceptions.ResourceNotFoundException)
    assert isinstance(found[2], Manifest)
    assert found[2].total_events == 2500
    assert all(os.path.dirname(one.file) == str(tmp_path / "all") for one in (found[0], found[2]))


def test_errors_as_the_documents_catch_them(extractor, moto_url):
    made = CloudWatchLogsExtractor(log_group_name="/none", endpoint_url=moto_url)
    with pytest.raises(made.client.exceptions.ResourceNotFoundException):
        made.list_log_streams()
    with pytest.raises(ClientError) as error:
        made.get_log_group_info()
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ValueError, match="order_by"):
        extractor.list_log_streams(order_by="Size")


def test_the_pace_is_kept(server, tmp_path):
    running = server({GROUP: {f"s{n}": [Record(NOW, "x")] for n in range(12)}})
    made = CloudWatchLogsExtractor(endpoint_url=running.url, parallel=4)
    assert made.access.pace.per_second == 5
    made.download_streams([f"s{n}" for n in range(12)], tmp_path)
    for kind in ("FilterLogEvents", "DescribeLogStreams"):
        moments = sorted(call.moment for call in running.calls if call.operation == kind)
        assert len(moments) >= 12
        assert all(b - a > 0.9 for a, b in zip(moments, moments[5:], strict=False))


def test_what_was_done_is_counted(extractor, tmp_path):
    extractor.download_streams(["old", "ecs/app/abc123"], tmp_path)
    assert extractor.progress.events == 5000
    assert extractor.progress.streams == 2
    assert extractor.progress.share == 1
