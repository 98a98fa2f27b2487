"""A period read window by window, each followed to the true end of its pages.

A window reaches as far as its events fit in memory: where there are more, it is cut at the last
time seen, and the next one begins there. AWS sorts by time, so what lies before is whole; where an
answer is not sorted nothing is cut.

The end of the pages is where no token comes (FilterLogEvents), or the one that was sent with
nothing more (GetLogEvents). A token that comes again is asked for again, and if that does not help
the rest is asked for anew from the last time seen; what cannot be had so is a gap, never silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlids.cloudwatch.answers import Answer, LogEvent
from mlids.cloudwatch.gathering import Gathered
from mlids.cloudwatch.reading import Reader, TokenLost

Read = Callable[[int, int], None]
STALLS = 3  # how often in a row a token that leads to nothing new is asked for
IDLE = 500  # pages in a row with nothing new, after which AWS is not believed any more


@dataclass
class Window:
    """What was read of [start, end), in ms. gap: why not all of it could be, "" if it could."""

    start: int
    end: int
    gathered: Gathered
    pages: int = 0
    duplicates: int = 0
    gap: str = ""

    def __len__(self) -> int:
        return len(self.gathered)

    def events(self) -> Iterator[LogEvent]:
        """The events in their order, each once."""
        return self.gathered.sorted()


def windows(
    reader: Reader,
    stream: str | None,
    start: int,
    end: int,
    folder: Path | str | None = None,
    read: Read = lambda count, time: None,
) -> Iterator[Window]:
    """The windows that make up [start, end) of a stream, or of the whole group (None), in order.

    folder: where what does not fit in memory goes; read: is told of each page how many events it
    had that are new, and up to which time, in ms. Raises what `Reader.page` does.
    """
    while start < end:
        window = _Scan(reader, stream, start, end, folder, read).window()
        yield window
        start = window.end


@dataclass
class _Scan:
    """One window in the making."""

    reader: Reader
    stream: str | None
    start: int
    end: int
    folder: Path | str | None
    read: Read
    is_sorted: bool = True
    stalls: int = 0  # pages in a row whose token had been asked for
    losses: int = 0  # tokens lost since there was something new
    idle: int = 0
    asked: set[str | None] = field(default_factory=set)
    before: list[LogEvent] = field(default_factory=list)  # the page before

    def __post_init__(self) -> None:
        self.found = Window(self.start, self.end, Gathered(self.folder))
        self.last = self.start

    def window(self) -> Window:
        """Follow the pages to their end, or to where the window is cut."""
        token: str | None = None
        while True:
            try:
                answer = self.reader.page(self.stream, self.start, self.end, token)
            except TokenLost:
                self.losses += 1
                if self.losses < STALLS and not self._can_be_cut():
                    self._anew()
                    token = None
                    continue
                return self._given_up("a page could not be asked for any more")
            fresh = self._took(answer, token)
            if not answer.token or self._is_end(answer, token):
                return self.found
            if self.found.gathered.is_full and self._can_be_cut():
                return self._cut()
            was_asked = answer.token in self.asked
            if was_asked and fresh and not self.reader.has_ids:  # what comes again looks new
                return self._given_up("AWS repeats a token")
            leads_back = not fresh and (was_asked or answer.token == token)
            self.stalls = self.stalls + 1 if leads_back else 0
            self.idle = 0 if fresh else self.idle + 1
            if self.stalls >= STALLS:
                return self._given_up("AWS repeats a token")
            if self.idle >= IDLE:
                return self._given_up("AWS sends pages without end")
            self.asked.add(token)
            token = answer.token

    def _anew(self) -> None:
        """Ask again from the begin of the window; without ids what was read counts for nothing."""
        self.asked.clear()
        if not self.reader.has_ids:
            self.found.gathered, self.last = Gathered(self.folder), self.start

    def _took(self, answer: Answer, token: str | None) -> list[LogEvent]:
        """Keep what is new in a page; returns that."""
        found, came = self.found, answer.events
        found.pages += 1
        if not self.reader.has_ids and token == answer.token and came == self.before:
            return []  # the same page once more
        self.before = came
        inside = [event for event in came if self.start <= event.timestamp < self.end]
        fresh = found.gathered.add(inside)
        found.duplicates += len(inside) - len(fresh)
        if fresh:
            times = [event.timestamp for event in fresh]
            ordered = sorted(times)
            self.is_sorted &= times == ordered and times[0] >= self.last
            self.last = max(self.last, ordered[-1])
            if self.reader.has_ids:  # else all of it counts as new each time
                self.losses = 0
            self.read(len(fresh), self.last)
        return fresh

    def _is_end(self, answer: Answer, token: str | None) -> bool:
        return not self.reader.has_ids and answer.token == token and not answer.events

    def _can_be_cut(self) -> bool:
        return self.is_sorted and self.last > self.start

    def _cut(self) -> Window:
        before = len(self.found)
        self.found.gathered.cut(self.last)
        self.found.end = self.last
        self.read(len(self.found) - before, self.last)
        return self.found

    def _given_up(self, why: str) -> Window:
        """Begin anew from the last time seen; if that was done already, it is a gap."""
        if self._can_be_cut():
            return self._cut()
        self.found.gap = why
        return self.found
