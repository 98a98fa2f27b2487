"""Several inputs of lines as one lane, so that an attack which shows in all of them is seen as one.

Each monitor runs in a thread of its own and hands its batches on through a short queue: a full one
makes it wait. One that fails is opened again alone, with growing pauses. Nobody's checkpoint moves
over a batch that the lane has not taken.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlids.batches import InputStatus, LineBatch, Monitor
from mlids.errors import MLIDSError

_log = logging.getLogger(__name__)
ROOM = 4  # batches of one monitor that wait to be taken
HEARTBEAT_S = 1.0
WAIT_S = 0.2  # until a stop is noticed
LONGEST_PAUSE_S = 60.0
END_S = 2.0  # how long the end of a monitor is waited for


class Branch:
    """One monitor, and how far the lane has taken what it gave."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.place: Any = None  # behind the last batch that was taken
        self.now = 0  # ns since 1970: of its last heartbeat
        self.failed = ""
        self.ended = False
        self.is_open = False
        self._room = threading.Semaphore(ROOM)
        self._thread: threading.Thread | None = None

    def start(self, arrived: queue.SimpleQueue[Any], stop: threading.Event) -> None:
        """Read in a thread; what is read arrives as (branch, batch, place)."""
        self.ended, self.now = False, 0
        self._room = threading.Semaphore(ROOM)
        self._thread = threading.Thread(
            target=self._run, args=(arrived, stop), name=self.monitor.name, daemon=True
        )
        self._thread.start()

    def taken(self, place: Any) -> None:
        """The lane takes a batch that was read up to there."""
        if place is not None:
            self.place = place
        self._room.release()

    def _run(self, arrived: queue.SimpleQueue[Any], stop: threading.Event) -> None:
        pause = 1.0
        while not stop.is_set():
            began = time.monotonic()
            try:
                if not self.is_open:
                    self.open()
                for batch in self.monitor.batches(stop):
                    self.failed = ""
                    place = self.monitor.reached()
                    while not self._room.acquire(timeout=WAIT_S):
                        if stop.is_set():
                            break  # the lane takes what there is, and then no more
                    arrived.put((self, batch, place))
                break
            except Exception as error:
                self.fail(error)
            pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE_S else pause
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        self.ended = True

    def open(self) -> None:
        """Open the monitor, anew if need be. Raises `MLIDSError`."""
        self.is_open = False
        self.monitor.close()
        self.monitor.open()
        self.is_open = True

    def fail(self, error: Exception) -> None:
        """It cannot be read; told once."""
        self.is_open = False
        known = error if isinstance(error, MLIDSError) else None
        told = known or MLIDSError("E103", f"{self.monitor.name}: {error!r}")
        if str(told) != self.failed:
            self.failed = str(told)
            self.monitor.tell(told)
            if known is None:
                _log.exception("monitor %s failed", self.monitor.name, exc_info=error)

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                _log.warning("monitor %s did not end in time", self.monitor.name)

    def inputs(self) -> list[InputStatus]:
        """The monitor's inputs; failed ones where all of it has failed."""
        found = self.monitor.inputs() or [InputStatus(self.monitor.name, "log")]
        if self.failed:
            for one in found:
                one.state, one.note = "failed", self.failed
        return found


class Confluence(Monitor):
    """Monitors of lines as one. name: under which the lane keeps its windows."""

    kind = LineBatch

    def __init__(self, monitors: Sequence[Monitor], name: str = "logs") -> None:
        self._name = name
        self._branches = [Branch(monitor) for monitor in monitors]
        for monitor in monitors:
            monitor.tell = self._told

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def monitors(self) -> list[Monitor]:
        """What flows together here."""
        return [branch.monitor for branch in self._branches]

    def _told(self, error: MLIDSError) -> None:
        self.tell(error)

    def open(self) -> None:
        """Open all; one that fails is told and tried again. Raises the first error if all do."""
        failures: list[tuple[Branch, Exception]] = []
        for branch in self._branches:
            try:
                branch.open()
                branch.failed = ""
            except Exception as error:
                failures.append((branch, error))
        if len(failures) == len(self._branches):
            raise failures[0][1]
        for branch, failure in failures:
            branch.fail(failure)

    def batches(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The batches of all as they come; an empty one each idle second.

        After a stop what was read already is still given.
        """
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for branch in self._branches:
            branch.start(arrived, stop)
        beat = time.monotonic()
        while not stop.is_set() and not (arrived.empty() and self._all("ended")):
            batch = _next(arrived, WAIT_S)
            if batch is not None and len(batch):
                yield batch
            elif arrived.empty() and time.monotonic() - beat >= HEARTBEAT_S:
                beat = time.monotonic()
                yield self._heartbeat()
        until = time.monotonic() + END_S
        for branch in self._branches:
            branch.join(max(0.0, until - time.monotonic()))
        while (batch := _next(arrived, 0)) is not None:
            if len(batch):
                yield batch

    def _all(self, state: str) -> bool:
        return all(getattr(branch, state) for branch in self._branches)

    def _heartbeat(self) -> LineBatch:
        """Nothing earlier can come than what the slowest of those that run knows."""
        running = [one.now for one in self._branches if not one.failed and not one.ended]
        now = min(running, default=0)
        none = np.empty(0, dtype=np.int64)
        return LineBatch(b"", none, none, none, source=self._name, now=now, written=now)

    def delivered(self, reached: Any = None) -> None:
        """Let each monitor keep the place up to which the lane took what it gave."""
        for branch in self._branches:
            if branch.place is not None:
                branch.monitor.delivered(branch.place)

    def exclude(self, endpoints: Sequence[tuple[str, int]]) -> None:
        """Passed on to all."""
        for monitor in self.monitors:
            monitor.exclude(endpoints)

    def close(self) -> None:
        """Close all."""
        for branch in self._branches:
            branch.is_open = False
            branch.monitor.close()

    def inputs(self) -> list[InputStatus]:
        """The inputs of all."""
        return [one for branch in self._branches for one in branch.inputs()]


def _next(arrived: queue.SimpleQueue[Any], wait_s: float) -> LineBatch | None:
    """What arrived next, noted as taken; None where nothing does in time."""
    try:
        branch, batch, place = arrived.get(timeout=wait_s) if wait_s else arrived.get_nowait()
    except queue.Empty:
        return None
    branch.taken(place)
    branch.now = max(branch.now, batch.now)
    return batch  # type: ignore[no-any-return]
