"""How many tries a day pass unseen at a constant pace, on the clock of the data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mlids.detectors.brute_force import BruteForce
from mlids.formats.syslog import Syslog
from mlids.testing import lines, run

BEGIN = datetime(2025, 1, 10, tzinfo=UTC)
DAYS = 3


def rows() -> list[dict[str, Any]]:
    """The most tries a day from one address that are not told, by bisection."""
    low, high = 1, 2000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return [
        {
            "what": "password guesses a day from one address that pass unseen",
            "figure": str(low),
            "reach": "<= 29",
            "ok": low <= 29,
            "note": f"constant pace over {DAYS} days",
        }
    ]


def seen(tries_a_day: int) -> bool:
    """Whether a constant pace of failed logins is told."""
    step = timedelta(days=1) / tries_a_day
    text = [
        f"{(BEGIN + n * step).isoformat(timespec='microseconds')} gate sshd[{n}]: "
        "Failed password for root from 203.0.113.7 port 40 ssh2"
        for n in range(tries_a_day * DAYS)
    ]
    batch = lines(*text, format=Syslog())
    return bool(run(BruteForce(), [batch]))
