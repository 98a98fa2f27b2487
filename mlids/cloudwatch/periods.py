"""Moments and periods as CloudWatch counts them: milliseconds since 1970, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import overload

Moment = datetime | date | int | str | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
LAST_MS = 253_402_300_799_999  # of the year 9999


def moment_ms(value: Moment, *, end: bool = False) -> int | None:
    """Milliseconds since 1970 of a moment; None stays None.

    value: a datetime (UTC unless it has a zone), a date, whole milliseconds, or a text such as
    ``2025-01-13``, ``2025-01-13T10:00:00.5`` or ``2025-01-13T10:00+02:00``.
    end: a day alone means its last millisecond, not its first. Raises ValueError for anything else
    and for what lies before 1970 or after 9999.
    """
    if value is None:
        return None
    shown = repr(value)
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, datetime):
        past = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
        ms = past // _MS
    elif isinstance(value, date):
        ms = (value - _EPOCH.date()).days * _DAY_MS + (_DAY_MS - 1 if end else 0)
    else:
        ms = value
    if not isinstance(ms, int) or isinstance(ms, bool):  # pandas' NaT is a datetime, too
        raise ValueError(f"{shown} is no time: a datetime, a date, an ISO 8601 text or whole ms")
    if not 0 <= ms <= LAST_MS:
        raise ValueError(f"{shown} is out of range: from 1970 to 9999, in milliseconds")
    return ms


def _parsed(text: str) -> datetime | date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        if re.match(r"\d{4}-\d\d-\d\d[Tt ]\d", text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no time: 2025-01-13 or 2025-01-13T10:00:00 is meant")


def period(start: Moment, end: Moment, now_ms: int) -> tuple[int, int]:
    """The half open period [start, end) of two moments, the last millisecond of `end` included.

    Without a start it begins in 1970, without an end it ends at `now_ms`. Raises ValueError where
    it would end before it begins.
    """
    first, last = moment_ms(start), moment_ms(end, end=True)
    begin, until = first or 0, now_ms if last is None else last + 1
    if begin > until or (last is not None and begin > last):
        ends = formatted(now_ms if last is None else last)
        raise ValueError(f"the period begins ({formatted(begin)}) after its end ({ends})")
    return begin, until


@overload
def formatted(ms: int) -> str: ...
@overload
def formatted(ms: None) -> None: ...
@overload
def formatted(ms: int | None) -> str | None: ...
def formatted(ms: int | None) -> str | None:
    """``2025-01-13 10:30:45`` (UTC); None stays None, what no calendar holds is shown as it is."""
    if ms is None:
        return None
    try:
        return _second(ms // 1000)
    except OverflowError:
        return str(ms)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Events come many a second."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(" ")[:19]
