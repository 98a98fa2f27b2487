import msgspec
import pytest

from mlids.correlators.threshold import Rule, ThresholdCorrelator
from mlids.testing import check_correlator, event

IP = "192.0.2.7"


def correlator(**rule):
    rule = {"name": "many", "match": {"type": "Failed Login"}, "count": 5, "seconds": 60, **rule}
    return lambda: ThresholdCorrelator(rules=[rule])


def failures(count, apart=1.0, start=0.0, **details):
    details = {"ip": IP, "user": "root", "description": "x", **details}
    return [
        event(details=details, seconds=start + n * apart, evidence=[{"source": "a", "line": n + 1}])
        for n in range(count)
    ]


def test_so_many_events_in_a_sliding_window_are_told():
    events = [one.stamped() for one in failures(5, 14)]
    (told,) = check_correlator(correlator(severity="HIGH", message="too many"), events)
    assert (told.type, told.severity, told.rule, told.source) == (
        "Threshold Exceeded", "HIGH", "threshold/many", "system",
    )  # fmt: skip
    assert told.details["ip"] == IP
    assert told.details["metadata"]["events"] == [one["id"] for one in events]
    assert told.details["description"] == f"too many: 5 events of ip '{IP}' within 60 s"
    assert told.evidence == [{"source": "a", "line": n} for n in (5, 4, 3, 2, 1)]
    assert told.explanation.endswith("(threshold 5)")
    assert told.time_ns == events[-1].time_ns


def test_windows_slide_and_are_half_open():
    assert check_correlator(correlator(), failures(5, 15)) == []
    assert check_correlator(correlator(), failures(4)) == []
    edge = [*failures(3, 1, 57), *failures(2, 1, 61)]
    assert len(check_correlator(correlator(), edge)) == 1


def test_each_value_counts_apart():
    mixed = [one for n in range(4) for ip in ("a", "b") for one in failures(1, start=n, ip=ip)]
    assert check_correlator(correlator(), mixed) == []
    told = check_correlator(correlator(by="user"), mixed)
    assert sum(1 + one.details["suppressed"] for one in told) == 4
    assert check_correlator(correlator(by=["ip", "user"]), mixed) == []
    assert check_correlator(correlator(by="path"), mixed) == []


def test_different_values_are_counted_not_events():
    same = failures(50)
    others = [one for n in range(5) for one in failures(2, start=n, user=f"u{n}")]
    make = correlator(distinct="user")
    assert check_correlator(make, same) == []
    told = check_correlator(make, others)
    assert told[0].details["metadata"]["values"] == ["u0", "u1", "u2", "u3", "u4"]


def test_what_goes_on_is_told_by_the_volume_law():
    told = check_correlator(correlator(), failures(1004, 0.1))
    assert [one.details["metadata"]["triggers"] for one in told] == [1, 10, 100, 1000]
    assert sum(1 + one.details["suppressed"] for one in told) == 1000
    assert len({one.correlation_id for one in told}) == 1


def test_events_that_are_not_meant_do_not_count():
    make = correlator(match={"type": "Failed Login", "severity": "HIGH", "rule": "login/*"})
    assert check_correlator(make, failures(10)) == []


def test_rules_keep_apart_and_new_ones_begin_empty():
    rules = [{"name": "a", "count": 3}, {"name": "b", "count": 2, "by": "user"}]
    both = ThresholdCorrelator(rules=rules)
    assert [one.rule for one in both.correlate(failures(3))] == ["threshold/b", "threshold/a"]
    other = ThresholdCorrelator(rules=[rules[0], {"name": "c", "count": 2}])
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(both.save())))
    assert [one.rule for one in other.correlate(failures(1, start=3))] == []


def test_keys_are_bounded_and_evictions_counted():
    one = ThresholdCorrelator(rules=[{"name": "a", "count": 3}], max_keys=100)
    for n in range(300):
        list(one.correlate(failures(1, start=n / 100, ip=str(n))))
    assert one.counts() == {"evicted": 200}


@pytest.mark.parametrize(
    "wrong", [{"by": "adress"}, {"distinct": "usr"}, {"count": 1}, {"name": "a b"}]
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "x", "count": 3, **wrong}, Rule)


def test_none_is_shipped():
    assert list(ThresholdCorrelator().correlate(failures(100))) == []
