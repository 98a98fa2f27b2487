from dataclasses import replace

import msgspec

from mlids.events import Severity
from mlids.sigma import rules, sources
from mlids.sigma.live import Live
from mlids.testing import cut

NS = 10**9
CHAIN = """---
title: Many
id: many
level: high
correlation:
  type: event_count
  rules: [base]
  group-by: [user]
  timespan: 60s
  generate: {generate}
  condition:
    {condition}
"""


def live(made, text, least=Severity.LOW, keys=1000, limit=600):
    return Live(rules.parse(text), sources.entries(made.OWN), least, keys, limit)


def base(made, more="", level="high"):
    return made.rule("a: x", head=f"title: Base\nname: base\nid: base\nlevel: {level}\n") + more


def told(found):
    return [(event.rule, event.details.get("suppressed", 0)) for event in found]


def test_matches_come_in_the_order_of_their_lines(made):
    batch = made.batch(*({"a": "x", "t": n} for n in range(5)))
    found = list(live(made, base(made)).inspect(batch))
    assert [event.evidence[0]["line"] for event in found] == [1, 2, 3, 4, 5]


def test_a_rule_that_matches_everything_is_held_to_its_limit(made):
    state = live(made, base(made), limit=3)
    batch = made.batch(*({"a": "x", "t": n / 10} for n in range(100)))
    found = list(state.inspect(batch))
    assert told(found) == [("sigma/base", 0)] * 3
    (rest,) = state.flush()
    assert rest.details["suppressed"] == 96  # beside itself: all 100 are accounted for
    assert rest.evidence[0]["line"] == 100


def test_what_was_held_back_goes_with_the_next(made):
    state = live(made, base(made), limit=1)
    batch = made.batch({"a": "x", "t": 0}, {"a": "x", "t": 1}, {"a": "x", "t": 70})
    assert told(state.inspect(batch)) == [("sigma/base", 0), ("sigma/base", 1)]
    assert list(state.flush()) == []


def test_idle_time_releases_what_was_held_back(made):
    state = live(made, base(made), limit=1)
    list(state.inspect(made.batch({"a": "x", "t": 0}, {"a": "x", "t": 1})))
    empty = made.batch()
    assert list(state.inspect(replace(empty, now=made.START_NS + 30 * NS))) == []
    assert len(list(state.inspect(replace(empty, now=made.START_NS + 62 * NS)))) == 1


def test_a_correlation_is_told_by_the_volume_law(made):
    text = base(made, CHAIN.format(generate="false", condition="gte: 3"))
    batch = made.batch(*({"a": "x", "user": "eve", "t": n / 10} for n in range(30)))
    state = live(made, text)
    found = list(state.inspect(batch))
    assert told(found) == [("sigma/many", 0), ("sigma/many", 8)]  # the 1st and the 10th time
    assert told(state.flush()) == [("sigma/many", 17)]
    assert found[0].details["user"] == "eve"
    assert len({event.correlation_id for event in found}) == 1


def test_its_rules_are_told_too_where_it_says_so(made):
    text = base(made, CHAIN.format(generate="true", condition="gte: 3"))
    batch = made.batch(*({"a": "x", "user": "eve", "t": n} for n in range(3)))
    assert told(live(made, text).inspect(batch)) == [("sigma/base", 0)] * 3 + [("sigma/many", 0)]


def test_few_are_told_when_time_has_passed(made):
    text = base(made, CHAIN.format(generate="false", condition="lt: 3"))
    first = made.batch({"a": "x", "user": "eve"})
    state = live(made, text)
    assert list(state.inspect(first)) == []
    late = replace(made.batch(), now=made.START_NS + 61 * NS)
    (event,) = state.inspect(late)
    assert event.time_ns == made.START_NS + 60 * NS
    # At the end of a recording its last line says what time it is.
    state = live(made, text)
    list(state.inspect(made.batch({"a": "x", "user": "eve"}, {"a": "y", "t": 61})))
    assert len(list(state.flush())) == 1
    state = live(made, text)
    list(state.inspect(made.batch({"a": "x", "user": "eve"}, {"a": "y", "t": 59})))
    assert list(state.flush()) == []


def test_correlations_build_on_correlations(made):
    outer = (
        "---\ntitle: Everywhere\nid: outer\ncorrelation:\n  type: value_count\n  rules: [many]\n"
        "  timespan: 1h\n  condition:\n    gte: 2\n    field: user\n"
    )
    text = base(made, CHAIN.format(generate="false", condition="gte: 2") + outer)
    users = ("eve", "eve", "eve", "bob", "bob")
    batch = made.batch(*({"a": "x", "user": user, "t": n} for n, user in enumerate(users)))
    found = list(live(made, text).inspect(batch))
    assert told(found) == [("sigma/outer", 0)]


def test_rules_below_the_least_level_are_silent_but_counted(made):
    text = base(made, CHAIN.format(generate="true", condition="gte: 2"), level="low")
    batch = made.batch(*({"a": "x", "user": "eve", "t": n} for n in range(2)))
    found = list(live(made, text, least=Severity.HIGH).inspect(batch))
    assert told(found) == [("sigma/many", 0)]


def test_blind_and_broken_rules_are_told_once(made):
    text = base(made) + "---\n" + made.rule("a: x", "product: toaster") + "---\ntitle: Broken\n"
    state = live(made, text)
    assert list(state.inspect(made.batch())) == []  # nothing is known of the time yet
    gap, match = state.inspect(made.batch({"a": "x"}))
    assert gap.type == "Monitoring Gap"
    assert gap.details["metadata"] == {"rules": 3, "unable": 1, "broken": 1}
    assert "rules check" in gap.details["description"]
    assert match.type == "Rule Match"
    assert [one.type for one in state.inspect(made.batch({"a": "x"}))] == ["Rule Match"]
    again = live(made, text)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state.save())))
    assert [one.type for one in again.inspect(made.batch({"a": "x"}))] == ["Rule Match"]


def test_state_of_rules_that_are_gone_is_left_out(made):
    text = base(made, CHAIN.format(generate="false", condition="gte: 3"))
    state = live(made, text)
    list(state.inspect(made.batch({"a": "x", "user": "eve"})))
    saved = state.save()
    again = live(made, made.rule("b: y"))
    again.restore(saved)
    assert list(again.inspect(made.batch({"a": "x"}))) == []


def test_memory_is_bounded(made):
    text = base(made, CHAIN.format(generate="false", condition="gte: 2"))
    state = live(made, text, keys=100)
    for part in cut(
        made.batch(*({"a": "x", "user": f"u{n}", "t": n / 1e4} for n in range(3000))), 3
    ):
        list(state.inspect(part))
    assert state.counts()["evicted_groups"] == 2900
    assert len(state.save()["counting"]["many"]) == 100


def test_lines_whose_time_is_unknown_have_that_of_the_last_match(made):
    form = made.JsonFormat("json_lines")
    form.parse = lambda batch: {"time": [one.get("ns", 0) for one in form.records(batch)]}
    batch = made.batch({"a": "x", "ns": 5 * NS}, {"a": "x"}, format=form)
    state = live(made, base(made))
    assert [event.time_ns for event in state.inspect(batch)] == [5 * NS, 5 * NS]
    state = live(made, base(made))
    assert next(iter(state.inspect(made.batch({"a": "x"}, format=form)))).time_ns == made.START_NS
