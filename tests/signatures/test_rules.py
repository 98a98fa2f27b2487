from __future__ import annotations

import pytest

from mlids.errors import MLIDSError
from mlids.signatures.library import load

MINIMAL = """
service: door
programs: [doord]
rules:
  - id: failed
    starts: ["Refused "]
    pattern: 'Refused (?P<user>.*) from {{src}}.{0,2}'
    match: [{message: "Refused eve from 1.2.3.4", user: eve, src: 1.2.3.4}]
    no_match: ["Nobody came", "Refused "]
    injections:
      - {message: "Refused a from 8.8.8.8 from 1.2.3.4", src: 1.2.3.4}
      - {message: "Refused from 8.8.8.8 from 1.2.3.4", src: 1.2.3.4}
      - {message: "Refused x from 8.8.8.8 yes", src: ""}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("starts:", "begins:", "begins"),
        ("{{src}}", "(?P<where>.*)", "unknown groups"),
        ("(?P<user>.*)", "(?P<user>.*", "does not compile"),
        ('starts: ["Refused "]', 'starts: ["Re"]', "4 characters"),
        ("{{src}}", "{{source}}", "unknown word"),
        ('      - {message: "Refused x from 8.8.8.8 yes", src: ""}\n', "", "three injections"),
        ("service: door", "service: [", "rules"),
        ("    match:", "    fields: {a: b}\n    match:", "one of pattern"),
        ("    pattern: 'Refused (?P<user>.*) from {{src}}.{0,2}'\n", "", "one of pattern"),
    ],
)
def test_mistakes_are_told(old, new, told):
    assert old in MINIMAL
    with pytest.raises(MLIDSError, match=told) as error:
        load(MINIMAL.replace(old, new).encode())
    assert error.value.code == "E107"


def test_a_rule_without_examples_is_refused():
    text = MINIMAL.replace(
        'match: [{message: "Refused eve from 1.2.3.4", user: eve, src: 1.2.3.4}]', "match: []"
    )
    with pytest.raises(MLIDSError, match="match"):
        load(text.encode())
