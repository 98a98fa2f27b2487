from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.moments import format_time, parse_time

START_NS = 1_736_764_245 * 10**9


def test_times_are_iso_8601_in_utc_with_microseconds():
    assert format_time(START_NS + 123_456_789) == "2025-01-13T10:30:45.123456Z"
    assert format_time(0) == "1970-01-01T00:00:00.000000Z"


@given(st.integers(-(10**18), 4 * 10**18))
def test_they_are_what_the_library_says_and_are_read_back(time_ns):
    text = format_time(time_ns)
    whole = datetime.fromtimestamp(time_ns // 10**9, UTC)
    assert text == f"{whole:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9 // 1000:06d}Z"
    assert parse_time(text) == time_ns // 1000 * 1000


def test_other_zones_and_none():
    assert parse_time("2025-01-13T11:30:45+01:00") == START_NS
    assert parse_time("2025-01-13T10:30:45") == START_NS
    assert parse_time("1969-12-31T23:59:59.5Z") == -500_000_000
    with pytest.raises(ValueError, match="yesterday"):
        parse_time("yesterday")
