"""One open log file, plain or compressed, read on from a position."""

from __future__ import annotations

import os
import time

from mlids.errors import MLIDSError
from mlids.lines.checkpoints import HEAD, TAIL, Position, digest
from mlids.lines.compressed import PlainReader, is_compressed, read_head
from mlids.lines.cutting import Cut, Cutter

TICK_NS = 20_000_000  # two changes closer than this may bear the same time
COUNTED = 256 << 20  # bytes in front of the end whose lines are counted when reading begins there


class Truncated(Exception):  # noqa: N818 (an occurrence, no error)
    """A file was cut, or overwritten, before the place where it was read."""


class OpenFile:
    """An open log file, read from a position on."""

    def __init__(self, descriptor: int, name: str, max_line: int, at: Position | None) -> None:
        status = os.fstat(descriptor)
        self.descriptor = descriptor
        self.identity = (status.st_dev, status.st_ino)
        self.left: float | None = None  # when it was rotated away, or last had something new since
        self.broken = False  # a damaged archive, of which no more can be had
        self._changed_ns = status.st_mtime_ns
        self._read_ns = 0  # when it was read last
        self._cutter = Cutter(max_line, at.offset if at else 0, at.lines if at else 0)
        self._head = os.pread(descriptor, HEAD, 0)
        self._last = bytes.fromhex(at.tail) if at else b""  # the last bytes that were read
        self._reader: PlainReader | None = None
        if is_compressed(self._head):
            self._head = read_head(descriptor, HEAD, name)
            os.lseek(descriptor, 0, os.SEEK_SET)
            self._reader = PlainReader(os.fdopen(descriptor, "rb", closefd=False), name)
            self._skip(at.offset if at else 0)

    @property
    def packed(self) -> bool:
        """Whether it is compressed, so that it cannot grow."""
        return self._reader is not None

    def _skip(self, size: int) -> None:
        while size and self._reader is not None:
            part = self._reader.read(min(size, 1 << 20))
            if not part:
                raise Truncated
            size -= len(part)

    @property
    def seen(self) -> tuple[int, int, int, int]:
        """Device, inode, bytes taken and time of change as they were when it was read last."""
        return *self.identity, self._cutter.taken, self._changed_ns

    def is_unchanged(self, status: os.stat_result) -> bool:
        """Whether its path is still this file, with nothing new in it."""
        return (
            status.st_mtime_ns == self._changed_ns
            and status.st_size == self._cutter.taken
            and (status.st_dev, status.st_ino) == self.identity
            and self._read_ns > self._changed_ns + TICK_NS
        )

    @property
    def head(self) -> bytes:
        """Its first bytes, plain."""
        return self._head

    def pass_over(self) -> None:
        """Go to the end of a compressed file without giving its lines. Raises `MLIDSError`."""
        while self._reader is not None and (part := self._reader.read(1 << 20)):
            self._cutter.feed(part)

    def check(self) -> None:
        """Raise `Truncated` if what was read last is no longer where it stood."""
        if self.packed or not self._last:
            return
        offset = self._cutter.taken - len(self._last)
        if os.pread(self.descriptor, len(self._last), offset) != self._last:
            raise Truncated

    def read(self, size: int) -> Cut | None:
        """More lines; None where there is nothing new.

        Raises `Truncated`, OSError, and `MLIDSError` E011 for a damaged archive.
        """
        while True:
            chunk = self._chunk(size)
            if not chunk:
                return None
            if self.left is not None:
                self.left = time.monotonic()
            self._last = (self._last + chunk)[-TAIL:]
            cut = self._cutter.feed(chunk)
            if cut is not None:
                return cut

    def _chunk(self, size: int) -> bytes:
        if self._reader is None:
            self._read_ns = time.time_ns()
            chunk = os.pread(self.descriptor, size, self._cutter.taken)
            self.check()  # afterwards, so that what was read is what stood there
            status = os.fstat(self.descriptor)
            if status.st_size < self._cutter.taken:
                raise Truncated
            if not self._cutter.taken and not chunk and status.st_mtime_ns != self._changed_ns:
                raise Truncated  # written and emptied again, perhaps
            self._changed_ns = status.st_mtime_ns
            return chunk
        try:
            return b"" if self.broken else self._reader.read(size)
        except MLIDSError:
            self.broken = True
            raise

    def finish(self) -> Cut | None:
        """What is held of a last line that never got its end."""
        return self._cutter.finish()

    def position(self) -> Position:
        """Where the next line begins."""
        offset = self._cutter.offset
        return Position(
            *self.identity,
            offset,
            self._cutter.lines,
            *self.known_by(),
            self._before(offset).hex(),
            self._changed_ns,
        )

    def _before(self, offset: int) -> bytes:
        """The bytes just before the next line."""
        if self.packed:
            return b""
        if offset == self._cutter.taken:
            return self._last
        start = max(0, offset - TAIL)
        return os.pread(self.descriptor, offset - start, start)

    def known_by(self) -> tuple[int, str]:
        """Size and digest of its first bytes, whatever its name and inode may be later."""
        if len(self._head) < HEAD and not self.packed:
            head = os.pread(self.descriptor, HEAD, 0)
            if head.startswith(self._head):  # else it was truncated since
                self._head = head
        return len(self._head), digest(self._head)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def is_same(descriptor: int, status: os.stat_result, position: Position) -> bool:
    """Whether an open file is that of a position, and what stood before the place still does."""
    same = (status.st_dev, status.st_ino) == (position.device, position.inode)
    if not same or status.st_size < position.offset or not position.size:
        return False  # an empty file has nothing to be known by
    head, tail = os.pread(descriptor, position.size, 0), bytes.fromhex(position.tail)
    before = os.pread(descriptor, len(tail), position.offset - len(tail))
    return digest(head) == position.head and before == tail


def end(descriptor: int, size: int, max_line: int, counted: int = COUNTED) -> Position:
    """The end of a file of this size, behind its last whole line.

    Lines before it are counted, unless there are more bytes than `counted`: numbers begin there.
    """
    status = os.fstat(descriptor)
    back = max(0, size - max_line - 1)
    last = os.pread(descriptor, size - back, back)
    offset = back + last.rfind(b"\n") + 1 if b"\n" in last or not back else size
    tail = os.pread(descriptor, min(offset, TAIL), max(0, offset - TAIL))
    lines = _lines(descriptor, offset) if offset <= counted else 0
    return Position(status.st_dev, status.st_ino, offset, lines, tail=tail.hex())


def _lines(descriptor: int, end: int) -> int:
    lines = done = 0
    while done < end and (block := os.pread(descriptor, min(1 << 20, end - done), done)):
        lines, done = lines + block.count(b"\n"), done + len(block)
    return lines
