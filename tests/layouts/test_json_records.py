from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.layouts.json_records import JsonLayout, decode, nested
from mlids.testing import lines


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        (b'{"agent": "\\x22quoted\\x22"}', {"agent": "\\x22quoted\\x22"}),
        (b'{"agent": "a\tb"}', {"agent": "a b"}),
        (b'{"agent": "\xff\xfe"}', {"agent": "\ufffd\ufffd"}),
        (b'{"agent": "\\ud800"}', {"agent": "\ufffd"}),
        (b'{"agent": "c:\\users", "n": "\\n\\u00e9\\\\"}', {"agent": "c:\\users", "n": "\né\\"}),
        (b'Jan 13 10:30:45 web app[1]: {"a": 1}', {"a": 1}),
        (b'2025-01-13T10:30:45.1Z stdout F {"a": 1}', {"a": 1}),
        (b'{"a": 1} behind', {"a": 1}),
        (b'<34>1 2025-01-13T10:30:45.1Z web app 43 - - {"a": 1}', {"a": 1}),
        (b'<34>1 2025-01-13T10:30:45.1Z web app - - [a@1 b="c"] {"a": 1}', {"a": 1}),
        (b'2025-01-13T10:30:45.123456+00:00 web app: @cee: {"a": 1}', {"a": 1}),
        (b'web-1  | {"a": 1}', {"a": 1}),
        (b'[pod/gatekeeper-7c/manager] {"a": 1}', {"a": 1}),
        (b'2025-01-13 10:30:45,123 INFO {"a": 1}', {"a": 1}),
        (b'[12.345678] app[1]: {"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_odd_lines_are_repaired(line, record):
    assert decode(line) == record


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"[1]", b"7", b"null", b'{"a":', b'{"a":' * 5000 + b"1" + b"}" * 5000,
     b"[" * 100_000, b"{" * 60_000, b"}{", b'{"a": NaN}', b"\\" * 60_000, b'{"a": 1e999}'],
)  # fmt: skip
def test_what_is_no_object_is_empty(line):
    assert decode(line) == {}


@given(st.binary(max_size=200))
def test_nothing_raises(line):
    assert isinstance(decode(line), dict)
    assert isinstance(decode(b'{"a": "' + line + b'"}'), dict)


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none())))
def test_json_is_read_as_it_was_written(record):
    assert decode(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")) is not None


class Marked(JsonLayout):
    marks = ((b'"one"', b'"two"'), (b'"three"',))
    certainty = 0.9

    def columns_of(self, records):
        return {"message": [record.get("one") for record in records]}


def test_lines_are_told_by_their_literals():
    form = Marked()
    batch = lines('{"one": 1, "two": 2}', '{"one": 1}', "text", '{"three": 3}', format=form)
    assert form.sniff(batch.data) == pytest.approx(0.9 * 2 / 4)
    assert form.recognised(batch).tolist() == [True, True, False, True]
    assert form.sniff(b"") == 0.0


def test_records_are_decoded_once():
    form = Marked()
    batch = lines('{"one": "a"}', format=form)
    assert batch.records() == [{"one": "a"}]
    batch.memo["records"] = [{"one": "b"}]
    assert batch.column("message") == ["b"]
    assert form.parse(lines('{"one": "a"}')) == {"message": ["a"]}


def test_nested():
    assert nested({"a": {"b": 1}}, "a", "b") == 1
    assert nested({"a": [1]}, "a", "b") is None
    assert nested(None, "a") is None


@pytest.mark.parametrize(
    "front",
    [
        "2025-01-13T10:30:45Z WARN 203.0.113.7 sent ",
        "203.0.113.7 says ",
        "Jan 13 10:30:45 web app[1]: body of the request: ",
        "Jan 13 10:30:45 web sshd[1]: Invalid user ",
        '"',
        "x" * 400,
    ],
)
def test_objects_in_other_text_are_somebodys_own(front):
    assert decode(front.encode() + b'{"remote_addr": "198.51.100.66"}') == {}
