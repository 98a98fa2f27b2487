"""The event store: JSON lines that survive a crash, written in groups, rotated by whole records.

`append` returns a ticket at once; a writer thread puts everything that waits on the disk with one
fdatasync, and `wait` returns when a ticket's record is there (group commit).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mlids import segments
from mlids.errors import MLIDSError
from mlids.events import Event, EventFilter, format_time
from mlids.locking import FolderLock
from mlids.records import events, holds

_log = logging.getLogger(__name__)
LOOK_S = 1.0  # how often an idle writer looks whether its file is still there
_AHEAD_NS = 3600 * 1_000_000_000  # how far a clock that is wrong may stamp events ahead


class EventStore:
    """One folder of events. Reading needs no lock; the first `append` takes it (E006).

    max_size: bytes before the open file is sealed; compression: none, gzip or zstd, of sealed
    files; pending_bytes: records that may wait in memory; while the disk takes nothing (E106, told
    once) further ones are dropped and counted in `dropped`, else `append` waits.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_size: int = 10_485_760,
        compression: str = "zstd",
        pending_bytes: int = 64 << 20,
        tell: Callable[[MLIDSError], None] = lambda error: _log.error("%s", error),
    ) -> None:
        self.folder = Path(folder)
        self.max_size = max_size
        self.compression = compression
        self.pending_bytes = pending_bytes
        self.tell = tell
        self.dropped = 0
        self.failing = False
        self._changed = threading.Condition()
        self._pending: list[bytes] = []
        self._size = 0  # bytes in _pending
        self._taken = 0  # tickets given out
        self._durable = 0  # tickets whose record is on the disk, or was dropped
        self._closing = False
        self._writer: threading.Thread | None = None
        self._compressing: list[threading.Thread] = []
        self._one_at_a_time = threading.Lock()
        self._lock = FolderLock(self.folder)
        self._file = -1
        self._written = 0  # bytes in the open file

    # -- writing

    def open(self) -> None:
        """Take the lock and start the writer. Raises `MLIDSError` E006, E004 or E106."""
        with self._changed:
            if self._writer:
                return
            self._lock.acquire()
            try:
                self._open_file()
            except OSError as error:
                self._lock.release()
                raise MLIDSError("E106", f"{self.folder}: {error.strerror}") from error
            self._closing = False
            self._writer = threading.Thread(target=self._write_on, name="store", daemon=True)
            self._writer.start()

    def append(self, record: bytes) -> int:
        """Hand over one record (JSON without newline); returns its ticket for `wait`."""
        if not self._writer:
            self.open()
        with self._changed:
            while self._size > self.pending_bytes and not self.failing and not self._closing:
                self._changed.wait(1)
            self._taken += 1
            if self._size > self.pending_bytes:
                self.dropped += 1
                return self._taken
            self._pending.append(record)
            self._size += len(record) + 1
            self._changed.notify_all()
            return self._taken

    def wait(self, ticket: int, timeout: float | None = None) -> bool:
        """Wait until the record of a ticket is on the disk; False where time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._durable >= ticket, timeout)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything handed over so far is on the disk."""
        return self.wait(self._taken, timeout)

    def close(self, timeout: float = 3.0) -> None:
        """Write what waits, as long as the disk takes it, and give the lock back."""
        if not self._writer:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout
        self._writer.join(timeout)
        self._writer = None
        for thread in self._compressing:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._lock.release()

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing, LOOK_S)
                records, upto = self._pending, self._taken
                if not records and self._closing:
                    return
                self._pending = []
            size = sum(map(len, records)) + len(records)
            if not self._write_group(records):
                return
            with self._changed:
                self._size -= size
                self._durable = upto
                self._changed.notify_all()

    def _write_group(self, records: list[bytes]) -> bool:
        """Write until the disk takes it; False where MLIDS stops before it does."""
        deadline = 0.0
        while True:
            try:
                self._stay()
                self._write(records)
            except (OSError, MLIDSError) as error:
                self._fail(error)
                deadline = deadline or time.monotonic() + 2
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, 1)
                if self._closing and time.monotonic() > deadline:
                    _log.error("E106: %d events could not be written", len(records))
                    return False
                continue
            if self.failing:
                self.failing = False
                _log.info("the event store takes events again; dropped meanwhile: %d", self.dropped)
            return True

    def _stay(self) -> None:
        """Take the folder anew where somebody removed or replaced it, the open file or the lock."""
        path = self.folder / segments.OPEN
        if self._file >= 0 and not (_is(path, self._file) and self._lock.intact()):
            os.close(self._file)
            self._file = -1
            hint = "events go on in a new file; what was removed can only come from a backup"
            self.tell(MLIDSError("E106", f"{path} was removed or replaced", hint))
        if not self._lock.intact():
            self._lock.release()
            self._lock.acquire()
        if self._file < 0:
            self._open_file()

    def _write(self, records: list[bytes]) -> None:
        """Write whole records; takes each that is on the disk out of the list."""
        while records:
            if self._file < 0:
                self._open_file()
            count, size = 0, self._written
            while count < len(records) and (size + len(records[count]) < self.max_size or not size):
                size += len(records[count]) + 1
                count += 1
            if count:
                self._put(b"\n".join(records[:count]) + b"\n")
                del records[:count]
            else:
                self._seal()

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._written)  # never half a record
            raise
        self._written += len(data)

    def _seal(self) -> None:
        os.close(self._file)
        self._file = -1
        path = segments.seal(self.folder)
        if self.compression != "none":
            self._compressing = [thread for thread in self._compressing if thread.is_alive()]
            thread = threading.Thread(target=self._compress, args=(path,), name="compress")
            self._compressing.append(thread)
            thread.start()

    def _compress(self, path: Path) -> None:
        try:
            with self._one_at_a_time:
                segments.compress(path, self.compression)
        except (OSError, ImportError) as error:
            _log.warning("%s stays uncompressed: %s", path, error)

    def _open_file(self) -> None:
        path = self.folder / segments.OPEN
        if path.exists() and (torn := segments.mend(path)):
            _log.warning("%s: %d bytes of a torn record were cut off", path, len(torn))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._written = os.fstat(self._file).st_size
        segments.sync_folder(self.folder)

    def _fail(self, error: OSError | MLIDSError) -> None:
        if not self.failing:
            self.failing = True
            known = error if isinstance(error, MLIDSError) else None
            self.tell(known or MLIDSError("E106", f"{self.folder}: {error.strerror}"))  # type: ignore[union-attr]

    # -- reading

    def query(
        self,
        filter: EventFilter | None = None,
        since: int = 0,
        until: int | None = None,
        limit: int | None = None,
        text: str = "",
    ) -> Iterator[Event]:
        """Stored events in the order they were written.

        since, until: ns since 1970 (inclusive, exclusive) of the events' own time; limit: at most
        so many; text: only those that have it in a value, whatever its case.
        """
        count = 0
        for event in self._read(since, text):
            if (
                event.timestamp >= format_time(since)
                and (until is None or event.timestamp < format_time(until))
                and (filter is None or filter.matches(event))
                and (not text or holds(event, text.casefold()))
            ):
                if limit is not None and count >= limit:
                    return
                count += 1
                yield event

    def _read(self, since: int, text: str) -> Iterator[Event]:
        if self._writer:
            self.flush(5)
        needle = msgspec.json.encode(text)[1:-1].lower() if text.isascii() else b""
        for path in segments.files(self.folder):
            try:
                if segments.modified_ns(path) >= since - _AHEAD_NS:
                    yield from events(path, needle)
            except FileNotFoundError:
                continue  # deleted by retention meanwhile
            except EOFError as error:
                self.tell(MLIDSError("E105", str(error), "what could be read before it was used"))
            except OSError as error:
                raise MLIDSError("E004", f"{path}: {error.strerror}") from error


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False
