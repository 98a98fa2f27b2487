import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.tally import FIELDS, Tally
from mlids.testing import event

EVENTS = [
    event(seconds=0),
    event("Port Scan", "HIGH", source="network", seconds=3600, techniques=["T1046"]),
    event(seconds=86_400, details={"ip": "192.0.2.9", "suppressed": 9, "path": "/etc/passwd"}),
]


def test_counts():
    tally = Tally.of(EVENTS)
    assert tally.total == 3
    assert tally.suppressed == 9
    assert tally.by("type") == {"Failed Login": 2, "Port Scan": 1}
    assert tally.by("severity") == {"MEDIUM": 2, "HIGH": 1}
    assert tally.by("source") == {"application": 2, "network": 1}
    assert tally.by("hour") == {"10": 2, "11": 1}
    assert tally.by("day") == {"2025-01-13": 2, "2025-01-14": 1}
    assert tally.by("weekday") == {"0": 2, "1": 1}  # a Monday
    assert tally.by("ip") == {"192.0.2.7": 2, "192.0.2.9": 1}
    assert tally.by("technique") == {"T1046": 1}
    assert tally.by("path") == {"/etc/passwd": 1}
    assert (tally.first_ns, tally.last_ns) == (EVENTS[0].time_ns, EVENTS[2].time_ns)


def test_an_unknown_field_is_an_error():
    with pytest.raises(KeyError):
        Tally.of(EVENTS).by("colour")


@given(st.lists(st.sampled_from(EVENTS)), st.lists(st.sampled_from(EVENTS)))
def test_tallies_add_up(some, others):
    merged = Tally.of(some)
    merged.merge(Tally.of(others))
    assert merged == Tally.of(some + others)


def test_it_can_be_kept():
    tally = Tally.of(EVENTS)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tally), type=Tally) == tally


def test_values_of_any_type_are_counted_as_text():
    odd = event(details={"ip": 7, "user": ["a"], "suppressed": "many"}).replace(techniques="T1")
    tally = Tally.of([odd])
    assert (tally.by("ip"), tally.by("user"), tally.suppressed) == ({"7": 1}, {"['a']": 1}, 0)
    assert all(isinstance(tally.by(field), dict) for field in FIELDS)
