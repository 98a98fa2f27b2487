import json
import time

import pytest

from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
LINE = "gate sshd[{}]: {} password for root from 203.0.113.7 port 40 ssh2"
DAY_MS = 86_400_000


def stamped(ms, number, word="Failed"):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(ms / 1000))
    return Record(ms, f"{stamp} {LINE.format(number, word)}")


def failed(begin, count=6, step=1000):
    return [stamped(begin + n * step, n) for n in range(count)]


@pytest.fixture
def begin():
    return time.time_ns() // 1_000_000 - 3_600_000


@pytest.fixture
def scan(typed):
    def run(there, *arguments):
        return typed("scan", "--log-group", GROUP, *arguments, at=there.url)

    return run


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_attacks_are_found_over_streams(server, scan, begin):
    there = server({GROUP: {"a": failed(begin, 6, 2000)[::2], "b": failed(begin, 6, 2000)[1::2]}})
    done = scan(there, "--format", "jsonl")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    brute, *_ = [event for event in events if event["type"] == "Brute Force"]
    assert brute["details"]["ip"] == "203.0.113.7"
    assert {place["source"] for place in brute["evidence"]} == {
        f"cloudwatch {GROUP}/a",
        f"cloudwatch {GROUP}/b",
    }
    assert "6 lines" in done.stderr and "6 read, 6 matched" in done.stderr


def test_without_attacks_the_status_is_0(server, scan, begin):
    there = server({GROUP: {"a": [stamped(begin, 1, "Accepted")]}})
    assert scan(there).returncode == 0
    assert scan(server({GROUP: {}})).returncode == 0


def test_the_period_and_the_streams(server, scan, begin):
    there = server({GROUP: {"a": failed(begin - 2 * DAY_MS), "b": failed(begin)}})

    def logins(*arguments):
        return scan(there, "--format", "jsonl", *arguments).stdout.count('"Failed Login"')

    assert logins() == 6
    assert logins("--days", "3") == 12
    assert logins("--days", "3", "a") == logins("--days", "3", "[a]") == 6
    assert logins("a") == 0
    day = time.strftime("%Y-%m-%d", time.gmtime((begin - 2 * DAY_MS) / 1000))
    ends = time.strftime("%Y-%m-%d", time.gmtime((begin - 2 * DAY_MS + 5000) / 1000))
    assert logins("--start-date", day, "--end-date", ends) == 6
    assert scan(there, "--days", "1", "--start-date", day).returncode == 2


def test_lines_without_a_time_are_not_pressed_into_one_moment(server, scan, begin):
    """Pages that are missing, all at once or one an hour: the time is that of the event."""
    form = '{{"remote_addr":"203.0.113.7","request_method":"GET","request_uri":"/m{}.php","status":404}}'

    def found(step):
        events = [Record(begin - n * step, form.format(n)) for n in range(20)]
        done = scan(server({GROUP: {"a": events}}), "--days", "2", "--format", "jsonl")
        assert "20 read, 20 matched" in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    assert found(3_600_000) == []
    event = found(100)[0]
    assert event["type"] == "Web Scan"
    stamp = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(begin / 1000))
    assert abs(int(event["timestamp"][14:16]) - int(stamp[14:16])) % 59 <= 1


def test_output_and_json_as_scan(server, scan, begin, folder):
    there = server({GROUP: {"a": failed(begin)}})
    assert len(json.loads(scan(there, "--json").stdout)) >= 7
    assert scan(there, "--output", "found.txt").stdout == ""
    assert "Brute Force" in (folder / "found.txt").read_text()
    assert not (folder / "logs").exists()
    assert scan(there, "--store").returncode == 1
    assert len((folder / "logs" / "mlids.jsonl").read_text().splitlines()) >= 7
    (folder / "config.yaml").write_text("thresholds: {brute_force_threshold: 50}\n")
    assert "Brute Force" not in scan(there, "--format", "jsonl").stdout


def test_settings_of_the_monitor_hold(server, scan, begin, folder):
    there = server({GROUP: {"a": failed(begin)}})
    (folder / "own.yaml").write_text(
        "monitors: {cloudwatch: {log_groups: [/other], streams: [b], filter_pattern: nothing,"
        " max_line: 256, format: iis}}\n"
    )
    done = scan(there, "--config", "own.yaml")
    assert "6 read, 6 unmatched" in done.stderr, done.stderr
    assert scan(there, "--config", "none.yaml").returncode == 3


def test_errors_have_their_status(server, scan, typed, begin):
    done = scan(server({"/other": {}}))
    assert (done.returncode, "E204" in done.stderr) == (3, True)
    denied = server(
        {GROUP: {"a": failed(begin)}}, denied=frozenset({"FilterLogEvents", "GetLogEvents"})
    )
    done = scan(denied)
    assert (done.returncode, "logs:FilterLogEvents" in done.stderr) == (3, True)
    expired = server({GROUP: {"a": failed(begin)}}, expire_after=0)
    assert (scan(expired).returncode, "E202" in scan(expired).stderr) == (3, True)
    done = typed("scan", "--region", "us-east-1", at="http://127.0.0.1:1")
    assert (done.returncode, "E206" in done.stderr) == (75, True)


def test_a_gap_is_status_1(server, scan, begin):
    there = server(
        {GROUP: {"a": [stamped(begin, 1, "Accepted")] * 30}}, page_events=10, stuck_after=1
    )
    done = scan(there)
    assert (done.returncode, "E208" in done.stderr) == (1, True)


def test_a_hostile_stream_cannot_act_on_the_terminal(server, scan, begin):
    done = scan(server({GROUP: {"\x1b[2Jx": failed(begin)}}))
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr


def test_moto(moto_url, scan, begin):
    import boto3

    client = boto3.client("logs", "us-east-1", endpoint_url=moto_url)
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="a")
    lines = [{"timestamp": one.timestamp, "message": one.message} for one in failed(begin)]
    client.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=lines)

    class There:
        url = moto_url

    done = scan(There, "--format", "jsonl")
    assert (done.returncode, "Brute Force" in done.stdout) == (1, True)
