"""The small server against plain boto3: what it must do well, and what it does wrong on request."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from tests.cloudwatch.server import Record, Server

Servers = Callable[..., Server]
GROUP = "/ecs/app"
START = 1_736_764_245_000


def connected(server: Server, **options: Any) -> Any:
    """A client that never tries again."""
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, **options)
    return boto3.client("logs", "us-east-1", endpoint_url=server.url, config=config)


def some(count: int = 100, seed: int = 1) -> list[Record]:
    """Records, several in a millisecond, in no order, with other times of ingestion."""
    chance = random.Random(seed)
    times = [START + chance.randrange(count // 3) for _ in range(count)]
    return [Record(t, f"line {n}", t + chance.randrange(3)) for n, t in enumerate(times)]


def pages(client: Any, most: int = 200, **asked: Any) -> Iterator[dict[str, Any]]:
    """The answers of FilterLogEvents as long as there is a token, at most so many."""
    asked.setdefault("logGroupName", GROUP)
    for _ in range(most):
        answer = client.filter_log_events(**asked)
        yield answer
        if "nextToken" not in answer:
            return
        asked["nextToken"] = answer["nextToken"]


def records(events: list[dict[str, Any]]) -> list[Record]:
    return [
        Record(e["timestamp"], e["message"], e["ingestionTime"], e.get("eventId", ""))
        for e in events
    ]


def scanned(client: Any, **asked: Any) -> list[Record]:
    return [record for page in pages(client, **asked) for record in records(page["events"])]


def refusal(call: Callable[..., Any], **asked: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**asked)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


# Well-behaved


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_paginator_gets_the_truth_exactly(server: Servers, size: int) -> None:
    running = server({GROUP: {"a": some(60, 1), "b": some(90, 2)}}, page_events=size)
    paginator = connected(running).get_paginator("filter_log_events")
    for stream, names in ((None, {}), ("b", {"logStreamNames": ["b"]})):
        asked = {"logGroupName": GROUP, **names}
        found = [e for page in paginator.paginate(**asked) for e in page["events"]]
        assert records(found) == running.truth(GROUP, stream)
        order = [(e["timestamp"], e["ingestionTime"]) for e in found]
        assert order == sorted(order)


def test_equal_times_keep_the_order_of_arrival(server: Servers) -> None:
    equal = [Record(START, str(n), START) for n in range(20)]
    running = server({GROUP: {"a": equal}}, page_events=3)
    assert [record.message for record in scanned(connected(running))] == [str(n) for n in range(20)]


def test_the_end_is_inclusive_for_filter_and_exclusive_for_get(server: Servers) -> None:
    running = server({GROUP: {"a": [Record(START + n, str(n)) for n in range(10)]}})
    client = connected(running)
    period = {"startTime": START + 2, "endTime": START + 5}
    assert [r.message for r in scanned(client, **period)] == ["2", "3", "4", "5"]
    assert scanned(client, **period) == running.truth(GROUP, "a", START + 2, START + 6)
    answer = client.get_log_events(logGroupName=GROUP, logStreamName="a", **period)
    assert [e["message"] for e in answer["events"]] == ["2", "3", "4"]
    assert "eventId" not in answer["events"][0]


def test_streams_are_chosen_by_prefix_and_events_by_words(server: Servers) -> None:
    one, two = [Record(START, "to be")], [Record(START, "not to be")]
    client = connected(server({GROUP: {"web/1": one, "web/2": two, "db/1": one}}))
    assert len(scanned(client, logStreamNamePrefix="web/")) == 2
    assert [r.message for r in scanned(client, filterPattern='"not to"')] == ["not to be"]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("empty", [0, 2])
def test_get_log_events_ends_with_the_token_it_was_sent(
    server: Servers, forward: bool, empty: int
) -> None:
    running = server({GROUP: {"a": some(50)}}, page_events=7, empty_pages=empty)
    client, found, name = connected(running), [], "nextForwardToken"
    name = name if forward else "nextBackwardToken"
    asked = {"logGroupName": GROUP, "logStreamName": "a", "startFromHead": forward}
    while (answer := client.get_log_events(**asked))[name] != asked.get("nextToken"):
        page = [(e["timestamp"], e["message"]) for e in answer["events"]]
        found = found + page if forward else page + found
        asked["nextToken"] = answer[name]
    assert answer["events"] == []
    assert found == [(r.timestamp, r.message) for r in running.truth(GROUP, "a")]
    assert running.count("GetLogEvents") == (8 + 1) * (empty + 1)  # the first has no token


def test_get_log_events_sees_what_comes_after_its_last_token(server: Servers) -> None:
    running = server({GROUP: {"a": []}})
    client = connected(running)
    asked = {"logGroupName": GROUP, "logStreamName": "a", "startFromHead": True}
    asked["nextToken"] = client.get_log_events(**asked)["nextForwardToken"]
    for n in range(3):
        running.add(GROUP, "a", Record(START + n, str(n)))
        answer = client.get_log_events(**asked)
        assert [e["message"] for e in answer["events"]] == [str(n)]
        asked["nextToken"] = answer["nextForwardToken"]
    assert client.get_log_events(**asked)["nextForwardToken"] == asked["nextToken"]


def test_a_page_has_at_most_a_megabyte(server: Servers) -> None:
    running = server({GROUP: {"a": [Record(START + n, "x" * 262_144) for n in range(10)]}})
    client = connected(running)
    assert [len(page["events"]) for page in pages(client)] == [3, 3, 3, 1]
    running.faults.page_bytes = 10  # and at least one event
    assert [len(page["events"]) for page in pages(client)] == [1] * 10


def test_streams_are_described_in_order_and_page_by_page(server: Servers) -> None:
    streams = {
        f"s{n:03d}": [Record(START + 500 - n, "x"), Record(START - n, "y")] for n in range(120)
    }
    client = connected(server({GROUP: streams | {"empty": []}}))
    paginator = client.get_paginator("describe_log_streams")

    def listed(**asked: Any) -> list[dict[str, Any]]:
        found = list(paginator.paginate(logGroupName=GROUP, **asked))
        assert max(len(page["logStreams"]) for page in found) <= 50
        return [stream for page in found for stream in page["logStreams"]]

    assert [s["logStreamName"] for s in listed()] == sorted([*streams, "empty"])
    by_time = [s["logStreamName"] for s in listed(orderBy="LastEventTime", descending=True)]
    assert by_time == [*sorted(streams), "empty"]
    assert len(listed(logStreamNamePrefix="s01")) == 10
    first, empty = listed(logStreamNamePrefix="s000")[0], listed(logStreamNamePrefix="empty")[0]
    assert (first["firstEventTimestamp"], first["lastEventTimestamp"]) == (START, START + 500)
    assert "firstEventTimestamp" not in empty


def test_groups_are_described(server: Servers) -> None:
    client = connected(server({f"/g/{n:02d}": {"a": some(3)} for n in range(60)}))
    paginator = client.get_paginator("describe_log_groups")
    found = [g for page in paginator.paginate() for g in page["logGroups"]]
    assert [group["logGroupName"] for group in found] == [f"/g/{n:02d}" for n in range(60)]
    assert found[0]["storedBytes"] == 3 * (6 + 26)
    assert len(client.describe_log_groups(logGroupNamePrefix="/g/1")["logGroups"]) == 10


def test_boto3_can_fill_it(server: Servers) -> None:
    running = server({})
    client, names = connected(running), {"logGroupName": GROUP, "logStreamName": "a"}
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(**names)
    events = [{"timestamp": START + n, "message": str(n)} for n in range(3)]
    client.put_log_events(**names, logEvents=events)
    assert [r.message for r in scanned(client)] == ["0", "1", "2"]
    assert (
        refusal(client.create_log_group, logGroupName=GROUP)[0] == "ResourceAlreadyExistsException"
    )
    assert refusal(client.create_log_stream, **names)[0] == "ResourceAlreadyExistsException"
    unordered = events[::-1]
    assert (
        refusal(client.put_log_events, **names, logEvents=unordered)[0]
        == "InvalidParameterException"
    )


def test_hostile_messages_arrive_as_they_are(server: Servers) -> None:
    texts = ["", "\0\x1b[2J", "a\r\nb\r", '"\\', "é\U0001f600\u2028", "\ud800 half", "x" * 262_144]
    running = server({GROUP: {"a": [Record(START + n, text) for n, text in enumerate(texts)]}})
    assert [record.message for record in scanned(connected(running))] == texts


def test_bytes_go_out_unchanged(server: Servers) -> None:
    running = server({GROUP: {"a": [Record(START, b'\xff"\n\xc3')]}})
    raw = HTTPConnection("127.0.0.1", running.port)
    headers = {"X-Amz-Target": "Logs_20140328.FilterLogEvents"}
    raw.request("POST", "/", json.dumps({"logGroupName": GROUP}), headers)
    assert b'"message":"\xff\\"\\n\xc3"' in raw.getresponse().read()
    raw.close()


@pytest.mark.parametrize(
    ("operation", "asked", "code"),
    [
        ("filter_log_events", {"logGroupName": "/no"}, "ResourceNotFoundException"),
        ("filter_log_events", {"logStreamNames": ["no"]}, "ResourceNotFoundException"),
        ("filter_log_events", {"startTime": 2, "endTime": 1}, "InvalidParameterException"),
        ("filter_log_events", {"limit": 10_001}, "InvalidParameterException"),
        ("filter_log_events", {"nextToken": "made-up"}, "InvalidParameterException"),
        ("filter_log_events", {"logStreamNames": ["a"], "logStreamNamePrefix": "a"}, "InvalidParameterException"),
        ("get_log_events", {"logStreamName": "no"}, "ResourceNotFoundException"),
        ("describe_log_streams", {"limit": 51}, "InvalidParameterException"),
        ("describe_log_streams", {"orderBy": "LastEventTime", "logStreamNamePrefix": "a"}, "InvalidParameterException"),
        ("put_retention_policy", {"retentionInDays": 1}, "UnknownOperationException"),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_refused(
    server: Servers, operation: str, asked: dict[str, Any], code: str
) -> None:
    client = connected(server({GROUP: {"a": some(3)}}))
    assert refusal(getattr(client, operation), **{"logGroupName": GROUP, **asked}) == (code, 400)


def test_a_token_is_good_for_the_same_question_only(server: Servers) -> None:
    client = connected(server({GROUP: {"a": some(), "b": some()}}, page_events=5))
    token = next(pages(client, logStreamNames=["a"]))["nextToken"]
    asked = {"logGroupName": GROUP, "logStreamNames": ["b"], "nextToken": token}
    assert refusal(client.filter_log_events, **asked)[0] == "InvalidParameterException"


def test_a_query_runs_and_ends(server: Servers) -> None:
    running = server({GROUP: {"a": [Record(START + n * 1000, str(n)) for n in range(5)]}})
    client = connected(running)
    asked = {"logGroupName": GROUP, "queryString": "fields @message"}
    asked |= {"startTime": START // 1000 + 1, "endTime": START // 1000 + 3}
    query = client.start_query(**asked)["queryId"]
    answers = [client.get_query_results(queryId=query) for _ in range(4)]
    assert [a["status"] for a in answers] == ["Scheduled", "Running", "Complete", "Complete"]
    rows = [{f["field"]: f["value"] for f in row} for row in answers[-1]["results"]]
    assert [row["@message"] for row in rows] == ["3", "2", "1"]
    assert rows[-1]["@timestamp"] == "2025-01-13 10:30:46.000"
    assert refusal(client.stop_query, queryId=query)[0] == "InvalidParameterException"
    stopped = client.start_query(**asked)["queryId"]
    assert client.stop_query(queryId=stopped)["success"] is True
    assert client.get_query_results(queryId=stopped)["status"] == "Cancelled"


def test_a_query_has_the_rows_and_the_end_it_was_given(server: Servers) -> None:
    running = server({GROUP: {}}, rows=[{"count": "3", "@ptr": "x"}], query_status="Failed")
    client = connected(running)
    asked = {"logGroupNames": [GROUP], "startTime": 1, "endTime": 2}
    query = client.start_query(**asked, queryString="stats count(*)")["queryId"]
    answers = [client.get_query_results(queryId=query) for _ in range(3)]
    assert answers[1]["results"] == [
        [{"field": "count", "value": "3"}, {"field": "@ptr", "value": "x"}]
    ]
    assert answers[2]["status"] == "Failed"
    assert refusal(client.start_query, **asked, queryString=" ")[0] == "MalformedQueryException"


def test_there_is_no_sts(server: Servers) -> None:
    sts = boto3.client("sts", "us-east-1", endpoint_url=server({}).url)
    with pytest.raises((ClientError, ResponseParserError)):
        sts.get_caller_identity()


def test_each_request_is_recorded(server: Servers) -> None:
    running = server({GROUP: {"a": some(3)}})
    begin = time.monotonic()
    scanned(connected(running), startTime=START)
    (call,) = running.calls
    assert begin <= call.moment <= time.monotonic()
    assert call[1:] == ("FilterLogEvents", {"logGroupName": GROUP, "startTime": START})


# Refusals


def test_every_third_call_is_throttled(server: Servers) -> None:
    running = server({GROUP: {"a": some(3)}}, throttle_every=3, throttled={"FilterLogEvents"})
    assert outcomes(connected(running), 7) == ["", "", "ThrottlingException"] * 2 + [""]
    client = connected(running)
    for _ in range(3):
        client.describe_log_groups()


def test_a_chance_is_the_same_in_each_run(server: Servers) -> None:
    def run(seed: int) -> list[str]:
        running = server({GROUP: {"a": some(3)}}, throttle=0.3, breaks=0.3, seed=seed)
        return outcomes(connected(running), 60)

    first = run(5)
    assert first == run(5) != run(6)
    assert 5 < first.count("ThrottlingException") < 35
    assert {"", "ConnectionClosedError"} < set(first)


def outcomes(client: Any, count: int) -> list[str]:
    """What comes of the same call, again and again: the error's name or nothing."""
    found = []
    for _ in range(count):
        try:
            client.filter_log_events(logGroupName=GROUP)
            found.append("")
        except ClientError as error:
            found.append(error.response["Error"]["Code"])
        except (HTTPClientError, ResponseParserError) as error:
            found.append(type(error).__name__)
    return found


