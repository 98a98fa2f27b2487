"""The event store: JSON lines that survive a crash, written in groups, rotated by whole records.

`append` returns a ticket at once; a writer thread puts everything that waits on the disk with one
fdatasync, and `wait` returns when a ticket's record is there (group commit).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlids.errors import MLIDSError
from mlids.sealing import Sealer
from mlids.writing import SegmentWriter

_log = logging.getLogger(__name__)
LOST = -1  # the ticket of a record that was dropped
SEALS = "seals"  # where the seals are by default, in the folder of the store
LOOK_S = 1.0  # how often an idle writer looks whether its file is still there


class EventStore:
    """One folder of events, to write; `Archive` reads it. The first `append` takes it (E006).

    max_size: bytes before the open file is sealed; rotate_s: it is sealed at the end of each such
    span of the clock too; compression: none, gzip or zstd, of sealed files; seals: folder of the
    seals, by default a folder of the store; pending_bytes: records that may wait in memory; while
    the disk takes nothing (E106, told once) further ones are dropped and counted in `dropped`, else
    `append` waits; on_loss: called with their number when the disk takes events again; on_sealed:
    when there is one more sealed file. Both are called from threads of their own.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_size: int = 10_485_760,
        rotate_s: float = 86_400,
        compression: str = "zstd",
        seals: str | os.PathLike[str] | None = None,
        pending_bytes: int = 64 << 20,
        tell: Callable[[MLIDSError], None] = lambda error: _log.error("%s", error),
        on_loss: Callable[[int], None] = lambda count: None,
        on_sealed: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = Path(folder)
        self.pending_bytes = pending_bytes
        self.tell = tell
        self.on_loss = on_loss
        self.dropped = 0
        self.failing = False
        self._lost = 0  # dropped and not told yet
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._pending: list[bytes] = []
        self._size = 0  # bytes in _pending
        self._taken = 0  # tickets given out
        self._durable = 0  # tickets whose record is on the disk
        self._closing = False
        self._thread: threading.Thread | None = None
        self._writer = SegmentWriter(
            self.folder,
            max_size=max_size,
            rotate_s=rotate_s,
            compression=compression,
            tell=tell,
            on_sealed=on_sealed,
        )
        self.sealer = Sealer(
            Path(seals) if seals else self.folder / SEALS, lambda: self._writer.end, tell
        )

    def open(self) -> None:
        """Take the lock and start the writer. Raises `MLIDSError` E006, E004 or E106."""
        with self._opening:
            if self._thread:
                return
            self._writer.open()
            self.sealer.open()
            self._take_up_seals()
            self._closing = False
            self._thread = threading.Thread(target=self._write_on, name="store", daemon=True)
            self._thread.start()
            self.sealer.start()

    def _take_up_seals(self) -> None:
        """Go on behind the last sealed record, so that one that is gone stays missing."""
        sealed, end = self.sealer.seals.last, self._writer.end
        if sealed and end and sealed.seq > end.seq:
            self._writer.end = sealed.link
            text = f"{self.folder}: records {end.seq + 1} to {sealed.seq} were sealed and are gone"
            self.tell(MLIDSError("E106", text, "python index.py verify tells more"))

    def append(self, record: bytes) -> int:
        """Hand over one record (a JSON object without newline); returns its ticket for `wait`.

        A record that is dropped, since the disk takes nothing, has the ticket `LOST`.
        """
        if not self._thread:
            self.open()
        with self._lock:
            while self._size > self.pending_bytes and not self.failing and not self._closing:
                self._changed.wait(1)
            if self._size > self.pending_bytes:
                self.dropped += 1
                self._lost += 1
                return LOST
            self._taken += 1
            if not self._pending:  # else the writer does not sleep
                self._changed.notify_all()
            self._pending.append(record)
            self._size += len(record) + 1
            return self._taken

    def wait(self, ticket: int, timeout: float | None = None) -> bool:
        """Wait until the record of a ticket is on the disk; False where it is not, in this time."""
        if ticket == LOST:
            return False
        with self._changed:
            return self._changed.wait_for(lambda: self._durable >= ticket, timeout)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything handed over so far is on the disk."""
        return self.wait(self._taken, timeout)

    def close(self, timeout: float = 3.0) -> None:
        """Write what waits, as long as the disk takes it, and give the lock back."""
        if not self._thread:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout
        self._thread.join(timeout)
        self._thread = None
        self.sealer.close()
        self._writer.close(max(0.0, deadline - time.monotonic()))

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
                self._writer.stay()
                self._writer.write(records)
            except Exception as error:  # a writer that dies would let all who wait hang
                self._fail(error)
                deadline = deadline or time.monotonic() + 2
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, 1)
                if self._closing and time.monotonic() > deadline:
                    _log.error("E106: %d events could not be written", len(records))
                    return False
                continue
            if self.failing:
                self._recover()
            return True

    def _recover(self) -> None:
        with self._changed:
            self.failing = False
            lost, self._lost = self._lost, 0
        _log.info("the event store takes events again; dropped meanwhile: %d", lost)
        if lost:  # not from this thread, which must go on writing while that is told
            threading.Thread(target=self.on_loss, args=(lost,), daemon=True).start()

    def _fail(self, error: Exception) -> None:
        if self.failing:
            return
        self.failing = True
        if not isinstance(error, OSError | MLIDSError):
            _log.exception("the event store failed", exc_info=error)
        known = error if isinstance(error, MLIDSError) else None
        reason = getattr(error, "strerror", None) or repr(error)
        self.tell(known or MLIDSError("E106", f"{self.folder}: {reason}"))
