from __future__ import annotations

from mlids.ingested.findings import Finding, Place, account, at, event, plain, techniques_in, words
from mlids.testing import START_NS

PLACE = Place(START_NS, "x.log", 7, 90)


def finding(**changes):
    given = {
        "severity": "HIGH",
        "rule": "falco",
        "description": "it happened",
        "explanation": "1 record",
        "details": {"ip": "203.0.113.7", "user": "", "port": 0},
        "metadata": {"rule": "x", "nothing": None, "zero": 0},
        "techniques": ("T1059",),
        "tags": ("falco",),
    }
    return Finding(**{**given, **changes})


def test_an_event():
    made = event(finding(), PLACE, 0)
    assert (made.type, made.severity, made.rule, made.time_ns) == (
        "Rule Match", "HIGH", "ingested/falco", START_NS,
    )  # fmt: skip
    assert made.details == {
        "ip": "203.0.113.7", "description": "it happened", "metadata": {"rule": "x", "zero": 0},
    }  # fmt: skip
    assert made.evidence == [{"source": "x.log", "line": 7, "offset": 90}]
    assert event(finding(), PLACE, 0).correlation_id == made.correlation_id
    assert event(finding(), PLACE, 1).correlation_id != made.correlation_id


def test_an_account_says_the_same():
    made = account(finding(evidence=({"source": "x.log", "line": 6, "offset": 80},)), PLACE)
    assert made.details == event(finding(), PLACE, 0).details
    assert [place["line"] for place in made.evidence] == [7, 6]


def test_what_is_told_is_bounded():
    assert len(plain("x" * 10_000)) == 513
    assert len(plain(["x"] * 100)) == 20
    assert plain({"a": [1]}) == '{"a":[1]}'
    assert plain(None) is None


def test_words():
    assert [words(v) for v in ("a", 7, 1.5, None, True, [], {})] == [
        "a",
        "7",
        "1.5",
        "",
        "",
        "",
        "",
    ]
    assert at({"a": {"b": 1}}, "a", "b") == 1
    assert at({"a": 1}, "a", "b") is None


def test_techniques():
    tags = ["T1059.004", "attack.t1110", "mitre_execution", "Total", 7, "T1059.004"]
    assert techniques_in(tags) == ("T1059.004", "T1110")
