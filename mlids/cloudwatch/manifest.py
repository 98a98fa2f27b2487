"""What a download holds, and how far one that is not finished got: JSON beside the file.

Each window ends with the size and the digest of all that was written up to there. So a half-written
file can be cut back to a window that is known to be whole, whatever a crash left behind it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from mlids.atomic import write_atomically

# Forms end in none of these, so no name of a stream can lead to them.
SUFFIX = ".manifest"
PART, PROGRESS, WHOLE = ".part", ".part.manifest", ".part.whole"


class Stretch(msgspec.Struct, frozen=True, rename="camel"):
    """A window as it was read and written.

    start, end, read_at, first and last (of its events): ms; bytes, sha256: of all up to its end.
    """

    start: int
    end: int
    events: int
    first: int | None
    last: int | None
    pages: int
    duplicates: int
    read_at: int
    bytes: int
    sha256: str


class Gap(msgspec.Struct, frozen=True, rename="camel"):
    """A part of the period, [start, end) in ms, that is not there, and why."""

    start: int
    end: int
    reason: str


class About(msgspec.Struct, frozen=True, rename="camel"):
    """What was asked for: by this an interrupted download is known again.

    start, end: ms of the first and the last moment, None where nothing was said.
    """

    log_group_name: str
    log_stream_name: str
    region: str
    format: str
    start: int | None = None
    end: int | None = None


class Manifest(msgspec.Struct, rename="camel"):
    """One file: where it comes from, the windows it was read in, its digest, what is missing.

    Times are ms since 1970. file: its name (its path in what Python callers get). settled: the
    period was over for long enough that nothing late can be missing; complete: there is no gap.
    """

    about: About
    file: str = ""
    api: str = ""
    start: int = 0
    end: int = 0
    total_events: int = 0
    first_event_timestamp: int | None = None
    last_event_timestamp: int | None = None
    duplicates_dropped: int = 0
    bytes: int = 0
    sha256: str = ""
    settled: bool = False
    complete: bool = False
    gaps: list[Gap] = []
    windows: list[Stretch] = []
    exported_at: str = ""
    version: int = 1

    def sum_up(self, late_ms: int) -> None:
        """Fill in what follows from the windows and the gaps. late_ms: how late events may come."""
        windows = self.windows
        self.total_events = sum(window.events for window in windows)
        self.duplicates_dropped = sum(window.duplicates for window in windows)
        times = [time for w in windows for time in (w.first, w.last) if time is not None]
        self.first_event_timestamp = min(times, default=None)
        self.last_event_timestamp = max(times, default=None)
        self.settled = all(window.end <= window.read_at - late_ms for window in windows)
        self.complete = not self.gaps

    def write(self, path: Path) -> None:
        """Replace a manifest at once. Raises `MLIDSError` E004, E106."""
        write_atomically(path, msgspec.json.format(msgspec.json.encode(self), indent=1))


def merged(windows: list[Stretch], span_ms: int) -> list[Stretch]:
    """The same, with neighbours made one where together they are no longer than a span."""
    found: list[Stretch] = []
    for one in windows:
        if found and one.end - found[-1].start <= span_ms and found[-1].end <= one.start:
            found[-1] = _joined(found[-1], one)
        else:
            found.append(one)
    return found


def _joined(one: Stretch, other: Stretch) -> Stretch:
    return msgspec.structs.replace(
        other,
        start=one.start,
        events=one.events + other.events,
        first=other.first if one.first is None else one.first,
        last=one.last if other.last is None else other.last,
        pages=one.pages + other.pages,
        duplicates=one.duplicates + other.duplicates,
        read_at=min(one.read_at, other.read_at),
    )


def read(path: Path) -> Manifest | None:
    """The manifest in a file; None where there is none, or none that makes sense."""
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeError):
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
        if found.version == 1:
            return found
    return None


def beside(path: Path, suffix: str) -> Path:
    """The file beside one that has its name and a suffix."""
    return path.with_name(path.name + suffix)
