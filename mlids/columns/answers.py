"""Answers: events and sums, from the columns where a file has them, else from its JSON lines.

Columns that fail while they are read are put aside, and the JSON lines read on where they stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from mlids.columns import companions
from mlids.columns.asking import Columns, UnansweredError
from mlids.columns.companions import Head
from mlids.columns.gathering import Gathering
from mlids.columns.plain import LeftOut, numbered
from mlids.columns.questions import Part, Question
from mlids.events import Event

TOGETHER = 16  # segments whose rows are asked for at once
G = TypeVar("G", bound=Gathering)


class Answers:
    """Reads the parts of a store. left_out: what could not be read of them."""

    def __init__(self) -> None:
        self.left_out = LeftOut()
        self._columns = Columns()
        self._sound: set[Head] = set()

    def events(
        self, parts: Sequence[Part], question: Question, newest: bool = False
    ) -> Iterator[Event]:
        """The events that belong to the answer, in the order of the parts; newest: backwards."""
        for run in self._runs(parts, newest):
            if self._has_columns(run[0]):
                yield from self._of_columns(run, question, newest)
            else:
                yield from self._of_lines(run[0], question, newest)

    def _runs(self, parts: Sequence[Part], newest: bool) -> Iterator[list[Part]]:
        """Parts that are asked together, in order: some with columns, or one without."""
        run: list[Part] = []
        for part in reversed(parts) if newest else parts:
            columned = self._has_columns(part)
            if run and (newest or not columned or len(run) >= TOGETHER):
                yield run
                run = []
            if columned:
                run.append(part)
            else:
                yield [part]
        if run:
            yield run

    def gather(self, parts: Sequence[Part], question: Question, total: Gathering) -> None:
        """Add up the events that belong to the answer."""
        if not (question.condition.exact and total.in_sql):
            for event in self.events(parts, question):
                total.add(event)
            return
        columned = []
        for part in parts:
            if self._has_columns(part):
                columned.append(part)
                continue
            for event in self._of_lines(part, question):
                total.add(event)
        if columned:
            self._gather_columns(columned, question, total)

    def _gather_columns(self, parts: Sequence[Part], question: Question, total: G) -> None:
        paths, sum_ = [part.path for part in parts], total.fresh()
        try:
            sum_.ask(self._columns, paths, question)
            for text in self._columns.odd(paths, question):
                if question.query.matches(event := Event.decode(text)):
                    sum_.add(event)
        except UnansweredError:
            self._gather_apart(parts, question, total)
            return
        total.merge(sum_)

    def _gather_apart(self, parts: Sequence[Part], question: Question, total: Gathering) -> None:
        """One of the segments vanished or is damaged: the others can still be asked."""
        if len(parts) == 1:
            companions.discard(parts[0].path)
            for event in self._of_lines(parts[0], question):
                total.add(event)
            return
        middle = len(parts) // 2
        for half in (parts[:middle], parts[middle:]):
            self._gather_columns(half, question, total)

    def _of_columns(self, run: Sequence[Part], question: Question, newest: bool) -> Iterator[Event]:
        reached, last = "", 0
        paths = [part.path for part in run]
        try:
            for name, line, sure, text in self._columns.rows(paths, question, newest):
                reached, last = name, line
                event = Event.decode(text)
                if sure or question.query.matches(event):
                    yield event
        except UnansweredError:
            stems = [companions.stem(path) for path in paths]
            at = stems.index(Path(reached).stem) if reached else 0
        else:
            at = len(run)
        if at < len(run):
            yield from self._resumed(run[at:], question, newest, last)

    def _resumed(
        self, run: Sequence[Part], question: Question, newest: bool, last: int
    ) -> Iterator[Event]:
        """What columns that failed did not tell; last: the line they reached, 0 for none."""
        if len(run) == 1:
            companions.discard(run[0].path)
        if last or len(run) == 1:
            yield from self._of_lines(run[0], question, newest, last)
            run = run[1:]
        for part in run:
            yield from self._of_columns([part], question, newest)

    def _of_lines(
        self, part: Part, question: Question, newest: bool = False, told: int = 0
    ) -> Iterator[Event]:
        """The events of one file; told: the last line that was told already, 0 for none."""
        found = (
            event
            for number, event in numbered(part.path, self.left_out, part.stream)
            if not (told and (number >= told if newest else number <= told))
            and question.meets(event)
        )
        yield from reversed(list(found)) if newest else found

    def _has_columns(self, part: Part) -> bool:
        known = part.head
        if not known or not known.columns or not self._columns.available:
            return False
        if known not in self._sound:
            if not companions.sound(part.path, known):
                companions.discard(part.path)
                return False
            self._sound.add(known)
        return True
