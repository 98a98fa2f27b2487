"""The systemd journal, read through ``journalctl`` and turned into syslog lines.

Entries become lines like ``2025-01-13T10:30:45.123456+00:00 host sshd[123]: message``, so that the
same format and detectors serve both. The place reached is kept as a cursor.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import numpy as np

from mlids import registry
from mlids.batches import InputStatus, LineBatch, LogFormat, Monitor
from mlids.errors import MLIDSError
from mlids.events import format_time
from mlids.lines.checkpoints import replace_file
from mlids.lines.chunks import line_bounds
from mlids.lines.cutting import Cutter

WAIT_S = 0.2  # longest wait for entries before a stop is noticed
HEARTBEAT_S = 1.0
RESTART_S = 1.0  # pause before a journalctl that died is started again
LINES = 4096  # entries a batch, at most
COMMAND = ("journalctl", "--output=json", "--follow", "--all", "--no-pager")


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the journal monitor."""

    checkpoint: Annotated[
        str | None,
        msgspec.Meta(
            description="File that keeps the place reached over restarts", extra={"key": ""}
        ),
    ] = None
    from_start: Annotated[
        bool, msgspec.Meta(description="Without a checkpoint, begin at the oldest entry")
    ] = False
    command: Annotated[
        list[str],
        msgspec.Meta(
            min_length=1, description="Program that writes entries as JSON", extra={"key": ""}
        ),
    ] = msgspec.field(default_factory=lambda: list(COMMAND))
    max_line: Annotated[
        int, msgspec.Meta(ge=256, le=16 << 20, description="Bytes of the longest entry kept")
    ] = 262_144


