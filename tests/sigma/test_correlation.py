import msgspec
import pytest

from mlids.sigma import rules
from mlids.sigma.correlation import Counting, Match

NS = 10**9
NAMES = ("one", "two", "three")


def counting(kind, condition, keys=100, group="user", more=""):
    text = "".join(
        f"title: {name}\nname: {name}\nid: {name}\nlogsource: {{product: shop}}\n"
        f"detection:\n  s:\n    a: x\n  condition: s\n---\n"
        for name in NAMES
    )
    text += (
        f"title: C\nid: c\ncorrelation:\n  type: {kind}\n  rules: [one, two, three]\n"
        f"  group-by: [{group}]\n  timespan: 60s\n  condition: {condition}\n{more}"
    )
    known = rules.parse(text)
    assert known.chains, known.problems
    return Counting(known.chains[0], keys)


def run(state, *matches):
    """(rule, second[, fields]) → the seconds at which it fired, with what was observed."""
    fired = []
    for rule, second, *fields in matches:
        found = {"user": "eve", **(fields[0] if fields else {})}
        match = Match(
            rule, second * NS, lambda field, found=found: found.get(field, []) and [found[field]],
            {"line": second}, "192.0.2.1",
        )  # fmt: skip
        fired += [(one.time_ns // NS, one.observed) for one in state.add(match)]
    return fired


def test_counts_over_a_sliding_window():
    state = counting("event_count", "{gte: 3}")
    assert run(state, ("one", 0), ("one", 30)) == []
    assert run(state, ("one", 59)) == [(59, 3)]
    state = counting("event_count", "{gte: 3}")
    assert run(state, ("one", 0), ("one", 30), ("one", 60)) == []  # half open: 0 is outside by now
    assert run(state, ("one", 61)) == [(61, 3)]  # a tumbling window would have lost these


def test_more_than_needs_one_more():
    state = counting("event_count", "{gt: 2}")
    assert run(state, ("one", 0), ("one", 1)) == []
    assert run(state, ("one", 2)) == [(2, 3)]


def test_groups_are_counted_apart_and_need_their_field():
    state = counting("event_count", "{gte: 2}")
    assert run(state, ("one", 0, {"user": "a"}), ("one", 1, {"user": "b"})) == []
    assert run(state, ("one", 2, {"user": ""}), ("one", 3, {"user": ""})) == []
    assert run(state, ("one", 4, {"user": "a"})) == [(4, 2)]


def test_different_values_are_counted():
    state = counting("value_count", "{gte: 3, field: host}")
    same = [("one", n, {"host": "h1"}) for n in range(10)]
    assert run(state, *same, ("one", 11, {"host": "h2"})) == []
    assert run(state, ("one", 12, {"host": "h3"})) == [(12, 3)]


@pytest.mark.parametrize(
    ("kind", "condition", "values", "observed"),
    [
        ("value_sum", "{gte: 100, field: size}", [40, 30, 30], 100),
        ("value_avg", "{gt: 20, field: size}", [10, 20, 60], 30),
        ("value_median", "{gte: 50, field: size}", [1, 50, 99], 50),
        ("value_percentile", "{gte: 90, field: size, percentile: 95}", [1, 2, 99], 99),
    ],
)
def test_values_are_added_up(kind, condition, values, observed):
    state = counting(kind, condition)
    fired = run(state, *(("one", n, {"size": str(v)}) for n, v in enumerate(values)))
    assert fired[-1] == (2, observed)
    assert run(state, ("one", 200, {"size": "no number"})) == []


def test_all_rules_in_any_order():
    state = counting("temporal", "{gte: 3}")
    assert run(state, ("three", 0), ("one", 10), ("one", 20)) == []
    assert run(state, ("two", 59)) == [(59, 3)]
    state = counting("temporal", "{gte: 3}")
    assert run(state, ("three", 0), ("one", 10), ("two", 60)) == []


def test_all_rules_in_their_order():
    state = counting("temporal_ordered", "{gte: 3}")
    assert run(state, ("two", 0), ("one", 1), ("three", 2)) == []
    assert run(state, ("two", 3), ("three", 4)) == [(4, 3)]
    assert run(state, ("three", 5)) == []  # the order was completed, so it begins anew
    state = counting("temporal_ordered", "{gte: 3}")
    assert run(state, ("one", 0), ("two", 30), ("three", 61)) == []  # took too long
    assert run(state, ("one", 70), ("two", 80), ("three", 90)) == [(90, 3)]


def test_extended_conditions():
    state = counting("temporal", "one and (two or three)")
    assert run(state, ("two", 0), ("three", 1)) == []
    assert run(state, ("one", 2)) == [(2, 3)]


@pytest.mark.parametrize(
    ("condition", "fires"), [("{lt: 3}", True), ("{lte: 1}", False), ("{eq: 2}", True),
                             ("{neq: 2}", False)],
)  # fmt: skip
def test_few_are_told_when_the_time_is_over(condition, fires):
    state = counting("event_count", condition)
    assert run(state, ("one", 0), ("one", 30)) == []
    assert list(state.close(59 * NS)) == []
    told = [(one.time_ns // NS, one.observed) for one in state.close(60 * NS)]
    assert told == ([(60, 2)] if fires else [])
    assert list(state.close(900 * NS)) == []


def test_a_later_match_closes_the_window():
    state = counting("event_count", "{lt: 3}")
    assert run(state, ("one", 0), ("one", 100)) == [(60, 1)]


def test_groups_are_bounded_and_the_oldest_goes():
    state = counting("event_count", "{gte: 2}", keys=10)
    assert run(state, *(("one", 0, {"user": f"u{n}"}) for n in range(25))) == []
    assert state.evicted == 15
    assert run(state, ("one", 1, {"user": "u24"})) == [(1, 2)]
    assert run(state, ("one", 1, {"user": "u0"})) == []


def test_windows_survive_a_restart():
    state = counting("temporal_ordered", "{gte: 3}")
    run(state, ("one", 0), ("two", 1))
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(state.save()))
    again = counting("temporal_ordered", "{gte: 3}")
    again.restore(saved)
    assert run(again, ("three", 2)) == [(2, 3)]


def test_a_clock_that_steps_back_does_no_harm():
    state = counting("event_count", "{gte: 3}")
    assert run(state, ("one", 100), ("one", 10), ("one", 5)) == [(100, 3)]
