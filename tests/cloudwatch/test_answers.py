from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.cloudwatch import answers
from mlids.cloudwatch.answers import Answer, LogEvent, decoded


def test_a_page_is_decoded():
    body = {
        "events": [
            {
                "logStreamName": "s",
                "timestamp": 5,
                "message": "é",
                "ingestionTime": 6,
                "eventId": "7",
                "unknown": {"x": [1]},
            }
        ],
        "nextToken": "t",
        "searchedLogStreams": [],
    }
    answer = decoded(json.dumps(body).encode())
    assert answer.events == [LogEvent(5, "é", 6, "7", "s")]
    assert answer.token == "t"


def test_the_token_of_either_call():
    assert decoded(b'{"nextForwardToken":"f","nextBackwardToken":"b"}').token == "f"
    assert decoded(b"{}").token is None
    assert decoded(b"{}").events == []


def test_what_is_no_text_becomes_a_sign_that_says_so():
    (event,) = decoded(
        b'{"events":[{"timestamp":1,"message":"a\\ud800b\xff \\ud83d\\ude00"}]}'
    ).events
    assert event.message == "a�b� \U0001f600"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{", b"<html>", b'{"events":{}}', b'{"events":[{"timestamp":"5"}]}'),
        *(b'{"events":[{"message":"no time"}]}', b"[" * 100_000, b'{"events":[1]}'),
    ],
)
def test_anything_else_is_refused(body):
    with pytest.raises(msgspec.DecodeError):
        decoded(body)


@given(st.binary(max_size=200))
def test_no_bytes_do_any_harm(body):
    with contextlib.suppress(msgspec.DecodeError):
        assert isinstance(decoded(body), Answer)


@given(st.text())
def test_every_text_comes_through(text):
    body = msgspec.json.encode({"events": [{"timestamp": 1, "message": text}]})
    assert decoded(body).events[0].message == text


def test_errors_are_left_to_botocore():
    custom: dict = {}
    response = {"status_code": 400, "body": b'{"__type":"X"}'}
    answers._before_parse(response, custom)
    assert (custom, response["body"]) == ({}, b'{"__type":"X"}')
    response = {"status_code": 200, "body": b'{"events":[]}'}
    answers._before_parse(response, custom)
    assert answers.taken(custom) == Answer()
    assert response["body"] == b"{}"
