"""The files of one stream, one for each day (UTC), of which the last ones are written anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from mlids.cloudwatch import manifest
from mlids.cloudwatch.answers import LogEvent
from mlids.cloudwatch.downloading import DAY_MS, exported_at
from mlids.cloudwatch.forms import FORMS
from mlids.cloudwatch.manifest import About, Manifest
from mlids.cloudwatch.periods import formatted
from mlids.cloudwatch.recording import Recording
from mlids.cloudwatch.windows import Window

MERGED_MS = 3_600_000  # windows of earlier runs are told apart by the hour


class Fewer(NamedTuple):
    """A file that was left as it was, as AWS gave less. day: its begin, in ms; missed: events."""

    day: int
    file: Path
    missed: int


class Daily:
    """Takes windows in order of time and puts their events into the files of their days.

    start: from where the files are written anew, in ms; as an attribute it is less than that where
    what is there cannot be gone on with. again: the stream was read before, so that its first day
    is to be whole even if its file is gone. A file does not give way to one with fewer events.
    Raises `MLIDSError` E210 and OSError.
    """

    def __init__(
        self, folder: Path, about: About, start: int, late_ms: int, *, again: bool = False
    ) -> None:
        self._folder, self._about, self._late_ms = folder, about, late_ms
        self._suffix = FORMS[about.format].suffix
        self._before: Manifest | None = None  # what the file that is written held
        self._recording: Recording | None = None
        self.through = 0  # up to here, in ms, all files are finished
        self.fewer: list[Fewer] = []
        self.changed: list[tuple[Manifest, int]] = []  # of each file, and how much it has more
        self.start = start
        if again:
            self._go_on(start)

    def _go_on(self, start: int) -> None:
        before = self._manifest(start)
        self.start = start - start % DAY_MS
        if before is None:
            return
        keep = Manifest(self._about, start=before.start, gaps=before.gaps)
        known = [window for window in before.windows if window.end <= start]
        keep.windows = manifest.merged(known, MERGED_MS)
        self._recording = self._opened(start, before, keep)
        self.start = self._recording.reached

    def _path(self, time: int) -> Path:
        return self._folder / (formatted(time)[:10] + self._suffix)

    def _manifest(self, time: int) -> Manifest | None:
        return manifest.read(manifest.beside(self._path(time), manifest.SUFFIX))

    def _opened(self, time: int, before: Manifest | None, keep: Manifest | None) -> Recording:
        self._before = before
        begin = max(self.start, time - time % DAY_MS)
        path, late_ms = self._path(time), self._late_ms
        return Recording(path, self._about, begin, late_ms, keep=keep, resume=False)

    def add(self, window: Window, read_at: int, api: str) -> None:
        """Write a window that was read by a call at a time, in ms."""
        for part, events in _parts(window, read_at - self._late_ms):
            day = part.start - part.start % DAY_MS
            if self._recording is not None and self._path(day) != self._recording.path:
                self.finish(self._recording.reached, api)
                self.through = day
            if self._recording is None:
                self._recording = self._opened(part.start, self._manifest(day), None)
            self._recording.add(part, read_at, events)

    def finish(self, end: int, api: str) -> None:
        """Finish the file that is being written, if any. end: up to where it was read, in ms."""
        recording, before = self._recording, self._before
        if recording is None:
            return
        count = sum(window.events for window in recording.manifest.windows)
        had = before.total_events if before is not None else 0
        if count < had:
            self.close()
            day = recording.manifest.start - recording.manifest.start % DAY_MS
            self.fewer.append(Fewer(day, recording.path, had - count))
            return
        told = recording.finish(end, api, exported_at())
        self._recording = None
        if before is None or told.sha256 != before.sha256:
            told.file = str(recording.path)
            self.changed.append((told, count - had))

    def close(self) -> None:
        """Leave the file that is being written as it was."""
        if self._recording is not None:
            self._recording.drop()
            self._recording = None


def _parts(window: Window, border: int) -> Iterator[tuple[Window, Iterator[LogEvent]]]:
    """A window's parts with events, apart by day and by `border`, from where it is read again."""

    def place(event: LogEvent) -> tuple[int, bool]:
        return event.timestamp // DAY_MS, event.timestamp >= border

    pages, duplicates = window.pages, window.duplicates
    for (day, is_late), events in groupby(window.events(), place):
        begin, end = day * DAY_MS, (day + 1) * DAY_MS
        if begin < border < end:
            begin, end = (border, end) if is_late else (begin, border)
        begin, end = max(begin, window.start), min(end, window.end)
        yield Window(begin, end, window.gathered, pages, duplicates, window.gap), events
        pages = duplicates = 0
