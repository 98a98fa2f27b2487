from __future__ import annotations

import time

import pytest

from mlids.errors import MLIDSError
from mlids.logins import rules as login_rules

RULES = [(service, rule) for service in login_rules.services() for rule in service.rules]

MINIMAL = """
service: door
programs: [doord]
contains: doord
rules:
  - id: failed
    starts: ["Refused "]
    pattern: 'Refused (?P<user>.*) from (?P<src>[^ ]+)'
    sign: failed
    match: [{message: "Refused eve from 1.2.3.4", user: eve, src: 1.2.3.4}]
    injections:
      - {message: "Refused a from 8.8.8.8 from 1.2.3.4", src: 1.2.3.4}
      - {message: "Refused from 8.8.8.8 from 1.2.3.4", src: 1.2.3.4}
      - {message: "Refused x from 8.8.8.8 y", src: ""}
"""


def test_another_service_is_a_few_lines():
    rules = login_rules.load(MINIMAL.encode())
    found = rules.find(b"doord", b"Refused eve from 1.2.3.4")
    assert found is not None
    assert found[0].name == "door-failed"
    assert rules.find(b"other", b"Refused eve from 1.2.3.4") is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sign: failed", "sing: failed", "sing"),
        ("from (?P<src>", "from (?P<where>", "unknown groups"),
        ("(?P<user>.*)", "(?P<user>.*", "does not compile"),
        ('starts: ["Refused "]', 'starts: ["Re"]', "4 characters"),
        ('      - {message: "Refused x from 8.8.8.8 y", src: ""}\n', "", "three injections"),
        ("service: door", "service: [", "rules"),
    ],
)
def test_mistakes_are_told(old, new, told):
    assert old in MINIMAL
    with pytest.raises(MLIDSError, match=told) as error:
        login_rules.load(MINIMAL.replace(old, new).encode(), "rules")
    assert error.value.code == "E107"


@pytest.mark.parametrize("rule", [rule for _, rule in RULES], ids=[r.name for _, r in RULES])
def test_examples_that_must_not_match(rule):
    for message in rule.rule.no_match:
        assert rule.match(message.encode()) is None, message


@pytest.mark.parametrize("service", login_rules.services(), ids=lambda s: s.service.service)
def test_messages_that_are_no_login(service):
    assert service.service.no_logins
    for message in service.service.no_logins:
        for program in service.table:
            assert service.find(program, message.encode()) is None, message


def test_no_pattern_grows_faster_than_its_text():
    """Twice the text may take about twice the time, with any filling that the pattern half takes."""
    for _, rule in RULES:
        for example in rule.rule.match:
            begin, *_ = example.message.partition(example.user or " ")
            for filling in (" from 1.2.3.4 port 1", " ", "a", "for invalid user ", " port 1: ID "):
                times = [_time(rule, begin.encode(), filling.encode(), n) for n in (4000, 32000)]
                assert times[1] < max(30 * times[0], 0.02), (rule.name, filling, times)


def _time(rule: login_rules.Compiled, begin: bytes, filling: bytes, size: int) -> float:
    text = (begin + filling * (size // len(filling) + 1))[:size]
    best = 1.0
    for _ in range(2):
        began = time.perf_counter()
        rule.pattern.spans(text)
        best = min(best, time.perf_counter() - began)
    return best
