from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.events import format_time
from mlids.layouts import values

TIMES = [
    ("2025-01-13T10:30:45Z", "2025-01-13T10:30:45.000000Z"),
    ("2025-01-13T10:30:45.123456789Z", "2025-01-13T10:30:45.123456Z"),
    ("2025-01-13T10:30:45.25+02:00", "2025-01-13T08:30:45.250000Z"),
    ("2025-01-13T10:30:45.123456+0000", "2025-01-13T10:30:45.123456Z"),
    ("2025-01-13 10:30:45,5", "2025-01-13T10:30:45.500000Z"),
    ("2025-01-13 10:30:45.784", "2025-01-13T10:30:45.784000Z"),
    ("13/Jan/2025:10:30:45 +0100", "2025-01-13T09:30:45.000000Z"),
    (1736764245, "2025-01-13T10:30:45.000000Z"),
    (1736764245.5, "2025-01-13T10:30:45.500000Z"),
    ("1736764245.123456", "2025-01-13T10:30:45.123456Z"),
    (1736764245500, "2025-01-13T10:30:45.500000Z"),
    (1736764245500000, "2025-01-13T10:30:45.500000Z"),
    (1736764245500000000, "2025-01-13T10:30:45.500000Z"),
    ({"$date": "2025-01-13T10:30:45Z"}, "2025-01-13T10:30:45.000000Z"),
    ({"$date": 1736764245500}, "2025-01-13T10:30:45.500000Z"),
]


@pytest.mark.parametrize(("value", "expected"), TIMES, ids=[str(value) for value, _ in TIMES])
def test_times(value, expected):
    assert format_time(values.moment(value)) == expected


@pytest.mark.parametrize(
    "value",
    [None, True, "", "yesterday", -1, 0, [], {}, {"$date": {"$date": 1}}, "2025-02-30T10:30:45Z",
     "9" * 30, 10**40, float("inf"), float("nan"), "٣" * 12, "2025-01-13T10:30:45+99:99"],
)  # fmt: skip
def test_what_is_no_time_is_unknown(value):
    assert values.moment(value) == 0


def test_stamps_without_a_zone_are_local():
    assert (
        format_time(values.moment("2025-01-13T10:30:45", "Europe/Berlin"))[:16]
        == "2025-01-13T09:30"
    )


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text())))
def test_nothing_raises(value):
    assert 0 <= values.moment(value) < 1 << 63
    for read in (values.text, values.address, values.outcome):
        found = read(value)
        assert found is None or isinstance(found, bytes)


def test_text():
    assert values.text("a") == b"a"
    assert values.text(["curl"]) == b"curl"
    assert values.text(7) == b"7"
    assert values.text(True) == b"true"
    assert values.text("\ud800") == b"?"
    for nothing in (None, "", "-", {}, [], [[1]], "(null)"):
        assert values.text(nothing) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", b"203.0.113.7"),
        ("203.0.113.7:4711", b"203.0.113.7"),
        ("::ffff:203.0.113.7", b"203.0.113.7"),
        ("[2001:db8::1]:53", b"2001:db8::1"),
        ("2001:DB8::1", b"2001:db8::1"),
        ("fe80::1%eth0", b"fe80::1"),
        ("203.0.113.7, 8.8.8.8", None),
        ("203.0.113.7 ", None),
        ("host.example", None),
        ("ip:203.0.113.7", None),
        ("1.2.3.4.5", None),
        ("x" * 5000, None),
        (7, None),
    ],
)
def test_only_a_proper_address_is_one(text, address):
    assert values.address(text) == address


def test_outcome():
    assert [values.outcome(v) for v in (True, "Success", "allowed")] == [b"success"] * 3
    assert [values.outcome(v) for v in (False, "FAILED", "denied")] == [b"failure"] * 3
    assert [values.outcome(v) for v in (None, "", "maybe", 1, {})] == [None] * 5
