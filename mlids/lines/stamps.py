"""Times of log lines, whole columns at a time: missing years inferred, local times made UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from mlids.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

NS = 1_000_000_000
DAY = 86_400
LATEST = (1 << 63) - 2 * DAY * NS  # a file's time may be anything
QUARTER = 900  # offsets of zones change at whole quarters of an hour
YEARS_BACK = 9  # two leap years are at most eight years apart (1896 and 1904)
MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def check_zone(zone: str) -> str:
    """The name of a time zone if it is one; "" is the machine's own. Raises `ConfigError`."""
    try:
        if zone:
            ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ConfigError("E002", f"there is no time zone {zone!r}") from None
    return zone


def days_since_1970(year: Numbers | int, month: Numbers, day: Numbers) -> Numbers:
    """Days of a civil date (H. Hinnant, chrono-compatible low-level date algorithms)."""
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days: Numbers = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days


def infer(month: Numbers, day: Numbers, second: Numbers, written: int, zone: str) -> Numbers:
    """Nanoseconds since 1970 of dates that lack their year; 0 where there is no such date.

    month 1 to 12; day; second of the local day; written: ns by which the lines were written: the
    latest year is taken that gives a time at most a day later.
    """
    times = np.zeros(len(month), dtype=np.int64)
    if written <= 0:
        return times
    limit = datetime.fromtimestamp(min(written, LATEST) // NS, UTC).replace(
        tzinfo=None
    ) + timedelta(days=1)
    latest = int((limit - datetime(1970, 1, 1)).total_seconds())
    latest += _offset(zone, latest // QUARTER)
    newest = (datetime(1970, 1, 1) + timedelta(seconds=latest)).year
    open_rows = np.flatnonzero((day >= 1) & (day <= np.take(DAYS, month)) & (second >= 0))
    for year in range(newest, newest - YEARS_BACK, -1):
        if not len(open_rows):
            break
        m, d = month[open_rows], day[open_rows]
        naive = days_since_1970(year, m, d) * DAY + second[open_rows]
        fits = naive <= latest
        if not _leap(year):
            fits &= (m != 2) | (d != 29)
        times[open_rows[fits]] = utc(naive[fits], zone)
        open_rows = open_rows[~fits]
    return times * NS


def utc(naive: Numbers, zone: str) -> Numbers:
    """UTC seconds of local ones; of an hour that occurs twice the first is meant."""
    quarters, place = np.unique(naive // QUARTER, return_inverse=True)
    offsets = np.array([_offset(zone, int(q)) for q in quarters], dtype=np.int64)
    return naive - offsets[place]


@lru_cache(maxsize=65536)
def _offset(zone: str, quarter: int) -> int:
    """Seconds that local time is ahead of UTC in this quarter of an hour of local time."""
    local = datetime(1970, 1, 1) + timedelta(seconds=quarter * QUARTER)
    aware = local.replace(tzinfo=_zone(zone)) if zone else local.astimezone()
    return int((aware.utcoffset() or timedelta()).total_seconds())


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def iso_second(text: bytes, zone: bytes, local: str) -> int:
    """Seconds since 1970 of ``2025-01-13T10:30:45`` and a zone (``Z``, ``+02:00``, none: local).

    Raises ValueError where there is no such time.
    """
    if len(zone) > 1 and zone[-2:] >= b"60":  # the standard library takes +00:60 for an hour
        raise ValueError("a zone's minutes are below 60")
    moment = datetime.fromisoformat((text + zone).decode("ascii").replace("z", "Z"))
    if moment.tzinfo is not None:
        return int(moment.timestamp())
    naive = int((moment - datetime(1970, 1, 1)).total_seconds())
    return naive - _offset(local, naive // QUARTER)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
