from __future__ import annotations

import random

from mlids.formats.app import App
from mlids.formats.json_lines import JsonLines
from mlids.formats.syslog import Syslog
from mlids.signatures.library import Library, library, load
from mlids.signatures.search import find, hits
from mlids.testing import START_NS, lines
from tests.signatures.test_rules import MINIMAL

HEAD = "Jan 13 10:30:45 gate doord[7]: "


def names(*text, rules=None, format=None):
    batch = lines(*text, format=format or Syslog(timezone="UTC"))
    return [(hit.row, hit.values) for hit in find(batch, Library(rules or load(MINIMAL.encode())))]


def test_lines_that_a_rule_matches():
    eve = {"user": b"eve", "src": b"1.2.3.4"}
    assert names("x", HEAD + "Refused eve from 1.2.3.4", HEAD + "Refused nobody") == [(1, eve)]
    assert names("Jan 13 10:30:45 gate other[7]: Refused eve from 1.2.3.4") == []
    assert names(HEAD + "He said: Refused eve from 1.2.3.4") == []
    assert names("Refused eve from 1.2.3.4", format=App()) == []
    own = load(MINIMAL.replace("[doord]", "[doord]\nlines: true").encode())
    assert names("Refused eve from 1.2.3.4", rules=own, format=App()) == [(0, eve)]


def test_only_one_rule_of_a_kind_has_a_line():
    again = MINIMAL.replace("service: door", "service: other")
    both = [*load(MINIMAL.encode()), *load(again.encode())]
    assert len(names(HEAD + "Refused eve from 1.2.3.4", rules=both)) == 1


def test_messages_that_were_repeated():
    line = HEAD + "message repeated 3 times: [ Refused eve from 1.2.3.4]"
    (hit,) = find(lines(line, format=Syslog()), Library(load(MINIMAL.encode())))
    assert (hit.times, hit.values["user"], hit.host, hit.pid) == (3, b"eve", b"gate", b"7")


def test_lines_without_a_format_and_empty_batches_tell_nothing():
    assert hits(lines(HEAD + "Refused eve from 1.2.3.4")) == []
    assert hits(lines(format=Syslog())) == []


def test_narrowed_batches_see_their_own_lines_only():
    batch = lines(*[HEAD + f"Refused u{n} from 1.2.3.4" for n in range(9)], format=Syslog())
    import numpy as np

    found = find(batch.take(np.array([2, 5])), Library(load(MINIMAL.encode())))
    assert [(hit.row, hit.values["user"]) for hit in found] == [(0, b"u2"), (1, b"u5")]


def test_the_fast_way_and_the_plain_one_say_the_same():
    """Every rule on every line, against literals first."""
    chance = random.Random(5)
    rules = library()
    texts = [example.message for rule in rules.rules for example in rule.rule.match]
    programs = sorted({name for rule in rules.rules for name in rule.of.programs} or {"sshd"})
    made = [
        f"Jan 13 10:30:45 gate {chance.choice(programs).replace('*', 'x')}[7]: {chance.choice(texts)}"
        for _ in range(400)
    ]
    batch = lines(*made, format=Syslog(timezone="UTC"))
    plain = []
    for row, (program, message) in enumerate(
        zip(batch.column("program"), batch.column("message"), strict=True)
    ):
        for kind in ("login", "log"):
            by = (
                r.name
                for r in rules.of_kind(kind)
                if r.of_program(program) and r.match(message.rstrip()) is not None
            )
            plain += [(row, name) for name in list(by)[:1]]
    fast = [
        (hit.row, hit.rule.name)
        for hit in hits(batch)
        if hit.rule.pattern and not hit.rule.by_record
    ]
    assert sorted(fast) == sorted(plain)
    assert fast


def test_a_file_of_its_own_that_looks_like_syslog():
    own = "whole: true\n    pattern: '(?:{{stamp}} door: )?Refused"
    text = MINIMAL.replace("starts:", "holds:").replace("pattern: 'Refused", own)
    line = "2025-01-13 10:30:45 door: Refused eve from 1.2.3.4"
    assert [values["user"] for _, values in names(line, rules=load(text.encode()))] == [b"eve"]
    assert names(HEAD.replace("doord", "other") + "Refused eve from 1.2.3.4") == []
    forged = "2025-01-13 10:30:45 other[1]: door: Refused eve from 1.2.3.4"
    assert names(forged, rules=load(text.encode())) == []


RECORDS = """
service: door
programs: [doord]
rules:
  - id: failed
    holds: ["refused"]
    fields: {event: refused}
    take: {user: who, src: peers.-1}
    match: [{message: '{"event":"refused","who":"eve","peers":["1.2.3.4"]}', user: eve, src: 1.2.3.4}]
    no_match: ['{"event":"opened"}']
    injections:
      - {message: '{"event":"refused","who":"8.8.8.8","peers":["1.2.3.4"]}', src: 1.2.3.4}
      - {message: '{"event":"refused","who":"x","peers":["8.8.8.8","1.2.3.4"]}', src: 1.2.3.4}
      - {message: '{"event":"opened","who":"refused","peers":["8.8.8.8"]}', src: ""}
"""


def test_records_that_are_messages_of_syslog():
    rules = load(RECORDS.encode())
    record = '{"event":"refused","who":"eve","peers":["8.8.8.8","1.2.3.4"]}'
    found = [(0, {"user": b"eve", "src": b"1.2.3.4"})]
    assert names(HEAD + record, rules=rules) == found
    assert names(record, rules=rules, format=JsonLines()) == found
    assert names(HEAD.replace("doord", "other") + record, rules=rules) == []
    pairs = 'event=refused who="eve" note=refused'
    assert names(HEAD + pairs, rules=rules) == [(0, {"user": b"eve"})]
    for broken in ('{"event":"refused"', "refused=", "{} refused", '["refused"]', "=refused\xff"):
        assert names(HEAD + broken, rules=rules) == []


def test_requests_in_json_have_the_address_of_their_format():
    line = '{"remote_addr":"1.2.3.4","request_method":"POST","request_uri":"/wp-login.php","status":200}'
    (hit,) = [h for h in hits(lines(line, format=JsonLines())) if h.rule.kind == "login"]
    assert (hit.rule.name, hit.src) == ("http-page", b"1.2.3.4")


def test_families_name_the_service_of_each_rule():
    text = MINIMAL.replace("service: door", "service: doors\nfamily: true")
    (rule,) = load(text.replace("id: failed", "id: gate-failed").encode())
    assert (rule.service, rule.name) == ("gate", "gate-failed")


def test_lines_in_a_containers_log_are_what_the_program_wrote():
    own = load(MINIMAL.replace("[doord]", "[doord]\nlines: true").encode())
    text = '{"log":"Refused \\"eve\\" from 1.2.3.4\\n","stream":"stdout","time":"2025-01-13T10:30:45.5Z"}'
    found = find(lines(text, format=JsonLines()), Library(own))
    assert [(hit.values, hit.time_ns) for hit in found] == [
        ({"user": b'"eve"', "src": b"1.2.3.4"}, START_NS + 500_000_000)
    ]
    torn = '{"log":"Refused eve from 1.2.3.4'
    assert names(torn, rules=own, format=App()) == []
