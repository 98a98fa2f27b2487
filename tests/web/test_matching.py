from __future__ import annotations

import json
import re
import time
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from mlids.web import decoding, rules
from mlids.web.matching import Matcher, Verdict, matcher, shown
from mlids.web.requests import BODY, NAME, QUERY, REFERRER, VALUE, Part, Request, parse, request
from mlids.web.rules import Compiled

HERE = Path(__file__).parent


def listed(name: str) -> list[str]:
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return [line.replace("\\r", "\r").replace("\\n", "\n") for line in lines if line]


ATTACKS = [
    line.split("\t") for line in (HERE / "attacks.txt").read_text("utf-8").split("\n") if line
]


def in_query(value: str) -> Request:
    return request(b"GET", f"/search?q={quote(value, safe='')}".encode())


def in_form(value: str) -> Request:
    body = f"a=1&q={quote_plus(value)}&b=2".encode()
    return request(b"POST", b"/x", body=body, content_type=b"application/x-www-form-urlencoded")


def in_json(value: str) -> Request:
    return request(b"POST", b"/x", body=json.dumps({"q": value, "n": 1}).encode())


def in_cookie(value: str) -> Request:
    return request(b"GET", b"/x", cookies=f"a=1; q={quote(value, safe='')}".encode())


def in_referrer(value: str) -> Request:
    return request(b"GET", b"/", referrer=f"https://x.example/s?q={quote_plus(value)}&b=1".encode())


PLACES = [in_query, in_form, in_json, in_cookie, in_referrer]


