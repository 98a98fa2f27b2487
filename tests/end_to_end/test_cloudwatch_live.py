"""`start` follows log groups: attacks are told within seconds, and no line is lost over a kill."""

import signal
import time

import boto3
import pytest
import yaml

from tests.cloudwatch.conftest import aws_env, moto_server, moto_url, server
from tests.cloudwatch.server import Record

__all__ = ["aws_env", "moto_server", "moto_url", "server"]

pytestmark = pytest.mark.slow
GROUP, ATTACKER = "/ecs/app", "203.0.113.9"


def now() -> int:
    return time.time_ns() // 1_000_000


def failed(number: int, address: str = ATTACKER, user: str = "root") -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return f"{stamp} gate sshd[{number}]: Failed password for {user} from {address} port 40 ssh2"


@pytest.fixture
def follow(run, tmp_path):
    """`start` on the group at a server, and on nothing else."""

    def begin(url: str, **options):
        cloudwatch = {"log_groups": [GROUP], "endpoint_url": url, "poll_s": 0.2}
        settings = {
            "monitoring": {"interface": "none", "directory": "none", "app_log": "none"},
            "monitors": {"cloudwatch": cloudwatch | {"requests_per_second": 0} | options},
            "sinks": {"tcp": {"enabled": False}, "websocket": {"enabled": False}},
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        return run("start", "--config", "config.yaml").ready()

    return begin


def is_followed(program) -> bool:
    (one,) = [one["input"] for one in program.status()["inputs"]]
    return one["state"] == "ok"


def test_an_attack_that_aws_shows_is_told_within_seconds(moto_url, follow):
    client = boto3.client("logs", "us-east-1", endpoint_url=moto_url)
    client.create_log_group(logGroupName=GROUP)
    for stream in ("web/1", "web/2"):
        client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    program = follow(moto_url)
    program.until(lambda: is_followed(program), "the group is followed")
    began = time.monotonic()
    for number in range(6):
        event = {"timestamp": now(), "message": failed(number)}
        stream = f"web/{1 + number % 2}"
        client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])
    told = program.until_event("Brute Force", ip=ATTACKER)
    assert time.monotonic() - began < 8
    sources = {place["source"] for place in told["evidence"]}
    assert sources == {f"cloudwatch {GROUP}/web/1", f"cloudwatch {GROUP}/web/2"}
    assert len(program.events("Failed Login")) == 6
    assert program.stop() == 0


def test_killed_again_and_again_no_line_is_lost(server, follow):
    there, number, last = server({GROUP: {"a": []}}), 0, 0
    for seconds in (1.5, 2, 2.5, 7):
        program, last = follow(there.url), number
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            texts = [failed(number + n, user=f"u{number + n}") for n in range(5)]
            there.add(GROUP, "a", *(Record(now(), text) for text in texts))
            number += 5
            time.sleep(0.02)
        program.send(signal.SIGKILL)
        program.process.wait()
    program = follow(there.url)

    def users():
        return [event["details"]["user"] for event in program.events("Failed Login")]

    program.until(lambda: f"u{number - 1}" in users(), "the last line", 30)
    assert set(users()) == {f"u{n}" for n in range(number)}
    early = [users().count(f"u{n}") for n in range(last, last + 100)]
    assert early == [1] * 100  # only those of the last seconds before the kill come again
    assert program.stop() == 0


def test_over_an_orderly_restart_nothing_comes_twice(server, follow):
    there, number = server({GROUP: {"a": []}}), 0
    for _ in range(3):
        program = follow(there.url)
        for _ in range(10):
            there.add(GROUP, "a", Record(now(), failed(number, user=f"u{number}")))
            number += 1
            time.sleep(0.05)
        wanted = f"u{number - 1}"
        program.until_event("Failed Login", user=wanted)
        assert program.stop() == 0
        there.add(GROUP, "a", Record(now(), failed(number, user=f"u{number}")))  # meanwhile
        number += 1
    program = follow(there.url)
    program.until_event("Failed Login", user=f"u{number - 1}")
    found = [event["details"]["user"] for event in program.events("Failed Login")]
    assert sorted(found) == sorted(f"u{n}" for n in range(number))


def test_a_group_that_fails_is_a_gap_and_comes_back(server, follow):
    there = server({})
    program = follow(there.url)
    gap = program.until_event("Monitoring Gap")
    assert gap["details"]["metadata"]["code"] == "E204"
    assert GROUP in gap["details"]["description"]
    there.add(GROUP, "a", *(Record(now(), failed(n)) for n in range(6)))
    program.until_event("Brute Force", ip=ATTACKER)
    assert len(program.events("Monitoring Gap")) == 1


def test_it_stops_in_time_though_aws_does_not_answer(server, follow):
    program = follow(server({GROUP: {}}, stall_every=1, stall_s=30).url)
    time.sleep(0.5)
    began = time.monotonic()
    assert program.stop() == 0
    assert time.monotonic() - began < 4
