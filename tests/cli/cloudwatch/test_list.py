import json

import pytest

from mlids.cli.cloudwatch import shown
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
DAY = 1_736_726_400_000  # 2025-01-13
ECS = "ecs/pinnokio_microservice/0123456789abcdef0123456789abcdef"


@pytest.fixture
def url(server):
    streams = {
        "a": [Record(DAY, "x"), Record(DAY + 3_600_000, "y")],
        "b": [Record(DAY + 86_400_000, "x")],
        ECS: [Record(DAY + 2 * 86_400_000, "x")],
    }
    return server({GROUP: streams, "/hostile": {"\x1b[31m": [Record(DAY, "x")]}}).url


def names(done):
    return [one["logStreamName"] for one in json.loads(done.stdout)]


def test_a_table_in_utc(typed, url):
    done = typed("list", "--log-group", GROUP, at=url)
    assert done.returncode == 0
    head, *lines = done.stdout.splitlines()
    assert head == "FIRST EVENT (UTC)    LAST EVENT (UTC)     STREAM"
    assert [line.split()[-1] for line in lines] == [ECS, "b", "a"]
    assert lines[2] == "2025-01-13 00:00:00  2025-01-13 01:00:00  a"
    assert "3 streams in /ecs/app (us-east-1); times in UTC" in done.stderr


def test_as_a_document_with_all_keys(typed, url):
    found = json.loads(typed("list", "--log-group", GROUP, "--limit", "1", "--json", at=url).stdout)
    assert len(found) == 1 and len(found[0]) == 8
    assert found[0]["lastEventTimeFormatted"] == "2025-01-15 00:00:00"


def test_options(typed, url):
    def listed(*arguments):
        return names(typed("list", "--log-group", GROUP, "--json", *arguments, at=url))

    assert listed("--order-by", "LogStreamName", "--ascending") == ["a", "b", ECS]
    assert listed("--order-by", "LogStreamName", "--descending") == [ECS, "b", "a"]
    assert listed("--ascending") == ["a", "b", ECS]
    assert listed("--start-date", "2025-01-14", "--end-date", "2025-01-14") == ["b"]
    assert listed("--end-date", "2025-01-13") == ["a"]
    assert listed("--end-date", "2025-01-13T00:00") == ["a"]
    assert listed("--days", "2", "--end-date", "2025-01-15") == [ECS, "b"]
    assert listed("--days", "1") == []


def test_names_are_whole_on_a_narrow_terminal(typed, url, monkeypatch):
    monkeypatch.setattr(shown, "width", lambda: 80)
    done = typed("list", "--log-group", GROUP, at=url)
    assert ECS in done.stdout and "FIRST" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("wrong", [("--limit", "0"), ("--order-by", "Size"), ("--days", "x")])
def test_wrong_use(typed, url, wrong):
    assert typed("list", *wrong, at=url).returncode == 2


def test_names_of_streams_cannot_act(typed, url):
    done = typed("list", "--log-group", "/hostile", at=url)
    assert "\\x1b[31m" in done.stdout and "\x1b" not in done.stdout + done.stderr


def test_none(typed, server):
    done = typed("list", "--log-group", GROUP, at=server({GROUP: {}}).url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "0 streams" in done.stderr