def test_too_many_calls_in_a_second_are_throttled(server: Servers) -> None:
    running = server({GROUP: {"a": some(3)}}, per_second=5)
    assert outcomes(connected(running), 7) == [""] * 5 + ["ThrottlingException"] * 2
    running.calls.clear()
    time.sleep(1.0)
    assert outcomes(connected(running), 1) == [""]


def test_operations_are_denied(server: Servers) -> None:
    client = connected(server({GROUP: {"a": some(3)}}, denied={"FilterLogEvents"}))
    with pytest.raises(ClientError, match="not authorized to perform: logs:FilterLogEvents"):
        client.filter_log_events(logGroupName=GROUP)
    client.get_log_events(logGroupName=GROUP, logStreamName="a")


def test_credentials_expire_and_services_fail_for_a_while(server: Servers) -> None:
    running = server({GROUP: {"a": []}}, unavailable_from=2, unavailable=2, expire_after=4)
    expected = ["", *["ServiceUnavailableException"] * 2, "", *["ExpiredTokenException"] * 2]
    assert outcomes(connected(running), 6) == expected
    running.faults.expire_after = None
    running.faults.unavailable_from = len(running.calls) + 1
    assert refusal(connected(running).describe_log_groups)[1] == 503


def test_any_error_can_be_asked_for(server: Servers) -> None:
    errors = {"*": "UnrecognizedClientException", "FilterLogEvents": "InternalFailure"}
    client = connected(server({GROUP: {}}, errors=errors))
    assert refusal(client.filter_log_events, logGroupName=GROUP) == ("InternalFailure", 500)
    assert refusal(client.describe_log_groups) == ("UnrecognizedClientException", 400)


