"""What a run of `sync` did, as its manifest and as the answer to whoever started it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

INCOMPLETE, AGAIN, ERROR = 1, 75, 3  # statuses; 75 is EX_TEMPFAIL of sysexits.h


def worst(statuses: Iterable[int]) -> int:
    """0: all is there; 1: not all can be had; 75: try again; 3: somebody must see to it."""
    found = set(statuses) - {0}
    return ERROR if found - {AGAIN, INCOMPLETE} else max(found, default=0)


class Missing(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a stream, [start, end) in ms, that is not there, and why."""

    log_stream_name: str
    start: int
    end: int
    reason: str


class Failure(msgspec.Struct, frozen=True, rename="camel"):
    """A stream that could not be read to its end; the next run goes on with it."""

    log_stream_name: str
    code: str
    message: str
    exit_status: int


class Written(msgspec.Struct, frozen=True, rename="camel"):
    """A file that was made or changed. added: events that are new in it."""

    log_stream_name: str
    file: str
    added: int
    events: int
    bytes: int
    sha256: str


class Outcome(msgspec.Struct, rename="camel"):
    """One run. streams: that the group has; asked: those that may have had something new."""

    log_group_name: str
    region: str
    folder: str
    started_at: str
    finished_at: str = ""
    streams: int = 0
    asked: int = 0
    new_events: int = 0
    complete: bool = False
    files: list[Written] = []
    gaps: list[Missing] = []
    failures: list[Failure] = []

    def conclude(self, finished_at: str) -> None:
        """Put the parts, as threads came by with them, in one order, and sum up."""
        self.files.sort(key=lambda one: one.file)
        self.gaps.sort(key=lambda one: (one.log_stream_name, one.start))
        self.failures.sort(key=lambda one: one.log_stream_name)
        self.new_events = sum(one.added for one in self.files)
        self.complete = not self.gaps and not self.failures
        self.finished_at = finished_at

    @property
    def exit_status(self) -> int:
        """What `worst` says of all failures and gaps."""
        statuses = [one.exit_status for one in self.failures]
        return worst(statuses + [INCOMPLETE] * bool(self.gaps))
