from __future__ import annotations

import time

import msgspec
import pytest

from mlids.lines.patterns import LIMIT_S, MOST_LATE, Candidates, Matching, UserPattern


def made(pattern, **options):
    return Matching(UserPattern(name="x", pattern=pattern, **options))


def test_patterns_are_found_anywhere():
    one = made(r"opened by (?P<who>\w+) from (?P<ip>[0-9.]+)")
    assert one.quick
    assert one.find(b"12:00 door opened by eve from 1.2.3.4.") == {"who": b"eve", "ip": b"1.2.3.4."}
    assert one.find(b"door closed") is None
    assert made(r"a(?P<b>x)?").find(b"a") == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"pattern": "(a"}, "does not compile"),
        ({"pattern": "a", "fields": {"b": "user"}}, "no group b"),
        ({"pattern": "a", "severity": "LOUD"}, "Invalid enum value"),
        ({"pattern": ""}, "length"),
        ({"pattern": "a", "name": "two words"}, "regex"),
        ({"pattern": "a", "threshold": 0}, ">= 1"),
        ({"pattern": "a", "sevrity": "LOW"}, "unknown field"),
    ],
)
def test_mistakes_are_told(wrong, told):
    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.convert({"name": "x", **wrong}, UserPattern)


def test_what_re2_does_not_know_has_a_limit():
    bomb = made(r"(?P<all>((a|aa)+)+)(?<!b)$")
    assert not bomb.quick
    assert bomb.find(b"aaa") == {"all": b"aaa"}
    began = time.perf_counter()
    assert bomb.find(b"a" * 60 + b"!") is None
    assert time.perf_counter() - began < 10 * LIMIT_S
    assert bomb.late == 1
    bomb.late = MOST_LATE
    assert bomb.off


def test_what_re2_knows_needs_none():
    bomb = made(r"(a+)+$")
    began = time.perf_counter()
    assert bomb.find(b"a" * 60_000 + b"!") is None
    assert time.perf_counter() - began < LIMIT_S


def test_candidates_of_several_patterns():
    some = Candidates([made(r"red (?P<n>\d+)"), made(r"(?P<n>blue)"), made(r"^green$")])
    text = b"a red 5 x\nb\nblue\ngreen\nno green\nred"
    assert [text[begin:end] for begin, end in some.places(text)] == [b"red 5 x", b"blue", b"green"]
    assert not some.whole
    assert Candidates([made(r"\Ared")]).whole
