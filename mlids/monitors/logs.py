"""Log files: any number of them, followed through rotation, or read once to their end.

A path may be a file, a folder, a glob, or ``-`` (standard input). Nothing is lost and nothing
repeated over rotation and restart (see `mlids.lines.tailing` and `mlids.lines.following`); each
input keeps its ledger: read = matched + unmatched + rejected.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from mlids import registry
from mlids.batches import InputStatus, LineBatch, LogFormat, Monitor
from mlids.errors import MLIDSError
from mlids.lines.checkpoints import Checkpoint, Kept, Progress
from mlids.lines.compressed import PlainReader
from mlids.lines.cutting import Cutter
from mlids.lines.following import Files
from mlids.lines.inputs import Inputs, LogInput
from mlids.lines.piped import Piped
from mlids.lines.recognition import Formats

HEARTBEAT_S = 1.0
TURN = 4  # pieces that standard input gives before the files' turn


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the log monitor."""

    paths: Annotated[
        list[str],
        msgspec.Meta(description="Files, folders, globs; - is standard input", extra={"key": ""}),
    ] = []
    own: Annotated[
        list[str],
        msgspec.Meta(description="Folders that MLIDS itself writes", extra={"key": ""}),
    ] = []
    known_formats: Annotated[
        Any,
        msgspec.Meta(description="The formats there are, made as configured", extra={"key": ""}),
    ] = None
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
    formats: Annotated[
        dict[str, str],
        msgspec.Meta(description="By path or glob the name of its format; the first that fits"),
    ] = msgspec.field(default_factory=dict)
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
        chosen = self.settings
        formats = chosen.known_formats or Formats(registry.names("formats"), self._format)
        self._inputs = Inputs(formats, chosen.format, chosen.formats)
        if not chosen.follow:
            for path in chosen.paths:
                self._inputs.of(path)
        self._checkpoint = Checkpoint(chosen.checkpoint)
        self._files: Files | None = None
        self._piped: Piped | None = None
        self._changes: deque[tuple[int, dict[str, Progress], Kept | None]] = deque()
        self._place = 0
        self._kept: tuple[dict[str, Progress], Kept] = {}, Kept()

    def _format(self, name: str) -> LogFormat:
        plugin = registry.plugin("formats", name)
        zoned = "timezone" in plugin.Settings.__struct_fields__
        made = plugin(timezone=self.settings.timezone) if zoned else plugin()
        assert isinstance(made, LogFormat)
        return made

    def open(self) -> None:
        """Take up the checkpoint. Files that are missing or unreadable are told and waited for."""
        if self.settings.follow:
            self._begin()

    def _begin(self) -> None:
        """Take each file at its place, now: what is written from here on is read, come what may."""
        self.close()
        saved = self._checkpoint.load()
        chosen = self.settings
        self._files = Files(
            chosen.paths,
            chosen.max_line,
            from_start=chosen.from_start,
            own=chosen.own,
            tell=self._told,
        )
        for path in self._files.plain:
            self._inputs.of(path)
        self._changes.clear()
        self._files.begin(saved, self._checkpoint.kept, self._checkpoint.written_ns)
        followed = self._files.followed.items()
        self._kept = {path: one.reached() for path, one in followed}, self._files.kept()
        if "-" in chosen.paths:
            self._open_pipe()
        self.delivered()

    def _open_pipe(self) -> None:
        known, self._piped = self._inputs.of("-"), Piped(self.settings.max_line)
        try:
            self._piped.open()
        except MLIDSError as error:
            self._piped = None
            known.fail(error)
            self.tell(error)
        else:
            known.state = "ok"

    def batches(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The lines of all files, in turns; followed files give an empty batch each idle second."""
        return self._follow(stop) if self.settings.follow else self._scan(stop)

    def _follow(self, stop: threading.Event) -> Iterator[LineBatch]:
        if self._files is None:
            self._begin()
        assert self._files is not None
        beat = time.monotonic()
        while not stop.is_set() and (self._files.followed or self._files.patterns or self._piped):
            busy = False
            for batch in self._new(self._files):
                busy = True
                yield batch
                if stop.is_set():
                    return
            if not busy and time.monotonic() - beat >= HEARTBEAT_S - self.settings.poll_s:
                beat = time.monotonic()
                self._note(self._files.changed(), self._files.kept())
                yield _heartbeat(time.time_ns())
            if not busy:
                stop.wait(self.settings.poll_s)

    def _new(self, files: Files) -> Iterator[LineBatch]:
        for one, piece in files.pieces(self.settings.chunk):
            self._note({one.path: piece.progress}, None)
            yield self._inputs.of(one.path, one.pattern).batch(piece.cut, time.time_ns())
        for _ in range(TURN):
            if self._piped is None:
                return
            known = self._inputs.of("-")
            try:
                cut = self._piped.read(self.settings.chunk)
            except OSError as error:
                known.note = error.strerror or str(error)
                self._piped.ended, cut = True, None
            if cut is not None:
                yield known.batch(cut, time.time_ns())
            if self._piped.ended:
                rest = self._piped.rest()
                self._piped.close()
                self._piped, known.note = None, known.note or "ended"
                if rest is not None:
                    yield known.batch(rest, time.time_ns())
            if cut is None:
                return

    def _told(self, path: str, error: MLIDSError) -> None:
        self.tell(error)

    def _note(self, changes: dict[str, Progress], kept: Kept | None) -> None:
        """A place that was reached; `delivered` keeps it once its events are stored."""
        self._place += 1
        self._changes.append((self._place, changes, kept))

    def reached(self) -> Any:
        """The number of the place behind what was yielded."""
        return self._place

    def delivered(self, reached: Any = None) -> None:
        """Keep the places reached: everything up to there is stored."""
        if not self.settings.follow:
            return
        progress, kept = self._kept
        while self._changes and (reached is None or self._changes[0][0] <= reached):
            _, changes, newer = self._changes.popleft()
            progress |= changes
            kept = newer or kept
            if newer:
                held = {*newer.found, *self.settings.paths}
                progress = {path: one for path, one in progress.items() if path in held}
        self._kept = progress, kept
        try:
            self._checkpoint.save(progress, kept)
        except OSError as error:
            place = f"{self.settings.checkpoint}: {error.strerror or error}"
            self.tell(MLIDSError("E103", f"places reached cannot be kept: {place}"))

    def _scan(self, stop: threading.Event) -> Iterator[LineBatch]:
        for path in self.settings.paths:
            known = self._inputs.of(path)
            try:
                yield from self._scan_one(known, stop)
            except MLIDSError as error:
                known.fail(error)
                self.tell(error)
            if stop.is_set():
                return

    def _scan_one(self, known: LogInput, stop: threading.Event) -> Iterator[LineBatch]:
        """One file, closed as soon as its end is known: a scan may have thousands of them."""
        with _opened(known.path) as file:
            status = os.fstat(file.fileno())
            written = status.st_mtime_ns if known.path != "-" else time.time_ns()
            known.state, known.counts["size"] = "ok", status.st_size
            cutter = Cutter(self.settings.max_line)
            parts = _parts(PlainReader(file, known.path), self.settings.chunk, known)
            data, damage = next(parts)
            while not stop.is_set():
                ahead = next(parts) if data and known.path != "-" else None
                if ahead is not None and not ahead[0]:
                    file.close()
                cut = cutter.feed(data) if data else cutter.finish()
                if cut is not None:
                    yield known.batch(cut, written)
                if damage is not None:  # what could be read was used
                    raise damage
                if not data:
                    return
                data, damage = ahead or next(parts)

    def close(self) -> None:
        """Close the files; only `delivered` moves the checkpoint."""
        if self._files is not None:
            self._files.close()
            self._files = None
        if self._piped is not None:
            self._piped.close()
            self._piped = None

    def inputs(self) -> list[InputStatus]:
        """Each file, how it fares, and its ledger."""
        files = self._files
        if files is None:
            return self._inputs.statuses({})
        return self._inputs.statuses(files.followed, tuple(files.patterns))


def _heartbeat(now: int) -> LineBatch:
    none = np.empty(0, dtype=np.int64)
    return LineBatch(b"", none, none, none, source="logs", now=now, written=now)


def _parts(
    reader: PlainReader, size: int, known: LogInput
) -> Iterator[tuple[bytes, MLIDSError | None]]:
    """What is read, until nothing is, or the damage that ends it."""
    data = b"more"
    while data:
        damage: MLIDSError | None = None
        try:
            data = reader.read(size)
        except MLIDSError as error:
            data, damage = b"", error
        known.counts["bytes"] = reader.tell()
        yield data, damage


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