@cache
def plain(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


def plainly(parts: list[Part]) -> set[str]:
    """The names of the rules that the parts break, without any of what makes it fast."""
    broken = set()
    for part in parts:
        layers = decoding.layers(part.value, part.kind in (VALUE, NAME, QUERY, REFERRER, BODY))
        for rule in rules.rules():
            if part.kind in rule.parts:
                for layer in layers[rules.FORMS.index(rule.form)]:
                    hit = plain(rule.pattern).search(layer)
                    if hit and not (rule.unless and plain(rule.unless).search(layer)):
                        broken.add(rule.name)
    return broken


def part_for(rule: Compiled, text: str) -> Part:
    kind = VALUE if VALUE in rule.parts else sorted(rule.parts)[0]
    return Part(kind, b"", text.encode())


def names(verdict: Verdict) -> set[str]:
    return {finding.rule for finding in verdict.findings}


def surest(plain: set[str]) -> set[str]:
    """Of rules that the plain way finds the surest of each class."""
    known = [rule for rule in rules.rules() if rule.name in plain]
    best: dict[str, Compiled] = {}
    for rule in sorted(known, key=lambda rule: (-rule.rule.confidence, rule.name)):
        best.setdefault(rule.type, rule)
    return {rule.name for rule in best.values()}


@pytest.mark.parametrize("rule", rules.rules(), ids=lambda rule: rule.name)
def test_the_examples_of_a_rule(rule: Compiled) -> None:
    for text in rule.rule.match:
        parts = [part_for(rule, text)]
        assert names(Matcher([rule]).examine_parts(parts)) == {rule.name}, text
        assert names(matcher().examine_parts(parts)) == surest(plainly(parts))
    for text in rule.rule.no_match:
        parts = [part_for(rule, text)]
        assert not Matcher([rule]).examine_parts(parts), text
        assert names(matcher().examine_parts(parts)) == surest(plainly(parts))


def test_the_fast_matcher_and_its_plain_twin_say_the_same() -> None:
    for value in [text for _, text in ATTACKS] + listed("lookalikes"):
        made = in_query(value)
        assert names(matcher().examine(made)) == surest(plainly(made.parts)), value


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_attacks_are_found_in_every_place(place: object) -> None:
    missed = []
    for technique, value in ATTACKS:
        verdict = matcher().examine(place(value))  # type: ignore[operator]
        if technique not in {finding.technique for finding in verdict.findings}:
            missed.append((technique, value))
    assert missed == []


def test_the_main_finding_has_the_right_class() -> None:
    wrong = [
        value
        for technique, value in ATTACKS
        if matcher().examine(in_query(value)).main.technique != technique
    ]
    assert wrong == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_lookalikes_are_left_alone(place: object) -> None:
    wrong = {}
    for value in listed("lookalikes"):
        verdict = matcher().examine(place(value))  # type: ignore[operator]
        if verdict:
            wrong[value] = verdict.findings
    assert wrong == {}


def test_ordinary_targets_and_agents_are_left_alone() -> None:
    made = [request(b"GET", target.encode()) for target in listed("targets")]
    made += [request(b"GET", b"/", agent=agent.encode()) for agent in listed("agents")]
    assert [one for one in made if matcher().examine(one)] == []


def test_a_verdict_names_part_rule_and_decoded_text() -> None:
    verdict = matcher().examine(in_query("1' UNION/**/SELECT null,version()--"))
    assert verdict.types == ["SQL Injection"]
    finding = verdict.main
    assert finding.rule == "sqli-union-select"
    assert finding.part == "value q"
    assert "union select" in finding.text
    assert finding.techniques == ("T1190",)
    assert 0 < finding.confidence <= 1
    assert not matcher().examine(in_query("harmless"))


@pytest.mark.parametrize(
    ("head", "part", "technique"),
    [
        (b"GET /a'%20or%201=1-- HTTP/1.1\r\n\r\n", "path", "sqli"),
        (b"GET /?a[1%20or%201=1--]=x HTTP/1.1\r\n\r\n", "name", "sqli"),
        (b"GET / HTTP/1.1\r\nUser-Agent: () { :;}; id\r\n\r\n", "agent", "cmdi"),
        (b"GET / HTTP/1.1\r\nX-Api: ${jndi:ldap://x/a}\r\n\r\n", "header x-api", "cmdi"),
        (b"GET / HTTP/1.1\r\nCookie: a=<script>x</script>\r\n\r\n", "cookie a", "xss"),
        (b"POST / HTTP/1.1\r\n\r\na=../../etc/passwd", "body a", "traversal"),
        (b"GET /ping?ip=1&&cat%20/etc/passwd HTTP/1.1\r\n\r\n", "query", "cmdi"),
        (b"GET /?a=1/*&b=*/union/*&c=*/select/*&d=*/1,2 HTTP/1.1\r\n\r\n", "query", "sqli"),
        (b"GET / HTTP/1.1\r\nUser-Agent: sqlmap/1.8\r\n\r\n", "agent", "scan"),
        (b"GET /.env HTTP/1.1\r\n\r\n", "path", "scan"),
    ],
)
def test_every_part_is_looked_at(head: bytes, part: str, technique: str) -> None:
    made = parse(head)
    assert made is not None
    found = {(finding.part, finding.technique) for finding in matcher().examine(made).findings}
    assert (part, technique) in found


def test_an_attack_comes_before_a_mark_of_a_scanner() -> None:
    made = request(b"GET", b"/?q='%20or%201=1--", agent=b"sqlmap/1.8")
    verdict = matcher().examine(made)
    assert verdict.main.type == "SQL Injection"
    assert "Web Scan" in verdict.types


def test_what_is_shown_is_safe_and_short() -> None:
    assert shown(b"a\x1b[31m\r\n\xff") == "a\\x1b[31m\\x0d\\x0a\\xff"
    assert len(shown(b"a" * 500)) == 200
    finding = matcher().examine(in_query("1 union select " + "1," * 500)).main
    assert len(finding.text) <= 200


def test_a_matcher_of_few_rules() -> None:
    chosen = [rule for rule in rules.rules() if rule.technique == "xss"]
    few = Matcher(chosen)
    assert few.examine(in_query("<script>")).types == ["XSS"]
    assert not few.examine(in_query("' or 1=1--"))


@pytest.mark.parametrize(
    "value",
    [b"' or " * 13000, b"<" * 65536, b"../" * 21000, b"select " * 9000, b"$(" * 32000, b"%27" * 21000,
     b"if(a,b,c" * 8000, b"<a href=" * 8000, b"(select a" * 7000],
    ids=lambda value: repr(value[:9]),
)  # fmt: skip
def test_hostile_values_take_no_time(value: bytes) -> None:
    parts = [Part(VALUE, b"q", value)]
    matcher().examine_parts(parts)
    best = min(_took(parts) for _ in range(3))
    assert best < 0.1  # decoded in three forms and searched by every rule that may hold


def _took(parts: list[Part]) -> float:
    begin = time.perf_counter()
    matcher().examine_parts(parts)
    return time.perf_counter() - begin


@pytest.mark.parametrize(
    ("value", "serious"),
    [
        ("1 or 1=1", True),
        ("or 1=1 proof", False),
        ("admin' or 1=1-- ", True),
        ("admin' or '1'='1", True),
        ("select name from users where id = 5 explained", False),
        ("1;select name from users where id = 5", True),
        ("document.cookie tutorial", False),
        ("<script>alert(document.cookie)</script>", True),
        ("etc/passwd explained", False),
        ("../../etc/passwd", True),
        ("cat /etc/passwd", True),
    ],
)
def test_texts_about_code_are_not_serious(value: str, serious: bool) -> None:
    verdict = matcher().examine(in_query(value))
    assert verdict.main.serious is serious
    assert not any(
        finding.serious and finding.technique != "cmdi"
        for finding in matcher()
        .examine(request(referrer=f"http://x/?q={quote(value)}".encode()))
        .findings
    )