def test_tokens_are_refused(server: Servers) -> None:
    running = server({GROUP: {"a": some(60)}}, page_events=10, refuse_tokens_after=3)
    with pytest.raises(ClientError, match="The specified nextToken is invalid"):
        scanned(connected(running))
    assert running.count("FilterLogEvents") == 4
    running = server({GROUP: {"a": some(60)}}, page_events=10, refuse_tokens=1)
    with pytest.raises(ClientError, match="The specified nextToken is invalid"):
        scanned(connected(running))
    assert running.count("FilterLogEvents") == 2


# Connections


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("before", ConnectionClosedError),
        ("headers", HTTPClientError),
        ("body", HTTPClientError),
        ("slow", ReadTimeoutError),
    ],
)
def test_answers_are_broken(server: Servers, kind: str, error: type[Exception]) -> None:
    running = server({GROUP: {"a": some()}}, break_every=2, kinds=[kind], stall_s=1.5)
    client = connected(running, read_timeout=0.5)
    for _ in range(2):
        assert scanned(client) == running.truth(GROUP, "a")
        with pytest.raises(error):
            scanned(client)
    assert running.count("FilterLogEvents") == 4


@pytest.mark.parametrize("kind", ["short", "cut", "garbage", "nothing"])
def test_bodies_are_broken_and_boto3_does_not_notice(server: Servers, kind: str) -> None:
    running = server({GROUP: {"a": some()}}, breaks=1, kinds=[kind])
    assert "events" not in connected(running).filter_log_events(logGroupName=GROUP)


