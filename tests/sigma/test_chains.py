import pytest

from mlids.sigma import rules

BASE = """title: Base
name: base
logsource: {product: shop}
detection:
  s:
    a: x
  condition: s
---
"""


def chain(body):
    indented = "\n".join(f"  {line}" for line in body.strip().splitlines())
    return rules.parse(f"{BASE}title: C\nlevel: high\ncorrelation:\n{indented}\n")


def test_what_a_correlation_asks_for():
    known = chain(
        "type: value_count\nrules: [base]\ngroup-by: [user]\ntimespan: 5m\n"
        "condition:\n  gte: 3\n  field: host\naliases:\n  user:\n    base: login"
    )
    (one,) = known.chains
    assert (one.kind, one.count, one.comparison, one.fields) == ("value_count", 3, "gte", ["host"])
    assert one.span_ns == 300 * 10**9
    assert one.rising
    member = one.members[0]
    fields = {"login": ["eve"], "host": ["h1"]}
    assert one.group(member, lambda field: fields.get(field, [])) == ("eve",)
    assert one.values(lambda field: fields.get(field, [])) == ("h1",)
    assert one.group(member, lambda field: []) is None
    assert one.asked == "at least 3"


def test_extended_conditions():
    known = chain(
        "type: temporal\nrules: [base]\ntimespan: 5m\ncondition: base and not base".replace(
            "base and not base", "base"
        )
    )
    (one,) = known.chains
    assert one.expression({"base"})
    assert not one.expression(set())
    assert one.asked == "base"


@pytest.mark.parametrize(
    "body",
    [
        "type: event_count\nrules: base\ntimespan: 5m",
        "type: odd\nrules: base\ntimespan: 5m\ncondition:\n  gte: 2",
        "type: event_count\nrules: base\ncondition:\n  gte: 2",
        "type: event_count\nrules: base\ntimespan: soon\ncondition:\n  gte: 2",
        "type: value_count\nrules: base\ntimespan: 5m\ncondition:\n  gte: 2",
        "type: event_count\nrules: base\ntimespan: 5m\ncondition:\n  gte: 99999999",
        "type: event_count\nrules: base\ntimespan: 5m\ncondition:\n  lt: 0",
        "type: event_count\nrules: []\ntimespan: 5m\ncondition:\n  gte: 2",
        "type: event_count\ntimespan: 5m\ncondition:\n  gte: 2",
    ],
)
def test_what_cannot_be_counted_is_refused(body):
    known = chain(body)
    assert not known.chains
    assert known.problems[0].reason


@pytest.mark.parametrize(
    ("rules_text", "timespan"), [("[{a: b}]", "10m"), ("[a]", "99999999999d"), ("[a]", "0s")]
)
def test_correlations_that_make_no_sense_are_told(rules_text, timespan):
    known = rules.parse(
        "title: x\nid: c\ncorrelation: {type: event_count, group-by: [host], "
        f"rules: {rules_text}, timespan: {timespan}, condition: {{gte: 3}}}}\n"
    )
    assert len(known.problems) == 1
    assert not known.chains
