from __future__ import annotations

import pytest

from mlids.formats.app import App
from mlids.formats.nginx import Nginx
from mlids.formats.syslog import Syslog
from mlids.signatures.library import Library, load
from mlids.signatures.reasons import reasons
from mlids.testing import lines
from tests.signatures.test_compiled import BY_FIELDS, BY_REQUEST
from tests.signatures.test_rules import MINIMAL

HEAD = "Jan 13 10:30:45 gate doord[7]: "


def why(text, rules=MINIMAL, format=None):
    batch = lines(text, format=format or Syslog())
    ((_, fired, told),) = reasons(batch, Library(load(rules.encode())))
    return fired, told


def test_a_rule_that_fires():
    fired, told = why(HEAD + "Refused eve from 1.2.3.4")
    assert fired
    assert "user 'eve'" in told


def test_an_address_that_is_not_believed():
    once = MINIMAL.replace("    match:", '    once: " from "\n    match:')
    fired, told = why(HEAD + "Refused a from 8.8.8.8 from 1.2.3.4", once)
    assert fired
    assert "nobody is blamed" in told


@pytest.mark.parametrize(
    ("text", "rules", "format", "told"),
    [
        (HEAD + "Refused nobody", MINIMAL, Syslog(), "does not match the whole message"),
        ("Jan 13 10:30:45 gate x[7]: Refused y", MINIMAL, Syslog(), "looks at messages of doord"),
        ("Refused eve from 1.2.3.4", MINIMAL, App(), "in a file of no program"),
        ("user.login", BY_FIELDS, Nginx(), "no record"),
        ("GET /login", BY_REQUEST, Nginx(), "tells no such request"),
        (
            "Refused x",
            MINIMAL.replace("programs:", "formats: [nginx]\nprograms:"),
            App(),
            "only at lines of nginx",
        ),
    ],
)
def test_why_a_rule_does_not_fire(text, rules, format, told):
    fired, found = why(text, rules, format)
    assert not fired
    assert told in found


def test_a_rule_without_the_literal_was_not_asked():
    assert list(reasons(lines("x", format=Syslog()), Library(load(MINIMAL.encode())))) == []
