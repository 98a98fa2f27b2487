import msgspec
import pytest

from mlids.correlators.sequence import Rule, SequenceCorrelator
from mlids.testing import check_correlator, event

STEPS = [{"type": "Port Scan"}, {"type": "Failed Login", "severity": "MEDIUM"}, {"tags": "success"}]


def correlator(**rule):
    return lambda: SequenceCorrelator(
        rules=[{"name": "in", "steps": STEPS, "seconds": 100, **rule}]
    )


def seen(type, seconds, ip="192.0.2.7", **keys):
    return event(
        type, seconds=seconds, details={"ip": ip, "user": "eve", "description": f"{type}!"},
        evidence=[{"source": "log", "line": seconds + 1}], **keys,
    )  # fmt: skip


def scan(at, **keys):
    return seen("Port Scan", at, severity="HIGH", techniques=["T1046"], **keys)


def failed(at, **keys):
    return seen("Failed Login", at, techniques=["T1110"], **keys)


def success(at, **keys):
    return seen("Successful Login", at, severity="LOW", tags=["authentication", "success"], **keys)


def test_all_steps_in_order_are_one_event():
    events = [one.stamped() for one in (scan(0), failed(10), success(90))]
    (told,) = check_correlator(correlator(message="somebody came in"), events)
    assert (told.type, told.severity, told.rule) == ("Incident", "HIGH", "sequence/in")
    metadata = told.details["metadata"]
    assert metadata["events"] == [one["id"] for one in events]
    assert [stage["type"] for stage in metadata["stages"]] == [one.type for one in events]
    assert [stage["tactic"] for stage in metadata["stages"]] == [
        "discovery",
        "credential-access",
        "",
    ]
    assert told.evidence == [{"source": "log", "line": n} for n in (91, 11, 1)]
    assert told.techniques == ["T1046", "T1110"]
    assert told.details["description"] == "somebody came in: ip '192.0.2.7', within 90 s"
    assert told.time_ns == events[-1].time_ns


@pytest.mark.parametrize(
    "events",
    [
        [scan(0), success(10), failed(20)],
        [failed(0), scan(1), success(2)],
        [scan(0), failed(10)],
        [scan(0), failed(10), success(100)],
        [scan(0), failed(10, ip="b"), success(20)],
        [failed(0), success(1)],
    ],
    ids=["order", "order at the front", "not all", "too late", "of others", "no beginning"],
)
def test_what_is_no_sequence(events):
    assert check_correlator(correlator(), events) == []


def test_the_latest_beginning_counts():
    assert check_correlator(correlator(), [scan(0), scan(60), failed(70), success(140)])
    assert check_correlator(correlator(), [scan(0), failed(10), scan(60), failed(70), success(140)])


def test_order_is_that_of_the_times_of_events():
    assert check_correlator(correlator(), [scan(50), failed(40), success(60)]) == []


def test_one_event_takes_one_step():
    make = correlator(steps=[{"type": "Failed*"}, {"type": "*Login"}])
    assert check_correlator(make, [failed(0)]) == []
    assert len(check_correlator(make, [failed(0), failed(1)])) == 1


def test_type_severity_and_what_is_joined_are_chosen():
    make = correlator(by=["user"], type="Break In", severity="CRITICAL")
    (told,) = check_correlator(make, [scan(0, ip="a"), failed(1, ip="b"), success(2, ip="c")])
    assert (told.type, told.severity, told.details["user"]) == ("Break In", "CRITICAL", "eve")
    assert "ip" not in told.details


def test_repeats_are_told_by_the_volume_law():
    events = [
        one for n in range(10) for one in (scan(n * 3), failed(n * 3 + 1), success(n * 3 + 2))
    ]
    told = check_correlator(correlator(), events)
    assert [one.details["metadata"]["triggers"] for one in told] == [1, 10]


def test_a_state_of_a_rule_that_has_other_steps_by_now_is_let_go():
    one = correlator()()
    list(one.correlate([scan(0), failed(1)]))
    other = correlator(steps=STEPS[:2])()
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.save())))
    assert list(other.correlate([failed(2)])) == []


def test_entities_are_bounded_and_evictions_counted():
    one = SequenceCorrelator(rules=[{"name": "in", "steps": STEPS}], max_keys=100)
    for n in range(150):
        list(one.correlate([scan(n, ip=str(n))]))
    assert one.counts() == {"evicted": 50}


@pytest.mark.parametrize(
    "wrong", [{"by": "adress"}, {"steps": STEPS[:1]}, {"steps": [{"typ": "x"}] * 2}]
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "x", "steps": STEPS, **wrong}, Rule)
