import copy
import json
import pickle

import msgspec
import pytest

from mlids.events import (
    TYPES,
    Event,
    EventFilter,
    EventSink,
    Plugin,
    Severity,
    SinkError,
    format_time,
    parse_time,
)
from mlids.testing import START_NS, event

KEYS = ["timestamp", "type", "severity", "source", "details", "correlation_id", "tags"]


def test_the_seven_keys_come_first_and_exist():
    made = event()
    assert list(made)[:7] == KEYS
    assert list(json.loads(made.encoded()))[:7] == KEYS


def test_an_event_is_a_read_only_dict_with_attributes():
    made = event()
    assert made.type == made["type"] == "Failed Login"
    assert made.details["ip"] == "192.0.2.7"
    with pytest.raises(AttributeError, match="no_such_key"):
        _ = made.no_such_key
    for change in (
        lambda: made.__setitem__("type", "x"),
        lambda: made.pop("type"),
        lambda: made.update(type="x"),
        lambda: made.clear(),
        lambda: made.setdefault("x", 1),
        lambda: made.__delitem__("type"),
        lambda: made.__ior__({"x": 1}),
    ):
        with pytest.raises(TypeError, match="read-only"):
            change()


def test_it_travels_as_json_pickle_and_copy():
    made = event().stamped()
    assert json.loads(json.dumps(made)) == made
    assert Event.decode(made.encoded()) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert type(copy.deepcopy(made)) is Event


def test_stamping_adds_id_and_host_once():
    stamped = event().stamped()
    assert stamped["id"]
    assert stamped["host"]
    assert stamped.stamped() is stamped


def test_replace_gives_a_changed_copy():
    made = event()
    assert made.replace(severity="HIGH").severity == "HIGH"
    assert made.severity == "MEDIUM"


def test_time_is_kept_and_read_back():
    assert event(seconds=1).time_ns == START_NS + 10**9
    assert Event.decode(event(seconds=1).encoded()).time_ns == START_NS + 10**9
    assert format_time(START_NS + 123_456_789) == "2025-01-13T10:30:45.123456Z"
    assert parse_time("2025-01-13T11:30:45+01:00") == START_NS
    assert parse_time("2025-01-13T10:30:45") == START_NS
    assert format_time(parse_time("1969-12-31T23:59:59.5Z")) == "1969-12-31T23:59:59.500000Z"


def test_values_that_json_does_not_know_become_text():
    odd = event(details={"x": {1, 2}, "y": ValueError("z")})
    assert json.loads(odd.encoded())["details"]["y"] == "z"


def test_severity_reads_middle_and_any_case():
    assert Severity("MIDDLE") is Severity.MEDIUM
    assert Severity("high") is Severity.HIGH
    assert [s.rank for s in Severity] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="WORSE"):
        Severity("WORSE")


@pytest.mark.parametrize(
    ("arguments", "matches"),
    [
        ({}, True),
        ({"severity": ["HIGH", "MEDIUM"]}, True),
        ({"severity": ["MIDDLE"]}, True),
        ({"severity": ["HIGH"]}, False),
        ({"event_types": ["XSS", "Failed Login"]}, True),
        ({"event_types": ["XSS"]}, False),
        ({"severity": ["MEDIUM"], "event_types": ["XSS"]}, False),
        ({"min_severity": "MEDIUM"}, True),
        ({"min_severity": "HIGH"}, False),
        ({"sources": ["network"]}, False),
    ],
)
def test_filters(arguments, matches):
    assert EventFilter(**arguments).matches(event()) is matches


def test_subclasses_need_not_call_the_constructor_above():
    class Mine(EventFilter):
        def __init__(self):
            self.mine = True

    assert Mine().matches(event())


def test_the_entity_is_the_blamed_address_before_user_and_path():
    assert event().entity == "192.0.2.7"
    assert event(details={"user": "eve", "path": "/x"}).entity == "eve"
    assert event(details={"ip": "", "user": "root"}).entity == "root"
    assert event(details={}).entity == ""
    assert Event({"details": "text"}).entity == Event({}).entity == ""


def test_settings_of_a_plugin_are_checked():
    class Settings(msgspec.Struct, forbid_unknown_fields=True):
        size: int = 1

    class Mine(Plugin):
        pass

    Mine.Settings = Settings
    assert Mine(size=3).settings.size == 3
    with pytest.raises(msgspec.ValidationError):
        Mine(size="x")
    with pytest.raises(msgspec.ValidationError):
        Mine(sise=3)


def test_a_batch_stops_at_the_first_event_that_fails():
    class Sink(EventSink):
        taken = ()

        def send_event(self, event):
            if event.details["n"] == 2:
                raise OSError("full")
            self.taken = (*self.taken, event.details["n"])

    sink = Sink()
    with pytest.raises(SinkError) as caught:
        sink.send_batch([event(details={"n": n}) for n in range(5)])
    assert list(caught.value.refused) == [2, 3, 4]
    assert sink.taken == (0, 1)


def test_known_types_have_a_severity_and_a_source():
    for severity, source in TYPES.values():
        assert Severity(severity)
        assert source in ("network", "host", "application", "system")


def test_names_that_are_no_text_are_encoded_as_escapes():
    made = event(details={"path": "/tmp/\udcff", "\ud800": [("x", "\udc80")]}).stamped()
    assert Event.decode(made.encoded()).details == {
        "path": "/tmp/\\udcff",
        "\\ud800": [["x", "\\udc80"]],
    }
