"""Counting rows: the `Tally` of a segment while its rows are made, many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from mlids.columns.rows import Row
from mlids.events import Event, Severity
from mlids.query.nodes import SEPARATOR
from mlids.tally import HOUR_S, Cell, Tally

_NAMES = [severity.value for severity in Severity]
_HOUR_NS = HOUR_S * 10**9
_SINGLE = ("ip", "user", "path", "rule", "target", "host")


class RowCounts:
    """What rows add up to; `tally` is what `Tally.of` says of their events."""

    def __init__(self) -> None:
        self._odd = Tally()
        self._plain = Tally()
        self._cells: Counter[Cell] = Counter()
        self._values: dict[str, Counter[str | None]] = {name: Counter() for name in _SINGLE}
        self._techniques: Counter[str | None] = Counter()

    def add(self, rows: Sequence[Row]) -> None:
        """Count rows."""
        for odd in (row for row in rows if row.odd):
            self._odd.add(Event.decode(odd.event))
        rows = [row for row in rows if not row.odd]
        if not rows:
            return
        self._cells.update(
            (row.time // _HOUR_NS * HOUR_S, row.type or "", _NAMES[row.severity], row.source or "")
            for row in rows
        )
        for name, counts in self._values.items():
            counts.update(map(attrgetter(name), rows))
        self._techniques.update(row.techniques for row in rows)
        times = [row.time for row in rows]
        suppressed = sum(row.suppressed or 0 for row in rows)
        self._plain.merge(Tally(len(rows), min(times), max(times), suppressed))

    def tally(self) -> Tally:
        """All that was counted."""
        total = Tally(cells=dict(self._cells))
        for name, counts in self._values.items():
            if known := {value: count for value, count in counts.items() if value}:
                total.values[name] = known
        if techniques := self._split():
            total.values["technique"] = techniques
        total.merge(self._plain)
        total.merge(self._odd)
        return total

    def _split(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for joined, count in self._techniques.items():
            for technique in joined[1:-1].split(SEPARATOR) if joined else ():
                counts[technique] += count
        return dict(counts)
