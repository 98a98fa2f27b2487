import msgspec
import pytest

from mlids.suppression.thresholding import Counters, Thresholding
from mlids.testing import event


def stored(rule, times, ips=("192.0.2.7",), **keys):
    counters = Counters([Thresholding(type="Failed*", **rule)])
    return [
        (at, ip)
        for at in times
        for ip in ips
        if not counters.holds_back(
            event(seconds=at, details={"ip": ip, "description": "x"}, **keys)
        )
    ]


def times(rule, when, **keys):
    return [at for at, _ in stored(rule, when, **keys)]


def test_limit_stores_the_first_of_each_sliding_window():
    limit = {"kind": "limit", "count": 2, "seconds": 10}
    assert times(limit, range(25)) == [0, 1, 10, 11, 20, 21]


def test_every_stores_each_nth():
    every = {"kind": "every", "count": 3, "seconds": 100}
    assert times(every, range(10)) == [2, 5, 8]
    assert times({**every, "seconds": 2}, range(10)) == []


def test_both_stores_one_a_window_once_there_are_enough():
    both = {"kind": "both", "count": 3, "seconds": 10}
    assert times(both, range(30)) == [2, 14, 26]
    assert times(both, [0, 1]) == []


def test_detection_filter_stores_what_goes_beyond():
    beyond = {"kind": "detection_filter", "count": 3, "seconds": 10}
    assert times(beyond, range(6)) == [3, 4, 5]
    assert times(beyond, range(0, 100, 5)) == []


def test_each_entity_counts_apart_or_all_of_a_rule_together():
    limit = {"kind": "limit", "count": 1, "seconds": 100}
    assert len(stored(limit, range(5), ("a", "b"))) == 2
    assert len(stored({**limit, "by": "rule"}, range(5), ("a", "b"))) == 1


def test_grave_events_and_others_are_always_stored():
    limit = {"kind": "limit", "count": 1, "seconds": 100}
    assert len(times(limit, range(5), severity="CRITICAL")) == 5
    assert len(times(limit, range(5), type="XSS")) == 5


def test_the_first_rule_that_means_an_event_decides():
    rules = [Thresholding(rule="login/sshd", count=3), Thresholding(type="*", count=1)]
    counters = Counters(rules)
    held = [counters.holds_back(event(seconds=n)) for n in range(4)]
    assert held == [None, None, None, rules[0]]


def test_windows_survive_a_restart_and_go_with_their_rule():
    rules = [Thresholding(type="*", count=1)]
    before, after, other = (
        Counters(rules),
        Counters(rules),
        Counters([Thresholding(type="*", count=2)]),
    )
    before.holds_back(event())
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(before.save()))
    after.restore(state)
    other.restore(state)
    assert after.holds_back(event(seconds=1)) is rules[0]
    assert other.holds_back(event(seconds=1)) is None


def test_a_clock_that_steps_back_opens_no_window():
    assert times({"kind": "limit", "count": 1, "seconds": 10}, [100, 5, 7, 112]) == [100, 112]


@pytest.mark.parametrize("wrong", [{}, {"type": "x", "kind": "never"}, {"type": "x", "count": 0}])
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Thresholding)
