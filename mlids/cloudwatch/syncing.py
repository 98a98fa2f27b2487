"""A folder kept the same as a group: each run fetches what is new since the last one.

Each stream has a folder of its own in it, with a file for each day (UTC) in the order of time: the
last stretch before a run is read again by the next one and takes the place of what was there, so
that what came late stands where it belongs. The files depend on what is in CloudWatch, not on how
often it was asked.

``.sync/checkpoint.json`` is how far each stream was read, ``.sync/manifest.json`` what the last run
did; each file has a manifest of its own beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlids.atomic import sweep, write_atomically
from mlids.cloudwatch import faults, parallel
from mlids.cloudwatch.checkpoint import Checkpoint, Through
from mlids.cloudwatch.daily import Daily
from mlids.cloudwatch.downloading import DAY_MS, exported_at, now_ms
from mlids.cloudwatch.faults import DENIED, code_of
from mlids.cloudwatch.manifest import About
from mlids.cloudwatch.names import file_name
from mlids.cloudwatch.outcomes import Failure, Missing, Outcome, Written
from mlids.cloudwatch.patterns import StreamPatterns
from mlids.cloudwatch.periods import formatted
from mlids.cloudwatch.windows import windows
from mlids.errors import MLIDSError
from mlids.locking import FolderLock

if TYPE_CHECKING:
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor

STATE = ".sync"  # no stream's folder begins with a dot
KEPT = ("checkpoint.json", "manifest.json")
DELAY_MS = DAY_MS  # AWS tells a stream's last event within the hour, "in rare situations" later


class Sync:
    """One run over a group.

    patterns: of the names of streams, such as ``web/*``; all without. first: ms where a stream that
    was never read begins (None: at its first event). form: text or jsonl.
    """

    def __init__(
        self,
        extractor: CloudWatchLogsExtractor,
        folder: Path,
        patterns: Sequence[str] = (),
        first: int | None = None,
        form: str = "text",
    ) -> None:
        self._of = extractor
        self._folder, self._form = folder, form
        self._patterns = StreamPatterns(patterns)
        self._first = first or 0
        self._horizon = 0  # what is older, in ms, the group has not kept
        self._lock = threading.Lock()
        group, region = extractor.log_group_name, extractor.region_name
        self._places, self._told = (folder / STATE / name for name in KEPT)
        self._checkpoint = Checkpoint(self._places, group, region, form)
        self._outcome = Outcome(group, region, str(folder), exported_at())

    def run(self) -> Outcome:
        """Fetch what is new; what fails for a single stream is in the outcome.

        Raises `MLIDSError` (E210: another run is going on there), OSError, and botocore's errors
        where the streams cannot even be listed.
        """
        held = FolderLock(self._folder / STATE)
        try:
            held.acquire()
        except MLIDSError as error:
            if error.code != "E006":
                raise
            raise MLIDSError("E210", f"another sync is running in {self._folder}") from error
        try:
            sweep(self._places)
            sweep(self._told)
            self._checkpoint.load()
            try:
                self._fetch()
            finally:
                self._checkpoint.save()
        finally:
            held.release()
        return self._outcome

    def _fetch(self) -> None:
        self._horizon = self._kept_since()
        streams = self._of.list_log_streams(order_by="LogStreamName", descending=False)
        streams = [one for one in streams if self._patterns.matches(one["logStreamName"])]
        asked = [one for one in streams if self._may_have_more(one)]
        wanted = {one["logStreamName"] for one in asked}
        self._seen({one["logStreamName"] for one in streams} - wanted)
        outcome, now = self._outcome, now_ms()
        outcome.streams, outcome.asked = len(streams), len(asked)
        for one in asked:
            self._of.progress.expect(one["logStreamName"], one, self._start(one), now)
        found = parallel.each(self._stream, asked, self._of.parallel, self._of.stop)
        for one, result in zip(asked, found, strict=True):
            if isinstance(result, Exception):
                self._failed(one["logStreamName"], result)
        outcome.conclude(exported_at())
        shown = msgspec.json.format(msgspec.json.encode(outcome), indent=1)
        write_atomically(self._told, shown)

    def _kept_since(self) -> int:
        """From when on, in ms, the group keeps its events."""
        from botocore.exceptions import ClientError

        try:
            days = self._of.get_log_group_info()["retentionInDays"]
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            return 0
        return now_ms() - days * DAY_MS if days else 0

    def _may_have_more(self, listed: dict[str, Any]) -> bool:
        place, last = self._checkpoint.of(listed["logStreamName"]), listed["lastEventTimestamp"]
        if place is None or last is None:
            return True
        again = place.again(self._of.late_ms)
        return bool(last >= again - DELAY_MS) or again > now_ms()

    def _seen(self, silent: Iterable[str]) -> None:
        """Streams that were looked at, and had nothing new, have lost nothing since."""
        for name in silent:
            place = self._checkpoint.of(name)
            assert place is not None
            self._checkpoint.note(name, msgspec.structs.replace(place, read_at=now_ms()))

    def _lost(self, listed: dict[str, Any], place: Through | None) -> str:
        """Why nothing before the place is to be had any more, "" where it is."""
        if place is None:
            return ""
        if place.created and (listed["creationTime"] or 0) > place.created:
            return "the stream was deleted and made anew"
        if place.read_at < self._horizon:
            return "the group did not keep its events for so long"
        return ""

    def _start(self, listed: dict[str, Any]) -> int:
        place = self._checkpoint.of(listed["logStreamName"])
        if place is None:
            return self._first
        return place.through if self._lost(listed, place) else place.again(self._of.late_ms)

    def _stream(self, listed: dict[str, Any]) -> None:
        """Fetch what is new in one stream."""
        name, end = listed["logStreamName"], now_ms() - self._of.access.ahead_ms
        place, start = self._checkpoint.of(name), self._start(listed)
        if place is not None and (again := place.again(self._of.late_ms)) > end:
            raise _too_early(again)
        about = About(self._of.log_group_name, name, self._of.region_name, self._form)
        folder, lost = self._folder / file_name(name), self._lost(listed, place)
        files = Daily(folder, about, start, self._of.late_ms, again=place is not None)
        reached = partial(Through, read_at=end, created=listed["creationTime"] or 0)
        try:
            # What is lost is told at the end, and once: until then the place stays.
            for through in self._read(name, files, end):
                if not lost:
                    self._checkpoint.note(name, reached(through))
        finally:
            files.close()
            self._of.progress.ended(name)
            self._note(name, files)
        self._checkpoint.note(name, reached(through))
        if place is not None and lost:
            until = max(place.through, min(end, listed["firstEventTimestamp"] or self._horizon))
            self._missing(Missing(name, place.through, until, lost))

    def _read(self, name: str, files: Daily, end: int) -> Iterator[int]:
        """Read to the end; gives up to where nothing is missing, in ms, as it goes on."""
        reader, read, whole = self._of.reader, partial(self._of.progress.moved, name), end
        for window in windows(reader, name, files.start, end, self._folder, read):
            files.add(window, end, reader.api)
            if window.gap:
                self._missing(Missing(name, window.start, window.end, window.gap))
                whole = min(whole, window.start)
            if files.through:
                yield min(whole, files.through, *self._fewer(files))
        files.finish(end, reader.api)
        for day, file, missed in files.fewer:
            if day in self._fewer(files):
                why = f"AWS gave {missed:,} events fewer than before; {file} was left as it was"
                self._missing(Missing(name, day, min(day + DAY_MS, end), why))
        yield min([whole, *self._fewer(files)])

    def _fewer(self, files: Daily) -> list[int]:
        """The days that are asked for again, but for those that AWS does not keep any more."""
        return [one.day for one in files.fewer if one.day >= self._horizon]

    def _note(self, name: str, files: Daily) -> None:
        with self._lock:
            self._outcome.files += [
                Written(name, one.file, added, one.total_events, one.bytes, one.sha256)
                for one, added in files.changed
            ]

    def _missing(self, gap: Missing) -> None:
        with self._lock:
            self._outcome.gaps.append(gap)

    def _failed(self, name: str, error: Exception) -> None:
        if not faults.is_fault(error):
            raise error
        group, region = self._of.log_group_name, self._of.region_name
        told = faults.told(error, group=group, stream=name, region=region)
        self._outcome.failures.append(Failure(name, told.code, told.message, told.exit_status))


def _too_early(start: int) -> MLIDSError:
    """Nothing could be fetched until then, and nobody would know."""
    text = (
        f"it was read up to {formatted(start)}, which is still to come: the clock of this machine"
        f" was wrong then, or is now; if it is right, {STATE}/{KEPT[0]} must go, to fetch all anew"
    )
    return MLIDSError("E209", text)
