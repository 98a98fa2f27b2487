"""One stream into one file, from its begin or from where an interrupted download stopped."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlids.cloudwatch import catalog
from mlids.cloudwatch.faults import DENIED, code_of
from mlids.cloudwatch.forms import FORMS
from mlids.cloudwatch.manifest import About, Gap, Manifest
from mlids.cloudwatch.names import file_name
from mlids.cloudwatch.recording import Recording
from mlids.cloudwatch.windows import windows

if TYPE_CHECKING:
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor

DAY_MS = 86_400_000
SAVE_S = 1.0  # between two notes of how far it is


def now_ms() -> int:
    """The time, in ms since 1970."""
    return time.time_ns() // 1_000_000


def exported_at() -> str:
    """The time as exports carry it: ``2025-01-01T12:00:00``, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def default_path(stream: str, form: str, folder: Path = Path("logs")) -> Path:
    """The file of a stream, which never lies outside the folder, whatever its name."""
    return folder / (file_name(stream) + FORMS[form].suffix)


class Download:
    """A period of one stream; first, last: its first and last ms, None where it is open."""

    def __init__(
        self,
        extractor: CloudWatchLogsExtractor,
        stream: str,
        first: int | None,
        last: int | None,
        form: str,
    ) -> None:
        if form not in FORMS:
            raise ValueError(f"{form!r} is none of the forms {', '.join(FORMS)}")
        if first is not None and last is not None and first > last:
            raise ValueError("the period ends before it begins")
        self._of = extractor
        self._stream = stream
        self._first, self._last = first, last
        group, region = extractor.log_group_name, extractor.region_name
        self._about = About(group, stream, region, form, first, last)

    def run(self, path: Path) -> Manifest:
        """Write the file; whatever goes wrong, what was read is gone on with next time."""
        listed = self._listed()
        end = self._now() if self._last is None else self._last + 1
        recording = Recording(path, self._about, self._first or 0, self._of.late_ms)
        try:
            self._read(recording, listed, end)
            recording.manifest.gaps += self._expired(listed, end)
            told = recording.finish(end, self._of.reader.api, exported_at())
        except BaseException:
            with contextlib.suppress(Exception):  # what went wrong is what counts
                recording.save()
            recording.close()
            raise
        finally:
            self._of.progress.ended(self._stream)
        told.file = str(path)
        return told

    def _read(self, recording: Recording, listed: dict[str, Any], end: int) -> None:
        progress, saved = self._of.progress, time.monotonic()
        stream, start, folder = self._stream, recording.reached, recording.path.parent
        progress.expect(stream, listed, start, end)
        read = partial(progress.moved, stream)
        for window in windows(self._of.reader, stream, start, end, folder, read):
            recording.add(window, self._now())
            if time.monotonic() - saved > SAVE_S:
                recording.save()
                saved = time.monotonic()

    def _now(self) -> int:
        """The time by AWS's clock, in ms."""
        return now_ms() - self._of.access.ahead_ms

    def _listed(self) -> dict[str, Any]:
        """What AWS says of the stream; nothing where that is denied.

        Raises ResourceNotFoundException where it is not there.
        """
        from botocore.exceptions import ClientError

        try:
            return catalog.log_stream(self._of.access, self._of.log_group_name, self._stream)
        except ClientError as error:
            if code_of(error) in DENIED:
                return {}
            raise

    def _expired(self, listed: dict[str, Any], end: int) -> list[Gap]:
        """What of the period the group does not keep any more."""
        from botocore.exceptions import ClientError

        if self._first is None:
            return []  # all that is there was asked for
        try:
            days = self._of.get_log_group_info()["retentionInDays"]
        except ClientError:
            return []
        horizon = now_ms() - (days or 0) * DAY_MS
        begin = max(self._first, listed.get("creationTime") or 0)
        if not days or begin >= horizon:
            return []
        return [Gap(begin, min(end, horizon), f"the group keeps its events for {days} days only")]
