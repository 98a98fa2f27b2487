from __future__ import annotations

from mlids.formats.nginx import Nginx
from mlids.formats.syslog import Syslog
from mlids.testing import lines
from mlids.web.looks import reasons
from tests.web.test_logged import ATTACK, line


def told(text, format=None):
    return [(look.rule, look.fired) for look in reasons(lines(text, format=format or Nginx()))]


def test_rules_that_fire_and_those_that_are_less_sure():
    found = dict(told(line(ATTACK)))
    assert found["web/sqli-union-select"]
    assert [fired for rule, fired in found.items() if rule != "web/sqli-union-select"] == [False]


def test_why_nothing_fires():
    (nothing,) = reasons(lines(line("/a"), format=Nginx()))
    assert "nothing in it that any of" in nothing.why
    (harmless,) = reasons(lines(line("/s?q=it's%20nice"), format=Nginx()))
    assert not harmless.fired
    (none,) = reasons(lines("junk", format=Nginx()))
    assert "no request" in none.why
    assert told("Jan 13 10:30:45 h p: x", Syslog()) == []
