"""EventLogger: the one place that events pass, from whoever makes them to whoever takes them.

Each event is stamped, suppressed or correlated (`mlids.rail`), encoded once, stored and handed to
its receivers, in this order.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlids import columns
from mlids.alerts import ActiveAlerts
from mlids.errors import MLIDSError
from mlids.events import TYPES, Correlator, Event, Severity, detection_id
from mlids.metrics import Metrics
from mlids.rail import DURABLE_S, Rail
from mlids.retention import Policy, Retention, Step
from mlids.store import EventStore
from mlids.suppression.thresholding import Thresholding

if TYPE_CHECKING:
    from mlids.archive import Archive

_log = logging.getLogger(__name__)
HOUR_NS = 3600 * 1_000_000_000


class Receiver(Protocol):
    """Who takes events; `put` returns at once and never raises."""

    def put(self, event: Event) -> None:
        """Take one stored event."""


class EventLogger:
    """Stores events below `logs_dir` and hands them on. Thread-safe.

    max_size, rotate_s, compression, seals: of the store (`EventStore`); retention: how long its
    segments are kept; correlators, thresholds: what the rail is equipped with (`mlids.rail`); tell:
    called with an error that the operator should see.
    """

    def __init__(
        self,
        logs_dir: str | os.PathLike[str] = "logs",
        *,
        max_size: int = 10_485_760,
        rotate_s: float = 86_400,
        compression: str = "zstd",
        seals: str | os.PathLike[str] | None = None,
        retention: Policy = Policy(),  # noqa: B008 - frozen
        correlators: Sequence[Correlator] = (),
        thresholds: Sequence[Thresholding] = (),
        metrics: Metrics | None = None,
        tell: Callable[[MLIDSError], None] = lambda error: _log.error("%s", error),
    ) -> None:
        self.store = EventStore(
            logs_dir,
            max_size=max_size,
            rotate_s=rotate_s,
            compression=compression,
            seals=seals,
            tell=tell,
            on_loss=self._tell_loss,
            on_sealed=self._sealed,
        )
        self._retention = Retention(self.store.folder, retention, self.store.sealer)
        self._retaining = threading.Lock()
        self.metrics = metrics or Metrics()
        self.alerts = ActiveAlerts()
        self.recent: deque[Event] = deque(maxlen=50)
        self.receivers: Sequence[Receiver] = ()
        self.rail = Rail(
            self.store.folder, self._keep, self.store.wait, metrics=self.metrics, tell=tell
        )
        self.rail.equip(correlators, thresholds)
        self._closing = False

    @property
    def logs_dir(self) -> Path:
        """The folder of the store."""
        return self.store.folder

    def open(self) -> None:
        """Take the store. Raises `MLIDSError` E006 (in use), E004 or E106."""
        self.store.open()
        self.rail.open()
        self.apply_retention()

    def log(self, event: Event) -> int:
        """Pass one event; returns at once, with the ticket that `EventStore.wait` takes."""
        self._ensure_open()
        return self.rail.log(event)

    def passed(self, event: Event) -> list[Event]:
        """Pass one event and return what was stored: nothing, or it and what it gave rise to."""
        self._ensure_open()
        return self.rail.passed(event)

    def _ensure_open(self) -> None:
        if not (self.rail.running or self._closing):
            self.open()

    def settle(self) -> list[Event]:
        """Store what correlators and suppressions hold back, and return it; `close` does so too."""
        return self.rail.settle()

    def _keep(self, event: Event) -> int:
        """Called by the rail, one event at a time: receivers see them in the order of the store."""
        ticket = self.store.append(event.encoded())
        for receiver in self.receivers:
            receiver.put(event)
        self.recent.append(event)
        self.alerts.add(event, time.monotonic())
        self.metrics.count("events_total", f"events{{severity={event['severity']}}}")
        return ticket

    def log_event(
        self,
        event_type: str,
        details: Mapping[str, Any] | None = None,
        severity: str | None = None,
        *,
        source: str | None = None,
        tags: Iterable[str] = (),
        rule: str = "custom",
    ) -> Event:
        """Log an event of one's own and return it, durably stored.

        A type that nobody knows is accepted; severity and source follow from the type where they
        are not given. Raises ValueError for an unknown severity, `MLIDSError` E006 where another
        process writes to the store, E106 where the event was dropped: the disk has been full for
        so long that memory is too.
        """
        usual = TYPES.get(event_type, ("MEDIUM", "application"))
        now = time.time_ns()
        event = Event.new(
            event_type,
            Severity(severity or usual[0]).value,
            source or usual[1],
            {"description": event_type, **(details or {})},
            time_ns=now,
            rule=rule,
            tags=list(tags),
            correlation_id=detection_id(rule, event_type, now, os.urandom(8)),
        ).stamped()
        if not self.store.wait(self.log(event)):
            raise MLIDSError("E106", f"{self.logs_dir} takes no events, and memory has no room")
        return event

    def search_events(
        self, query: str = "", hours: float = 24, limit: int | None = None
    ) -> list[Event]:
        """Events of the last `hours` that match a query, in the order they were written.

        query: as docs/reference/query.md has it; limit: at most so many. Raises `QueryError`.
        """
        since = time.time_ns() - int(hours * HOUR_NS)
        return list(self.archive.search(query, since, limit=limit))

    @property
    def archive(self) -> Archive:
        """What is stored, to be asked; everything that was logged so far is in it."""
        from mlids.archive import Archive  # a sensor that nobody asks does without it

        self.store.flush(5)
        return Archive(self.logs_dir)

    def _sealed(self) -> None:
        """There is one more segment; of a store that is closed by now, others take care."""
        if self.rail.running:
            self.apply_retention()
            columns.behind(self.logs_dir)

    def apply_retention(self) -> None:
        """Remove or thin what the policy does not keep, as recorded steps."""
        with self._retaining:
            for step in self._retention.due(time.time()):
                if self._closing or not self._retain(step):
                    return

    def _retain(self, step: Step) -> bool:
        """Do one step; False where the disk does not take the event that tells it."""
        figures = {"path": step.path.name, "bytes": step.size, "keep": list(step.keep)}
        details = {"description": step.text, "path": step.path.name, "metadata": figures}
        if not self.store.wait(self.log(_system("Log Retention", "LOW", details)), DURABLE_S):
            return False
        try:
            self._retention.carry_out(step)
        except (OSError, MLIDSError) as error:
            _log.warning("%s: not done: %s", step.text, error)
        return True

    def _tell_loss(self, count: int) -> None:
        """The disk takes events again: some did not find room in memory meanwhile."""
        text = f"{count:,} events were dropped while the disk took none"
        figures = {"input": "event store", "what": "dropped", "amount": count}
        details = {"description": text, "metadata": figures}
        self.log(_system("Monitoring Gap", "MEDIUM", details))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything logged so far is on the disk; False where time ran out."""
        return self.store.flush(timeout)

    def close(self) -> None:
        """Write what waits and let go of the store."""
        self._closing = True  # whoever logs meanwhile must not open it again
        try:
            self.rail.close()
            idle = self._retaining.acquire(timeout=DURABLE_S)  # a step that was begun is done
            self.store.close()
            if idle:
                self._retaining.release()
        finally:
            self._closing = False


def _system(type: str, severity: str, details: Mapping[str, Any]) -> Event:
    return Event.new(type, severity, "system", details, time_ns=time.time_ns(), rule="logger")
