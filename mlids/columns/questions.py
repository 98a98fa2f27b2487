"""Questions to the stored events: what is asked, and which files may hold an answer."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple

from mlids.columns.companions import Head
from mlids.events import Event
from mlids.moments import LAST_NS
from mlids.query import Condition, Query, parse


class Part(NamedTuple):
    """One file of the store.

    head: what its companion says, None where it has none; stream: the open file as it was when the
    files were listed, since it may be sealed before it is read.
    """

    path: Path
    head: Head | None = None
    stream: IO[bytes] | None = None


class Question:
    """A query over a period of the events' own time, in ns; last is exclusive.

    In the text of a query ``now`` is the moment at which it is asked.
    """

    def __init__(self, query: Query | str, first: int = 0, last: int | None = None) -> None:
        self.query = parse(query, time.time_ns()) if isinstance(query, str) else query
        self.first = max(0, first)
        self.last = LAST_NS if last is None else max(0, min(last, LAST_NS))

    @cached_property
    def condition(self) -> Condition:
        """The query over columns."""
        return self.query.sql()

    def meets(self, event: Event) -> bool:
        """True where the event belongs to the answer."""
        return self.first <= event.time_ns < self.last and self.query.matches(event)

    def may_meet(self, known: Head) -> bool:
        """False where no event of a segment can belong to the answer."""
        within = known.rows and known.first_ns < self.last and known.last_ns >= self.first
        possible = not known.types or self.query.possible(known.types, known.severities)
        return bool(within) and possible

    def covers(self, known: Head) -> bool:
        """True where every event of a segment belongs to the answer."""
        return self.query.empty and self.first <= known.first_ns and known.last_ns < self.last
