"""The events of one window: each once, in the one order that the same events always have.

Few enough to stay in memory, as windows are cut; where one cannot be cut (a flood within a single
millisecond) they go to a temporary database, so that memory stays flat whatever comes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mlids.cloudwatch.answers import LogEvent

MOST_EVENTS = 50_000
MOST_CHARACTERS = 8 << 20
_TABLE = """
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
CREATE TABLE events (stream TEXT, id TEXT, timestamp INTEGER, ingested INTEGER, message TEXT);
CREATE UNIQUE INDEX once ON events (stream, id) WHERE id <> '';
"""
_SORTED = """
SELECT timestamp, message, ingested, id, stream FROM events
ORDER BY timestamp, ingested, length(id), id, rowid
"""


def in_order(event: LogEvent) -> tuple[int, int, int, str]:
    """What AWS sorts by (time, then when it was taken in), and the id, which counts up."""
    id = event.event_id
    return event.timestamp, event.ingestion_time, len(id), id


class Gathered:
    """Events as they come, without those that came before. folder: where the overflow goes."""

    def __init__(self, folder: Path | str | None = None) -> None:
        self._folder = folder
        self._events: list[LogEvent] = []
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        self._characters = 0
        self._overflow: _Overflow | None = None

    def __len__(self) -> int:
        return len(self._events) if self._overflow is None else len(self._overflow)

    @property
    def is_full(self) -> bool:
        """Whether more events should be another window's."""
        return len(self) >= MOST_EVENTS or self._characters >= MOST_CHARACTERS

    def add(self, events: list[LogEvent]) -> list[LogEvent]:
        """Take events; returns those that are new. Without an id every one is."""
        if self._overflow is None and self.is_full:
            self._overflow = _Overflow(self._folder)
            self._overflow.add(self._events)
            self._events, self._seen = [], defaultdict(set)
        if self._overflow is not None:
            return self._overflow.add(events)
        fresh = []
        for event in events:
            if event.event_id:
                seen = self._seen[event.log_stream_name]
                if event.event_id in seen:
                    continue
                seen.add(event.event_id)
            self._characters += len(event.message)
            fresh.append(event)
        self._events += fresh
        return fresh

    def cut(self, end: int) -> None:
        """Leave out what is of `end` (ms) or later: it is the next window's."""
        if self._overflow is not None:
            self._overflow.cut(end)
        self._events = [event for event in self._events if event.timestamp < end]

    def sorted(self) -> Iterator[LogEvent]:
        """The events in their order."""
        if self._overflow is not None:
            return self._overflow.sorted()
        self._events.sort(key=in_order)
        return iter(self._events)


class _Overflow:
    """A table on the disk, without a name, so that it is gone with the process."""

    def __init__(self, folder: Path | str | None) -> None:
        with (
            tempfile.NamedTemporaryFile(dir=folder, prefix=".mlids-", suffix=".events") as file,
            _system_errors(),
        ):
            self._table = sqlite3.connect(file.name, check_same_thread=False)
            self._table.executescript(_TABLE)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, events: list[LogEvent]) -> list[LogEvent]:
        with _system_errors():
            fresh = [event for event in events if self._inserted(event)]
        self._count += len(fresh)
        return fresh

    def _inserted(self, event: LogEvent) -> bool:
        row = (event.log_stream_name, event.event_id, event.timestamp, event.ingestion_time)
        done = self._table.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", (*row, event.message)
        )
        return done.rowcount > 0

    def cut(self, end: int) -> None:
        with _system_errors():
            done = self._table.execute("DELETE FROM events WHERE timestamp >= ?", (end,))
        self._count -= done.rowcount

    def sorted(self) -> Iterator[LogEvent]:
        with _system_errors():
            for row in self._table.execute(_SORTED):
                yield LogEvent(*row)


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """SQLite's errors as what they are to whoever downloads: a disk that is full, or fails."""
    try:
        yield
    except sqlite3.OperationalError as error:
        number = errno.ENOSPC if error.sqlite_errorcode == sqlite3.SQLITE_FULL else errno.EIO
        raise OSError(number, os.strerror(number)) from error