class Journal(Monitor):
    """Yields the entries of the journal as syslog lines."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None  # what the program says to people
        self._cursor = ""
        self._kept = ""
        self._state, self._note = "ok", ""
        self._counts = dict.fromkeys(("read", "matched", "unmatched", "rejected", "restarts"), 0)

    def open(self) -> None:
        """Start the program. Raises `MLIDSError` E005 where it is missing, E004 where forbidden."""
        if self.settings.checkpoint:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                self._cursor = self._kept = Path(self.settings.checkpoint).read_text().strip()
        if not self._cursor and not self.settings.from_start:
            self._take_place()
        self._start()

    def _take_place(self) -> None:
        """Begin behind the newest entry, and keep that: what comes from now on is read."""
        command = [part for part in self.settings.command if part != "--follow"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired, msgspec.DecodeError):
            done = subprocess.run(
                [*command, "--lines=1"], capture_output=True, timeout=5, check=False
            )
            newest = msgspec.json.decode(done.stdout.splitlines()[-1] if done.stdout else b"{}")
            self._cursor = str(newest.get("__CURSOR", ""))
            self.delivered()

    def _start(self) -> None:
        since = ["--after-cursor=" + self._cursor] if self._cursor else []
        if not since:
            since = ["--lines=all" if self.settings.from_start else "--lines=0"]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        try:
            self._process = subprocess.Popen(
                [*self.settings.command, *since],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                process_group=0,  # Ctrl-C at the terminal is for MLIDS, which ends it
            )
        except FileNotFoundError:
            name = self.settings.command[0]
            hint = "install systemd, or watch log files with --app-log"
            raise MLIDSError("E005", f"{name} is not installed", hint) from None
        except OSError as error:
            raise MLIDSError("E004", f"{self.settings.command[0]}: {error.strerror}") from None

    def batches(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The entries as they come; an empty batch each idle second."""
        if self._process is None:
            self._start()
        cutter, number, beat = Cutter(self.settings.max_line), 0, time.monotonic()
        known = registry.plugin("formats", "syslog")()
        assert isinstance(known, LogFormat)
        while not stop.is_set():
            chunk = self._read()
            if chunk is None:
                cutter = Cutter(self.settings.max_line)
                self._restart(stop)
                yield self._batch([], number, known, now=time.time_ns())
            elif chunk:
                cut = cutter.feed(chunk)
                if cut is None:
                    continue
                self._counts["read"] += cut.rejected
                self._counts["rejected"] += cut.rejected
                raw = [cut.data[a:b] for a, b in zip(cut.starts, cut.ends, strict=True)]
                for first in range(0, len(raw), LINES):
                    batch = self._batch(raw[first : first + LINES], number, known)
                    number += len(batch)
                    if len(batch):
                        yield batch
            elif time.monotonic() - beat >= HEARTBEAT_S - WAIT_S:
                beat = time.monotonic()
                yield self._batch([], number, known, now=time.time_ns())

    def _read(self) -> bytes | None:
        """What has come; empty where nothing has, None where the program ended."""
        assert self._process is not None and self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], WAIT_S)
        if not ready:
            return b""
        data = os.read(self._process.stdout.fileno(), 1 << 18)
        return data or None

    def _restart(self, stop: threading.Event) -> None:
        """Start the program that ended again, from the last cursor."""
        reason = self._end()
        self._counts["restarts"] += 1
        code = "E004" if "ermission" in reason or "not allowed" in reason else "E103"
        message = f"{self.settings.command[0]} ended: {reason or 'no reason given'}"
        if self._note != message:
            self.tell(MLIDSError(code, message))
        self._state, self._note = "failed", message
        if not stop.wait(RESTART_S):
            self._start()

    def _end(self) -> str:
        """End the program and return the last it said."""
        process, self._process = self._process, None
        if process is None:
            return ""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None and self._errors is not None
        process.stdout.close()
        self._errors.seek(0)
        said = self._errors.read(4096)
        self._errors.close()
        return said.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2][:200]

    def _batch(self, raw: list[bytes], number: int, known: LogFormat, now: int = 0) -> LineBatch:
        lines: list[bytes] = []
        for entry in raw:
            line = self._line(entry)
            self._counts["read"] += 1
            if line is None:
                self._counts["rejected"] += 1
            else:
                lines.append(line)
        data = b"".join(lines)
        starts, ends = line_bounds(data)
        numbers = np.arange(number + 1, number + 1 + len(starts), dtype=np.int64)
        batch = LineBatch(
            data,
            starts,
            ends,
            numbers,
            source="journal",
            now=now,
            written=time.time_ns(),
            format=known,
        )
        matched = int(known.recognised(batch).sum())
        self._counts["matched"] += matched
        self._counts["unmatched"] += len(batch) - matched
        if len(batch):
            self._state, self._note = "ok", ""
        return batch

    def _line(self, raw: bytes) -> bytes | None:
        """One entry as a syslog line with its end, None where it makes no sense."""
        try:
            entry = msgspec.json.decode(raw)
            stamp = int(entry["__REALTIME_TIMESTAMP"])
            time_text = format_time(stamp * 1000)[:-1] + "+00:00"
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, OverflowError, OSError):
            return None
        cursor = entry.get("__CURSOR")
        if isinstance(cursor, str) and "\n" not in cursor:
            self._cursor = cursor
        program = _word(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM")) or b"unknown"
        pid = _word(entry.get("SYSLOG_PID") or entry.get("_PID"))
        host = _word(entry.get("_HOSTNAME")) or b"localhost"
        tag = program + (b"[" + pid + b"]" if pid else b"")
        return b"%s %s %s: %s\n" % (time_text.encode(), host, tag, _text(entry.get("MESSAGE")))

    def reached(self) -> str:
        """The cursor of the last entry that was yielded."""
        return self._cursor

    def delivered(self, reached: Any = None) -> None:
        """Keep the cursor: everything up to there is stored."""
        cursor = self._cursor if reached is None else str(reached)
        if not self.settings.checkpoint or cursor == self._kept:
            return
        try:
            replace_file(Path(self.settings.checkpoint), cursor.encode())
            self._kept = cursor
        except OSError as error:
            where = f"{self.settings.checkpoint}: {error.strerror or error}"
            self.tell(MLIDSError("E103", f"the place reached cannot be kept: {where}"))

    def close(self) -> None:
        """End the program."""
        self._end()

    def inputs(self) -> list[InputStatus]:
        """How the journal fares."""
        return [InputStatus("journal", "log", self._state, self._note, dict(self._counts))]


def _text(value: Any) -> bytes:
    """A message on one line; the journal gives bytes that are no text as a list of numbers."""
    if isinstance(value, list):
        if value and isinstance(value[0], str):  # several values of one field: the first counts
            value = value[0]
        else:
            numbers = [n for n in value if isinstance(n, int) and 0 <= n <= 255]
            return bytes(numbers).replace(b"\r", b"\\r").replace(b"\n", b"\\n")
    text = value if isinstance(value, str) else ""
    return text.replace("\r", "\\r").replace("\n", "\\n").encode("utf-8", "backslashreplace")


def _word(value: Any) -> bytes:
    """A field that must be one word of a line's head."""
    return b"_".join(_text(value).replace(b":", b"_").replace(b"[", b"_").split())[:128]
