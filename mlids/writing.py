"""SegmentWriter: chained records on the disk, rotated by whole records, by size and by time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlids import segments
from mlids.errors import MLIDSError
from mlids.locking import FolderLock
from mlids.proofs import LENGTH, Link, claimed, extend

_log = logging.getLogger(__name__)


class SegmentWriter:
    """Writes the open file of a folder whose lock it holds; used by one thread.

    max_size: bytes before the open file is sealed; rotate_s: it never holds records of two such
    spans of the clock (86,400: of two days), 0: whatever their time; compression: none, gzip or
    zstd, of sealed files; on_sealed: called after that, from another thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_size: int,
        rotate_s: float,
        compression: str,
        tell: Callable[[MLIDSError], None],
        on_sealed: Callable[[], None],
    ) -> None:
        self.folder = folder
        self.max_size = max_size
        self.rotate_s = rotate_s
        self.compression = compression
        self.tell = tell
        self.on_sealed = on_sealed
        self.end: Link | None = None  # of the chain; what is up to here is on the disk
        self._lock = FolderLock(folder)
        self._file = -1
        self._size = 0  # bytes in the open file
        self._span = 0  # the span of the clock that the open file belongs to
        self._compressing: list[threading.Thread] = []
        self._one_at_a_time = threading.Lock()

    def open(self) -> None:
        """Take the folder. Raises `MLIDSError` E006, E004 or E106."""
        self._lock.acquire()
        try:
            segments.clear(self.folder)
            self._open_file()
            self.end = self.end or chain_end(self.folder)
        except OSError as error:
            self._lock.release()
            raise MLIDSError("E106", f"{self.folder}: {error.strerror}") from error

    def stay(self) -> None:
        """Take the folder anew where somebody removed or replaced it, the open file or the lock."""
        path = self.folder / segments.OPEN
        if self._file >= 0 and not (_is(path, self._file) and self._lock.intact()):
            self._close_file()
            hint = "events go on in a new file; what was removed can only come from a backup"
            self.tell(MLIDSError("E106", f"{path} was removed or replaced", hint))
        if not self._lock.intact():
            self._lock.release()
            self._lock.acquire()
        if self._file < 0:
            self._open_file()
        if self._size and self.rotate_s and self._span != self._span_now():
            self._seal()

    def write(self, records: list[bytes]) -> None:
        """Write whole records; takes each that is on the disk out of the list. Raises OSError."""
        while records:
            if self._file < 0:
                self._open_file()
            if count := self._room(records):
                assert self.end
                end, data = extend(self.end, records[:count])
                self._put(data)
                self.end = end
                del records[:count]
            else:
                self._seal()

    def _room(self, records: list[bytes]) -> int:
        """How many of the records fit into the open file; one fits into an empty file always."""
        size = self._size
        if size + sum(map(len, records)) + LENGTH * len(records) <= self.max_size:
            return len(records)
        count = 0
        while count < len(records):
            after = size + len(records[count]) + LENGTH
            if size and after > self.max_size:
                break
            size, count = after, count + 1
        return count

    def close(self, timeout: float = 0.0) -> None:
        """Let go of the folder; waits for what is being compressed."""
        deadline = time.monotonic() + timeout
        for thread in self._compressing:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._close_file()
        self._lock.release()

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)  # never half a record
            raise
        self._size += len(data)

    def _seal(self) -> None:
        self._close_file()
        path = segments.seal(self.folder)
        self._compressing = [thread for thread in self._compressing if thread.is_alive()]
        thread = threading.Thread(target=self._compress, args=(path,), name="compress")
        self._compressing.append(thread)
        thread.start()

    def _compress(self, path: Path) -> None:
        with self._one_at_a_time:
            try:
                segments.compress(path, self.compression)
            except FileNotFoundError:
                pass  # it waited so long that retention removed it
            except (OSError, ImportError) as error:
                _log.warning("%s stays uncompressed: %s", path, error)
            self.on_sealed()  # retention must not meet a segment that is being compressed

    def _open_file(self) -> None:
        path = self.folder / segments.OPEN
        if path.exists() and (torn := segments.mend(path)):
            _log.warning("%s: %d bytes of a torn record were cut off", path, len(torn))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        state = os.fstat(self._file)
        self._size = state.st_size
        self._span = self._span_of(state.st_mtime if self._size else time.time())
        segments.sync_folder(self.folder)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _span_now(self) -> int:
        return self._span_of(time.time())

    def _span_of(self, moment: float) -> int:
        return int(moment // self.rotate_s) if self.rotate_s else 0


def chain_end(folder: Path) -> Link:
    """Where the chain goes on: what the last record with a proof says, true or not."""
    for path in reversed(segments.files(folder)):
        last = None
        try:
            for line in segments.lines(path):
                last = line if claimed(line) else last
        except (EOFError, FileNotFoundError):
            pass  # damaged behind what could be read, or removed
        if last and (link := claimed(last)):
            return link
    return Link()


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False
