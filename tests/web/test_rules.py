from __future__ import annotations

import re

import pytest

from mlids.errors import MLIDSError
from mlids.events import TYPES
from mlids.web import rules
from mlids.web.rules import Compiled, load

FILE = """
type: XSS
technique: xss
techniques: [T1189]
parts: [value]
words: {tag: 'b|i'}
rules:
  - id: one
    patterns: ['<{{tag}}>']
    unless: ['^<b>$']
    match: ["<i>", "x<b>"]
    no_match: ["<u>", "<b>"]
"""


def test_the_rules_that_are_shipped() -> None:
    shipped = rules.rules()
    names = [rule.name for rule in shipped]
    assert len(names) == len(set(names)) > 25
    assert {rule.type for rule in shipped} == {
        "SQL Injection",
        "XSS",
        "Command Injection",
        "Path Traversal",
        "Web Scan",
    }
    for rule in shipped:
        assert rule.type in TYPES
        assert rule.techniques
        assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", technique) for technique in rule.techniques)
        assert "{{" not in rule.pattern.replace(r"\{\{", "")


@pytest.mark.parametrize("rule", rules.rules(), ids=lambda rule: rule.name)
def test_every_rule_has_examples(rule: Compiled) -> None:
    assert len(set(rule.rule.match)) >= 2
    assert len(set(rule.rule.no_match)) >= 2


def test_a_rule_finds_and_lets_pass() -> None:
    [rule] = load(FILE.encode())
    assert rule.name == "xss-one"
    assert rule.form == "text"
    assert rule.find(b"a <i> b") == b"<i>"
    assert rule.find(b"<b>") is None
    assert rule.find(b"<u>") is None


def test_the_quick_way_and_the_public_one_say_the_same() -> None:
    for rule in rules.rules():
        compiled = rules.expression(rule.pattern, rule.name)
        quick, plain = rules._searcher(compiled), rules._plain_searcher(compiled)
        for text in (*rule.rule.match, *rule.rule.no_match):
            layer = text.lower().encode()
            assert quick(layer) == plain(layer)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<{{tag}}>", "<("),
        ("parts: [value]", "parts: [nowhere]"),
        ('match: ["<i>", "x<b>"]', 'match: ["<i>"]'),
        ("id: one", "name: one"),
        ("patterns: ['<{{tag}}>']", "patterns: []"),
        ("type: XSS", "type: [oops"),
        ("unless: ['^<b>$']", "confidence: 7"),
    ],
)
def test_a_broken_file_is_refused(old: str, new: str) -> None:
    with pytest.raises(MLIDSError) as error:
        load(FILE.replace(old, new).encode(), "mine.yaml")
    assert error.value.code == "E107"
    assert "mine.yaml" in str(error.value)


def test_a_time_that_is_none_is_told():
    with pytest.raises(MLIDSError, match=r"odd\.yaml"):
        load(b"service: !!timestamp x", name="odd.yaml")
