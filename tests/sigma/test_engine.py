"""The screen and the plain evaluator say the same."""

import json
import os
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.sigma import nodes, predicates, rules, sources
from mlids.sigma.engine import Engine, matched
from mlids.testing import lines

CORPORA = os.environ.get("MLIDS_CORPORA")
RULES = """title: {n}
id: {n}
logsource: {{product: shop}}
detection:
{body}
---
"""
BODIES = (
    "  s:\n    cmd|contains: curl\n  condition: s",
    "  s:\n    cmd|contains|all: [sudo, /etc/]\n  condition: s",
    "  s:\n    path|startswith: '/tmp/'\n  f:\n    user: root\n  condition: s and not f",
    "  s:\n    code: 1000\n  condition: s",
    "  s:\n    cmd|re: 'w[gG]et\\s'\n  condition: s",
    "  s:\n    - segfault\n    - 'a*z'\n  condition: s",
    "  s:\n    a.b|contains: 'k: v'\n  condition: s",
    "  s:\n    user: null\n  condition: s",
    "  s:\n    cmd:\n      - 'x'\n      - ''\n      - 'İstanbul'\n      - '\u017fudo'\n  condition: s",
    "  s:\n    cmd|contains: 'two words'\n  t:\n    cmd|endswith: '\\\\\\\\x'\n  condition: s or t",
    "  s:\n    flag: true\n  condition: s",
    "  s:\n    code|gt: 5\n  condition: s",
)
TEXT = "".join(RULES.format(n=f"r{n}", body=body) for n, body in enumerate(BODIES))
WORDS = (
    "curl", "CURL", "\u212aurl", "sudo", "\u017fudo", "/etc/", "/tmp/x", "root", "wget ", "wGet\t",
    "segfault", "az", "a-z", "k: v", '{"k":"v"}', "two words", "two\x01words", "x\\\\x", "İstanbul",
    "", "\x90", "é", '"', "\\", "1000", "1e3", "true", "\ud800",
)  # fmt: skip
values = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=3).map("".join),
    st.sampled_from([1000, 1000.0, 6, 5.5, True, False, None, {"k": "v"}, ["curl", "x"]]),
    st.text(max_size=5),
)
records = st.dictionaries(st.sampled_from(["cmd", "path", "user", "code", "flag", "a"]), values)


def agree(kind, batch):
    fast = [(hit.row, hit.rule.meta.id) for hit in kind.hits(batch)]
    plain = [(hit.row, hit.rule.meta.id) for hit in kind.hits(batch, screened=False)]
    missing = [one for one in plain if one not in fast][:3]
    assert not missing, [(one, batch.line(one[0])) for one in missing]
    assert fast == plain
    return plain


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=5), st.booleans(), st.booleans())
def test_the_screen_loses_nothing(made, found, ascii_only, slashes):
    texts = [json.dumps(one, ensure_ascii=ascii_only) for one in found]
    if slashes:
        texts = [text.replace("/", "\\/") for text in texts]
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    known = rules.parse(TEXT)
    assert not known.problems
    engine = Engine(known, sources.entries(made.OWN))
    batch = lines(*encoded, format=made.JsonFormat("json_lines"), source="shop.log")
    agree(engine.kind(batch), batch)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_text_that_is_unescaped_hides_nothing(made, found):
    known = rules.parse(
        "title: T\nid: t\nlogsource: {category: webserver}\n"
        "detection:\n  s:\n    c-uri|contains: [union, 'ab\"c']\n  k:\n    - select\n"
        "  condition: 1 of *\n"
    )
    texts = [b"un\\ion " + one.replace(b"\n", b"") for one in found] + [b"ab\\x22c", b"\\select"]
    form = made.TextFormat(
        "nginx", lambda line: {"target": re.sub(r"\\(?:x22|(.))", lambda m: m[1] or '"', line)}
    )
    batch = lines(*texts, format=form)
    assert len(agree(Engine(known, sources.entries()).kind(batch), batch)) >= len(found)


