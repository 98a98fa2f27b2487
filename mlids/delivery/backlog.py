"""What one handler still has to take: a bounded queue in memory and, behind it, a spool on disk.

Order is kept: while anything waits on disk, new events go behind it. `put` touches no disk; a
thread of the backlog writes what memory does not hold.
"""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from mlids.delivery.spool import Spool
from mlids.events import Event

UNWRITTEN_BYTES = 16 << 20  # what may wait for the disk itself


class Backlog:
    """Events in the order they were put; one thread takes, any may put.

    capacity: events held in memory, those being delivered included; spool: takes what is beyond
    (None: it is dropped and counted in `dropped`). `trouble` says why something was dropped.
    """

    def __init__(self, capacity: int, spool: Spool | None = None) -> None:
        self.capacity = capacity
        self.dropped = 0
        self.trouble = ""
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)  # wakes the one who delivers
        self._spilled = threading.Condition(self._lock)  # wakes the one who writes
        self._spool = spool
        self._queue: deque[Event] = deque()
        self._taken = 0  # events with the one who delivers
        self._from_spool = False
        self._spilling = spool is not None and len(spool) > 0
        self._unwritten: list[bytes] = []
        self._unwritten_bytes = 0
        self._writing = 0  # lines on their way to the spool
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)

    def start(self) -> None:
        """Begin to write what memory does not hold."""
        if self._spool is not None:
            self._thread.start()

    def put(self, event: Event) -> None:
        """Take an event in; never waits for a disk or a peer."""
        with self.changed:
            if not self._spilling and len(self._queue) + self._taken < self.capacity:
                self._queue.append(event)
            elif self._spool is None or self._closed:
                self._drop(1, "more events wait than memory may hold")
            else:
                self._spill(event)
            self.changed.notify()

    def take(self, count: int) -> list[Event]:
        """The oldest events, at most `count`, empty where none wait; they are kept until `done`."""
        with self.changed:
            if self._queue:
                events = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
                self._taken, self._from_spool = len(events), False
                return events
            if not self._spilling or self._spool is None:
                return []
        return self._take_spooled(self._spool, count)

    def done(self) -> None:
        """What was taken is delivered, or put aside."""
        with self.changed:
            self._taken = 0
            from_spool, self._from_spool = self._from_spool, False
        if from_spool and self._spool is not None:
            self._spool.done()

    def waiting(self) -> tuple[int, int]:
        """Events in memory and events on disk, or on their way there; each counted once."""
        with self.changed:
            queued, unwritten = len(self._queue) + self._taken, self._writing + len(self._unwritten)
            taken = self._taken if self._from_spool else 0
        return queued, unwritten + max(0, len(self._spool) - taken if self._spool else 0)

    def ready(self) -> bool:
        """True where `take` would find something; the caller holds `changed`."""
        return bool(self._queue) or (self._spool is not None and len(self._spool) > 0)

    def wake(self) -> None:
        """Wake the one who waits for `changed`."""
        with self.changed:
            self.changed.notify_all()

    def close(self, left: list[Event], timeout_s: float = 1.0) -> None:
        """Keep what is not delivered on disk, `left` (of what was taken) first; else count it.

        timeout_s: how long to wait for a disk that does not answer.
        """
        with self.changed:
            self._closed = True
            keep = [*left, *self._queue]
            unread = self._from_spool and not left
            self._queue.clear()
            self._taken, self._from_spool = 0, False
            self._spilled.notify()
        if self._spool is None:
            if keep:
                self._drop(len(keep), "MLIDS stopped before the peer took them")
            return
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if unread:
            self._spool.done()
        if keep and (lost := self._spool.push_front([event.encoded() for event in keep])):
            self._drop(lost, self._spool.trouble)
        self._spool.close()

    def _spill(self, event: Event) -> None:
        line = event.encoded()
        if self._unwritten_bytes + len(line) > UNWRITTEN_BYTES:
            self._drop(1, "the disk is too slow for the spool")
            return
        self._spilling = True
        self._unwritten.append(line)
        self._unwritten_bytes += len(line)
        self._spilled.notify()

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        self.trouble = why

    def _take_spooled(self, spool: Spool, count: int) -> list[Event]:
        events, lines = [], spool.read(count)
        for line in lines:
            try:
                events.append(Event.decode(line))
            except (msgspec.DecodeError, ValueError):
                self._drop(1, "damaged lines in the spool")
        with self.changed:
            if not lines and not self._unwritten and not self._writing and not len(spool):
                self._spilling = False
            self._taken, self._from_spool = len(events), bool(lines)
        if lines and not events:
            self.done()
        return events

    def _write(self) -> None:
        assert self._spool is not None
        while True:
            with self.changed:
                self._spilled.wait_for(lambda: self._unwritten or self._closed)
                lines, self._unwritten, self._unwritten_bytes = self._unwritten, [], 0
                self._writing = len(lines)
                if not lines:
                    return
            lost = self._spool.append(lines)
            with self.changed:
                self._writing = 0
                if lost:
                    self._drop(lost, self._spool.trouble)
                self.changed.notify_all()
