"""Moments as people write them in a query: a day, an hour, a minute, or ``now-2h``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

NS = 1_000_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"now(?:-(\d{1,9})([smhdw]))?", re.ASCII | re.IGNORECASE)
_WRITTEN = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?"
    r"(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


def span(text: str, now_ns: int | None = None) -> tuple[int, int]:
    """The first ns and the one behind the last of what the text names; without zone it is UTC.

    ``2025-01-13`` is that day, ``2025-01-13T10:30`` that minute, ``now-2h`` one instant before
    `now_ns`. Raises ValueError.
    """
    if ago := _AGO.fullmatch(text):
        if now_ns is None:
            raise ValueError("nobody said what time it is now")
        seconds = int(ago[1]) * _UNITS[ago[2].lower()] if ago[1] else 0
        moment = max(0, now_ns - seconds * NS)
        return moment, moment + 1
    match = _WRITTEN.fullmatch(text)
    if not match:
        raise ValueError("no time")
    *numbers, fraction, zone = match.groups()
    known = [int(number) for number in numbers if number is not None]
    year, month, day, hour, minute, second = known + [0, 1, 1, 0, 0, 0][len(known) :]
    start = _ns(datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone)))
    if fraction:
        step: int = 10 ** (9 - len(fraction))
        start += int(fraction) * step
        return start, start + step
    return start, start + _length(known) * NS


def _length(known: list[int]) -> int:
    """Seconds of a year, month, day, hour, minute or second."""
    if len(known) > 2:
        return (86_400, 3600, 60, 1)[len(known) - 3]
    year, month = known[0], known[1] if len(known) > 1 else 12
    last = (year + month // 12, month % 12 + 1)
    first = (year, month if len(known) > 1 else 1)
    return (datetime(*last, 1) - datetime(*first, 1)).days * 86_400


def _ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * NS


def _zone(text: str | None) -> timezone:
    if not text or text in "Zz":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
