from __future__ import annotations

import time

import pytest

from mlids.signatures.compiled import Compiled
from mlids.signatures.library import library, load
from tests.signatures.test_rules import MINIMAL

BY_FIELDS = """
service: portal
rules:
  - id: failed
    holds: [user.login]
    fields: {event: user.login, success: [false, "0"], code: "T10*W", tags.0: a}
    take: {user: user, src: [addr.remote, ip]}
    match: [{message: '{}'}]
    injections: [{message: a}, {message: b}, {message: c}]
"""
BY_TEXT = """
service: portal
rules:
  - id: failed
    holds: ["Failed login"]
    fields: {level: 4}
    text: message
    pattern: 'Failed login of (?P<user>.*) from {{src}}'
    match: [{message: '{}'}]
    injections: [{message: a}, {message: b}, {message: c}]
"""
BY_REQUEST = """
service: blog
rules:
  - id: failed
    holds: [/login]
    request: {method: POST, path: '(?:/\\w+)?/login', status: [401, 403]}
    match: [{message: '{}'}]
    injections: [{message: a}, {message: b}, {message: c}]
"""


def test_messages():
    (rule,) = load(MINIMAL.encode())
    assert rule.match(b"Refused eve from 1.2.3.4") == {"user": b"eve", "src": b"1.2.3.4"}
    assert rule.match(b"Refuses eve from 1.2.3.4") is None
    assert (rule.of_program(b"doord"), rule.of_program(b"door"), rule.of_program(None)) == (
        *(True, False, False),
    )


def test_programs_with_a_wildcard_and_files_of_their_own():
    (rule,) = load(MINIMAL.replace("[doord]", "[doord, door/*]\nlines: true").encode())
    assert [rule.of_program(name) for name in (b"door/in", b"door/", b"door", None)] == [
        *(True, True, False, True),
    ]


def test_an_ambiguous_address_is_not_believed():
    (rule,) = load(MINIMAL.replace("    match:", '    once: " from "\n    match:').encode())
    assert rule.match(b"Refused a from 8.8.8.8 from 1.2.3.4") == {"user": b"a from 8.8.8.8"}


def test_records():
    (rule,) = load(BY_FIELDS.encode())
    record = {
        "event": "user.login",
        "success": False,
        "code": "T1000W",
        "tags": ["a"],
        "user": "eve",
    }
    assert rule.match_record(record | {"addr": {"remote": "1.2.3.4:5"}}) == {
        "user": b"eve",
        "src": b"1.2.3.4:5",
    }
    assert rule.match_record(record | {"addr.remote": "1.2.3.4"}) == {
        "user": b"eve",
        "src": b"1.2.3.4",
    }
    assert rule.match_record(record | {"ip": "::1"}) == {"user": b"eve", "src": b"::1"}
    for wrong in (
        {"success": True},
        {"code": "T1000I"},
        {"tags": []},
        {"event": None},
        {"success": "x"},
    ):
        assert rule.match_record(record | wrong) is None
    assert rule.match_record({}) is None


def test_texts_in_records():
    (rule,) = load(BY_TEXT.encode())
    record = {"level": 4, "message": "Failed login of eve from 1.2.3.4"}
    assert rule.match_record(record) == {"user": b"eve", "src": b"1.2.3.4"}
    assert rule.match_record(record | {"level": 3}) is None
    assert rule.match_record(record | {"message": ["x"]}) is None


def test_requests():
    (rule,) = load(BY_REQUEST.encode())
    assert rule.match_request(b"POST", b"/de/login?x=1", b"401", b"-") == {}
    for wrong in (
        (b"GET", b"/login", b"401", None),
        (b"POST", b"/login", b"200", None),
        (b"POST", b"/login/x", b"401", None),
        (b"POST", None, b"401", None),
        (None, b"/login", b"401", None),
    ):
        assert rule.match_request(*wrong) is None
    (named,) = load(BY_REQUEST.replace("status:", "user: known, status:").encode())
    assert named.match_request(b"POST", b"/login", b"401", b"eve") == {"user": b"eve"}
    assert named.match_request(b"POST", b"/login", b"401", b"-") is None


FILLINGS = (
    " from 1.2.3.4 port 1",
    " ",
    "a",
    "for invalid user ",
    " port 1: ID ",
    "[1.2.3.4]",
    "1",
    ":",
    "=",
    '"',
    "\\",
)


def test_no_shipped_pattern_grows_faster_than_its_text():
    """Eight times the text may take about eight times the time, with any filling of its own."""
    for rule in library().rules:
        if rule.pattern is None:
            continue
        for example in rule.rule.match[:2]:
            begin = example.message.partition(example.user or " ")[0]
            for filling in FILLINGS:
                times = [_time(rule, begin.encode(), filling.encode(), n) for n in (4000, 32000)]
                assert times[1] < max(30 * times[0], 0.02), (rule.name, filling, times)


def _time(rule: Compiled, begin: bytes, filling: bytes, size: int) -> float:
    text = (begin + filling * (size // len(filling) + 1))[:size]
    assert rule.pattern
    spans = []
    for _ in range(2):
        began = time.perf_counter()
        rule.pattern.spans(text)
        spans.append(time.perf_counter() - began)
    return min(spans)


@pytest.mark.parametrize("kind", ["login", "log"])
def test_shipped_rules_have_names_of_their_own(kind):
    names = [rule.name for rule in library().of_kind(kind)]
    assert len(names) == len(set(names))
