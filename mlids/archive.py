"""Archive: the one engine that answers questions about stored events.

Roll-ups answer what asks for no rows, columns what can be asked in SQL, and the JSON lines
everything else; each gives the same answer, only sooner or later.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mlids import segments
from mlids.columns import companions
from mlids.columns.answers import Answers
from mlids.columns.builders import Progress, complete
from mlids.columns.gathering import Counts, Sums
from mlids.columns.keys import key, window
from mlids.columns.plain import LeftOut
from mlids.columns.questions import Part, Question
from mlids.events import Event
from mlids.query import Query
from mlids.tally import FIELDS, Tally

_TALLIED = {*FIELDS, "type", "severity", "source", "hour", "day", "weekday"}


class Archive:
    """The events below `folder`, while they are written or not. Needs no lock.

    Every question takes a query (its text, or read by `mlids.query.parse`) and a period: since_ns
    and until_ns, the latter exclusive, of the events' own time. It raises `QueryError` for a query
    that cannot be read, and `MLIDSError` E004 for a file that cannot.

    progress: told how many segments have got their columns, of how many, while a question waits
    for that; complete: whether questions build what is missing, where they can.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        progress: Progress = lambda done, of: None,
        complete: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.progress = progress
        self.complete = complete
        self._answers = Answers()
        self._tried: set[Path] = set()

    @property
    def left_out(self) -> LeftOut:
        """What the questions so far could not read."""
        return self._answers.left_out

    def search(
        self,
        query: Query | str = "",
        since_ns: int = 0,
        until_ns: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> Iterator[Event]:
        """Events without their proof, in the order they were written; newest: the last one first.

        limit: at most so many. They are read as they are asked for: memory stays bounded.
        """
        question = Question(query, since_ns, until_ns)
        return self._limited(question, limit, newest)

    def _limited(self, question: Question, limit: int | None, newest: bool) -> Iterator[Event]:
        parts = self._parts(question)
        try:
            yield from islice(self._answers.events(parts, question, newest), limit)
        finally:
            for part in parts:
                if part.stream:
                    part.stream.close()

    def count(self, query: Query | str = "", since_ns: int = 0, until_ns: int | None = None) -> int:
        """How many events there are."""
        question = Question(query, since_ns, until_ns)
        whole, others = self._divided(question)
        counts = Counts([])
        self._answers.gather(others, question, counts)
        return counts.counts.total() + sum(part.head.rows for part in whole if part.head)

    def tally(
        self, query: Query | str = "", since_ns: int = 0, until_ns: int | None = None
    ) -> Tally:
        """What the events add up to."""
        question = Question(query, since_ns, until_ns)
        whole, others = self._divided(question)
        sums = Sums()
        for part in whole:
            if known := companions.tally(part.path):
                sums.tally.merge(known)
            else:
                others.append(part)
        self._answers.gather(others, question, sums)
        return sums.tally

    def group_by(
        self,
        field: str,
        query: Query | str = "",
        since_ns: int = 0,
        until_ns: int | None = None,
        top: int | None = None,
    ) -> list[tuple[str, int]]:
        """How many events there are per value of a field, the most frequent first.

        field: one of the language, or hour (00 to 23, UTC), day, weekday (0, Monday, to 6). Every
        value of a list counts; the empty text does not. Raises `MLIDSError` E105 for other fields.
        """
        counts: Counter[str] = Counter()
        chosen, question = key(field), Question(query, since_ns, until_ns)
        if question.query.empty and field in _TALLIED:
            counts.update(self.tally(question.query, since_ns, until_ns).by(field))
        else:
            found = Counts([chosen])
            self._answers.gather(self._parts(question), question, found)
            counts.update({str(value): count for (value,), count in found.counts.items()})
        counts.pop("", None)
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:top]

    def rates(
        self,
        query: Query | str = "",
        since_ns: int = 0,
        until_ns: int | None = None,
        window_s: int = 300,
        by: str = "type",
    ) -> list[tuple[int, str, int]]:
        """Start (ns since 1970), value of the field `by`, and count, of windows with events.

        Windows begin at multiples of window_s; a window without events has no row.
        """
        question, found = Question(query, since_ns, until_ns), Counts([window(window_s), key(by)])
        self._answers.gather(self._parts(question), question, found)
        return sorted((int(at), str(value), count) for (at, value), count in found.counts.items())

    def _parts(self, question: Question) -> list[Part]:
        """The files that may hold an answer, in the order they were written."""
        sealed, stream = segments.listed(self.folder)
        parts = [Part(path, companions.head(path)) for path in sealed]
        missing = {part.path for part in parts if not part.head} - self._tried
        if self.complete and missing:
            self._tried |= missing  # what cannot be built now cannot be built by asking again
            complete(self.folder, self.progress)
            parts = [
                part if part.head else Part(part.path, companions.head(part.path)) for part in parts
            ]
        for part in parts:
            if part.head:
                self.left_out.note_head(part.head)
        parts = [part for part in parts if not part.head or question.may_meet(part.head)]
        if stream:
            parts.append(Part(self.folder / segments.OPEN, stream=stream))
        return parts

    def _divided(self, question: Question) -> tuple[list[Part], list[Part]]:
        """Segments that are asked for as a whole, and the other files."""
        whole, others = [], []
        for part in self._parts(question):
            if part.head and question.covers(part.head):
                whole.append(part)
            else:
                others.append(part)
        return whole, others
