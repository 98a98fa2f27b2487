import pytest

from mlids.backtest.changes import Difference
from mlids.backtest.recorded import Judge, recorded
from mlids.testing import event

SCAN = {"threshold": 10, "contacts": 25, "echo_hosts": 10, "window_s": 60.0, "rules": []}


def seen(observed, threshold=10, words="in 60 s", plugin="port_scan", name="distinct"):
    return event(
        "Port Scan",
        rule=plugin,
        details={"metadata": {name: observed, "threshold": threshold}},
        explanation=f"{observed} distinct ports; threshold {threshold} {words}",
    )


def judge(changed, settings=SCAN, enabled=(True, True), plugin="port_scan"):
    return Judge({plugin: Difference(settings, changed, enabled)})


@pytest.mark.parametrize(
    ("observed", "needed", "kept"), [(10, 30, False), (30, 30, True), (29, 20, True)]
)
def test_what_was_observed_is_held_against_the_new_threshold(observed, needed, kept):
    assert judge({"threshold": needed}).keeps("port_scan", seen(observed)) is kept


def test_a_count_in_rounds_may_have_gone_on():
    found = judge({"threshold": 15}).judgement("port_scan", recorded(seen(10)), "threshold 10 in ")
    assert not found.kept and not found.sure and "up to 9 more" in found.why


def test_another_threshold_for_the_same_thing_still_tells_it():
    assert judge({"threshold": 100}).keeps("port_scan", seen(25))
    assert not judge({"threshold": 100, "contacts": 30}).keeps("port_scan", seen(25))


def test_the_explanation_says_which_of_two_equal_settings_decided():
    by_echo = seen(10, words="hosts in 60 s")
    assert judge({"threshold": 30}).keeps("port_scan", by_echo)
    assert not judge({"echo_hosts": 30}).keeps("port_scan", by_echo)


def test_where_nothing_says_which_one_it_was_it_is_not_judged():
    asked = judge({"a": 30}, {"a": 10, "b": 10}, plugin="flood")
    assert asked.keeps("flood", seen(10, plugin="flood"))
    assert asked.unjudged == {("flood", "which of a and b decided was not recorded"): 1}


def test_a_threshold_in_words_is_read():
    flood = seen(150, "100 in 1 s", plugin="flood", name="peak")
    asked = judge({"packet_rate": 200}, {"packet_rate": 100}, plugin="flood")
    assert recorded(flood).threshold == 100
    assert not asked.keeps("flood", flood)


def test_without_a_number_the_explanation_begins_with_it():
    event_ = event(details={"metadata": {"threshold": 10}}, explanation="12 different paths failed")
    assert recorded(event_).observed == 12


@pytest.mark.parametrize(
    ("changed", "metadata", "why"),
    [
        ({"threshold": 20}, {"distinct": 10}, "no observed value"),
        ({"threshold": 20}, {"distinct": 10, "threshold": 11}, "none of the settings"),
        ({"rules": ["x"]}, {"distinct": 10, "threshold": 25}, "no threshold"),
        ({"threshold": 20}, {"distinct": True, "threshold": 10}, "which of"),
        ({"threshold": 20}, None, "no observed value"),
    ],
)
def test_what_cannot_be_judged_is_counted(changed, metadata, why):
    asked = judge(changed)
    assert asked.keeps("port_scan", event(details={"metadata": metadata}, explanation="11 of them"))
    ((_, said),) = asked.unjudged
    assert why in said


def test_a_detector_that_is_off_tells_nothing():
    assert not judge({}, enabled=(True, False)).keeps("port_scan", event(explanation=""))


def test_broken_records_are_no_records():
    for broken in ([], "x", {"distinct": [1], "threshold": {}}, {"threshold": 1 << 70}):
        found = recorded(event(details={"metadata": broken}, explanation=5))
        assert found.threshold is None
