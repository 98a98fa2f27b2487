"""Reads recorded packets: pcap and pcapng, plain or compressed, from files and pipes.

Bytes come in windows of a few megabytes, each a buffer of its own that batches may keep, so a
capture of any size needs the same memory. A file that is damaged gives what stands before the
damage.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.headers import PAD
from mlids.capture.packets import decode
from mlids.capture.pcap_format import Frames, PcapRecords
from mlids.capture.pcapng_format import PcapngRecords
from mlids.capture.reassembly import Reassembly
from mlids.capture.records import MOST
from mlids.capture.unzstd import Unzstd
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from mlids.batches import PacketBatch

MOST_ROWS = 1 << 16  # of a batch
# Stamps of pcapng may say anything; beyond this, in 2116, sums of times would overflow.
LATEST_NS = (1 << 62) - 1
WINDOW = 24 * 1024 * 1024  # below 32 MiB, from which on each would be fresh memory
HEAD = 64 * 1024  # bytes looked at to see what a file is
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
FORMATS: tuple[type[PcapRecords | PcapngRecords], ...] = (PcapRecords, PcapngRecords)


def sniff(head: bytes) -> bool:
    """Whether a file that begins so is a capture, maybe compressed.

    A few hundred bytes are enough, but of a zstd file 128 kB: it opens only block by block.
    """
    if head.startswith((GZIP, ZSTD)):
        head = _inflated(head)
    return any(known.knows(head) for known in FORMATS)


def is_capture(path: str) -> bool:
    """Whether a file is a capture, maybe compressed; False where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(512)
            return sniff(head + file.read(132 * 1024) if head.startswith(ZSTD) else head)
    except OSError:
        return False


def _inflated(head: bytes) -> bytes:
    try:
        if head.startswith(GZIP):
            return zlib.decompressobj(31).decompress(head, 32)
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(head)[:32]
    except Exception:  # any damage: then it is not recognised
        return b""


class Capture:
    """One recording, opened: yields batches, and says how far it has read.

    path: a file, or "-" for standard input. Raises `MLIDSError` E007 (no such file), E004 (not
    readable), E012 (no capture). read: frames so far; rejected: those that could not be decoded;
    damage: why the rest cannot be read, "" where it can; position and size: bytes of the file.
    """

    def __init__(self, path: str, window: int = WINDOW) -> None:
        self.path, self.window = path, window
        self.read = self.rejected = self.position = 0
        self.damage = ""
        self._raw = _Source(_opened(path))
        self.size = self._raw.size
        self._stream = self._unpacked()
        self._format: PcapRecords | PcapngRecords | None = None
        self._now = 0
        self._reassembly = Reassembly()

    @property
    def given_up(self) -> int:
        """Small fragments and datagrams of them that were given up for want of room."""
        return self._reassembly.evicted

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def batches(self, stop: threading.Event) -> Iterator[PacketBatch]:
        """Yield batches to the end of the recording or until `stop` is set; never empty ones.

        A pipe that is silent for half a second gives an empty one.
        """
        buffer, end, over = _buffer(self.window), 0, False
        while not over and not stop.is_set():
            over, grown = self._fill(buffer, end)
            if grown == end and not over:
                yield self._decoded(buffer, None)
                continue
            frames, used = self._records(buffer, grown, over)
            if frames is not None:
                for part in _parts(_by_time(frames)):
                    yield self._decoded(buffer, part)
            if self.damage:
                return
            rest = grown - used
            if over and rest:
                self._damaged(f"ends inside a record after frame {self.read}")
                return
            size = max(self.window, min(2 * rest, MOST + self.window))
            following = _buffer(size)
            following[:rest] = buffer[used:grown]
            buffer, end = following, rest

    def _unpacked(self) -> Any:
        if self._raw.head.startswith(GZIP):
            import gzip

            return gzip.GzipFile(fileobj=io.BufferedReader(self._raw, 65536))
        if self._raw.head.startswith(ZSTD):
            return Unzstd(self._raw)
        return self._raw

    def _fill(self, buffer: memoryview, end: int) -> tuple[bool, int]:
        """Read until the window is full or nothing comes: whether the input ended, and bytes."""
        room = buffer[: len(buffer) - PAD]
        while end < len(room):
            if not self._ready(0.0 if end else 0.5):
                return False, end
            try:
                count = self._stream.readinto(room[end:])
            except Exception as error:  # each decompressor has errors of its own
                self._damaged(f"cannot be read on: {error}")
                return True, end
            self.position = self._raw.position
            if not count:
                return True, end
            end += count
        return False, end

    def _ready(self, seconds: float) -> bool:
        """Whether reading would not wait: pipes only, and only where nothing is unpacked."""
        if self.size or self._stream is not self._raw or self._raw.head:
            return True
        return bool(select.select([self._raw.fileno()], [], [], seconds)[0])

    def _records(self, buffer: memoryview, end: int, over: bool) -> tuple[Frames | None, int]:
        if self._format is None:
            if end < 4 and (self.damage or not over):
                return None, 0
            self._format = self._recognised(bytes(buffer[: min(end, 32)]))
        before = self._format.rejected
        frames, used = self._format.read(buffer, 0, end)
        self.rejected += self._format.rejected - before
        if self._format.damage:
            self._damaged(self._format.damage)
        return frames, used

    def _recognised(self, head: bytes) -> PcapRecords | PcapngRecords:
        for known in FORMATS:
            if known.knows(head):
                return known()
        raise MLIDSError("E012", f"{self.path} is no pcap or pcapng recording")

    def _damaged(self, why: str) -> None:
        self.damage = self.damage or why
        self.rejected += 1

    def _decoded(self, buffer: memoryview, frames: Frames | None) -> PacketBatch:
        data = np.frombuffer(buffer, np.uint8)
        none = np.zeros(0, np.int64)
        columns = frames or Frames(none, none, none, none, 1, none)
        time = np.clip(columns.time, 0, LATEST_NS)
        batch = decode(
            data,
            columns.start,
            columns.captured,
            columns.length,
            time=time,
            frame=columns.number + 1,
            kinds=columns.kinds,
            source=self.path,
            now=self._now,
        )
        self._now = batch.now
        self.read += len(batch)
        self.rejected += int(np.count_nonzero(batch.fault))
        return self._reassembly.completed(batch)


