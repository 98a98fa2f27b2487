from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.cloudwatch.forms import FORMS, Document, Lines, Text
from tests.cloudwatch.pages import event

NOON = 1_735_725_600_000


def test_the_forms_by_their_names():
    assert {name: form.suffix for name, form in FORMS.items()} == {
        "text": ".log",
        "json": ".json",
        "jsonl": ".jsonl",
    }


def test_text_is_a_line_an_event():
    made = Text().lines([event(NOON, "message"), event(NOON + 999, "é"), event(NOON, "")], True)
    assert made.decode() == (
        "[2025-01-01 10:00:00] at 1735725600000\n".replace("at 1735725600000", "message")
        + "[2025-01-01 10:00:00] é\n[2025-01-01 10:00:00] at 1735725600000\n"
    )


@given(st.lists(st.text(max_size=30), max_size=20))
def test_no_message_can_begin_a_line_of_text(messages):
    events = [event(NOON, f"x{message}") for message in messages]
    made = Text().lines(events, True).decode()
    begun = [line for line in made.split("\n") if line.startswith("[")]
    assert len(begun) == len(events)
    assert all(line[:1] in ("[", "\t", "") for line in made.split("\n"))


def test_line_ends_of_a_message_are_no_lines():
    assert Text().lines([event(NOON, "a\r\n")], True) == b"[2025-01-01 10:00:00] a\n"
    assert Text().lines([event(NOON, "a\n\n")], True) == b"[2025-01-01 10:00:00] a\n\t\n"


@pytest.mark.parametrize("total", [0, 1, 5])
@given(messages=st.lists(st.text(max_size=20), min_size=5, max_size=5), cut=st.integers(0, 5))
def test_the_document_is_valid_however_it_is_cut(total, messages, cut):
    events = [event(NOON + n, f"x{text}", n) for n, text in enumerate(messages[:total])]
    form, stamp = Document(), "2025-01-01T12:00:00"
    parts = [part for part in (events[:cut], events[cut:]) if part]
    body = b"".join(form.lines(part, first=not n) for n, part in enumerate(parts))
    made = form.head('g"', "s\n", stamp, total) + body + form.tail(total)
    document = json.loads(made)
    assert document["totalEvents"] == len(document["events"]) == total
    assert (document["logGroupName"], document["logStreamName"]) == ('g"', "s\n")
    assert [one["message"] for one in document["events"]] == [e.message for e in events]


def test_the_head_is_of_one_length():
    lengths = {len(Document().head("g", "s", "0" * 19, total)) for total in (0, 7, 10**15)}
    assert len(lengths) == 1


def test_lines_hold_all_that_aws_says():
    made = Lines().lines([event(5, "a\nb", "id", 6)] * 2, True)
    (first, second) = made.splitlines()
    assert first == second
    assert json.loads(first) == {
        **{"timestamp": 5, "message": "a\nb", "ingestionTime": 6},
        **{"eventId": "id", "logStreamName": "s"},
    }


def test_times_that_no_calendar_holds():
    assert Text().lines([event(10**18, "x")], True) == b"[1000000000000000000] x\n"
