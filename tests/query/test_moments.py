import pytest

from mlids.events import parse_time
from mlids.query.moments import NS, span


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2025", "2025-01-01", "2026-01-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("2025-01-13", "2025-01-13", "2025-01-14"),
        ("2025-01-13T10", "2025-01-13T10:00", "2025-01-13T11:00"),
        ("2025-01-13 10:30", "2025-01-13T10:30", "2025-01-13T10:31"),
        ("2025-01-13T10:30:45", "2025-01-13T10:30:45", "2025-01-13T10:30:46"),
        ("2025-01-13T10:30:45.5", "2025-01-13T10:30:45.5", "2025-01-13T10:30:45.6"),
        ("2025-01-13T10:30Z", "2025-01-13T10:30", "2025-01-13T10:31"),
        ("2025-01-13T10:30+02:00", "2025-01-13T08:30", "2025-01-13T08:31"),
        ("2025-01-13T10:30-0130", "2025-01-13T12:00", "2025-01-13T12:01"),
    ],
)
def test_a_prefix_names_all_that_begins_with_it(text, first, last):
    assert span(text) == (parse_time(first), parse_time(last))


def test_now_is_given():
    assert span("now", 5 * NS) == (5 * NS, 5 * NS + 1)
    assert span("now-2h", 7205 * NS)[0] == 5 * NS
    with pytest.raises(ValueError):
        span("now")


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-13", "2025-02-30", "9999", "2025-01-13T25", "2025-01-13T10+99:00"],
)
def test_what_is_no_time(text):
    with pytest.raises((ValueError, OverflowError)):
        span(text)
