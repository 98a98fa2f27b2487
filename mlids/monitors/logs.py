"""Log files: any number of them, followed through rotation, or read once to their end.

Nothing is lost and nothing repeated over rotation and restart (see `mlids.lines.tailing`); each
input keeps its ledger: read = matched + unmatched + rejected.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from mlids import registry
from mlids.batches import InputStatus, LineBatch, LogFormat, Monitor
from mlids.errors import MLIDSError
from mlids.lines.checkpoints import Checkpoint, Progress
from mlids.lines.compressed import PlainReader
from mlids.lines.cutting import Cut, Cutter
from mlids.lines.tailing import Tail

HEARTBEAT_S = 1.0
SNIFFED = 65536  # bytes at the beginning of a chunk by which its format is told
LEAST_LIKELY = 0.5  # a format that is less likely than this is not taken


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the log monitor."""

    paths: Annotated[
        list[str], msgspec.Meta(description="Log files; - is standard input", extra={"key": ""})
    ] = []
    checkpoint: Annotated[
        str | None,
        msgspec.Meta(
            description="File that keeps the places reached over restarts", extra={"key": ""}
        ),
    ] = None
    follow: Annotated[
        bool,
        msgspec.Meta(
            description="Wait for more; otherwise read to the end once", extra={"key": ""}
        ),
    ] = True
    from_start: Annotated[
        bool, msgspec.Meta(description="Begin files that have no checkpoint at their first line")
    ] = False
    format: Annotated[
        str, msgspec.Meta(description="Name of the log format; empty: told from the lines")
    ] = ""
    timezone: Annotated[
        str, msgspec.Meta(description="IANA name of the zone of stamps without one; empty: local")
    ] = ""
    max_line: Annotated[
        int, msgspec.Meta(ge=256, le=16 << 20, description="Bytes of the longest line that is kept")
    ] = 65536
    poll_s: Annotated[
        float, msgspec.Meta(ge=0.01, le=10, description="Seconds between two looks when idle")
    ] = 0.25
    chunk: Annotated[int, msgspec.Meta(ge=4096, le=64 << 20, description="Bytes read at once")] = (
        1 << 20
    )


class Logs(Monitor):
    """Yields the lines of log files; one lane for all of them, so attacks across files are seen."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._checkpoint = Checkpoint(self.settings.checkpoint)
        self._inputs = {path: _Input(path, self.settings) for path in self.settings.paths}
        self._tails: dict[str, Tail] = {}
        self._reached: dict[str, Progress] = {}

    def open(self) -> None:
        """Take up the checkpoint. Files that are missing or unreadable are told and waited for."""
        if not self.settings.follow:
            return
        saved = self._checkpoint.load()
        self._reached = {path: saved[path] for path in self._inputs if path in saved}
        self._begin()

    def _begin(self) -> None:
        """Take each file at its place, now: what is written from here on is read, come what may."""
        self.close()
        for path in self._inputs:
            saved = self._reached.get(path)
            tail = Tail(path, self.settings.max_line, saved, from_start=self.settings.from_start)
            tail.tell = self._teller(path)
            self._tails[path] = tail
            tail.place()
        self._reached = {path: tail.progress() for path, tail in self._tails.items()}
        self.delivered()

    def batches(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The lines of all files, in turns; followed files give an empty batch each idle second."""
        return self._follow(stop) if self.settings.follow else self._scan(stop)

    def _follow(self, stop: threading.Event) -> Iterator[LineBatch]:
        if not self._tails:
            self._begin()
        beat = time.monotonic()
        while not stop.is_set():
            busy = False
            for path, tail in self._tails.items():
                for piece in tail.pieces(self.settings.chunk):
                    busy = True
                    self._reached = {**self._reached, path: piece.progress}
                    yield self._inputs[path].batch(piece.cut, time.time_ns())
                    if stop.is_set():
                        return
            if not busy and time.monotonic() - beat >= HEARTBEAT_S - self.settings.poll_s:
                beat = time.monotonic()
                self._reached = {path: tail.progress() for path, tail in self._tails.items()}
                yield _heartbeat(time.time_ns())
            if not busy:
                stop.wait(self.settings.poll_s)

    def _teller(self, path: str) -> Callable[[MLIDSError], None]:
        def tell(error: MLIDSError) -> None:
            self._inputs[path].note = error.message
            self.tell(error)

        return tell

    def _scan(self, stop: threading.Event) -> Iterator[LineBatch]:
        for known in self._inputs.values():
            try:
                yield from self._scan_one(known, stop)
            except MLIDSError as error:
                known.fail(error)
                self.tell(error)
            if stop.is_set():
                return

    def _scan_one(self, known: _Input, stop: threading.Event) -> Iterator[LineBatch]:
        with _opened(known.path) as file:
            status = os.fstat(file.fileno())
            written = status.st_mtime_ns if known.path != "-" else time.time_ns()
            known.state, known.counts["size"] = "ok", status.st_size
            reader = PlainReader(file, known.path)
            cutter = Cutter(self.settings.max_line)
            damage: MLIDSError | None = None
            while not stop.is_set():
                try:
                    chunk = reader.read(self.settings.chunk)
                except MLIDSError as error:  # what could be read is used
                    damage, chunk = error, b""
                cut = cutter.feed(chunk) if chunk else cutter.finish()
                known.counts["bytes"] = reader.tell()
                if cut is not None:
                    yield known.batch(cut, written)
                if not chunk:
                    break
            if damage is not None:
                raise damage

    def delivered(self) -> None:
        """Keep the places reached: everything up to there is stored."""
        if not self.settings.follow:
            return
        try:
            self._checkpoint.save(self._reached)
        except OSError as error:
            place = f"{self.settings.checkpoint}: {error.strerror or error}"
            self.tell(MLIDSError("E103", f"places reached cannot be kept: {place}"))

    def close(self) -> None:
        """Close the files; only `delivered` moves the checkpoint."""
        for tail in self._tails.values():
            tail.close()
        self._tails = {}

    def inputs(self) -> list[InputStatus]:
        """Each file, how it fares, and its ledger."""
        return [known.status(self._tails.get(path)) for path, known in self._inputs.items()]


