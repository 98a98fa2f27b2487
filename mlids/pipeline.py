"""A lane: one monitor, its detectors, one thread; nothing is shared with other lanes.

A monitor that fails is opened again, with growing pauses; a detector that fails misses that batch
and the others go on. State and checkpoints are kept once what was found is on the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlids.atomic import write_atomically
from mlids.batches import Batch, Detector, Monitor
from mlids.errors import MLIDSError
from mlids.events import Event, Severity
from mlids.logger import EventLogger

_log = logging.getLogger(__name__)
CODES = {"network": "E101", "files": "E102"}
LONGEST_PAUSE_S = 60.0
KEEP_EVERY_S = 1.0  # how often the monitor may move its checkpoint
STORED_S = 1.0  # how long an input waits for the disk before it reads on
SAVE_EVERY_S = 30.0  # how often the detectors' windows are saved


class Lane:
    """Runs `monitor` and hands its batches to `detectors`.

    state: folder in which the detectors' windows survive a restart, None: nowhere; tell: called
    with an error that the operator should see.
    """

    def __init__(
        self,
        monitor: Monitor,
        detectors: Mapping[str, Detector[Any]],
        logger: EventLogger,
        state: Path | None = None,
        tell: Callable[[MLIDSError], None] = lambda error: _log.error("%s", error),
    ) -> None:
        self.monitor = monitor
        self.detectors = dict(detectors)
        self.logger = logger
        self.state = state
        self.tell = tell
        self.failed = ""  # why it is not running, "" while it is
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken: set[str] = set()
        self._kept = self._saved = 0.0
        self._ticket = 0

    @property
    def name(self) -> str:
        """The monitor's name."""
        return self.monitor.name

    def start(self) -> None:
        """Take up saved windows and begin, in a thread; the monitor must be open."""
        self._restore()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; `join` waits."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its end; False where it did not end in time."""
        if self._thread:
            self._thread.join(timeout)
        return not (self._thread and self._thread.is_alive())

    def _run(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                for batch in self.monitor.batches(self._stop):
                    self.failed = ""
                    self.process(batch)
                    self._keep()
                break
            except Exception as error:
                self._fail(error)
            pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE_S else pause
            while not self._stop.wait(pause) and not self._reopened():
                pause = min(pause * 2, LONGEST_PAUSE_S)
        self.finish()

    def process(self, batch: Batch) -> list[Event]:
        """Hand one batch to every detector of its kind, log what they say and return it."""
        said: list[Event] = []
        for name, detector in self.detectors.items():
            if isinstance(batch, detector.kind):
                said += self._asked(name, detector.inspect, batch)
        said.sort(key=order)
        for event in said:
            self._ticket = self.logger.log(event)
        return said

    def finish(self) -> None:
        """Tell what detectors hold back, save their windows, keep the checkpoint, close."""
        for name, detector in self.detectors.items():
            for event in self._asked(name, detector.flush):
                self._ticket = self.logger.log(event)
        self._keep(now=True)
        self.monitor.close()

    def _asked(self, name: str, ask: Callable[..., Iterable[Event]], *batch: Batch) -> list[Event]:
        said: list[Event] = []
        try:
            said.extend(ask(*batch))
        except Exception as error:
            self.logger.metrics.add(f"failures{{plugin={name}}}")
            if name not in self._broken:
                self._broken.add(name)
                self.tell(MLIDSError("E107", f"detector {name}: {error!r}"))
                _log.exception("detector %s failed", name)
        return said

    def _fail(self, error: Exception) -> None:
        known = error if isinstance(error, MLIDSError) else None
        told = known or MLIDSError(CODES.get(self.name, "E103"), f"{self.name}: {error!r}")
        if str(told) != self.failed:
            self.failed = str(told)
            self.tell(told)
            if not known:
                _log.exception("monitor %s failed", self.name, exc_info=error)

    def _reopened(self) -> bool:
        try:
            self.monitor.close()
            self.monitor.open()
        except Exception as error:
            self._fail(error)
            return False
        _log.info("monitor %s runs again", self.name)
        return True

    # -- what survives a restart

    def _keep(self, now: bool = False) -> None:
        clock = time.monotonic()
        if now or clock - self._kept >= KEEP_EVERY_S:
            self._kept = clock
            self._move_on()
        if now or clock - self._saved >= SAVE_EVERY_S:
            self._saved = clock
            self._save()

    def _move_on(self) -> None:
        """Let the monitor move its checkpoint, once what it led to is on the disk."""
        store = self.logger.store
        if store.failing or not store.wait(self._ticket, STORED_S):
            return  # read on; a restart would read from the old checkpoint again
        try:
            self.monitor.delivered()
        except OSError as error:
            _log.warning("the place reached by %s was not kept: %s", self.name, error)

    def _path(self, name: str) -> Path | None:
        return self.state / f"{self.name}-{name}.msgpack" if self.state else None

    def _save(self) -> None:
        for name, detector in self.detectors.items():
            path = self._path(name)
            if path is None or not (state := detector.save()):
                continue
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(path, msgspec.msgpack.encode(state), sync=False)
            except (OSError, MLIDSError) as error:
                _log.warning("windows of %s were not saved: %s", name, error)

    def _restore(self) -> None:
        for name, detector in self.detectors.items():
            path = self._path(name)
            if path is None or not path.exists():
                continue
            try:
                detector.restore(msgspec.msgpack.decode(path.read_bytes()))
            except Exception as error:
                _log.warning("%s is not readable, so %s begins anew: %s", path, name, error)
                self.detectors[name] = type(detector)(**msgspec.structs.asdict(detector.settings))


def order(event: Event) -> tuple[int, int]:
    """What happened first comes first, and single signs before what they add up to."""
    return event.time_ns, Severity(event["severity"]).rank