def test_answers_of_some_operations_are_broken(server: Servers) -> None:
    running = server({GROUP: {}}, breaks=1, kinds=["before"], broken={"FilterLogEvents"})
    client = connected(running)
    client.describe_log_groups()
    with pytest.raises(ConnectionClosedError):
        client.filter_log_events(logGroupName=GROUP)


def test_calls_stall(server: Servers) -> None:
    running = server({GROUP: {"a": []}}, stall_every=2, stall_s=1)
    assert outcomes(connected(running, read_timeout=0.3), 3) == ["", "ReadTimeoutError", ""]


def test_slow_answers_do_not_queue(server: Servers) -> None:
    running = server({GROUP: {"a": some()}}, latency_ms=200)
    client, begin = connected(running, max_pool_connections=16), time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: scanned(client), range(16)))
    took = time.monotonic() - begin
    assert all(one == running.truth(GROUP, "a") for one in found)
    assert 0.2 <= took < 1.6  # 3.2 s one after the other


def test_a_closed_server_hangs_up(server: Servers) -> None:
    running = server({GROUP: {"a": []}})
    client = connected(running)
    client.describe_log_groups()
    running.close()
    with pytest.raises(BotoCoreError):
        client.describe_log_groups()


# Pages


def test_a_token_comes_again_before_it_goes_on(server: Servers) -> None:
    running = server({GROUP: {"a": some(30)}}, page_events=10, repeat=2)
    found = list(pages(connected(running)))
    texts = [[e["eventId"] for e in page["events"]] for page in found]
    tokens = [page.get("nextToken") for page in found]
    assert texts[0] == texts[1] == texts[2] != texts[3] == texts[4] == texts[5] != texts[6]
    assert tokens[0] == tokens[1] == tokens[2] != tokens[3] == tokens[4] == tokens[5]
    assert len(found) == 7
    assert len({id for page in texts for id in page}) == 30
    assert len(list(pages(connected(running)))) == 7  # and so in each scan


