"""The rail from the detectors to the store: suppress, correlate, keep.

An event that is suppressed is not stored and not correlated, but counted. What correlators and
suppressions know outlives a restart: it is saved once the events behind it are on the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mlids.correlation import stage
from mlids.correlation.stage import Correlation
from mlids.errors import MLIDSError
from mlids.events import Correlator, Event
from mlids.metrics import Metrics
from mlids.suppression.stage import Suppressing
from mlids.suppression.thresholding import Thresholding

_log = logging.getLogger(__name__)
EVERY_S = 1.0
SAVE_EVERY_S = 30.0
DURABLE_S = 2.0  # how long saving waits for the disk


class Rail:
    """Thread-safe. keep: stores an event and gives its ticket; wait: for a ticket's durability."""

    def __init__(
        self,
        folder: Path,
        keep: Callable[[Event], int],
        wait: Callable[[int, float], bool],
        *,
        metrics: Metrics,
        tell: Callable[[MLIDSError], None],
    ) -> None:
        self.keep = keep
        self.wait = wait
        self.ticket = 0  # of the latest event that was stored
        self.correlation = Correlation(metrics=metrics)
        self.suppressing = Suppressing(folder, metrics=metrics, tell=tell)
        self._state = folder / "state"
        self._one = threading.RLock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def equip(
        self, correlators: Sequence[Correlator], thresholds: Sequence[Thresholding] = ()
    ) -> None:
        """Put these in the place of the ones before, whose state they take up."""
        with self._one:
            states = self.correlation.saved()
            self.correlation.correlators = correlators
            self.correlation.restore(states)
            self.suppressing.equip(thresholds)

    @property
    def running(self) -> bool:
        """True between `open` and `close`."""
        return self._thread is not None

    def open(self) -> None:
        """Take up what was saved, record what changed meanwhile, and begin to look each second."""
        with self._one:
            if self._thread:
                return
            self.correlation.restore(stage.read(self._state))
            self.suppressing.restore()
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name="rail", daemon=True)
        self._look()
        self._thread.start()

    def log(self, event: Event) -> int:
        """Pass one event and give its own ticket, whatever other threads pass meanwhile."""
        with self._one:
            self.passed(event)
            return self.ticket

    def passed(self, event: Event) -> list[Event]:
        """Suppress or correlate an event, and store what is left; returns what was stored."""
        event = event.stamped()
        with self._one:
            if self.suppressing.keeps_back(event):
                return []
            if not self.correlation.correlators:
                self.ticket = self.keep(event)
                return [event]
            return self._kept(self.correlation.passed(event))

    def _kept(self, events: list[Event]) -> list[Event]:
        for event in events:
            self.ticket = self.keep(event)
        return events

    def settle(self) -> list[Event]:
        """Store what correlators and suppressions hold back, and return it."""
        with self._one:
            told = self.correlation.settle() + self.suppressing.account(ending=True)
            return self._kept([event.stamped() for event in told])

    def close(self) -> None:
        """Tell what is held back, save what is known, and stop looking."""
        with self._one:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._ending.set()
        thread.join(DURABLE_S + 1)
        self.settle()
        self._save()

    def _run(self) -> None:
        saved = time.monotonic()
        while not self._ending.wait(EVERY_S):
            try:
                self._look()
                if time.monotonic() - saved >= SAVE_EVERY_S:
                    saved = time.monotonic()
                    self._save()
            except Exception:
                _log.exception("the rail could not be looked after")

    def _look(self) -> None:
        with self._one:
            recorded = self.suppressing.refresh()
            told = recorded + self.suppressing.account()
            self._kept([event.stamped() for event in told])
        if recorded:
            self._save()  # or the change would be recorded once more after a crash

    def _save(self) -> None:
        with self._one:
            states, suppressed, ticket = (
                self.correlation.saved(),
                self.suppressing.saved(),
                self.ticket,
            )
        if self.wait(ticket, DURABLE_S):
            stage.write(states, self._state)
            self.suppressing.write(suppressed)
