from __future__ import annotations

import pytest

from mlids.signatures.examples import lines
from mlids.signatures.library import Library, library, load
from tests.signatures.test_rules import MINIMAL

SHIPPED = library().rules


@pytest.mark.parametrize("rule", SHIPPED, ids=[f"{rule.kind}/{rule.name}" for rule in SHIPPED])
def test_shipped_rules_do_what_their_examples_say(bench, rule):
    assert list(bench(library()).problems(rule)) == []


@pytest.mark.parametrize("rule", SHIPPED, ids=[f"{rule.kind}/{rule.name}" for rule in SHIPPED])
def test_shipped_rules_say_what_they_must_leave_alone(rule):
    assert rule.rule.no_match or rule.of.no_match


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("user: eve,", "user: eva,", "user 'eve' instead of 'eva'"),
        ("src: 1.2.3.4}]", "src: 1.2.3.5}]", "src '1.2.3.4' instead of"),
        ('no_match: ["Nobody', 'no_match: ["Refused eve from 1.2.3.4", "Nobody', "must not be"),
        ('Refused eve from 1.2.3.4",', 'Refused eve by 1.2.3.4",', "is not found"),
        ("(?P<user>.*) from {{src}}.{0,2}", "(?P<user>[^ ]*) from {{src}}.*", "blames"),
    ],
)
def test_examples_that_do_not_hold_are_told(bench, old, new, told):
    assert old in MINIMAL
    (rule,) = load(MINIMAL.replace(old, new, 1).encode())
    assert any(told in problem for problem in bench(Library([rule])).problems(rule))


def test_messages_are_written_as_their_services_write_them():
    (rule,) = load(MINIMAL.replace("programs: [doord]", "programs: [doord]\nlines: true").encode())
    assert lines(rule, "x", "") == [b"Jan 13 10:30:45 gate doord[4321]: x", b"x"]
