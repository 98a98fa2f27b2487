import time

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from mlids.cloudwatch import catalog
from mlids.cloudwatch.access import Access
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
DAY = 86_400_000
NOW = 1_736_764_245_000  # 2025-01-13 10:30:45


class Logs:
    """Stands in for an Access and its client: gives answers, keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.client = self

    def describe_log_streams(self, **asked):
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    describe_log_groups = describe_log_streams


def stream(name, first=None, last=None):
    found = {"logStreamName": name, "creationTime": NOW, "arn": "x", "storedBytes": 0}
    times = {"firstEventTimestamp": first, "lastEventTimestamp": last}
    return found | {key: value for key, value in times.items() if value is not None}


def page(*streams, token=None):
    return {"logStreams": list(streams)} | ({"nextToken": token} if token else {})


def names(logs, **asked):
    return [one["logStreamName"] for one in catalog.list_log_streams(logs, GROUP, **asked)]


@pytest.fixture
def moto(moto_url):
    """A client of moto and an Access to it; moto refuses events older than 14 days."""
    logs = boto3.client("logs", region_name="us-east-1", endpoint_url=moto_url)
    logs.create_log_group(logGroupName=GROUP)
    return logs, Access(endpoint_url=moto_url, requests_per_second=0)


def test_streams_have_all_documented_keys_whatever_aws_says(moto):
    logs, access = moto
    now = int(time.time()) * 1000
    for name in ("full", "empty"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
    logs.put_log_events(
        logGroupName=GROUP,
        logStreamName="full",
        logEvents=[{"timestamp": now - 5000, "message": "a"}, {"timestamp": now, "message": "b"}],
    )
    found = {
        one["logStreamName"]: one
        for one in catalog.list_log_streams(access, GROUP, order_by="LogStreamName")
    }
    keys = [
        *("logStreamName", "creationTime", "creationTimeFormatted", "firstEventTimestamp"),
        *("firstEventTimeFormatted", "lastEventTimestamp", "lastEventTimeFormatted"),
        "storedBytes",
    ]
    assert all(list(one) == keys for one in found.values())
    assert found["full"]["firstEventTimestamp"] == now - 5000
    assert found["full"]["lastEventTimeFormatted"] == time.strftime(
        "%Y-%m-%d %H:%M:%S", time.gmtime(now / 1000)
    )
    assert found["empty"]["lastEventTimestamp"] is None
    assert found["empty"]["lastEventTimeFormatted"] is None
    recent = catalog.list_log_streams(access, GROUP, start_time=now - 60_000)
    assert [one["logStreamName"] for one in recent] == ["full"]


def test_all_pages_in_both_orders(moto):
    logs, access = moto
    made = [f"s{number:03}" for number in range(120)]
    for name in made:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
    assert names(access, order_by="LogStreamName", descending=False) == made
    assert names(access, order_by="LogStreamName") == made[::-1]
    assert sorted(names(access)) == made
    assert len(names(access, limit=70)) == 70


@pytest.mark.parametrize(
    ("first", "last", "meets"),
    [
        (NOW - 10, NOW + 10, True),
        (NOW + 1, NOW + 1, True),
        (NOW - 10, NOW, True),
        (NOW + 9, NOW + 99, True),
        (NOW - 10, NOW - 1, False),
        (NOW + 10, NOW + 99, False),
        (None, None, False),
        (NOW + 10, None, False),
        (NOW - 10, None, True),
        (None, NOW - 1, False),
        (None, NOW + 10, True),
    ],
)
def test_a_stream_meets_the_period_where_it_has_a_moment_in_it(first, last, meets):
    logs = Logs(page(stream("a", first, last)))
    assert bool(names(logs, start_time=NOW, end_time=NOW + 9)) is meets
    assert names(logs) == ["a"]


def test_a_day_as_the_end_counts_to_its_last_millisecond():
    midnight = 1_736_812_800_000  # 2025-01-14
    logs = Logs(page(stream("in", midnight - 1, NOW + DAY), stream("out", midnight, NOW + DAY)))
    assert names(logs, start_time="2025-01-13", end_time="2025-01-13") == ["in"]


def test_the_limit_counts_what_is_left_by_the_period_and_pages_end_then():
    logs = Logs(
        page(stream("old", 1, 2), stream("a", NOW, NOW), token="1"),
        page(stream("b", NOW, NOW), stream("c", NOW, NOW), token="2"),
        page(stream("d", NOW, NOW)),
    )
    assert names(logs, limit=2, start_time=NOW, order_by="LogStreamName") == ["a", "b"]
    assert len(logs.asked) == 2


def test_empty_and_repeated_pages_are_not_the_end():
    pages = [
        page(token="1"),
        page(stream("a"), token="2"),
        page(stream("a"), token="2"),  # the same again
        page(token="3"),
        page(stream("b"), stream("c")),
    ]
    logs = Logs(*pages)
    assert names(logs) == ["a", "b", "c"]
    assert [asked.get("nextToken") for asked in logs.asked] == [None, "1", "2", "2", "3"]


@pytest.mark.parametrize("tokens", [["1"], ["1", "2"]])
def test_tokens_that_go_round_end_after_a_while(tokens):
    answers = [page(stream("a"), token="1")] + [page(stream("a"), token=t) for t in tokens * 9]
    logs = Logs(*answers)
    with pytest.raises(ResponseParserError, match="lead nowhere"):
        names(logs)
    assert len(logs.asked) < 20


def test_one_token_with_nothing_in_it_is_the_end():
    logs = Logs(page(stream("a"), token="1"), *[page(token="1")] * 9)
    assert names(logs) == ["a"]
    assert len(logs.asked) < 10


def test_pages_without_end_end_after_a_while():
    class Endless(Logs):
        def describe_log_streams(self, **asked):
            self.asked.append(asked)
            return page(token=str(len(self.asked)))

    logs = Endless(None)
    with pytest.raises(ResponseParserError, match="lead nowhere"):
        names(logs)
    assert len(logs.asked) < 2000


def test_streams_in_order_of_time_need_not_be_read_to_the_last():
    old = page(stream("b", NOW - 9 * DAY, NOW - 2 * DAY), token="2")
    late = page(stream("a", NOW - DAY, NOW - DAY // 2), token="1")
    logs = Logs(late, old, page(stream("c", 1, NOW)))
    assert names(logs, start_time=NOW) == []  # half a day: AWS may not have brought it up to date
    assert len(logs.asked) == 2
    for other in ({"order_by": "LogStreamName"}, {"descending": False}):
        logs = Logs(late, old, page(stream("c", 1, NOW)))
        assert names(logs, start_time=NOW, **other) == ["c"]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"order_by": "Name"}, {"limit": 0}, {"limit": -1}, {"start_time": "soon"}),
        {"start_time": 2, "end_time": 1},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_before_anything_is_asked(wrong):
    logs = Logs(page())
    with pytest.raises(ValueError, match=r"order_by|limit|no time|start_time"):
        names(logs, **wrong)
    assert logs.asked == []


def test_a_group_and_its_facts(moto):
    logs, access = moto
    logs.create_log_group(logGroupName=GROUP + "-2")
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=30)
    found = catalog.log_group_info(access, GROUP)
    assert list(found) == [
        *("logGroupName", "creationTime", "creationTimeFormatted", "storedBytes"),
        *("retentionInDays", "metricFilterCount"),
    ]
    assert (found["logGroupName"], found["retentionInDays"]) == (GROUP, 30)
    assert found["creationTimeFormatted"].startswith("20")
    assert catalog.log_group_info(access, GROUP + "-2")["retentionInDays"] is None


def test_a_group_is_found_behind_many_that_begin_as_it_does():
    logs = Logs(
        {"logGroups": [{"logGroupName": "g-2"}], "nextToken": "1"},
        {"logGroups": [], "nextToken": "2"},
        {"logGroups": [{"logGroupName": "g"}]},
    )
    assert catalog.log_group_info(logs, "g")["logGroupName"] == "g"
    assert logs.asked[0]["logGroupNamePrefix"] == "g"


def test_a_missing_group_is_botocores_error(moto):
    _, access = moto
    with pytest.raises(access.client.exceptions.ResourceNotFoundException) as caught:
        catalog.log_group_info(access, "/ecs/ap")
    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_groups_by_prefix(moto):
    logs, access = moto
    for number in range(60):
        logs.create_log_group(logGroupName=f"/lambda/{number:02}")
    assert len(catalog.log_groups(access)) == 61
    assert len(catalog.log_groups(access, "/lambda/")) == 60
    assert [one["logGroupName"] for one in catalog.log_groups(access, "/ecs")] == [GROUP]
    assert catalog.log_groups(access, "none") == []


@pytest.mark.parametrize(
    ("faults", "valid"),
    [
        ({}, True),
        ({"denied": frozenset({"DescribeLogGroups"})}, True),
        ({"errors": {"*": "ExpiredTokenException"}}, False),
        ({"errors": {"*": "UnrecognizedClientException"}}, False),
        ({"errors": {"*": "InvalidSignatureException"}}, False),
    ],
    ids=str,
)
def test_credentials_are_valid_where_aws_accepts_them(server, faults, valid):
    running = server({GROUP: {}}, **faults)
    assert catalog.credentials_valid(Access(endpoint_url=running.url)) is valid


def test_no_credentials_are_not_valid(server, monkeypatch):
    running = server({GROUP: {}})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert catalog.credentials_valid(Access(endpoint_url=running.url)) is False
    assert running.calls == []


def test_whether_credentials_are_valid_cannot_be_told_without_a_network(aws_env, free_port):
    access = Access(endpoint_url=f"http://127.0.0.1:{free_port}", attempts=1)
    with pytest.raises(exceptions.EndpointConnectionError):
        catalog.credentials_valid(access)


def test_who_one_is(moto_url, free_port):
    found = catalog.identity(Access(endpoint_url=moto_url))
    assert found == {"account": "123456789012", "arn": "arn:aws:sts::123456789012:user/moto"}
    nobody = Access(endpoint_url=f"http://127.0.0.1:{free_port}", attempts=1)
    assert catalog.identity(nobody) is None


ALLOWED = dict.fromkeys(catalog.ACTIONS, True)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({}, ALLOWED),
        *(({"denied": frozenset({name})}, ALLOWED | {name: False}) for name in catalog.ACTIONS),
        ({"errors": {"FilterLogEvents": "ServiceUnavailableException"}}, ALLOWED | {"FilterLogEvents": None}),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_allowed(server, faults, expected):
    running = server({GROUP: {"web": [Record(NOW, "x")]}}, **faults)
    access = Access(endpoint_url=running.url, attempts=1)
    assert catalog.permissions(access, GROUP) == expected
    assert [call.operation for call in running.calls] == list(catalog.ACTIONS)
    asked = running.calls[-1].parameters["logStreamName"]
    assert asked == ("web" if expected["DescribeLogStreams"] else "mlids")


def test_rights_on_a_group_that_is_not_there(server):
    running = server({GROUP: {}})
    assert catalog.permissions(Access(endpoint_url=running.url), "/other") == ALLOWED


def test_refused_credentials_are_no_answer_about_rights(server):
    running = server({GROUP: {}}, errors={"*": "ExpiredTokenException"})
    with pytest.raises(ClientError, match="ExpiredToken"):
        catalog.permissions(Access(endpoint_url=running.url), GROUP)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(catalog, "_PAUSE_S", 0.01)


LISTS = {
    "cut short": {"break_every": 3, "kinds": ("cut", "garbage", "nothing")},
    "empty pages": {"empty_pages": 2},
    "repeated": {"repeat": 1},
    "tokens refused": {"refuse_tokens": 0.2, "empty_pages": 1},
}


@pytest.mark.parametrize("faults", LISTS.values(), ids=LISTS)
def test_a_list_is_whole_whatever_goes_wrong(server, quick, faults):
    names = [f"s{n:03}" for n in range(120)]
    running = server({GROUP: {name: [Record(DAY, "x")] for name in names}}, **faults)
    access = Access("us-east-1", endpoint_url=running.url, requests_per_second=0)
    found = catalog.list_log_streams(access, GROUP, order_by="LogStreamName", descending=False)
    assert [one["logStreamName"] for one in found] == names


@pytest.mark.parametrize(
    "faults",
    [
        *({"stuck_after": 1}, {"cycle_after": 1}, {"endless_after": 1}),
        {"break_every": 1, "kinds": ("garbage",)},
    ],
    ids=repr,
)
def test_half_a_list_never_passes_for_a_whole_one(server, quick, faults, monkeypatch):
    monkeypatch.setattr(catalog, "_IDLE", 20)
    running = server({GROUP: {f"s{n:03}": [Record(DAY, "x")] for n in range(120)}}, **faults)
    access = Access("us-east-1", endpoint_url=running.url, requests_per_second=0)
    with pytest.raises(ResponseParserError):
        catalog.list_log_streams(access, GROUP)
