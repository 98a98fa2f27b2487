import msgspec
import pytest

from mlids.events import Event
from mlids.moments import format_time
from mlids.suppression.entries import DAY_NS, Suppression, Suppressions, pattern, until
from mlids.testing import START_NS, event


def entry(**keys):
    usual = {
        "id": "0f8e2d11",
        "created": format_time(START_NS),
        "until": format_time(START_NS + DAY_NS),
        "by": "root",
        "reason": "a test",
    }
    return msgspec.convert({**usual, **keys}, Suppression)


def meant(one, **keys):
    return Suppressions([entry(**keys)]).of(one, START_NS) is not None


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"type": "Failed Login"}, True),
        ({"type": "Failed*"}, True),
        ({"type": "XSS"}, False),
        ({"rule": "login/*"}, True),
        ({"rule": "login"}, False),
        ({"ip": "192.0.2.7"}, True),
        ({"ip": "192.0.2.0/24"}, True),
        ({"ip": "198.51.100.0/24"}, False),
        ({"ip": "2001:db8::/32"}, False),
        ({"user": "adm*"}, True),
        ({"path": "*"}, False),
        ({"entity": "192.0.2.7"}, True),
        ({"entity": "192.0.2.*"}, False),
        ({"type": "Failed Login", "ip": "192.0.2.8"}, False),
        ({"entity": "192.0.2.7", "rule": "x"}, False),
    ],
)
def test_all_conditions_must_fit(conditions, expected):
    assert meant(event(), **conditions) is expected


def test_critical_events_and_incidents_are_meant_only_where_it_is_said():
    for grave in (event(severity="CRITICAL"), event("Incident", "HIGH")):
        assert not meant(grave, ip="192.0.2.7")
        assert meant(grave, ip="192.0.2.7", critical=True)


def test_the_account_of_suppressing_is_never_suppressed():
    for type in ("Events Suppressed", "Configuration Changed"):
        assert not meant(event(type, "LOW"), type="*", critical=True)


def test_it_ends_when_it_says():
    asked = Suppressions([entry(type="*")])
    assert asked.of(event(), START_NS + DAY_NS - 1)
    assert asked.of(event(), START_NS + DAY_NS) is None
    assert entry(type="*").state(START_NS) == "active"
    assert entry(type="*").state(START_NS + DAY_NS) == "expired"
    assert entry(type="*", removed="2025-01-13T00:00:00Z").state(START_NS) == "removed"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "x", "reason": ""},
        {"ip": "not an address"},
        {"type": "x", "until": format_time(START_NS - 1)},
        {"type": "x", "until": format_time(START_NS + 400 * DAY_NS)},
        {"type": "x", "until": "never"},
        {"type": "x", "removed": "garbage"},
        {"typ": "x"},
        {"type": "x", "id": "../../x"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError):
        entry(**wrong)


def test_odd_values_of_events_are_no_trouble():
    odd = Event({**event(), "details": {"ip": ["x"], "user": {"a": 1}, "path": None}, "rule": 7})
    for conditions in ({"ip": "192.0.2.7"}, {"user": "root"}, {"path": "/x"}, {"rule": "x"}):
        assert not meant(odd, **conditions)


def test_a_pattern_is_of_a_whole_text_and_no_text_fits_none():
    assert pattern("a*")("abc") and not pattern("a")("abc")
    assert not pattern("*")("") and not pattern("*")(None)
    assert not pattern("a.c")("abc")


@pytest.mark.parametrize(
    ("given", "days"),
    [("30m", 1 / 48), ("12h", 0.5), ("7d", 7), ("4w", 28), ("2025-01-14T10:30:45Z", 1)],
)
def test_durations_and_dates(given, days):
    end = until(START_NS, given) if given[-1] in "mhdw" else until(START_NS, moment=given)
    assert end == format_time(START_NS + int(days * DAY_NS))


@pytest.mark.parametrize("wrong", ["7", "d", "-7d", "0d", "400d", "9999999d", "1y", "7 d"])
def test_durations_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError):
        until(START_NS, wrong)


@pytest.mark.parametrize("wrong", ["tomorrow", "2024-01-01", "2030-01-01", ""])
def test_dates_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError):
        until(START_NS, moment=wrong)