def test_a_token_may_come_again_without_its_page(server: Servers) -> None:
    running = server({GROUP: {"a": some(30)}}, page_events=10, repeat=1, repeat_empty=True)
    sizes = [len(page["events"]) for page in pages(connected(running))]
    assert sizes == [10, 0, 10, 0, 10]


def test_only_some_tokens_come_again(server: Servers) -> None:
    running = server({GROUP: {"a": some(100)}}, page_events=5, repeat=1, repeat_chance=0.5)
    first = len(list(pages(connected(running))))
    assert 20 < first < 39
    assert len(list(pages(connected(running)))) == first


def test_a_scan_may_be_stuck_and_a_narrower_one_is_not(server: Servers) -> None:
    running = server(
        {GROUP: {"a": [Record(START + n, str(n)) for n in range(30)]}},
        page_events=10,
        stuck_after=2,
    )
    client = connected(running)
    found = list(pages(client, most=20))
    assert len(found) == 20
    assert len({page["nextToken"] for page in found[1:]}) == 1
    assert {e["message"] for page in found for e in page["events"]} == {str(n) for n in range(20)}
    rest = scanned(client, startTime=START + 20)
    assert [record.message for record in rest] == [str(n) for n in range(20, 30)]


def test_tokens_may_go_round(server: Servers) -> None:
    running = server({GROUP: {"a": some(50)}}, page_events=10, cycle_after=2, cycle=3)
    tokens = [page["nextToken"] for page in pages(connected(running), most=10)]
    assert tokens[1:4] == tokens[4:7] == tokens[7:10]
    assert len(set(tokens)) == 4


def test_empty_pages_come_between_and_after(server: Servers) -> None:
    running = server({GROUP: {"a": some(30)}}, page_events=10, empty_pages=2)
    found = list(pages(connected(running)))
    assert [len(page["events"]) for page in found] == [0, 0, 10] * 3 + [0, 0, 0]
    assert len({page["nextToken"] for page in found[:-1]}) == 11
    assert scanned(connected(running)) == running.truth(GROUP, "a")


def test_empty_pages_may_never_end(server: Servers) -> None:
    running = server({GROUP: {"a": some(30)}}, page_events=10, endless_after=1)
    found = list(pages(connected(running), most=50))
    assert [len(page["events"]) for page in found] == [10] + [0] * 49
    assert len({page["nextToken"] for page in found}) == 50


def test_lists_of_streams_misbehave_alike(server: Servers) -> None:
    streams = {f"s{n:03d}": [] for n in range(120)}
    running = server({GROUP: streams}, repeat=1, empty_pages=1)
    client, found, asked = connected(running), [], {"logGroupName": GROUP}
    while "nextToken" in (answer := client.describe_log_streams(**asked)):
        found.append([stream["logStreamName"] for stream in answer["logStreams"]])
        asked["nextToken"] = answer["nextToken"]
    assert {name for page in found for name in page} == streams.keys()
    assert [] in found
    assert found.count(found[1]) > 1


