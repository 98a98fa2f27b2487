"""What answers add up to: counts by keys, or a tally; of rows in SQL and of events in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Protocol, Self

from mlids.columns.asking import Columns
from mlids.columns.keys import CELL_HOUR, Key, Value, key
from mlids.columns.questions import Question
from mlids.events import Event
from mlids.tally import FIELDS, Tally


class Gathering(Protocol):
    """A sum over events."""

    in_sql: bool  # whether `ask` can be asked

    def fresh(self) -> Self:
        """An empty one of the same kind."""

    def add(self, event: Event) -> None:
        """Add one event."""

    def ask(self, columns: Columns, paths: Sequence[Path], question: Question) -> None:
        """Add the ordinary rows of segments."""

    def merge(self, other: Self) -> None:
        """Add another sum."""


class Counts:
    """How many events came per combination of keys."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = keys
        self.in_sql = all(key.sql for key in keys)
        self.counts: Counter[tuple[Value, ...]] = Counter()

    def fresh(self) -> Counts:
        """An empty one with these keys."""
        return Counts(self.keys)

    def add(self, event: Event) -> None:
        """Count one event; by a list it counts once a value."""
        self.counts.update(product(*(key.of(event) for key in self.keys)))

    def ask(self, columns: Columns, paths: Sequence[Path], question: Question) -> None:
        """Count in SQL."""
        expressions = [key.sql for key in self.keys]
        for *values, count, _, _, _ in columns.groups(paths, expressions, question):
            if count and None not in values:
                self.counts[tuple(values)] += count

    def merge(self, other: Counts) -> None:
        """Add other counts."""
        self.counts.update(other.counts)


class Sums:
    """The `Tally` of events."""

    in_sql = True

    def __init__(self) -> None:
        self.tally = Tally()

    def fresh(self) -> Sums:
        """An empty one."""
        return Sums()

    def add(self, event: Event) -> None:
        """Count one event."""
        self.tally.add(event)

    def ask(self, columns: Columns, paths: Sequence[Path], question: Question) -> None:
        """Count in SQL what `Tally.add` counts."""
        cell = [CELL_HOUR.sql, *(key(name).sql for name in ("type", "severity", "source"))]
        found = columns.groups(paths, cell, question)
        for hour, type, severity, source, count, suppressed, first, last in found:
            cells = {(hour, type, severity, source): count}
            self.tally.merge(Tally(count, first, last, int(suppressed or 0), cells))
        for field in FIELDS:
            counts = Counts([key(field)])
            counts.ask(columns, paths, question)
            values = {str(value): count for (value,), count in counts.counts.items()}
            if field != "technique":
                values.pop("", None)
            if values:
                self.tally.values[field] = values

    def merge(self, other: Sums) -> None:
        """Add another tally."""
        self.tally.merge(other.tally)