class _Input:
    """One path: its format and its ledger."""

    def __init__(self, path: str, settings: Settings) -> None:
        self.path = path
        self.state, self.note = "waiting", ""
        self.counts = dict.fromkeys(("read", "matched", "unmatched", "rejected"), 0)
        self._timezone = settings.timezone
        self._format = _format(settings.format, settings.timezone) if settings.format else None
        self._chosen = bool(settings.format)

    def batch(self, cut: Cut, written: int) -> LineBatch:
        """The lines with their format, counted."""
        batch = LineBatch(
            data=cut.data,
            starts=cut.starts,
            ends=cut.ends,
            numbers=cut.numbers,
            source=self.path,
            base=cut.base,
            written=written,
            format=self._format,
        )
        matched = self._matched(batch)
        if not matched and not self._chosen and len(batch):
            self._format = _likeliest(cut.data[int(cut.starts[0]) :][:SNIFFED], self._timezone)
            batch = LineBatch(**{**vars(batch), "format": self._format, "memo": {}})
            matched = self._matched(batch)
        self._count(len(batch), matched, cut)
        return batch

    def _matched(self, batch: LineBatch) -> int:
        return int(self._format.recognised(batch).sum()) if self._format and len(batch) else 0

    def _count(self, lines: int, matched: int, cut: Cut) -> None:
        counts = self.counts
        counts["read"] += lines + cut.rejected
        counts["matched"] += matched
        counts["unmatched"] += lines - matched
        counts["rejected"] += cut.rejected

    def fail(self, error: MLIDSError) -> None:
        """It cannot be read, or not to its end."""
        self.state, self.note = "failed", error.message

    def status(self, tail: Tail | None) -> InputStatus:
        """How it fares."""
        counts, state, note = dict(self.counts), self.state, self.note
        if tail is not None:
            counts["gaps"] = tail.gaps
            state, note = tail.state, tail.note
        return InputStatus(self.path, "log", state, note, counts)


def _heartbeat(now: int) -> LineBatch:
    none = np.empty(0, dtype=np.int64)
    return LineBatch(b"", none, none, none, source="logs", now=now, written=now)


def _opened(path: str) -> Any:
    """A file for reading once. Raises `MLIDSError` E004, E007."""
    try:
        if path == "-":
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        return Path(path).open("rb")
    except FileNotFoundError:
        raise MLIDSError("E007", f"{path} is not there") from None
    except OSError as error:
        code = "E004" if isinstance(error, PermissionError) else "E103"
        raise MLIDSError(code, f"{path}: {error.strerror or error}") from None


def _format(name: str, timezone: str) -> LogFormat:
    """A format by its name. Raises `MLIDSError` E002 where there is none."""
    try:
        plugin = registry.plugin("formats", name)
    except KeyError:
        raise MLIDSError("E002", f"there is no log format {name!r}") from None
    zoned = "timezone" in plugin.Settings.__struct_fields__
    made = plugin(timezone=timezone) if zoned else plugin()
    assert isinstance(made, LogFormat)
    return made


def _likeliest(chunk: bytes, timezone: str) -> LogFormat | None:
    """The format that the lines most likely have, None where none is likely."""
    formats = [_format(name, timezone) for name in registry.names("formats")]
    scores = [(known.sniff(chunk), number) for number, known in enumerate(formats)]
    best, number = max(scores, default=(0.0, -1))
    return formats[number] if best >= LEAST_LIKELY else None