def test_hexadecimal_digits_of_the_audit_log_hide_nothing(made):
    from mlids import registry

    known = rules.parse(
        "title: T\nid: t\nlogsource: {product: linux, service: auditd}\n"
        "detection:\n  s:\n    type: EXECVE\n    a1|contains: whoami\n  k:\n    - netcat\n"
        "  condition: s or k\n"
    )
    texts = [
        'type=EXECVE msg=audit(1.1:1): argc=2 a0="sh" a1=' + b"-c whoami".hex().upper(),
        'type=EXECVE msg=audit(1.1:2): argc=2 a0="sh" a1="whoami"',
        'type=1309 audit(1.1:3): argc=2 a0="sh" a1="whoami"',
        "type=PROCTITLE msg=audit(1.1:4): proctitle=" + b"netcat\x00-l".hex().upper(),
        'type=EXECVE msg=audit(1.1:5): argc=2 a0="sh" a1[0]="who" a1[1]="ami"',
        'type=EXECVE msg=audit(1.1:6): argc=1 a0="whoami"',
    ]
    form = registry.plugin("formats", "auditd")()
    batch = made.batch(*texts, format=form)
    found = agree(Engine(known, sources.entries()).kind(batch), batch)
    assert [row for row, _ in found] == [0, 1, 2, 3, 4]


def test_records_that_one_line_lists(made):
    text = made.rule("eventName: StopLogging", "product: aws\n  service: cloudtrail")
    batch = made.batch(
        {"Records": [{"eventName": "x"}, {"eventName": "StopLogging"}, 5]},
        {"eventName": "StopLogging"},
        {"Records": []},
        format=made.JsonFormat("cloudtrail"),
    )
    engine = made.engine(text)
    assert [hit.row for hit in engine.kind(batch).hits(batch)] == [0, 1]


def test_services_are_told_by_the_program(made):
    text = made.rule("- failure", "product: linux\n  service: sshd").replace(
        "    - failure", "    - failure"
    )
    form = made.TextFormat(
        "syslog", lambda line: dict(zip(("program", "message"), line.split(":", 1), strict=False))
    )
    batch = made.batch("sshd: failure", "cron: failure", "sshd-session: failure", format=form)
    engine = made.engine(text)
    assert [hit.row for hit in engine.kind(batch).hits(batch)] == [0, 2]


def test_logs_of_zeek_are_told_by_their_name(made):
    text = made.rule("query|endswith: .evil", "category: dns")
    records = ({"query": "a.evil"}, {"_path": "dns", "query": "b.evil"}, {"_path": "conn"})
    form = made.JsonFormat("zeek")
    engine = made.engine(text)
    dns = made.batch(*records, format=form, source="/opt/zeek/dns.log")
    other = made.batch(*records, format=form, source="/opt/zeek/all.log")
    assert [hit.row for hit in engine.kind(dns).hits(dns)] == [0, 1]
    assert [hit.row for hit in engine.kind(other).hits(other)] == [1]


def test_a_rule_that_two_entries_bind_counts_once(made):
    own = [*made.OWN, sources.Source(format="json_lines", product="shop", category="again")]
    known = rules.parse(made.rule("a: value"))
    batch = made.batch({"a": "value"})
    assert len(Engine(known, sources.entries(own)).kind(batch).hits(batch)) == 1


def test_rules_that_can_never_fire_are_named(made):
    heads = "title: {0}\nid: {0}\nlevel: low\n"
    text = "---\n".join(
        (
            made.rule("a: x", "product: toaster", heads.format("no-log")),
            made.rule("CommandLine: x", "category: webserver", heads.format("no-field")),
            made.rule("c-uri: x", "category: webserver", heads.format("able")),
            made.rule(
                "s:\n  c-uri: x\nf:\n  Hostname: y\ncondition: s and not f",
                "category: webserver",
                heads.format("filter"),
            ),
            made.rule(
                "s:\n  c-uri: x\nf:\n  Hostname: y\ncondition: s and f",
                "category: webserver",
                heads.format("needs-both"),
            ),
            "title: C\nid: chain\ncorrelation:\n  type: temporal\n  rules: [able, no-log]\n"
            "  timespan: 1m\n",
        )
    )
    engine = made.engine(text)
    reasons = {one.rule.meta.id: one.reason for one in engine.unable}
    assert set(reasons) == {"no-log", "no-field", "needs-both"}
    assert "product toaster" in reasons["no-log"]
    assert "CommandLine" in reasons["no-field"]
    assert "Hostname" in reasons["needs-both"]
    assert "no-log" in engine.unable_chains()["chain"]


