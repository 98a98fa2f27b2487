import csv
import io
import json
import time

import pytest

from mlids.cli.cloudwatch import shown

GROUP = "/ecs/pinnokio_microservice"
TEXT = "fields @timestamp, @message"
ROWS = [
    {"@timestamp": "2025-01-13 10:00:00.000", "@message": '=cmd|"x"', "@ptr": "p"},
    {"@timestamp": "2025-01-13 10:00:01.000", "@message": "\x1b[31m\u202e" + "x" * 200, "n": "7"},
]


def test_a_table_for_people(typed, server, monkeypatch):
    running = server({GROUP: {}}, rows=ROWS)
    done = typed("query", TEXT, at=running.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["@timestamp", "@message", "n"]
    assert "@ptr" not in done.stdout and "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "2 rows; 2 events matched" in done.stderr and "UTC" in done.stderr
    monkeypatch.setattr(shown, "width", lambda: 80)
    narrow = typed("query", TEXT, at=running.url).stdout.splitlines()
    assert max(map(len, narrow)) <= 80 and len(narrow) == 3


def test_one_document(typed, server):
    running = server({GROUP: {}}, rows=ROWS)
    done = typed("query", TEXT, "--json", at=running.url)
    found = json.loads(done.stdout)
    assert found["status"] == "Complete" and found["statistics"]["recordsMatched"] == 2
    assert found["rows"][1]["n"] == "7" and "@ptr" not in found["rows"][0]
    assert "\u202e" not in done.stdout and found["rows"][1]["@message"].startswith("\x1b[31m\u202e")


def test_csv_calculates_nothing(typed, server):
    running = server({GROUP: {}}, rows=ROWS)
    rows = list(csv.reader(io.StringIO(typed("query", TEXT, "--csv", at=running.url).stdout)))
    assert rows[0] == ["'@timestamp", "'@message", "n"]
    assert rows[1] == ["2025-01-13 10:00:00.000", '\'=cmd|"x"', ""]
    assert rows[2][1].startswith("\\x1b[31m\\u202e")


def test_the_last_hour_of_the_usual_group(typed, server):
    running = server({GROUP: {}}, rows=[])
    done = typed("query", TEXT, at=running.url)
    assert (done.returncode, done.stdout) == (0, "")
    asked = running.calls[0].parameters
    assert asked["logGroupNames"] == [GROUP] and asked["limit"] == 1000
    assert asked["endTime"] - asked["startTime"] == 3600
    assert abs(time.time() - asked["endTime"]) < 5


def test_period_groups_and_limit(typed, server):
    running = server({"/a": {}, "/b": {}}, rows=[])
    groups = ("--log-group", "/a", "--log-group", "/b")
    typed(
        *("query", TEXT, *groups, "--limit", "5"),
        *("--start-date", "2025-01-13", "--end-date", "2025-01-13"),
        at=running.url,
    )
    assert running.calls[0].parameters == {
        "logGroupNames": ["/a", "/b"],
        "queryString": TEXT,
        "startTime": 1_736_726_400,
        "endTime": 1_736_812_799,
        "limit": 5,
    }


@pytest.mark.parametrize(
    "wrong", [("--json", "--csv"), ("--limit", "0"), ("--days", "1", "--start-date", "7d")], ids=str
)
def test_wrong_use(typed, server, wrong):
    assert typed("query", TEXT, *wrong, at=server({GROUP: {}}).url).returncode == 2
    assert typed("query").returncode == 2


def test_a_query_that_fails_or_is_refused(typed, server):
    done = typed("query", TEXT, at=server({GROUP: {}}, query_status="Failed").url)
    assert done.returncode == 3 and done.stderr.startswith("E209 the query ended as Failed")
    done = typed("query", " ", at=server({GROUP: {}}).url)
    assert done.returncode == 3 and "MalformedQueryException" in done.stderr
    done = typed("query", TEXT, "--log-group", "/none", at=server({GROUP: {}}).url)
    assert done.returncode == 3 and done.stderr.startswith("E204 no log group /none")