# Events


def test_events_come_twice_within_a_page_and_across(server: Servers) -> None:
    running = server({GROUP: {"a": some()}}, page_events=25, double=0.2)
    found, truth = scanned(connected(running)), running.truth(GROUP, "a")
    assert 5 < len(found) - len(truth) < 40
    assert list(dict.fromkeys((r.timestamp, r.event_id) for r in found)) == [
        (r.timestamp, r.event_id) for r in truth
    ]
    running = server({GROUP: {"a": some()}}, page_events=25, double_across=3)
    assert [len(page["events"]) for page in pages(connected(running))] == [25, 28, 28, 28]


def test_events_come_from_outside_the_period(server: Servers) -> None:
    running = server({GROUP: {"a": [Record(START + n, str(n)) for n in range(20)]}}, outside=2)
    client, period = connected(running), {"startTime": START + 5, "endTime": START + 9}
    assert [r.message for r in scanned(client, **period)] == [str(n) for n in range(3, 12)]
    answer = client.get_log_events(logGroupName=GROUP, logStreamName="a", **period)
    assert [e["message"] for e in answer["events"]] == [str(n) for n in range(3, 11)]


def test_pages_are_shuffled(server: Servers) -> None:
    running = server({GROUP: {"a": some()}}, page_events=50, shuffle=True)
    truth = running.truth(GROUP, "a")
    found = [records(page["events"]) for page in pages(connected(running))]
    for page, right in zip(found, (truth[:50], truth[50:]), strict=True):
        assert page != right
        assert sorted(page, key=repr) == sorted(right, key=repr)
    assert scanned(connected(running)) == found[0] + found[1]


@pytest.mark.parametrize("told", [True, False])
def test_what_is_late_comes_in_the_next_page_or_never(server: Servers, told: bool) -> None:
    running = server(
        {GROUP: {"a": [Record(START + n, str(n)) for n in range(30)]}},
        page_events=10,
        late_in_pages=told,
    )
    running.add_after(1, GROUP, "a", Record(START + 3, "late"))
    first, second, *_ = found = list(pages(connected(running)))
    assert "late" not in [e["message"] for e in first["events"]]
    assert [e["message"] for e in second["events"]].count("late") == told
    assert sum(len(page["events"]) for page in found) == 30 + told
    assert len(scanned(connected(running))) == 31


def test_descriptions_may_be_stale(server: Servers) -> None:
    running = server({GROUP: {"a": [Record(START, "x")]}}, stale_streams=True)
    running.add(GROUP, "a", Record(START + 9, "y"))
    client = connected(running)
    (stream,) = client.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert stream["lastEventTimestamp"] == START
    assert len(scanned(client)) == 2


def test_records_are_added_by_many_threads_while_it_is_read(server: Servers) -> None:
    running = server({GROUP: {"a": []}}, page_events=20)
    client = connected(running)

    def fill(thread: int) -> None:
        for n in range(50):
            running.add(GROUP, "a", Record(START + n * 10 + thread, f"{thread} {n}"))

    threads = [threading.Thread(target=fill, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        part = [record.timestamp for record in scanned(client)]
        assert part == sorted(part)
    assert len(scanned(client)) == 200
    assert scanned(client) == running.truth(GROUP, "a")


def test_all_of_it_together_hides_nothing_from_a_patient_reader(server: Servers) -> None:
    running = server(
        {GROUP: {"a": some(300)}},
        seed=3,
        page_events=20,
        repeat=1,
        repeat_chance=0.5,
        empty_pages=1,
        double=0.1,
        double_across=2,
        outside=3,
        shuffle=True,
    )
    found = {(r.timestamp, r.event_id) for r in scanned(connected(running))}
    assert running.count("FilterLogEvents") < 60
    assert found == {(r.timestamp, r.event_id) for r in running.truth(GROUP, "a")}


# The fixture of moto


def test_moto_is_fresh_for_each_test(moto_url: str) -> None:
    client = boto3.client("logs", "us-east-1", endpoint_url=moto_url)
    assert client.describe_log_groups()["logGroups"] == []
    client.create_log_group(logGroupName=GROUP)


test_moto_is_fresh_for_each_test_again = test_moto_is_fresh_for_each_test
