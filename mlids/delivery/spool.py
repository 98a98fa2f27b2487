"""What waits on disk for a peer that does not take it: JSON lines in segments, first in, first out.

A line is whole or it is not there: a torn end (kill -9, full disk) is ignored, and what was read
but not `done` is read again after a restart. Nothing is synced: a spool lost with the power costs
repeats or the sink's share, never the log.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

SEGMENT_BYTES = 4 << 20


class _Segment(msgspec.Struct):
    path: Path
    number: int
    size: int
    lines: int


class Spool:
    """A queue of lines in a folder of its own; safe to use from several threads.

    folder: is made (0700) when it is first needed. max_bytes: beyond it the oldest lines go, and
    `append` says how many. A file that is no segment is left alone.
    """

    def __init__(self, folder: Path, max_bytes: int = 1 << 30) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.segment_bytes = max(1, min(SEGMENT_BYTES, max_bytes // 8))
        self.trouble = ""  # why `append` lost something, in a few words
        self._lock = threading.Lock()
        self._writer: BinaryIO | None = None
        self._reader: BinaryIO | None = None
        self._read = 0  # lines read and not yet done
        self._next = 0  # offset behind them
        self._number, self._offset = self._position()  # what is done: up to here in this segment
        self._segments = self._found()
        self._done = self._done_lines()  # lines of the first segment that are done

    def __len__(self) -> int:
        """Lines that are not done, those being read included."""
        with self._lock:
            return max(0, sum(segment.lines for segment in self._segments) - self._done)

    def append(self, lines: Sequence[bytes]) -> int:
        """Write lines behind the others; how many were lost: the oldest, or these (full disk)."""
        with self._lock:
            try:
                written = self._write(lines)
            except OSError as error:
                self._failed(error)
                written = 0
            return len(lines) - written + self._drop_oldest()

    def read(self, count: int) -> list[bytes]:
        """The next lines, at most `count`; they come again after a restart until `done`."""
        with self._lock:
            while self._segments:
                lines = self._lines(self._segments[0], count)
                if lines:
                    return lines
                segment = self._segments[0]
                if self._writer is not None and len(self._segments) == 1:
                    if segment.lines <= self._done:
                        return []
                    self._close_writer()  # somebody cut the file; what it held cannot be had
                self._remove_first()
            return []

    def done(self) -> None:
        """What was read is delivered and need not be kept."""
        with self._lock:
            if not self._segments or not self._read:
                return
            self._offset = self._next
            self._done += self._read
            self._read = 0
            if self._offset >= self._segments[0].size:
                self._remove_first()
            else:
                self._keep_position()

    def push_front(self, lines: Sequence[bytes]) -> int:
        """Put lines before all others, in place of those being read; how many were lost."""
        with self._lock:
            self._close_writer()
            try:
                self._rewrite_first(lines)
            except OSError as error:
                self._failed(error)
                return len(lines)
            return 0

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._close_writer()
            self._close_reader()

    def _write(self, lines: Sequence[bytes]) -> int:
        written = 0
        while written < len(lines):
            writer, segment = self._segment_to_write()
            room, until = self.segment_bytes - segment.size, written
            while until < len(lines) and (room > 0 or until == written):
                room -= len(lines[until]) + 1
                until += 1
            data = b"".join(line + b"\n" for line in lines[written:until])
            if not self._whole(writer, data, segment.size):
                return written
            segment.size += len(data)
            segment.lines += until - written
            written = until
        return written

    def _whole(self, file: BinaryIO, data: bytes, size: int) -> bool:
        """Write all of it or nothing: a partial write (full disk) is taken back."""
        try:
            if file.write(data) == len(data):
                return True
            self.trouble = "the disk is full"
        except OSError as error:
            self._failed(error)
        with contextlib.suppress(OSError, ValueError):
            file.truncate(size)
        self._close_writer()
        return False

    def _failed(self, error: OSError) -> None:
        self.trouble = f"the spool cannot be written: {error.strerror or error}"

    def _segment_to_write(self) -> tuple[BinaryIO, _Segment]:
        if self._writer is not None and self._segments[-1].size < self.segment_bytes:
            return self._writer, self._segments[-1]
        self._close_writer()
        segment = self._new_segment()
        self._writer = segment.path.open("xb", buffering=0)
        self._segments.append(segment)
        return self._writer, segment

    def _new_segment(self) -> _Segment:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max([self._number, *(segment.number for segment in self._segments)]) + 1
        return _Segment(self.folder / f"{number:020d}.jsonl", number, 0, 0)

    def _lines(self, segment: _Segment, count: int) -> list[bytes]:
        if segment.number != self._number:
            self._number, self._offset, self._done = segment.number, 0, 0
        try:
            if self._reader is None:
                self._reader = segment.path.open("rb")
                self._next = self._offset
            self._reader.seek(self._next)
            lines = [line for line in (self._reader.readline() for _ in range(count)) if line]
        except OSError:  # somebody removed it; what it held cannot be had
            if len(self._segments) == 1:
                self._close_writer()
            return []
        while lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        self._next += sum(map(len, lines))
        self._read += len(lines)
        return [line[:-1] for line in lines]

    def _rewrite_first(self, lines: Sequence[bytes]) -> None:
        """Lines and what is left of the first segment become the first segment, in one rename."""
        segment, rest = self._segments[0] if self._segments else self._new_segment(), b""
        if segment.number != self._number:
            self._number, self._offset, self._done, self._read = segment.number, 0, 0, 0
        if segment.path.exists():
            with segment.path.open("rb") as file:
                file.seek(self._next if self._read else self._offset)
                rest = file.read()
        draft = self.folder / "draft"
        draft.write_bytes(b"".join(line + b"\n" for line in lines) + rest)
        # First the position, then the file: killed in between, lines are repeated, none skipped.
        self._offset = 0
        self._keep_position()
        draft.replace(segment.path)
        if not self._segments:
            self._segments.append(segment)
        segment.size = segment.path.stat().st_size
        segment.lines += len(lines) - self._done - self._read
        self._close_reader()
        self._done = self._read = self._next = 0

    def _drop_oldest(self) -> int:
        dropped = 0
        while len(self._segments) > 1 and sum(s.size for s in self._segments) > self.max_bytes:
            # Lines being read are in memory and still offered; they are not lost.
            dropped += self._segments[0].lines - self._done - self._read
            self.trouble = f"the spool reached its limit of {self.max_bytes} bytes"
            self._remove_first()
        return dropped

    def _remove_first(self) -> None:
        segment = self._segments.pop(0)
        self._close_reader()
        if not self._segments:
            self._close_writer()
        with contextlib.suppress(OSError):
            segment.path.unlink()
        self._number = segment.number
        self._offset = self._done = self._read = self._next = 0
        self._keep_position()

    def _found(self) -> list[_Segment]:
        if not self.folder.is_dir():
            return []
        paths = [path for path in self.folder.glob("*.jsonl") if path.stem.isdecimal()]
        found = []
        for path in sorted(paths, key=lambda path: int(path.stem)):
            if path.is_file() and not path.is_symlink():
                found.append(_Segment(path, int(path.stem), path.stat().st_size, _count(path)))
        return found

    def _done_lines(self) -> int:
        if not self._segments or self._segments[0].number != self._number:
            self._offset = 0
            return 0
        return _count(self._segments[0].path, self._offset)

    def _position(self) -> tuple[int, int]:
        try:
            number, offset = (self.folder / "position").read_text("ascii").split()
            return int(number), int(offset)
        except (OSError, ValueError):
            return 0, 0

    def _keep_position(self) -> None:
        # Written in place, so that a full disk does not hinder it; a lost one costs repeats only.
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            file = os.open(self.folder / "position", flags, 0o600)
            try:
                os.pwrite(file, f"{self._number:020d} {self._offset:020d}\n".encode(), 0)
            finally:
                os.close(file)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _count(path: Path, until: int | None = None) -> int:
    lines, left = 0, path.stat().st_size if until is None else until
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(1 << 20, left))):
            lines += piece.count(b"\n")
            left -= len(piece)
    return lines