def test_lines_without_a_format_or_of_another_one_cost_nothing(made):
    engine = made.engine(made.rule("a: x"))
    assert engine.kind(made.batch({"a": "x"}, format=made.JsonFormat("nginx"))) is None
    batch = made.batch({"a": "x"})
    assert engine.kind(replace(batch, format=None)) is None


def test_a_match_says_which_fields(made):
    engine = made.engine(made.rule("a|contains: val\nb: 5"))
    batch = made.batch({"a": "x" * 300 + "val", "b": 5})
    (hit,) = engine.kind(batch).hits(batch)
    found = matched(hit)
    assert found["b"] == "5"
    assert len(found["a"]) == 200


# -- the corpus


def spelled(predicate, chance):
    """A value that a predicate takes, mostly."""
    if isinstance(predicate, predicates.Equal):
        return chance.choice(sorted(predicate.wanted))
    if isinstance(predicate, predicates.Part):
        text = chance.choice(predicate.wanted)
        before, after = chance.choice(["", "x ", "/a/"]), chance.choice(["", " y", '"q"'])
        return {
            "contains": before + text + after,
            "startswith": text + after,
            "endswith": before + text,
        }[predicate.where]
    if isinstance(predicate, predicates.Glob):
        return "k".join(predicate.texts)
    return chance.choice(["", "1", "10.1.2.3", "abc"])


def wishes(node, chance):
    """Fields with values by which a tree might hold."""
    if isinstance(node, nodes.Ask):
        yield node.field, spelled(node.predicate, chance)
    elif isinstance(node, nodes.Keyword):
        yield "", spelled(node.predicate, chance)
    elif isinstance(node, nodes.Every):
        for one in node.nodes:
            yield from wishes(one, chance)
    elif isinstance(node, nodes.Some):
        yield from wishes(chance.choice(node.nodes), chance)
    elif isinstance(node, nodes.Not) and chance.random() < 0.2:
        yield from wishes(node.node, chance)


def encoded(value, chance):
    """JSON with escapes where none are needed."""
    if isinstance(value, dict):
        inner = (f'"{name}":{encoded(one, chance)}' for name, one in value.items())
        return "{" + chance.choice([",", ", "]).join(inner) + "}"
    if not isinstance(value, str):
        return json.dumps(value)
    text = "".join(chance.choice([c, c, c.upper()]) for c in value)
    style = chance.random()
    if style < 0.15:
        bare = (f"\\u{ord(c):04x}" if c < "\uffff" and chance.random() < 0.3 else c for c in text)
        return '"' + "".join(c if len(c) > 1 else json.dumps(c)[1:-1] for c in bare) + '"'
    return json.dumps(text).replace("/", "\\/") if style < 0.3 else json.dumps(text)


def record_for(bound, chance):
    found, loose = {}, []
    for field, value in wishes(bound.rule.node, chance):
        places = bound.entry.places(field) if field else ()
        if places and places[0].value is None:
            inner, names = found, places[0].name.split(".")
            for name in names[:-1]:
                inner = inner.setdefault(name, {}) if isinstance(inner, dict) else {}
            if isinstance(inner, dict):
                inner[names[-1]] = int(value) if value.isdecimal() and value.isascii() else value
        elif not field:
            loose.append(value)
    if loose:
        found["msg"] = " ".join(loose)
    for condition in bound.entry.conditions(bound.rule.service):
        found[condition.names[0]] = condition.values[0]
    return found


@pytest.mark.skipif(not CORPORA, reason="MLIDS_CORPORA is not set")
@pytest.mark.parametrize(
    "format", ["cloudtrail", "k8s_audit", "zeek", "eve", "json_lines", "nginx", "syslog"]
)
def test_on_every_rule_of_the_corpus_the_screen_and_the_evaluator_agree(made, format):
    known = rules.load([str(Path(str(CORPORA)) / "sigma")])
    products = ("opencanary", "rpc_firewall", "github", "bitbucket", "cisco", "fortigate")
    own = [sources.Source(format="json_lines", product=product) for product in products]
    engine = Engine(known, sources.entries(own))
    kind = engine.kind_of(format, "/var/log/http.log")
    chance = random.Random(7)
    texts = [encoded(record_for(bound, chance), chance) for bound in kind.bound * 4]
    batch = made.batch(*texts, format=made.JsonFormat(format), source="/var/log/http.log")
    found = agree(kind, batch)
    hit = {rule for _, rule in found}
    assert len(hit) >= 0.6 * len({bound.rule.meta.id for bound in kind.bound})
