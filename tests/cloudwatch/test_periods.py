from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.cloudwatch.periods import LAST_MS, formatted, moment_ms, period

DAY = 1_736_726_400_000  # 2025-01-13
NOW = DAY + 12 * 3_600_000


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (None, None),
        (0, 0),
        (DAY + 1, DAY + 1),
        (datetime(2025, 1, 13), DAY),
        (datetime(2025, 1, 13, 2, tzinfo=timezone(timedelta(hours=2))), DAY),
        (datetime(2025, 1, 13, 0, 0, 0, 1999), DAY + 1),
        (pd.Timestamp("2025-01-13"), DAY),
        (date(2025, 1, 13), DAY),
        ("2025-01-13", DAY),
        ("2025-01-13T00:00", DAY),
        ("2025-01-13 00:00:01", DAY + 1000),
        ("2025-01-13T00:00:00.25Z", DAY + 250),
        ("2025-01-13T01:00:00+01:00", DAY),
    ],
)
def test_moments(value, ms):
    assert moment_ms(value) == ms


@pytest.mark.parametrize("value", ["2025-01-13", date(2025, 1, 13)])
def test_a_day_given_as_the_end_counts_to_its_last_millisecond(value):
    assert moment_ms(value, end=True) == DAY + 86_399_999


@pytest.mark.parametrize("value", ["2025-01-13T00:00", datetime(2025, 1, 13), DAY])
def test_a_moment_given_as_the_end_is_that_moment(value):
    assert moment_ms(value, end=True) == DAY


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, float("nan"), 1.5, 1e12, [], b"2025-01-13", pd.NaT, type),
        *(-1, LAST_MS + 1, DAY * 1000, date(1969, 12, 31), datetime(1, 1, 1)),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=12))),
        *("", "soon", "7d", "2025-13-01", "2025-02-30", "20250113", "2025011311000", "2025-W03"),
        *("2025-01-13T", "2025-01-13T25:00", "2025-01-13 x", "1736726400000", "2025-01-13\n"),
    ],
    ids=repr,
)
def test_anything_else_is_refused_in_clear_words(value):
    with pytest.raises(ValueError, match=r"is no time|out of range"):
        moment_ms(value)


def test_a_period_is_half_open_and_holds_the_last_millisecond():
    assert period("2025-01-13", "2025-01-13", NOW) == (DAY, DAY + 86_400_000)
    assert period(DAY, DAY, NOW) == (DAY, DAY + 1)
    assert period(None, None, NOW) == (0, NOW)
    assert period(0, 0, NOW) == (0, 1)


@pytest.mark.parametrize(("start", "end"), [(DAY + 1, DAY), (NOW + 1, None)])
def test_a_period_cannot_end_before_it_begins(start, end):
    with pytest.raises(ValueError, match="after its end"):
        period(start, end, NOW)


def test_formatted():
    assert formatted(None) is None
    assert formatted(DAY + 999) == "2025-01-13 00:00:00"
    assert formatted(0) == "1970-01-01 00:00:00"
    assert formatted(-1) == "1969-12-31 23:59:59"
    assert formatted(-60_000_000_000_000) == "0068-09-03 13:20:00"


@given(st.integers())
def test_nothing_makes_formatting_fail(ms):
    assert formatted(ms)


@given(st.datetimes(min_value=datetime(1970, 1, 1)))
def test_what_is_formatted_is_the_moment_to_the_second(moment):
    ms = moment_ms(moment)
    assert formatted(ms) == moment.isoformat(" ")[:19]
    assert moment_ms(formatted(ms)) == ms // 1000 * 1000
    assert moment_ms(moment.replace(tzinfo=UTC)) == ms
