import time

import click
import pytest

from mlids.cli.times import Moment, seconds
from mlids.events import format_time


@pytest.mark.parametrize(
    ("text", "end", "moment"),
    [
        ("2025-01-13", False, "2025-01-13T00:00:00.000000Z"),
        ("2025-01-13", True, "2025-01-14T00:00:00.000000Z"),
        ("2025-01-13T10:00", True, "2025-01-13T10:00:00.000000Z"),
        ("2025-01-13T10:00:00+02:00", False, "2025-01-13T08:00:00.000000Z"),
    ],
)
def test_moments(text, end, moment):
    assert format_time(Moment(end).convert(text, None, None)) == moment


def test_so_long_ago():
    found = Moment().convert("2h", None, None)
    assert abs(time.time_ns() - 7200 * 10**9 - found) < 5 * 10**9


@pytest.mark.parametrize("text", ["", "yesterday", "7x", "-7d", "2025-13-01", "99999999999999d"])
def test_anything_else_is_refused(text):
    with pytest.raises(click.BadParameter, match="is meant"):
        Moment().convert(text, None, None)


def test_spans():
    assert [seconds(t) for t in ("90s", "15m", "24h", "7d", "2w", "7")] == [
        90, 900, 86_400, 604_800, 1_209_600, None,
    ]  # fmt: skip
