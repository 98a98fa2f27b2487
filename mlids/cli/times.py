"""Times and spans as people type them."""

from __future__ import annotations

import re
import time

import click

from mlids.events import parse_time

NS = 1_000_000_000
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Moment(click.ParamType[int]):
    """``2025-01-13``, ``2025-01-13T10:00`` (UTC unless it has a zone) or ``7d``: so long ago.

    Gives ns since 1970. end: a day alone means its end.
    """

    name = "time"

    def __init__(self, end: bool = False) -> None:
        self.end = end

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The moment that is meant."""
        ago = seconds(value)
        if ago is not None:
            return time.time_ns() - ago * NS
        try:
            day = re.fullmatch(r"\d{4}-\d\d-\d\d", value)
            return parse_time(value) + (UNITS["d"] * NS if day and self.end else 0)
        except (ValueError, OverflowError):
            self.fail(f"{value!r}: 2025-01-13, 2025-01-13T10:00 or 7d is meant", param, ctx)


def seconds(text: str) -> int | None:
    """The seconds of ``90s``, ``15m``, ``24h``, ``7d`` or ``2w``; None for anything else."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    return int(match[1]) * UNITS[match[2]] if match else None
