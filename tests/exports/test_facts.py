import pytest
from hypothesis import given, settings

from mlids.events import Event, Severity
from mlids.exports.facts import Endpoint, facts, filled, stored, text
from mlids.testing import event
from tests.exports.examples import EXAMPLES, SHA, example, hostile


def of(**details):
    return facts(event(details=details))


def test_an_address_is_one_and_a_name_stands_in_its_place():
    told = of(ip="::ffff:192.0.2.1", target="web-1")
    assert told.source == Endpoint("192.0.2.1", "", None)
    assert told.target == Endpoint("", "web-1", None)


@pytest.mark.parametrize(
    ("rule", "source", "target"),
    [
        ("login/sshd", 22, None),
        ("impossible_travel", 22, None),
        ("port_scan", None, 22),
        ("", None, 22),
    ],
)
def test_the_port_is_that_of_who_is_attacked_but_for_logins(rule, source, target):
    told = facts(event(rule=rule, details={"ip": "192.0.2.1", "target": "192.0.2.2", "port": 22}))
    assert (told.source.port, told.target.port) == (source, target)


@pytest.mark.parametrize("port", [-1, 65536, "22", 22.0, True, None, [22]])
def test_what_is_no_port_is_left_over(port):
    told = of(port=port)
    assert told.source.port is None
    assert told.target.port is None
    assert told.details == {"port": port}


def test_details_of_another_type_are_left_over():
    told = of(ip=7, user=["a"], path="/etc/x", description="why", extra=1)
    assert told.details == {"ip": 7, "user": ["a"], "extra": 1}
    assert (told.path, told.filename, told.message) == ("/etc/x", "x", "why")


def test_what_a_format_does_not_tell_is_left():
    told = facts(event(details={"ip": "192.0.2.1", "user": "u", "n": 1}, x=2))
    rest = told.left(
        "type", "severity", "source", "confidence", "correlation_id", details=frozenset(("ip",))
    )
    assert rest == {"x": 2, "details": {"user": "u", "n": 1}}


def test_alerts_are_told_from_what_merely_happened():
    assert facts(example("Port Scan")).is_alert
    assert not facts(example("Failed Login")).is_alert
    assert facts(event("Of My Own", "MEDIUM")).is_alert
    assert not facts(event("Of My Own", "LOW")).is_alert
    assert [facts(example(f"{how} Login")).outcome for how in ("Failed", "Successful")] == [
        "failure",
        "success",
    ]
    assert facts(example("XSS")).outcome == ""


def test_techniques_have_their_names_and_tactics():
    known, part, unknown = facts(event(techniques=["T1110", "T1110.999", "T0", ""])).attacks
    assert (known.name, [tactic.name for tactic in known.tactics]) == (
        "Brute Force",
        ["Credential Access"],
    )
    assert (part.name, part.tactics) == ("", known.tactics)
    assert (unknown.id, unknown.name, unknown.tactics) == ("T0", "", ())
    (control,) = facts(event(techniques=["T1071"])).attacks
    assert control.tactics[0] == ("TA0011", "command-and-control", "Command and Control")


def test_how_long_it_lasted_and_how_many_it_stands_for():
    told = of(metadata={"seconds": 2.5}, suppressed=3)
    assert told.time_ns - told.first_ns == 2_500_000_000
    assert told.count == 4
    for odd in (-1, "2", True, None, 1e300):
        told = of(metadata={"seconds": odd}, suppressed=odd if odd != 1e300 else "x")
        assert (told.first_ns, told.count) == (told.time_ns, 1)


def test_the_hash_is_that_of_the_file_as_it_is_now():
    assert facts(example("File Modified")).sha256 == SHA
    assert of(metadata={"after": None, "before": {"sha256": SHA}}).sha256 == SHA
    assert of(metadata={"after": {"sha256": "A" * 64}}).sha256 == ""


def test_an_event_that_is_none_has_facts_too():
    told = facts(
        Event({"timestamp": "yesterday", "severity": "LOUD", "details": [], "tags": "one"})
    )
    assert told.timestamp == "1970-01-01T00:00:00.000000Z"
    assert told.severity == Severity.MEDIUM
    assert told.tags == ["one"]
    assert told.id == facts(Event(told.event)).id


def test_text_and_what_is_filled():
    assert [text(value) for value in ("a", None, 1, ["a"])] == ["a", "", "1", '["a"]']
    assert filled({"a": "", "b": None, "c": [], "d": {}, "e": 0, "f": False}) == {
        "e": 0,
        "f": False,
    }


@settings(deadline=None)
@given(hostile())
def test_no_detail_is_lost(made):
    told, given_ = facts(made), stored(made)["details"]
    assert given_.keys() - told.details.keys() <= {
        "ip", "target", "port", "user", "path", "protocol", "service", "description",
    }  # fmt: skip
    for key in ("user", "path", "service"):
        if isinstance(given_.get(key), str):
            assert getattr(told, key) == given_[key]


def test_facts_of_examples_are_those_of_their_details():
    for one in EXAMPLES:
        assert facts(one).user == one["details"].get("user", "")