def _buffer(size: int) -> memoryview:
    """Room for so many bytes and what wide reads need behind them; not cleared, which is slow."""
    return np.empty(size + PAD, np.uint8).data


def _by_time(frames: Frames) -> Frames:
    """Sorted by time, where they are not (cards with several queues mix them up a little)."""
    if len(frames.time) < 2 or not (frames.time[1:] < frames.time[:-1]).any():
        return frames
    order = np.argsort(frames.time, kind="stable")
    columns = (c if isinstance(c, int) else c[order] for c in frames)
    return Frames(*columns)  # type: ignore[arg-type]


def _parts(frames: Frames) -> Iterator[Frames]:
    """At most `MOST_ROWS` frames at a time: what detectors make on the way needs room for each."""
    for at in range(0, len(frames.time), MOST_ROWS):
        columns = (c if isinstance(c, int) else c[at : at + MOST_ROWS] for c in frames)
        yield Frames(*columns)  # type: ignore[arg-type]


class _Source(io.RawIOBase):
    """The bytes of a file or pipe; `head` holds the first of them until they are read."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self.size = os.fstat(raw.fileno()).st_size if raw.seekable() else 0  # 0: not known
        self.position = 0
        self.head = raw.read(HEAD) or b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        if self.head:
            count = min(len(self.head), len(room))
            room[:count] = self.head[:count]
            self.head = self.head[count:]
        else:
            count = self._raw.readinto(room) or 0
        self.position += count
        return count

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


def _opened(path: str) -> io.FileIO:
    if path == "-":
        return io.FileIO(os.dup(sys.stdin.fileno()))
    try:
        if Path(path).is_dir():
            raise MLIDSError("E012", f"{path} is a folder, not a recording")
        return io.FileIO(path)
    except FileNotFoundError:
        raise MLIDSError("E007", f"{path} does not exist") from None
    except PermissionError:
        raise MLIDSError("E004", f"{path} cannot be read") from None
    except (OSError, ValueError) as error:
        raise MLIDSError("E007", f"{path}: {error}") from None
