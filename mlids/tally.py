"""Tally: what a number of events add up to. The roll-up beside each sealed segment is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mlids.events import Event
from mlids.moments import format_time

HOUR_S = 3600
FIELDS = ("ip", "user", "path", "rule", "target", "technique", "host")
Cell = tuple[int, str, str, str]  # hour (seconds since 1970), type, severity, source


class Tally(msgspec.Struct):
    """Counts of events; two of them add up to the counts of both.

    cells: per hour, type, severity and source; values: per field of `FIELDS` how often each value
    came, whole and not cut to the most frequent; suppressed: triggers that events stand for beside
    themselves (the volume law); first_ns, last_ns: the events' own times, 0 for none.
    """

    total: int = 0
    first_ns: int = 0
    last_ns: int = 0
    suppressed: int = 0
    cells: dict[Cell, int] = {}
    values: dict[str, dict[str, int]] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> Tally:
        """The counts of these events."""
        tally = cls()
        for event in events:
            tally.add(event)
        return tally

    def add(self, event: Event) -> None:
        """Count one event."""
        now, details = event.time_ns, event["details"]
        cell = (now // 10**9 // HOUR_S * HOUR_S, event["type"], event["severity"], event["source"])
        self.cells[cell] = self.cells.get(cell, 0) + 1
        for field, value in _values(event, details):
            counts = self.values.setdefault(field, {})
            counts[value] = counts.get(value, 0) + 1
        held_back = details.get("suppressed")
        self.suppressed += held_back if isinstance(held_back, int) else 0
        self._span(now, now)
        self.total += 1

    def merge(self, other: Tally) -> None:
        """Add the counts of another one."""
        for cell, count in other.cells.items():
            self.cells[cell] = self.cells.get(cell, 0) + count
        for field, counts in other.values.items():
            mine = self.values.setdefault(field, {})
            for value, count in counts.items():
                mine[value] = mine.get(value, 0) + count
        self.suppressed += other.suppressed
        if other.total:
            self._span(other.first_ns, other.last_ns)
        self.total += other.total

    def _span(self, first: int, last: int) -> None:
        self.first_ns = min(self.first_ns, first) if self.total else first
        self.last_ns = max(self.last_ns, last) if self.total else last

    def by(self, field: str) -> dict[str, int]:
        """How often each value of a field came, the most frequent first.

        field: type, severity, source, hour (00 to 23, UTC), day (2025-01-13), weekday (0, Monday,
        to 6), or one of `FIELDS`.
        """
        if field in FIELDS:
            return dict(Counter(self.values.get(field, {})).most_common())
        counts: Counter[str] = Counter()
        for cell, count in self.cells.items():
            counts[_part(cell, field)] += count
        return dict(counts.most_common())


def _values(event: Event, details: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for field in ("ip", "user", "path", "target"):
        if value := details.get(field):
            yield field, str(value)
    for field in ("rule", "host"):
        if value := event.get(field):
            yield field, str(value)
    techniques = event.get("techniques")
    for technique in techniques if isinstance(techniques, list) else ():
        yield "technique", str(technique)


def _part(cell: Cell, field: str) -> str:
    hour, type, severity, source = cell
    if field == "hour":
        return f"{hour // HOUR_S % 24:02d}"
    if field == "day":
        return format_time(hour * 10**9)[:10]
    if field == "weekday":
        return str((hour // 86400 + 3) % 7)  # 1970 began on a Thursday
    return {"type": type, "severity": severity, "source": source}[field]
