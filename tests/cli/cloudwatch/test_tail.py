import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cloudwatch.server import Record

ROOT = Path(__file__).parents[3]
GROUP = "/ecs/app"


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def there(server):
    begin = now() - 60_000
    return server(
        {
            GROUP: {
                "web/1": [Record(begin, "one"), Record(begin + 2000, "ERROR three\n")],
                "web/2": [Record(begin + 1000, "two")],
                "db": [Record(begin - 3_600_000, "old"), Record(begin + 3000, "\x1b[2Jx\ty\nz")],
            }
        }
    )


@pytest.fixture
def tail(typed, there):
    def run(*arguments):
        return typed("tail", "--no-follow", "--log-group", GROUP, *arguments, at=there.url)

    return run


def test_lines_of_all_streams_by_time(tail, there):
    done = tail()
    assert done.returncode == 0
    first, *_, last = done.stdout.splitlines()
    moment = time.strftime(
        "%Y-%m-%d %H:%M:%S", time.gmtime(there.truth(GROUP, "web/1")[0].timestamp / 1000)
    )
    assert first == f"[{moment}] web/1  one"
    texts = [line.split("  ", 1)[1] for line in done.stdout.splitlines()]
    assert texts[:3] == ["one", "two", "ERROR three"]
    assert last.endswith(r"db  \x1b[2Jx   y\nz")
    assert done.stderr == ""


def test_streams_times_and_a_filter(tail):
    assert tail("web/*").stdout.count("\n") == 3
    assert tail("web/2", "db").stdout.count("\n") == 2
    assert tail("--since", "2h").stdout.count("\n") == 5
    assert tail("--since", "30s").stdout == ""
    assert tail("--filter-pattern", "ERROR").stdout.count("\n") == 1


def test_json_lines(tail):
    found = [json.loads(line) for line in tail("--json").stdout.splitlines()]
    assert [one["message"] for one in found][-1] == "\x1b[2Jx\ty\nz"
    assert set(found[0]) == {
        *("timestamp", "timestampFormatted", "ingestionTime"),
        *("logStreamName", "eventId", "message"),
    }
    assert "\x1b" not in tail("--json").stdout


def test_errors_have_their_status(typed, there, server):
    def status(*arguments, at=there.url):
        return typed("tail", "--no-follow", *arguments, at=at)

    done = status("--log-group", "/missing")
    assert (done.returncode, "E204" in done.stderr) == (3, True)
    done = status("--log-group", GROUP, "nothing")
    assert (done.returncode, "E204" in done.stderr) == (3, True)
    assert status("--interval", "0").returncode == 2
    assert status("--since", "tomorrow").returncode == 2
    denied = server({GROUP: {}}, denied=frozenset({"FilterLogEvents", "GetLogEvents"}))
    done = status("--log-group", GROUP, at=denied.url)
    assert (done.returncode, done.stderr) == (0, "")  # nothing to read
    denied.add(GROUP, "a", Record(now() - 5, "x"))
    done = status("--log-group", GROUP, at=denied.url)
    assert (done.returncode, "needs logs:FilterLogEvents" in done.stderr) == (3, True)


def test_a_gap_is_told(typed, server):
    there = server({GROUP: {"a": [Record(now() - 5000, "x")] * 30}}, page_events=10, stuck_after=1)
    done = typed("tail", "--no-follow", "--log-group", GROUP, at=there.url)
    assert (done.stdout.count("\n"), done.stderr.count("E208"), done.returncode) == (10, 1, 1)


def test_it_follows_until_ctrl_c(there):
    command = [sys.executable, str(ROOT / "index.py"), "cloudwatch", "tail", "--interval", "0.1"]
    where = ["--log-group", GROUP, "--endpoint-url", there.url]
    process = subprocess.Popen(
        [*command, *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        before = [process.stdout.readline() for _ in range(4)]
        assert before[0].endswith("one\n")
        there.add(GROUP, "new", Record(now(), "just now"))
        assert process.stdout.readline().endswith("new  just now\n")
        there.add(GROUP, "db", Record(now() - 30_000, "late"))
        assert process.stdout.readline().endswith("db  late\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout.read() == process.stderr.read().strip() == ""
    finally:
        process.kill()
        process.wait()
