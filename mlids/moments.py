"""Times as events carry them: nanoseconds since 1970 inside, ISO 8601 in UTC outside."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

LAST_NS = 2**63 - 1  # of what 64 bits hold; in 2262


def format_time(time_ns: int) -> str:
    """Nanoseconds since 1970 as ``2025-01-13T10:30:45.123456Z`` (UTC, microseconds)."""
    minute, nanos = divmod(time_ns, 60_000_000_000)
    second, nanos = divmod(nanos, 1_000_000_000)
    return f"{_minute(minute)}:{second:02d}.{nanos // 1000:06d}Z"


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    """``2025-01-13T10:30`` of minutes since 1970; events come many a minute."""
    days, minute = divmod(minutes, 1440)
    return f"{_day(days)}T{minute // 60:02d}:{minute % 60:02d}"


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, UTC).strftime("%Y-%m-%d")


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    past = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return ((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds) * 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
