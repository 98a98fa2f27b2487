from __future__ import annotations

import threading

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from mlids.cloudwatch import reading
from mlids.cloudwatch.answers import Answer
from mlids.cloudwatch.reading import ATTEMPTS, Reader, Stopped, TokenLost
from tests.cloudwatch.pages import event


def refusal(code: str, operation: str = "FilterLogEvents") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class Client:
    """Answers what it was told to; keeps what it was asked."""

    def __init__(self, *script, gotten=()) -> None:
        self.script, self.gotten = list(script), list(gotten)
        self.asked: list[tuple[str, dict]] = []

    def _next(self, script, name, asked):
        self.asked.append((name, asked))
        one = script.pop(0)
        if isinstance(one, Exception):
            raise one
        return {"mlidsAnswer": one}

    def filter_log_events(self, **asked):
        return self._next(self.script, "filter", asked)

    def get_log_events(self, **asked):
        return self._next(self.gotten, "get", asked)


class Access:
    def __init__(self, client) -> None:
        self.reader = client


def reader(client, **options) -> Reader:
    return Reader(Access(client), "/g", sleep=lambda seconds: None, **options)  # type: ignore


def test_a_page_of_a_stream():
    client = Client(Answer([event(5, "x")], "t"))
    answer = reader(client).page("s", 5, 10, "before")
    assert answer.token == "t"
    ((_, asked),) = client.asked
    assert asked == {
        **{"logGroupName": "/g", "logStreamNames": ["s"], "startTime": 5, "endTime": 9},
        **{"limit": 10_000, "interleaved": True, "nextToken": "before"},
    }


def test_a_page_of_the_whole_group_with_a_pattern():
    client = Client(Answer())
    reader(client, filter_pattern="ERROR").page(None, 0, 1, None)
    ((_, asked),) = client.asked
    assert "logStreamNames" not in asked
    assert "nextToken" not in asked
    assert asked["filterPattern"] == "ERROR"


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
def test_where_the_first_call_is_denied_the_second_is_used(code):
    page = Answer([event(5, "x")], None, "f")
    page.events[0].log_stream_name = ""
    client = Client(refusal(code), gotten=[page, Answer()])
    made = reader(client)
    assert made.has_ids
    answer = made.page("s", 5, 10, None)
    assert (made.api, made.has_ids) == ("GetLogEvents", False)
    assert answer.events[0].log_stream_name == "s"
    assert client.asked[1][1] == {
        **{"logGroupName": "/g", "logStreamName": "s", "startFromHead": True},
        **{"startTime": 5, "endTime": 10, "limit": 10_000},
    }
    made.page("s", 5, 10, "f")
    assert [name for name, _ in client.asked] == ["filter", "get", "get"]


def test_where_both_are_denied_the_first_denial_is_told():
    client = Client(
        refusal("AccessDeniedException"), gotten=[refusal("AccessDeniedException", "GetLogEvents")]
    )
    made = reader(client)
    with pytest.raises(ClientError) as denied:
        made.page("s", 0, 1, None)
    assert denied.value.operation_name == "FilterLogEvents"
    assert made.has_ids


def test_denied_in_the_middle_its_token_is_lost():
    made = reader(Client(refusal("AccessDeniedException"), gotten=[Answer()]))
    with pytest.raises(TokenLost):
        made.page("s", 0, 1, "t")
    assert not made.has_ids


@pytest.mark.parametrize("options", [{"filter_pattern": "x"}, {}])
def test_there_is_no_second_call_for_groups_and_patterns(options):
    client = Client(refusal("AccessDeniedException"))
    with pytest.raises(ClientError):
        reader(client, **options).page("s" if options else None, 0, 1, None)


def test_a_token_that_is_refused_is_lost():
    made = reader(
        Client(refusal("InvalidParameterException"), refusal("InvalidParameterException"))
    )
    with pytest.raises(TokenLost):
        made.page("s", 0, 1, "t")
    with pytest.raises(ClientError):  # without a token something else is wrong
        made.page("s", 0, 1, None)


def test_an_answer_that_makes_no_sense_is_asked_for_again():
    broken = msgspec.DecodeError("x")
    client = Client(broken, broken, Answer([event(1)]))
    assert len(reader(client).page("s", 0, 2, None).events) == 1
    with pytest.raises(ResponseParserError):
        reader(Client(*[broken] * ATTEMPTS)).page("s", 0, 2, None)


def test_told_to_stop_it_asks_no_more():
    stop = threading.Event()
    made = reader(Client(Answer()), stop=stop)
    made.page("s", 0, 1, None)
    stop.set()
    with pytest.raises(Stopped):
        made.page("s", 0, 1, None)


def test_other_errors_are_passed_on():
    with pytest.raises(ClientError, match="ResourceNotFound"):
        reader(Client(refusal("ResourceNotFoundException"))).page("s", 0, 1, None)


def test_what_aws_refuses_for_now_is_asked_for_again_for_a_while(monkeypatch):
    clock, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(reading.time, "monotonic", lambda: clock[0])
    busy, gone = refusal("ThrottlingException"), EndpointConnectionError(endpoint_url="http://x")
    client = Client(busy, gone, *[busy] * 4, Answer([event(1)]))
    made = Reader(Access(client), "/g", patience_s=60, sleep=sleep)  # type: ignore
    assert len(made.page("s", 0, 2, None).events) == 1
    assert slept == [0.5, 1, 2, 4, 8, 8]
    with pytest.raises(ClientError):
        Reader(Access(Client(*[busy] * 99)), "/g", patience_s=60, sleep=sleep).page("s", 0, 2, None)  # type: ignore
    assert 60 <= clock[0] - 23.5 < 70


@pytest.mark.parametrize(("code", "patience_s"), [("ThrottlingException", 0), ("Strange", 60)])
def test_what_will_not_pass_is_not_waited_for(code, patience_s):
    with pytest.raises(ClientError):
        reader(Client(refusal(code)), patience_s=patience_s).page("s", 0, 1, None)


def test_what_comes_after_the_stop_is_not_handed_out():
    stop = threading.Event()

    class Late(Client):
        def filter_log_events(self, **asked):
            stop.set()
            return super().filter_log_events(**asked)

    with pytest.raises(Stopped):
        reader(Late(Answer([event(1)])), stop=stop).page("s", 0, 2, None)
