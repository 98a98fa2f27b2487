import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.exports.facts import stored
from mlids.exports.rfc5424 import render
from mlids.testing import event
from tests.exports.examples import EXAMPLES, SIX, example, hostile

# HEADER, one SD-ELEMENT and MSG of RFC 5424, section 6.
MESSAGE = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z)"
    r" (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32})"
    r' \[(?P<sd>[!-<>-\\^-~]{1,32})(?P<params>(?: [!-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\.)*")*)\]'
    r" (?P<text>.*)",
)
PARAM = re.compile(r' ([!-<>-\\^-~]+)="((?:[^"\\\]]|\\.)*)"')


def read(line):
    found = MESSAGE.fullmatch(line).groupdict()
    pairs = PARAM.findall(found["params"])
    found["params"] = {key: re.sub(r'\\(["\\\]])', r"\1", value) for key, value in pairs}
    assert 80 <= int(found["pri"]) <= 87
    return found


def messages(events):
    content = b"".join(render(events)).decode()
    assert len(content.splitlines()) == len(events)
    return [read(line) for line in content.splitlines()]


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made["type"])
def test_every_type_is_a_message(made):
    (found,) = messages([made])
    assert json.loads(found["text"]) == made
    assert (found["host"], found["id"]) == ("station", made["rule"])
    assert found["params"]["type"] == made["type"]


def test_a_login():
    (found,) = messages([example("Failed Login")])
    assert found["pri"] == "84"
    assert (found["params"]["ip"], found["params"]["user"]) == (SIX, "root")


def test_nothing_ends_the_line_or_the_value():
    (found,) = messages([event(details={"user": 'a"]\\\n\x85\u2028\u202e'})])
    assert found["params"]["user"] == 'a"]\\\ufffd\ufffd\ufffd\\u202e'
    assert json.loads(found["text"])["details"]["user"] == 'a"]\\\n\x85\u2028\u202e'


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_are_one_message_each(events):
    for found, made in zip(messages(events), map(stored, events), strict=True):
        assert json.loads(found["text"]) == made
        assert found["params"]["severity"] == made["severity"]
