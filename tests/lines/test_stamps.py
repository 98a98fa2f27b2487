from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.errors import ConfigError
from mlids.lines import stamps

NS = 10**9


def ns(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * NS


def inferred(month: int, day: int, second: int, written: int, zone: str = "UTC") -> int:
    columns = (np.array([number], dtype=np.int64) for number in (month, day, second))
    return int(stamps.infer(*columns, written, zone)[0])


def plainly(month: int, day: int, second: int, written: int, zone: str) -> int:
    """The latest year that gives a time at most a day after `written`."""
    limit = datetime.fromtimestamp(written // NS, ZoneInfo(zone)).replace(tzinfo=None)
    for year in range(limit.year + 2, limit.year - 9, -1):
        try:
            naive = datetime(year, month, day) + timedelta(seconds=second)
        except ValueError:
            continue
        if naive <= limit + timedelta(days=1):
            return int(naive.replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS
    return 0


@given(
    st.integers(1, 12),
    st.integers(1, 31),
    st.integers(0, 86399),
    st.integers(ns(1995, 1, 1), ns(2090, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_years_are_those_of_the_plain_way(month, day, second, written, zone):
    found = inferred(month, day, second, written, zone)
    expected = plainly(month, day, second, written, zone)
    # the limit itself is taken in UTC first: within an hour of it both years are right
    if abs(found - expected) > 366 * 86400 * NS:
        pytest.fail(f"{found} {expected}")
    edge = abs(expected - written - 86400 * NS) < 2 * 3600 * NS
    other = abs(found - written - 86400 * NS) < 2 * 3600 * NS
    assert found == expected or edge or other


def test_across_new_year():
    new_year = ns(2025, 1, 1, 0, 5)
    assert inferred(12, 31, 86399, new_year) == ns(2024, 12, 31, 23, 59, 59)
    assert inferred(1, 1, 60, new_year) == ns(2025, 1, 1, 0, 1)


def test_a_clock_that_is_ahead_a_little_does_not_lose_a_year():
    assert inferred(1, 1, 60, ns(2024, 12, 31, 23)) == ns(2025, 1, 1, 0, 1)


def test_the_29th_of_february_is_of_the_last_leap_year():
    assert inferred(2, 29, 0, ns(2026, 6, 1)) == ns(2024, 2, 29)
    assert inferred(2, 29, 0, ns(2103, 6, 1)) == ns(2096, 2, 29)


def test_no_date_is_zero():
    for month, day, second in ((2, 30, 0), (4, 31, 0), (1, 0, 0), (1, 1, -1)):
        assert inferred(month, day, second, ns(2025, 6, 1)) == 0
    assert inferred(1, 1, 0, 0) == inferred(1, 1, 0, -1) == 0
    assert inferred(1, 1, 0, 1 << 90) > 0


def test_summer_time_is_kept():
    summer = inferred(7, 1, 12 * 3600, ns(2025, 8, 1), "Europe/Berlin")
    winter = inferred(1, 1, 12 * 3600, ns(2025, 8, 1), "Europe/Berlin")
    assert (summer, winter) == (ns(2025, 7, 1, 10), ns(2025, 1, 1, 11))


def test_an_unknown_zone_is_a_configuration_error():
    assert stamps.check_zone("Europe/Berlin") == "Europe/Berlin"
    for zone in ("Mars/Olympus", "../../etc/passwd", "/etc/passwd"):
        with pytest.raises(ConfigError):
            stamps.check_zone(zone)


def test_iso_seconds():
    assert stamps.iso_second(b"2025-01-13T10:30:45", b"+02:00", "") * NS == ns(
        2025, 1, 13, 8, 30, 45
    )
    berlin = stamps.iso_second(b"2025-07-13T10:30:45", b"", "Europe/Berlin")
    assert berlin * NS == ns(2025, 7, 13, 8, 30, 45)
    with pytest.raises(ValueError):
        stamps.iso_second(b"2025-13-13T10:30:45", b"", "")
